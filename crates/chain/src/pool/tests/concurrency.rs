//! Clients submit while blocks are built.

use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use super::*;

/// Each client sends one transaction after the other, as soon as the last is answered or, every
/// other time, included. All of them must end in a block: none may be stuck behind a nonce that was
/// read before a block and used after it.
#[test]
fn everything_accepted_is_included() {
    const CLIENTS: u64 = 4;
    const SENDERS: u64 = 8;
    const EACH: u64 = 30;
    let mut accounts = Accounts::default();
    (0..CLIENTS * SENDERS).for_each(|index| accounts.set(sender(index), 0, ETHER));
    let (pool, _) = Pool::open(PoolConfig::new(params()), None, &accounts, head(1)).unwrap();
    let chain = RwLock::new((Arc::new(accounts), head(1)));
    let view = || {
        let chain = chain.read().unwrap();
        (Arc::clone(&chain.0), chain.1)
    };
    let deadline = Instant::now() + Duration::from_secs(120);

    let included = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (pool, view) = (&pool, &view);
            scope.spawn(move || {
                for nonce in 0..EACH {
                    let (state, head) = view();
                    let batch = (0..SENDERS)
                        .map(|index| {
                            transfer(sender(client * SENDERS + index), nonce, 20 + u128::from(index))
                        })
                        .map(|tx| Ok(PoolTransaction::new(tx, pool.config(), &head)))
                        .collect();
                    let results = pool.accept(batch, state, head, view);
                    assert!(results.iter().all(Result::is_ok), "{results:?}");
                    while nonce % 2 == 0 && Instant::now() < deadline {
                        let nonces = (0..SENDERS)
                            .map(|index| view().0.accounts[&sender(client * SENDERS + index)].nonce);
                        if nonces.min() > Some(nonce) {
                            break;
                        }
                        std::thread::yield_now();
                    }
                }
            });
        }
        let mut included = HashSet::new();
        while (included.len() as u64) < CLIENTS * SENDERS * EACH && Instant::now() < deadline {
            let (state, head) = view();
            let mut next = Accounts::clone(&state);
            let mut changed = Vec::new();
            for tx in pool.best(head.base_fee_wei).take(50) {
                let account = next.accounts.get_mut(&tx.sender()).unwrap();
                assert_eq!(account.nonce, tx.nonce());
                account.nonce += 1;
                changed.push(tx.sender());
                assert!(included.insert(tx.hash()));
            }
            let head = super::head(head.number + 1);
            let diff = next.diff(&changed);
            *chain.write().unwrap() = (Arc::new(next), head);
            pool.advance(head, &diff);
        }
        included
    });
    assert_eq!(included.len() as u64, CLIENTS * SENDERS * EACH);
    let status = pool.status();
    assert_eq!((status.pending, status.queued, status.dropped), (0, 0, 0));
}
