//! RLP of trie nodes, written piece by piece (yellow paper, appendix D).

use alloc::vec::Vec;

use alloy_primitives::B256;
use alloy_rlp::{EMPTY_STRING_CODE, Header};

/// First byte of a 32-byte string.
const HASH_CODE: u8 = EMPTY_STRING_CODE + 32;
/// Length of a hash as a parent holds it.
pub(crate) const HASH_REFERENCE_LENGTH: usize = 33;
/// Nodes this long are held by their hash, shorter ones inside their parent.
pub(crate) const HASHED_LENGTH: usize = 32;

/// Nibble `index` of a key.
pub(crate) fn nibble(key: &[u8], index: usize) -> usize {
    let byte = key[index / 2];
    usize::from(if index.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
}

/// Length of a path of this many nibbles as [`put_path`] writes it.
fn path_length(nibbles: usize) -> usize {
    // One byte with the flags is below 0x80 and stands for itself.
    if nibbles < 2 { 1 } else { nibbles / 2 + 2 }
}

/// Nibbles `from..to` of a key, hex-prefixed.
fn put_path(out: &mut Vec<u8>, key: &[u8], from: usize, to: usize, leaf: bool) {
    let nibbles = to - from;
    if nibbles >= 2 {
        out.push(EMPTY_STRING_CODE + (nibbles / 2 + 1) as u8);
    }
    let flag = if leaf { 0x20 } else { 0 };
    let first = if nibbles.is_multiple_of(2) { flag } else { flag | 0x10 | nibble(key, from) as u8 };
    out.push(first);
    let even = from + nibbles % 2;
    if even.is_multiple_of(2) && to.is_multiple_of(2) {
        out.extend_from_slice(&key[even / 2..to / 2]);
    } else {
        out.extend((even..to).step_by(2).map(|at| (nibble(key, at) << 4 | nibble(key, at + 1)) as u8));
    }
}

/// A leaf up to its value: the end of the key, and the head of the value if it has one.
pub(crate) fn put_leaf_head(out: &mut Vec<u8>, key: &[u8], from: usize, to: usize, value: &[u8]) {
    let is_byte = matches!(value, [byte] if *byte < EMPTY_STRING_CODE);
    let value_head = Header { list: false, payload_length: value.len() };
    let value_length = if is_byte { 1 } else { value_head.length_with_payload() };
    Header { list: true, payload_length: path_length(to - from) + value_length }.encode(out);
    put_path(out, key, from, to, true);
    if !is_byte {
        value_head.encode(out);
    }
}

/// An extension up to its child's reference, which takes `reference_length` bytes.
pub(crate) fn put_extension_head(
    out: &mut Vec<u8>,
    key: &[u8],
    from: usize,
    to: usize,
    reference_length: usize,
) {
    Header { list: true, payload_length: path_length(to - from) + reference_length }.encode(out);
    put_path(out, key, from, to, false);
}

/// A branch up to its first child; the children's references take `references_length` bytes.
pub(crate) fn put_branch_head(out: &mut Vec<u8>, references_length: usize) {
    Header { list: true, payload_length: references_length + 1 }.encode(out);
}

/// Where there is no child, and a branch's own value, of which it has none.
pub(crate) fn put_nothing(out: &mut Vec<u8>) {
    out.push(EMPTY_STRING_CODE);
}

/// What a parent holds of a child that has a hash.
pub(crate) fn hash_reference(hash: &B256) -> [u8; HASH_REFERENCE_LENGTH] {
    let mut reference = [HASH_CODE; HASH_REFERENCE_LENGTH];
    reference[1..].copy_from_slice(hash.as_slice());
    reference
}
