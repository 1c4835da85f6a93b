//! Derivation: what a batch header means, rule by rule, and the blocks that follow.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "common/l1.rs"]
mod l1;

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use common::chain::{Call, Signer};
use l1::{Case, FIRST, L1, cases, transfer};
use serde_json::{Value, json};
use trex_stf::{
    attributes::L1Origin,
    batch::{Batch, Reason},
    derive::{
        BatchHeader, BlobSchedule, Carrier, Deposit, DeriveError, L1Header, Outcome, Preimages, accumulate,
        blob_base_fee_wei, execute, plan,
        program::{self, Input},
    },
    header::slot,
    state_trie::StateTrie,
    transaction::Transaction,
};

fn vectors(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Bytes {
    hex::decode(value.as_str().unwrap()).unwrap().into()
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn batch_headers_are_the_inbox_contracts() {
    let mut accumulator = B256::ZERO;
    for (index, case) in vectors("inbox.json")["batches"].as_array().unwrap().iter().enumerate() {
        let encoded = bytes(&case["header"]);
        let header = BatchHeader::decode(&encoded).unwrap();
        assert_eq!(header.index, index as u64);
        assert_eq!(header.carrier == Carrier::None, case["forced"].as_bool().unwrap());
        assert_eq!(header.origin_hash, hash(&case["originHash"]));
        assert_eq!(header.queue.accumulator, hash(&case["depositAccumulator"]));
        assert_eq!(header.sequencer_set, hash(&case["sequencerSet"]));
        assert_eq!(header.blobs.len(), case["blobHashes"].as_array().unwrap().len());
        assert_eq!(header.encode(), encoded, "DRV-001");
        assert_eq!(BatchHeader::decode(&encoded[..encoded.len() - 1]), None);
        accumulator = accumulate(accumulator, &encoded);
        assert_eq!(accumulator, hash(&case["accumulator"]), "DRV-001");
    }
}

#[test]
fn deposits_are_the_portals() {
    let mut accumulator = B256::ZERO;
    for case in vectors("deposits.json")["deposits"].as_array().unwrap() {
        let record = bytes(&case["record"]);
        accumulator = accumulate(accumulator, &record);
        assert_eq!(accumulator, hash(&case["accumulator"]), "DRV-002");
        let Some(deposit) = Deposit::decode(&record) else {
            // More ether than 128 bits hold: the queue hashes it, L1 cannot have sent it.
            let mint: U256 = case["mint"].as_str().unwrap().parse().unwrap();
            assert!(mint > U256::from(u128::MAX));
            continue;
        };
        assert_eq!(deposit.encode(), record);
        if deposit.gas_limit == deposit.capped_gas_limit() {
            let tx = deposit.transaction(hash(&case["l1BlockHash"]), case["logIndex"].as_u64().unwrap());
            assert_eq!(tx, bytes(&case["transaction"]), "DRV-003");
        }
        assert_eq!(Deposit::decode(&record.slice(..152)), None);
    }
}

#[test]
fn blob_base_fee_is_eip_4844s() {
    // Cases of the EIP's reference tests.
    for (excess, fee) in [(0, 1), (2_314_057, 1), (2_314_058, 2), (10 << 20, 23)] {
        assert_eq!(blob_base_fee_wei(excess, 3_338_477), fee, "DRV-011: {excess}");
    }
    assert_eq!(blob_base_fee_wei(u64::MAX, 3_338_477), u128::MAX);
    assert_eq!(blob_base_fee_wei(1 << 40, 0), 1);
    let schedule = BlobSchedule::of_l1(1);
    let fractions: Vec<u64> = [0, 1_710_338_135, 1_746_612_311, 1_765_290_071, 1_767_747_671]
        .map(|at| schedule.update_fraction(at))
        .into();
    assert_eq!(fractions, [0, 3_338_477, 5_007_716, 8_346_193, 11_684_671]);
}

#[test]
fn a_batch_becomes_its_blocks() {
    let mut l1 = L1::new();
    l1.deposit(101, 100_000);
    l1.deposit(101, 100_000);
    l1.deposit(103, 100_000);
    let batch =
        l1.batch(&[(60, 1, vec![transfer(0)]), (1, 0, vec![transfer(1)]), (119, 2, vec![])], &[4, 9, 0]);
    let plan = l1.post(103, &batch);
    assert_eq!(plan.outcome, Outcome::Batch);
    let slots: Vec<u64> = plan.blocks.iter().map(|block| block.attributes.slot).collect();
    assert_eq!(slots, [61, 62, 181]);
    let origins: Vec<L1Origin> = plan.blocks.iter().map(|block| block.attributes.origin).collect();
    assert_eq!(origins, [l1.origin(101), l1.origin(101), l1.origin(103)], "DRV-010");
    assert_eq!(origins[0].blob_base_fee_wei, blob_base_fee_wei(10 << 20, 5_007_716));
    let deposits: Vec<usize> = plan.blocks.iter().map(|block| block.attributes.deposits.len()).collect();
    assert_eq!(deposits, [2, 0, 1], "DRV-031");
    let first = Deposit::decode(&l1.records[1]).unwrap();
    assert_eq!(plan.blocks[0].attributes.deposits[1], first.transaction(l1.origin(101).hash, 9), "DRV-030");
    assert_eq!(plan.blocks[1].transactions, [transfer(1)]);
}

#[test]
fn blocks_of_a_plan_execute_as_one_by_one() {
    let mut l1 = L1::new();
    l1.deposit(101, 100_000);
    l1.deposit(102, 100_000);
    let unsigned = Call::to(9, Address::ZERO).eip1559(&Signer::new(2));
    let blocks = [
        (60, 1, vec![transfer(0), unsigned]),
        (1, 0, vec![transfer(1), transfer(2)]),
        (60, 1, vec![transfer(3)]),
    ];
    let plan = l1.post(102, &l1.batch(&blocks, &[0, 0]));
    assert_eq!(plan.outcome, Outcome::Batch);
    let parent = l1.parent();
    let mut trie = StateTrie::new(parent.header.state_root);
    let derived = execute(&l1.chain.params, &parent, &plan.blocks, &l1.chain.state, &mut trie).unwrap();
    assert_eq!(derived[0].excluded.len(), 1, "a nonce too high is left out, the batch stays");
    for (planned, derived) in plan.blocks.iter().zip(derived) {
        let made = l1.chain.make(planned.attributes.clone(), planned.transactions.clone());
        assert_eq!(made.block.header, derived.block.header);
        assert_eq!(made.block.diff, derived.block.diff);
        assert_eq!(made.excluded, derived.excluded);
    }
}

#[test]
fn garbage_and_silence_read_as_what_l1_calls_for() {
    let mut l1 = L1::new();
    l1.deposit(101, 50_000);
    l1.deposit(104, 50_000);
    l1.deposit(104, 50_000);
    let silence = l1.read(105, vec![]).unwrap();
    assert_eq!(silence.outcome, Outcome::Empty(Reason::NoData), "DRV-020");
    let [block] = &silence.blocks[..] else { panic!("DRV-040: one block") };
    assert_eq!(block.attributes.origin, l1.origin(105));
    assert_eq!(block.attributes.slot, 5 * 60);
    let indices = [(101, 0), (104, 0), (104, 1)];
    for ((record, (l1_number, index)), encoded) in
        l1.records.iter().zip(indices).zip(&block.attributes.deposits)
    {
        assert_eq!(*encoded, Deposit::decode(record).unwrap().transaction(l1.origin(l1_number).hash, index));
    }
    let garbage = l1.read(105, vec![vec![0x2a; 131_072].into()]).unwrap();
    assert_eq!(garbage.outcome, Outcome::Empty(Reason::Version));
    assert_eq!(garbage.blocks, silence.blocks, "DRV-020");
    // Nothing new on L1: nothing to build.
    l1.records.clear();
    assert_eq!(l1.read(100, vec![]).unwrap().blocks, []);
}

#[test]
fn deposits_that_do_not_fit_spill() {
    let mut l1 = L1::new();
    for _ in 0..9 {
        l1.deposit(102, 1 << 24);
    }
    // 60 million gas: three in a block, beside the L1 attributes deposit too.
    let silence = l1.read(102, vec![]).unwrap();
    let deposits: Vec<usize> = silence.blocks.iter().map(|block| block.attributes.deposits.len()).collect();
    assert_eq!(deposits, [3, 3, 3], "DRV-031");
    let slots: Vec<u64> = silence.blocks.iter().map(|block| block.attributes.slot).collect();
    assert_eq!(slots, [120, 121, 122], "DRV-040");
    let indices: Vec<u32> = (0..9).collect();
    let short = [(130, 2, vec![]), (1, 0, vec![])];
    assert_eq!(l1.refusal(102, &short, &indices), Reason::DepositsLeft, "DRV-032");
    let long = [(130, 2, vec![]), (1, 0, vec![]), (1, 0, vec![])];
    assert_eq!(l1.post(102, &l1.batch(&long, &indices)).outcome, Outcome::Batch);
    // What the empty reading makes, the state transition accepts.
    let parent = l1.parent();
    let mut trie = StateTrie::new(parent.header.state_root);
    let made = execute(&l1.chain.params, &parent, &silence.blocks, &l1.chain.state, &mut trie).unwrap();
    assert!(made.iter().flat_map(|derived| &derived.block.receipts).all(|receipt| receipt.success));
}

#[test]
fn each_rule_has_its_reason() {
    let mut l1 = L1::new();
    let block = |slot_delta, origin_delta| (slot_delta, origin_delta, vec![]);
    let other = Batch { parent_output: B256::ZERO, ..l1.batch(&[block(60, 1)], &[]) };
    assert_eq!(l1.post(101, &other).outcome, Outcome::Empty(Reason::Parent), "DRV-021");
    assert_eq!(l1.refusal(102, &[block(60, 1)], &[]), Reason::Origin, "DRV-024");
    assert_eq!(l1.refusal(101, &[block(60, u64::MAX), block(1, 3)], &[]), Reason::Origin, "DRV-024");
    assert_eq!(l1.refusal(101, &[block(58, 1)], &[]), Reason::BeforeOrigin, "DRV-022");
    assert_eq!(l1.refusal(101, &[block(60 + 5 * 31, 1)], &[]), Reason::Drift, "DRV-022");
    assert_eq!(l1.refusal(100, &[block(u64::MAX, 0)], &[]), Reason::Slot);
    let late = [(1, 0, vec![transfer(0)]), block(360, 6)];
    assert_eq!(l1.refusal(106, &late, &[]), Reason::Window, "DRV-023");
    assert_eq!(l1.post(106, &l1.batch(&[block(1, 0), block(360, 6)], &[])).outcome, Outcome::Batch);
    assert_eq!(l1.refusal(101, &[block(60, 1)], &[0]), Reason::DepositCount, "DRV-030");
    l1.deposit(101, 50_000);
    l1.deposit(101, 50_000);
    assert_eq!(l1.refusal(101, &[block(60, 1)], &[0]), Reason::DepositCount, "DRV-030");
    assert_eq!(l1.refusal(101, &[block(60, 1)], &[3, 3]), Reason::LogIndex, "DRV-030");
    assert_eq!(l1.post(101, &l1.batch(&[block(60, 1)], &[3, 4])).outcome, Outcome::Batch);
}

#[test]
fn what_is_missing_is_a_fault_and_never_an_empty_batch() {
    let mut l1 = L1::new();
    l1.deposit(102, 50_000);
    let header = l1.header(103, Carrier::Ethereum, 1);
    let read = |header: &BatchHeader, preimages: &Preimages| {
        plan(&l1.chain.params, &l1.derivation, &l1.parent(), header, preimages).unwrap_err()
    };
    let blob = header.blobs[0];
    assert_eq!(read(&header, &l1.preimages(vec![])), DeriveError::Blob(blob));
    let forced = l1.header(103, Carrier::None, 0);
    let newest = [alloy_rlp::encode(&l1.headers[3]).into()];
    let cut = Preimages::new(&newest, l1.records.clone(), BTreeMap::new());
    assert_eq!(read(&forced, &cut), DeriveError::L1Header(l1.headers[2].hash_slow()), "DRV-010");
    let mut none = l1.preimages(vec![]);
    none.deposits.clear();
    assert!(matches!(read(&forced, &none), DeriveError::Queue { .. }), "DRV-002");
    let other = BatchHeader { origin_number: 99, ..forced.clone() };
    assert_eq!(read(&other, &l1.preimages(vec![])), DeriveError::Origin { parent: 100, number: 99 });
    let early = l1.header(101, Carrier::None, 0);
    assert_eq!(read(&early, &l1.preimages(vec![])), DeriveError::Record { position: 0 });
}

#[test]
fn l1_headers_of_later_forks_are_read() {
    let mut header = L1::new().headers[3].clone();
    header.requests_hash = Some(B256::ZERO);
    let rlp = alloy_rlp::encode(&header);
    let decoded = L1Header::decode(&rlp).unwrap();
    let mut payload = &rlp[..];
    let fields = alloy_rlp::Header::decode_bytes(&mut payload, true).unwrap();
    let mut longer = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() + 2 }.encode(&mut longer);
    longer.extend_from_slice(fields);
    longer.extend_from_slice(&[0x07, 0x08]);
    let later = L1Header::decode(&longer).unwrap();
    assert_eq!(L1Header { hash: decoded.hash, ..later }, decoded, "DRV-010");
    assert_eq!(L1Header::decode(&rlp[..rlp.len() - 1]), None);
    assert_eq!(L1Header::decode(&[0xc0]), None);
}

#[test]
fn a_parents_origin_comes_from_its_state() {
    let l1 = L1::new();
    let parent = l1.parent();
    assert_eq!(parent.origin, l1.origin(FIRST));
    assert_eq!(slot(parent.header), Some(1));
    assert!(Transaction::decode(transfer(0)).is_ok());
}

/// PRG-010 to PRG-013: the program says what native derivation does, of every case, from its document alone.
#[test]
fn the_program_says_what_derivation_does() {
    let mut seen = Vec::new();
    for Case { name, input, output, plan } in cases() {
        let encoded: Bytes = alloy_rlp::encode(input).into();
        assert_eq!(Input::decode_exact(&encoded).unwrap(), *input, "{name}");
        let said = program::run(&encoded);
        match (output, plan) {
            (Ok(output), Some(plan)) => {
                assert_eq!(said.unwrap(), alloy_rlp::encode(output), "{name}");
                assert_eq!(output.outcome, plan.outcome.code(), "{name}");
                assert_eq!(output.blocks, plan.blocks.len() as u64, "{name}");
                if let Outcome::Empty(reason) = plan.outcome {
                    seen.push(reason);
                }
            }
            (Err(code), None) => assert_eq!(said.unwrap_err().exit_code(), *code, "{name}"),
            (output, plan) => panic!("{name}: {output:?}, {plan:?}"),
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, Reason::ALL, "each reason has a case (BAT-050)");
}

#[test]
fn the_program_takes_no_document_of_another_form() {
    let l1 = L1::new();
    let bare = l1.input(101, &[]);
    let mut input = bare.clone();
    let ancestor = |number: u64| Some(alloy_rlp::encode(&l1.chain.headers[number as usize]).into());
    input.record(&l1.chain.state, ancestor).unwrap();
    let refused = |input: &Input| {
        let encoded: Bytes = alloy_rlp::encode(input).into();
        program::run(&encoded).unwrap_err().exit_code()
    };
    let encoded: Bytes = alloy_rlp::encode(&input).into();
    for cut in [0, 1, encoded.len() / 2, encoded.len() - 1] {
        assert_eq!(program::run(&encoded.slice(..cut)).unwrap_err().exit_code(), 10);
    }
    let mut small = input.clone();
    small.derivation.gas_limit = 1_000_000;
    assert_eq!(refused(&small), 16, "DRV-031");
    small.derivation.gas_limit = 0;
    assert_eq!(refused(&small), 10, "PRG-013");
    let mut last = input.clone();
    last.parent.number = u64::MAX;
    assert_eq!(refused(&last), 10, "PRG-013");
    assert_eq!(refused(&bare), 13, "the witness is missing");
}

#[test]
fn genesis_has_the_origin_of_the_networks_parameters() {
    let mut l1 = L1::new();
    l1.chain = common::chain::Chain::new(0);
    l1.derivation.genesis_origin = l1.origin(FIRST);
    assert_eq!((l1.parent().origin.number, l1.parent().origin.hash), (FIRST, l1.origin(FIRST).hash));
    assert_eq!(l1.read(FIRST + 1, vec![]).unwrap().blocks.len(), 1);
}

fn shown(case: &Case, headers: &[Bytes]) -> Value {
    let Case { name, input, output, plan } = case;
    let hexes = |items: &[Bytes]| -> Vec<String> { items.iter().map(hex::encode_prefixed).collect() };
    let blob = |bytes: &Bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        hex::encode_prefixed(&bytes[..end])
    };
    let mut value = json!({
        "name": name,
        "header": hex::encode_prefixed(&input.header),
        "deposits": hexes(&input.deposits),
        "blobs": input.blobs.iter().map(|proven| json!({
            "blob": blob(&proven.blob),
            "commitment": hex::encode_prefixed(&proven.commitment),
            "proof": hex::encode_prefixed(&proven.proof),
        })).collect::<Vec<_>>(),
    });
    if input.l1_headers != headers {
        value["l1Headers"] = json!(hexes(&input.l1_headers));
    }
    let (output, plan) = match (output, plan) {
        (Ok(output), Some(plan)) => (output, plan),
        (output, _) => {
            value["fault"] = json!(output.as_ref().unwrap_err());
            return value;
        }
    };
    if let Outcome::Empty(reason) = plan.outcome {
        value["reason"] = json!({"code": reason.code(), "name": reason.name()});
    }
    let blocks = plan.blocks.iter().map(|block| {
        json!({
            "slot": block.attributes.slot,
            "origin": block.attributes.origin.number,
            "deposits": hexes(&block.attributes.deposits),
            "transactions": hexes(&block.transactions),
        })
    });
    value["blocks"] = blocks.collect();
    value["hash"] = json!(hex::encode_prefixed(output.hash));
    value["outputRoot"] = json!(hex::encode_prefixed(output.output_root));
    value
}

/// vectors/derivation.json holds; `TREX_WRITE_VECTORS=1` writes it (DRV-001 to DRV-040).
#[test]
fn derivation_vectors_hold() {
    let l1 = L1::new();
    let headers: Vec<Bytes> = l1.headers.iter().map(|header| alloy_rlp::encode(header).into()).collect();
    let is_small = |case: &&Case| {
        case.input.blobs.len() < 3 && case.input.blobs.iter().all(|blob| blob.blob.last() == Some(&0))
    };
    let cases = cases().iter().filter(is_small).map(|case| shown(case, &headers));
    let parent = l1.chain.headers.last().unwrap();
    let document = json!({
        "about": "What batch headers mean on top of one block: blobs without the zeros at their end, blocks in order, or the fault's exit status (PRG-003); specs/derivation.md",
        "chainId": common::chain::CHAIN_ID,
        "genesisTimestamp": l1.chain.params.genesis_timestamp,
        "blockTimeMs": l1.chain.params.block_time_ms,
        "gasLimit": l1.derivation.gas_limit,
        "maxDriftS": l1.derivation.max_drift_s,
        "sequencingWindowS": l1.derivation.sequencing_window_s,
        "blobUpdateFraction": l1.derivation.blob_schedule.update_fraction(0),
        "parent": hex::encode_prefixed(alloy_rlp::encode(parent)),
        "parentOrigin": FIRST,
        "queue": {"count": 0, "accumulator": hex::encode_prefixed(B256::ZERO)},
        "l1Headers": headers.iter().map(hex::encode_prefixed).collect::<Vec<_>>(),
        "cases": cases.collect::<Vec<_>>(),
    });
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/derivation.json");
    if env::var_os("TREX_WRITE_VECTORS").is_some() {
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&document).unwrap())).unwrap();
    }
    assert_eq!(vectors("derivation.json"), document);
}
