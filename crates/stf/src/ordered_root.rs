//! Root of a list: the Merkle-Patricia trie whose keys are RLP-encoded positions, as headers take it
//! for transactions and receipts.
//!
//! The trie is built in memory and hashed level by level, each level as one batch.

use alloc::{boxed::Box, vec, vec::Vec};

use alloy_primitives::B256;
use alloy_rlp::Encodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};

use crate::keccak::keccak256_many;

enum Node {
    /// What is left of the key, and the position of the value.
    Leaf(Nibbles, usize),
    Extension(Nibbles, usize),
    Branch(Box<[Option<usize>; 16]>),
}

/// A trie being built: nodes by height, children before parents.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Indices of nodes by height; leaves have height 0.
    levels: Vec<Vec<usize>>,
}

impl Builder {
    fn push(&mut self, node: Node, height: usize) -> (usize, usize) {
        let index = self.nodes.len();
        self.nodes.push(node);
        if self.levels.len() <= height {
            self.levels.resize_with(height + 1, Vec::new);
        }
        self.levels[height].push(index);
        (index, height)
    }

    /// Builds the trie of sorted keys below `depth`; answers its node and height.
    fn build(&mut self, keys: &[(Nibbles, usize)], depth: usize) -> (usize, usize) {
        let (Some((first, position)), Some((last, _))) = (keys.first(), keys.last()) else {
            return self.push(Node::Branch(Box::new([None; 16])), 0);
        };
        if keys.len() == 1 {
            return self.push(Node::Leaf(first.slice(depth..), *position), 0);
        }
        let fork = first.common_prefix_length(last);
        let mut children = [None; 16];
        let (mut rest, mut height) = (keys, 0);
        while let Some((key, _)) = rest.first() {
            let nibble = key.get(fork);
            let end = rest.partition_point(|(key, _)| key.get(fork) <= nibble);
            let (child, child_height) = self.build(&rest[..end], fork + 1);
            if let Some(slot) = children.get_mut(usize::from(nibble.unwrap_or_default())) {
                *slot = Some(child);
            }
            height = height.max(child_height + 1);
            rest = &rest[end..];
        }
        let (branch, height) = self.push(Node::Branch(Box::new(children)), height);
        if fork == depth {
            return (branch, height);
        }
        self.push(Node::Extension(first.slice(depth..fork), branch), height + 1)
    }
}

/// Root of the trie that holds `values` by position.
pub fn ordered_root<T: AsRef<[u8]>>(values: &[T]) -> B256 {
    if values.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut keys: Vec<(Nibbles, usize)> =
        (0..values.len()).map(|position| (Nibbles::unpack(alloy_rlp::encode(position)), position)).collect();
    // Positions are in key order already, but for the first: RLP writes 0 as 0x80.
    let at = keys.partition_point(|(_, position)| *position < 128);
    keys[..at].rotate_left(1);
    let mut builder = Builder::default();
    builder.build(&keys, 0);
    let Builder { nodes, levels } = builder;
    let mut references = vec![RlpNode::default(); nodes.len()];
    let mut root = EMPTY_ROOT_HASH;
    for level in levels {
        let encoded: Vec<Vec<u8>> =
            level.iter().map(|&index| encode(&nodes[index], values, &references)).collect();
        let hashes = keccak256_many(&encoded);
        for ((index, rlp), hash) in level.into_iter().zip(encoded).zip(hashes) {
            references[index] =
                if rlp.len() < 32 { RlpNode::from_rlp(&rlp) } else { RlpNode::word_rlp(&hash) };
            root = hash;
        }
    }
    root
}

fn encode<T: AsRef<[u8]>>(node: &Node, values: &[T], references: &[RlpNode]) -> Vec<u8> {
    match node {
        Node::Leaf(suffix, position) => {
            let leaf = LeafNodeRef::new(suffix, values[*position].as_ref());
            let mut out = Vec::with_capacity(leaf.length());
            leaf.encode(&mut out);
            out
        }
        Node::Extension(prefix, child) => {
            let extension = ExtensionNodeRef::new(prefix, references[*child].as_slice());
            let mut out = Vec::with_capacity(extension.length());
            extension.encode(&mut out);
            out
        }
        Node::Branch(children) => {
            let empty = [alloy_rlp::EMPTY_STRING_CODE];
            let child =
                |child: &Option<usize>| child.map_or(&empty[..], |index| references[index].as_slice());
            let payload_length = 1 + children.iter().map(|slot| child(slot).len()).sum::<usize>();
            let header = alloy_rlp::Header { list: true, payload_length };
            let mut out = Vec::with_capacity(header.length_with_payload());
            header.encode(&mut out);
            children.iter().for_each(|slot| out.extend_from_slice(child(slot)));
            out.extend_from_slice(&empty);
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_root_sizes_equal_reference() {
        for count in (0..300).chain([1000, 65_535, 65_537]) {
            let values: Vec<Vec<u8>> = (0..count).map(|i: usize| vec![i as u8; 1 + i % 70]).collect();
            let expected = alloy_trie::root::ordered_trie_root_with_encoder(&values, |value, out| {
                out.extend_from_slice(value)
            });
            assert_eq!(ordered_root(&values), expected, "{count} values");
        }
    }
}
