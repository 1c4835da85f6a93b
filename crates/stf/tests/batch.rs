//! Batches and blobs: both ways, one form, every reason. `TREX_WRITE_VECTORS=1` writes vectors/batch.json.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{env, fs, path::PathBuf};

use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use proptest::prelude::*;
use serde_json::{Value, json};
use trex_stf::{
    batch::{
        BLOB_BYTES, BLOB_DATA_BYTES, Batch, BatchBlock, Blob, Limits, Reason, decode_batch, encode_batch,
        encode_batch_within, pack_blobs, transaction_bound, unpack_blobs,
    },
    transaction::Transaction,
};

const CHAIN_ID: u64 = 1962;

/// What a transaction says, whatever its type; nothing about its signature need be valid.
#[derive(Clone, Debug)]
struct Tx {
    kind: usize,
    to: Option<Address>,
    nonce: u64,
    gas_limit: u64,
    tip: u128,
    max_fee: u128,
    value: U256,
    data: Vec<u8>,
    access_list: Vec<AccessListItem>,
    authorizations: Vec<SignedAuthorization>,
    signature: Signature,
}

impl Tx {
    fn encode(self) -> Bytes {
        let Self { nonce, gas_limit, value, signature, .. } = self;
        let (chain_id, to) = (CHAIN_ID, self.to.map_or(TxKind::Create, TxKind::Call));
        let (input, access_list) = (self.data.into(), AccessList(self.access_list));
        let (max_fee_per_gas, max_priority_fee_per_gas) = (self.max_fee.max(self.tip), self.tip);
        let mut out = Vec::new();
        match self.kind {
            0 | 1 => {
                let chain_id = (self.kind == 0).then_some(chain_id);
                let tx = TxLegacy { chain_id, nonce, gas_price: self.tip, gas_limit, to, value, input };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
            2 => {
                let gas_price = self.tip;
                let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
            3 => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
            _ => {
                let tx = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: self.to.unwrap_or_default(),
                    value,
                    access_list,
                    authorization_list: self.authorizations,
                    input,
                };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
        }
        out.into()
    }
}

fn address() -> impl Strategy<Value = Address> {
    // Few and many: dictionaries have hits and misses.
    prop_oneof![(0u8..4).prop_map(Address::repeat_byte), any::<[u8; 20]>().prop_map(Address::from)]
}

fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![
        Just(0),
        (1u128..1000, 0u32..30).prop_map(|(digits, zeros)| digits * 10u128.pow(zeros)),
        any::<u128>(),
        (0u32..128).prop_map(|bits| u128::MAX >> bits),
    ]
}

fn word() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        Just([0; 32]),
        address().prop_map(|address| address.into_word().0),
        (0u8..3).prop_map(|seed| keccak256([seed]).0),
        (any::<[u8; 32]>(), 0usize..=32).prop_map(|(mut word, zeros)| {
            word[..zeros].fill(0);
            word
        }),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![]),
        prop::collection::vec(any::<u8>(), 0..200),
        (0u8..3, prop::collection::vec(word(), 0..6)).prop_map(|(selector, words)| [
            &[selector; 4][..],
            &words.concat()
        ]
        .concat()),
    ]
}

fn authorization() -> impl Strategy<Value = SignedAuthorization> {
    let chain_id = prop_oneof![Just(0u64), Just(CHAIN_ID), Just(1)];
    (chain_id, address(), any::<u64>(), 0u8..4, any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(
        |(chain_id, address, nonce, parity, r, s)| {
            let inner = Authorization { chain_id: U256::from(chain_id), address, nonce };
            SignedAuthorization::new_unchecked(inner, parity, U256::from_be_bytes(r), U256::from_be_bytes(s))
        },
    )
}

fn transaction() -> impl Strategy<Value = Bytes> {
    let item = (address(), prop::collection::vec(word().prop_map(B256::from), 0..3))
        .prop_map(|(address, storage_keys)| AccessListItem { address, storage_keys });
    let lists = (prop::collection::vec(item, 0..3), prop::collection::vec(authorization(), 0..3));
    let numbers = (prop_oneof![0u64..50, any::<u64>()], prop_oneof![Just(21_000), any::<u64>()]);
    let amounts = (amount(), amount(), amount(), any::<bool>());
    let signature = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>());
    (0usize..5, prop::option::of(address()), numbers, amounts, data(), lists, signature).prop_map(
        |(kind, to, (nonce, gas_limit), (tip, max_fee, value, large), data, lists, (r, s, parity))| {
            Tx {
                kind,
                to,
                nonce,
                gas_limit,
                tip,
                max_fee,
                value: if large { U256::from(value) << 130 } else { U256::from(value) },
                data,
                access_list: lists.0,
                authorizations: lists.1,
                signature: Signature::new(U256::from_be_bytes(r), U256::from_be_bytes(s) >> 1, parity),
            }
            .encode()
        },
    )
}

fn batches() -> impl Strategy<Value = Batch> {
    let delta = prop_oneof![Just(1u64), 1u64..1000, Just(u64::MAX)];
    let block = (delta, 0u64..3, prop::collection::vec(transaction(), 0..6)).prop_map(
        |(slot_delta, origin_delta, transactions)| BatchBlock { slot_delta, origin_delta, transactions },
    );
    let log_indices = prop::collection::vec(any::<u32>(), 0..4);
    (any::<[u8; 32]>(), prop::collection::vec(block, 0..6), log_indices)
        .prop_map(|(parent, blocks, log_indices)| Batch { parent_output: parent.into(), blocks, log_indices })
}

fn slices(blobs: &[Box<Blob>]) -> Vec<&[u8]> {
    blobs.iter().map(|blob| &blob[..]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// BAT-014: what is encoded decodes to itself, through blobs, fields of every form (BAT-030..036) among it.
    #[test]
    fn decode_of_encode_is_the_batch(batch in batches()) {
        let bytes = encode_batch(&batch, CHAIN_ID).unwrap();
        prop_assert_eq!(unpack_blobs(&slices(&pack_blobs(&bytes))).unwrap(), bytes.clone());
        prop_assert_eq!(decode_batch(&bytes, CHAIN_ID), Ok(batch));
    }

    /// BAT-014: what decodes, changed bytes included, encodes to the same bytes.
    #[test]
    fn encode_of_decode_is_the_bytes(
        batch in batches(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = encode_batch(&batch, CHAIN_ID).unwrap();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(batch) = decode_batch(&bytes, CHAIN_ID) {
            prop_assert_eq!(encode_batch(&batch, CHAIN_ID), Ok(bytes));
        }
    }

    /// BAT-043: beside what says how many blocks and transactions there are.
    #[test]
    fn transactions_take_no_more_than_their_bound(
        transactions in prop::collection::vec(transaction(), 1..40), log_indices: [u32; 3],
    ) {
        let bound: usize = transactions
            .iter()
            .map(|tx| Transaction::with_sender(tx.clone(), B256::ZERO, Address::ZERO).unwrap())
            .map(|tx| transaction_bound(&tx))
            .sum();
        let batch = Batch { log_indices: log_indices.to_vec(), ..one_block(transactions) };
        let bytes = encode_batch(&batch, CHAIN_ID).unwrap();
        prop_assert!(bytes.len() <= bound + 6 * 3 + 256, "{} bytes, {bound} bound", bytes.len());
    }

    /// BAT-001 to BAT-005.
    #[test]
    fn unpack_of_pack_is_the_data(
        length in prop_oneof![1usize..600, BLOB_DATA_BYTES - 2..BLOB_DATA_BYTES + 200], seed: u8,
    ) {
        let data: Vec<u8> = (0..length).map(|at| (at as u8).wrapping_mul(seed) ^ (at >> 8) as u8).collect();
        let blobs = pack_blobs(&data);
        prop_assert!(blobs.iter().all(|blob| blob.chunks(32).all(|element| element[0] < 64)));
        prop_assert_eq!(blobs.len(), length.div_ceil(BLOB_DATA_BYTES));
        prop_assert_eq!(unpack_blobs(&slices(&blobs)).unwrap(), data);
    }
}

#[test]
fn reasons_have_codes_and_names_of_their_own() {
    let codes: Vec<u8> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "BAT-050: {codes:?}");
    let mut names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
}

fn sample_tx(nonce: u64, data: Vec<u8>, kind: usize) -> Tx {
    let digest = keccak256(nonce.to_be_bytes());
    Tx {
        kind,
        to: Some(Address::repeat_byte(nonce as u8 % 3)),
        nonce,
        gas_limit: 21_000 + 100 * nonce,
        tip: 1_000_000,
        max_fee: 20_000_000,
        value: U256::from(nonce) * U256::from(10u64.pow(15)),
        data,
        access_list: vec![],
        authorizations: vec![],
        signature: Signature::new(
            digest.into(),
            U256::from_be_bytes(keccak256(digest).0) >> 1,
            nonce % 2 == 1,
        ),
    }
}

fn one_block(transactions: Vec<Bytes>) -> Batch {
    Batch { blocks: vec![BatchBlock { slot_delta: 1, origin_delta: 0, transactions }], ..Batch::default() }
}

#[test]
fn a_transaction_of_another_chain_is_refused() {
    let batch = one_block(vec![sample_tx(0, vec![], 3).encode()]);
    assert_eq!(encode_batch(&batch, 1), Err(Reason::Field));
    assert!(encode_batch(&batch, CHAIN_ID).is_ok());
}

#[test]
fn a_batch_above_the_most_bytes_is_refused() {
    let bytes = vec![0; Limits::RULE.bytes + 1];
    assert_eq!(decode_batch(&bytes, CHAIN_ID), Err(Reason::TooManyBytes), "BAT-040");
}

/// A call with so many words of zeros.
fn zeros(words: usize) -> Batch {
    one_block(vec![sample_tx(0, vec![0; 4 + 32 * words], 3).encode()])
}

#[test]
fn content_is_paid_for_with_blobs() {
    // BAT-041, BAT-045, DRV-041: a batch of next to no bytes takes the blobs that its content calls for.
    let blob_words = Limits::RULE.blob_content_bytes / 32;
    for (words, blobs) in [(blob_words - 3, 1), (blob_words, 2), (5 * blob_words + 1, 6)] {
        let batch = zeros(words);
        let bytes = encode_batch(&batch, CHAIN_ID).unwrap();
        assert_eq!(pack_blobs(&bytes).len(), blobs, "{words} words");
        assert_eq!(decode_batch(&bytes, CHAIN_ID), Ok(batch));
        if blobs > 1 {
            assert_eq!(bytes.len(), (blobs - 1) * BLOB_DATA_BYTES + 1);
            let fewer = &bytes[..bytes.len() - 1];
            assert_eq!(decode_batch(fewer, CHAIN_ID), Err(Reason::Ratio), "a blob less");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode_batch(&longer, CHAIN_ID), Err(Reason::TrailingBytes), "one zero too many");
    }
    let most = Limits::RULE.bytes.div_ceil(BLOB_DATA_BYTES);
    assert_eq!(encode_batch(&zeros(most * blob_words + 9), CHAIN_ID), Err(Reason::TooManyBytes));
    // Blocks and log indices count: as many as there may be fit one blob.
    let block = BatchBlock { slot_delta: 1, ..BatchBlock::default() };
    let blocks = vec![block; Limits::RULE.blocks];
    let batch = Batch { blocks, log_indices: vec![1; Limits::RULE.list], ..Batch::default() };
    let bytes = encode_batch(&batch, CHAIN_ID).unwrap();
    assert_eq!(decode_batch(&bytes, CHAIN_ID), Ok(batch.clone()));
    let words = (Limits::RULE.blob_content_bytes - 8 * Limits::RULE.blocks - 2 * Limits::RULE.list) / 32;
    let mut fuller = batch;
    fuller.blocks[0].transactions = zeros(words).blocks.remove(0).transactions;
    assert!(encode_batch(&fuller, CHAIN_ID).unwrap().len() > BLOB_DATA_BYTES);
}

fn sample() -> Batch {
    let tx = |nonce, data, kind| sample_tx(nonce, data, kind).encode();
    let transfer = [&hex!("a9059cbb")[..], &[0; 12], &[0xab; 20], &[0; 31], &[7]].concat();
    let block =
        |slot_delta, origin_delta, transactions| BatchBlock { slot_delta, origin_delta, transactions };
    Batch {
        parent_output: keccak256("parent"),
        blocks: vec![
            block(1, 1, vec![tx(0, vec![], 0), tx(1, transfer.clone(), 3), tx(2, transfer, 3)]),
            block(5, 0, vec![]),
            block(1, 2, vec![tx(3, b"not a call".to_vec(), 2), tx(4, vec![], 1)]),
        ],
        log_indices: vec![3, 4, 0],
    }
}

/// The cases of vectors/batch.json: name and blobs.
fn cases() -> Vec<(&'static str, Vec<Box<Blob>>)> {
    let encode = |batch: &Batch| encode_batch(batch, CHAIN_ID).unwrap();
    let good = encode(&sample());
    let with = |index: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[index] = byte;
        bytes
    };
    let changed = |index: usize, change: fn(&mut u8)| {
        let mut blobs = pack_blobs(&good);
        change(&mut blobs[0][index]);
        blobs
    };
    let mut overlong = good.clone();
    let end = (33..).find(|at| good[*at] & 0x80 == 0).unwrap();
    overlong[end] |= 0x80;
    overlong.insert(end + 1, 0);
    let long = [&good[..], &[0]].concat();
    let field = (0..=u16::MAX).find_map(|at| {
        let bytes = with(34 + usize::from(at >> 8), at as u8);
        (decode_batch(&bytes, CHAIN_ID) == Err(Reason::Field)).then_some(bytes)
    });
    let halves = good.chunks(good.len().div_ceil(2)).flat_map(pack_blobs).collect();
    let lax = Limits { blocks: usize::MAX, list: usize::MAX, blob_content_bytes: usize::MAX, ..Limits::RULE };
    let above = |batch: &Batch| pack_blobs(&encode_batch_within(batch, CHAIN_ID, &lax).unwrap());
    let block = BatchBlock { slot_delta: 1, ..BatchBlock::default() };
    let many = Batch { blocks: vec![block; Limits::RULE.blocks + 1], ..Batch::default() };
    let listed = Batch { log_indices: vec![0; Limits::RULE.list + 1], ..one_block(vec![]) };
    let zeros = zeros(Limits::RULE.blob_content_bytes / 32 + 1);
    let mut unpaid = encode(&zeros);
    *unpaid.last_mut().unwrap() = 1;
    vec![
        ("five transactions in three blocks", pack_blobs(&good)),
        ("one block without transactions", pack_blobs(&encode(&one_block(vec![])))),
        ("no block at all", pack_blobs(&encode(&Batch::default()))),
        ("a bit above the 254 of a field element", changed(32, |byte| *byte |= 0x40)),
        ("padding that is not zero", changed(BLOB_BYTES - 1, |byte| *byte = 1)),
        ("unknown version of the packing", changed(1, |byte| *byte = 1)),
        ("first blob not full", halves),
        ("unknown version", pack_blobs(&with(0, 1))),
        ("signature cut short", pack_blobs(&good[..good.len() - 1])),
        ("nothing but a version", pack_blobs(&good[..1])),
        ("one byte too many", pack_blobs(&long)),
        ("length in more bytes than needed", pack_blobs(&overlong)),
        ("a field with a value it cannot take", pack_blobs(&field.unwrap())),
        ("too many blocks", above(&many)),
        ("too many log indices", above(&listed)),
        ("more content than its blob pays for", above(&zeros)),
        ("content of two blobs and a byte that is not zero", pack_blobs(&unpaid)),
    ]
}

fn outcome(blobs: &[Box<Blob>]) -> Result<Batch, Reason> {
    decode_batch(&unpack_blobs(&slices(blobs))?, CHAIN_ID)
}

fn document() -> Value {
    let cases = cases().into_iter().map(|(name, blobs)| {
        let shown = |blob: &[u8]| {
            let end = blob.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            hex::encode_prefixed(&blob[..end])
        };
        let shown: Vec<String> = blobs.iter().map(|blob| shown(&blob[..])).collect();
        match outcome(&blobs) {
            Ok(batch) => {
                let blocks = batch.blocks.iter().map(|block| {
                    json!({
                        "slotDelta": block.slot_delta,
                        "originDelta": block.origin_delta,
                        "transactions": block.transactions.iter().map(hex::encode_prefixed).collect::<Vec<_>>(),
                    })
                });
                json!({"name": name, "blobs": shown, "batch": {
                    "parentOutput": hex::encode_prefixed(batch.parent_output),
                    "logIndices": batch.log_indices,
                    "blocks": blocks.collect::<Vec<_>>(),
                }})
            }
            Err(reason) => {
                json!({"name": name, "blobs": shown, "reason": {"code": reason.code(), "name": reason.name()}})
            }
        }
    });
    json!({
        "about": "Batches as blobs (zeros at the end left out) and what they hold, or why they read as empty; specs/batch.md",
        "chainId": CHAIN_ID,
        "cases": cases.collect::<Vec<_>>(),
    })
}

/// The golden bytes are of this form and this coder and no other (BAT-010..013, BAT-020..025), and say which
/// list or ratio is too much (BAT-041, BAT-042, BAT-045).
#[test]
fn vectors_hold() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/batch.json");
    let document = document();
    if env::var_os("TREX_WRITE_VECTORS").is_some() {
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&document).unwrap())).unwrap();
    }
    let stored: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(stored, document);
    // Each reason that the codec itself finds is among them.
    for reason in Reason::ALL.into_iter().filter(|reason| reason.code() < 32) {
        let is_shown = |case: &Value| case["reason"]["name"] == reason.name();
        let elsewhere = matches!(reason, Reason::NoData | Reason::TooManyBytes);
        assert!(elsewhere || document["cases"].as_array().unwrap().iter().any(is_shown), "{}", reason.name());
    }
}

#[test]
fn small_transactions_take_few_bytes() {
    // BAT-060: signature and little more; the coder must not fall behind what was measured.
    let txs = (0..2_000u64).map(|index| {
        let recipient = keccak256((index * 7 % 300).to_be_bytes());
        let digest = keccak256(index.to_be_bytes());
        Tx {
            to: Some(Address::from_slice(&recipient[12..])),
            nonce: index / 200,
            gas_limit: 21_000,
            value: U256::from(digest[0]) * U256::from(10u64.pow(13)),
            signature: Signature::new(digest.into(), U256::from_be_bytes(keccak256(digest).0) >> 1, false),
            ..sample_tx(0, vec![], 3)
        }
        .encode()
    });
    let bytes = encode_batch(&one_block(txs.collect()), CHAIN_ID).unwrap();
    assert!(bytes.len() <= 2_000 * 72, "{} bytes", bytes.len());
}
