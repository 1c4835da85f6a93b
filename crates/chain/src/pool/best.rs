//! The order in which a block takes transactions.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use alloy_primitives::{Address, map::AddressSet};

use super::{Pool, account::Price, transaction::PoolTransaction};

/// How many of a sender's transactions are fetched at once.
const CHUNK: usize = 16;

/// A sender in the order: by the tip of its next transaction, then by its arrival.
#[derive(Debug)]
struct Candidate {
    tip_wei: i128,
    arrival: u64,
    sender: Address,
    /// Transactions at hand; empty until the sender is first reached.
    fetched: VecDeque<Arc<PoolTransaction>>,
}

impl Candidate {
    fn key(&self) -> (i128, Reverse<u64>) {
        (self.tip_wei, Reverse(self.arrival))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Executable transactions, the highest tip first, equal tips by arrival, each sender's by nonce.
///
/// The senders are those of the moment it was made; the pool's lock is held only to fetch some more
/// transactions of a sender.
#[derive(Debug)]
pub struct Best<'a> {
    pool: &'a Pool,
    base_fee_wei: u64,
    heap: BinaryHeap<Candidate>,
    /// The sender of the last transaction handed out, and what follows it.
    current: Option<(Candidate, u64)>,
    skipped: AddressSet,
}

impl<'a> Best<'a> {
    pub(super) fn new(pool: &'a Pool, base_fee_wei: u64) -> Self {
        let candidates: Vec<_> = pool
            .lock()
            .ledger
            .accounts()
            .filter_map(|(sender, queue)| {
                let head = queue.head()?;
                let tip_wei = head.price.tip_wei(base_fee_wei);
                (tip_wei >= 0).then(|| Candidate {
                    tip_wei,
                    arrival: head.arrival,
                    sender: *sender,
                    fetched: VecDeque::new(),
                })
            })
            .collect();
        let heap = candidates.into();
        Self { pool, base_fee_wei, heap, current: None, skipped: AddressSet::default() }
    }

    /// Leaves out what is still to come of a sender, as when one of its transactions did not fit.
    pub fn skip_sender(&mut self, sender: &Address) {
        if self.current.as_ref().is_some_and(|(candidate, _)| candidate.sender == *sender) {
            self.current = None;
        } else {
            self.skipped.insert(*sender);
        }
    }

    /// Puts the sender handed out last back in the order, at its next transaction.
    fn advance(&mut self) {
        let Some((mut candidate, nonce)) = self.current.take() else { return };
        if candidate.fetched.is_empty() {
            self.fetch(&mut candidate, Some(nonce));
        }
        if let Some(next) = candidate.fetched.front() {
            candidate.tip_wei = Price::of(next).tip_wei(self.base_fee_wei);
            candidate.arrival = next.arrival();
            if candidate.tip_wei >= 0 {
                self.heap.push(candidate);
            }
        }
    }

    fn fetch(&self, candidate: &mut Candidate, from: Option<u64>) {
        let state = self.pool.lock();
        if let Some(queue) = state.ledger.account(&candidate.sender) {
            let from = from.unwrap_or(queue.state.nonce);
            candidate.fetched.extend(queue.executable_from(from, CHUNK).cloned());
        }
    }
}

impl Iterator for Best<'_> {
    type Item = Arc<PoolTransaction>;

    fn next(&mut self) -> Option<Arc<PoolTransaction>> {
        self.advance();
        loop {
            let mut candidate = self.heap.pop()?;
            if !self.skipped.is_empty() && self.skipped.contains(&candidate.sender) {
                continue;
            }
            if candidate.fetched.is_empty() {
                self.fetch(&mut candidate, None);
            }
            let Some(tx) = candidate.fetched.pop_front() else { continue };
            // It may have been replaced by one that pays no more than the base fee.
            if Price::of(&tx).tip_wei(self.base_fee_wei) < 0 {
                continue;
            }
            self.current = Some((candidate, tx.nonce() + 1));
            return Some(tx);
        }
    }
}
