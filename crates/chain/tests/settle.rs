//! Safe and finalized heads, blocks from other nodes, and going back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use serde_json::{Value, json};
use support::node::transfer;
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain, ChainError},
    l1_view::L1View,
    network::Network,
    pool::PoolConfig,
    rpc::{self, limits::Limits},
    settle::L1Heads,
};
use trex_store::{History, Options};

/// The devnet, settling on an L1 whose block 7 is genesis's origin.
fn network(with_l1: bool) -> Network {
    let mut document: Value =
        serde_json::from_slice(include_bytes!("../../../networks/devnet.json")).unwrap();
    if with_l1 {
        document["l1"] = json!({"chainId": 31337, "contracts": {}, "parameters": {}});
        document["genesis"]["l1Origin"]["number"] = json!(7);
        document["genesis"]["l1Origin"]["hash"] = json!(format!("0x{}", "07".repeat(32)));
    }
    Network::parse(&serde_json::to_vec(&document).unwrap()).unwrap()
}

fn open(directory: &TempDir, network: &Network) -> Chain {
    open_with(directory, network, History::Archive)
}

fn open_with(directory: &TempDir, network: &Network, history: History) -> Chain {
    let pool = PoolConfig::new(network.params);
    let options = Options { history, ..Options::new(network.hash) };
    Chain::open(directory.path(), network.clone(), options, pool).unwrap()
}

fn build(chain: &Chain, blocks: u64) {
    for _ in 0..blocks {
        build_with(chain, L1View::default());
    }
}

fn build_with(chain: &Chain, l1: L1View) {
    let slot = chain.head().slot + 3;
    chain.build(&BuildOrder { slot, allow_empty: true, l1, ..BuildOrder::default() }).unwrap().unwrap();
}

fn number_of(chain: &Chain, tag: &str) -> u64 {
    let answer = rpc::dispatch(
        chain,
        "eth_getBlockByNumber",
        format!("[\"{tag}\", false]").as_bytes(),
        &Limits::default(),
    )
    .unwrap();
    let block: Value = serde_json::from_slice(&answer).unwrap();
    let number: U256 = serde_json::from_value(block["number"].clone()).unwrap();
    number.to()
}

#[test]
fn tags_follow_the_recorded_heads_and_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let network = network(true);
    let chain = open(&directory, &network);
    build(&chain, 5);
    assert_eq!((number_of(&chain, "safe"), number_of(&chain, "finalized")), (0, 0));
    chain.set_l1_heads(L1Heads { safe: 4, finalized: 2 }).unwrap();
    drop(chain);
    let chain = open(&directory, &network);
    assert_eq!(chain.l1_heads(), L1Heads { safe: 4, finalized: 2 });
    assert_eq!(
        (number_of(&chain, "latest"), number_of(&chain, "safe"), number_of(&chain, "finalized")),
        (5, 4, 2)
    );
    // An L1 reorg may take safe back, finalized never.
    chain.set_l1_heads(L1Heads { safe: 2, finalized: 2 }).unwrap();
    for heads in [
        L1Heads { safe: 2, finalized: 1 },
        L1Heads { safe: 2, finalized: 3 },
        L1Heads { safe: 6, finalized: 2 },
    ] {
        assert_eq!(chain.set_l1_heads(heads).unwrap_err().code(), "bad_heads");
    }
    assert_eq!(chain.l1_heads(), L1Heads { safe: 2, finalized: 2 });
}

#[test]
fn without_l1_every_tag_is_the_newest_block() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, &network(false));
    build(&chain, 3);
    assert_eq!(chain.l1_heads(), L1Heads { safe: 3, finalized: 3 });
    assert_eq!((number_of(&chain, "safe"), number_of(&chain, "finalized")), (3, 3));
    assert_eq!(chain.set_l1_heads(L1Heads { safe: 1, finalized: 1 }).unwrap_err().code(), "bad_heads");
}

#[test]
fn unwinding_stops_at_the_finalized_block() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, &network(true));
    build(&chain, 5);
    chain.set_l1_heads(L1Heads { safe: 4, finalized: 2 }).unwrap();
    assert!(matches!(chain.unwind(1), Err(ChainError::Heads(_))));
    assert_eq!(chain.unwind(3).unwrap().header.number, 3);
    assert_eq!(chain.l1_heads(), L1Heads { safe: 3, finalized: 2 });
    // What takes the place of a safe block is not safe.
    build(&chain, 1);
    assert_eq!((number_of(&chain, "latest"), number_of(&chain, "safe")), (4, 3));
}

#[test]
fn unwound_transactions_are_in_the_mempool_again() {
    let directory = tempfile::tempdir().unwrap();
    let network = network(true);
    let mut chain = open(&directory, &network);
    let mut hashes = Vec::new();
    for nonce in 0..4 {
        let tx = transfer(nonce, Address::repeat_byte(0xf0), 5);
        hashes.extend(
            chain.submit(vec![tx.encoded().clone()]).into_iter().collect::<Result<Vec<_>, _>>().unwrap(),
        );
        if nonce < 3 {
            build(&chain, 1);
        }
    }
    assert_eq!(chain.pool().status().pending, 1);
    let is_pooled = |chain: &Chain, hash: &B256| chain.pool().get(hash).is_some();
    chain.unwind(1).unwrap();
    assert_eq!(chain.pool().status().pending, 3);
    assert!(!is_pooled(&chain, &hashes[0]), "it is in block 1");
    drop(chain);
    chain = open(&directory, &network);
    assert!(hashes[1..].iter().all(|hash| is_pooled(&chain, hash)), "and are there after a restart");
    build(&chain, 1);
    assert_eq!((chain.head().transactions, chain.pool().status().pending), (3, 0));
}

#[test]
fn blocks_of_one_node_are_another_nodes_blocks() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network(true);
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    build(&builder, 2);
    let header = Header {
        parent_hash: [7; 32].into(),
        number: 8,
        timestamp: network.params.genesis_timestamp,
        ..Header::default()
    };
    let headers = vec![alloy_rlp::encode(&header).into()];
    build_with(&builder, L1View { headers, deposits: Vec::new() });
    build(&builder, 1);
    for number in 1..=4 {
        follower.insert(&builder.block_rlp(number).unwrap()).unwrap();
    }
    assert_eq!(follower.head().header.hash(), builder.head().header.hash());
    assert_eq!(follower.head().origin, builder.head().origin);
    assert_eq!(follower.head().origin.number, 8, "later blocks keep the origin");
    // Known blocks are passed over, foreign and damaged ones refused.
    follower.insert(&builder.block_rlp(2).unwrap()).unwrap();
    build(&builder, 2);
    assert_eq!(follower.insert(&builder.block_rlp(6).unwrap()).unwrap_err().code(), "bad_block");
    let mut damaged = builder.block_rlp(5).unwrap();
    assert_eq!(follower.insert(&damaged[..damaged.len() - 1]).unwrap_err().code(), "bad_block");
    damaged.push(0);
    assert_eq!(follower.insert(&damaged).unwrap_err().code(), "bad_block");
    assert_eq!(follower.head().header.number, 4);
}

#[test]
fn nothing_is_pruned_that_l1_may_take_the_chain_back_to() {
    let directory = tempfile::tempdir().unwrap();
    let network = network(true);
    let open = || open_with(&directory, &network, History::Last(2));
    let chain = open();
    build(&chain, 12);
    assert_eq!(chain.store().earliest_state(), 0, "genesis is final, no more");
    assert!(chain.block_origin(0).is_ok(), "what derivation goes on from");
    chain.set_l1_heads(L1Heads { safe: 8, finalized: 6 }).unwrap();
    build(&chain, 4);
    assert_eq!(chain.store().earliest_state(), 5);
    // Kept in mind by the recorded heads, not by the process.
    drop(chain);
    let chain = open();
    build(&chain, 4);
    assert_eq!((chain.head().header.number, chain.store().earliest_state()), (20, 5));
    chain.set_l1_heads(L1Heads { safe: 20, finalized: 20 }).unwrap();
    build(&chain, 6);
    assert_eq!(chain.store().earliest_state(), 19, "final blocks count, not only the newest");
    chain.unwind(20).unwrap();
    // Where all blocks are final, and where there is no L1, history alone says what is kept.
    drop(chain);
    let chain = open().with_settled_blocks();
    build(&chain, 10);
    assert_eq!((chain.head().header.number, chain.store().earliest_state()), (30, 28));
    let alone = tempfile::tempdir().unwrap();
    let chain = open_with(&alone, &self::network(false), History::Last(2));
    build(&chain, 6);
    assert_eq!(chain.store().earliest_state(), 4);
}
