//! A batch: what a poster says about a span of blocks, in as few bytes as can be (specs/batch.md).
//!
//! Slots, origins, counts and transactions are split into columns. Everything predictable goes
//! through one adaptive arithmetic coder, everything random (signatures, new addresses) stands
//! beside it as it is. A batch has one form in bytes: what decodes encodes to the same bytes.

use alloc::vec::Vec;
use core::fmt;

use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, Bytes};

mod blob;
mod calldata;
mod coder;
mod columns;
mod fields;
mod logistic;
mod numbers;

pub use blob::{BLOB_BYTES, BLOB_DATA_BYTES, Blob, pack_blobs, unpack_blobs};

use coder::{Coder, Decoder, Encoder};
use fields::Fields;

use crate::transaction::Transaction;

/// Version byte of a batch (BAT-010).
pub const VERSION: u8 = 0;

/// What a batch may hold at most (BAT-040 to BAT-042).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Blocks.
    pub blocks: usize,
    /// Bytes of the batch.
    pub bytes: usize,
    /// Bytes of content for each blob that the batch fills or reaches into (BAT-041).
    pub blob_content_bytes: usize,
    /// Entries of one list: log indices, access list, its keys, authorizations.
    pub list: usize,
}

impl Limits {
    /// No limit on bytes: for who wants to know how many there are.
    pub const ANY_SIZE: Self = Self { bytes: usize::MAX, ..Self::RULE };

    /// The ones that hold.
    pub const RULE: Self = Self {
        blocks: 16_384,
        bytes: 9 * BLOB_DATA_BYTES,
        blob_content_bytes: 3 * BLOB_DATA_BYTES,
        list: 65_536,
    };

    /// Bytes of content that a batch of so many bytes may have (BAT-041).
    fn content(&self, bytes: usize) -> usize {
        self.blob_content_bytes.saturating_mul(bytes.div_ceil(BLOB_DATA_BYTES))
    }

    /// Bytes that a batch has, `bytes` of them without its zeros (BAT-045).
    fn padded(&self, bytes: usize, content: usize) -> usize {
        let blobs = content.div_ceil(self.blob_content_bytes);
        if blobs > bytes.div_ceil(BLOB_DATA_BYTES) { (blobs - 1) * BLOB_DATA_BYTES + 1 } else { bytes }
    }
}

/// A span of blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Output root of the block that the first one is built on.
    pub parent_output: B256,
    /// The blocks, oldest first.
    pub blocks: Vec<BatchBlock>,
    /// L1 log index of each deposit that falls into the span, in the queue's order.
    pub log_indices: Vec<u32>,
}

/// One block of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchBlock {
    /// Slots after the block before it, at least 1.
    pub slot_delta: u64,
    /// L1 blocks that its origin is after the origin of the block before it.
    pub origin_delta: u64,
    /// EIP-2718 bytes of its ordinary transactions.
    pub transactions: Vec<Bytes>,
}

/// Why a batch reads as empty, or a span cannot be written as a batch. Codes are stable (BAT-050).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The header brings no blobs: nobody posted a batch.
    NoData = 1,
    /// A blob's bytes are not packed field elements.
    BlobEncoding = 2,
    /// A version byte that is not known.
    Version = 3,
    /// It ends before it is complete.
    Truncated = 4,
    /// It goes on after its end.
    TrailingBytes = 5,
    /// The same batch has another form, which is the one that counts.
    NotCanonical = 6,
    /// A value that its field cannot take.
    Field = 7,
    /// More bytes than a batch may have.
    TooManyBytes = 8,
    /// More content than its blobs pay for.
    Ratio = 9,
    /// More blocks than a batch may have.
    BlockCount = 10,
    /// A list in a transaction is longer than it may be.
    ListLength = 11,
    /// It is built on another output than the chain's.
    Parent = 32,
    /// A slot beyond the last one there can be.
    Slot = 33,
    /// Its last block's origin is not the header's.
    Origin = 34,
    /// A block lies before its origin.
    BeforeOrigin = 35,
    /// A block lies too far after its origin.
    Drift = 36,
    /// A block with transactions has an origin older than the sequencing window.
    Window = 37,
    /// The number of log indices is not the number of deposits.
    DepositCount = 38,
    /// Log indices do not rise within an L1 block.
    LogIndex = 39,
    /// Deposits are left after the last block.
    DepositsLeft = 40,
}

impl Reason {
    /// Every reason, by code.
    pub const ALL: [Self; 20] = [
        Self::NoData,
        Self::BlobEncoding,
        Self::Version,
        Self::Truncated,
        Self::TrailingBytes,
        Self::NotCanonical,
        Self::Field,
        Self::TooManyBytes,
        Self::Ratio,
        Self::BlockCount,
        Self::ListLength,
        Self::Parent,
        Self::Slot,
        Self::Origin,
        Self::BeforeOrigin,
        Self::Drift,
        Self::Window,
        Self::DepositCount,
        Self::LogIndex,
        Self::DepositsLeft,
    ];

    /// Stable number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::BlobEncoding => "blob_encoding",
            Self::Version => "version",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::NotCanonical => "not_canonical",
            Self::Field => "field",
            Self::TooManyBytes => "too_many_bytes",
            Self::Ratio => "ratio",
            Self::BlockCount => "block_count",
            Self::ListLength => "list_length",
            Self::Parent => "parent",
            Self::Slot => "slot",
            Self::Origin => "origin",
            Self::BeforeOrigin => "before_origin",
            Self::Drift => "drift",
            Self::Window => "window",
            Self::DepositCount => "deposit_count",
            Self::LogIndex => "log_index",
            Self::DepositsLeft => "deposits_left",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoData => "no batch was posted",
            Self::BlobEncoding => "a blob is not packed field elements",
            Self::Version => "unknown version",
            Self::Truncated => "it ends before it is complete",
            Self::TrailingBytes => "it goes on after its end",
            Self::NotCanonical => "the same content has another form, which is the one that counts",
            Self::Field => "a field has a value it cannot take",
            Self::TooManyBytes => "more bytes than a batch may have",
            Self::Ratio => "more content than its blobs pay for",
            Self::BlockCount => "more blocks than a batch may have",
            Self::ListLength => "a list in a transaction is too long",
            Self::Parent => "it is built on another output",
            Self::Slot => "a slot beyond the last one there can be",
            Self::Origin => "its last block's origin is not the header's",
            Self::BeforeOrigin => "a block lies before its origin",
            Self::Drift => "a block lies too far after its origin",
            Self::Window => "a block with transactions has an origin older than the sequencing window",
            Self::DepositCount => "not as many log indices as deposits",
            Self::LogIndex => "log indices do not rise within an L1 block",
            Self::DepositsLeft => "deposits are left after its last block",
        })
    }
}

impl core::error::Error for Reason {}

/// Writes a batch. The transactions must be canonical and signed for `chain_id` or, of type 0, for
/// no chain; deposits are not part of a batch. A reason says why there is no batch of them.
pub fn encode_batch(batch: &Batch, chain_id: u64) -> Result<Vec<u8>, Reason> {
    encode_batch_within(batch, chain_id, &Limits::RULE)
}

/// Bytes that a transaction takes in a batch at most, whatever is in it and before it (BAT-043).
pub fn transaction_bound(tx: &Transaction) -> usize {
    /// An authorization's fields may be written in a few bytes and stand raw in a batch (BAT-036).
    const AUTHORIZATION_BYTES: usize = 128;
    let (bytes, authorizations) = (tx.encoded().len(), tx.envelope().authorization_list());
    bytes + bytes / 16 + authorizations.map_or(0, |list| list.len() * AUTHORIZATION_BYTES)
}

/// [`encode_batch`] under other limits: what is above the rule's reads as empty.
pub fn encode_batch_within(batch: &Batch, chain_id: u64, limits: &Limits) -> Result<Vec<u8>, Reason> {
    let mut columns = Columns { log_indices: batch.log_indices.clone(), ..Columns::default() };
    for block in &batch.blocks {
        let &BatchBlock { slot_delta, origin_delta, .. } = block;
        if slot_delta == 0 {
            return Err(Reason::Field);
        }
        columns.blocks.push(Block { slot_delta, origin_delta, count: block.transactions.len() as u64 });
        for encoded in &block.transactions {
            columns.transactions.push(Fields::decode(encoded, chain_id)?);
        }
    }
    let mut encoder = Encoder::new();
    let content = columns.code(&mut encoder, chain_id, limits, usize::MAX, usize::MAX)?;
    let (coded, raw) = encoder.finish();
    let mut out = Vec::with_capacity(1 + 32 + 4 + coded.len() + raw.len());
    out.push(VERSION);
    out.extend_from_slice(batch.parent_output.as_slice());
    write_length(coded.len(), &mut out);
    out.extend_from_slice(&coded);
    out.extend_from_slice(&raw);
    out.resize(limits.padded(out.len(), content), 0); // BAT-045
    if out.len() > limits.bytes {
        return Err(Reason::TooManyBytes);
    }
    Ok(out)
}

/// Reads a batch that fills `bytes` exactly, and is written as the encoder would write it (BAT-014).
pub fn decode_batch(bytes: &[u8], chain_id: u64) -> Result<Batch, Reason> {
    let limits = Limits::RULE;
    if bytes.len() > limits.bytes {
        return Err(Reason::TooManyBytes); // BAT-040
    }
    let (&version, rest) = bytes.split_first().ok_or(Reason::Truncated)?;
    if version != VERSION {
        return Err(Reason::Version); // BAT-010
    }
    let (parent_output, mut rest) = rest.split_first_chunk::<32>().ok_or(Reason::Truncated)?;
    let length = read_length(&mut rest)?;
    let (coded, raw) = rest.split_at_checked(length).ok_or(Reason::Truncated)?;
    let mut decoder = Decoder::new(coded, raw);
    let mut columns = Columns::default();
    let content = columns.code(&mut decoder, chain_id, &limits, limits.content(bytes.len()), raw.len())?;
    let unpadded = bytes.len() - decoder.left();
    decoder.finish(limits.padded(unpadded, content) - unpadded)?;
    let mut transactions = columns.transactions.into_iter();
    let blocks = columns.blocks.into_iter().map(|block| BatchBlock {
        slot_delta: block.slot_delta,
        origin_delta: block.origin_delta,
        transactions: transactions
            .by_ref()
            .take(block.count as usize)
            .map(|tx| tx.encode(chain_id))
            .collect(),
    });
    Ok(Batch {
        parent_output: B256::from(*parent_output),
        blocks: blocks.collect(),
        log_indices: columns.log_indices,
    })
}

/// A block as its columns hold it.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    slot_delta: u64,
    origin_delta: u64,
    count: u64,
}

/// The content of a batch.
#[derive(Default)]
struct Columns {
    blocks: Vec<Block>,
    log_indices: Vec<u32>,
    transactions: Vec<Fields>,
}

impl Columns {
    /// Codes all columns in order (BAT-012) and answers how many bytes the content counts.
    fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        chain_id: u64,
        limits: &Limits,
        content_limit: usize,
        raw_bytes: usize,
    ) -> Result<usize, Reason> {
        columns::blocks(coder, &mut self.blocks, limits.blocks)?;
        columns::log_indices(coder, &mut self.log_indices, limits.list)?;
        let besides = columns::besides(&self.blocks, &self.log_indices);
        let budget = content_limit.checked_sub(besides).ok_or(Reason::Ratio)?;
        let count = self.blocks.iter().try_fold(0usize, |sum, block| {
            usize::try_from(block.count).ok().and_then(|count| sum.checked_add(count))
        });
        // Each transaction has a signature in the raw part: a count is no larger than the batch.
        let most = raw_bytes / fields::SIGNATURE_BYTES;
        let count = count.filter(|count| *count <= most).ok_or(Reason::Truncated)?;
        self.transactions.resize_with(count, Fields::default);
        let mut columns = columns::Transactions::new(budget, limits.list, chain_id);
        columns.code(coder, &mut self.transactions)?;
        columns::extensions(coder)?;
        Ok(content_limit - columns.budget())
    }
}

/// LEB128 in as few bytes as can be (BAT-011).
fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn read_length(rest: &mut &[u8]) -> Result<usize, Reason> {
    let mut length = 0;
    for place in 0..4 {
        let (&byte, tail) = rest.split_first().ok_or(Reason::Truncated)?;
        *rest = tail;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return if byte == 0 && place > 0 { Err(Reason::NotCanonical) } else { Ok(length) };
        }
    }
    Err(Reason::NotCanonical)
}
