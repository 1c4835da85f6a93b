//! State with parts of it overwritten, as everybody sees it before a block has it.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use serde::{Deserialize, Serialize};
use trex_stf::{
    block::Overwrite,
    state::{Account, State},
};

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

/// Patches put together, the later ones over the earlier.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    patches: Patches,
    codes: BTreeMap<B256, Bytes>,
}

impl Overlay {
    /// Puts patches over what is there.
    pub fn add(&mut self, patches: &Patches) {
        for (address, patch) in patches {
            let target = self.patches.entry(*address).or_default();
            target.balance = patch.balance.or(target.balance);
            target.nonce = patch.nonce.or(target.nonce);
            target.storage.extend(&patch.storage);
            if let Some(code) = &patch.code {
                self.codes.insert(keccak256(code), code.clone());
                target.code = Some(code.clone());
            }
        }
    }

    /// Whether nothing is overwritten.
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// What is overwritten.
    pub fn patches(&self) -> &Patches {
        &self.patches
    }
}

impl From<&Patches> for Overlay {
    fn from(patches: &Patches) -> Self {
        let mut overlay = Self::default();
        overlay.add(patches);
        overlay
    }
}

/// Patches as a block's executor takes them.
pub(super) fn overwrites(patches: &Patches) -> Vec<Overwrite> {
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

/// A state with patches on top. Trie nodes are those of the state below.
#[derive(Debug)]
pub struct Patched<S> {
    below: S,
    overlay: Arc<Overlay>,
}

impl<S> Patched<S> {
    /// Puts patches on a state.
    pub fn new(below: S, overlay: Arc<Overlay>) -> Self {
        Self { below, overlay }
    }

    /// A state without patches.
    pub fn plain(below: S) -> Self {
        Self::new(below, Arc::default())
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
        let Some(patch) = self.overlay.patches.get(address) else { return Ok(account) };
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
        match self.overlay.patches.get(address).and_then(|patch| patch.storage.get(slot)) {
            Some(value) => Ok(U256::from_be_bytes(value.0)),
            None => self.below.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, S::Error> {
        match self.overlay.codes.get(hash) {
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
