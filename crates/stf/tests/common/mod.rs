//! A state in memory that checks every diff it is given.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod chain;
pub mod random;
pub mod reference;
pub mod scenarios;
pub mod script;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::Nibbles;
use trex_stf::state::{Account, State, StateDiff};

#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    pub accounts: BTreeMap<Address, Account>,
    pub slots: BTreeMap<(Address, U256), U256>,
    pub codes: BTreeMap<B256, Bytes>,
    pub nodes: BTreeMap<(Option<B256>, Nibbles), Bytes>,
    pub hashes: BTreeMap<u64, B256>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

impl State for MemoryState {
    type Error = Missing;

    fn account(&self, address: &Address) -> Result<Option<Account>, Missing> {
        Ok(self.accounts.get(address).copied())
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, Missing> {
        Ok(self.slots.get(&(*address, *slot)).copied().unwrap_or_default())
    }

    fn code(&self, hash: &B256) -> Result<Bytes, Missing> {
        self.codes.get(hash).cloned().ok_or_else(|| Missing(format!("code {hash}")))
    }

    fn block_hash(&self, number: u64) -> Result<B256, Missing> {
        self.hashes.get(&number).copied().ok_or_else(|| Missing(format!("block {number}")))
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, Missing> {
        let rlp = self
            .nodes
            .get(&(owner.copied(), *path))
            .cloned()
            .ok_or_else(|| Missing(format!("node {owner:?} {path:?} {hash}")))?;
        assert_eq!(keccak256(&rlp), *hash, "node at {path:?} is not the one asked for");
        Ok(rlp)
    }
}

impl MemoryState {
    pub fn apply(&mut self, diff: &StateDiff) {
        for (address, change) in &diff.accounts {
            assert_eq!(self.accounts.get(address).copied(), change.old, "account {address}");
            match change.new {
                Some(account) => self.accounts.insert(*address, account),
                None => self.accounts.remove(address),
            };
        }
        for (address, slot, change) in &diff.slots {
            let old = self.slots.get(&(*address, *slot)).copied().unwrap_or_default();
            assert_eq!(old, change.old, "slot {address} {slot}");
            if change.new.is_zero() {
                self.slots.remove(&(*address, *slot));
            } else {
                self.slots.insert((*address, *slot), change.new);
            }
        }
        for (hash, code) in &diff.codes {
            assert_eq!(keccak256(code), *hash);
            self.codes.insert(*hash, code.clone());
        }
        for node in &diff.nodes {
            let place = (node.owner, node.path);
            assert_eq!(self.nodes.get(&place).cloned(), node.change.old, "node {place:?}");
            match &node.change.new {
                Some(rlp) => self.nodes.insert(place, rlp.clone()),
                None => self.nodes.remove(&place),
            };
        }
    }

    /// State root computed from scratch by an independent implementation.
    pub fn reference_root(&self) -> B256 {
        alloy_trie::root::state_root_unhashed(self.accounts.iter().map(|(address, account)| {
            let storage = self
                .slots
                .range((*address, U256::ZERO)..=(*address, U256::MAX))
                .map(|((_, slot), value)| (B256::from(*slot), *value));
            let storage_root = alloy_trie::root::storage_root_unhashed(storage);
            assert_eq!(storage_root, account.storage_root, "storage root of {address}");
            (
                *address,
                alloy_trie::TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash),
            )
        }))
    }
}
