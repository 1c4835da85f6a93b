//! The store against a model in memory: random blocks, every kept state, unwinds, pruning, reopening.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use alloy_primitives::{Address, keccak256};
use common::{Block, Rng, check_block, check_state, next_block, open, options, who};
use trex_store::{History, LogFilter, Store, StoreError, TxPlace};

fn everybody() -> Vec<Address> {
    (0..100).map(who).collect()
}

fn check_all(store: &std::sync::Arc<Store>, chain: &[Block]) {
    let head = chain.last().unwrap();
    assert_eq!(store.head().unwrap().hash, head.hash);
    let everybody = everybody();
    for block in chain {
        check_block(store, block).unwrap();
        if block.header.number >= store.earliest_state() {
            check_state(store, block, &everybody).unwrap();
        }
    }
}

#[test]
fn test_store_random_history_equals_model() {
    for seed in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let history = if seed % 2 == 0 { History::Archive } else { History::Last(5) };
        let mut store = open(dir.path(), history);
        let mut rng = Rng(seed);
        let mut chain = vec![next_block(None, seed, 20)];
        store.init_genesis(&chain[0].data()).unwrap();
        for step in 0..60u64 {
            match rng.below(12) {
                0 if chain.len() > 4 => {
                    let to = (chain.len() as u64 - 1 - rng.below(4)).max(store.earliest_state());
                    store.unwind_to(to).unwrap();
                    for gone in &chain[to as usize + 1..] {
                        assert_eq!(store.number_by_hash(&gone.hash).unwrap(), None);
                        assert!(gone.tx_hashes.iter().all(|h| store.find_transaction(h).unwrap().is_none()));
                    }
                    chain.truncate(to as usize + 1);
                }
                1 => {
                    drop(store);
                    store = open(dir.path(), history);
                }
                2 => store.compact(&mut |_, _| {}).unwrap(),
                3 => {
                    let a = next_block(chain.last(), seed * 1000 + step, 20);
                    let b = next_block(Some(&a), seed * 1000 + step, 20);
                    store.commit_many(&[a.data(), b.data()]).unwrap();
                    chain.extend([a, b]);
                }
                _ => {
                    let b = next_block(chain.last(), seed * 1000 + step, 20);
                    store.commit(&b.data()).unwrap();
                    chain.push(b);
                }
            }
            assert_eq!(store.head().unwrap().number, chain.len() as u64 - 1);
            if step % 15 == 14 {
                check_all(&store, &chain);
            }
        }
        check_all(&store, &chain);
        let done = store.verify(None, &mut |_, _, _| {}).unwrap();
        assert_eq!(done.accounts, chain.last().unwrap().after.accounts.len() as u64);
        assert_eq!((done.blocks, done.unreachable_nodes), (chain.len() as u64, 0));
        let n = store.head().unwrap().number;
        assert_eq!(store.get_meta(b"last").unwrap().unwrap().len(), 8);
        if let History::Last(keep) = history {
            assert!(store.earliest_state() + keep + 2 >= n && store.earliest_state() > 0);
            let gone = store.state_at(store.earliest_state() - 1).unwrap_err();
            assert_eq!(gone.code(), "store_pruned");
        }
        assert_eq!(store.state_at(n + 1).unwrap_err(), StoreError::UnknownBlock { block: n + 1 });
    }
}

/// Blocks of so many entries that several threads write them.
#[test]
fn test_large_blocks_equal_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path(), History::Archive);
    let mut chain = vec![next_block(None, 7, 1500)];
    store.init_genesis(&chain[0].data()).unwrap();
    for _ in 0..4 {
        let block = next_block(chain.last(), 7, 1500);
        store.commit(&block.data()).unwrap();
        chain.push(block);
    }
    assert!(chain.iter().any(|block| block.diff.nodes.len() > 1000));
    check_all(&store, &chain);
    drop(store);
    store = open(dir.path(), History::Archive);
    check_all(&store, &chain);
    let done = store.verify(None, &mut |_, _, _| {}).unwrap();
    assert_eq!((done.blocks, done.unreachable_nodes), (5, 0));
}

#[test]
fn test_view_stays_fixed_while_blocks_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), History::Last(2));
    let mut chain = vec![next_block(None, 1, 20)];
    store.init_genesis(&chain[0].data()).unwrap();
    let mut views = Vec::new();
    for _ in 0..20 {
        let b = next_block(chain.last(), 1, 20);
        store.commit(&b.data()).unwrap();
        chain.push(b);
        views.push((store.latest().unwrap(), chain.len() - 1));
        if chain.len() % 7 == 0 {
            store.compact(&mut |_, _| {}).unwrap();
        }
    }
    store.unwind_to(19).unwrap();
    store.compact(&mut |_, _| {}).unwrap();
    for (view, at) in &views {
        use trex_stf::state::State;
        for a in everybody() {
            assert_eq!(view.account(&a).unwrap(), chain[*at].after.accounts.get(&a).copied());
        }
        for ((owner, path), bytes) in &chain[*at].after.nodes {
            assert_eq!(view.node(owner.as_ref(), path, &keccak256(bytes)).unwrap(), *bytes);
        }
    }
}

#[test]
fn test_logs_every_filter_equals_scan() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), History::Archive);
    let mut chain = vec![next_block(None, 3, 30)];
    store.init_genesis(&chain[0].data()).unwrap();
    for _ in 0..30 {
        let b = next_block(chain.last(), 3, 30);
        store.commit(&b.data()).unwrap();
        chain.push(b);
    }
    let mut rng = Rng(9);
    for _ in 0..300 {
        let topic =
            |rng: &mut Rng| (0..rng.below(3)).map(|_| keccak256(rng.below(5).to_be_bytes())).collect();
        let filter = LogFilter {
            addresses: (0..rng.below(3)).map(|_| who(rng.below(7))).collect(),
            topics: [
                topic(&mut rng),
                topic(&mut rng),
                if rng.below(3) == 0 { topic(&mut rng) } else { vec![] },
                vec![],
            ],
        };
        let (from, to) = (rng.below(31), rng.below(40));
        let mut want = Vec::new();
        for b in chain.iter().filter(|b| (from..=to).contains(&b.header.number)) {
            let mut index = 0;
            for (i, r) in b.receipts.iter().enumerate() {
                for log in &r.logs {
                    if filter.matches(log) {
                        want.push((b.header.number, b.hash, i as u32, b.tx_hashes[i], index, log.clone()));
                    }
                    index += 1;
                }
            }
        }
        let mut got = Vec::new();
        store
            .logs(from, to, &filter, &mut |l| {
                got.push((l.block, l.block_hash, l.tx_index, l.tx_hash, l.log_index, l.log));
                true
            })
            .unwrap();
        assert_eq!(got, want);
        if want.len() > 2 {
            let mut n = 0;
            store
                .logs(from, to, &filter, &mut |_| {
                    n += 1;
                    n < 2
                })
                .unwrap();
            assert_eq!(n, 2);
        }
    }
}

#[test]
fn test_addresses_find_their_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), History::Archive);
    let mut chain = vec![next_block(None, 5, 30)];
    store.init_genesis(&chain[0].data()).unwrap();
    for _ in 0..20 {
        let b = next_block(chain.last(), 5, 30);
        store.commit(&b.data()).unwrap();
        chain.push(b);
    }
    for a in everybody() {
        let mut want = Vec::new();
        for b in &chain {
            for i in 0..b.transactions.len() {
                let part =
                    b.senders[i] == a || b.recipients[i] == Some(a) || b.appearances.contains(&(a, i as u32));
                if part {
                    want.push(TxPlace { block: b.header.number, index: i as u32 });
                }
            }
        }
        let from = TxPlace { block: 4, index: 3 };
        let mut got = Vec::new();
        store
            .appearances_from(&a, from, &mut |p| {
                got.push(p);
                true
            })
            .unwrap();
        assert_eq!(got, want.iter().copied().filter(|p| *p >= from).collect::<Vec<_>>());
        let to = TxPlace { block: 15, index: 2 };
        let mut got = Vec::new();
        store
            .appearances_back(&a, to, &mut |p| {
                got.push(p);
                true
            })
            .unwrap();
        assert_eq!(got, want.iter().rev().copied().filter(|p| *p <= to).collect::<Vec<_>>());
    }
    for b in &chain {
        for (i, r) in b.receipts.iter().enumerate() {
            if let Some(c) = r.contract_address.filter(|_| r.success) {
                assert_eq!(
                    store.contract_creator(&c).unwrap(),
                    Some(TxPlace { block: b.header.number, index: i as u32 })
                );
            }
        }
    }
    assert_eq!(store.contract_creator(&who(77_777)).unwrap(), None);
}

#[test]
fn test_open_refuses_second_opening_and_other_network() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), History::Archive);
    assert_eq!(Store::open(dir.path(), options(History::Archive)).unwrap_err().code(), "store_locked");
    drop(store);
    let other = trex_store::Options::new(keccak256(b"other"));
    assert_eq!(Store::open(dir.path(), other).unwrap_err().code(), "store_wrong_network");
}

#[test]
fn test_open_refuses_another_format_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), History::Archive));
    let path = dir.path().join("format");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..4].copy_from_slice(&1u32.to_le_bytes());
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..36]);
    bytes[36..].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let fault = Store::open(dir.path(), options(History::Archive)).unwrap_err();
    assert_eq!(fault.code(), "store_wrong_format");
    let said = fault.to_string();
    for part in ["store format 1", "reads 2", "trex export", "import", "--fresh"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "was overwritten");
}

#[test]
fn test_commit_that_does_not_follow_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), History::Archive);
    let genesis = next_block(None, 1, 5);
    let one = next_block(Some(&genesis), 1, 5);
    let two = next_block(Some(&one), 1, 5);
    assert_eq!(store.commit(&one.data()).unwrap_err().code(), "store_misuse");
    store.init_genesis(&genesis.data()).unwrap();
    assert_eq!(store.init_genesis(&genesis.data()).unwrap_err().code(), "store_misuse");
    assert_eq!(store.commit(&two.data()).unwrap_err().code(), "store_misuse");
    store.commit(&one.data()).unwrap();
    assert_eq!(store.unwind_to(7).unwrap_err().code(), "store_unknown_block");
    assert_eq!(store.fault(), None);
}
