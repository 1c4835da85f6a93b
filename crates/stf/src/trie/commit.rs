//! Hashing what changed.

use alloc::vec::Vec;
use core::{iter::Peekable, mem, ops::Range};

use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;

use super::node::{Node, Slot, State, child_key, indices, path_of};
use crate::{
    keccak::keccak256_each,
    node_rlp::HASHED_LENGTH,
    state::{Change, NodeChange},
};

/// Updates up to which all that became dirty is hashed together; more would only take memory.
const BATCH_UPDATES: usize = 4096;
/// What a node's RLP takes, more or less: a leaf 110 bytes, a branch up to 532.
const NODE_BYTES: usize = 200;

/// RLP of nodes as they were before an update, one after another in one piece of memory.
#[derive(Default)]
pub(super) struct OldNodes {
    bytes: Vec<u8>,
    nodes: Vec<(Nibbles, Range<usize>)>,
}

impl OldNodes {
    /// Records the RLP that a node, to which the first `depth` nibbles of `key` lead, was stored
    /// with, if it has not changed yet and has a place of its own.
    pub(super) fn log(&mut self, slot: &Slot, key: &B256, depth: usize) {
        if slot.state == State::Hashed
            && let Some(node) = &slot.node
        {
            let start = self.bytes.len();
            // A vector at first doubles from nothing.
            self.bytes.reserve(if start == 0 { 16 * NODE_BYTES } else { 0 });
            node.encode(depth, &mut self.bytes);
            self.nodes.push((path_of(key, depth), start..self.bytes.len()));
        }
    }

    /// What was recorded, ascending by path.
    fn into_placed(self) -> impl Iterator<Item = (Nibbles, Bytes)> {
        let Self { bytes, mut nodes } = self;
        // Nodes are met on the way down, but for those that move up into their parent's place.
        if !nodes.is_sorted_by(|(a, _), (b, _)| a <= b) {
            nodes.sort_unstable_by_key(|(path, _)| *path);
        }
        let bytes = Bytes::from(bytes);
        nodes.into_iter().map(move |(path, range)| (path, bytes.slice(range)))
    }
}

/// Hashes what is dirty at and below `slot`, to which the first `depth` nibbles of `key` lead, and
/// appends what changed against `old`, ascending by path. About `updates` leaves are dirty.
pub(super) fn commit(
    slot: &mut Slot,
    key: &B256,
    depth: usize,
    updates: usize,
    owner: Option<B256>,
    old: OldNodes,
    changes: &mut Vec<NodeChange>,
) {
    let mut merge = Merge { owner, old: old.into_placed().peekable(), changes };
    hash(slot, key, depth, updates, &mut |path, rlp| merge.new_node(path, rlp));
    merge.finish();
}

/// Pairs nodes before with nodes after, both ascending by path.
struct Merge<'c, O: Iterator<Item = (Nibbles, Bytes)>> {
    owner: Option<B256>,
    old: Peekable<O>,
    changes: &'c mut Vec<NodeChange>,
}

impl<O: Iterator<Item = (Nibbles, Bytes)>> Merge<'_, O> {
    fn new_node(&mut self, path: Nibbles, rlp: Bytes) {
        while let Some((gone, rlp)) = self.old.next_if(|(at, _)| *at < path) {
            self.push(gone, Some(rlp), None);
        }
        let old = self.old.next_if(|(at, _)| *at == path).map(|(_, rlp)| rlp);
        if old.as_ref() != Some(&rlp) {
            self.push(path, old, Some(rlp));
        }
    }

    fn finish(mut self) {
        while let Some((gone, rlp)) = self.old.next() {
            self.push(gone, Some(rlp), None);
        }
    }

    fn push(&mut self, path: Nibbles, old: Option<Bytes>, new: Option<Bytes>) {
        self.changes.push(NodeChange { owner: self.owner, path, change: Change { old, new } });
    }
}

/// Hashes what is dirty and hands out the RLP of what has a place of its own, ascending by path.
fn hash(slot: &mut Slot, key: &B256, depth: usize, updates: usize, out: &mut dyn FnMut(Nibbles, Bytes)) {
    if slot.state != State::Dirty {
        return;
    }
    if updates <= BATCH_UPDATES {
        return Batch::of(updates).hash(slot, key, depth, out);
    }
    // Keys are hashes, so updates are spread evenly over children.
    let mut below = Vec::new();
    let mut keep = |path, rlp| below.push((path, rlp));
    match slot.node.as_mut() {
        Some(Node::Branch { present, children }) => {
            for (index, child) in indices(*present).zip(children) {
                hash(child, &child_key(key, depth, index), depth + 1, updates / 16, &mut keep);
            }
        }
        Some(Node::Extension(extension)) => {
            hash(&mut extension.child, &extension.key, extension.end, updates, &mut keep);
        }
        Some(Node::Leaf(_)) | None => {}
    }
    Batch::of(1).hash(slot, key, depth, out);
    below.into_iter().for_each(|(path, rlp)| out(path, rlp));
}

/// No parent in the batch.
const NONE: usize = usize::MAX;

/// A dirty node, out of its place until it is hashed.
struct Entry {
    node: Option<Node>,
    /// Its parent among the entries, and where it stands among the parent's children.
    parent: usize,
    position: usize,
    depth: usize,
    path: Nibbles,
    rlp: Range<usize>,
}

/// Dirty nodes that are hashed together: all of one height above the deepest at a time.
struct Batch {
    /// Parents before children, ascending by path.
    entries: Vec<Entry>,
    /// Entries by height.
    levels: Vec<Vec<usize>>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Room for what about this many updates make dirty.
    fn of(updates: usize) -> Self {
        let nodes = updates * 5 / 2 + 2;
        Self {
            entries: Vec::with_capacity(nodes),
            levels: Vec::with_capacity(4),
            bytes: Vec::with_capacity(nodes * NODE_BYTES),
        }
    }

    fn hash(mut self, slot: &mut Slot, key: &B256, depth: usize, out: &mut dyn FnMut(Nibbles, Bytes)) {
        self.take(slot, key, depth, NONE, 0);
        let mut hashes = Vec::new();
        for level in mem::take(&mut self.levels) {
            for &index in &level {
                let entry = &mut self.entries[index];
                let start = self.bytes.len();
                if let Some(node) = &entry.node {
                    node.encode(entry.depth, &mut self.bytes);
                }
                entry.rlp = start..self.bytes.len();
            }
            hashes.clear();
            hashes.resize(level.len(), B256::ZERO);
            let rlp = |at: usize| &self.bytes[self.entries[level[at]].rlp.clone()];
            keccak256_each(level.len(), rlp, |at, hash| hashes[at] = hash);
            for (index, hash) in level.into_iter().zip(&hashes) {
                let entry = &mut self.entries[index];
                let state = if entry.rlp.len() < HASHED_LENGTH { State::Inline } else { State::Hashed };
                let done = Slot { hash: *hash, node: entry.node.take(), state };
                let (parent, position) = (entry.parent, entry.position);
                match self.entries.get_mut(parent).and_then(|parent| parent.node.as_mut()) {
                    None => *slot = done,
                    Some(Node::Branch { children, .. }) => children[position] = done,
                    Some(Node::Extension(extension)) => extension.child = done,
                    Some(Node::Leaf(_)) => {}
                }
            }
        }
        let bytes = Bytes::from(mem::take(&mut self.bytes));
        for entry in self.entries.into_iter().filter(|entry| entry.rlp.len() >= HASHED_LENGTH) {
            out(entry.path, bytes.slice(entry.rlp));
        }
    }

    /// Takes dirty nodes out of their places and answers how high the node stands above the deepest.
    fn take(&mut self, slot: &mut Slot, key: &B256, depth: usize, parent: usize, position: usize) -> usize {
        let Some(mut node) = slot.node.take() else { return 0 };
        let index = self.entries.len();
        let path = match &node {
            Node::Leaf(leaf) => path_of(leaf.key(), depth),
            Node::Extension(_) | Node::Branch { .. } => path_of(key, depth),
        };
        self.entries.push(Entry { node: None, parent, position, depth, path, rlp: 0..0 });
        let mut height = 0;
        match &mut node {
            Node::Leaf(_) => {}
            Node::Extension(extension) => {
                let (key, end) = (extension.key, extension.end);
                if extension.child.state == State::Dirty {
                    height = 1 + self.take(&mut extension.child, &key, end, index, 0);
                }
            }
            Node::Branch { present, children } => {
                for ((at, child), position) in indices(*present).zip(children).zip(0..) {
                    if child.state == State::Dirty {
                        let key = child_key(key, depth, at);
                        height = height.max(1 + self.take(child, &key, depth + 1, index, position));
                    }
                }
            }
        }
        self.entries[index].node = Some(node);
        if self.levels.len() <= height {
            self.levels.resize_with(height + 1, Vec::new);
        }
        self.levels[height].push(index);
        height
    }
}
