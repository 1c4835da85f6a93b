//! What reading garbage takes a node: the costliest batches that blobs of one L1 block can hold
//! (BAT-041, DRV-041). `cargo run --release -p trex-stf --example garbage`.
#![allow(clippy::unwrap_used)]

use std::{fs, time::Duration};

use alloy_consensus::{Signed, TxLegacy};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use trex_stf::batch::{
    BLOB_DATA_BYTES, Batch, BatchBlock, Limits, decode_batch, encode_batch, pack_blobs, unpack_blobs,
};

const CHAIN_ID: u64 = 1962;
/// Blobs that one L1 block takes at most (EIP-7892's second step).
const L1_BLOCK_BLOBS: u32 = 21;
/// Content of one blob besides a transaction and its block.
const DATA_BYTES: usize = 3 * BLOB_DATA_BYTES - 64 - 8;
const RUNS: u32 = 5;

fn tx(nonce: u64, data: Vec<u8>) -> Bytes {
    let digest = keccak256(nonce.to_be_bytes());
    let to = Address::from_slice(&digest[..20]).into();
    let value = U256::from_be_slice(&digest[..16]);
    let gas_price = u128::from_be_bytes(digest[16..].try_into().unwrap());
    let tx =
        TxLegacy { nonce: gas_price as u64, gas_price, to, value, input: data.into(), ..TxLegacy::default() };
    let signature = Signature::new(digest.into(), U256::from_be_bytes(keccak256(digest).0) >> 1, false);
    Signed::new_unhashed(tx, signature).encoded_2718().into()
}

fn noise(bytes: usize) -> impl Iterator<Item = u8> {
    (0..bytes.div_ceil(32)).flat_map(|at| keccak256(at.to_be_bytes()).0).take(bytes)
}

fn block(transactions: Vec<Bytes>) -> BatchBlock {
    BatchBlock { slot_delta: 1, origin_delta: 0, transactions }
}

fn call(data: impl IntoIterator<Item = u8>) -> Batch {
    Batch { blocks: vec![block(vec![tx(0, data.into_iter().collect())])], ..Batch::default() }
}

/// Time that this thread has had a core: other work on the machine does not count.
fn processor_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap())
}

fn main() {
    let log_indices = noise(4 * 28_000).collect::<Vec<_>>();
    let log_indices = log_indices.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
    let cases = [
        ("a run of zeros", call(vec![0; DATA_BYTES])),
        ("noise, then zeros", call(noise(125_000).chain(vec![0; DATA_BYTES - 125_000]))),
        ("counting", call((0u32..).flat_map(u32::to_be_bytes).take(DATA_BYTES))),
        (
            "100 kB of noise again and again",
            call(noise(100_000).collect::<Vec<_>>().into_iter().cycle().take(DATA_BYTES)),
        ),
        (
            "transactions of nothing but new numbers",
            Batch {
                blocks: vec![block((0..900).map(|nonce| tx(nonce, vec![])).collect())],
                ..Batch::default()
            },
        ),
        (
            "16,384 blocks and 28,000 log indices",
            Batch {
                blocks: vec![block(vec![]); Limits::RULE.blocks],
                log_indices: log_indices.collect(),
                parent_output: B256::ZERO,
            },
        ),
    ];
    println!("milliseconds of one core for each blob; {L1_BLOCK_BLOBS} such blobs are an L1 block of 12 s");
    println!("| batch | bytes | blobs | ms a blob | s an L1 block |\n|---|---|---|---|---|");
    for (name, batch) in cases {
        let bytes = encode_batch(&batch, CHAIN_ID).unwrap();
        let blobs = pack_blobs(&bytes);
        let blobs: Vec<&[u8]> = blobs.iter().map(|blob| &blob[..]).collect();
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            let begin = processor_time();
            let read = decode_batch(&unpack_blobs(&blobs).unwrap(), CHAIN_ID);
            best = best.min(processor_time() - begin);
            assert!(read.is_ok(), "{name}");
        }
        let each = best / blobs.len() as u32;
        println!(
            "| {name} | {} | {} | {:.1} | {:.2} |",
            bytes.len(),
            blobs.len(),
            each.as_secs_f64() * 1e3,
            (each * L1_BLOCK_BLOBS).as_secs_f64()
        );
    }
}
