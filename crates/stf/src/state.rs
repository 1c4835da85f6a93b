//! What the STF reads of the parent's state and what it answers with as the change.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

/// An account as the state trie holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Root of the account's storage trie.
    pub storage_root: B256,
    /// keccak256 of the code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, storage_root: EMPTY_ROOT_HASH, code_hash: KECCAK256_EMPTY }
    }
}

/// `Sync` where there are threads (feature `std`), nothing where there are none.
#[cfg(feature = "std")]
pub trait MaybeSync: Sync + Send {}
#[cfg(feature = "std")]
impl<T: Sync + Send + ?Sized> MaybeSync for T {}
/// `Sync` where there are threads (feature `std`), nothing where there are none.
#[cfg(not(feature = "std"))]
pub trait MaybeSync {}
#[cfg(not(feature = "std"))]
impl<T: ?Sized> MaybeSync for T {}

/// State of the parent block.
///
/// Two implementations: the native flat store, and a witness of trie nodes by
/// hash. Both give the same block.
pub trait State: MaybeSync {
    /// Why something could not be read. Never "does not exist": that is an answer.
    type Error: core::error::Error + Send + Sync + 'static;

    /// The account at `address`, `None` where there is none.
    fn account(&self, address: &Address) -> Result<Option<Account>, Self::Error>;

    /// The value of a storage slot, zero where nothing is stored.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, Self::Error>;

    /// Code by its keccak256 hash. The empty hash is never asked for.
    fn code(&self, hash: &B256) -> Result<Bytes, Self::Error>;

    /// Hash of an ancestor block, for `BLOCKHASH`; asked only for the last 256.
    fn block_hash(&self, number: u64) -> Result<B256, Self::Error>;

    /// RLP of a trie node whose keccak256 is `hash`.
    ///
    /// `owner` is the keccak256 of the address whose storage trie it is, `None` for the account
    /// trie; `path` leads to it from that trie's root. The flat store looks up by owner and path
    /// and checks the hash, the witness looks up by hash alone.
    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, Self::Error>;
}

impl<S: State> State for alloc::sync::Arc<S> {
    type Error = S::Error;

    fn account(&self, address: &Address) -> Result<Option<Account>, S::Error> {
        (**self).account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, S::Error> {
        (**self).storage(address, slot)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, S::Error> {
        (**self).code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, S::Error> {
        (**self).block_hash(number)
    }

    fn node(&self, owner: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Bytes, S::Error> {
        (**self).node(owner, path, hash)
    }
}

/// One value before and after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<T> {
    /// Value in the parent's state.
    pub old: T,
    /// Value in the block's state.
    pub new: T,
}

/// A trie node that changed, by place; `None` where no node of its own is stored there (absent, or
/// shorter than 32 bytes and so held inside its parent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeChange {
    /// keccak256 of the address for a storage trie, `None` for the account trie.
    pub owner: Option<B256>,
    /// Path from the trie's root.
    pub path: Nibbles,
    /// RLP before and after.
    pub change: Change<Option<Bytes>>,
}

/// Everything a block changed, each with the value it had before, so a store only writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Accounts, ascending by address.
    pub accounts: Vec<(Address, Change<Option<Account>>)>,
    /// Storage slots, ascending by address and slot; zero means "not stored".
    pub slots: Vec<(Address, U256, Change<U256>)>,
    /// Codes that were not in the parent's state under these accounts; may repeat known codes.
    pub codes: Vec<(B256, Bytes)>,
    /// Trie nodes, ascending by owner (account trie first) and path.
    pub nodes: Vec<NodeChange>,
}
