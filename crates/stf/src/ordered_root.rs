//! Root of a list: the Merkle-Patricia trie whose keys are RLP-encoded positions, as headers take it
//! for transactions and receipts.
//!
//! Keys are known before values, so the shape of the trie comes first. Leaves are then written and
//! hashed some at a time, so that they never leave the processor's cache, and the nodes above them
//! level by level.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use alloy_primitives::{B256, keccak256};
use alloy_rlp::EMPTY_STRING_CODE;
use alloy_trie::{EMPTY_ROOT_HASH, nodes::RlpNode};

use crate::{
    keccak::keccak256_each,
    node_rlp::{HASHED_LENGTH, nibble, put_branch_head, put_extension_head, put_leaf_head, put_nothing},
};

/// Leaves hashed at a time.
const LEAVES: usize = 64;
/// Room before a value for the head of its leaf: three headers of at most 9 bytes and a path.
const LEAF_HEAD: usize = 40;
/// No child.
const NONE: usize = usize::MAX;

/// RLP of a position.
#[derive(Clone, Copy)]
struct Key {
    bytes: [u8; 9],
    nibbles: usize,
}

impl Key {
    fn of(position: u64) -> Self {
        let mut bytes = [0; 9];
        match position {
            0 => bytes[0] = EMPTY_STRING_CODE,
            1..0x80 => bytes[0] = position as u8,
            _ => {
                let length = 8 - position.leading_zeros() as usize / 8;
                bytes[0] = EMPTY_STRING_CODE + length as u8;
                bytes[1..].copy_from_slice(&(position << (8 * (8 - length))).to_be_bytes());
                return Self { bytes, nibbles: 2 + 2 * length };
            }
        }
        Self { bytes, nibbles: 2 }
    }

    /// The key that stands at `rank` in ascending order: RLP writes 0 as 0x80, after 0x7f.
    fn ranked(rank: usize, count: usize) -> Self {
        Self::of(position(rank, count) as u64)
    }
}

fn position(rank: usize, count: usize) -> usize {
    let last = count.min(128) - 1;
    match rank {
        rank if rank < last => rank + 1,
        rank if rank == last => 0,
        rank => rank,
    }
}

/// A node above leaves; nodes are numbered, leaves first, by rank.
enum Inner {
    Extension { key: Key, path: Range<usize>, child: usize },
    Branch([usize; 16]),
}

struct Shape {
    /// Number of leaves.
    count: usize,
    /// Depth of each leaf, by rank.
    depths: Vec<u8>,
    inner: Vec<Inner>,
    /// Numbers of inner nodes by height above leaves, less one.
    levels: Vec<Vec<usize>>,
}

impl Shape {
    fn push(&mut self, node: Inner, height: usize) -> (usize, usize) {
        let number = self.count + self.inner.len();
        self.inner.push(node);
        if self.levels.len() < height {
            self.levels.resize_with(height, Vec::new);
        }
        self.levels[height - 1].push(number);
        (number, height)
    }

    /// Shapes the trie of the keys of `ranks`, of which there is one at least, below `depth`; answers
    /// with its node's number and height.
    fn build(&mut self, ranks: Range<usize>, depth: usize) -> (usize, usize) {
        let first = Key::ranked(ranks.start, self.count);
        if ranks.len() == 1 {
            self.depths[ranks.start] = depth as u8;
            return (ranks.start, 0);
        }
        let last = Key::ranked(ranks.end - 1, self.count);
        let differs = |at: &usize| nibble(&first.bytes, *at) != nibble(&last.bytes, *at);
        let fork = (depth..first.nibbles).find(differs).unwrap_or(first.nibbles);
        let mut children = [NONE; 16];
        let (mut start, mut height) = (ranks.start, 0);
        while start < ranks.end {
            let index = nibble(&Key::ranked(start, self.count).bytes, fork);
            let mut end = start + 1;
            let mut beyond = ranks.end;
            while end < beyond {
                let middle = end.midpoint(beyond);
                if nibble(&Key::ranked(middle, self.count).bytes, fork) == index {
                    end = middle + 1;
                } else {
                    beyond = middle;
                }
            }
            let (child, child_height) = self.build(start..end, fork + 1);
            children[index] = child;
            height = height.max(child_height + 1);
            start = end;
        }
        let branch = self.push(Inner::Branch(children), height);
        if fork == depth {
            return branch;
        }
        self.push(Inner::Extension { key: first, path: depth..fork, child: branch.0 }, height + 1)
    }
}

/// Root of the trie that holds `values` by position.
pub fn ordered_root<T: AsRef<[u8]>>(values: &[T]) -> B256 {
    ordered_root_by(values.len(), |index, out| out.extend_from_slice(values[index].as_ref()))
}

/// [`ordered_root`] of `count` values, which `write` appends, each by its position.
pub fn ordered_root_by(count: usize, write: impl Fn(usize, &mut Vec<u8>)) -> B256 {
    if count == 0 {
        return EMPTY_ROOT_HASH;
    }
    let mut shape = Shape { count, depths: vec![0; count], inner: Vec::new(), levels: Vec::new() };
    let (root, _) = shape.build(0..count, 0);
    let mut references = vec![RlpNode::default(); count + shape.inner.len()];
    let mut batch = Batch::default();
    for start in (0..count).step_by(LEAVES) {
        for rank in start..count.min(start + LEAVES) {
            let key = Key::ranked(rank, count);
            let depth = usize::from(shape.depths[rank]);
            batch.leaf(rank, &key, depth, |out| write(position(rank, count), out));
        }
        batch.hash(&mut references);
    }
    for level in &shape.levels {
        for &number in level {
            batch.inner(number, &shape.inner[number - count], &references);
        }
        batch.hash(&mut references);
    }
    let reference = &references[root];
    // A root is a hash however short its RLP is.
    reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
}

/// Nodes written but not hashed yet.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Number of each node and where its RLP is.
    nodes: Vec<(usize, Range<usize>)>,
    head: Vec<u8>,
}

impl Batch {
    fn leaf(&mut self, number: usize, key: &Key, depth: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let value = self.bytes.len() + LEAF_HEAD;
        self.bytes.resize(value, 0);
        write(&mut self.bytes);
        self.head.clear();
        put_leaf_head(&mut self.head, &key.bytes, depth, key.nibbles, &self.bytes[value..]);
        let start = value - self.head.len();
        self.bytes[start..value].copy_from_slice(&self.head);
        self.nodes.push((number, start..self.bytes.len()));
    }

    fn inner(&mut self, number: usize, node: &Inner, references: &[RlpNode]) {
        let start = self.bytes.len();
        match node {
            Inner::Extension { key, path, child } => {
                let child = references[*child].as_slice();
                put_extension_head(&mut self.bytes, &key.bytes, path.start, path.end, child.len());
                self.bytes.extend_from_slice(child);
            }
            Inner::Branch(children) => {
                let child = |number: usize| references.get(number).map(RlpNode::as_slice);
                let length = children.iter().map(|&number| child(number).map_or(1, <[u8]>::len)).sum();
                put_branch_head(&mut self.bytes, length);
                for &number in children {
                    match child(number) {
                        Some(reference) => self.bytes.extend_from_slice(reference),
                        None => put_nothing(&mut self.bytes),
                    }
                }
                put_nothing(&mut self.bytes);
            }
        }
        self.nodes.push((number, start..self.bytes.len()));
    }

    /// Sets the references of the nodes written, and forgets them.
    fn hash(&mut self, references: &mut [RlpNode]) {
        let Self { bytes, nodes, .. } = self;
        let rlp = |index: usize| {
            let (_, range): &(usize, Range<usize>) = &nodes[index];
            &bytes[range.clone()]
        };
        keccak256_each(nodes.len(), rlp, |index, hash| {
            let rlp = rlp(index);
            references[nodes[index].0] =
                if rlp.len() < HASHED_LENGTH { RlpNode::from_rlp(rlp) } else { RlpNode::word_rlp(&hash) };
        });
        self.bytes.clear();
        self.nodes.clear();
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
