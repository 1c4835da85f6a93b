//! State after one block, as the state transition function and the RPC read it.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::Nibbles;
use trex_stf::state::{Account, State};

use crate::{
    Store, codec,
    error::{Result, StoreError},
    record,
    store::{malformed, position},
    trees::{Snapshot, Table},
};

/// State after one block. Fixed: commits, unwinds and pruning go on beside it.
///
/// At the head it reads current values alone; at an older block it looks first for the value before
/// the next change.
pub struct StateView {
    store: Arc<Store>,
    snapshot: Snapshot,
    block: u64,
    latest: bool,
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateView")
            .field("block", &self.block)
            .field("latest", &self.latest)
            .finish_non_exhaustive()
    }
}

impl StateView {
    pub(crate) fn new(store: Arc<Store>, block: Option<u64>) -> Result<Self> {
        let snapshot = store.snapshot();
        // Head and earliest as of the snapshot, not as of now.
        let head = crate::store::read_head(&snapshot)?;
        let asked = block.unwrap_or_default();
        let Some(head) = head else { return Err(StoreError::UnknownBlock { block: asked }) };
        let block = block.unwrap_or(head.number);
        if block > head.number {
            return Err(StoreError::UnknownBlock { block });
        }
        let earliest = crate::store::read_earliest(&snapshot)?;
        if block < earliest {
            return Err(StoreError::Pruned { block, earliest });
        }
        Ok(Self { store, snapshot, block, latest: block == head.number })
    }

    /// The block whose state this is.
    #[must_use]
    pub fn block(&self) -> u64 {
        self.block
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The value before the first change after this block, if there is such a change.
    fn past(&self, key: &[u8]) -> Result<Option<lsm_tree::Slice>> {
        if self.latest {
            return Ok(None);
        }
        let from = record::at_block(key.to_vec(), self.block + 1);
        let to = record::at_block(key.to_vec(), u64::MAX);
        Ok(self.snapshot.first(Table::History, &from, &to)?.map(|e| e.1))
    }

    /// Accounts with an address from `from` on, in order, until `each` answers false.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Io`].
    pub fn accounts(&self, from: &Address, each: &mut dyn FnMut(Address, Account) -> bool) -> Result<()> {
        let start = record::account_key(from);
        let end = record::account_key(&Address::repeat_byte(0xff));
        self.keys(start, end, 21, &mut |key| {
            let address = Address::from_slice(&key[1..]);
            Ok(match self.account(&address)? {
                Some(account) => each(address, account),
                None => true,
            })
        })
    }

    /// Slots of `address` from `from` on that hold something, in order, until `each` answers false.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Io`].
    pub fn slots(
        &self,
        address: &Address,
        from: &U256,
        each: &mut dyn FnMut(U256, U256) -> bool,
    ) -> Result<()> {
        let start = record::slot_key(address, from);
        let end = record::slot_key(address, &U256::MAX);
        self.keys(start, end, 53, &mut |key| {
            let slot = U256::from_be_slice(&key[21..]);
            let value = self.storage(address, &slot)?;
            Ok(value.is_zero() || each(slot, value))
        })
    }

    /// Keys that hold something now or did before a later change: current ones and those of history,
    /// merged.
    fn keys(
        &self,
        start: Vec<u8>,
        end: Vec<u8>,
        len: usize,
        each: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        let mut current = self.snapshot.range(Table::Flat, &start, &end)?;
        let mut now = current.next().transpose()?.map(|e| e.0.to_vec());
        let mut past = if self.latest { None } else { self.past_key(&start, &end, len)? };
        loop {
            let key = match (&now, &past) {
                (Some(a), Some(b)) => a.min(b).clone(),
                (Some(k), None) | (None, Some(k)) => k.clone(),
                (None, None) => return Ok(()),
            };
            if key.len() == len && !each(&key)? {
                return Ok(());
            }
            if now.as_ref() == Some(&key) {
                now = current.next().transpose()?.map(|e| e.0.to_vec());
            }
            if past.as_ref() == Some(&key) {
                past = self.past_key(&record::at_block(key, u64::MAX), &end, len)?;
            }
        }
    }

    fn past_key(&self, from: &[u8], end: &[u8], len: usize) -> Result<Option<Vec<u8>>> {
        let to = record::at_block(end.to_vec(), u64::MAX);
        Ok(self
            .snapshot
            .first(Table::History, from, &to)?
            .map(|e| e.0.get(..len).unwrap_or_default().to_vec()))
    }

    /// Bytes of the trie node at a place, unchecked.
    fn node_at(&self, owner: Option<&B256>, path: &Nibbles) -> Result<Option<Bytes>> {
        let key = record::node_key(owner, path);
        if let Some(old) = self.past(&key)? {
            return match record::parse_node_pointer(&old).map_err(malformed("table history"))? {
                None => Ok(None),
                Some((pos, at, len)) => Ok(Some(self.store.log.slice(pos, at, len)?.into())),
            };
        }
        Ok(self.snapshot.get(Table::Node, &key)?.map(|v| Bytes::copy_from_slice(&v)))
    }
}

impl State for StateView {
    type Error = StoreError;

    fn account(&self, address: &Address) -> Result<Option<Account>> {
        let key = record::account_key(address);
        if let Some(old) = self.past(&key)? {
            return codec::parse_account(&old).map_err(malformed("table history"));
        }
        match self.snapshot.get(Table::Flat, &key)? {
            Some(v) => codec::parse_account(&v).map_err(malformed("table flat")),
            None => Ok(None),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256> {
        let key = record::slot_key(address, slot);
        if let Some(old) = self.past(&key)? {
            return codec::parse_slot_value(&old).map_err(malformed("table history"));
        }
        match self.snapshot.get(Table::Flat, &key)? {
            Some(v) => codec::parse_slot_value(&v).map_err(malformed("table flat")),
            None => Ok(U256::ZERO),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes> {
        match self.snapshot.get(Table::Flat, &record::code_key(hash))? {
            Some(v) => Ok(Bytes::copy_from_slice(&v)),
            None => Err(StoreError::corrupt("table flat", format!("code {hash} is missing"))),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256> {
        if number > self.block {
            return Err(StoreError::UnknownBlock { block: number });
        }
        Ok(position(&self.snapshot, number)?.ok_or(StoreError::UnknownBlock { block: number })?.hash)
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes> {
        let found = self.node_at(owner, path)?;
        match found {
            Some(bytes) if keccak256(&bytes) == *hash => Ok(bytes),
            Some(_) => Err(StoreError::corrupt(
                "table node",
                format!("node at {path:?} of {owner:?} has another hash than {hash}"),
            )),
            None => Err(StoreError::corrupt(
                "table node",
                format!("node at {path:?} of {owner:?} with hash {hash} is missing"),
            )),
        }
    }
}
