//! What a development network lets its users do: overwrite state, send as anybody, go back.
//!
//! Overwrites and unsigned transactions wait for the next block; until then reads of the newest state
//! see the overwrites. They are kept in the store's meta entries, so that a kill loses none, and the
//! block that took them keeps them too, so that it can be executed again.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, keccak256};
use op_alloy_consensus::TxDeposit;
use serde::{Deserialize, Serialize};
use trex_stf::{
    block::Overwrite,
    evm::TX_GAS_LIMIT_CAP,
    state::{Account, State},
    transaction::Transaction,
};
use trex_store::{Store, StoreError};

use crate::chain::{Chain, ChainError, ChainState, Head, Newest};

/// Gas of a block that unsigned transactions leave to what L1 wants in it.
const GAS_FOR_L1: u64 = 1_000_000;
/// Meta key of what waits for the next block.
const PENDING_KEY: &[u8] = b"dev/pending";

/// New values for parts of one account; quantities as 0x-hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    /// Balance, wei.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<U256>,
    /// Nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<U64>,
    /// Code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Bytes>,
    /// Slots and their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<U256, B256>,
}

/// Patches by address.
pub type Patches = BTreeMap<Address, Patch>;

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

/// What waits for the next block. Reads see it beside the newest block until a block has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Waiting {
    patches: Patches,
    deposits: Vec<Bytes>,
    /// Counts unsigned transactions ever made, so that no two have one hash.
    made: u64,
}

/// The snapshots. Who holds their lock is the only one to change what waits, or to publish a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dev {
    snapshots: Vec<Snapshot>,
    next_snapshot: u64,
}

#[derive(Clone, Debug)]
struct Snapshot {
    id: u64,
    block: u64,
    patches: Patches,
}

/// What the next block takes, of what waits when it is begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    patches: Patches,
    /// Unsigned transactions.
    pub(crate) deposits: Vec<Bytes>,
    /// `patches` as the executor takes them.
    pub(crate) overwrites: Vec<Overwrite>,
}

impl Taken {
    pub(crate) fn is_empty(&self) -> bool {
        self.patches.is_empty() && self.deposits.is_empty()
    }

    /// Bytes kept with the block; empty for a block that no development control touched.
    pub(crate) fn block_extra(&self) -> Vec<u8> {
        if self.patches.is_empty() { Vec::new() } else { encode(&self.patches) }
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Maps with string keys and hex values always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

fn overwrites(patches: &Patches) -> Vec<Overwrite> {
    patches
        .iter()
        .map(|(address, patch)| Overwrite {
            address: *address,
            balance: patch.balance,
            nonce: patch.nonce.map(|nonce| nonce.to()),
            code: patch.code.clone(),
            storage: patch
                .storage
                .iter()
                .map(|(slot, value)| (*slot, U256::from_be_bytes(value.0)))
                .collect(),
        })
        .collect()
}

impl Patch {
    /// Strikes out what holds the same value in `taken`.
    fn strike(&mut self, taken: &Self) {
        self.balance = self.balance.filter(|value| taken.balance != Some(*value));
        self.nonce = self.nonce.filter(|value| taken.nonce != Some(*value));
        self.code = self.code.take().filter(|code| taken.code.as_ref() != Some(code));
        self.storage.retain(|slot, value| taken.storage.get(slot) != Some(value));
    }
}

impl Waiting {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let Some(bytes) = store.get_meta(PENDING_KEY)? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt {
            place: "meta entry dev/pending".into(),
            detail: error.to_string(),
        })
    }

    /// What a block begun now, of `block_gas`, takes. It goes on waiting until that block is there.
    pub(crate) fn look(&self, block_gas: u64) -> Taken {
        let mut gas = block_gas.saturating_sub(GAS_FOR_L1);
        // Deposits that do not fit would spoil the whole block: they wait for the next.
        let fits = |raw: &&Bytes| match Transaction::decode((*raw).clone()) {
            Ok(tx) => gas.checked_sub(tx.gas_limit()).map(|left| gas = left).is_some(),
            Err(_) => false,
        };
        Taken {
            overwrites: overwrites(&self.patches),
            deposits: self.deposits.iter().take_while(fits).cloned().collect(),
            patches: self.patches.clone(),
        }
    }

    /// What still waits when a block has taken its part: all that came since it was begun.
    pub(crate) fn without(&self, taken: &Taken) -> Self {
        let mut rest = self.clone();
        rest.patches.retain(|address, patch| {
            if let Some(taken) = taken.patches.get(address) {
                patch.strike(taken);
            }
            *patch != Patch::default()
        });
        rest.deposits.retain(|deposit| !taken.deposits.contains(deposit));
        rest
    }

    /// The meta entry that keeps it.
    pub(crate) fn meta(&self) -> (Vec<u8>, Vec<u8>) {
        (PENDING_KEY.to_vec(), encode(self))
    }

    pub(crate) fn has_patches(&self) -> bool {
        !self.patches.is_empty()
    }
}

fn merge(into: &mut Patches, from: Patches) {
    for (address, patch) in from {
        let target = into.entry(address).or_default();
        target.balance = patch.balance.or(target.balance);
        target.nonce = patch.nonce.or(target.nonce);
        target.code = patch.code.or_else(|| target.code.take());
        target.storage.extend(patch.storage);
    }
}

impl Newest {
    /// The newest state with what waits to be overwritten.
    pub(crate) fn state(&self) -> ChainState {
        Patched::new(self.head.state.clone(), self.waiting.patches.clone())
    }
}

impl Chain {
    /// Overwrites parts of accounts: seen at once by reads of the newest state, part of the next block.
    pub fn patch(&self, patches: Patches) -> Result<(), ChainError> {
        let _dev = self.dev();
        let mut next = self.newest().waiting.as_ref().clone();
        merge(&mut next.patches, patches);
        self.keep_waiting(next)?;
        // Senders that the mempool knows may have become rich or poor.
        self.reread_pool(Vec::new())
    }

    /// Queues an unsigned transaction for the next block and returns its hash. It becomes a deposit
    /// without mint, which names its sender instead of proving it.
    pub fn impersonate(&self, request: UnsignedRequest) -> Result<B256, ChainError> {
        let _dev = self.dev();
        let newest = self.newest();
        let mut next = newest.waiting.as_ref().clone();
        next.made += 1;
        let unique = [newest.head.header.hash().as_slice(), &next.made.to_be_bytes()].concat();
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
        next.deposits.push(tx.encoded().clone());
        self.keep_waiting(next)?;
        Ok(tx.hash())
    }

    /// Keeps what waits, durable, then lets it be seen. The caller holds the lock of [`Dev`].
    fn keep_waiting(&self, waiting: Waiting) -> Result<(), ChainError> {
        let (key, value) = waiting.meta();
        self.store().put_meta(&key, &value)?;
        self.publish(|newest| newest.waiting = Arc::new(waiting));
        Ok(())
    }

    /// How many unsigned transactions wait for a block.
    pub fn unsigned_len(&self) -> usize {
        self.newest().waiting.deposits.len()
    }

    /// Remembers the head and what waits for the next block; numbers rise from 1.
    pub fn snapshot(&self) -> u64 {
        let mut dev = self.dev();
        let newest = self.newest();
        dev.next_snapshot += 1;
        let id = dev.next_snapshot;
        let (block, patches) = (newest.head.header.number, newest.waiting.patches.clone());
        dev.snapshots.push(Snapshot { id, block, patches });
        id
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
        self.reread_pool(Vec::new())?;
        self.drop_pooled(None)?;
        dev.snapshots.retain(|snapshot| snapshot.id < id);
        let made = self.newest().waiting.made;
        self.keep_waiting(Waiting { patches: snapshot.patches, deposits: Vec::new(), made })?;
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
        Ok(overwrites(&patches))
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

/// A state with patches on top. Trie nodes are those of the state below.
#[derive(Debug)]
pub struct Patched<S> {
    below: S,
    patches: Patches,
    codes: BTreeMap<B256, Bytes>,
}

impl<S> Patched<S> {
    /// Puts patches on a state.
    pub fn new(below: S, patches: Patches) -> Self {
        let codes = patches
            .values()
            .filter_map(|patch| patch.code.clone())
            .map(|code| (keccak256(&code), code))
            .collect();
        Self { below, patches, codes }
    }

    /// A state without patches.
    pub fn plain(below: S) -> Self {
        Self::new(below, Patches::new())
    }

    /// The state below.
    pub fn below(&self) -> &S {
        &self.below
    }
}

impl<S: State> State for Patched<S> {
    type Error = S::Error;

    fn account(&self, address: &Address) -> Result<Option<Account>, S::Error> {
        let account = self.below.account(address)?;
        let Some(patch) = self.patches.get(address) else { return Ok(account) };
        let mut account = account.unwrap_or_default();
        if let Some(balance) = patch.balance {
            account.balance = balance;
        }
        if let Some(nonce) = patch.nonce {
            account.nonce = nonce.to();
        }
        if let Some(code) = &patch.code {
            account.code_hash = keccak256(code);
        }
        Ok(Some(account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, S::Error> {
        match self.patches.get(address).and_then(|patch| patch.storage.get(slot)) {
            Some(value) => Ok(U256::from_be_bytes(value.0)),
            None => self.below.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, S::Error> {
        match self.codes.get(hash) {
            Some(code) => Ok(code.clone()),
            None => self.below.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, S::Error> {
        self.below.block_hash(number)
    }

    fn node(&self, owner: Option<&B256>, path: &alloy_trie::Nibbles, hash: &B256) -> Result<Bytes, S::Error> {
        self.below.node(owner, path, hash)
    }
}
