//! All accepted transactions and their indexes: the part of the pool behind its lock.

mod admit;
#[cfg(test)]
mod check;

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use alloy_primitives::{
    Address, B256,
    map::{AddressMap, B256Map},
};

use super::{
    PoolConfig,
    account::{AccountQueue, AccountState},
    config::Head,
    journal::record_len,
    transaction::PoolTransaction,
    victims::Victims,
};

/// One step of an insertion, so that a batch can be taken back.
#[derive(Debug)]
enum Step {
    Added(B256),
    Displaced(Arc<PoolTransaction>, AccountState),
}

/// Steps of a batch of insertions.
#[derive(Debug, Default)]
pub(super) struct Undo(Vec<Step>);

/// The pool's contents.
#[derive(Debug)]
pub(super) struct Ledger {
    config: PoolConfig,
    head: Head,
    accounts: AddressMap<AccountQueue>,
    by_hash: B256Map<Arc<PoolTransaction>>,
    /// How many pooled transactions set the code of an account (EIP-7702).
    authorities: AddressMap<usize>,
    pending: usize,
    queued: usize,
    bytes: usize,
    queued_bytes: usize,
    journal_bytes: u64,
    arrivals: u64,
    victims: Victims,
    announced: VecDeque<B256>,
    announced_before: u64,
    swept_s: u64,
    /// Transactions that left without being included, since the pool was opened.
    dropped: u64,
    /// Counts changes of what is here and of the senders' accounts.
    revision: u64,
}

impl Ledger {
    pub fn new(config: PoolConfig, head: Head) -> Self {
        Self {
            config,
            head,
            accounts: AddressMap::default(),
            by_hash: B256Map::default(),
            authorities: AddressMap::default(),
            pending: 0,
            queued: 0,
            bytes: 0,
            queued_bytes: 0,
            journal_bytes: 0,
            arrivals: 0,
            victims: Victims::default(),
            announced: VecDeque::new(),
            announced_before: 0,
            swept_s: head.timestamp,
            dropped: 0,
            revision: 0,
        }
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub fn pending(&self) -> usize {
        self.pending
    }

    pub fn queued(&self) -> usize {
        self.queued
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn senders(&self) -> usize {
        self.accounts.len()
    }

    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Bytes the living transactions take in a journal.
    pub fn journal_bytes(&self) -> u64 {
        self.journal_bytes
    }

    pub fn get(&self, hash: &B256) -> Option<&Arc<PoolTransaction>> {
        self.by_hash.get(hash)
    }

    pub fn account(&self, address: &Address) -> Option<&AccountQueue> {
        self.accounts.get(address)
    }

    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &AccountQueue)> {
        self.accounts.iter()
    }

    /// Every transaction in the order of arrival.
    pub fn by_arrival(&self) -> Vec<Arc<PoolTransaction>> {
        let mut all: Vec<_> = self.by_hash.values().cloned().collect();
        all.sort_unstable_by_key(|tx| tx.arrival);
        all
    }

    /// Announcements made so far.
    pub fn cursor(&self) -> u64 {
        self.announced_before + self.announced.len() as u64
    }

    /// Hashes announced since a cursor, oldest first; those no longer kept are missing.
    pub fn announced_since(&self, cursor: u64) -> impl Iterator<Item = &B256> {
        let skip = cursor.saturating_sub(self.announced_before).min(self.announced.len() as u64);
        self.announced.range(skip as usize..)
    }

    /// Changes a sender's queue and keeps every total true. A queue left empty is removed.
    fn change<T>(
        &mut self,
        sender: Address,
        state: AccountState,
        act: impl FnOnce(&mut AccountQueue) -> T,
    ) -> T {
        let queue = self.accounts.entry(sender).or_insert_with(|| AccountQueue::new(state));
        let before = (queue.pending(), queue.queued(), queue.queued_footprint());
        let result = act(queue);
        self.pending = self.pending + queue.pending() - before.0;
        self.queued = self.queued + queue.queued() - before.1;
        self.queued_bytes = self.queued_bytes + queue.queued_footprint() - before.2;
        if queue.is_empty() {
            self.accounts.remove(&sender);
        } else {
            self.victims.changed(sender, queue);
        }
        result
    }

    fn count_in(&mut self, tx: &Arc<PoolTransaction>) {
        self.revision += 1;
        self.bytes += tx.footprint();
        self.journal_bytes += record_len(tx.transaction()) as u64;
        for authority in tx.authorities() {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        self.by_hash.insert(tx.hash(), Arc::clone(tx));
    }

    fn count_out(&mut self, tx: &PoolTransaction) {
        self.revision += 1;
        self.by_hash.remove(&tx.hash());
        self.bytes -= tx.footprint();
        self.journal_bytes -= record_len(tx.transaction()) as u64;
        for authority in tx.authorities() {
            if let Some(count) = self.authorities.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.authorities.remove(authority);
                }
            }
        }
    }

    fn put(&mut self, tx: Arc<PoolTransaction>, state: AccountState) -> Option<Arc<PoolTransaction>> {
        self.count_in(&tx);
        let (sender, nonce) = (tx.sender(), tx.nonce());
        let from = self.accounts.get(&sender).map_or(state.nonce, AccountQueue::next_nonce);
        let replaced = self.change(sender, state, |queue| queue.put(tx));
        if let Some(replaced) = &replaced {
            self.count_out(replaced);
        }
        self.announce_one(sender, nonce);
        self.announce(sender, from);
        replaced
    }

    /// Takes a transaction out; what followed it becomes queued.
    pub fn remove(&mut self, hash: &B256) -> Option<(Arc<PoolTransaction>, AccountState)> {
        let tx = Arc::clone(self.by_hash.get(hash)?);
        let state = self.accounts.get(&tx.sender()).map(|queue| queue.state)?;
        self.change(tx.sender(), state, |queue| queue.take(tx.nonce()));
        self.count_out(&tx);
        Some((tx, state))
    }

    /// Takes a transaction out for good; false where it is not there.
    pub fn discard(&mut self, hash: &B256) -> bool {
        let is_gone = self.remove(hash).is_some();
        self.dropped += u64::from(is_gone);
        is_gone
    }

    /// Tells subscribers of a transaction that may stand among announced ones, as a replacement does.
    fn announce_one(&mut self, sender: Address, nonce: u64) {
        let Some(queue) = self.accounts.get(&sender).filter(|queue| nonce < queue.next_nonce()) else {
            return;
        };
        if let Some(tx) = queue.get(nonce)
            && !tx.announced.swap(true, Ordering::Relaxed)
        {
            self.announced.push_back(tx.hash());
        }
    }

    /// Tells subscribers, once each, of a sender's transactions that are executable and were not while `from`
    /// was the nonce after those: an unwound block leaves announced ones and others behind a gap.
    fn announce(&mut self, sender: Address, from: u64) {
        let Some(queue) = self.accounts.get(&sender) else { return };
        let fresh = queue
            .executable_from(from.max(queue.state.nonce), queue.pending())
            .filter(|tx| !tx.announced.swap(true, Ordering::Relaxed))
            .map(|tx| tx.hash());
        self.announced.extend(fresh);
        while self.announced.len() > self.config.announcements {
            self.announced.pop_front();
            self.announced_before += 1;
        }
    }

    /// Takes back a batch of insertions and everything they displaced.
    pub fn undo(&mut self, undo: Undo) {
        for step in undo.0.into_iter().rev() {
            match step {
                Step::Added(hash) => _ = self.remove(&hash),
                Step::Displaced(tx, state) => {
                    self.dropped -= 1;
                    // A replaced one goes back to its nonce and puts its replacement out.
                    _ = self.put(tx, state);
                }
            }
        }
    }

    /// Takes back announcements made after a cursor, before anyone could read them.
    pub fn retract(&mut self, cursor: u64) {
        let keep = cursor.saturating_sub(self.announced_before) as usize;
        for hash in self.announced.drain(keep.min(self.announced.len())..) {
            if let Some(tx) = self.by_hash.get(&hash) {
                tx.announced.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Follows the chain to a new head; `changes` are the accounts it changed.
    pub fn advance(&mut self, head: Head, changes: impl Iterator<Item = (Address, AccountState)>) {
        self.reset(head, changes, Vec::new());
    }

    /// Follows the chain to a new head that may be no child of the last one; `orphaned` were in its other
    /// children. They come before the shares of the queue are looked at: what follows them is queued only
    /// until they are there. Those that break a rule by now are refused like any other.
    pub fn reset(
        &mut self,
        head: Head,
        changes: impl Iterator<Item = (Address, AccountState)>,
        orphaned: Vec<(PoolTransaction, AccountState)>,
    ) {
        let tighter = head.gas_limit < self.head.gas_limit;
        self.head = head;
        self.revision += 1;
        for (address, state) in changes {
            if self.accounts.contains_key(&address) {
                self.follow(address, state);
            }
        }
        if tighter {
            let all: Vec<_> = self.accounts.iter().map(|(address, queue)| (*address, queue.state)).collect();
            all.into_iter().for_each(|(address, state)| self.follow(address, state));
        }
        for (tx, state) in orphaned {
            _ = self.insert(tx, state, &mut Undo::default());
        }
        self.keep_queue_share();
        self.sweep();
        if self.len() < self.config.max_transactions / 2 && self.bytes < self.config.max_bytes / 2 {
            self.victims.release();
        }
    }

    /// Brings a sender's queue to its account's new state.
    pub fn follow(&mut self, address: Address, state: AccountState) {
        let gas_limit = self.head.gas_limit;
        let from = self.accounts.get(&address).map_or(state.nonce, AccountQueue::next_nonce);
        let mut gone = Vec::new();
        self.change(address, state, |queue| queue.follow(state, gas_limit, |tx| gone.push(tx)));
        for tx in gone {
            self.dropped += u64::from(tx.nonce() >= state.nonce);
            self.count_out(&tx);
        }
        self.announce(address, from);
    }

    /// Demotions may leave more queued transactions than may be: the lowest ranked leave.
    pub fn keep_queue_share(&mut self) {
        while self.queued > self.config.max_queued() || self.queued_bytes > self.config.max_queued_bytes() {
            self.victims.prepare(&self.accounts, self.head.base_fee_wei);
            let Some((_, sender)) = self.victims.lowest(&self.accounts) else { return };
            let last = self.accounts.get(&sender).and_then(|queue| queue.last()).map(|(tx, _)| tx.hash());
            let Some(hash) = last else { return };
            self.discard(&hash);
        }
    }

    /// Drops what waited behind a gap for too long; looks once a minute.
    fn sweep(&mut self) {
        if self.queued == 0 || self.head.timestamp < self.swept_s + 60 {
            return;
        }
        self.swept_s = self.head.timestamp;
        let oldest = self.head.timestamp.saturating_sub(self.config.queued_lifetime_s);
        let stale: Vec<_> = self
            .accounts
            .values()
            .filter(|queue| queue.queued() > 0)
            .flat_map(|queue| queue.iter().skip(queue.pending()))
            .filter(|tx| tx.arrived_s < oldest)
            .map(|tx| tx.hash())
            .collect();
        stale.iter().for_each(|hash| _ = self.discard(hash));
    }
}
