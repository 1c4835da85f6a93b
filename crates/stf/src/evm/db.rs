//! A [`State`] as revm's database.

use alloc::vec::Vec;
use core::fmt;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, map::HashMap};
use revm::{Database, bytecode::Bytecode, database_interface::DBErrorMarker, state::AccountInfo};

use crate::state::{Account, State};

/// A [`State`]'s error inside revm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError<E>(pub E);

impl<E: fmt::Display> fmt::Display for StateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for StateError<E> {}
impl<E: core::error::Error + Send + Sync + 'static> DBErrorMarker for StateError<E> {}

/// Code as revm runs it; what only looks like a delegation (EIP-7702) is ordinary code.
pub fn bytecode(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

/// A [`State`] as revm's database, remembering each value as it was first read.
#[derive(Debug)]
pub struct StateDb<'a, S> {
    /// The parent's state.
    pub state: &'a S,
    /// Accounts read so far, in that order; revm's journal asks for each once.
    pub accounts: Vec<(Address, Option<Account>)>,
    /// Slots read so far.
    pub slots: HashMap<(Address, U256), U256>,
}

impl<'a, S> StateDb<'a, S> {
    /// Nothing read yet.
    pub fn new(state: &'a S) -> Self {
        Self { state, accounts: Vec::new(), slots: HashMap::default() }
    }
}

impl<S: State> Database for StateDb<'_, S> {
    type Error = StateError<S::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let account = self.state.account(&address).map_err(StateError)?;
        self.accounts.push((address, account));
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: (account.code_hash == KECCAK256_EMPTY).then(Bytecode::default),
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.state.code(&hash).map_err(StateError)?;
        Ok(bytecode(code))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        let value = self.state.storage(&address, &slot).map_err(StateError)?;
        self.slots.insert((address, slot), value);
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.state.block_hash(number).map_err(StateError)
    }
}
