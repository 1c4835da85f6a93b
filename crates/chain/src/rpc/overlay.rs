//! A state with changes on top: overrides, earlier transactions of a block, simulated blocks.

use std::collections::BTreeMap;

use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256,
    map::{AddressMap, AddressSet, B256Map, HashMap},
};
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use revm::{
    Database, DatabaseRef,
    bytecode::Bytecode,
    state::{AccountInfo, EvmState},
};
use trex_stf::{
    block::Overwrite,
    evm::{StateDb, StateError},
    state::{Account, Change, State},
    state_trie::AccountUpdate,
};

use super::error::{INTERNAL, RpcError};

/// A state and what lies over it.
#[derive(Debug)]
pub struct Overlay<'a, S> {
    base: &'a S,
    accounts: AddressMap<Option<Account>>,
    slots: HashMap<(Address, U256), U256>,
    /// Accounts whose storage below is gone.
    cleared: AddressSet,
    codes: B256Map<Bytes>,
    block_hashes: BTreeMap<u64, B256>,
}

impl<S> Clone for Overlay<'_, S> {
    fn clone(&self) -> Self {
        Self {
            base: self.base,
            accounts: self.accounts.clone(),
            slots: self.slots.clone(),
            cleared: self.cleared.clone(),
            codes: self.codes.clone(),
            block_hashes: self.block_hashes.clone(),
        }
    }
}

impl<'a, S: State> Overlay<'a, S> {
    /// Nothing on top yet.
    pub fn new(base: &'a S) -> Self {
        Self {
            base,
            accounts: AddressMap::default(),
            slots: HashMap::default(),
            cleared: AddressSet::default(),
            codes: B256Map::default(),
            block_hashes: BTreeMap::new(),
        }
    }

    /// Puts what execution changed on top.
    pub fn commit(&mut self, changes: &EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed_locally() || account.info.is_empty() {
                self.accounts.insert(*address, None);
                self.clear_storage(*address);
                continue;
            }
            if let Some(code) = &account.info.code
                && !code.is_empty()
            {
                self.codes.insert(account.info.code_hash, code.original_bytes());
            }
            let storage_root = self.known(address).map_or(EMPTY_ROOT_HASH, |known| known.storage_root);
            self.accounts.insert(
                *address,
                Some(Account {
                    nonce: account.info.nonce,
                    balance: account.info.balance,
                    storage_root,
                    code_hash: account.info.code_hash,
                }),
            );
            for (slot, value) in &account.storage {
                if value.is_changed() {
                    self.slots.insert((*address, *slot), value.present_value);
                }
            }
        }
    }

    fn known(&self, address: &Address) -> Option<Account> {
        match self.accounts.get(address) {
            Some(account) => *account,
            None => self.base.account(address).ok().flatten(),
        }
    }

    fn clear_storage(&mut self, address: Address) {
        self.cleared.insert(address);
        if let Some(Some(account)) = self.accounts.get_mut(&address) {
            account.storage_root = EMPTY_ROOT_HASH;
        }
        self.slots.retain(|(owner, _), _| *owner != address);
    }

    /// Changes an account.
    pub fn update(&mut self, address: Address, change: impl FnOnce(&mut Account)) -> Result<(), S::Error> {
        let mut account = self.account(&address)?.unwrap_or_default();
        change(&mut account);
        let empty = account.nonce == 0 && account.balance.is_zero() && account.code_hash == KECCAK256_EMPTY;
        self.accounts.insert(address, (!empty).then_some(account));
        Ok(())
    }

    /// What lies on top, as changes of the base: what a state trie at the base's root is to be told.
    pub fn updates(&self) -> Result<Vec<AccountUpdate>, S::Error> {
        let mut slots: BTreeMap<Address, Vec<(U256, Change<U256>)>> = BTreeMap::new();
        for ((address, slot), new) in &self.slots {
            let old =
                if self.cleared.contains(address) { U256::ZERO } else { self.base.storage(address, slot)? };
            if old != *new {
                slots.entry(*address).or_default().push((*slot, Change { old, new: *new }));
            }
        }
        let mut addresses: Vec<Address> = self.accounts.keys().copied().collect();
        addresses.sort_unstable();
        let mut updates = Vec::with_capacity(addresses.len());
        for address in addresses {
            let mut old = self.base.account(&address)?;
            if self.cleared.contains(&address)
                && let Some(account) = &mut old
            {
                account.storage_root = EMPTY_ROOT_HASH;
            }
            let new = self.account(&address)?;
            let mut slots = slots.remove(&address).unwrap_or_default();
            if new.is_none() {
                slots.clear();
            }
            slots.sort_unstable_by_key(|(slot, _)| *slot);
            updates.push(AccountUpdate { address, account: Change { old, new }, slots });
        }
        Ok(updates)
    }

    /// Lays this layer's slots of an account over those of the base.
    pub fn lay_slots(&self, address: &Address, slots: &mut BTreeMap<U256, U256>) {
        if self.cleared.contains(address) {
            slots.clear();
        }
        for ((_, slot), value) in self.slots.iter().filter(|((owner, _), _)| owner == address) {
            if value.is_zero() {
                slots.remove(slot);
            } else {
                slots.insert(*slot, *value);
            }
        }
    }

    /// Overwrites parts of an account, as development networks do.
    pub fn overwrite(&mut self, overwrite: &Overwrite) -> Result<(), S::Error> {
        let code_hash = overwrite.code.as_ref().map(|code| {
            let hash = keccak256(code);
            self.codes.insert(hash, code.clone());
            hash
        });
        self.update(overwrite.address, |account| {
            account.balance = overwrite.balance.unwrap_or(account.balance);
            account.nonce = overwrite.nonce.unwrap_or(account.nonce);
            account.code_hash = code_hash.unwrap_or(account.code_hash);
        })?;
        for (slot, value) in &overwrite.storage {
            self.slots.insert((overwrite.address, *slot), *value);
        }
        Ok(())
    }

    /// Tells the hash of a block that is simulated or overridden.
    pub fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Applies state overrides, `movePrecompileToAddress` excepted.
    pub fn override_state(&mut self, overrides: &StateOverride) -> Result<(), RpcError> {
        for (address, change) in overrides {
            self.override_account(*address, change)?;
        }
        Ok(())
    }

    fn override_account(&mut self, address: Address, change: &AccountOverride) -> Result<(), RpcError> {
        if change.state.is_some() && change.state_diff.is_some() {
            return Err(RpcError::server(format!("account {address} has both 'state' and 'stateDiff'")));
        }
        let code_hash = change.code.as_ref().map(|code| {
            let hash = keccak256(code);
            self.codes.insert(hash, code.clone());
            hash
        });
        self.update(address, |account| {
            account.nonce = change.nonce.unwrap_or(account.nonce);
            account.balance = change.balance.unwrap_or(account.balance);
            account.code_hash = code_hash.unwrap_or(account.code_hash);
        })
        .map_err(|error| RpcError::new(INTERNAL, error.to_string()))?;
        if let Some(slots) = &change.state {
            self.clear_storage(address);
            self.put_slots(address, slots);
        }
        if let Some(slots) = &change.state_diff {
            self.put_slots(address, slots);
        }
        Ok(())
    }

    fn put_slots<'s>(&mut self, address: Address, slots: impl IntoIterator<Item = (&'s B256, &'s B256)>) {
        for (slot, value) in slots {
            self.slots.insert((address, (*slot).into()), (*value).into());
        }
    }
}

impl<S: State> State for Overlay<'_, S> {
    type Error = S::Error;

    fn account(&self, address: &Address) -> Result<Option<Account>, S::Error> {
        match self.accounts.get(address) {
            Some(account) => Ok(*account),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, S::Error> {
        match self.slots.get(&(*address, *slot)) {
            Some(value) => Ok(*value),
            None if self.cleared.contains(address) => Ok(U256::ZERO),
            None => self.base.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, S::Error> {
        match self.codes.get(hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, S::Error> {
        match self.block_hashes.get(&number) {
            Some(hash) => Ok(*hash),
            None => self.base.block_hash(number),
        }
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, S::Error> {
        self.base.node(owner, path, hash)
    }
}

/// A state as revm's read-only database, for tracers that look at what was before.
#[derive(Debug)]
pub struct Before<'a, S>(pub &'a S);

impl<S: State> DatabaseRef for Before<'_, S> {
    type Error = StateError<S::Error>;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        StateDb::new(self.0).basic(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        StateDb::new(self.0).code_by_hash(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        StateDb::new(self.0).storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        StateDb::new(self.0).block_hash(number)
    }
}
