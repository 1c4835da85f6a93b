//! Importing blocks: the same chain, whatever is stored together, and nothing told that is not there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, Bytes, TxKind, U256, bytes, hex};
use k256::ecdsa::SigningKey;
use support::dynamic_by;
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain, ChainError},
    import::Pace,
    network::Network,
    pool::PoolConfig,
    transfer::Progress,
};
use trex_stf::state::State;
use trex_store::Options;

/// First account of the development mnemonic.
const KEY: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
/// Deploys code that stores the parent's hash at slot 0 and adds the call data's first word to slot 1.
const DEPLOY: Bytes = bytes!("6012600c60003960126000f34360019003405f555f356001540160015500");
const BLOCKS: u64 = 60;

/// Every block on its own; a few together; all together.
const PACES: [Pace; 3] = [
    Pace { nodes: 1, least_nodes: 0, wait: Duration::ZERO },
    Pace { nodes: 60, least_nodes: 20, wait: Duration::from_secs(60) },
    Pace { nodes: usize::MAX, least_nodes: usize::MAX, wait: Duration::from_secs(60) },
];

fn open(directory: &Path) -> Chain {
    let network = Network::parse(include_bytes!("../../../networks/devnet.json")).unwrap();
    let pool = PoolConfig::new(network.params);
    Chain::open(directory, network.clone(), Options::new(network.hash), pool).unwrap()
}

/// A chain in which each block reads and changes what the blocks before it wrote: an account, code,
/// slots, the parent's hash; exported to the file that is named.
fn built(directory: &Path, file: &Path) -> Chain {
    let chain = open(directory);
    let key = SigningKey::from_slice(&KEY).unwrap();
    let contract = support::address_of(&key).create(0);
    for number in 0..BLOCKS {
        let fresh = Address::with_last_byte(number as u8).create(7);
        let txs = [
            match number {
                0 => dynamic_by(&key, 0, TxKind::Create, 0, DEPLOY),
                _ => dynamic_by(
                    &key,
                    2 * number,
                    TxKind::Call(contract),
                    0,
                    U256::from(number).to_be_bytes_vec().into(),
                ),
            },
            dynamic_by(&key, 2 * number + 1, TxKind::Call(fresh), 5, Bytes::new()),
        ];
        for answer in chain.submit(txs.iter().map(|tx| tx.encoded().clone()).collect()) {
            answer.unwrap();
        }
        let order = BuildOrder { slot: 3 * (number + 1), ..BuildOrder::default() };
        assert_eq!(chain.build(&order).unwrap().unwrap().transactions, 2);
    }
    let head = chain.head();
    assert_eq!(head.state.storage(&contract, &U256::ONE).unwrap(), U256::from(BLOCKS * (BLOCKS - 1) / 2));
    assert_ne!(head.state.storage(&contract, &U256::ZERO).unwrap(), U256::ZERO);
    assert_eq!(chain.export(file, 1, BLOCKS, &mut |_| true).unwrap(), BLOCKS);
    chain
}

/// Number of the newest block whose RLP ends at or before `bytes` of the export.
fn blocks_in(chain: &Chain, bytes: u64) -> u64 {
    let mut end = 0;
    (1..=BLOCKS)
        .find(|number| {
            end += chain.block_rlp(*number).unwrap().len() as u64;
            end > bytes
        })
        .map_or(BLOCKS, |number| number - 1)
}

#[test]
fn test_import_gives_the_same_chain_however_much_is_stored_together() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    for (turn, pace) in PACES.into_iter().enumerate() {
        let place = directory.path().join(format!("copy-{turn}"));
        let copy = open(&place);
        let mut last = 0;
        copy.import_at(pace, &file, &mut |Progress { done, of }| {
            last = done;
            done <= of
        })
        .unwrap();
        assert_eq!(last, file.metadata().unwrap().len());
        assert_eq!(copy.head().header.hash(), source.head().header.hash());
        drop(copy);
        let again = open(&place);
        let (number, hash) = (again.head().header.number, again.head().header.hash());
        assert_eq!((number, hash), (BLOCKS, source.head().header.hash()));
        let verified = again.store().verify(None, &mut |_, _, _| {}).unwrap();
        assert_eq!((verified.blocks, verified.unreachable_nodes), (BLOCKS + 1, 0));
        // Known blocks are passed over, and the chain goes on.
        again.import_at(pace, &file, &mut |_| true).unwrap();
        assert_eq!(again.head().header.hash(), hash);
    }
}

#[test]
fn test_import_tells_only_what_is_stored_and_goes_on_after_a_stop() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    for (turn, pace) in PACES.into_iter().enumerate() {
        let place = directory.path().join(format!("copy-{turn}"));
        let mut calls = 0;
        loop {
            let copy = open(&place);
            let before = copy.head().header.number;
            let stopped = copy.import_at(pace, &file, &mut |Progress { done, .. }| {
                let stored = copy.store().head().unwrap().number;
                assert!(stored >= blocks_in(&source, done), "{done} bytes told, {stored} blocks stored");
                calls += 1;
                false
            });
            stopped.unwrap();
            if copy.head().header.number == BLOCKS {
                assert_eq!(copy.head().header.hash(), source.head().header.hash());
                break;
            }
            assert!(copy.head().header.number > before, "an import that stops makes progress");
        }
        assert!(calls > 0);
    }
}

#[test]
fn test_import_of_a_bad_block_names_it_and_keeps_those_before() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    let bad = 40;
    let mut bytes = Vec::new();
    for number in 1..=BLOCKS {
        let mut raw = source.raw_block(number).unwrap();
        if number == bad {
            raw.header.gas_used += 1;
        }
        trex_chain::block_rlp::encode(&raw.header, &raw.transactions, &mut bytes);
    }
    std::fs::write(&file, bytes).unwrap();
    for (turn, pace) in PACES.into_iter().enumerate() {
        let copy = open(&directory.path().join(format!("copy-{turn}")));
        match copy.import_at(pace, &file, &mut |_| true) {
            Err(ChainError::Block { number, reason }) => {
                assert_eq!(number, bad);
                assert!(reason.contains("gas used is"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(copy.head().header.number, bad - 1);
        assert_eq!(copy.head().header.hash(), source.raw_block(bad - 1).unwrap().header.hash_slow());
        // The trie that ran ahead is set back: the true block follows.
        copy.insert(&source.block_rlp(bad).unwrap()).unwrap();
        assert_eq!(copy.head().header.number, bad);
    }
}

#[test]
fn test_import_tells_of_a_file_that_breaks_off_inside_a_block() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 7);
    let whole = blocks_in(&source, bytes.len() as u64);
    std::fs::write(&file, bytes).unwrap();
    let copy = open(&directory.path().join("copy"));
    let error = copy.import(&file, &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("breaks off inside a block"), "{error}");
    assert_eq!((copy.head().header.number, whole), (BLOCKS - 1, BLOCKS - 1), "the whole ones are stored");
    // Blocks that are there already are passed over on the way to its end.
    let again = copy.import(&file, &mut |_| true).unwrap_err().to_string();
    assert_eq!(again, error);
}

#[test]
fn test_export_that_stopped_inside_its_first_block_goes_on() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    let bytes = std::fs::read(&file).unwrap();
    let first = source.block_rlp(1).unwrap().len();
    for kept in [1, 40, first - 1] {
        std::fs::write(&file, &bytes[..kept]).unwrap();
        assert_eq!(source.export(&file, 1, BLOCKS, &mut |_| true).unwrap(), BLOCKS);
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "{kept} bytes of the first block");
    }
    // Not a file of its own: what is there stays.
    let mut other = bytes[..first - 1].to_vec();
    other[40] ^= 1;
    for content in [&other, &b"notes"[..].to_vec()] {
        std::fs::write(&file, content).unwrap();
        let refused = source.export(&file, 1, BLOCKS, &mut |_| true).unwrap_err();
        assert_eq!(refused.code(), "bad_file", "{refused}");
        assert_eq!(&std::fs::read(&file).unwrap(), content);
    }
}

#[test]
fn test_import_of_a_file_without_blocks_says_what_it_is() {
    let directory = TempDir::new().unwrap();
    let (file, copy) = (directory.path().join("blocks"), open(&directory.path().join("copy")));
    for (content, expected) in
        [(&b"\x1f\x8b\x08\x00"[..], "compressed by gzip"), (b"notes", "no block at byte 0")]
    {
        std::fs::write(&file, content).unwrap();
        let refused = copy.import(&file, &mut |_| true).unwrap_err();
        assert_eq!(refused.code(), "bad_file", "{refused}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[test]
fn test_import_of_another_chains_blocks_below_the_head_names_the_first() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    // A chain of empty blocks, longer than what it is given.
    let other = open(&directory.path().join("other"));
    for slot in 1..=BLOCKS + 5 {
        let order = BuildOrder { slot, allow_empty: true, ..BuildOrder::default() };
        other.build(&order).unwrap().unwrap();
    }
    let before = other.head().header.hash();
    match other.import(&file, &mut |_| true) {
        Err(ChainError::Block { number: 1, reason }) => assert!(reason.contains("differs"), "{reason}"),
        answer => panic!("{answer:?}"),
    }
    assert_eq!(other.head().header.hash(), before);
    // Of a genesis block too.
    let mut genesis = source.raw_block(0).unwrap();
    genesis.header.gas_limit += 1;
    let mut bytes = Vec::new();
    trex_chain::block_rlp::encode(&genesis.header, &genesis.transactions, &mut bytes);
    std::fs::write(&file, bytes).unwrap();
    let error = open(&directory.path().join("new")).import(&file, &mut |_| true).unwrap_err();
    assert!(matches!(error, ChainError::Block { number: 0, .. }), "{error}");
}

#[test]
fn test_export_of_fewer_blocks_than_the_file_holds_leaves_it_as_it_is() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("blocks");
    let source = built(&directory.path().join("source"), &file);
    let before = std::fs::read(&file).unwrap();
    let error = source.export(&file, 1, 7, &mut |_| true).unwrap_err().to_string();
    assert!(error.contains(&format!("holds blocks up to {BLOCKS}, more than up to 7")), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // As many as it holds, and more of them once the chain has grown.
    assert_eq!(source.export(&file, 1, BLOCKS, &mut |_| true).unwrap(), BLOCKS);
    let slot = source.head().slot + 1;
    source.build(&BuildOrder { slot, allow_empty: true, ..BuildOrder::default() }).unwrap().unwrap();
    assert_eq!(source.export(&file, 1, BLOCKS + 1, &mut |_| true).unwrap(), BLOCKS + 1);
}
