//! What `txpool_*` shows.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;

use super::{Pool, account::AccountQueue, transaction::PoolTransaction};

/// Numbers of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Executable transactions.
    pub pending: usize,
    /// Transactions behind a nonce gap.
    pub queued: usize,
    /// Accounts with transactions.
    pub senders: usize,
    /// Memory the transactions are counted with, bytes.
    pub bytes: usize,
    /// Length of the journal, bytes; zero without one.
    pub journal_bytes: u64,
    /// Transactions that left without being included (replaced, evicted, unaffordable, discarded)
    /// since the pool was opened.
    pub dropped: u64,
}

/// Transactions by sender, each sender's ascending by nonce.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Executable transactions.
    pub pending: BTreeMap<Address, Vec<Arc<PoolTransaction>>>,
    /// Transactions behind a nonce gap.
    pub queued: BTreeMap<Address, Vec<Arc<PoolTransaction>>>,
}

impl Content {
    fn add(&mut self, sender: Address, queue: &AccountQueue) {
        let mut all: Vec<_> = queue.iter().cloned().collect();
        let queued = all.split_off(queue.pending());
        for (part, transactions) in [(&mut self.pending, all), (&mut self.queued, queued)] {
            if !transactions.is_empty() {
                part.insert(sender, transactions);
            }
        }
    }
}

impl Pool {
    /// Counts, as `txpool_status` and the metrics show them.
    pub fn status(&self) -> PoolStatus {
        let guarded = self.lock();
        PoolStatus {
            pending: guarded.ledger.pending(),
            queued: guarded.ledger.queued(),
            senders: guarded.ledger.senders(),
            bytes: guarded.ledger.bytes(),
            journal_bytes: guarded.journal.as_ref().map_or(0, |journal| journal.len()),
            dropped: guarded.ledger.dropped(),
        }
    }

    /// Every transaction; `None` where there are more than `limit`.
    pub fn content(&self, limit: usize) -> Option<Content> {
        let guarded = self.lock();
        if guarded.ledger.len() > limit {
            return None;
        }
        let mut content = Content::default();
        guarded.ledger.accounts().for_each(|(sender, queue)| content.add(*sender, queue));
        Some(content)
    }

    /// The transactions of one sender.
    pub fn content_from(&self, sender: &Address) -> Content {
        let mut content = Content::default();
        if let Some(queue) = self.lock().ledger.account(sender) {
            content.add(*sender, queue);
        }
        content
    }
}
