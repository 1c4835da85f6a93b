//! Whether a transaction may come in, and who leaves for it.

use std::sync::Arc;

use alloy_primitives::{Address, U256};

use super::{Ledger, Step, Undo};
use crate::pool::{
    PoolError,
    account::{AccountQueue, AccountState, Price},
    transaction::PoolTransaction,
    victims::{Class, Rank},
};

impl Ledger {
    /// Takes a transaction into the pool, or says why not. `state` is its sender at the head, used
    /// where the pool does not know the sender yet.
    pub fn insert(
        &mut self,
        mut tx: PoolTransaction,
        state: AccountState,
        undo: &mut Undo,
    ) -> Result<(), PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        let known = self.accounts.get(&tx.sender());
        let state = known.map_or(state, |queue| queue.state);
        let replaced = known.and_then(|queue| queue.get(tx.nonce()));
        check_funds(&tx, state, known, replaced)?;
        self.check_delegation(&tx, state, known)?;
        let replaced_footprint = match replaced {
            Some(old) => {
                check_bump(old, &tx, self.config.price_bump_percent)?;
                old.footprint()
            }
            None => {
                self.check_account_limit(&tx, known)?;
                0
            }
        };
        let replaces = replaced.is_some();
        let executable = known.map_or(tx.nonce() == state.nonce, |queue| queue.follows(tx.nonce()));
        self.make_room(&tx, executable, replaces, replaced_footprint, undo)?;

        tx.arrival = self.arrivals;
        self.arrivals += 1;
        let tx = Arc::new(tx);
        undo.0.push(Step::Added(tx.hash()));
        if let Some(old) = self.put(Arc::clone(&tx), state) {
            self.dropped += 1;
            undo.0.push(Step::Displaced(old, state));
        }
        Ok(())
    }

    /// EIP-7702: an account with a delegation, or with one on its way, has one transaction in flight,
    /// since its balance may leave by other ways than its own transactions.
    fn check_delegation(
        &self,
        tx: &PoolTransaction,
        state: AccountState,
        known: Option<&AccountQueue>,
    ) -> Result<(), PoolError> {
        if state.has_code || self.authorities.contains_key(&tx.sender()) {
            match known.filter(|queue| queue.pending() > 0) {
                None if tx.nonce() != state.nonce => return Err(PoolError::DelegatedGap),
                Some(queue) if queue.get(tx.nonce()).is_none() => return Err(PoolError::DelegatedInFlight),
                _ => {}
            }
        }
        let in_flight = |authority| self.accounts.get(authority).map_or(0, AccountQueue::len);
        match tx.authorities().iter().any(|authority| in_flight(authority) > 1) {
            true => Err(PoolError::AuthorityReserved),
            false => Ok(()),
        }
    }

    fn check_account_limit(
        &self,
        tx: &PoolTransaction,
        known: Option<&AccountQueue>,
    ) -> Result<(), PoolError> {
        let Some(queue) = known else { return Ok(()) };
        let queue_full = !queue.follows(tx.nonce()) && queue.queued() >= self.config.max_account_queued;
        match queue_full || queue.len() >= self.config.max_account_transactions {
            true => Err(PoolError::AccountLimit { pooled: queue.len() }),
            false => Ok(()),
        }
    }

    /// Evicts what ranks below `tx` until it fits, or refuses it and leaves all as it was.
    fn make_room(
        &mut self,
        tx: &PoolTransaction,
        executable: bool,
        replaces: bool,
        replaced_footprint: usize,
        undo: &mut Undo,
    ) -> Result<(), PoolError> {
        let config = self.config;
        let fits = |ledger: &Self| {
            let count = ledger.len() + usize::from(!replaces);
            let bytes = (ledger.bytes + tx.footprint()).saturating_sub(replaced_footprint);
            let queued_bytes = (ledger.queued_bytes + tx.footprint()).saturating_sub(replaced_footprint);
            let queue_fits = executable
                || (ledger.queued + usize::from(!replaces) <= config.max_queued()
                    && queued_bytes <= config.max_queued_bytes());
            (count <= config.max_transactions && bytes <= config.max_bytes, queue_fits)
        };
        if fits(self) == (true, true) {
            return Ok(());
        }
        self.victims.prepare(&self.accounts, self.head.base_fee_wei);
        let own = self.accounts.get(&tx.sender());
        let price = Price::of(tx);
        let price = own.and_then(|queue| queue.lowest_before(tx.nonce())).map_or(price, |low| low.min(price));
        let tip_wei = price.tip_wei(self.victims.base_fee_wei());
        let own_rank = (Class::new(executable, tip_wei), tip_wei);

        let mut evicted = Vec::new();
        let refusal = loop {
            let (whole, queue_fits) = fits(self);
            if whole && queue_fits {
                break None;
            }
            let Some((rank, sender)) = self.victims.lowest(&self.accounts) else {
                break Some(PoolError::Full);
            };
            if let Some(refusal) = self.outranks(rank, sender, tx, own_rank, whole) {
                break Some(refusal);
            }
            let Some(hash) =
                self.accounts.get(&sender).and_then(|queue| queue.last()).map(|(tx, _)| tx.hash())
            else {
                break Some(PoolError::Full);
            };
            match self.remove(&hash) {
                Some((victim, state)) => {
                    self.dropped += 1;
                    evicted.push(Step::Displaced(victim, state));
                }
                None => break Some(PoolError::Full),
            }
        };
        match refusal {
            None => {
                undo.0.append(&mut evicted);
                Ok(())
            }
            Some(refusal) => {
                self.undo(Undo(evicted));
                Err(refusal)
            }
        }
    }

    /// Why the lowest ranked of the pool may not be evicted for `tx`.
    fn outranks(
        &self,
        rank: Rank,
        sender: Address,
        tx: &PoolTransaction,
        own_rank: (Class, i128),
        only_queue: bool,
    ) -> Option<PoolError> {
        if only_queue && rank.class != Class::Queued {
            return Some(PoolError::Full);
        }
        if sender == tx.sender() {
            // Its own last one may leave for an earlier one, never the ones it stands on.
            let last = self.accounts.get(&sender).and_then(|queue| queue.last());
            return match last {
                Some((last, _)) if last.nonce() > tx.nonce() => None,
                _ => Some(PoolError::Full),
            };
        }
        match (rank.class, rank.tip_wei) {
            lower if lower < own_rank => None,
            (class, _) if class > own_rank.0 => Some(PoolError::Full),
            _ => Some(PoolError::Underpriced),
        }
    }
}

/// Nonce and balance, in geth's order.
fn check_funds(
    tx: &PoolTransaction,
    state: AccountState,
    known: Option<&AccountQueue>,
    replaced: Option<&Arc<PoolTransaction>>,
) -> Result<(), PoolError> {
    if tx.nonce() < state.nonce {
        return Err(PoolError::NonceTooLow { next: state.nonce, nonce: tx.nonce() });
    }
    let (balance_wei, cost_wei) = (state.balance_wei, tx.cost_wei());
    if cost_wei > balance_wei {
        return Err(PoolError::InsufficientFunds { balance_wei, cost_wei });
    }
    // As geth: what waits behind a gap is counted once it can be executed.
    let queued_cost_wei = known.map_or(U256::ZERO, AccountQueue::pending_cost_wei);
    let next = known.map_or(state.nonce, AccountQueue::next_nonce);
    let replaced = replaced.filter(|old| old.nonce() < next);
    let freed_wei = replaced.map_or(U256::ZERO, |old| old.cost_wei());
    if queued_cost_wei.saturating_sub(freed_wei).saturating_add(cost_wei) > balance_wei {
        return Err(PoolError::Overdraft {
            balance_wei,
            queued_cost_wei,
            cost_wei: cost_wei.saturating_sub(freed_wei),
            replaces: replaced.is_some(),
        });
    }
    Ok(())
}

/// Both fee caps must rise by the bump, and at all.
fn check_bump(old: &PoolTransaction, new: &PoolTransaction, percent: u8) -> Result<(), PoolError> {
    let factor = U256::from(100 + u32::from(percent));
    let enough =
        |old: u128, new: u128| new > old && U256::from(new) >= U256::from(old) * factor / U256::from(100);
    match enough(old.max_fee_wei(), new.max_fee_wei()) && enough(old.max_tip_wei(), new.max_tip_wei()) {
        true => Ok(()),
        false => Err(PoolError::ReplacementUnderpriced),
    }
}
