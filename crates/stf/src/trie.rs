//! Merkle-Patricia trie over 32-byte hashed keys, loaded and hashed only where it changes.
//!
//! A [`Trie`] starts as the hash of its root. [`Trie::update`] takes a sorted batch and descends each
//! node once, asking a [`NodeSource`] for what is not in memory; [`Trie::commit`] hashes what became
//! dirty and hands out its RLP by path. Nodes stay in memory between blocks until
//! [`Trie::collapse`] folds the deep ones back into their hashes.
//!
//! Source: Ethereum yellow paper, appendix D.

use alloc::{boxed::Box, vec::Vec};
use core::mem;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};

use crate::{keccak::keccak256_many, state::MaybeSync};

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

/// A key and the value to put there; `None` deletes.
pub type Update = (B256, Option<Vec<u8>>);

/// A node's place and its RLP.
pub type PlacedNode = (Nibbles, Bytes);

/// A Merkle-Patricia trie whose keys are 32-byte hashes.
#[derive(Clone, Debug, Default)]
pub struct Trie {
    root: Slot,
}

/// Updates in one sub-trie from which its children are worth separate threads.
#[cfg(feature = "std")]
const PARALLEL_UPDATES: usize = 512;
/// Updates in one sub-trie up to which its dirty nodes are hashed level by level in one go: enough to
/// fill every lane of a batch, few enough to stay in the processor's cache.
const BATCH_UPDATES: usize = 64;

/// A place in the trie: what its parent holds of it and, if loaded, the node.
///
/// The reference stands beside the pointer, so a parent is encoded without looking at its children.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Hash or inline RLP; stale while the node is dirty, empty where there is none.
    reference: RlpNode,
    node: Option<Node>,
    /// Whether the node changed since it was last hashed.
    dirty: bool,
}

/// A loaded node; what it holds is boxed, so that leaves take no more memory than they need.
#[derive(Clone, Debug)]
enum Node {
    Leaf(Box<Leaf>),
    Extension(Box<Extension>),
    Branch(Box<Branch>),
}

#[derive(Clone, Debug)]
struct Leaf {
    key: B256,
    value: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Extension {
    prefix: Nibbles,
    child: Slot,
}

#[derive(Clone, Debug, Default)]
struct Branch {
    children: [Slot; 16],
    /// Updates of the batch that last went through here.
    updates: usize,
}

fn nibble(key: &B256, index: usize) -> usize {
    let byte = key[index / 2];
    usize::from(if index.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
}

fn path_of(key: &B256, depth: usize) -> Nibbles {
    Nibbles::unpack_array(&key.0).slice(..depth)
}

fn child_path(path: &Nibbles, index: usize) -> Nibbles {
    let mut child_path = *path;
    child_path.push(index as u8);
    child_path
}

/// Number of nibbles, from `depth` on, that `a` and `b` share.
fn shared_nibbles(a: &B256, b: &B256, depth: usize) -> usize {
    (depth..64).take_while(|&index| nibble(a, index) == nibble(b, index)).count()
}

impl Slot {
    /// A node known by its hash.
    fn hashed(hash: &B256) -> Self {
        Self { reference: RlpNode::word_rlp(hash), node: None, dirty: false }
    }

    /// A new or changed node.
    fn dirty(node: Node) -> Self {
        Self { reference: RlpNode::default(), node: Some(node), dirty: true }
    }

    fn is_empty(&self) -> bool {
        self.node.is_none() && self.reference.is_empty()
    }

    /// What a parent's RLP holds here.
    fn as_rlp(&self) -> &[u8] {
        if self.is_empty() { &[alloy_rlp::EMPTY_STRING_CODE] } else { self.reference.as_slice() }
    }

    /// Records the RLP this clean node was stored with, if it has a place of its own.
    fn log_old(&self, path: &Nibbles, log: &mut Vec<PlacedNode>) {
        if let Some(node) = &self.node
            && !self.dirty
            && self.reference.is_hash()
        {
            log.push((*path, node.rlp(path.len()).into()));
        }
    }

    /// Loads the node if only its hash is known.
    fn load<S: NodeSource>(&mut self, path: &Nibbles, source: &S) -> Result<(), TrieError<S::Error>> {
        if self.node.is_none()
            && let Some(hash) = self.reference.as_hash()
        {
            let rlp = source.node(path, &hash).map_err(TrieError::Source)?;
            self.node = decode_node(path, &rlp)?;
        }
        Ok(())
    }
}

impl Node {
    /// RLP of a node at `depth` whose children's references are known.
    fn rlp(&self, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Leaf(leaf) => {
                let suffix = Nibbles::unpack_array(&leaf.key.0).slice(depth..);
                let leaf = LeafNodeRef::new(&suffix, &leaf.value);
                out.reserve_exact(leaf.length());
                leaf.encode(&mut out);
            }
            Self::Extension(extension) => {
                let extension = ExtensionNodeRef::new(&extension.prefix, extension.child.as_rlp());
                out.reserve_exact(extension.length());
                extension.encode(&mut out);
            }
            Self::Branch(branch) => {
                let payload_length =
                    1 + branch.children.iter().map(|child| child.as_rlp().len()).sum::<usize>();
                let header = alloy_rlp::Header { list: true, payload_length };
                out.reserve_exact(header.length_with_payload());
                header.encode(&mut out);
                branch.children.iter().for_each(|child| out.extend_from_slice(child.as_rlp()));
                out.push(alloy_rlp::EMPTY_STRING_CODE);
            }
        }
        out
    }
}

/// Decodes a node that stands at `path`; `None` for the empty trie.
fn decode_node<E>(path: &Nibbles, rlp: &[u8]) -> Result<Option<Node>, TrieError<E>> {
    let malformed = |reason| TrieError::Malformed { hash: keccak256(rlp), reason };
    let node = TrieNode::decode(&mut &rlp[..]).map_err(|_| malformed("not the RLP of a trie node"))?;
    match node {
        TrieNode::EmptyRoot => Ok(None),
        TrieNode::Leaf(leaf) => {
            let full = path.join(&leaf.key);
            if full.len() != 64 {
                return Err(malformed("leaf path is not 64 nibbles"));
            }
            let mut key = B256::ZERO;
            full.pack_to(key.as_mut_slice());
            Ok(Some(Node::Leaf(Box::new(Leaf { key, value: leaf.value }))))
        }
        TrieNode::Extension(extension) => {
            if extension.key.is_empty() || path.len() + extension.key.len() >= 64 {
                return Err(malformed("extension of a wrong length"));
            }
            let child = decode_reference(&path.join(&extension.key), &extension.child)?;
            Ok(Some(Node::Extension(Box::new(Extension { prefix: extension.key, child }))))
        }
        TrieNode::Branch(branch) => {
            if path.len() >= 64 {
                return Err(malformed("branch below the last nibble"));
            }
            let mut decoded = Branch::default();
            let mut stack = branch.stack.iter();
            for (index, slot) in decoded.children.iter_mut().enumerate() {
                if branch.state_mask.is_bit_set(index as u8) {
                    let child = stack.next().ok_or_else(|| malformed("branch without its children"))?;
                    *slot = decode_reference(&child_path(path, index), child)?;
                }
            }
            Ok(Some(Node::Branch(Box::new(decoded))))
        }
    }
}

fn decode_reference<E>(path: &Nibbles, reference: &RlpNode) -> Result<Slot, TrieError<E>> {
    let node = match reference.as_hash() {
        Some(_) => None,
        None => decode_node(path, reference.as_slice())?,
    };
    Ok(Slot { reference: reference.clone(), node, dirty: false })
}

/// Builds the sub-trie of sorted, distinct leaves below `depth`.
fn build(leaves: &mut [(B256, Vec<u8>)], depth: usize) -> Slot {
    match leaves {
        [] => Slot::default(),
        [(key, value)] => Slot::dirty(Node::Leaf(Box::new(Leaf { key: *key, value: mem::take(value) }))),
        [(first, _), .., (last, _)] => {
            let first = *first;
            let fork = depth + shared_nibbles(&first, last, depth);
            let mut branch = Branch { updates: leaves.len(), ..Branch::default() };
            let mut rest = leaves;
            while let Some((key, _)) = rest.first() {
                let index = nibble(key, fork);
                let end = rest.partition_point(|(key, _)| nibble(key, fork) <= index);
                let (group, after) = rest.split_at_mut(end);
                branch.children[index] = build(group, fork + 1);
                rest = after;
            }
            prefixed(
                Nibbles::unpack_array(&first.0).slice(depth..fork),
                Slot::dirty(Node::Branch(Box::new(branch))),
            )
        }
    }
}

/// Puts `prefix` before what stands in `slot`, keeping the trie canonical. A node that only its hash
/// names must be a branch.
fn prefixed(prefix: Nibbles, slot: Slot) -> Slot {
    if prefix.is_empty() || slot.is_empty() {
        return slot;
    }
    match slot.node {
        // A leaf's key is whole; only its RLP changes with its depth.
        Some(Node::Leaf(_)) => Slot { dirty: true, ..slot },
        Some(Node::Extension(extension)) => {
            let Extension { prefix: rest, child } = *extension;
            Slot::dirty(Node::Extension(Box::new(Extension { prefix: prefix.join(&rest), child })))
        }
        Some(Node::Branch(_)) | None => {
            Slot::dirty(Node::Extension(Box::new(Extension { prefix, child: slot })))
        }
    }
}

/// Applies sorted `updates`, which all share the first `depth` nibbles, to what stands there.
fn apply<S: NodeSource>(
    slot: &mut Slot,
    depth: usize,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<(), TrieError<S::Error>> {
    let (Some((first, _)), Some((last, _))) = (updates.first(), updates.last()) else { return Ok(()) };
    let path = path_of(first, depth);
    slot.load(&path, source)?;
    match slot.node.as_mut() {
        None => *slot = build(&mut inserted(updates), depth),
        Some(Node::Leaf(_)) => apply_leaf(slot, &path, updates, log),
        Some(Node::Extension(extension)) => {
            let prefix = &extension.prefix;
            let shared = shared_prefix(prefix, first, depth).min(shared_prefix(prefix, last, depth));
            slot.log_old(&path, log);
            apply_extension(slot, depth, shared, updates, source, log)?;
        }
        Some(Node::Branch(_)) => {
            slot.log_old(&path, log);
            apply_branch(slot, &path, updates, source, log)?;
        }
    }
    Ok(())
}

/// Number of nibbles of `prefix` that `key` goes along from `depth` on.
fn shared_prefix(prefix: &Nibbles, key: &B256, depth: usize) -> usize {
    (0..prefix.len())
        .take_while(|&index| prefix.get(index).map(usize::from) == Some(nibble(key, depth + index)))
        .count()
}

fn inserted(updates: &mut [Update]) -> Vec<(B256, Vec<u8>)> {
    updates.iter_mut().filter_map(|(key, value)| value.take().map(|value| (*key, value))).collect()
}

fn apply_leaf(slot: &mut Slot, path: &Nibbles, updates: &mut [Update], log: &mut Vec<PlacedNode>) {
    let Some(Node::Leaf(leaf)) = slot.node.as_ref() else { return };
    if let [(only, Some(new))] = updates
        && *only == leaf.key
    {
        if *new != leaf.value {
            slot.log_old(path, log);
            if let Some(Node::Leaf(leaf)) = slot.node.as_mut() {
                leaf.value = mem::take(new);
            }
            slot.dirty = true;
        }
        return;
    }
    let (key, replaced) = (leaf.key, updates.iter().any(|(updated, _)| *updated == leaf.key));
    let mut leaves = inserted(updates);
    if !replaced && leaves.is_empty() {
        return;
    }
    slot.log_old(path, log);
    if let (false, Some(Node::Leaf(leaf))) = (replaced, slot.node.as_mut()) {
        let position = leaves.partition_point(|(other, _)| *other < key);
        leaves.insert(position, (key, mem::take(&mut leaf.value)));
    }
    *slot = build(&mut leaves, path.len());
}

/// Applies updates to an extension already logged, the first `shared` nibbles of whose prefix they
/// all go along.
fn apply_extension<S: NodeSource>(
    slot: &mut Slot,
    depth: usize,
    shared: usize,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<(), TrieError<S::Error>> {
    let Some(Node::Extension(extension)) = mem::take(slot).node else { return Ok(()) };
    let Extension { prefix, mut child } = *extension;
    if shared < prefix.len() {
        // Some keys leave the extension's path: fork where the first of them does.
        let mut branch = Branch::default();
        branch.children[usize::from(prefix.get(shared).unwrap_or_default())] =
            prefixed(prefix.slice(shared + 1..), child);
        child = Slot::dirty(Node::Branch(Box::new(branch)));
    }
    apply(&mut child, depth + shared, updates, source, log)?;
    *slot = prefixed(prefix.slice(..shared), child);
    Ok(())
}

/// Applies updates to the children of a branch already logged.
fn apply_branch<S: NodeSource>(
    slot: &mut Slot,
    path: &Nibbles,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<(), TrieError<S::Error>> {
    slot.dirty = true;
    let Some(Node::Branch(branch)) = slot.node.as_mut() else { return Ok(()) };
    let depth = path.len();
    branch.updates = updates.len();
    #[cfg(feature = "std")]
    let in_parallel = branch.updates >= PARALLEL_UPDATES;
    #[cfg(not(feature = "std"))]
    let in_parallel = false;
    if in_parallel {
        #[cfg(feature = "std")]
        apply_children(branch, depth, updates, source, log)?;
    } else {
        let mut rest = updates;
        while let Some((key, _)) = rest.first() {
            let index = nibble(key, depth);
            let end = rest.partition_point(|(key, _)| nibble(key, depth) <= index);
            let (group, after) = rest.split_at_mut(end);
            apply(&mut branch.children[index], depth + 1, group, source, log)?;
            rest = after;
        }
    }
    collapse_branch(slot, path, source, log)
}

/// The children of a large batch, each by whatever thread is free.
#[cfg(feature = "std")]
fn apply_children<S: NodeSource>(
    branch: &mut Branch,
    depth: usize,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<(), TrieError<S::Error>> {
    use rayon::prelude::*;
    let mut groups: [&mut [Update]; 16] = Default::default();
    let mut rest = updates;
    for (index, group) in groups.iter_mut().enumerate() {
        let end = rest.partition_point(|(key, _)| nibble(key, depth) <= index);
        (*group, rest) = mem::take(&mut rest).split_at_mut(end);
    }
    let logs: Vec<Vec<PlacedNode>> = branch
        .children
        .par_iter_mut()
        .zip(groups)
        .map(|(child, group)| {
            let mut log = Vec::new();
            apply(child, depth + 1, group, source, &mut log).map(|()| log)
        })
        .collect::<Result<_, _>>()?;
    log.extend(logs.into_iter().flatten());
    Ok(())
}

/// Replaces a branch of fewer than two children by what is left of it.
fn collapse_branch<S: NodeSource>(
    slot: &mut Slot,
    path: &Nibbles,
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<(), TrieError<S::Error>> {
    let Some(Node::Branch(branch)) = slot.node.as_mut() else { return Ok(()) };
    let mut present = branch.children.iter().enumerate().filter(|(_, child)| !child.is_empty());
    let Some((index, _)) = present.next() else {
        *slot = Slot::default();
        return Ok(());
    };
    if present.next().is_some() {
        return Ok(());
    }
    let child_path = child_path(path, index);
    let mut child = mem::take(&mut branch.children[index]);
    child.load(&child_path, source)?;
    if matches!(child.node.as_ref(), Some(Node::Leaf(_) | Node::Extension(_))) {
        child.log_old(&child_path, log);
    }
    *slot = prefixed(child_path.slice(path.len()..), child);
    Ok(())
}

/// Hashes what is dirty at and below `slot`, appending the RLP of nodes with a place of their own.
///
/// Small sub-tries go level by level, deepest first, each level as one batch of independent hashes.
fn commit(slot: &mut Slot, path: Nibbles, writes: &mut Vec<PlacedNode>) {
    if !slot.dirty {
        return;
    }
    if let Some(Node::Branch(branch)) = slot.node.as_mut()
        && branch.updates > BATCH_UPDATES
    {
        commit_children(branch, &path, writes);
    }
    for level in (0..dirty_levels(slot)).rev() {
        let mut batch = Vec::new();
        encode_level(slot, path, level, &mut batch);
        let hashes = keccak256_many(&batch.iter().map(|(_, rlp)| rlp.as_slice()).collect::<Vec<_>>());
        let mut references = batch.iter().zip(&hashes).map(|((_, rlp), hash)| {
            if rlp.len() < 32 { RlpNode::from_rlp(rlp) } else { RlpNode::word_rlp(hash) }
        });
        set_level(slot, level, &mut references);
        writes.extend(
            batch.into_iter().filter(|(_, rlp)| rlp.len() >= 32).map(|(path, rlp)| (path, rlp.into())),
        );
    }
}

fn commit_children(branch: &mut Branch, path: &Nibbles, writes: &mut Vec<PlacedNode>) {
    #[cfg(feature = "std")]
    if branch.updates >= PARALLEL_UPDATES {
        use rayon::prelude::*;
        let parts: Vec<Vec<PlacedNode>> = branch
            .children
            .par_iter_mut()
            .enumerate()
            .map(|(index, child)| {
                let mut own = Vec::new();
                commit(child, child_path(path, index), &mut own);
                own
            })
            .collect();
        writes.extend(parts.into_iter().flatten());
        return;
    }
    for (index, child) in branch.children.iter_mut().enumerate() {
        commit(child, child_path(path, index), writes);
    }
}

/// How many levels of dirty nodes there are; a clean node hides only clean ones.
fn dirty_levels(slot: &Slot) -> usize {
    if !slot.dirty {
        return 0;
    }
    1 + match slot.node.as_ref() {
        Some(Node::Branch(branch)) => branch.children.iter().map(dirty_levels).max().unwrap_or_default(),
        Some(Node::Extension(extension)) => dirty_levels(&extension.child),
        Some(Node::Leaf(_)) | None => 0,
    }
}

/// RLP of the dirty nodes `level` levels below `slot`; what they hold is clean by now.
fn encode_level(slot: &Slot, path: Nibbles, level: usize, batch: &mut Vec<(Nibbles, Vec<u8>)>) {
    let Some(node) = slot.node.as_ref().filter(|_| slot.dirty) else { return };
    match (level, node) {
        (0, node) => batch.push((path, node.rlp(path.len()))),
        (_, Node::Branch(branch)) => {
            for (index, child) in branch.children.iter().enumerate().filter(|(_, child)| child.dirty) {
                encode_level(child, child_path(&path, index), level - 1, batch);
            }
        }
        (_, Node::Extension(extension)) => {
            encode_level(&extension.child, path.join(&extension.prefix), level - 1, batch);
        }
        (_, Node::Leaf(_)) => {}
    }
}

/// Gives the nodes that [`encode_level`] met their references, in the same order.
fn set_level(slot: &mut Slot, level: usize, references: &mut impl Iterator<Item = RlpNode>) {
    if !slot.dirty {
        return;
    }
    match (level, slot.node.as_mut()) {
        (0, _) => {
            slot.reference = references.next().unwrap_or_default();
            slot.dirty = false;
        }
        (_, Some(Node::Branch(branch))) => {
            branch.children.iter_mut().for_each(|child| set_level(child, level - 1, references));
        }
        (_, Some(Node::Extension(extension))) => set_level(&mut extension.child, level - 1, references),
        (_, Some(Node::Leaf(_)) | None) => {}
    }
}

impl Trie {
    /// The trie whose root hash is `root`; nothing of it is loaded.
    pub fn new(root: B256) -> Self {
        Self { root: if root == EMPTY_ROOT_HASH { Slot::default() } else { Slot::hashed(&root) } }
    }

    /// Applies `updates`, sorted by key and without repetition. The RLP of every node that had a
    /// place of its own and changed is appended to `old`. After an error the trie is unusable.
    pub fn update<S: NodeSource>(
        &mut self,
        updates: &mut [Update],
        source: &S,
        old: &mut Vec<PlacedNode>,
    ) -> Result<(), TrieError<S::Error>> {
        apply(&mut self.root, 0, updates, source, old)
    }

    /// Hashes what changed and returns the root; appends the RLP of every changed node that has a
    /// place of its own to `new`.
    pub fn commit(&mut self, new: &mut Vec<PlacedNode>) -> B256 {
        commit(&mut self.root, Nibbles::default(), new);
        match self.root.reference.as_hash() {
            Some(hash) => hash,
            None if self.root.is_empty() => EMPTY_ROOT_HASH,
            // A root is a hash however short its RLP is.
            None => keccak256(self.root.reference.as_slice()),
        }
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
            slot.load(&path_of(key, depth), source)?;
            match slot.node.as_mut() {
                None => return Ok(None),
                Some(Node::Leaf(leaf)) => return Ok((leaf.key == *key).then_some(&leaf.value)),
                Some(Node::Extension(extension)) => {
                    if shared_prefix(&extension.prefix, key, depth) < extension.prefix.len() {
                        return Ok(None);
                    }
                    depth += extension.prefix.len();
                    slot = &mut extension.child;
                }
                Some(Node::Branch(branch)) => {
                    slot = &mut branch.children[nibble(key, depth)];
                    depth += 1;
                }
            }
        }
    }

    /// RLP of the nodes from the root to `key`, or to where the trie shows that it holds no such
    /// key (EIP-1186). The trie must be committed.
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
            if depth == 0 || slot.reference.is_hash() {
                proof.push(node.rlp(depth).into());
            }
            match node {
                Node::Leaf(_) => break,
                Node::Extension(extension) => {
                    if shared_prefix(&extension.prefix, key, depth) < extension.prefix.len() {
                        break;
                    }
                    depth += extension.prefix.len();
                    slot = &extension.child;
                }
                Node::Branch(branch) => {
                    slot = &branch.children[nibble(key, depth)];
                    depth += 1;
                }
            }
        }
        Ok(proof)
    }

    /// Folds every committed node deeper than `depth` branches and extensions back into its hash,
    /// and returns how many nodes stay in memory.
    pub fn collapse(&mut self, depth: usize) -> usize {
        fn fold(slot: &mut Slot, depth: usize) -> usize {
            if depth == 0 && slot.reference.is_hash() && !slot.dirty {
                slot.node = None;
            }
            let depth = depth.saturating_sub(1);
            match slot.node.as_mut() {
                None => 0,
                Some(Node::Leaf(_)) => 1,
                Some(Node::Extension(extension)) => 1 + fold(&mut extension.child, depth),
                Some(Node::Branch(branch)) => {
                    1 + branch.children.iter_mut().map(|child| fold(child, depth)).sum::<usize>()
                }
            }
        }
        fold(&mut self.root, depth)
    }
}
