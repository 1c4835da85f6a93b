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

use crate::chain::{Chain, ChainError, ChainState, Head};

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

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Waiting {
    patches: Patches,
    deposits: Vec<Bytes>,
    /// Counts unsigned transactions ever made, so that no two have one hash.
    made: u64,
}

/// State of the development controls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dev {
    waiting: Waiting,
    snapshots: Vec<Snapshot>,
    next_snapshot: u64,
}

#[derive(Clone, Debug)]
struct Snapshot {
    id: u64,
    block: u64,
    patches: Patches,
}

/// What the next block takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    patches: Patches,
    /// Unsigned transactions.
    pub(crate) deposits: Vec<Transaction>,
    /// `patches` as the executor takes them.
    pub(crate) overwrites: Vec<Overwrite>,
    made: u64,
}

impl Taken {
    pub(crate) fn is_empty(&self) -> bool {
        self.patches.is_empty() && self.deposits.is_empty()
    }

    /// Bytes kept with the block; empty for a block that no development control touched.
    pub(crate) fn block_extra(&self) -> Vec<u8> {
        if self.patches.is_empty() { Vec::new() } else { encode(&self.patches) }
    }

    /// The meta entries that go with the block: nothing waits any more.
    pub(crate) fn committed_meta(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        if self.is_empty() {
            return Vec::new();
        }
        let waiting = Waiting { made: self.made, ..Waiting::default() };
        vec![(PENDING_KEY.to_vec(), encode(&waiting))]
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

impl Dev {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let Some(bytes) = store.get_meta(PENDING_KEY)? else { return Ok(Self::default()) };
        let waiting = serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt {
            place: "meta entry dev/pending".into(),
            detail: error.to_string(),
        })?;
        Ok(Self { waiting, ..Self::default() })
    }

    /// Takes what waits for the next block.
    pub(crate) fn take(&mut self) -> Taken {
        let patches = std::mem::take(&mut self.waiting.patches);
        let deposits = std::mem::take(&mut self.waiting.deposits);
        Taken {
            overwrites: overwrites(&patches),
            deposits: deposits.into_iter().filter_map(|raw| Transaction::decode(raw).ok()).collect(),
            patches,
            made: self.waiting.made,
        }
    }

    /// Gives back what no block took; what came since wins.
    pub(crate) fn put_back(&mut self, taken: Taken) {
        let newer = std::mem::replace(&mut self.waiting.patches, taken.patches);
        merge(&mut self.waiting.patches, newer);
        let mut deposits: Vec<Bytes> = taken.deposits.iter().map(|tx| tx.encoded().clone()).collect();
        deposits.append(&mut self.waiting.deposits);
        self.waiting.deposits = deposits;
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

impl Chain {
    /// Overwrites parts of accounts: seen at once by reads of the newest state, part of the next block.
    pub fn patch(&self, patches: Patches) -> Result<(), ChainError> {
        let mut dev = self.dev();
        let mut next = dev.waiting.clone();
        merge(&mut next.patches, patches);
        self.store().put_meta(PENDING_KEY, &encode(&next))?;
        dev.waiting = next;
        drop(dev);
        // Senders that the mempool knows may have become rich or poor.
        self.reread_pool(&self.newest_state())
    }

    /// Queues an unsigned transaction for the next block and returns its hash. It becomes a deposit
    /// without mint, which names its sender instead of proving it.
    pub fn impersonate(&self, request: UnsignedRequest) -> Result<B256, ChainError> {
        let mut dev = self.dev();
        let mut next = dev.waiting.clone();
        next.made += 1;
        let unique = [self.head().header.hash().as_slice(), &next.made.to_be_bytes()].concat();
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
        self.store().put_meta(PENDING_KEY, &encode(&next))?;
        dev.waiting = next;
        Ok(tx.hash())
    }

    /// How many unsigned transactions wait for a block.
    pub fn unsigned_len(&self) -> usize {
        self.dev().waiting.deposits.len()
    }

    /// Remembers the head and what waits for the next block; numbers rise from 1.
    pub fn snapshot(&self) -> u64 {
        let block = self.head().header.number;
        let mut dev = self.dev();
        dev.next_snapshot += 1;
        let id = dev.next_snapshot;
        let patches = dev.waiting.patches.clone();
        dev.snapshots.push(Snapshot { id, block, patches });
        id
    }

    /// Goes back to a snapshot and forgets it and all later ones. `None` when there is none of that
    /// number.
    pub fn revert(&self, id: u64) -> Result<Option<Arc<Head>>, ChainError> {
        let snapshot = {
            let dev = self.dev();
            let Some(found) = dev.snapshots.iter().find(|snapshot| snapshot.id == id) else {
                return Ok(None);
            };
            found.clone()
        };
        let head = self.unwind(snapshot.block)?;
        self.drop_pooled(None)?;
        let mut dev = self.dev();
        dev.snapshots.retain(|snapshot| snapshot.id < id);
        let waiting = Waiting { patches: snapshot.patches, deposits: Vec::new(), made: dev.waiting.made };
        self.store().put_meta(PENDING_KEY, &encode(&waiting))?;
        dev.waiting = waiting;
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
        self.with_patches(self.head().state.clone())
    }

    pub(crate) fn with_patches(&self, state: Arc<trex_store::StateView>) -> ChainState {
        Patched::new(state, self.dev().waiting.patches.clone())
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
