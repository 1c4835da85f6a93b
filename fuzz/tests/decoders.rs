//! Every decoder on mutations of good bytes: the short form of fuzzing. `TREX_CASES` asks for more,
//! `TREX_SEEDS` for a folder with the good ones.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../crates/stf/tests/common/mod.rs"]
mod common;

use std::{fs, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use common::{chain::Chain, scenarios};
use trex_stf::{
    batch::{Batch, BatchBlock, encode_batch, pack_blobs},
    derive::{BatchHeader, Deposit, DerivationParams, Queue, program},
    header::output_root,
    program::Input,
    transaction::Transaction,
    witness::Witness,
};

type Target = (&'static str, fn(&[u8]), Vec<Vec<u8>>);

struct Source(B256);

impl Source {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = keccak256(self.0);
        (U256::from_be_bytes(self.0.0) % U256::from(bound.max(1))).to()
    }

    /// A few changes of the kinds that confuse decoders.
    fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut data = seed.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(data.len());
            let length = self.below(40).min(data.len() - at);
            match self.below(9) {
                _ if data.is_empty() => data.extend(other),
                0 => data[at] ^= 1 << self.below(8),
                1 => data[at] = [0, 1, 0x7f, 0x80, 0x81, 0xb8, 0xc0, 0xf8, 0xff][self.below(9)],
                2 => data[at] = data[at].wrapping_add(1),
                3 => data[at] = data[at].wrapping_sub(1),
                4 => data.truncate(at),
                5 => drop(data.drain(at..at + length)),
                6 => {
                    let part = data[at..at + length].to_vec();
                    data.splice(at..at, part);
                }
                7 => {
                    let from = self.below(other.len());
                    data.truncate(at);
                    data.extend(&other[from..]);
                }
                _ => data.insert(at, self.below(256) as u8),
            }
        }
        data
    }
}

fn chains() -> Vec<Chain> {
    [
        scenarios::types,
        scenarios::deposits,
        scenarios::storage,
        scenarios::delegations,
        scenarios::precompiles,
    ]
    .into_iter()
    .map(|scenario| scenario())
    .collect()
}

fn targets(chains: &[Chain]) -> Vec<Target> {
    let inputs: Vec<Input> = chains
        .iter()
        .flat_map(|chain| &chain.programs)
        .map(|(input, _)| Input::decode_exact(input).unwrap())
        .collect();
    let transactions = |input: &Input| -> Vec<Vec<u8>> {
        input.transactions.iter().chain(&input.attributes.deposits).map(|tx| tx.to_vec()).collect()
    };
    let blocks = inputs.iter().map(|input| {
        let mut block = Vec::new();
        let taken: Vec<Bytes> = input
            .transactions
            .iter()
            .filter(|tx| Transaction::decode((*tx).clone()).is_ok())
            .cloned()
            .collect();
        trex_chain::block_rlp::encode(&input.parent, &taken, &mut block);
        trex_chain::block_rlp::encode(&input.parent, &[], &mut block);
        block
    });
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/devnet.json");
    vec![
        ("transaction", trex_fuzz::transaction, inputs.iter().flat_map(transactions).collect()),
        (
            "trie_node",
            trex_fuzz::trie_node,
            inputs
                .iter()
                .flat_map(|input| input.witness.nodes().iter().map(|(_, node)| node.to_vec()))
                .collect(),
        ),
        (
            "extra_data",
            trex_fuzz::extra_data,
            inputs.iter().map(|input| input.parent.extra_data.to_vec()).collect(),
        ),
        (
            "witness",
            trex_fuzz::witness,
            inputs.iter().map(|input| alloy_rlp::encode(&input.witness)).collect(),
        ),
        ("program", trex_fuzz::program, inputs.iter().map(alloy_rlp::encode).collect()),
        ("block_stream", trex_fuzz::block_stream, blocks.collect()),
        ("network_file", trex_fuzz::network_file, vec![fs::read(network).unwrap()]),
        ("batch", trex_fuzz::batch, batches(&inputs)),
        ("derivation", trex_fuzz::derivation, posted(&inputs)),
        ("span_program", trex_fuzz::span_program, spans(&inputs)),
    ]
}

/// Batches of the scenarios' transactions, bare and in blobs, and what stands around a batch on L1.
fn batches(inputs: &[Input]) -> Vec<Vec<u8>> {
    let deposit = Deposit {
        l1_number: 7,
        from: Address::repeat_byte(1),
        to: Address::repeat_byte(2),
        mint_wei: 1,
        value_wei: U256::from(1),
        gas_limit: 21_000,
        is_creation: false,
        data: Bytes::from_static(b"data"),
    };
    let header = BatchHeader { blobs: vec![B256::repeat_byte(1)], ..BatchHeader::default() };
    let mut out = vec![header.encode(), deposit.encode().to_vec()];
    for input in inputs {
        out.push(alloy_rlp::encode(&input.parent));
        let is_ordinary = |tx: &&Bytes| {
            Transaction::decode((*tx).clone()).is_ok_and(|tx| !tx.is_deposit())
                && encode_batch(&span(vec![(*tx).clone()]), 1962).is_ok()
        };
        let transactions: Vec<Bytes> = input.transactions.iter().filter(is_ordinary).cloned().collect();
        if !transactions.is_empty() {
            let bytes = encode_batch(&span(transactions), 1962).unwrap();
            out.push(pack_blobs(&bytes)[0][..4 * bytes.len().min(32_000)].to_vec());
            out.push(bytes);
        }
    }
    out
}

/// Batches on the target's block: how far L1 got, how many deposits, the batch.
fn posted(inputs: &[Input]) -> Vec<Vec<u8>> {
    let parent = trex_fuzz::derivation_parent();
    let parent_output = output_root(&parent, parent.hash_slow());
    let block =
        |slot_delta, origin_delta, transactions| BatchBlock { slot_delta, origin_delta, transactions };
    let signed = inputs.iter().flat_map(|input| &input.transactions);
    let transactions: Vec<Bytes> =
        signed.filter(|tx| encode_batch(&span(vec![(*tx).clone()]), 1962).is_ok()).take(4).cloned().collect();
    let blocks = vec![block(70, 1, transactions.clone()), block(1, 0, vec![]), block(60, 1, transactions)];
    let whole = Batch { parent_output, blocks, log_indices: vec![2, 5, 1] };
    let short = Batch { blocks: whole.blocks[..1].to_vec(), log_indices: vec![], ..whole.clone() };
    [(2, 3, &whole), (2, 0, &whole), (1, 0, &short), (3, 7, &whole), (0, 0, &short)]
        .map(|(last, deposits, batch)| [&[last, deposits][..], &encode_batch(batch, 1962).unwrap()].concat())
        .into()
}

/// Inputs of the program over batches: forced headers over the witnesses of blocks.
fn spans(inputs: &[Input]) -> Vec<Vec<u8>> {
    let header = BatchHeader::default().encode();
    let derivation = DerivationParams {
        gas_limit: 40_000_000,
        max_drift_s: 600,
        sequencing_window_s: 600,
        ..DerivationParams::default()
    };
    let span = |input: &Input| program::Input {
        params: input.params,
        derivation: derivation.clone(),
        parent: input.parent.clone(),
        queue: Queue::default(),
        header: header.clone().into(),
        l1_headers: vec![alloy_rlp::encode(&input.parent).into()],
        deposits: vec![],
        blobs: vec![],
        witness: input.witness.clone(),
    };
    inputs.iter().map(|input| alloy_rlp::encode(span(input))).collect()
}

fn span(transactions: Vec<Bytes>) -> Batch {
    let block = BatchBlock { slot_delta: 1, origin_delta: 0, transactions };
    Batch { blocks: vec![block], log_indices: vec![1], ..Batch::default() }
}

fn cases(default: usize) -> usize {
    std::env::var("TREX_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

/// Where a longer search begins (`scripts/fuzz`).
fn write_seeds(folder: &Path, seeds: &[Vec<u8>]) {
    fs::create_dir_all(folder).unwrap();
    for seed in seeds {
        fs::write(folder.join(format!("{:x}", keccak256(seed))), seed).unwrap();
    }
}

#[test]
fn decoders_on_mutated_bytes_keep_their_promises() {
    let source = &mut Source(keccak256(b"decoders"));
    for (name, target, seeds) in targets(&chains()) {
        println!("{name}: {} seeds", seeds.len());
        if let Ok(folder) = std::env::var("TREX_SEEDS") {
            write_seeds(&Path::new(&folder).join(name), &seeds);
        }
        for seed in &seeds {
            target(seed);
        }
        // Each network file costs a whole genesis.
        let count = if name == "network_file" { cases(2000) / 20 } else { cases(2000) };
        for _ in 0..count {
            let seed = &seeds[source.below(seeds.len())];
            let other = &seeds[source.below(seeds.len())];
            target(&source.mutate(seed, other));
        }
    }
}

/// Inputs that decode, with a part that is wrong: beyond what mutated bytes reach.
#[test]
fn program_on_wrong_parts_gives_an_output_or_a_fault() {
    let source = &mut Source(keccak256(b"parts"));
    let chains = chains();
    let inputs: Vec<&Bytes> =
        chains.iter().flat_map(|chain| &chain.programs).map(|(input, _)| input).collect();
    for _ in 0..cases(600) {
        let mut input = Input::decode_exact(inputs[source.below(inputs.len())]).unwrap();
        let number =
            |source: &mut Source| [0, 1, 2, 200, 1 << 24, 1 << 32, 1 << 63, u64::MAX][source.below(8)];
        for _ in 0..=source.below(2) {
            match source.below(12) {
                0 => input.attributes.slot = number(source),
                1 => input.attributes.gas_limit = number(source),
                2 => input.attributes.origin.number = number(source),
                3 => input.attributes.origin.base_fee_wei = number(source),
                4 => input.attributes.origin.hash = source.0,
                5 => input.parent.number = number(source),
                6 => input.parent.base_fee_per_gas = Some(number(source)),
                7 => {
                    let wrong = [
                        &mut input.params.block_time_ms,
                        &mut input.params.elasticity,
                        &mut input.params.base_fee_denominator,
                        &mut input.params.min_base_fee_wei,
                        &mut input.params.genesis_timestamp,
                    ];
                    *wrong.into_iter().nth(source.below(5)).unwrap() = number(source);
                }
                8 => input.params.base_fee_scalar = number(source) as u32,
                9 if !input.transactions.is_empty() => {
                    let at = source.below(input.transactions.len());
                    let changed = source.mutate(&input.transactions[at], &[]);
                    input.transactions[at] = changed.into();
                }
                10 if !input.attributes.deposits.is_empty() => {
                    let at = source.below(input.attributes.deposits.len());
                    let changed = source.mutate(&input.attributes.deposits[at], &[]);
                    input.attributes.deposits[at] = changed.into();
                }
                _ => {
                    // A root of another node: the state is a part of the trie, or nonsense.
                    let nodes: Vec<Bytes> =
                        input.witness.nodes().iter().map(|(_, node)| node.clone()).collect();
                    let codes = input.witness.codes().iter().map(|(_, code)| code.clone());
                    let at = source.below(nodes.len());
                    let changed = source.mutate(&nodes[at], &[]);
                    input.parent.state_root = keccak256(&changed);
                    let nodes = nodes.iter().cloned().chain([changed.into()]);
                    input.witness = Witness::new(nodes, codes, input.witness.headers().to_vec());
                }
            }
        }
        let _ = trex_stf::program::run(&alloy_rlp::encode(&input).into());
    }
}

/// Found by fuzzing: a list of transactions with one byte in it was read, and written otherwise.
#[test]
fn block_stream_transaction_of_one_byte_is_refused() {
    let mut block = Vec::new();
    trex_chain::block_rlp::encode(&alloy_consensus::Header::default(), &[], &mut block);
    // The empty list of transactions, before the two other empty lists, takes one byte in.
    let (list, length) = (block.len() - 3, block.len() - 2);
    block.splice(list..length, [0xc1, 0x49]);
    block[2] += 1;
    let error = trex_chain::block_rlp::decode(&mut block.as_slice()).unwrap_err();
    assert_eq!(error, alloy_rlp::Error::Custom("transaction of fewer than two bytes"));
}

/// Writes the seeds where cargo-fuzz looks for them.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_corpus() {
    for (name, _, seeds) in targets(&chains()) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        fs::create_dir_all(&folder).unwrap();
        for seed in seeds {
            fs::write(folder.join(format!("{:x}", keccak256(&seed))), seed).unwrap();
        }
    }
}
