//! The state before a test, wholly in memory, and what a transaction makes of it.

use std::{collections::BTreeMap, fmt};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256, map::HashMap};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use revm::{primitives::hardfork::SpecId, state::EvmState};
use trex_stf::{
    state::{Account, Change, State},
    state_trie::{AccountUpdate, StateTrie},
};

use crate::{fixture::PreAccount, number};

/// An account with everything it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FullAccount {
    /// The account as the trie holds it.
    pub account: Account,
    /// Its slots that are not zero.
    pub storage: HashMap<U256, U256>,
}

/// A state wholly in memory, with its tries.
#[derive(Debug)]
pub struct MemoryState {
    accounts: HashMap<Address, FullAccount>,
    codes: HashMap<B256, Bytes>,
    trie: StateTrie,
}

/// A trie node that is not in memory: all are, from [`MemoryState::new`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingNode(B256);

impl fmt::Display for MissingNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trie node {} is not in memory", self.0)
    }
}

impl std::error::Error for MissingNode {}

impl State for MemoryState {
    type Error = MissingNode;

    fn account(&self, address: &Address) -> Result<Option<Account>, MissingNode> {
        Ok(self.accounts.get(address).map(|full| full.account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, MissingNode> {
        Ok(self.accounts.get(address).and_then(|full| full.storage.get(slot).copied()).unwrap_or_default())
    }

    fn code(&self, hash: &B256) -> Result<Bytes, MissingNode> {
        Ok(self.codes.get(hash).cloned().unwrap_or_default())
    }

    /// State tests have no ancestors: the hash of a block is that of its number in decimal (ST-008).
    fn block_hash(&self, number: u64) -> Result<B256, MissingNode> {
        Ok(keccak256(number.to_string()))
    }

    fn node(&self, _owner: Option<&B256>, _path: &Nibbles, hash: &B256) -> Result<Bytes, MissingNode> {
        Err(MissingNode(*hash))
    }
}

/// The accounts after a transaction that differ from before, `None` where gone.
pub type Changes = BTreeMap<Address, Option<FullAccount>>;

impl MemoryState {
    /// The state before a test.
    pub fn new(pre: &BTreeMap<String, PreAccount>) -> Result<Self, String> {
        let (accounts, codes) = read_accounts(pre)?;
        let mut state = Self { accounts: HashMap::default(), codes, trie: StateTrie::new(EMPTY_ROOT_HASH) };
        let all = accounts.iter().map(|(address, full)| (*address, Some(full.clone()))).collect();
        let mut trie = state.trie.clone();
        state.apply(&mut trie, &all)?;
        state.trie = trie;
        // The storage roots are known only now; EIP-7610 asks for them.
        state.accounts = accounts
            .into_iter()
            .map(|(address, mut full)| {
                full.account.storage_root = storage_root(&full.storage);
                (address, full)
            })
            .collect();
        Ok(state)
    }

    /// Root of the state before.
    pub fn root(&self) -> B256 {
        self.trie.root()
    }

    /// Root of the state with `changes` applied (ST-002).
    pub fn root_after(&self, changes: &Changes) -> Result<B256, String> {
        let mut trie = self.trie.clone();
        self.apply(&mut trie, changes)?;
        Ok(trie.root())
    }

    fn apply(&self, trie: &mut StateTrie, changes: &Changes) -> Result<(), String> {
        let updates = changes
            .iter()
            .map(|(address, new)| {
                let old = self.accounts.get(address);
                AccountUpdate {
                    address: *address,
                    account: Change {
                        old: old.map(|full| full.account),
                        new: new.as_ref().map(|full| Account {
                            storage_root: old.map_or(EMPTY_ROOT_HASH, |full| full.account.storage_root),
                            ..full.account
                        }),
                    },
                    slots: new.as_ref().map_or_else(Vec::new, |new| changed_slots(old, new)),
                }
            })
            .collect();
        trie.apply(updates, self).map(drop).map_err(|error| format!("state trie: {error:?}"))
    }

    /// What the journal's accounts make of the state, by the rules of `spec`.
    ///
    /// revm has already told apart, before EIP-161, an empty account that came to be (marked created)
    /// from one that was there before (not touched).
    pub fn changes(&self, journal: &EvmState, spec: SpecId) -> Changes {
        let mut changes = Changes::new();
        for (address, account) in journal.iter().filter(|(_, account)| account.is_touched()) {
            let empty_is_gone = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) && account.info.is_empty();
            let old = self.accounts.get(address);
            let new = (!account.is_selfdestructed() && !empty_is_gone).then(|| {
                let mut storage =
                    old.filter(|_| !account.is_created()).map(|old| old.storage.clone()).unwrap_or_default();
                for (slot, value) in &account.storage {
                    if value.present_value.is_zero() {
                        storage.remove(slot);
                    } else {
                        storage.insert(*slot, value.present_value);
                    }
                }
                FullAccount {
                    account: Account {
                        nonce: account.info.nonce,
                        balance: account.info.balance,
                        storage_root: EMPTY_ROOT_HASH,
                        code_hash: account.info.code_hash,
                    },
                    storage,
                }
            });
            changes.insert(*address, new);
        }
        changes
    }

    /// What crediting `address` with nothing does where the transaction did not reach it: before
    /// EIP-161 it makes an empty account, after it removes one.
    pub fn touch(&self, changes: &mut Changes, address: Address, spec: SpecId) {
        let now = match changes.get(&address) {
            Some(now) => now.as_ref(),
            None => self.accounts.get(&address),
        };
        let is_empty = now.is_some_and(|full| {
            full.account.nonce == 0
                && full.account.balance.is_zero()
                && full.account.code_hash == KECCAK256_EMPTY
        });
        if spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            if is_empty {
                changes.insert(address, None);
            }
        } else if now.is_none() {
            changes.insert(address, Some(FullAccount::default()));
        }
    }

    /// First ways in which the state with `changes` differs from `expected`, for a reader.
    pub fn differences(
        &self,
        changes: &Changes,
        expected: &BTreeMap<String, PreAccount>,
    ) -> Result<Vec<String>, String> {
        const SHOWN: usize = 8;
        let (expected, _) = read_accounts(expected)?;
        let mut actual: BTreeMap<Address, &FullAccount> =
            self.accounts.iter().map(|(address, full)| (*address, full)).collect();
        for (address, new) in changes {
            match new {
                Some(full) => actual.insert(*address, full),
                None => actual.remove(address),
            };
        }
        let mut out = Vec::new();
        for (address, full) in &actual {
            match expected.get(address) {
                None => out.push(format!("{address} should not exist")),
                Some(wanted) => account_differences(*address, full, wanted, &mut out),
            }
        }
        out.extend(expected.keys().filter(|a| !actual.contains_key(*a)).map(|a| format!("{a} is missing")));
        let more = out.len().saturating_sub(SHOWN);
        out.truncate(SHOWN);
        if more > 0 {
            out.push(format!("{more} more"));
        }
        Ok(out)
    }
}

fn account_differences(address: Address, actual: &FullAccount, wanted: &FullAccount, out: &mut Vec<String>) {
    let (a, w) = (&actual.account, &wanted.account);
    if a.nonce != w.nonce {
        out.push(format!("{address} nonce {} instead of {}", a.nonce, w.nonce));
    }
    if a.balance != w.balance {
        out.push(format!("{address} balance {} instead of {}", a.balance, w.balance));
    }
    if a.code_hash != w.code_hash {
        out.push(format!("{address} code hash {} instead of {}", a.code_hash, w.code_hash));
    }
    let slots: std::collections::BTreeSet<&U256> =
        actual.storage.keys().chain(wanted.storage.keys()).collect();
    for slot in slots {
        let value = |of: &FullAccount| of.storage.get(slot).copied().unwrap_or_default();
        let (a, w) = (value(actual), value(wanted));
        if a != w {
            out.push(format!("{address} slot {slot:#x} is {a:#x} instead of {w:#x}"));
        }
    }
}

type Accounts = (BTreeMap<Address, FullAccount>, HashMap<B256, Bytes>);

fn read_accounts(pre: &BTreeMap<String, PreAccount>) -> Result<Accounts, String> {
    let (mut accounts, mut codes) = (BTreeMap::new(), HashMap::default());
    for (address, account) in pre {
        let address = number::address(address)?;
        let too_large = |what: &str| format!("{what} of {address} is too large");
        let code_hash = keccak256(&account.code.0);
        codes.insert(code_hash, account.code.0.clone());
        let mut storage = HashMap::default();
        for (slot, value) in &account.storage {
            // Some old files leave out the prefix; a key is hex all the same.
            let digits = slot.trim_start_matches("0x");
            let slot = U256::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16)
                .map_err(|error| format!("slot {slot:?} of {address}: {error}"))?;
            let value = value.word().ok_or_else(|| too_large("a slot's value"))?;
            if !value.is_zero() {
                storage.insert(slot, value);
            }
        }
        let account = Account {
            nonce: account.nonce.word().and_then(|n| n.try_into().ok()).ok_or_else(|| too_large("nonce"))?,
            balance: account.balance.word().ok_or_else(|| too_large("balance"))?,
            storage_root: EMPTY_ROOT_HASH,
            code_hash,
        };
        accounts.insert(address, FullAccount { account, storage });
    }
    Ok((accounts, codes))
}

fn changed_slots(old: Option<&FullAccount>, new: &FullAccount) -> Vec<(U256, Change<U256>)> {
    let empty = HashMap::default();
    let old = old.map_or(&empty, |full| &full.storage);
    let mut slots: BTreeMap<U256, Change<U256>> =
        old.iter().map(|(slot, value)| (*slot, Change { old: *value, new: U256::ZERO })).collect();
    for (slot, value) in &new.storage {
        slots.entry(*slot).or_insert(Change { old: U256::ZERO, new: U256::ZERO }).new = *value;
    }
    slots.into_iter().filter(|(_, change)| change.old != change.new).collect()
}

/// Root of a storage trie of these slots.
fn storage_root(storage: &HashMap<U256, U256>) -> B256 {
    let leaves = storage.iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value));
    alloy_trie::root::storage_root_unsorted(leaves)
}
