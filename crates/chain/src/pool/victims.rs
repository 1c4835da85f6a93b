//! Which transaction leaves a full pool first.

use std::{cmp::Reverse, collections::BinaryHeap};

use alloy_primitives::{Address, map::AddressMap};

use super::account::AccountQueue;

/// What a transaction is good for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Behind a gap.
    Queued,
    /// In order, but below the base fee.
    Unpayable,
    /// Could be in the next block.
    Executable,
}

impl Class {
    pub fn new(in_order: bool, tip_wei: i128) -> Self {
        match (in_order, tip_wei >= 0) {
            (false, _) => Self::Queued,
            (true, false) => Self::Unpayable,
            (true, true) => Self::Executable,
        }
    }
}

/// Rank of a sender's last transaction; the lowest leaves first: by class, then the lower tip, then
/// the later arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub class: Class,
    pub tip_wei: i128,
    pub arrival: Reverse<u64>,
}

impl Rank {
    /// Rank of the last transaction of `queue`.
    pub fn of_last(queue: &AccountQueue, base_fee_wei: u64) -> Option<Self> {
        let (tx, lowest) = queue.last()?;
        let tip_wei = lowest.tip_wei(base_fee_wei);
        let class = Class::new(queue.queued() == 0, tip_wei);
        Some(Self { class, tip_wei, arrival: Reverse(tx.arrival) })
    }
}

/// Candidates, one for each sender: its last transaction, so that no eviction opens a gap.
///
/// Kept only while the pool is full. Entries are never removed in place: each change of a sender
/// adds one, and an entry that no longer tells the truth is passed over.
#[derive(Debug, Default)]
pub(super) struct Victims {
    heap: BinaryHeap<Reverse<(Rank, Address)>>,
    base_fee_wei: u64,
    in_use: bool,
}

impl Victims {
    /// Base fee that ranks are taken at. It may lag behind the head's by an eighth.
    pub fn base_fee_wei(&self) -> u64 {
        self.base_fee_wei
    }

    /// Brings the candidates in order for a base fee.
    pub fn prepare(&mut self, accounts: &AddressMap<AccountQueue>, base_fee_wei: u64) {
        let moved = self.base_fee_wei.abs_diff(base_fee_wei) > self.base_fee_wei / 8;
        let bloated = self.heap.len() > accounts.len() * 4 + 4_096;
        if self.in_use && !moved && !bloated {
            return;
        }
        self.base_fee_wei = base_fee_wei;
        self.in_use = true;
        self.heap = accounts
            .iter()
            .filter_map(|(address, queue)| {
                Rank::of_last(queue, base_fee_wei).map(|rank| Reverse((rank, *address)))
            })
            .collect();
    }

    /// Tells that a sender's queue changed.
    pub fn changed(&mut self, sender: Address, queue: &AccountQueue) {
        if self.in_use
            && let Some(rank) = Rank::of_last(queue, self.base_fee_wei)
        {
            self.heap.push(Reverse((rank, sender)));
        }
    }

    /// The lowest rank and whose it is.
    pub fn lowest(&mut self, accounts: &AddressMap<AccountQueue>) -> Option<(Rank, Address)> {
        while let Some(Reverse((rank, sender))) = self.heap.peek().copied() {
            let truth = accounts.get(&sender).and_then(|queue| Rank::of_last(queue, self.base_fee_wei));
            if truth == Some(rank) {
                return Some((rank, sender));
            }
            self.heap.pop();
        }
        None
    }

    /// Lets go of the candidates: the pool is not full any more.
    pub fn release(&mut self) {
        *self = Self::default();
    }
}
