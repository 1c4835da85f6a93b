//! Merkle-Patricia trie over 32-byte hashed keys, loaded and hashed only where it changes.
//!
//! A [`Trie`] starts as the hash of its root. [`Trie::update`] takes a sorted batch, descends each
//! node once, asking a [`NodeSource`] for what is not in memory, hashes what became dirty and hands
//! out every changed node's RLP, before and after, in the order of paths. Nodes stay in memory
//! between blocks until [`Trie::collapse`] folds the deep ones back into their hashes.
//!
//! Source: Ethereum yellow paper, appendix D.

mod commit;
mod node;
mod update;

use alloc::vec::Vec;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

use crate::{
    node_rlp::nibble,
    state::{MaybeSync, NodeChange},
};
use node::{Leaf, Node, Slot, State, shared_nibbles};

/// Where a trie loads the nodes it does not hold.
pub trait NodeSource: MaybeSync {
    /// Why a node could not be had.
    type Error: MaybeSync;
    /// RLP of the node at `path` from the root; its keccak256 is `hash`.
    fn node(&self, path: &Nibbles, hash: &B256) -> Result<Bytes, Self::Error>;
}

/// Why a trie could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrieError<E> {
    /// The source failed.
    Source(E),
    /// A node is not what a Merkle-Patricia trie over 32-byte keys can hold.
    Malformed {
        /// Hash of the node.
        hash: B256,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A key and what is to stand there.
#[derive(Clone, Debug)]
pub struct Update {
    key: B256,
    /// `None` deletes.
    leaf: Option<Leaf>,
}

impl Update {
    /// Puts the RLP of `value` at `key`.
    pub fn put(key: B256, value: &impl Encodable) -> Self {
        Self { key, leaf: Some(Leaf::new(&key, value)) }
    }

    /// Deletes what stands at `key`, if anything does.
    pub fn delete(key: B256) -> Self {
        Self { key, leaf: None }
    }

    /// The key.
    pub fn key(&self) -> &B256 {
        &self.key
    }
}

/// A Merkle-Patricia trie whose keys are 32-byte hashes.
#[derive(Clone, Debug, Default)]
pub struct Trie {
    root: Slot,
}

impl Trie {
    /// The trie whose root hash is `root`; nothing of it is loaded.
    pub fn new(root: B256) -> Self {
        Self { root: if root == EMPTY_ROOT_HASH { Slot::default() } else { Slot::hashed(root) } }
    }

    /// Root hash.
    pub fn root(&self) -> B256 {
        match &self.root.node {
            None if self.root.is_empty() => EMPTY_ROOT_HASH,
            // A root is a hash however short its RLP is.
            Some(node) if self.root.state == State::Inline => keccak256(node.rlp(0)),
            _ => self.root.hash,
        }
    }

    /// Applies `updates`, sorted by key and without repetition, and hashes what changed. Appends to
    /// `changes` the RLP, before and after, of every changed node that has a place of its own,
    /// ascending by path, as nodes of `owner`. After an error the trie is unusable.
    pub fn update<S: NodeSource>(
        &mut self,
        owner: Option<B256>,
        updates: &mut [Update],
        source: &S,
        changes: &mut Vec<NodeChange>,
    ) -> Result<(), TrieError<S::Error>> {
        update::update(&mut self.root, &B256::ZERO, 0, updates, &update::Context { source, owner }, changes)
    }

    /// The value at `key`, loading the nodes on its path.
    pub fn get<S: NodeSource>(
        &mut self,
        key: &B256,
        source: &S,
    ) -> Result<Option<&[u8]>, TrieError<S::Error>> {
        let mut depth = 0;
        let mut slot = &mut self.root;
        loop {
            slot.load(key, depth, source)?;
            match slot.node.as_mut() {
                None => return Ok(None),
                Some(Node::Leaf(leaf)) => return Ok((leaf.key() == key).then(|| leaf.value())),
                Some(Node::Extension(extension)) => {
                    if shared_nibbles(&extension.key, key, depth, extension.end) < extension.end {
                        return Ok(None);
                    }
                    depth = extension.end;
                    slot = &mut extension.child;
                }
                Some(Node::Branch { present, children }) => {
                    let Some(position) = node::position(*present, nibble(&key.0, depth)) else {
                        return Ok(None);
                    };
                    slot = &mut children[position];
                    depth += 1;
                }
            }
        }
    }

    /// RLP of the nodes from the root to `key`, or to where the trie shows that it holds no such
    /// key (EIP-1186).
    pub fn prove<S: NodeSource>(
        &mut self,
        key: &B256,
        source: &S,
    ) -> Result<Vec<Bytes>, TrieError<S::Error>> {
        self.get(key, source)?;
        let mut proof = Vec::new();
        let mut depth = 0;
        let mut slot = &self.root;
        while let Some(node) = slot.node.as_ref() {
            // A node shorter than 32 bytes is already inside its parent.
            if depth == 0 || slot.state == State::Hashed {
                proof.push(node.rlp(depth).into());
            }
            match node {
                Node::Leaf(_) => break,
                Node::Extension(extension) => {
                    if shared_nibbles(&extension.key, key, depth, extension.end) < extension.end {
                        break;
                    }
                    depth = extension.end;
                    slot = &extension.child;
                }
                Node::Branch { present, children } => {
                    let Some(position) = node::position(*present, nibble(&key.0, depth)) else { break };
                    slot = &children[position];
                    depth += 1;
                }
            }
        }
        Ok(proof)
    }

    /// Folds every node deeper than `depth` branches and extensions back into its hash, and returns
    /// how many nodes stay in memory.
    pub fn collapse(&mut self, depth: usize) -> usize {
        fn fold(slot: &mut Slot, depth: usize) -> usize {
            if depth == 0 && slot.state == State::Hashed {
                slot.node = None;
            }
            let depth = depth.saturating_sub(1);
            match slot.node.as_mut() {
                None => 0,
                Some(Node::Leaf(_)) => 1,
                Some(Node::Extension(extension)) => 1 + fold(&mut extension.child, depth),
                Some(Node::Branch { children, .. }) => {
                    1 + children.iter_mut().map(|child| fold(child, depth)).sum::<usize>()
                }
            }
        }
        fold(&mut self.root, depth)
    }
}
