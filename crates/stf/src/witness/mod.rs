//! A block's witness: the part of the parent's state that executing the block reads.
//!
//! Nothing in it is trusted: nodes and codes are found by their keccak256, ancestor headers by the
//! parent hash above them, all from the parent's header. So a witness can lack something, which is
//! an error, but it cannot say anything false (WIT-001).

#[cfg(feature = "std")]
mod recorder;

use alloc::vec::Vec;
use core::fmt;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{BufMut, Decodable, Encodable, Header as RlpHeader, PayloadView};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};

use crate::state::{Account, State};

#[cfg(feature = "std")]
pub use recorder::{RecordError, Recorded, Recorder, record};

/// Longest trie node accepted, bytes. A full branch takes 532, an account's leaf less (WIT-002).
pub const MAX_NODE_BYTES: usize = 1024;
/// Longest code accepted, bytes: EIP-170's limit, or what a genesis may hold above it (WIT-002).
pub const MAX_CODE_BYTES: usize = 0x20000;
/// Longest header accepted, bytes (WIT-002).
pub const MAX_HEADER_BYTES: usize = 2048;
/// Most ancestor headers accepted: `BLOCKHASH` reaches 256 blocks back, of which the first two
/// follow from the parent's header itself (WIT-002).
pub const MAX_HEADERS: usize = 255;
/// Most bytes in a whole witness: what a block of 2^26 gas could load, and more (WIT-002).
pub const MAX_WITNESS_BYTES: usize = 1 << 30;

/// Trie nodes, codes and ancestor headers that a block needs.
///
/// One witness has one encoding: nodes and codes stand in ascending order of their keccak256,
/// none twice; headers go from the parent's parent downwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    nodes: Vec<(B256, Bytes)>,
    codes: Vec<(B256, Bytes)>,
    headers: Vec<Bytes>,
}

/// Why bytes are not a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessDecodeError {
    /// Not the RLP of three lists of byte strings.
    Encoding,
    /// A part is larger than its bound.
    TooLarge,
    /// Nodes or codes are not in ascending order of their hashes, or repeat.
    Order,
}

impl fmt::Display for WitnessDecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => "witness: not canonical RLP",
            Self::TooLarge => "witness: a part is larger than its bound",
            Self::Order => "witness: not in ascending order of hashes",
        })
    }
}

impl core::error::Error for WitnessDecodeError {}

impl Witness {
    /// A witness of these parts, in any order and with repetitions; `headers` go from the parent's
    /// parent downwards.
    pub fn new(
        nodes: impl IntoIterator<Item = Bytes>,
        codes: impl IntoIterator<Item = Bytes>,
        headers: Vec<Bytes>,
    ) -> Self {
        Self { nodes: by_hash(nodes), codes: by_hash(codes), headers }
    }

    /// Trie nodes with their hashes, ascending.
    pub fn nodes(&self) -> &[(B256, Bytes)] {
        &self.nodes
    }

    /// Codes with their hashes, ascending.
    pub fn codes(&self) -> &[(B256, Bytes)] {
        &self.codes
    }

    /// RLP of ancestor headers, from the parent's parent downwards.
    pub fn headers(&self) -> &[Bytes] {
        &self.headers
    }

    /// Decodes a witness that fills `encoded` exactly, and hashes its parts.
    pub fn decode_exact(encoded: &Bytes) -> Result<Self, WitnessDecodeError> {
        if encoded.len() > MAX_WITNESS_BYTES {
            return Err(WitnessDecodeError::TooLarge);
        }
        let [nodes, codes, headers] = lists(encoded)?;
        let witness = Self {
            nodes: hashed(strings(encoded, nodes, MAX_NODE_BYTES)?)?,
            codes: hashed(strings(encoded, codes, MAX_CODE_BYTES)?)?,
            headers: strings(encoded, headers, MAX_HEADER_BYTES)?,
        };
        if witness.headers.len() > MAX_HEADERS { Err(WitnessDecodeError::TooLarge) } else { Ok(witness) }
    }

    fn parts(&self) -> [Vec<&Bytes>; 3] {
        [
            self.nodes.iter().map(|(_, node)| node).collect(),
            self.codes.iter().map(|(_, code)| code).collect(),
            self.headers.iter().collect(),
        ]
    }
}

impl Encodable for Witness {
    fn encode(&self, out: &mut dyn BufMut) {
        let parts = self.parts();
        let payload_length = parts.iter().map(|part| alloy_rlp::list_length::<&Bytes, Bytes>(part)).sum();
        RlpHeader { list: true, payload_length }.encode(out);
        for part in &parts {
            alloy_rlp::encode_list::<&Bytes, Bytes>(part, out);
        }
    }

    fn length(&self) -> usize {
        let payload: usize =
            self.parts().iter().map(|part| alloy_rlp::list_length::<&Bytes, Bytes>(part)).sum();
        payload + alloy_rlp::length_of_length(payload)
    }
}

fn by_hash(values: impl IntoIterator<Item = Bytes>) -> Vec<(B256, Bytes)> {
    let mut out: Vec<_> = values.into_iter().map(|value| (keccak256(&value), value)).collect();
    out.sort_unstable_by_key(|(hash, _)| *hash);
    out.dedup_by_key(|(hash, _)| *hash);
    out
}

fn lists(encoded: &[u8]) -> Result<[&[u8]; 3], WitnessDecodeError> {
    let mut rest = encoded;
    let payload = RlpHeader::decode_bytes(&mut rest, true).map_err(|_| WitnessDecodeError::Encoding)?;
    let mut inner = payload;
    let mut next = || RlpHeader::decode_bytes(&mut inner, true).map_err(|_| WitnessDecodeError::Encoding);
    let parts = [next()?, next()?, next()?];
    if rest.is_empty() && inner.is_empty() { Ok(parts) } else { Err(WitnessDecodeError::Encoding) }
}

/// The strings in `list`, sharing the memory of `whole`.
fn strings(whole: &Bytes, list: &[u8], max_bytes: usize) -> Result<Vec<Bytes>, WitnessDecodeError> {
    let mut rest = list;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let item = RlpHeader::decode_bytes(&mut rest, false).map_err(|_| WitnessDecodeError::Encoding)?;
        if item.len() > max_bytes {
            return Err(WitnessDecodeError::TooLarge);
        }
        out.push(whole.slice_ref(item));
    }
    Ok(out)
}

fn hashed(values: Vec<Bytes>) -> Result<Vec<(B256, Bytes)>, WitnessDecodeError> {
    let out: Vec<_> = values.into_iter().map(|value| (keccak256(&value), value)).collect();
    if out.is_sorted_by(|(left, _), (right, _)| left < right) {
        Ok(out)
    } else {
        Err(WitnessDecodeError::Order)
    }
}

/// Why a witness could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessError {
    /// A trie node is missing.
    Node(B256),
    /// A code is missing.
    Code(B256),
    /// The header above the block whose hash was asked for is missing.
    BlockHash(u64),
    /// The content of that hash is not a node or an account of a state trie.
    Malformed(B256),
    /// The ancestor header of that number is not the one its child names.
    Header(u64),
}

impl fmt::Display for WitnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(hash) => write!(f, "witness lacks trie node {hash}"),
            Self::Code(hash) => write!(f, "witness lacks code {hash}"),
            Self::BlockHash(number) => write!(f, "witness lacks the header above block {number}"),
            Self::Malformed(hash) => write!(f, "trie node {hash} is malformed"),
            Self::Header(number) => write!(f, "witness holds a wrong header for block {number}"),
        }
    }
}

impl core::error::Error for WitnessError {}

/// The parent's state, read from a witness.
#[derive(Clone, Debug)]
pub struct WitnessState {
    witness: Witness,
    state_root: B256,
    parent_number: u64,
    /// Hashes of the parent, its parent and so on, as far as headers are there.
    hashes: Vec<B256>,
}

impl WitnessState {
    /// State that the parent's header commits to; `parent_hash` is that header's hash.
    ///
    /// Every ancestor header is checked against the hash its child names (WIT-003).
    pub fn new(parent: &Header, parent_hash: B256, witness: Witness) -> Result<Self, WitnessError> {
        let mut hashes = Vec::with_capacity(witness.headers.len() + 2);
        hashes.push(parent_hash);
        if parent.number > 0 {
            hashes.push(parent.parent_hash);
        }
        for (index, rlp) in witness.headers.iter().enumerate() {
            let number = parent.number.checked_sub(1 + index as u64);
            let wrong = WitnessError::Header(number.unwrap_or_default());
            let header = Header::decode(&mut rlp.as_ref()).map_err(|_| wrong)?;
            let expected = hashes.get(index + 1);
            if Some(header.number) != number || expected != Some(&keccak256(rlp)) {
                return Err(wrong);
            }
            if header.number > 0 {
                hashes.push(header.parent_hash);
            }
        }
        Ok(Self { state_root: parent.state_root, parent_number: parent.number, hashes, witness })
    }

    fn find_node(&self, hash: &B256) -> Result<&Bytes, WitnessError> {
        find(&self.witness.nodes, hash).ok_or(WitnessError::Node(*hash))
    }

    /// The value at the hashed key `key` in the trie whose root is `root`.
    fn value(&self, root: &B256, key: &B256) -> Result<Option<Vec<u8>>, WitnessError> {
        if *root == EMPTY_ROOT_HASH {
            return Ok(None);
        }
        let path = Nibbles::unpack_array(&key.0);
        let mut hash = *root;
        let mut node: &[u8] = self.find_node(root)?;
        let mut depth = 0;
        loop {
            let malformed = || WitnessError::Malformed(hash);
            let child = match step(node, &path, depth).ok_or_else(malformed)? {
                Step::Absent => return Ok(None),
                Step::Value(value) => return Ok(Some(value.to_vec())),
                Step::Child { reference, nibbles } => {
                    depth += nibbles;
                    reference
                }
            };
            // A child shorter than 32 bytes stands inside its parent.
            node = match child.split_first_chunk::<33>() {
                Some(([0xa0, child_hash @ ..], [])) => {
                    hash = B256::from(*child_hash);
                    self.find_node(&hash)?
                }
                _ => child,
            };
        }
    }
}

fn find<'a>(sorted: &'a [(B256, Bytes)], hash: &B256) -> Option<&'a Bytes> {
    sorted.binary_search_by(|(at, _)| at.cmp(hash)).ok().map(|index| &sorted[index].1)
}

/// Where a path goes on from one node.
enum Step<'a> {
    /// The trie does not hold the key.
    Absent,
    /// The key's value.
    Value(&'a [u8]),
    /// RLP item that stands for the child, and how many nibbles lead there.
    Child { reference: &'a [u8], nibbles: usize },
}

/// Follows `path` from `depth` through one node; `None` if the node is malformed.
fn step<'a>(node: &'a [u8], path: &Nibbles, depth: usize) -> Option<Step<'a>> {
    let PayloadView::List(items) = RlpHeader::decode_raw(&mut &node[..]).ok()? else { return None };
    match items.as_slice() {
        [prefix, rest] => {
            let encoded = RlpHeader::decode_bytes(&mut &prefix[..], false).ok()?;
            let (first, bytes) = encoded.split_first()?;
            let mut nibbles = Nibbles::default();
            if first & 0x10 != 0 {
                nibbles.push(first & 0xf);
            }
            if bytes.len() > 32 || nibbles.len() + 2 * bytes.len() > path.len() - depth {
                return None;
            }
            nibbles = nibbles.join(&Nibbles::unpack(bytes));
            let end = depth + nibbles.len();
            let is_leaf = first & 0x20 != 0;
            if is_leaf != (end == path.len()) || (nibbles.is_empty() && !is_leaf) {
                return None;
            }
            if path.slice(depth..end) != nibbles {
                return Some(Step::Absent);
            }
            Some(if is_leaf {
                Step::Value(RlpHeader::decode_bytes(&mut &rest[..], false).ok()?)
            } else {
                Step::Child { reference: rest, nibbles: nibbles.len() }
            })
        }
        children if children.len() == 17 => {
            let reference = *children.get(usize::from(path.get(depth)?))?;
            Some(match reference {
                [alloy_rlp::EMPTY_STRING_CODE] => Step::Absent,
                reference => Step::Child { reference, nibbles: 1 },
            })
        }
        _ => None,
    }
}

impl State for WitnessState {
    type Error = WitnessError;

    fn account(&self, address: &Address) -> Result<Option<Account>, WitnessError> {
        let Some(rlp) = self.value(&self.state_root, &keccak256(address))? else { return Ok(None) };
        let account =
            TrieAccount::decode(&mut rlp.as_slice()).map_err(|_| WitnessError::Malformed(keccak256(&rlp)))?;
        Ok(Some(Account {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: account.storage_root,
            code_hash: account.code_hash,
        }))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, WitnessError> {
        let Some(account) = self.account(address)? else { return Ok(U256::ZERO) };
        match self.value(&account.storage_root, &keccak256(slot.to_be_bytes::<32>()))? {
            None => Ok(U256::ZERO),
            Some(rlp) => {
                U256::decode(&mut rlp.as_slice()).map_err(|_| WitnessError::Malformed(keccak256(&rlp)))
            }
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, WitnessError> {
        find(&self.witness.codes, hash).cloned().ok_or(WitnessError::Code(*hash))
    }

    fn block_hash(&self, number: u64) -> Result<B256, WitnessError> {
        let missing = WitnessError::BlockHash(number);
        let back = self.parent_number.checked_sub(number).ok_or(missing)?;
        self.hashes.get(usize::try_from(back).map_err(|_| missing)?).copied().ok_or(missing)
    }

    fn node(&self, _owner: Option<&B256>, _path: &Nibbles, hash: &B256) -> Result<Bytes, WitnessError> {
        self.find_node(hash).cloned()
    }
}
