//! What waits for the next block of a development network, and the block in the making.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use alloy_primitives::{Address, Bytes, TxKind, U64, U256, address};
use serde_json::{Value, json};
use support::node::{Node, sender};
use trex_chain::{
    chain::BuildOrder,
    dev::{DevLimits, Patch, Patches, UnsignedRequest},
    pending::NextBlock,
};

const SOMEBODY: Address = address!("00000000000000000000000000000000000000ff");

fn balance(of: Address, wei: u64) -> Patches {
    Patches::from([(of, Patch { balance: Some(U256::from(wei)), ..Patch::default() })])
}

fn unsigned(from: Address, to: Address, wei: u64, gas: u64) -> UnsignedRequest {
    let request = json!({"from": from, "to": to, "value": U256::from(wei), "gas": U64::from(gas)});
    serde_json::from_value(request).unwrap()
}

#[test]
fn test_overwrites_are_seen_at_every_moment_of_a_build() {
    let node = Node::new();
    let done = AtomicBool::new(false);
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| {
            for _ in 0..60 {
                node.build();
            }
            done.store(true, Ordering::SeqCst);
        });
        let reader = scope.spawn(|| {
            let mut reads = 0u64;
            while !done.load(Ordering::SeqCst) {
                let least = acknowledged.load(Ordering::SeqCst);
                let seen: U256 =
                    serde_json::from_value(node.ok("eth_getBalance", json!([SOMEBODY, "latest"]))).unwrap();
                assert!(seen >= U256::from(least), "{least} was acknowledged, {seen} is read");
                reads += 1;
            }
            reads
        });
        let mut wei = 0;
        while !done.load(Ordering::SeqCst) {
            wei += 1;
            node.chain.patch(balance(SOMEBODY, wei)).unwrap();
            acknowledged.store(wei, Ordering::SeqCst);
        }
        builder.join().unwrap();
        assert!(reader.join().unwrap() > 60, "reads went on during builds");
    });
    node.build();
    let last = acknowledged.load(Ordering::SeqCst);
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), json!(U256::from(last)));
    let root = node.chain.head().state.clone();
    let kept = trex_stf::state::State::account(&*root, &SOMEBODY).unwrap().unwrap();
    assert_eq!(kept.balance, U256::from(last), "the last one went into a block");
}

#[test]
fn test_a_build_that_fails_takes_nothing_of_what_waits() {
    let node = Node::new();
    node.build();
    node.chain.patch(balance(SOMEBODY, 1_000)).unwrap();
    let tx = node.chain.impersonate(unsigned(SOMEBODY, sender(), 400, 21_000)).unwrap();
    // The store's head is not the chain's: the block is made, then cannot be stored.
    node.chain.store().unwind_to(0).unwrap();
    node.chain.build(&node.order()).unwrap_err();
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), "0x3e8");
    assert_eq!(node.chain.unsigned_len(), 1);
    node.chain.unwind(0).unwrap();
    node.build();
    let receipt = node.ok("eth_getTransactionReceipt", json!([tx]));
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), json!(U256::from(600)));
    assert_eq!(node.chain.unsigned_len(), 0);
}

#[test]
fn test_what_waits_survives_reopening_and_is_taken_once() {
    let mut node = Node::new();
    node.chain.patch(balance(SOMEBODY, 7)).unwrap();
    node.reopen();
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), "0x7");
    node.build();
    node.reopen();
    assert!(node.chain.overwrites_of(1).unwrap().len() == 1);
    node.build();
    assert!(node.chain.overwrites_of(2).unwrap().is_empty());
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), "0x7");
}

#[test]
fn test_unsigned_transactions_beyond_a_blocks_gas_wait_for_the_next() {
    let node = Node::new();
    node.chain.patch(balance(SOMEBODY, 1_000)).unwrap();
    let hashes: Vec<_> = (0..5)
        .map(|_| node.chain.impersonate(unsigned(SOMEBODY, sender(), 1, 15_000_000)).unwrap())
        .collect();
    let gas_limit = Some(35_000_000);
    for left in [3, 1, 0] {
        node.chain.build(&BuildOrder { gas_limit, ..node.order() }).unwrap().unwrap();
        assert_eq!(node.chain.unsigned_len(), left);
    }
    for hash in hashes {
        assert_eq!(node.ok("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
    }
}

#[test]
fn test_an_unsigned_transaction_that_fits_no_block_holds_up_its_sender_alone() {
    let mut node = Node::new();
    let other = Address::repeat_byte(0xee);
    node.chain.patch(balance(SOMEBODY, 1_000)).unwrap();
    node.chain.patch(balance(other, 1_000)).unwrap();
    let large = node.chain.impersonate(unsigned(SOMEBODY, sender(), 1, 15_000_000)).unwrap();
    let behind = node.chain.impersonate(unsigned(SOMEBODY, sender(), 2, 21_000)).unwrap();
    let others = node.chain.impersonate(unsigned(other, sender(), 3, 21_000)).unwrap();
    let small = BuildOrder { gas_limit: Some(10_000_000), ..node.order() };
    node.chain.build(&small).unwrap().unwrap();
    assert_eq!(node.ok("eth_getTransactionReceipt", json!([others]))["status"], "0x1");
    assert_eq!(node.chain.unsigned_len(), 2);
    node.reopen();
    assert_eq!(node.chain.unsigned_len(), 2, "the taken one between is gone, those around it are kept");
    node.build();
    for (index, hash) in [large, behind].into_iter().enumerate() {
        let receipt = node.ok("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["transactionIndex"], format!("{index:#x}"));
    }
    assert_eq!(node.chain.unsigned_len(), 0);
}

#[test]
fn test_what_waits_and_snapshots_are_bounded() {
    let limits = DevLimits { waiting_bytes: 2_000, snapshot_bytes: 3_000 };
    let node = Node::with_dev_limits(limits);
    let fill = || (0..100).map(|wei| node.chain.patch(balance(SOMEBODY, wei))).find_map(Result::err).unwrap();
    let refused = fill();
    assert_eq!(
        (refused.code(), &*refused.to_string()),
        ("limit", "too much waits for the next block: limit dev_waiting_bytes is 2000")
    );
    assert!(node.chain.impersonate(unsigned(SOMEBODY, sender(), 1, 21_000)).is_err());
    let snapshots = || (0..100).map(|_| node.chain.snapshot()).take_while(Result::is_ok).count();
    assert_eq!(snapshots(), 1, "each keeps what waits");
    node.build();
    fill();
    node.build();
    let first = 1;
    let many = snapshots();
    assert!((1..20).contains(&many), "{many}");
    assert!(node.chain.snapshot().unwrap_err().to_string().contains("limit dev_snapshot_bytes is 3000"));
    node.chain.revert(first).unwrap().unwrap();
    assert!(node.chain.snapshot().is_ok(), "going back makes room");
}

#[test]
fn test_snapshot_brings_back_what_waited() {
    let node = Node::new();
    node.chain.patch(balance(SOMEBODY, 7)).unwrap();
    let id = node.chain.snapshot().unwrap();
    node.build();
    node.chain.patch(balance(SOMEBODY, 8)).unwrap();
    node.chain.revert(id).unwrap().unwrap();
    assert_eq!(node.ok("eth_blockNumber", json!([])), "0x0");
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "latest"])), "0x7");
    assert!(node.chain.revert(id).unwrap().is_none());
}

#[test]
fn test_pending_block_takes_the_slot_of_now_and_is_made_once() {
    let mut node = Node::new();
    let slot = Arc::new(AtomicU64::new(0));
    let asked = Arc::new(AtomicU64::new(0));
    let (now, calls) = (slot.clone(), asked.clone());
    node.chain.set_outlook(Some(Box::new(move || {
        calls.fetch_add(1, Ordering::SeqCst);
        NextBlock { slot: now.load(Ordering::SeqCst), gas_limit: Some(50_000_000) }
    })));
    let genesis = node.chain.head().header.timestamp;
    // Not above the head's: the slot after it.
    assert_eq!(node.chain.pending_block().unwrap().header.timestamp, genesis);
    slot.store(50, Ordering::SeqCst);
    let first = node.chain.pending_block().unwrap();
    assert_eq!(first.header.timestamp, genesis + 10);
    assert_eq!(first.header.gas_limit, 50_000_000);
    assert!(Arc::ptr_eq(&first, &node.chain.pending_block().unwrap()), "executed once");

    let hash = node.submit(TxKind::Call(SOMEBODY), 5, Bytes::new());
    let second = node.chain.pending_block().unwrap();
    assert_eq!(second.transactions.len(), 1, "the mempool changed");
    let block: Value = node.ok("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!(block["transactions"], json!([hash]));
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "pending"])), "0x5");
    slot.store(51, Ordering::SeqCst);
    assert!(!Arc::ptr_eq(&second, &node.chain.pending_block().unwrap()), "the slot moved on");
    node.chain.patch(balance(SOMEBODY, 100)).unwrap();
    assert_eq!(node.ok("eth_getBalance", json!([SOMEBODY, "pending"])), "0x69");
    node.build();
    assert!(node.chain.pending_block().unwrap().transactions.is_empty(), "the head changed");
    assert!(asked.load(Ordering::SeqCst) > 5);
}
