//! What reading a batch takes in the proof: RISC-V instructions, counted by qemu.
//!
//! `TREX_QEMU_PLUGIN` names a plugin that writes `instructions N` when the program ends
//! (`bench/batch/count.c`); without it the programs only have to agree.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../stf/tests/common/mod.rs"]
mod common;
#[path = "../../stf/tests/common/l1.rs"]
mod l1;
mod qemu;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use common::chain::{CHAIN_ID, Call, Signer};
use l1::{L1, packed};
use trex_stf::batch::{BLOB_DATA_BYTES, Batch, BatchBlock, Limits, encode_batch_within};

/// A batch that is decoded to its end and then read as empty: it names another parent.
fn foreign(blocks: Vec<BatchBlock>, log_indices: Vec<u32>) -> Vec<u8> {
    let lax = Limits { blocks: usize::MAX, list: usize::MAX, blob_content_bytes: usize::MAX, ..Limits::RULE };
    let batch = Batch { parent_output: B256::repeat_byte(1), blocks, log_indices };
    encode_batch_within(&batch, CHAIN_ID, &lax).unwrap()
}

fn block(transactions: Vec<Bytes>) -> BatchBlock {
    BatchBlock { slot_delta: 1, origin_delta: 0, transactions }
}

fn transfers(count: u64) -> Vec<Bytes> {
    (0..count)
        .map(|nonce| {
            let to = Address::from_slice(&keccak256((nonce % 300).to_be_bytes())[12..]);
            Call::to(nonce / 8, to).value(1 + nonce % 9).gas(21_000).eip1559(&Signer::new((nonce % 8) as u8))
        })
        .collect()
}

fn zeros(bytes: usize) -> Vec<Bytes> {
    vec![Call::to(0, Address::repeat_byte(2)).data(vec![0; bytes]).eip1559(&Signer::new(0))]
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(32)).flat_map(|at| keccak256(at.to_be_bytes()).0).take(bytes).collect()
}

/// The reason that the header reads as empty for, and the instructions for that.
fn run(l1: &L1, content: &[u8]) -> (u8, u64) {
    let mut input = l1.input(101, &packed(content));
    let ancestor = |number: u64| Some(alloy_rlp::encode(&l1.chain.headers[number as usize]).into());
    let output = input.record(&l1.chain.state, ancestor).unwrap();
    let run = qemu::run("trex-guest-span", &alloy_rlp::encode(&input));
    assert!(run.output == alloy_rlp::encode(&output), "output differs: {}", run.message);
    (output.outcome, run.instructions())
}

/// Garbage costs what reading its blobs costs, and no more than the limits of BAT-040 to BAT-042 leave: what a
/// blob's content may be comes before what a blob more of content costs.
#[test]
#[ignore = "minutes: billions of instructions"]
fn garbage_costs_instructions_within_its_limits() {
    let l1 = L1::new();
    let content = Limits::RULE.blob_content_bytes - 64 - 8;
    let signed = transfers(1_500);
    let small = foreign(vec![block(signed)], vec![]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("unknown version, one blob", vec![9; 1000]),
        ("unknown version, six blobs", vec![9; 6 * BLOB_DATA_BYTES]),
        ("1,500 transfers, another parent", small),
        ("as many zeros as a blob pays for, another parent", foreign(vec![block(zeros(content))], vec![])),
        ("one zero more", foreign(vec![block(zeros(content + 1))], vec![])),
        ("60 kB of noise in calldata, another parent", {
            let noisy = Call::to(0, Address::repeat_byte(2)).data(noise(60_001)).eip1559(&Signer::new(0));
            foreign(vec![block(vec![noisy])], vec![])
        }),
        ("16,384 empty blocks, another parent", foreign(vec![block(vec![]); 16_384], vec![])),
        ("65,536 log indices, another parent", foreign(vec![block(vec![])], (0..65_536).collect())),
    ];
    for (name, content) in cases {
        let (outcome, instructions) = run(&l1, &content);
        assert_ne!(outcome, 0, "{name}");
        println!("| {name} | {} | {outcome} | {:.1} |", content.len(), instructions as f64 / 1e6);
    }
}
