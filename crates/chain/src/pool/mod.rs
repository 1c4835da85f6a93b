//! Mempool: transactions that were accepted and are not in a block yet.
//!
//! A transaction's way: decoded and its sender recovered outside the lock ([`transaction`]), judged
//! against its sender's queue ([`account`]) and the limits ([`ledger`], [`victims`]), appended to the
//! journal ([`journal`]), answered with its hash, handed to the block builder ([`best`]).

mod account;
mod best;
pub(crate) mod config;
mod error;
mod journal;
mod ledger;
mod transaction;
mod victims;
mod view;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Deref,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY};
use rayon::prelude::*;
use revm::context_interface::cfg::gas_params::GasParams;
use trex_stf::{
    keccak::keccak256_many,
    state::{State, StateDiff},
    transaction::Transaction,
};

use self::{
    account::AccountState,
    journal::Journal,
    ledger::{Ledger, Undo},
};
pub use self::{
    best::Best,
    config::{Head, PoolConfig},
    error::PoolError,
    journal::JournalError,
    transaction::PoolTransaction,
    view::{Content, PoolStatus},
};

/// How often a submission looks at the head again because the chain moved under it.
const HEAD_ATTEMPTS: usize = 8;

/// What opening a pool found in its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Transactions taken back into the pool.
    pub transactions: usize,
    /// Transactions of the journal that are in a block by now, or were replaced, evicted or cannot be
    /// paid any more.
    pub obsolete: usize,
    /// Bytes at its end that were no whole record: a write cut short, never answered.
    pub torn_bytes: u64,
    /// Bytes before its end that were damaged, and skipped.
    pub damaged_bytes: u64,
    /// Where the damaged journal was put aside.
    pub damaged_journal: Option<std::path::PathBuf>,
}

/// What the lock guards.
struct Guarded {
    ledger: Ledger,
    journal: Option<Journal>,
}

/// Called, outside the lock, when a pool without executable transactions got one.
pub type PendingCallback = Box<dyn Fn() + Send + Sync>;

/// The mempool.
pub struct Pool {
    config: PoolConfig,
    gas: GasParams,
    guarded: Mutex<Guarded>,
    announced: Condvar,
    on_pending: Mutex<Option<Arc<PendingCallback>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Opens a pool over its journal (`None` for a pool that forgets): what the journal holds is judged
    /// against `state` at `head` anew, and the journal is rewritten with what remains.
    pub fn open<S: State>(
        config: PoolConfig,
        journal: Option<&Path>,
        state: &S,
        head: Head,
    ) -> Result<(Self, Restored), JournalError> {
        let mut ledger = Ledger::new(config, head);
        let mut restored = Restored::default();
        let journal = match journal {
            None => None,
            Some(path) => {
                let chain_id = config.params.chain_id;
                let contents = Journal::read(path, chain_id)?;
                restored.torn_bytes = contents.torn_bytes;
                restored.damaged_bytes = contents.damaged_bytes;
                restored.damaged_journal = contents.kept;
                restored.obsolete = contents.undecodable;
                let found: Vec<_> = contents
                    .transactions
                    .into_par_iter()
                    .with_min_len(64)
                    .map(|tx| {
                        let account = account_state(state, &tx.sender());
                        (PoolTransaction::new(tx, &config, &head), account)
                    })
                    .collect();
                for (tx, account) in found {
                    let taken = account.and_then(|account| ledger.insert(tx, account, &mut Undo::default()));
                    match taken {
                        Ok(()) => restored.transactions += 1,
                        Err(_) => restored.obsolete += 1,
                    }
                }
                let living = ledger.by_arrival();
                let transactions = living.iter().map(|tx| tx.transaction());
                Some(Journal::create(path, chain_id, config.sync_journal, transactions)?)
            }
        };
        let pool = Self {
            config,
            gas: transaction::gas_params(),
            guarded: Mutex::new(Guarded { ledger, journal }),
            announced: Condvar::new(),
            on_pending: Mutex::new(None),
        };
        Ok((pool, restored))
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Sets what is called when an executable transaction comes to a pool that had none.
    pub fn set_on_pending(&self, callback: Option<PendingCallback>) {
        *self.on_pending.lock().unwrap_or_else(PoisonError::into_inner) = callback.map(Arc::new);
    }

    /// Takes transactions in, in order, and answers each with its hash or the reason why not. Whatever
    /// is answered with a hash is in the journal.
    ///
    /// `view` gives the head and its state. It is asked again when a block came in between, so a new
    /// head must be visible to it before [`Pool::advance`] tells the pool.
    pub fn submit<T: State, S: Deref<Target = T>>(
        &self,
        raw: Vec<Bytes>,
        view: impl Fn() -> (S, Head),
    ) -> Vec<Result<B256, PoolError>> {
        let (state, head) = view();
        let hashed: Vec<_> = keccak256_many(&raw).into_iter().zip(raw).collect();
        let known: Vec<bool> = {
            let guarded = self.lock();
            hashed.iter().map(|(hash, _)| guarded.ledger.get(hash).is_some()).collect()
        };
        let admit = |((hash, encoded), known): ((B256, Bytes), bool)| {
            if known {
                return Err(PoolError::AlreadyKnown);
            }
            PoolTransaction::admit(encoded, hash, &self.config, &self.gas, &head)
        };
        let admitted: Vec<Result<PoolTransaction, PoolError>> = match hashed.len() {
            0 => return Vec::new(),
            1 => hashed.into_iter().zip(known).map(admit).collect(),
            // Small pieces: one is some 40 us of work, and the last should not be waited for.
            _ => hashed.into_par_iter().zip(known).with_max_len(2).map(admit).collect(),
        };
        self.accept(admitted, state, head, view)
    }

    /// Reads the senders' accounts, at a head the pool has reached, and takes the batch in.
    fn accept<T: State, S: Deref<Target = T>>(
        &self,
        admitted: Vec<Result<PoolTransaction, PoolError>>,
        mut state: S,
        mut head: Head,
        view: impl Fn() -> (S, Head),
    ) -> Vec<Result<B256, PoolError>> {
        let mut attempt = 0;
        let (results, woken) = loop {
            let at: &T = &state;
            let accounts: Vec<_> = admitted
                .par_iter()
                .with_min_len(16)
                .map(|tx| match tx {
                    Ok(tx) => sender_state(at, &tx.sender()),
                    Err(_) => Ok(AccountState::default()),
                })
                .collect();
            let mut guarded = self.lock();
            attempt += 1;
            let reached = guarded.ledger.head();
            let is_stale =
                head.number < reached.number || (head.number == reached.number && head.hash != reached.hash);
            if !is_stale || attempt == HEAD_ATTEMPTS {
                break self.take_in(&mut guarded, admitted, accounts);
            }
            drop(guarded);
            (state, head) = view();
        };
        self.wake(woken);
        results
    }

    /// Inserts and journals a batch, under the lock.
    fn take_in(
        &self,
        guarded: &mut Guarded,
        admitted: Vec<Result<PoolTransaction, PoolError>>,
        accounts: Vec<Result<AccountState, PoolError>>,
    ) -> (Vec<Result<B256, PoolError>>, Woken) {
        let before = (guarded.ledger.pending(), guarded.ledger.cursor());
        let mut undo = Undo::default();
        let mut results: Vec<_> = admitted
            .into_iter()
            .zip(accounts)
            .map(|(tx, account)| {
                let (tx, account) = (tx?, account?);
                let hash = tx.hash();
                guarded.ledger.insert(tx, account, &mut undo).map(|()| hash)
            })
            .collect();
        if let Some(journal) = &mut guarded.journal {
            let accepted = results.iter().flatten().filter_map(|hash| guarded.ledger.get(hash));
            if let Err(error) = journal.append(accepted.map(|tx| tx.transaction())) {
                guarded.ledger.undo(undo);
                guarded.ledger.retract(before.1);
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err(PoolError::Journal(error.to_string()));
                }
            }
        }
        compact(guarded);
        (results, Woken::since(before, &guarded.ledger))
    }

    fn wake(&self, woken: Woken) {
        if woken.announced {
            self.announced.notify_all();
        }
        if woken.first {
            let callback = self.on_pending.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(callback) = callback {
                callback();
            }
        }
    }

    /// Executable transactions for a block with this base fee, the best first.
    pub fn best(&self, base_fee_wei: u64) -> Best<'_> {
        Best::new(self, base_fee_wei)
    }

    /// Follows the chain to a new head. `diff` is what its block changed: used nonces leave, balances
    /// that fell demote or drop, and what became executable is announced.
    pub fn advance(&self, head: Head, diff: &StateDiff) {
        let changes =
            diff.accounts.iter().map(|(address, change)| (*address, AccountState::from(change.new)));
        let woken = {
            let mut guarded = self.lock();
            let before = (guarded.ledger.pending(), guarded.ledger.cursor());
            guarded.ledger.advance(head, changes);
            compact(&mut guarded);
            Woken::since(before, &guarded.ledger)
        };
        self.wake(woken);
    }

    /// Follows the chain to a head that is not a child of the last one: blocks were unwound. Every
    /// sender is read anew from `state`, and `orphaned`, the ordinary transactions of the unwound blocks
    /// in their order, come back. The journal is rewritten.
    pub fn reset<S: State>(
        &self,
        head: Head,
        state: &S,
        orphaned: Vec<Transaction>,
    ) -> Result<(), PoolError> {
        let mut guarded = self.lock();
        let before = (guarded.ledger.pending(), guarded.ledger.cursor());
        let senders: Vec<_> = guarded.ledger.accounts().map(|(address, _)| *address).collect();
        let changes = senders
            .into_iter()
            .map(|address| account_state(state, &address).map(|account| (address, account)))
            .collect::<Result<Vec<_>, _>>()?;
        let orphaned = orphaned
            .into_iter()
            .filter(|tx| !tx.is_deposit())
            .map(|tx| {
                let account = account_state(state, &tx.sender())?;
                Ok((PoolTransaction::new(tx, &self.config, &head), account))
            })
            .collect::<Result<Vec<_>, PoolError>>()?;
        guarded.ledger.reset(head, changes.into_iter(), orphaned);
        // What was in the unwound blocks and did not come back must not come back by a restart either.
        let Guarded { ledger, journal } = &mut *guarded;
        if let Some(journal) = journal {
            let living = ledger.by_arrival();
            journal
                .compact(living.iter().map(|tx| tx.transaction()))
                .map_err(|error| PoolError::Journal(error.to_string()))?;
        }
        let woken = Woken::since(before, &guarded.ledger);
        drop(guarded);
        self.wake(woken);
        Ok(())
    }

    /// Writes transactions of blocks that are about to be unwound into the journal, durable where
    /// [`PoolConfig::sync_journal`] says so. [`Pool::reset`] takes them in; after a kill before it, opening
    /// does.
    pub fn remember(&self, orphaned: &[Transaction]) -> Result<(), PoolError> {
        match &mut self.lock().journal {
            Some(journal) => {
                journal.append(orphaned.iter()).map_err(|error| PoolError::Journal(error.to_string()))
            }
            None => Ok(()),
        }
    }

    /// Takes transactions out for good: found invalid by the block builder, or taken back on purpose.
    /// What followed them is queued. Answers with those that were there.
    pub fn discard(&self, hashes: &[B256]) -> Result<Vec<B256>, PoolError> {
        let mut guarded = self.lock();
        let Guarded { ledger, journal } = &mut *guarded;
        let gone: Vec<_> = hashes.iter().copied().filter(|hash| ledger.discard(hash)).collect();
        ledger.keep_queue_share();
        if let Some(journal) = journal {
            journal.discard(gone.iter().copied()).map_err(|error| PoolError::Journal(error.to_string()))?;
        }
        Ok(gone)
    }

    /// The pooled transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        self.lock().ledger.get(hash).cloned()
    }

    /// Nonce after the executable transactions of an account; `None` where the pool has none of it.
    pub fn next_nonce(&self, address: &Address) -> Option<u64> {
        self.lock().ledger.account(address).map(|queue| queue.next_nonce())
    }

    /// A number that is another one after each change of the contents.
    pub fn revision(&self) -> u64 {
        self.lock().ledger.revision()
    }

    /// How many announcements were made: the cursor for [`Pool::announced_since`] from now on.
    pub fn cursor(&self) -> u64 {
        self.lock().ledger.cursor()
    }

    /// Hashes of transactions that became executable since a cursor, and the next cursor. Only the last
    /// [`PoolConfig::announcements`] are kept.
    pub fn announced_since(&self, cursor: u64) -> (u64, Vec<B256>) {
        let guarded = self.lock();
        (guarded.ledger.cursor(), guarded.ledger.announced_since(cursor).copied().collect())
    }

    /// Waits until something was announced after a cursor, or for `timeout`. Answers with the cursor now.
    pub fn wait_announced(&self, cursor: u64, timeout: Duration) -> u64 {
        let deadline = Instant::now() + timeout;
        let mut guarded = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if guarded.ledger.cursor() > cursor || left.is_zero() {
                return guarded.ledger.cursor();
            }
            guarded = self.announced.wait_timeout(guarded, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Who must be told after the lock is gone.
#[derive(Clone, Copy, Debug)]
struct Woken {
    announced: bool,
    first: bool,
}

impl Woken {
    /// Compares a ledger with its executable count and cursor of before.
    fn since((pending, cursor): (usize, u64), ledger: &Ledger) -> Self {
        Self { announced: ledger.cursor() > cursor, first: pending == 0 && ledger.pending() > 0 }
    }
}

/// Rewrites a journal that is mostly dead. A failure leaves the old one in use, which is only longer.
fn compact(guarded: &mut Guarded) {
    let Guarded { ledger, journal } = guarded;
    if let Some(journal) = journal
        && journal.is_mostly_dead(ledger.journal_bytes())
    {
        let living = ledger.by_arrival();
        _ = journal.compact(living.iter().map(|tx| tx.transaction()));
    }
}

/// An account at the head.
fn account_state<S: State>(state: &S, address: &Address) -> Result<AccountState, PoolError> {
    state.account(address).map(AccountState::from).map_err(|error| PoolError::State(error.to_string()))
}

/// A sender's account, unless it is a contract (EIP-3607).
fn sender_state<S: State>(state: &S, sender: &Address) -> Result<AccountState, PoolError> {
    let fault = |error: S::Error| PoolError::State(error.to_string());
    let account = state.account(sender).map_err(fault)?;
    if let Some(hash) = account.map(|account| account.code_hash).filter(|hash| *hash != KECCAK256_EMPTY) {
        let code = state.code(&hash).map_err(fault)?;
        let is_delegation = code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00]);
        if !is_delegation {
            return Err(PoolError::SenderNotEoa { sender: *sender, code_len: code.len() });
        }
    }
    Ok(account.into())
}
