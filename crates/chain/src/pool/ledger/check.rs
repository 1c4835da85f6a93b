//! What must hold of a ledger at any moment.

use std::sync::atomic::Ordering;

use alloy_primitives::U256;

use super::Ledger;
use crate::pool::{account::Price, journal::record_len};

impl Ledger {
    /// Recomputes every total and panics where a promise is broken.
    pub fn check(&self) {
        let (mut pending, mut queued, mut bytes, mut queued_bytes, mut authorities) = (0, 0, 0, 0, 0);
        for (address, queue) in &self.accounts {
            let all: Vec<_> = queue.iter().collect();
            assert!(!all.is_empty() && all.len() <= self.config.max_account_transactions);
            let executable = &all[..queue.pending()];
            for (index, tx) in executable.iter().enumerate() {
                assert_eq!(tx.nonce(), queue.state.nonce + index as u64);
            }
            assert!(all.is_sorted_by(|a, b| a.nonce() < b.nonce()));
            assert!(all.iter().all(|tx| tx.sender() == *address && tx.nonce() >= queue.state.nonce));
            assert!(all.iter().all(|tx| self.by_hash.contains_key(&tx.hash())));
            let cost = executable.iter().fold(U256::ZERO, |sum, tx| sum + tx.cost_wei());
            assert!(cost <= queue.state.balance_wei);
            // Nothing that could be executable is queued.
            if let Some(next) = all.get(queue.pending()) {
                let covered = cost + next.cost_wei() <= queue.state.balance_wei;
                assert!(next.nonce() != queue.next_nonce() || !covered);
            }
            let mut lowest = None;
            for tx in &all {
                let own = Price::of(tx);
                lowest = Some(lowest.map_or(own, |low: Price| low.min(own)));
            }
            assert_eq!(queue.last().map(|(_, low)| low), lowest);
            assert_eq!(queue.head().map(|head| head.arrival), executable.first().map(|tx| tx.arrival));
            assert!(executable.iter().all(|tx| tx.announced.load(Ordering::Relaxed)));
            pending += queue.pending();
            queued += queue.queued();
            bytes += all.iter().map(|tx| tx.footprint()).sum::<usize>();
            queued_bytes += all[queue.pending()..].iter().map(|tx| tx.footprint()).sum::<usize>();
            authorities += all.iter().map(|tx| tx.authorities().len()).sum::<usize>();
        }
        assert_eq!((pending, queued), (self.pending, self.queued));
        assert_eq!((bytes, queued_bytes), (self.bytes, self.queued_bytes));
        assert_eq!(pending + queued, self.by_hash.len());
        assert_eq!(authorities, self.authorities.values().sum::<usize>());
        let encoded: usize = self.by_hash.values().map(|tx| record_len(tx.transaction())).sum();
        assert_eq!(encoded as u64, self.journal_bytes);
        assert!(pending + queued <= self.config.max_transactions && bytes <= self.config.max_bytes);
        assert!(queued <= self.config.max_queued() && queued_bytes <= self.config.max_queued_bytes());
        assert!(self.announced.len() <= self.config.announcements);
    }
}
