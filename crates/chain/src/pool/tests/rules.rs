//! Each rule by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::*;

#[test]
fn gap_is_queued_until_it_is_filled() {
    let bench = Bench::new(|_| {});
    let late = bench.one(transfer(sender(1), 2, 20)).unwrap();
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    assert_eq!(bench.counts(), (0, 2));
    assert_eq!(bench.pool.next_nonce(&sender(1)), Some(0));
    assert_eq!(bench.pool.announced_since(0), (0, vec![]));

    let first = bench.one(transfer(sender(1), 0, 20)).unwrap();
    assert_eq!(bench.counts(), (3, 0));
    assert_eq!(bench.pool.next_nonce(&sender(1)), Some(3));
    let (cursor, announced) = bench.pool.announced_since(0);
    assert_eq!((cursor, announced.len()), (3, 3));
    assert_eq!((announced[0], announced[2]), (first, late));
    bench.check();
}

#[test]
fn replacement_needs_a_tenth_more_of_both_caps() {
    let bench = Bench::new(|_| {});
    let old = bench.one(unsigned(sender(1), 0, 100, 50, Bytes::new())).unwrap();
    for (fee, tip) in [(109, 60), (120, 54), (100, 50), (110, 50)] {
        let again = bench.one(unsigned(sender(1), 0, fee, tip, Bytes::from_static(b"x")));
        assert_eq!(again, Err(PoolError::ReplacementUnderpriced), "{fee} {tip}");
    }
    let new = bench.one(unsigned(sender(1), 0, 110, 55, Bytes::new())).unwrap();
    assert!(bench.pool.get(&old).is_none() && bench.pool.get(&new).is_some());
    assert_eq!(bench.counts(), (1, 0));
    assert_eq!(bench.pool.announced_since(0).1, [old, new]);
    assert_eq!(bench.pool.status().dropped, 1);
    bench.check();
}

#[test]
fn known_transaction_is_refused() {
    let bench = Bench::new(|_| {});
    bench.one(transfer(sender(1), 0, 20)).unwrap();
    assert_eq!(bench.one(transfer(sender(1), 0, 20)), Err(PoolError::AlreadyKnown));
    assert_eq!(
        bench.submit(vec![transfer(sender(2), 0, 20), transfer(sender(2), 0, 20)])[1],
        Err(PoolError::AlreadyKnown)
    );
}

#[test]
fn costs_of_a_sender_together_stay_within_its_balance() {
    let mut bench = Bench::new(|_| {});
    let cost = u128::from(GAS) * 20;
    bench.accounts.set(sender(1), 0, 2 * cost);
    bench.one(transfer(sender(1), 0, 20)).unwrap();
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    let error = bench.one(transfer(sender(1), 2, 20)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "insufficient funds for gas * price + value: balance 840000, queued cost 840000, \
         tx cost 420000, overshot 420000"
    );
    let error = bench.one(transfer(sender(1), 1, 22)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "insufficient funds for gas * price + value: balance 840000, queued cost 840000, \
         tx bumped 42000, overshot 42000"
    );
    bench.check();
}

#[test]
fn costs_behind_a_gap_are_counted_once_it_is_closed() {
    let mut bench = Bench::new(|_| {});
    let cost = u128::from(GAS) * 20;
    bench.accounts.set(sender(1), 0, 2 * cost);
    for nonce in [2, 3, 4] {
        bench.one(transfer(sender(1), nonce, 20)).unwrap();
    }
    bench.one(transfer(sender(1), 4, 30)).unwrap();
    bench.one(transfer(sender(1), 0, 20)).unwrap();
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    assert_eq!(bench.counts(), (2, 3), "the balance covers two");
    assert!(matches!(bench.one(transfer(sender(1), 5, 20)), Err(PoolError::Overdraft { .. })));
    bench.check();
}

#[test]
fn blob_transactions_are_refused_by_their_type_however_long() {
    let bench = Bench::new(|_| {});
    let mut blobs = vec![3, 0xfa, 0x02, 0x00, 0x00];
    blobs.resize(140_000, 0);
    let config = bench.pool.config();
    let answer = PoolTransaction::admit(blobs.into(), B256::ZERO, config, &bench.pool.gas, &bench.head);
    assert_eq!(answer.unwrap_err(), PoolError::TypeNotSupported { tx_type: 3 });
}

#[test]
fn full_pool_evicts_the_cheapest_last_of_a_sender() {
    let bench = Bench::new(|config| config.max_transactions = 4);
    let a0 = bench.one(transfer(sender(1), 0, 50)).unwrap();
    let a1 = bench.one(transfer(sender(1), 1, 20)).unwrap();
    let b0 = bench.one(transfer(sender(2), 0, 30)).unwrap();
    let c0 = bench.one(transfer(sender(3), 0, 40)).unwrap();
    assert_eq!(bench.one(transfer(sender(4), 0, 20)), Err(PoolError::Underpriced));
    assert_eq!(bench.one(transfer(sender(1), 2, 90)), Err(PoolError::Full), "never what it stands on");
    bench.one(transfer(sender(4), 0, 25)).unwrap();
    assert!(bench.pool.get(&a1).is_none());
    bench.one(transfer(sender(5), 0, 31)).unwrap();
    bench.one(transfer(sender(6), 0, 32)).unwrap();
    assert!(bench.pool.get(&b0).is_none());
    assert!(bench.pool.get(&a0).is_some() && bench.pool.get(&c0).is_some());
    bench.check();
}

#[test]
fn full_pool_evicts_queued_before_executable() {
    let bench = Bench::new(|config| (config.max_transactions, config.max_queued_percent) = (4, 50));
    let junk: Vec<_> = (1..=2).map(|n| bench.one(transfer(sender(n), 5, 1_000)).unwrap()).collect();
    assert_eq!(bench.one(transfer(sender(3), 5, 1_000)), Err(PoolError::Underpriced), "queue share");
    bench.one(transfer(sender(4), 0, 11)).unwrap();
    bench.one(transfer(sender(5), 0, 11)).unwrap();
    bench.one(transfer(sender(6), 0, 11)).unwrap();
    bench.one(transfer(sender(7), 0, 11)).unwrap();
    assert!(junk.iter().all(|hash| bench.pool.get(hash).is_none()));
    assert_eq!(bench.one(transfer(sender(8), 5, 1_000_000)), Err(PoolError::Full));
    assert_eq!(bench.counts(), (4, 0));
    bench.check();
}

#[test]
fn dear_transaction_behind_a_cheap_one_ranks_as_cheap() {
    let bench = Bench::new(|config| config.max_transactions = 3);
    bench.one(transfer(sender(1), 0, 11)).unwrap();
    let hidden = bench.one(transfer(sender(1), 1, 9_000)).unwrap();
    bench.one(transfer(sender(2), 0, 20)).unwrap();
    bench.one(transfer(sender(3), 0, 20)).unwrap();
    assert!(bench.pool.get(&hidden).is_none());
}

#[test]
fn own_queued_transaction_makes_room_for_the_one_it_waits_for() {
    let bench = Bench::new(|config| (config.max_transactions, config.max_queued_percent) = (2, 50));
    bench.one(transfer(sender(1), 0, 20)).unwrap();
    let waiting = bench.one(transfer(sender(1), 2, 20)).unwrap();
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    assert!(bench.pool.get(&waiting).is_none());
    assert_eq!(bench.counts(), (2, 0));
    bench.check();
}

#[test]
fn refused_newcomer_leaves_everything_as_it_was() {
    let bench = Bench::new(|config| config.max_bytes = 4 * 1_400);
    for (n, price) in [(1, 20), (2, 30), (3, 40), (4, 50)] {
        bench.one(transfer(sender(n), 0, price)).unwrap();
    }
    // Needs the room of three, but only two are cheaper.
    let large = unsigned(sender(5), 0, 35, 35, vec![1; 1_300].into());
    assert_eq!(bench.one(large), Err(PoolError::Underpriced));
    assert_eq!((bench.counts(), bench.pool.status().dropped), ((4, 0), 0));
    bench.check();
}

#[test]
fn limits_of_an_account_hold() {
    let bench = Bench::new(|config| (config.max_account_transactions, config.max_account_queued) = (5, 2));
    bench.one(transfer(sender(1), 5, 20)).unwrap();
    bench.one(transfer(sender(1), 6, 20)).unwrap();
    assert_eq!(bench.one(transfer(sender(1), 7, 20)), Err(PoolError::AccountLimit { pooled: 2 }));
    (0..3).for_each(|nonce| _ = bench.one(transfer(sender(1), nonce, 20)).unwrap());
    assert_eq!(bench.one(transfer(sender(1), 3, 20)), Err(PoolError::AccountLimit { pooled: 5 }));
    bench.one(transfer(sender(1), 2, 22)).unwrap();
    bench.check();
}

#[test]
fn delegated_account_has_one_transaction_in_flight() {
    let mut bench = Bench::new(|_| {});
    bench.accounts.delegate(sender(1));
    assert_eq!(bench.one(transfer(sender(1), 1, 20)), Err(PoolError::DelegatedGap));
    bench.one(transfer(sender(1), 0, 20)).unwrap();
    assert_eq!(bench.one(transfer(sender(1), 1, 20)), Err(PoolError::DelegatedInFlight));
    bench.one(transfer(sender(1), 0, 22)).unwrap();
    bench.accounts.set(sender(1), 1, ETHER);
    bench.advance(&[sender(1)]);
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    bench.check();
}

#[test]
fn pending_delegation_reserves_its_authority() {
    let mut bench = Bench::new(|_| {});
    let (tx, authority) = set_code(sender(1), 0, 20, 5);
    bench.accounts.set(authority, 0, ETHER);
    let hash = bench.one(tx).unwrap();
    bench.one(transfer(authority, 0, 20)).unwrap();
    assert_eq!(bench.one(transfer(authority, 1, 20)), Err(PoolError::DelegatedInFlight));
    bench.pool.discard(&[hash]).unwrap();
    bench.one(transfer(authority, 1, 20)).unwrap();
    assert_eq!(bench.one(set_code(sender(1), 0, 20, 5).0), Err(PoolError::AuthorityReserved));
    bench.check();
}

#[test]
fn block_removes_promotes_demotes_and_drops() {
    let mut bench = Bench::new(|_| {});
    let cost = u128::from(GAS) * 20;
    (0..4).for_each(|nonce| _ = bench.one(transfer(sender(1), nonce, 20)).unwrap());
    bench.accounts.set(sender(1), 2, ETHER);
    bench.advance(&[sender(1)]);
    assert_eq!((bench.counts(), bench.pool.status().dropped), ((2, 0), 0));
    bench.check();

    bench.accounts.set(sender(1), 2, cost);
    bench.advance(&[sender(1)]);
    assert_eq!(bench.counts(), (1, 1), "the second is not covered beside the first");
    bench.check();

    bench.accounts.set(sender(1), 2, cost - 1);
    bench.advance(&[sender(1)]);
    assert_eq!((bench.counts(), bench.pool.status().dropped), ((0, 0), 2));
    assert_eq!(bench.pool.status().senders, 0);
    bench.check();
}

#[test]
fn unwound_blocks_give_their_transactions_back() {
    let mut bench = Bench::new(|_| {});
    let mined = transfer(sender(1), 0, 20);
    bench.one(mined.clone()).unwrap();
    bench.accounts.set(sender(1), 1, ETHER);
    bench.advance(&[sender(1)]);
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    assert_eq!(bench.counts(), (1, 0));

    bench.accounts.set(sender(1), 0, ETHER);
    bench.head = head(1);
    bench.pool.reset(bench.head, &bench.accounts, vec![mined.clone()]).unwrap();
    assert_eq!(bench.counts(), (2, 0));
    assert!(bench.pool.get(&mined.hash()).is_some());
    bench.check();
}

#[test]
fn unwinding_evicts_none_that_only_wait_for_what_comes_back() {
    let mut bench = Bench::new(|config| {
        (config.max_transactions, config.max_queued_percent) = (20, 10);
    });
    let chain: Vec<_> = (0..10).map(|nonce| transfer(sender(1), nonce, 100)).collect();
    assert!(bench.submit(chain.clone()).iter().all(Result::is_ok));
    bench.accounts.set(sender(1), 3, ETHER);
    bench.advance(&[sender(1)]);
    assert_eq!(bench.counts(), (7, 0));
    // Back to before the three: the seven have a gap before them, and two may be queued.
    bench.accounts.set(sender(1), 0, ETHER);
    bench.pool.reset(bench.head, &bench.accounts, chain[..3].to_vec()).unwrap();
    assert_eq!(bench.counts(), (10, 0));
    bench.check();
}

#[test]
fn best_orders_by_tip_then_arrival_and_keeps_nonces() {
    let bench = Bench::new(|_| {});
    let order = [
        (sender(1), 0, 20),
        (sender(2), 0, 30),
        (sender(1), 1, 90),
        (sender(3), 0, 20),
        (sender(4), 0, 9),  // below the base fee
        (sender(5), 1, 99), // behind a gap
    ];
    order.iter().for_each(|(from, nonce, price)| _ = bench.one(transfer(*from, *nonce, *price)).unwrap());
    let picked: Vec<_> = bench.pool.best(10).map(|tx| (tx.sender(), tx.nonce())).collect();
    assert_eq!(picked, [(sender(2), 0), (sender(1), 0), (sender(1), 1), (sender(3), 0)]);

    let mut best = bench.pool.best(10);
    assert_eq!(best.next().map(|tx| tx.sender()), Some(sender(2)));
    assert_eq!(best.next().map(|tx| tx.sender()), Some(sender(1)));
    best.skip_sender(&sender(1));
    best.skip_sender(&sender(3));
    assert!(best.next().is_none());
}

#[test]
fn best_fetches_long_queues_in_chunks() {
    let bench = Bench::new(|_| {});
    let all: Vec<_> = (0..100).map(|nonce| transfer(sender(1), nonce, 20)).collect();
    assert!(bench.submit(all).iter().all(Result::is_ok));
    let nonces: Vec<_> = bench.pool.best(10).map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, (0..100).collect::<Vec<_>>());
}

#[test]
fn head_that_moved_is_read_again() {
    let mut bench = Bench::new(|_| {});
    let stale = (bench.accounts.clone(), bench.head);
    bench.accounts.set(sender(1), 1, ETHER);
    bench.advance(&[sender(1)]);
    let tx = PoolTransaction::new(transfer(sender(1), 1, 20), bench.pool.config(), &stale.1);
    let results = bench.pool.accept(vec![Ok(tx)], &stale.0, stale.1, || (&bench.accounts, bench.head));
    assert!(results[0].is_ok());
    assert_eq!(bench.counts(), (1, 0), "a stale nonce would leave it behind a gap for ever");
}

#[test]
fn waiting_ends_with_the_first_executable() {
    let bench = Bench::new(|_| {});
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    bench.pool.set_on_pending(Some(Box::new(move || _ = counted.fetch_add(1, Ordering::SeqCst))));
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    assert_eq!(bench.pool.wait_announced(0, Duration::from_millis(5)), 0);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| bench.pool.wait_announced(0, Duration::from_secs(20)));
        bench.one(transfer(sender(1), 0, 20)).unwrap();
        assert!(waiter.join().unwrap() >= 1);
    });
    bench.one(transfer(sender(2), 0, 20)).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1, "only when there was none before");
}

#[test]
fn announcements_are_bounded() {
    let bench = Bench::new(|config| config.announcements = 3);
    (0..5).for_each(|nonce| _ = bench.one(transfer(sender(1), nonce, 20)).unwrap());
    let (cursor, kept) = bench.pool.announced_since(0);
    assert_eq!((cursor, kept.len()), (5, 3));
    assert_eq!(bench.pool.announced_since(4).1.len(), 1);
    assert_eq!(bench.pool.announced_since(9), (5, vec![]));
}

#[test]
fn queued_transactions_grow_old() {
    let mut bench = Bench::new(|config| config.queued_lifetime_s = 100);
    bench.one(transfer(sender(1), 1, 20)).unwrap();
    bench.one(transfer(sender(2), 0, 20)).unwrap();
    bench.head.number += 99;
    bench.advance(&[]);
    assert_eq!(bench.counts(), (1, 1));
    bench.head.number += 99;
    bench.advance(&[]);
    assert_eq!(bench.counts(), (1, 0));
    bench.check();
}

#[test]
fn views_show_what_is_there() {
    let bench = Bench::new(|_| {});
    bench.one(transfer(sender(1), 0, 20)).unwrap();
    bench.one(transfer(sender(1), 2, 20)).unwrap();
    let content = bench.pool.content(10).unwrap();
    assert_eq!((content.pending[&sender(1)].len(), content.queued[&sender(1)][0].nonce()), (1, 2));
    assert!(bench.pool.content(1).is_none());
    assert!(bench.pool.content_from(&sender(2)).pending.is_empty());
    assert_eq!(
        bench.pool.content_from(&sender(1)).pending[&sender(1)][0].summary(),
        "0x0909090909090909090909090909090909090909: 0 wei + 21000 gas \u{d7} 20 wei"
    );
}
