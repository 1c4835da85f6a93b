//! The transactions of one sender, ordered by nonce.

use std::{cmp::Ordering, collections::VecDeque, sync::Arc};

use alloy_primitives::{KECCAK256_EMPTY, U256};
use trex_stf::state::Account;

use super::transaction::PoolTransaction;

/// What the pool knows of an account at the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountState {
    pub nonce: u64,
    pub balance_wei: U256,
    /// Has code, which for a sender means a delegation (EIP-7702).
    pub has_code: bool,
}

impl From<Option<Account>> for AccountState {
    fn from(account: Option<Account>) -> Self {
        account.map_or_else(Self::default, |account| Self {
            nonce: account.nonce,
            balance_wei: account.balance,
            has_code: account.code_hash != KECCAK256_EMPTY,
        })
    }
}

/// A transaction in its sender's queue.
#[derive(Clone, Debug)]
struct Slot {
    nonce: u64,
    tx: Arc<PoolTransaction>,
    /// Lowest fee cap and tip of this and all before it: it cannot be included before they are.
    lowest: Price,
}

/// Fee caps, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    pub max_fee_wei: u128,
    pub max_tip_wei: u128,
}

impl Price {
    pub fn of(tx: &PoolTransaction) -> Self {
        Self { max_fee_wei: tx.max_fee_wei(), max_tip_wei: tx.max_tip_wei() }
    }

    pub fn min(self, other: Self) -> Self {
        Self {
            max_fee_wei: self.max_fee_wei.min(other.max_fee_wei),
            max_tip_wei: self.max_tip_wei.min(other.max_tip_wei),
        }
    }

    /// Tip per gas at a base fee, wei; below zero where the fee cap is below the base fee.
    ///
    /// Taken of the lowest fee cap and the lowest tip it is the lowest tip of all, since
    /// `min(min(tip), min(fee) - base)` is the least of each `min(tip, fee - base)`.
    pub fn tip_wei(self, base_fee_wei: u64) -> i128 {
        let clamp = |wei: u128| i128::try_from(wei).unwrap_or(i128::MAX);
        clamp(self.max_tip_wei).min(clamp(self.max_fee_wei) - i128::from(base_fee_wei))
    }
}

/// A sender's transactions. The first [`Self::pending`] are executable: their nonces follow the
/// account's without a gap and its balance covers them together. The rest is queued.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountQueue {
    pub state: AccountState,
    slots: VecDeque<Slot>,
    pending: usize,
    pending_cost_wei: U256,
    footprint: usize,
    pending_footprint: usize,
    head: Option<HeadSlot>,
}

/// What the block builder orders senders by, at hand without following a pointer.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadSlot {
    pub price: Price,
    pub arrival: u64,
}

impl AccountQueue {
    pub fn new(state: AccountState) -> Self {
        Self { state, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many are executable.
    pub fn pending(&self) -> usize {
        self.pending
    }

    pub fn queued(&self) -> usize {
        self.slots.len() - self.pending
    }

    /// Nonce after the executable ones.
    pub fn next_nonce(&self) -> u64 {
        self.state.nonce + self.pending as u64
    }

    /// Most that the executable ones may cost, wei.
    pub fn pending_cost_wei(&self) -> U256 {
        self.pending_cost_wei
    }

    /// Memory of the queued ones, bytes.
    pub fn queued_footprint(&self) -> usize {
        self.footprint - self.pending_footprint
    }

    /// The first executable transaction's key.
    pub fn head(&self) -> Option<HeadSlot> {
        self.head
    }

    pub fn get(&self, nonce: u64) -> Option<&Arc<PoolTransaction>> {
        self.position(nonce).ok().map(|index| &self.slots[index].tx)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<PoolTransaction>> {
        self.slots.iter().map(|slot| &slot.tx)
    }

    /// The last transaction, and the lowest price up to it.
    pub fn last(&self) -> Option<(&Arc<PoolTransaction>, Price)> {
        self.slots.back().map(|slot| (&slot.tx, slot.lowest))
    }

    /// Executable transactions from `nonce` on, at most `count`.
    pub fn executable_from(&self, nonce: u64, count: usize) -> impl Iterator<Item = &Arc<PoolTransaction>> {
        let start = nonce.saturating_sub(self.state.nonce).min(self.pending as u64) as usize;
        let start = if nonce < self.state.nonce { self.pending } else { start };
        self.slots.range(start..self.pending.min(start + count)).map(|slot| &slot.tx)
    }

    /// Lowest price of the transactions before `nonce`.
    pub fn lowest_before(&self, nonce: u64) -> Option<Price> {
        let (Ok(index) | Err(index)) = self.position(nonce);
        index.checked_sub(1).map(|before| self.slots[before].lowest)
    }

    /// Whether a transaction with `nonce` would be executable, its cost aside.
    pub fn follows(&self, nonce: u64) -> bool {
        nonce <= self.next_nonce()
    }

    fn position(&self, nonce: u64) -> Result<usize, usize> {
        match self.slots.back().map(|last| last.nonce.cmp(&nonce)) {
            None => Err(0),
            Some(Ordering::Less) => Err(self.slots.len()),
            Some(Ordering::Equal) => Ok(self.slots.len() - 1),
            Some(Ordering::Greater) => self.slots.binary_search_by_key(&nonce, |slot| slot.nonce),
        }
    }

    /// Puts a transaction at its nonce; answers with the one it replaced.
    pub fn put(&mut self, tx: Arc<PoolTransaction>) -> Option<Arc<PoolTransaction>> {
        self.footprint += tx.footprint();
        let position = self.position(tx.nonce());
        // What is executable up to here stays so; a replacement is counted anew.
        if let Ok(index) = position
            && index < self.pending
        {
            self.demote_to(index);
        }
        let slot = Slot { nonce: tx.nonce(), lowest: Price::of(&tx), tx };
        let (index, replaced) = match position {
            Ok(index) => {
                let old = std::mem::replace(&mut self.slots[index], slot).tx;
                self.footprint -= old.footprint();
                (index, Some(old))
            }
            Err(index) if index == self.slots.len() => {
                self.slots.push_back(slot);
                (index, None)
            }
            Err(index) => {
                self.slots.insert(index, slot);
                (index, None)
            }
        };
        self.reprice(index);
        self.promote();
        replaced
    }

    /// Takes out the transaction at a nonce.
    pub fn take(&mut self, nonce: u64) -> Option<Arc<PoolTransaction>> {
        let index = self.position(nonce).ok()?;
        if index < self.pending {
            self.demote_to(index);
        }
        let tx = self.slots.remove(index)?.tx;
        self.footprint -= tx.footprint();
        self.reprice(index);
        self.promote();
        Some(tx)
    }

    /// Follows the account to another state. What can never be executed from there is handed to
    /// `dropped`: used nonces, what the whole balance does not cover, gas above the block's.
    pub fn follow(
        &mut self,
        state: AccountState,
        gas_limit: u64,
        mut dropped: impl FnMut(Arc<PoolTransaction>),
    ) {
        self.state = state;
        self.slots.retain(|slot| {
            let tx = &slot.tx;
            let keep = tx.nonce() >= state.nonce
                && tx.cost_wei() <= state.balance_wei
                && tx.transaction().gas_limit() <= gas_limit;
            if !keep {
                dropped(Arc::clone(tx));
            }
            keep
        });
        self.footprint = sums(self.slots.iter()).1;
        self.demote_to(0);
        self.reprice(0);
        self.promote();
    }

    fn reprice(&mut self, from: usize) {
        let mut lowest = from.checked_sub(1).map(|before| self.slots[before].lowest);
        for slot in self.slots.range_mut(from..) {
            let own = Price::of(&slot.tx);
            slot.lowest = lowest.map_or(own, |lowest| lowest.min(own));
            lowest = Some(slot.lowest);
        }
    }

    fn demote_to(&mut self, index: usize) {
        self.pending = index;
        (self.pending_cost_wei, self.pending_footprint) = sums(self.slots.range(..index));
    }

    fn promote(&mut self) {
        while let Some(slot) = self.slots.get(self.pending) {
            let cost_wei = self.pending_cost_wei.saturating_add(slot.tx.cost_wei());
            if slot.nonce != self.next_nonce() || cost_wei > self.state.balance_wei {
                break;
            }
            self.pending_cost_wei = cost_wei;
            self.pending_footprint += slot.tx.footprint();
            self.pending += 1;
        }
        self.head = (self.pending > 0)
            .then(|| self.slots.front())
            .flatten()
            .map(|slot| HeadSlot { price: Price::of(&slot.tx), arrival: slot.tx.arrival });
    }
}

/// Cost and memory of slots together.
fn sums<'a>(slots: impl Iterator<Item = &'a Slot>) -> (U256, usize) {
    slots.fold((U256::ZERO, 0), |(cost_wei, footprint), Slot { tx, .. }| {
        (cost_wei.saturating_add(tx.cost_wei()), footprint + tx.footprint())
    })
}
