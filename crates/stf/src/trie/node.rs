//! A trie's nodes in memory, and to and from RLP.

use alloc::{boxed::Box, vec::Vec};

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{Decodable, EMPTY_STRING_CODE, Encodable};
use alloy_trie::{
    Nibbles,
    nodes::{RlpNode, TrieNode},
};

use super::{NodeSource, TrieError};
use crate::node_rlp::{
    HASH_REFERENCE_LENGTH, hash_reference, nibble, put_branch_head, put_extension_head, put_leaf_head,
    put_nothing,
};

/// What a parent holds of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// There is no node.
    #[default]
    Empty,
    /// A hash; the node may be in memory or not.
    Hashed,
    /// The node itself, shorter than a hash.
    Inline,
    /// Not known: the node changed since it was last hashed.
    Dirty,
}

/// A place in the trie: what its parent holds of it and, if loaded, the node.
///
/// The hash stands beside the pointer, so a parent is encoded without looking at its children. A slot
/// takes one cache line.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// Meaningful where the state is [`State::Hashed`].
    pub(super) hash: B256,
    pub(super) node: Option<Node>,
    pub(super) state: State,
}

/// A loaded node.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Leaf),
    Extension(Box<Extension>),
    Branch {
        /// Which of the sixteen children there are.
        present: u16,
        /// Those, in order.
        children: Box<[Slot]>,
    },
}

/// A leaf: its whole key, then its value. So it is the same at whatever depth it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaf(Box<[u8]>);

#[derive(Clone, Debug)]
pub(super) struct Extension {
    /// A key that goes through here.
    pub(super) key: B256,
    /// Depth of the child; the nibbles up to there are the extension's.
    pub(super) end: usize,
    pub(super) child: Slot,
}

impl Leaf {
    pub(super) fn new(key: &B256, value: &impl Encodable) -> Self {
        let mut bytes = Vec::with_capacity(32 + value.length());
        bytes.extend_from_slice(key.as_slice());
        value.encode(&mut bytes);
        Self(bytes.into_boxed_slice())
    }

    fn of_rlp(key: &B256, value: &[u8]) -> Self {
        Self([key.as_slice(), value].concat().into_boxed_slice())
    }

    pub(super) fn key(&self) -> &B256 {
        // The empty leaf is only what `mem::take` leaves behind.
        self.0.first_chunk().map_or(&B256::ZERO, |key: &[u8; 32]| key.into())
    }

    pub(super) fn value(&self) -> &[u8] {
        self.0.get(32..).unwrap_or_default()
    }
}

/// Where child `index` is among those present.
pub(super) fn position(present: u16, index: usize) -> Option<usize> {
    (present >> index & 1 == 1).then(|| rank(present, index))
}

/// Number of children before `index`.
pub(super) fn rank(present: u16, index: usize) -> usize {
    (present & ((1 << index) - 1)).count_ones() as usize
}

/// Indices of the children present.
pub(super) fn indices(present: u16) -> impl Iterator<Item = usize> {
    (0..16).filter(move |index| present >> index & 1 == 1)
}

/// The first nibbles of a key as a path.
pub(super) fn path_of(key: &B256, depth: usize) -> Nibbles {
    Nibbles::unpack_array(&key.0).slice(..depth)
}

/// A key with another nibble at `depth`.
pub(super) fn child_key(key: &B256, depth: usize, index: usize) -> B256 {
    let mut child = *key;
    let byte = &mut child.0[depth / 2];
    *byte =
        if depth.is_multiple_of(2) { *byte & 0x0f | (index as u8) << 4 } else { *byte & 0xf0 | index as u8 };
    child
}

/// The depth from `from` to `to` up to which two keys go together.
pub(super) fn shared_nibbles(a: &B256, b: &B256, from: usize, to: usize) -> usize {
    (from..to).find(|&index| nibble(&a.0, index) != nibble(&b.0, index)).unwrap_or(to)
}

impl Slot {
    /// A node known by its hash.
    pub(super) fn hashed(hash: B256) -> Self {
        Self { hash, node: None, state: State::Hashed }
    }

    /// A new or changed node.
    pub(super) fn dirty(node: Node) -> Self {
        Self { hash: B256::ZERO, node: Some(node), state: State::Dirty }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Loads the node, to which the first `depth` nibbles of `key` lead, if only its hash is known.
    pub(super) fn load<S: NodeSource>(
        &mut self,
        key: &B256,
        depth: usize,
        source: &S,
    ) -> Result<(), TrieError<S::Error>> {
        if self.node.is_none() && self.state == State::Hashed {
            let path = path_of(key, depth);
            let rlp = source.node(&path, &self.hash).map_err(TrieError::Source)?;
            self.node = decode_node(&path, &rlp)?;
            if self.node.is_none() {
                *self = Self::default();
            }
        }
        Ok(())
    }

    /// Length of what a parent holds of this clean node at `depth`.
    fn reference_length(&self, depth: usize) -> usize {
        match (self.state, &self.node) {
            (State::Inline, Some(node)) => node.rlp(depth).len(),
            _ => HASH_REFERENCE_LENGTH,
        }
    }

    fn put_reference(&self, depth: usize, out: &mut Vec<u8>) {
        match (self.state, &self.node) {
            (State::Inline, Some(node)) => node.encode(depth, out),
            _ => out.extend_from_slice(&hash_reference(&self.hash)),
        }
    }
}

impl Node {
    /// RLP of a node at `depth` whose children are clean.
    pub(super) fn rlp(&self, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(depth, &mut out);
        out
    }

    /// Appends [`Self::rlp`].
    pub(super) fn encode(&self, depth: usize, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(leaf) => {
                put_leaf_head(out, &leaf.key().0, depth, 64, leaf.value());
                out.extend_from_slice(leaf.value());
            }
            Self::Extension(extension) => {
                let Extension { key, end, child } = &**extension;
                put_extension_head(out, &key.0, depth, *end, child.reference_length(*end));
                child.put_reference(*end, out);
            }
            Self::Branch { present, children } => {
                if children.iter().any(|child| child.state == State::Inline) {
                    return encode_mixed_branch(*present, children, depth, out);
                }
                let mut references = [EMPTY_STRING_CODE; 16 * HASH_REFERENCE_LENGTH + 1];
                let mut at = 0;
                let mut rest = children.iter();
                for index in 0..16 {
                    if present >> index & 1 == 1
                        && let Some(child) = rest.next()
                        && let Some(reference) = references[at..].first_chunk_mut()
                    {
                        *reference = hash_reference(&child.hash);
                        at += HASH_REFERENCE_LENGTH;
                    } else {
                        at += 1;
                    }
                }
                put_branch_head(out, at);
                out.extend_from_slice(&references[..=at]);
            }
        }
    }
}

/// RLP of a branch some of whose children are inside it.
fn encode_mixed_branch(present: u16, children: &[Slot], depth: usize, out: &mut Vec<u8>) {
    let length = children.iter().map(|child| child.reference_length(depth + 1)).sum::<usize>();
    put_branch_head(out, length + 16 - children.len());
    let mut rest = children.iter();
    for index in 0..16 {
        match (present >> index & 1 == 1).then(|| rest.next()).flatten() {
            Some(child) => child.put_reference(depth + 1, out),
            None => put_nothing(out),
        }
    }
    put_nothing(out);
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
            Ok(Some(Node::Leaf(Leaf::of_rlp(&key_of(&full), &leaf.value))))
        }
        TrieNode::Extension(extension) => {
            if extension.key.is_empty() || path.len() + extension.key.len() >= 64 {
                return Err(malformed("extension of a wrong length"));
            }
            let full = path.join(&extension.key);
            let child = decode_reference(&full, &extension.child)?;
            let (key, end) = (key_of(&full), full.len());
            Ok(Some(Node::Extension(Box::new(Extension { key, end, child }))))
        }
        TrieNode::Branch(branch) => {
            if path.len() >= 64 {
                return Err(malformed("branch below the last nibble"));
            }
            let present = branch.state_mask.get();
            let mut children = Vec::with_capacity(present.count_ones() as usize);
            let mut stack = branch.stack.iter();
            for index in indices(present) {
                let child = stack.next().ok_or_else(|| malformed("branch without its children"))?;
                let mut child_path = *path;
                child_path.push(index as u8);
                children.push(decode_reference(&child_path, child)?);
            }
            Ok(Some(Node::Branch { present, children: children.into_boxed_slice() }))
        }
    }
}

fn key_of(path: &Nibbles) -> B256 {
    let mut key = B256::ZERO;
    path.pack_to(key.as_mut_slice());
    key
}

fn decode_reference<E>(path: &Nibbles, reference: &RlpNode) -> Result<Slot, TrieError<E>> {
    if let Some(hash) = reference.as_hash() {
        return Ok(Slot::hashed(hash));
    }
    let node = decode_node(path, reference.as_slice())?;
    let hash = keccak256(reference.as_slice());
    if node.is_none() {
        return Err(TrieError::Malformed { hash, reason: "a child that is no node" });
    }
    Ok(Slot { hash: B256::ZERO, node, state: State::Inline })
}
