//! Blocks above an L1 fit what L1 carries; a batch ends where it may.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use k256::ecdsa::SigningKey;
use op_alloy_consensus::OpTxEnvelope;
use serde_json::{Value, json};
use support::{dynamic_by, seal, sign};
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    l1_view::{L1Deposit, L1View},
    network::Network,
    pool::PoolConfig,
    settle::L1Heads,
    unposted::Unposted,
};
use trex_stf::{derive::Deposit, transaction::Transaction};
use trex_store::Options;

/// First account of the development mnemonic.
const KEY: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
/// Second account of the development mnemonic.
const SECOND_KEY: [u8; 32] = hex!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d");
/// Blobs of one L1 transaction.
const SIX: usize = 6;

/// The devnet, on an L1 whose block 7 is genesis's origin or on none.
fn open(directory: &TempDir, with_l1: bool) -> Chain {
    let mut document: Value =
        serde_json::from_slice(include_bytes!("../../../networks/devnet.json")).unwrap();
    if with_l1 {
        document["parameters"]["l1BaseFeeScalar"] = json!(1_000_000);
        document["l1"] = json!({"chainId": 31337, "contracts": {}, "parameters": {}});
        document["genesis"]["l1Origin"]["number"] = json!(7);
        document["genesis"]["l1Origin"]["hash"] = json!(format!("0x{}", "07".repeat(32)));
    }
    let network = Network::parse(&serde_json::to_vec(&document).unwrap()).unwrap();
    let pool = PoolConfig::new(network.params);
    Chain::open(directory.path(), network.clone(), Options::new(network.hash), pool).unwrap()
}

/// Transactions of one sender, each with so many bytes that nothing compresses.
fn submit(chain: &Chain, first: u64, count: u64, bytes: usize) {
    let key = SigningKey::from_slice(&KEY).unwrap();
    let noise = |nonce: u64| -> Bytes {
        let words =
            (0..bytes.div_ceil(32)).map(|at| keccak256([nonce.to_be_bytes(), at.to_be_bytes()].concat()));
        words.flat_map(|word| word.0).take(bytes).collect::<Vec<u8>>().into()
    };
    let txs = (first..first + count).map(|nonce| {
        let to = TxKind::Call(Address::repeat_byte(0xaa));
        dynamic_by(&key, nonce, to, 0, noise(nonce)).encoded().clone()
    });
    chain.submit(txs.collect()).into_iter().for_each(|answer| assert!(answer.is_ok()));
}

/// A call with a priority fee.
fn tipped_by(key: &[u8; 32], nonce: u64, to: TxKind, input: Bytes, tip_wei: u128) -> Transaction {
    let key = SigningKey::from_slice(key).unwrap();
    let tx = TxEip1559 {
        chain_id: 1962,
        nonce,
        max_fee_per_gas: 20_000_000_000 + 2 * tip_wei,
        max_priority_fee_per_gas: tip_wei,
        gas_limit: 1_000_000,
        to,
        input,
        ..TxEip1559::default()
    };
    let signature = sign(&key, tx.signature_hash());
    seal(OpTxEnvelope::Eip1559(tx.into_signed(signature)))
}

fn build(chain: &Chain, l1: L1View) -> usize {
    let order = BuildOrder { slot: chain.head().slot + 1, allow_empty: true, l1, ..BuildOrder::default() };
    chain.build(&order).unwrap().unwrap().transactions
}

#[test]
fn every_block_above_an_l1_fits_one_l1_transaction() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (settling, alone) = (open(&one, true), open(&two, false));
    for chain in [&settling, &alone] {
        submit(chain, 0, 60, 20_000);
    }
    assert_eq!(build(&alone, L1View::default()), 60, "nothing limits a block that is never posted");
    // 20,118 bytes each, 17/16 of which fit six blobs 36 times; the first block announces its origin too.
    assert_eq!(
        (build(&settling, L1View::default()), build(&settling, L1View::default())),
        (37, 24),
        "BAT-044"
    );
    for number in [1, 2] {
        assert!(settling.batch(number, number, vec![]).unwrap().len() <= SIX, "BAT-044");
    }
    let refused = settling.batch(1, 2, vec![]).unwrap_err();
    assert_eq!(refused.code(), "bad_batch");
    assert!(refused.to_string().contains("too_many_bytes"), "{refused}");
}

/// Ordinary transactions of a block that may bring what is above the safe head to so many bytes.
fn build_within(chain: &Chain, most: usize, l1: L1View) -> usize {
    let before = chain.unposted().unwrap().transactions;
    let slot = chain.head().slot + 1;
    let order =
        BuildOrder { slot, allow_empty: true, l1, most_unposted_bytes: Some(most), ..BuildOrder::default() };
    chain.build(&order).unwrap().unwrap();
    chain.unposted().unwrap().transactions - before
}

#[test]
fn blocks_above_the_safe_head_hold_no_more_than_l1_carries() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, true);
    submit(&chain, 0, 30, 20_000);
    assert_eq!(chain.unposted().unwrap(), Unposted::default());
    // Some 21,376 bytes each.
    let counts = [(); 3].map(|()| build_within(&chain, 100_000, L1View::default()));
    assert_eq!(counts, [4, 0, 0], "PST-024");
    let stands = chain.unposted().unwrap();
    assert_eq!((stands.blocks, stands.transactions, stands.oldest_origin), (3, 4, Some(7)));
    assert!((80_000..100_000).contains(&stands.bytes), "{stands:?}");
    chain.set_l1_heads(L1Heads { safe: 1, finalized: 0 }).unwrap();
    assert_eq!(chain.unposted().unwrap().transactions, 0, "L1 has carried them");
    assert_eq!(build_within(&chain, 100_000, L1View::default()), 4);
    drop(chain);
    let chain = open(&directory, true);
    assert_eq!(chain.unposted().unwrap().transactions, 4, "after a restart");
    // L1 goes back, and so does the chain: what is counted is what stands.
    chain.set_l1_heads(L1Heads::default()).unwrap();
    assert_eq!(chain.unposted().unwrap().transactions, 8);
    chain.unwind(1).unwrap();
    assert_eq!(chain.unposted().unwrap().transactions, 4);
    assert_eq!(build_within(&chain, 100_000, L1View::default()), 0, "there is no room for any");
    assert_eq!(build_within(&chain, 200_000, L1View::default()), 5);
}

/// A block on an L1 whose data costs something.
fn announce_dear_l1(chain: &Chain) {
    let header = Header {
        parent_hash: B256::repeat_byte(7),
        number: 8,
        timestamp: chain.params().genesis_timestamp,
        base_fee_per_gas: Some(10_000_000_000),
        ..Header::default()
    };
    build(chain, L1View { headers: vec![alloy_rlp::encode(header).into()], ..L1View::default() });
}

/// FastLZ leaves 230 of 20,000 zeros, and blobs of 6,700 bytes are called for (BAT-041).
fn submit_zeros(chain: &Chain, nonces: std::ops::Range<u64>, tip_wei: u128) {
    let to = TxKind::Call(Address::repeat_byte(0xaa));
    let zeros = |nonce| tipped_by(&SECOND_KEY, nonce, to, Bytes::from(vec![0; 20_000]), tip_wei);
    for answer in chain.submit(nonces.map(|nonce| zeros(nonce).encoded().clone()).collect()) {
        answer.unwrap();
    }
}

#[test]
fn who_owes_for_blobs_has_no_part_in_the_second_half() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, true);
    announce_dear_l1(&chain);
    submit(&chain, 0, 6, 20_000);
    assert_eq!(build_within(&chain, 200_000, L1View::default()), 6);
    submit(&chain, 6, 1, 20_000);
    submit_zeros(&chain, 0..1, 5_000_000);
    assert_eq!(chain.pending_block().unwrap().transactions.len(), 1, "PST-025: as a block would be");
    assert_eq!(build_within(&chain, 200_000, L1View::default()), 1, "PST-025: who pays for blobs");
    assert_eq!(build_within(&chain, 200_000, L1View::default()), 0, "PST-025: who does not");
    submit_zeros(&chain, 0..1, 6_000_000_000);
    assert_eq!(build_within(&chain, 200_000, L1View::default()), 1, "a priority fee pays for them too");
}

#[test]
fn what_stands_above_the_safe_head_owes_no_more_than_a_blob() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, true);
    announce_dear_l1(&chain);
    submit_zeros(&chain, 0..30, 5_000_000);
    let (plenty, none) = (10_000_000, L1View::default);
    let pending = || chain.pending_block().unwrap().transactions.len();
    let taken = build_within(&chain, plenty, none());
    let owed = chain.unposted().unwrap().owed_bytes;
    assert_eq!((taken, owed / taken as i64), (20, 6_467), "PST-025: what a posting takes anyway");
    assert_eq!((pending(), build_within(&chain, plenty, none())), (0, 0), "PST-025: no more");
    // One that pays for more than it takes pays for another's.
    submit(&chain, 0, 1, 20_000);
    assert_eq!(build_within(&chain, plenty, none()), 1);
    assert!(chain.unposted().unwrap().owed_bytes < owed - 6_467);
    assert_eq!((pending(), build_within(&chain, plenty, none())), (1, 1));
    // What L1 has carried is owed no more; and whoever pays a priority fee owes nothing.
    let head = chain.head().header.number;
    chain.set_l1_heads(L1Heads { safe: head, finalized: 0 }).unwrap();
    assert_eq!((pending(), build_within(&chain, plenty, none())), (9, 9));
    submit_zeros(&chain, 30..60, 6_000_000_000);
    assert_eq!(build_within(&chain, plenty, none()), 30);
    assert_eq!(chain.unposted().unwrap().owed_bytes / 9, 6_467);
}

#[test]
fn a_batch_does_not_end_among_deposits_of_one_origin() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, true);
    let header = Header {
        parent_hash: B256::repeat_byte(7),
        number: 8,
        timestamp: chain.params().genesis_timestamp,
        ..Header::default()
    };
    let deposit = Deposit {
        l1_number: 8,
        from: Address::repeat_byte(1),
        to: Address::repeat_byte(2),
        mint_wei: 0,
        value_wei: U256::ZERO,
        gas_limit: 1 << 24,
        is_creation: false,
        data: Bytes::new(),
    };
    let l1_hash = header.hash_slow();
    let deposits = (0..50).map(|log_index| L1Deposit { record: deposit.encode(), log_index, l1_hash });
    let l1 = L1View { headers: vec![alloy_rlp::encode(header).into()], deposits: deposits.collect() };
    build(&chain, L1View::default());
    let counts = [(); 4].map(|()| build(&chain, l1.clone()));
    assert_eq!(counts, [24, 23, 4, 0]);
    let indices: Vec<u32> = (0..50).collect();
    for (last, indices) in [(2, &indices[..23]), (3, &indices[..46]), (4, &indices[1..]), (0, &[])] {
        let refused = chain.batch(1, last, indices.to_vec()).unwrap_err();
        assert_eq!(refused.code(), "bad_batch", "DRV-032: {last}");
    }
    assert_eq!(chain.batch(1, 1, vec![]).unwrap().len(), 1, "a block without anything");
    chain.batch(1, 4, indices).unwrap();
}
