//! Bytes per transaction of our batches beside OP span batches on the same transactions.
//!
//! `cargo run --release --manifest-path bench/batch/Cargo.toml -- FOLDER`, where FOLDER holds
//! `raw_blocks.jsonl.gz` and `blocks.jsonl.gz` of Ethereum mainnet; without it, only small transactions
//! made here. The table goes to standard output.
//!
//! With `TREX_INFLATE` naming the program `trex-guest-inflate` (`scripts/guest --bench`) and `TREX_QEMU_PLUGIN` a plugin
//! made of `count.c`, it also counts the RISC-V instructions of reading each form back.

mod data;
mod op;

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use alloy_primitives::B256;
use data::{Block, Micro};
use trex_stf::batch::{BLOB_DATA_BYTES, Batch, BatchBlock, decode_batch, encode_batch, pack_blobs};

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorReader::new(bytes, 1 << 16, 11, 22).read_to_end(&mut out).unwrap();
    out
}

fn batch(blocks: &[Block]) -> Batch {
    let mut origin = blocks[0].origin;
    Batch {
        parent_output: B256::repeat_byte(0x5a),
        blocks: blocks
            .iter()
            .map(|block| {
                let origin_delta = block.origin.saturating_sub(origin);
                origin = block.origin.max(origin);
                BatchBlock { slot_delta: 1, origin_delta, transactions: block.transactions.clone() }
            })
            .collect(),
        log_indices: Vec::new(),
    }
}

/// Millions of RISC-V instructions that a transaction takes to be read back; `None` without the programs.
fn instructions(kind: &[u8], bytes: &[u8], count: usize) -> Option<f64> {
    let (program, plugin) = (std::env::var("TREX_INFLATE").ok()?, std::env::var("TREX_QEMU_PLUGIN").ok()?);
    let mut child = Command::new("qemu-riscv64")
        .args(["-plugin", &plugin, &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&[kind, bytes].concat()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let total: f64 = told.lines().find_map(|line| line.strip_prefix("instructions ")?.parse().ok()).unwrap();
    Some(total / count as f64)
}

fn measure(name: &str, blocks: &[Block], chain_id: u64) {
    let batch = batch(blocks);
    let count: usize = blocks.iter().map(|block| block.transactions.len()).sum();
    let plain: usize = blocks.iter().flat_map(|block| &block.transactions).map(|tx| tx.len()).sum();
    let started = Instant::now();
    let ours = encode_batch(&batch, chain_id).unwrap_or_else(|error| panic!("{name}: {error}"));
    let encoded = started.elapsed();
    let started = Instant::now();
    assert_eq!(decode_batch(&ours, chain_id).unwrap(), batch);
    let decoded = started.elapsed();
    let span = op::span_batch(blocks);
    let theirs: Vec<usize> =
        [zlib(&span), brotli(&span), zstd::bulk::compress(&span, 22).unwrap()].iter().map(Vec::len).collect();
    let read = [
        instructions(b"z", &zlib(&span), count),
        instructions(b"b", &brotli(&span), count),
        instructions(&[b"t", &chain_id.to_be_bytes()[..]].concat(), &ours, count),
    ];
    if let [Some(zlib), Some(brotli), Some(ours)] = read {
        eprintln!("| {name} | {zlib:.0} | {brotli:.0} | {ours:.0} |");
    }
    let overhead = op::FRAME_BYTES * span.len().div_ceil(BLOB_DATA_BYTES);
    let each = |bytes: usize| bytes as f64 / count as f64;
    println!(
        "| {name} | {count} | {:.1} | {:.2} | {:.2} | {:.2} | **{:.2}** | {:.2} | {} | {:.2} | {:.2} |",
        each(plain),
        each(theirs[0] + overhead),
        each(theirs[1] + overhead),
        each(theirs[2] + overhead),
        each(ours.len()),
        ours.len() as f64 / (theirs[1] + overhead).min(theirs[0] + overhead) as f64,
        pack_blobs(&ours).len(),
        encoded.as_secs_f64() * 1e6 / count as f64,
        decoded.as_secs_f64() * 1e6 / count as f64,
    );
}

fn main() {
    println!(
        "| transactions | count | plain | OP span, zlib | OP span, brotli 11 | OP span, zstd 22 | ours | ours / OP's best | blobs | encode us/tx | decode us/tx |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    if let Some(folder) = std::env::args().nth(1).map(PathBuf::from) {
        let raw = data::raw_blocks(&folder.join("raw_blocks.jsonl.gz"));
        for block in &raw {
            measure(&format!("mainnet block {}", block.origin), std::slice::from_ref(block), 1);
        }
        measure("both together", &raw, 1);
        let json = data::json_blocks(&folder.join("blocks.jsonl.gz"));
        for block in &json {
            if !block.transactions.is_empty() {
                measure(&format!("mainnet block {} (JSON)", block.origin), std::slice::from_ref(block), 1);
            }
        }
        measure("all of JSON together", &json, 1);
    }
    for (name, kind) in [
        ("10,000 transfers to new accounts", Micro::Fresh),
        ("10,000 transfers among 1,000 users", Micro::Users),
        ("10,000 ERC-20 transfers among 1,000 users", Micro::Token),
        ("10,000 claims of points by 1,000 users", Micro::Points),
    ] {
        measure(name, &data::micro(kind, 10_000, 1_000, 100), 1962);
    }
}
