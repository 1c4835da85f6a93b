//! The account trie with the storage tries below it.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bytes, U256, map::B256Map};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};

use crate::{
    keccak::keccak256_many,
    state::{Account, Change, NodeChange, State, StateDiff},
    trie::{NodeSource, Trie, TrieError, Update},
};

/// State tries with the nodes loaded so far; survives from block to block.
#[derive(Clone, Debug)]
pub struct StateTrie {
    accounts: Trie,
    storages: B256Map<Trie>,
    /// Nodes that may be in memory: at least as many as there are.
    loaded: usize,
}

/// What a block did to one account.
#[derive(Clone, Debug)]
pub struct AccountUpdate {
    /// Whose account.
    pub address: Address,
    /// The account before and after; `storage_root` of the new one is filled in here.
    pub account: Change<Option<Account>>,
    /// Changed slots, ascending by slot.
    pub slots: Vec<(U256, Change<U256>)>,
}

/// Nodes of one trie of a [`State`].
pub struct NodesOf<'a, S> {
    /// Where to read.
    pub state: &'a S,
    /// keccak256 of the address for a storage trie, `None` for the account trie.
    pub owner: Option<B256>,
}

impl<S: State> NodeSource for NodesOf<'_, S> {
    type Error = S::Error;

    fn node(&self, path: &Nibbles, hash: &B256) -> Result<Bytes, S::Error> {
        self.state.node(self.owner.as_ref(), path, hash)
    }
}

fn trie_account(account: &Account) -> TrieAccount {
    TrieAccount::new(account.nonce, account.balance, account.storage_root, account.code_hash)
}

/// RLP of an account as the trie holds it.
pub fn account_rlp(account: &Account) -> Vec<u8> {
    alloy_rlp::encode(trie_account(account))
}

impl StateTrie {
    /// The tries below `root`; nothing is loaded.
    pub fn new(root: B256) -> Self {
        Self { accounts: Trie::new(root), storages: B256Map::default(), loaded: 0 }
    }

    /// Root of the account trie.
    pub fn root(&self) -> B256 {
        self.accounts.root()
    }

    /// Applies a block's updates, one for each address, and returns the diff (without codes).
    ///
    /// `state` is the state that [`Self::root`] commits to. After an error the tries are unusable.
    pub fn apply<S: State>(
        &mut self,
        mut updates: Vec<AccountUpdate>,
        state: &S,
    ) -> Result<StateDiff, TrieError<S::Error>> {
        if !updates.is_sorted_by(|a, b| a.address < b.address) {
            updates.sort_unstable_by_key(|update| update.address);
        }
        let hashed = keccak256_many(&updates.iter().map(|update| update.address).collect::<Vec<_>>());
        let storages = self.apply_storages(&mut updates, &hashed, state)?;

        let mut leaves: Vec<Update> = updates
            .iter()
            .zip(&hashed)
            .map(|(update, key)| match &update.account.new {
                Some(account) => Update::put(*key, &trie_account(account)),
                None => Update::delete(*key),
            })
            .collect();
        leaves.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let mut diff = StateDiff::default();
        diff.nodes.reserve(3 * leaves.len());
        diff.accounts.reserve(leaves.len());
        self.accounts.update(None, &mut leaves, &NodesOf { state, owner: None }, &mut diff.nodes)?;
        for storage in storages {
            diff.nodes.extend(storage.nodes);
            if updates[storage.update].account.new.is_some() {
                self.storages.insert(storage.owner, storage.trie);
            }
        }
        for AccountUpdate { address, account, slots } in updates {
            if account.old != account.new {
                diff.accounts.push((address, account));
            }
            diff.slots.extend(slots.into_iter().map(|(slot, change)| (address, slot, change)));
        }
        self.loaded += diff.nodes.len();
        Ok(diff)
    }

    /// Updates the storage tries, ascending by owner, and with them the accounts' storage roots.
    fn apply_storages<S: State>(
        &mut self,
        updates: &mut [AccountUpdate],
        hashed: &[B256],
        state: &S,
    ) -> Result<Vec<StorageWork>, TrieError<S::Error>> {
        let mut work = Vec::new();
        for (index, (update, owner)) in updates.iter().zip(hashed).enumerate() {
            if !update.slots.is_empty() {
                let old_root = update.account.old.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
                let trie = self.storages.remove(owner).unwrap_or_else(|| Trie::new(old_root));
                work.push(StorageWork { update: index, owner: *owner, trie, nodes: Vec::new() });
            }
        }
        let apply = |item: &mut StorageWork| item.apply(&updates[item.update].slots, state);
        #[cfg(feature = "std")]
        if work.len() > 16 {
            use rayon::prelude::*;
            work.par_iter_mut().with_min_len(8).try_for_each(apply)?;
        } else {
            work.iter_mut().try_for_each(apply)?;
        }
        #[cfg(not(feature = "std"))]
        work.iter_mut().try_for_each(apply)?;
        for item in &work {
            if let Some(account) = updates[item.update].account.new.as_mut() {
                account.storage_root = item.trie.root();
            }
        }
        work.sort_unstable_by_key(|item| item.owner);
        Ok(work)
    }

    /// Keeps memory bounded: folds what is deeper than four levels once more than `max_nodes` nodes
    /// may be loaded.
    pub fn prune(&mut self, max_nodes: usize) {
        const KEPT_DEPTH: usize = 4;
        /// A storage trie with fewer nodes than this left is loaded again as fast as it is kept.
        const WORTH_KEEPING: usize = 64;
        if self.loaded <= max_nodes {
            return;
        }
        self.loaded = self.accounts.collapse(KEPT_DEPTH);
        self.storages.retain(|_, trie| {
            let kept = trie.collapse(KEPT_DEPTH);
            self.loaded += if kept > WORTH_KEEPING { kept } else { 0 };
            kept > WORTH_KEEPING
        });
    }
}

/// An account's storage trie while a block is applied to it.
struct StorageWork {
    /// Which of the account updates this is.
    update: usize,
    /// keccak256 of the address.
    owner: B256,
    trie: Trie,
    nodes: Vec<NodeChange>,
}

impl StorageWork {
    fn apply<S: State>(
        &mut self,
        slots: &[(U256, Change<U256>)],
        state: &S,
    ) -> Result<(), TrieError<S::Error>> {
        let keys =
            keccak256_many(&slots.iter().map(|(slot, _)| slot.to_be_bytes()).collect::<Vec<[u8; 32]>>());
        let mut leaves: Vec<Update> = keys
            .into_iter()
            .zip(slots)
            // A trie holds no zeros.
            .map(|(key, (_, change))| match change.new.is_zero() {
                true => Update::delete(key),
                false => Update::put(key, &change.new),
            })
            .collect();
        leaves.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let owner = Some(self.owner);
        self.trie.update(owner, &mut leaves, &NodesOf { state, owner }, &mut self.nodes)
    }
}
