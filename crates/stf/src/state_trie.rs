//! The account trie with the storage tries below it.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bytes, U256, map::B256Map};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};

use crate::{
    keccak::keccak256_many,
    state::{Account, Change, NodeChange, State, StateDiff},
    trie::{NodeSource, PlacedNode, Trie, TrieError, Update},
};

/// State tries with the nodes loaded so far; survives from block to block.
#[derive(Clone, Debug)]
pub struct StateTrie {
    root: B256,
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

/// RLP of an account as the trie holds it.
pub fn account_rlp(account: &Account) -> Vec<u8> {
    let mut out = Vec::with_capacity(112);
    TrieAccount::new(account.nonce, account.balance, account.storage_root, account.code_hash)
        .encode(&mut out);
    out
}

/// RLP of a slot's value; `None` for zero, which a trie does not hold.
fn slot_rlp(value: &U256) -> Option<Vec<u8>> {
    (!value.is_zero()).then(|| alloy_rlp::encode(value))
}

impl StateTrie {
    /// The tries below `root`; nothing is loaded.
    pub fn new(root: B256) -> Self {
        Self { root, accounts: Trie::new(root), storages: B256Map::default(), loaded: 0 }
    }

    /// Root of the account trie.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Applies a block's updates, ascending by address, and returns the diff (without codes).
    ///
    /// `state` is the state that [`Self::root`] commits to. After an error the tries are unusable.
    pub fn apply<S: State>(
        &mut self,
        updates: Vec<AccountUpdate>,
        state: &S,
    ) -> Result<StateDiff, TrieError<S::Error>> {
        let hashed = keccak256_many(&updates.iter().map(|update| update.address).collect::<Vec<_>>());
        let mut work: Vec<Work> = updates
            .into_iter()
            .zip(hashed)
            .map(|(update, hashed_address)| Work {
                hashed_address,
                trie: Trie::default(),
                nodes: Vec::new(),
                update,
            })
            .collect();
        for item in work.iter_mut().filter(|item| item.has_storage_work()) {
            let old_root = item.update.account.old.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            item.trie = self.storages.remove(&item.hashed_address).unwrap_or_else(|| Trie::new(old_root));
        }
        self.apply_storages(&mut work, state)?;

        let mut account_updates: Vec<Update> = work
            .iter()
            .map(|item| (item.hashed_address, item.update.account.new.as_ref().map(account_rlp)))
            .collect();
        account_updates.sort_unstable_by_key(|(key, _)| *key);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let source = NodesOf { state, owner: None };
        self.accounts.update(&mut account_updates, &source, &mut old)?;
        self.root = self.accounts.commit(&mut new);

        let mut diff = StateDiff { nodes: node_changes(None, old, new), ..StateDiff::default() };
        work.sort_unstable_by_key(|item| item.update.address);
        let mut storage_nodes: Vec<(B256, Vec<NodeChange>)> = Vec::new();
        for item in work {
            let AccountUpdate { address, account, slots } = item.update;
            if account.new.is_some() && !slots.is_empty() {
                self.storages.insert(item.hashed_address, item.trie);
            }
            if !item.nodes.is_empty() {
                storage_nodes.push((item.hashed_address, item.nodes));
            }
            if account.old != account.new {
                diff.accounts.push((address, account));
            }
            diff.slots.extend(slots.into_iter().map(|(slot, change)| (address, slot, change)));
        }
        storage_nodes.sort_unstable_by_key(|(owner, _)| *owner);
        diff.nodes.extend(storage_nodes.into_iter().flat_map(|(_, nodes)| nodes));
        self.loaded += diff.nodes.len();
        Ok(diff)
    }

    fn apply_storages<S: State>(&self, work: &mut [Work], state: &S) -> Result<(), TrieError<S::Error>> {
        #[cfg(feature = "std")]
        {
            use rayon::prelude::*;
            let with_storage: Vec<&mut Work> =
                work.iter_mut().filter(|item| item.has_storage_work()).collect();
            if with_storage.len() > 16 {
                return with_storage
                    .into_par_iter()
                    .with_min_len(8)
                    .try_for_each(|item| item.apply_storage(state));
            }
        }
        work.iter_mut().filter(|item| item.has_storage_work()).try_for_each(|item| item.apply_storage(state))
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

struct Work {
    hashed_address: B256,
    trie: Trie,
    nodes: Vec<NodeChange>,
    update: AccountUpdate,
}

impl Work {
    fn has_storage_work(&self) -> bool {
        !self.update.slots.is_empty()
    }

    /// Updates the account's storage trie and, with it, the new account's storage root.
    fn apply_storage<S: State>(&mut self, state: &S) -> Result<(), TrieError<S::Error>> {
        let owner = self.hashed_address;
        let slots: Vec<[u8; 32]> = self.update.slots.iter().map(|(slot, _)| slot.to_be_bytes()).collect();
        let values = self.update.slots.iter().map(|(_, change)| slot_rlp(&change.new));
        let mut updates: Vec<Update> = keccak256_many(&slots).into_iter().zip(values).collect();
        updates.sort_unstable_by_key(|(key, _)| *key);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        self.trie.update(&mut updates, &NodesOf { state, owner: Some(owner) }, &mut old)?;
        let root = self.trie.commit(&mut new);
        self.nodes = node_changes(Some(owner), old, new);
        if let Some(account) = self.update.account.new.as_mut() {
            account.storage_root = root;
        }
        Ok(())
    }
}

/// Pairs the nodes before with the nodes after, by path.
fn node_changes(owner: Option<B256>, mut old: Vec<PlacedNode>, mut new: Vec<PlacedNode>) -> Vec<NodeChange> {
    old.sort_by_key(|(path, _)| *path);
    new.sort_by_key(|(path, _)| *path);
    let mut changes = Vec::with_capacity(new.len().max(old.len()));
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let path = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some((path, _)), None) | (None, Some((path, _))) => *path,
            (Some((left, _)), Some((right, _))) => *left.min(right),
        };
        let before = old.next_if(|(at, _)| *at == path).map(|(_, rlp)| rlp);
        let after = new.next_if(|(at, _)| *at == path).map(|(_, rlp)| rlp);
        if before != after {
            changes.push(NodeChange { owner, path, change: Change { old: before, new: after } });
        }
    }
}
