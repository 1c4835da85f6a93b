//! What a development network lets its users do: overwrite state, send as anybody, go back.
//!
//! Overwrites and unsigned transactions wait for the next block; until then reads of the newest state
//! see the overwrites. They are kept in the store's meta entries, so that a kill loses none, and the
//! block that took them keeps them too, so that it can be executed again.

mod patched;
mod waiting;

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, keccak256};
use op_alloy_consensus::TxDeposit;
use serde::Deserialize;
use trex_stf::{block::Overwrite, evm::TX_GAS_LIMIT_CAP, transaction::Transaction};
use trex_store::StoreError;

pub use self::patched::{Overlay, Patch, Patched, Patches};
use self::waiting::Item;
pub(crate) use self::waiting::{Taken, Waiting};
use crate::chain::{Chain, ChainError, ChainState, Head, Newest};

/// What a snapshot takes beside the overwrites it keeps, bytes.
const SNAPSHOT_BYTES: usize = 128;

/// Limits of what a development network's users can have the node keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevLimits {
    /// `dev_waiting_bytes`: overwrites and unsigned transactions that wait for a block.
    pub waiting_bytes: usize,
    /// `dev_snapshot_bytes`: snapshots, each with the overwrites that waited when it was made.
    pub snapshot_bytes: usize,
}

impl Default for DevLimits {
    fn default() -> Self {
        Self { waiting_bytes: 64 << 20, snapshot_bytes: 64 << 20 }
    }
}

/// An unsigned transaction from anybody.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnsignedRequest {
    from: Address,
    to: Option<Address>,
    #[serde(default)]
    value: U256,
    gas: Option<U64>,
    #[serde(alias = "data", default)]
    input: Bytes,
}

/// The snapshots. Who holds their lock is the only one to change what waits, or to publish a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dev {
    snapshots: Vec<Snapshot>,
    next_snapshot: u64,
    /// Bytes of all snapshots.
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Snapshot {
    id: u64,
    block: u64,
    overlay: Arc<Overlay>,
    bytes: usize,
}

impl Newest {
    /// The newest state with what waits to be overwritten.
    pub(crate) fn state(&self) -> ChainState {
        Patched::new(self.head.state.clone(), self.waiting.overlay().clone())
    }
}

impl Chain {
    /// Overwrites parts of accounts: seen at once by reads of the newest state, part of the next block.
    pub fn patch(&self, patches: Patches) -> Result<(), ChainError> {
        let _dev = self.dev();
        self.keep_waiting(Item::Patches(patches))?;
        // Senders that the mempool knows may have become rich or poor.
        self.reread_pool(Vec::new())
    }

    /// Queues an unsigned transaction for the next block and returns its hash. It becomes a deposit
    /// without mint, which names its sender instead of proving it.
    pub fn impersonate(&self, request: UnsignedRequest) -> Result<B256, ChainError> {
        let _dev = self.dev();
        let newest = self.newest();
        let unique = [newest.head.header.hash().as_slice(), &newest.waiting.next().to_be_bytes()].concat();
        drop(newest);
        let tx = Transaction::deposit(TxDeposit {
            source_hash: keccak256(unique),
            from: request.from,
            to: request.to.map_or(TxKind::Create, TxKind::Call),
            mint: 0,
            value: request.value,
            gas_limit: request.gas.map_or(TX_GAS_LIMIT_CAP, |gas| gas.to::<u64>().min(TX_GAS_LIMIT_CAP)),
            is_system_transaction: false,
            input: request.input,
        });
        self.keep_waiting(Item::Unsigned(tx.encoded().clone()))?;
        Ok(tx.hash())
    }

    /// Keeps one more item that waits, durable, then lets it be seen. The caller holds the lock of [`Dev`].
    fn keep_waiting(&self, item: Item) -> Result<(), ChainError> {
        let waiting = self.newest().waiting;
        let refuse = || ChainError::Block { number: 0, reason: "not a transaction".into() };
        let ((key, value), item) = waiting.prepare(item).ok_or_else(refuse)?;
        let limit = self.dev_limits.waiting_bytes;
        if waiting.bytes() + item.bytes() > limit {
            return Err(ChainError::Limit {
                name: "dev_waiting_bytes",
                value: limit,
                what: "too much waits for the next block",
            });
        }
        drop(waiting);
        self.store().put_meta(&key, &value)?;
        self.publish(|newest| Arc::make_mut(&mut newest.waiting).add(item));
        Ok(())
    }

    /// How many unsigned transactions wait for a block.
    pub fn unsigned_len(&self) -> usize {
        self.newest().waiting.unsigned()
    }

    /// Remembers the head and what waits for the next block; numbers rise from 1.
    pub fn snapshot(&self) -> Result<u64, ChainError> {
        let mut dev = self.dev();
        let newest = self.newest();
        let overlay = newest.waiting.overlay().clone();
        let bytes = SNAPSHOT_BYTES + if overlay.is_empty() { 0 } else { newest.waiting.bytes() };
        let limit = self.dev_limits.snapshot_bytes;
        if dev.bytes + bytes > limit {
            let what = "too many snapshots are kept: go back to one, and it and all later ones are forgotten";
            return Err(ChainError::Limit { name: "dev_snapshot_bytes", value: limit, what });
        }
        dev.next_snapshot += 1;
        dev.bytes += bytes;
        let (id, block) = (dev.next_snapshot, newest.head.header.number);
        dev.snapshots.push(Snapshot { id, block, overlay, bytes });
        Ok(id)
    }

    /// Goes back to a snapshot and forgets it and all later ones. `None` when there is none of that
    /// number.
    pub fn revert(&self, id: u64) -> Result<Option<Arc<Head>>, ChainError> {
        let mut trie = self.write();
        let mut dev = self.dev();
        let Some(snapshot) = dev.snapshots.iter().find(|snapshot| snapshot.id == id).cloned() else {
            return Ok(None);
        };
        let head = self.forget_above(&mut trie, &dev, snapshot.block)?;
        self.drop_pooled(None)?;
        dev.snapshots.retain(|snapshot| snapshot.id < id);
        dev.bytes = dev.snapshots.iter().map(|snapshot| snapshot.bytes).sum();
        let (waiting, meta) = self.newest().waiting.replaced(&snapshot.overlay);
        self.store().put_metas(&meta)?;
        self.publish(|newest| newest.waiting = Arc::new(waiting));
        // Senders may be rich or poor by what waits again.
        self.reread_pool(Vec::new())?;
        Ok(Some(head))
    }

    /// What was overwritten when a block was opened.
    pub fn overwrites_of(&self, number: u64) -> Result<Vec<Overwrite>, ChainError> {
        let extra = self.store().extra(number)?.unwrap_or_default();
        if extra.is_empty() {
            return Ok(Vec::new());
        }
        let patches: Patches = serde_json::from_slice(&extra).map_err(|error| {
            ChainError::Store(StoreError::Corrupt {
                place: format!("extra bytes of block {number}"),
                detail: error.to_string(),
            })
        })?;
        Ok(patched::overwrites(&patches))
    }

    /// The newest state with what waits to be overwritten.
    pub fn newest_state(&self) -> ChainState {
        self.newest().state()
    }

    /// Takes transactions out of the mempool: one by its hash, or all. Returns how many went.
    pub fn drop_pooled(&self, hash: Option<B256>) -> Result<usize, ChainError> {
        let hashes = match hash {
            Some(hash) => vec![hash],
            None => {
                let content = self.pool().content(usize::MAX).unwrap_or_default();
                content
                    .pending
                    .values()
                    .chain(content.queued.values())
                    .flatten()
                    .map(|tx| tx.hash())
                    .collect()
            }
        };
        let gone = self.pool().discard(&hashes).map_err(|error| ChainError::Pool(error.to_string()))?;
        Ok(gone.len())
    }
}
