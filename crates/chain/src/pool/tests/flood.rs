//! Floods: memory stays bounded and honest users are served.

use super::*;

/// Junk of every kind from ever new senders, in batches, beside one honest user.
#[test]
fn flood_leaves_room_for_an_honest_user() {
    let mut bench = Bench::new(|config| {
        config.max_transactions = 20_000;
        config.max_bytes = 64 << 20;
    });
    let honest = sender(1);
    let total = 200_000u64;
    let mut nonce = 0;
    for batch in 0..total / 500 {
        let junk: Vec<_> = (0..500)
            .map(|index| {
                let number = batch * 500 + index;
                let from = sender(1_000 + number / 4);
                bench.accounts.set(from, 0, ETHER);
                let price = 11 + u128::from(number % 7);
                match number % 4 {
                    0 => transfer(from, 0, price),
                    1 => transfer(from, 1 + number % 3, price),
                    2 => transfer(from, 40 + number % 50, 5_000),
                    _ => unsigned(from, 1_000, price, price, vec![7; 60_000].into()),
                }
            })
            .collect();
        bench.submit(junk);
        let status = bench.pool.status();
        assert!(status.bytes <= 64 << 20 && status.pending + status.queued <= 20_000, "{status:?}");
        assert!(status.queued <= 5_000, "{status:?}");
        // A fair price is a little above what the junk pays.
        if batch % 10 == 0 {
            bench.one(transfer(honest, nonce, 40)).unwrap();
            assert_eq!(bench.pool.best(10).next().map(|tx| tx.sender()), Some(honest));
            nonce += 1;
            if nonce % 4 == 0 {
                bench.accounts.set(honest, nonce, ETHER);
                bench.advance(&[honest]);
            }
        }
    }
    bench.check();
}

#[test]
fn one_sender_cannot_fill_the_pool() {
    let bench = Bench::new(|config| config.max_account_transactions = 100);
    let all: Vec<_> = (0..1_000).map(|nonce| transfer(sender(1), nonce, 20)).collect();
    let accepted = bench.submit(all).iter().filter(|result| result.is_ok()).count();
    assert_eq!(accepted, 100);
    bench.check();
}
