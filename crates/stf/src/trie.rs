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
    root: Node,
}

/// Number of updates in one sub-trie from which its children are worth separate threads.
#[cfg(feature = "std")]
const PARALLEL_UPDATES: usize = 512;

#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    /// Known by hash only.
    Hash(B256),
    Leaf(Box<Leaf>),
    Extension(Box<Extension>),
    Branch(Box<Branch>),
}

#[derive(Clone, Debug)]
struct Leaf {
    key: B256,
    value: Vec<u8>,
    /// Reference from the parent; `None` while dirty.
    reference: Option<RlpNode>,
}

#[derive(Clone, Debug)]
struct Extension {
    prefix: Nibbles,
    child: Node,
    reference: Option<RlpNode>,
}

#[derive(Clone, Debug)]
struct Branch {
    children: [Node; 16],
    reference: Option<RlpNode>,
    /// Deepest committed count of dirty descendants, to decide on threads.
    dirty_below: usize,
}

impl Branch {
    fn new(children: [Node; 16]) -> Self {
        Self { children, reference: None, dirty_below: 0 }
    }
}

fn nibble(key: &B256, index: usize) -> usize {
    let byte = key[index / 2];
    usize::from(if index.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
}

fn path_of(key: &B256, depth: usize) -> Nibbles {
    Nibbles::unpack_array(&key.0).slice(..depth)
}

/// Number of nibbles, from `depth` on, that `a` and `b` share.
fn shared_nibbles(a: &B256, b: &B256, depth: usize) -> usize {
    (depth..64).take_while(|&index| nibble(a, index) == nibble(b, index)).count()
}

impl Node {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether the reference a parent holds is known.
    fn is_clean(&self) -> bool {
        match self {
            Self::Empty | Self::Hash(_) => true,
            Self::Leaf(leaf) => leaf.reference.is_some(),
            Self::Extension(extension) => extension.reference.is_some(),
            Self::Branch(branch) => branch.reference.is_some(),
        }
    }

    /// The reference a parent holds, `None` while dirty.
    fn reference(&self) -> Option<RlpNode> {
        match self {
            Self::Empty => Some(RlpNode::from_rlp(&[alloy_rlp::EMPTY_STRING_CODE])),
            Self::Hash(hash) => Some(RlpNode::word_rlp(hash)),
            Self::Leaf(leaf) => leaf.reference.clone(),
            Self::Extension(extension) => extension.reference.clone(),
            Self::Branch(branch) => branch.reference.clone(),
        }
    }

    /// RLP of a node whose children are all clean, at `depth`.
    fn rlp(&self, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Empty => out.push(alloy_rlp::EMPTY_STRING_CODE),
            Self::Hash(hash) => hash.encode(&mut out),
            Self::Leaf(leaf) => {
                let suffix = Nibbles::unpack_array(&leaf.key.0).slice(depth..);
                let leaf = LeafNodeRef::new(&suffix, &leaf.value);
                out.reserve_exact(leaf.length());
                leaf.encode(&mut out);
            }
            Self::Extension(extension) => {
                let child = extension.child.reference().unwrap_or_default();
                ExtensionNodeRef::new(&extension.prefix, child.as_slice()).encode(&mut out);
            }
            Self::Branch(branch) => encode_branch(branch, &mut out),
        }
        out
    }

    /// Records the RLP this clean node was stored with, if it has a place of its own.
    fn log_old(&self, path: Nibbles, log: &mut Vec<PlacedNode>) {
        if self.reference().is_some_and(|reference| reference.is_hash()) {
            log.push((path, self.rlp(path.len()).into()));
        }
    }
}

fn encode_branch(branch: &Branch, out: &mut Vec<u8>) {
    let payload: usize = 1 + branch
        .children
        .iter()
        .map(|child| match child {
            Node::Empty => 1,
            Node::Hash(_) => 33,
            other => other.reference().map_or(1, |reference| reference.as_slice().len()),
        })
        .sum::<usize>();
    let header = alloy_rlp::Header { list: true, payload_length: payload };
    out.reserve_exact(header.length_with_payload());
    header.encode(out);
    for child in &branch.children {
        match child {
            Node::Empty => out.push(alloy_rlp::EMPTY_STRING_CODE),
            Node::Hash(hash) => hash.encode(out),
            other => {
                if let Some(reference) = other.reference() {
                    out.extend_from_slice(reference.as_slice());
                }
            }
        }
    }
    out.push(alloy_rlp::EMPTY_STRING_CODE);
}

/// Decodes a node that stands at `path`.
fn decode_node<E>(path: &Nibbles, rlp: &[u8], reference: RlpNode) -> Result<Node, TrieError<E>> {
    let malformed = |reason| TrieError::Malformed { hash: keccak256(rlp), reason };
    let node = TrieNode::decode(&mut &rlp[..]).map_err(|_| malformed("not the RLP of a trie node"))?;
    match node {
        TrieNode::EmptyRoot => Ok(Node::Empty),
        TrieNode::Leaf(leaf) => {
            let full = path.join(&leaf.key);
            if full.len() != 64 {
                return Err(malformed("leaf path is not 64 nibbles"));
            }
            let mut key = B256::ZERO;
            full.pack_to(key.as_mut_slice());
            Ok(Node::Leaf(Box::new(Leaf { key, value: leaf.value, reference: Some(reference) })))
        }
        TrieNode::Extension(extension) => {
            if extension.key.is_empty() || path.len() + extension.key.len() >= 64 {
                return Err(malformed("extension of a wrong length"));
            }
            let child = decode_reference(&path.join(&extension.key), &extension.child)?;
            Ok(Node::Extension(Box::new(Extension {
                prefix: extension.key,
                child,
                reference: Some(reference),
            })))
        }
        TrieNode::Branch(branch) => {
            if path.len() >= 64 {
                return Err(malformed("branch below the last nibble"));
            }
            let mut children: [Node; 16] = Default::default();
            let mut stack = branch.stack.iter();
            for (index, slot) in children.iter_mut().enumerate() {
                if branch.state_mask.is_bit_set(index as u8) {
                    let child = stack.next().ok_or_else(|| malformed("branch without its children"))?;
                    let mut child_path = *path;
                    child_path.push(index as u8);
                    *slot = decode_reference(&child_path, child)?;
                }
            }
            Ok(Node::Branch(Box::new(Branch { children, reference: Some(reference), dirty_below: 0 })))
        }
    }
}

fn decode_reference<E>(path: &Nibbles, reference: &RlpNode) -> Result<Node, TrieError<E>> {
    match reference.as_hash() {
        Some(hash) => Ok(Node::Hash(hash)),
        None => decode_node(path, reference.as_slice(), reference.clone()),
    }
}

fn load<S: NodeSource>(path: &Nibbles, hash: &B256, source: &S) -> Result<Node, TrieError<S::Error>> {
    let rlp = source.node(path, hash).map_err(TrieError::Source)?;
    decode_node(path, &rlp, RlpNode::word_rlp(hash))
}

/// Builds the sub-trie of sorted, distinct leaves below `depth`.
fn build(leaves: &mut [(B256, Vec<u8>)], depth: usize) -> Node {
    match leaves {
        [] => Node::Empty,
        [(key, value)] => Node::Leaf(Box::new(Leaf { key: *key, value: mem::take(value), reference: None })),
        [(first, _), .., (last, _)] => {
            let first = *first;
            let shared = shared_nibbles(&first, last, depth);
            let fork = depth + shared;
            let mut children: [Node; 16] = Default::default();
            let mut rest = leaves;
            while let Some((key, _)) = rest.first() {
                let index = nibble(key, fork);
                let end = rest.partition_point(|(key, _)| nibble(key, fork) <= index);
                let (group, after) = rest.split_at_mut(end);
                children[index] = build(group, fork + 1);
                rest = after;
            }
            let branch = Node::Branch(Box::new(Branch::new(children)));
            prefixed(Nibbles::unpack_array(&first.0).slice(depth..fork), branch)
        }
    }
}

/// Puts `prefix` before `node`, keeping the trie canonical.
fn prefixed(prefix: Nibbles, node: Node) -> Node {
    if prefix.is_empty() {
        return node;
    }
    match node {
        Node::Empty => Node::Empty,
        Node::Leaf(mut leaf) => {
            leaf.reference = None;
            Node::Leaf(leaf)
        }
        Node::Extension(extension) => Node::Extension(Box::new(Extension {
            prefix: prefix.join(&extension.prefix),
            child: extension.child,
            reference: None,
        })),
        child @ (Node::Branch(_) | Node::Hash(_)) => {
            Node::Extension(Box::new(Extension { prefix, child, reference: None }))
        }
    }
}

/// Applies sorted `updates`, which all share the first `depth` nibbles, to `node` at that path.
fn apply<S: NodeSource>(
    node: Node,
    depth: usize,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<Node, TrieError<S::Error>> {
    let Some((first, _)) = updates.first() else { return Ok(node) };
    let first = *first;
    match node {
        Node::Empty => Ok(build(&mut inserted(updates), depth)),
        Node::Hash(hash) => {
            let loaded = load(&path_of(&first, depth), &hash, source)?;
            apply(loaded, depth, updates, source, log)
        }
        Node::Leaf(leaf) => Ok(apply_leaf(leaf, depth, updates, log)),
        Node::Extension(extension) => apply_extension(extension, depth, updates, source, log),
        Node::Branch(branch) => {
            if branch.reference.is_some() {
                let node = Node::Branch(branch);
                node.log_old(path_of(&first, depth), log);
                let Node::Branch(mut branch) = node else { return Ok(node) };
                branch.reference = None;
                apply_branch(branch, depth, updates, source, log)
            } else {
                apply_branch(branch, depth, updates, source, log)
            }
        }
    }
}

fn inserted(updates: &mut [Update]) -> Vec<(B256, Vec<u8>)> {
    updates.iter_mut().filter_map(|(key, value)| value.take().map(|value| (*key, value))).collect()
}

fn apply_leaf(mut leaf: Box<Leaf>, depth: usize, updates: &mut [Update], log: &mut Vec<PlacedNode>) -> Node {
    let path = path_of(&leaf.key, depth);
    let replaced = updates.iter().any(|(key, _)| *key == leaf.key);
    let mut leaves = inserted(updates);
    if !replaced && leaves.is_empty() {
        return Node::Leaf(leaf);
    }
    if let [(key, value)] = leaves.as_mut_slice()
        && *key == leaf.key
    {
        if *value != leaf.value {
            Node::log_old(&Node::Leaf(leaf.clone()), path, log);
            leaf.value = mem::take(value);
            leaf.reference = None;
        }
        return Node::Leaf(leaf);
    }
    let old = Node::Leaf(leaf);
    old.log_old(path, log);
    if let (false, Node::Leaf(leaf)) = (replaced, old) {
        let position = leaves.partition_point(|(key, _)| *key < leaf.key);
        leaves.insert(position, (leaf.key, leaf.value));
    }
    build(&mut leaves, depth)
}

fn apply_extension<S: NodeSource>(
    extension: Box<Extension>,
    depth: usize,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<Node, TrieError<S::Error>> {
    let (Some((first, _)), Some((last, _))) = (updates.first(), updates.last()) else {
        return Ok(Node::Extension(extension));
    };
    let path = path_of(first, depth);
    let shared_with = |key: &B256| {
        (0..extension.prefix.len())
            .take_while(|&index| {
                extension.prefix.get(index).map(usize::from) == Some(nibble(key, depth + index))
            })
            .count()
    };
    let shared = shared_with(first).min(shared_with(last));
    let old = Node::Extension(extension);
    old.log_old(path, log);
    let Node::Extension(extension) = old else { return Ok(old) };
    let Extension { prefix, child, .. } = *extension;
    if shared == prefix.len() {
        let child = apply(child, depth + shared, updates, source, log)?;
        return Ok(prefixed(prefix, child));
    }
    // Some keys leave the extension's path: fork where the first of them does.
    let below = prefixed(prefix.slice(shared + 1..), child);
    let mut children: [Node; 16] = Default::default();
    children[usize::from(prefix.get(shared).unwrap_or_default())] = below;
    let fork = apply_branch(Box::new(Branch::new(children)), depth + shared, updates, source, log)?;
    Ok(prefixed(prefix.slice(..shared), fork))
}

/// Applies updates to the children of a branch already marked dirty and logged.
fn apply_branch<S: NodeSource>(
    mut branch: Box<Branch>,
    depth: usize,
    updates: &mut [Update],
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<Node, TrieError<S::Error>> {
    let Some((first, _)) = updates.first() else { return Ok(Node::Branch(branch)) };
    let path = path_of(first, depth);
    branch.dirty_below = updates.len();
    let mut groups: Vec<(usize, Node, &mut [Update])> = Vec::with_capacity(16);
    let mut rest = updates;
    while let Some((key, _)) = rest.first() {
        let index = nibble(key, depth);
        let end = rest.partition_point(|(key, _)| nibble(key, depth) <= index);
        let (group, after) = rest.split_at_mut(end);
        groups.push((index, mem::take(&mut branch.children[index]), group));
        rest = after;
    }
    #[cfg(feature = "std")]
    if branch.dirty_below >= PARALLEL_UPDATES {
        use rayon::prelude::*;
        let results: Vec<_> = groups
            .into_par_iter()
            .map(|(index, child, group)| {
                let mut own_log = Vec::new();
                let child = apply(child, depth + 1, group, source, &mut own_log)?;
                Ok((index, child, own_log))
            })
            .collect::<Result<_, TrieError<S::Error>>>()?;
        for (index, child, mut own_log) in results {
            branch.children[index] = child;
            log.append(&mut own_log);
        }
        return collapse_branch(branch, path, source, log);
    }
    for (index, child, group) in groups {
        branch.children[index] = apply(child, depth + 1, group, source, log)?;
    }
    collapse_branch(branch, path, source, log)
}

/// Replaces a branch of fewer than two children by what is left of it.
fn collapse_branch<S: NodeSource>(
    mut branch: Box<Branch>,
    path: Nibbles,
    source: &S,
    log: &mut Vec<PlacedNode>,
) -> Result<Node, TrieError<S::Error>> {
    let mut present = branch.children.iter().enumerate().filter(|(_, child)| !child.is_empty());
    let Some((index, _)) = present.next() else { return Ok(Node::Empty) };
    if present.next().is_some() {
        return Ok(Node::Branch(branch));
    }
    let mut child_path = path;
    child_path.push(index as u8);
    let child = match mem::take(&mut branch.children[index]) {
        Node::Hash(hash) => load(&child_path, &hash, source)?,
        child => child,
    };
    if matches!(child, Node::Leaf(_) | Node::Extension(_)) {
        child.log_old(child_path, log);
    }
    Ok(prefixed(child_path.slice(path.len()..), child))
}

/// Hashes what is dirty at and below `node`, appending the RLP of nodes with a place of their own.
/// The deepest level goes first, each level as one batch of independent hashes.
fn commit(node: &mut Node, path: Nibbles, writes: &mut Vec<PlacedNode>) {
    if node.is_clean() {
        return;
    }
    #[cfg(feature = "std")]
    if let Node::Branch(branch) = node
        && branch.dirty_below >= PARALLEL_UPDATES
    {
        commit_children(branch, &path, writes);
    }
    for level in (0..dirty_levels(node)).rev() {
        let mut batch = Vec::new();
        encode_level(node, path, level, &mut batch);
        let hashes = keccak256_many(&batch.iter().map(|(_, rlp)| rlp.as_slice()).collect::<Vec<_>>());
        let mut references = batch.iter().zip(&hashes).map(|((_, rlp), hash)| {
            if rlp.len() < 32 { RlpNode::from_rlp(rlp) } else { RlpNode::word_rlp(hash) }
        });
        set_level(node, level, &mut references);
        writes.extend(
            batch.into_iter().filter(|(_, rlp)| rlp.len() >= 32).map(|(path, rlp)| (path, rlp.into())),
        );
    }
}

#[cfg(feature = "std")]
fn commit_children(branch: &mut Branch, path: &Nibbles, writes: &mut Vec<PlacedNode>) {
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
    parts.into_iter().for_each(|mut part| writes.append(&mut part));
}

fn child_path(path: &Nibbles, index: usize) -> Nibbles {
    let mut child_path = *path;
    child_path.push(index as u8);
    child_path
}

/// How many levels of dirty nodes there are; a clean node hides only clean ones.
fn dirty_levels(node: &Node) -> usize {
    match node {
        node if node.is_clean() => 0,
        Node::Branch(branch) => 1 + branch.children.iter().map(dirty_levels).max().unwrap_or_default(),
        Node::Extension(extension) => 1 + dirty_levels(&extension.child),
        Node::Leaf(_) | Node::Empty | Node::Hash(_) => 1,
    }
}

/// RLP of the dirty nodes `level` levels below `node`; what they hold is clean by now.
fn encode_level(node: &Node, path: Nibbles, level: usize, batch: &mut Vec<(Nibbles, Vec<u8>)>) {
    if node.is_clean() {
        return;
    }
    match (level, node) {
        (0, node) => batch.push((path, node.rlp(path.len()))),
        (_, Node::Branch(branch)) => {
            for (index, child) in branch.children.iter().enumerate().filter(|(_, child)| !child.is_clean()) {
                encode_level(child, child_path(&path, index), level - 1, batch);
            }
        }
        (_, Node::Extension(extension)) => {
            encode_level(&extension.child, path.join(&extension.prefix), level - 1, batch);
        }
        (_, Node::Leaf(_) | Node::Empty | Node::Hash(_)) => {}
    }
}

/// Gives the nodes that [`encode_level`] met their references, in the same order.
fn set_level(node: &mut Node, level: usize, references: &mut impl Iterator<Item = RlpNode>) {
    if node.is_clean() {
        return;
    }
    if level > 0 {
        match node {
            Node::Branch(branch) => {
                branch.children.iter_mut().for_each(|child| set_level(child, level - 1, references));
            }
            Node::Extension(extension) => set_level(&mut extension.child, level - 1, references),
            Node::Leaf(_) | Node::Empty | Node::Hash(_) => {}
        }
        return;
    }
    let reference = references.next();
    match node {
        Node::Leaf(leaf) => leaf.reference = reference,
        Node::Extension(extension) => extension.reference = reference,
        Node::Branch(branch) => branch.reference = reference,
        Node::Empty | Node::Hash(_) => {}
    }
}

impl Trie {
    /// The trie whose root hash is `root`; nothing of it is loaded.
    pub fn new(root: B256) -> Self {
        Self { root: if root == EMPTY_ROOT_HASH { Node::Empty } else { Node::Hash(root) } }
    }

    /// Applies `updates`, sorted by key and without repetition. The RLP of every node that had a
    /// place of its own and changed is appended to `old`. After an error the trie is unusable.
    pub fn update<S: NodeSource>(
        &mut self,
        updates: &mut [Update],
        source: &S,
        old: &mut Vec<PlacedNode>,
    ) -> Result<(), TrieError<S::Error>> {
        self.root = apply(mem::take(&mut self.root), 0, updates, source, old)?;
        Ok(())
    }

    /// Hashes what changed and returns the root; appends the RLP of every changed node that has a
    /// place of its own to `new`.
    pub fn commit(&mut self, new: &mut Vec<PlacedNode>) -> B256 {
        commit(&mut self.root, Nibbles::default(), new);
        match &self.root {
            Node::Empty => EMPTY_ROOT_HASH,
            Node::Hash(hash) => *hash,
            node => node
                .reference()
                .and_then(|reference| reference.as_hash())
                .unwrap_or_else(|| keccak256(node.rlp(0))),
        }
    }

    /// The value at `key`, loading the nodes on its path.
    pub fn get<S: NodeSource>(
        &mut self,
        key: &B256,
        source: &S,
    ) -> Result<Option<&[u8]>, TrieError<S::Error>> {
        let mut depth = 0;
        let mut node = &mut self.root;
        loop {
            if let Node::Hash(hash) = node {
                *node = load(&path_of(key, depth), hash, source)?;
            }
            match node {
                Node::Empty | Node::Hash(_) => return Ok(None),
                Node::Leaf(leaf) => return Ok((leaf.key == *key).then_some(&leaf.value)),
                Node::Extension(extension) => {
                    let end = depth + extension.prefix.len();
                    if path_of(key, end).slice(depth..) != extension.prefix {
                        return Ok(None);
                    }
                    depth = end;
                    node = &mut extension.child;
                }
                Node::Branch(branch) => {
                    node = &mut branch.children[nibble(key, depth)];
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
        let mut node = &self.root;
        loop {
            // A node shorter than 32 bytes is already inside its parent.
            if !node.is_empty() && (depth == 0 || node.reference().is_some_and(|r| r.is_hash())) {
                proof.push(node.rlp(depth).into());
            }
            match node {
                Node::Empty | Node::Hash(_) | Node::Leaf(_) => return Ok(proof),
                Node::Extension(extension) => {
                    let end = depth + extension.prefix.len();
                    if path_of(key, end).slice(depth..) != extension.prefix {
                        return Ok(proof);
                    }
                    depth = end;
                    node = &extension.child;
                }
                Node::Branch(branch) => {
                    node = &branch.children[nibble(key, depth)];
                    depth += 1;
                }
            }
        }
    }

    /// Folds every committed node deeper than `depth` branches and extensions back into its hash,
    /// and returns how many nodes stay in memory.
    pub fn collapse(&mut self, depth: usize) -> usize {
        fn fold(node: &mut Node, depth: usize) -> usize {
            if depth == 0
                && let Some(hash) = node.reference().and_then(|reference| reference.as_hash())
            {
                *node = Node::Hash(hash);
                return 0;
            }
            let depth = depth.saturating_sub(1);
            match node {
                Node::Empty | Node::Hash(_) => 0,
                Node::Leaf(_) => 1,
                Node::Extension(extension) => 1 + fold(&mut extension.child, depth),
                Node::Branch(branch) => {
                    1 + branch.children.iter_mut().map(|child| fold(child, depth)).sum::<usize>()
                }
            }
        }
        fold(&mut self.root, depth)
    }
}
