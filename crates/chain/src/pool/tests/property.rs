//! Random histories: whatever happens, the pool keeps its promises.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Submit(Vec<(u64, u64, u128, u128, usize)>),
    /// A block: some of the best are included, a balance moves, the base fee changes.
    Block {
        take: usize,
        poor: u64,
        balance: u128,
        base_fee: u64,
    },
    Discard(usize),
    /// Unwinds: nonces fall back.
    Unwind(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let tx = (0..8u64, 0..12u64, 1..60u128, 1..60u128, prop_oneof![4 => Just(0usize), 1 => 0..4_000usize]);
    prop_oneof![
        6 => prop::collection::vec(tx, 1..12).prop_map(Act::Submit),
        2 => (0..10usize, 0..8u64, 0..40_000_000u128, 1..30u64)
            .prop_map(|(take, poor, balance, base_fee)| Act::Block { take, poor, balance, base_fee }),
        1 => (0..50usize).prop_map(Act::Discard),
        1 => (0..8u64).prop_map(Act::Unwind),
    ]
}

/// The best of a pool by the rule itself: of the senders' next payable ones the highest tip, then the
/// earliest.
fn best_by_rule(content: &super::super::Content, base_fee: u64) -> Vec<B256> {
    let mut queues: Vec<_> = content.pending.values().map(|queue| queue.iter().peekable()).collect();
    let mut order = Vec::new();
    loop {
        let next = queues
            .iter_mut()
            .enumerate()
            .filter_map(|(index, queue)| {
                let tx = queue.peek()?;
                let above = tx.max_fee_wei().checked_sub(u128::from(base_fee))?;
                Some((above.min(tx.max_tip_wei()), std::cmp::Reverse(tx.arrival()), index))
            })
            .max();
        let Some((_, _, index)) = next else { return order };
        order.extend(queues[index].next().map(|tx| tx.hash()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold(acts in prop::collection::vec(act(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("pool.journal");
        let mut config = PoolConfig::new(params());
        config.max_transactions = 24;
        config.max_bytes = 40_000;
        config.max_account_transactions = 8;
        config.max_account_queued = 3;
        config.max_queued_percent = 50;
        let mut accounts = Accounts::default();
        (0..8).for_each(|index| accounts.set(sender(index), 0, 30_000_000));
        let (pool, _) = Pool::open(config, Some(&journal), &accounts, head(1)).unwrap();
        let mut bench = Bench { pool, accounts, head: head(1) };
        let mut known = Vec::new();

        for act in acts {
            match act {
                Act::Submit(txs) => {
                    let txs: Vec<_> = txs
                        .into_iter()
                        .map(|(from, nonce, fee, tip, size)| {
                            unsigned(sender(from), nonce, fee, tip.min(fee), vec![1; size].into())
                        })
                        .collect();
                    let hashes: Vec<_> = txs.iter().map(Transaction::hash).collect();
                    let results = bench.submit(txs);
                    for (result, hash) in results.iter().zip(&hashes) {
                        prop_assert!(result.as_ref().is_ok_and(|answer| answer == hash) || result.is_err());
                    }
                    // The last accepted cannot have been evicted by a later one of its batch.
                    if let Some(Ok(hash)) = results.iter().rev().find(|result| result.is_ok()) {
                        prop_assert!(bench.pool.get(hash).is_some());
                    }
                    known.extend(hashes);
                }
                Act::Block { take, poor, balance, base_fee } => {
                    let mut changed = vec![sender(poor)];
                    for tx in bench.pool.best(bench.head.base_fee_wei).take(take) {
                        let account = bench.accounts.accounts.get_mut(&tx.sender()).unwrap();
                        prop_assert_eq!(account.nonce, tx.nonce());
                        prop_assert!(account.balance >= tx.cost_wei());
                        account.nonce += 1;
                        account.balance -= tx.cost_wei();
                        changed.push(tx.sender());
                    }
                    let nonce = bench.accounts.accounts[&sender(poor)].nonce;
                    bench.accounts.set(sender(poor), nonce, balance);
                    changed.sort();
                    changed.dedup();
                    bench.head.base_fee_wei = base_fee;
                    bench.advance(&changed);
                }
                Act::Discard(index) if !known.is_empty() => {
                    let hash = known[index % known.len()];
                    bench.pool.discard(&[hash]).unwrap();
                    prop_assert!(bench.pool.get(&hash).is_none());
                }
                Act::Discard(_) => {}
                Act::Unwind(from) => {
                    let account = bench.accounts.accounts.get_mut(&sender(from)).unwrap();
                    account.nonce = account.nonce.saturating_sub(2);
                    bench.pool.reset(bench.head, &bench.accounts, Vec::new()).unwrap();
                }
            }
            bench.check();
            let content = bench.pool.content(usize::MAX).unwrap();
            let best: Vec<_> =
                bench.pool.best(bench.head.base_fee_wei).map(|tx| tx.hash()).collect();
            prop_assert_eq!(best, best_by_rule(&content, bench.head.base_fee_wei));
        }

        // What is there after a restart was there before or was evicted then; what was executable and
        // fits is there again.
        let before = bench.pool.content(usize::MAX).unwrap();
        drop(bench.pool);
        let (pool, restored) = Pool::open(config, Some(&journal), &bench.accounts, bench.head).unwrap();
        prop_assert_eq!((restored.torn_bytes, restored.damaged_bytes), (0, 0));
        pool.lock().ledger.check();
        let full = pool.status().dropped > 0 || restored.obsolete > 0;
        if !full {
            for tx in before.pending.values().chain(before.queued.values()).flatten() {
                prop_assert!(pool.get(&tx.hash()).is_some());
            }
        }
    }
}
