//! What goes in and what comes out.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log};
use trex_stf::{receipt::Receipt, state::StateDiff};

/// How much past state is kept. Blocks, receipts and indices are always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// State of every block.
    Archive,
    /// State of the head and of this many blocks before it, and of what [`Store::keep_state_from`] asks for.
    ///
    /// [`Store::keep_state_from`]: crate::Store::keep_state_from
    Last(u64),
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hash of the network file; a folder keeps the one it was made with.
    pub network: B256,
    /// How much past state is kept.
    pub history: History,
    /// Memory for cached blocks and unflushed writes together, bytes.
    pub cache_bytes: u64,
    /// Whether transactions are found by the addresses that took part (`ots_*`).
    pub index_addresses: bool,
}

impl Options {
    /// Archive, 256 MiB, addresses indexed.
    #[must_use]
    pub fn new(network: B256) -> Self {
        Self { network, history: History::Archive, cache_bytes: 256 << 20, index_addresses: true }
    }
}

/// The newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
}

/// A block to commit. Lists run parallel to the transactions.
#[derive(Clone, Copy, Debug)]
pub struct BlockData<'a> {
    /// The header.
    pub header: &'a Header,
    /// Its hash.
    pub hash: B256,
    /// EIP-2718 bytes.
    pub transactions: &'a [Bytes],
    /// Transaction hashes.
    pub tx_hashes: &'a [B256],
    /// Senders.
    pub senders: &'a [Address],
    /// Recipients, `None` for creations; for the address index.
    pub recipients: &'a [Option<Address>],
    /// Receipts.
    pub receipts: &'a [Receipt],
    /// What the block changes.
    pub diff: &'a StateDiff,
    /// Further (address, transaction index) pairs for the address index: internal calls, internally
    /// created contracts.
    pub appearances: &'a [(Address, u32)],
    /// Contracts created inside the block, by transaction index (top level ones may be left out).
    pub created: &'a [(Address, u32)],
    /// Opaque bytes of the chain layer, kept with the block.
    pub extra: &'a [u8],
    /// Meta entries written with the block; an empty value removes.
    pub meta: &'a [(Vec<u8>, Vec<u8>)],
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxPlace {
    /// Block number.
    pub block: u64,
    /// Index in the block.
    pub index: u32,
}

/// A block's transactions, their hashes and senders, in lists that run parallel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// EIP-2718 bytes.
    pub transactions: Vec<Bytes>,
    /// Hashes.
    pub hashes: Vec<B256>,
    /// Senders.
    pub senders: Vec<Address>,
}

impl IntoIterator for Body {
    type Item = StoredTransaction;
    type IntoIter = Box<dyn Iterator<Item = StoredTransaction>>;

    fn into_iter(self) -> Self::IntoIter {
        let all = self.transactions.into_iter().zip(self.hashes).zip(self.senders);
        Box::new(all.map(|((encoded, hash), sender)| StoredTransaction { encoded, hash, sender }))
    }
}

/// What of a block is known without its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Hashes of the transactions.
    pub tx_hashes: Vec<B256>,
    /// Bytes that the transactions take in the block's RLP.
    pub body_bytes: u64,
}

/// A transaction as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTransaction {
    /// EIP-2718 bytes.
    pub encoded: Bytes,
    /// Hash.
    pub hash: B256,
    /// Sender.
    pub sender: Address,
}

/// A log and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLog {
    /// Block number.
    pub block: u64,
    /// Block hash.
    pub block_hash: B256,
    /// Block time, seconds since 1970.
    pub timestamp: u64,
    /// Transaction index in the block.
    pub tx_index: u32,
    /// Hash of the transaction.
    pub tx_hash: B256,
    /// Index in the block.
    pub log_index: u32,
    /// The log.
    pub log: Log,
}

/// What logs to find; empty lists match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Emitting contract, any of.
    pub addresses: Vec<Address>,
    /// Topic by position, any of.
    pub topics: [Vec<B256>; 4],
}

impl LogFilter {
    /// Whether a log matches.
    #[must_use]
    pub fn matches(&self, log: &Log) -> bool {
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self
                .topics
                .iter()
                .enumerate()
                .all(|(i, any)| any.is_empty() || log.topics().get(i).is_some_and(|t| any.contains(t)))
    }
}

/// Size of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Table name; `log` is the block log.
    pub name: &'static str,
    /// Entries, versions not yet merged counted too; records for the log.
    pub entries: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Sizes of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// By table.
    pub tables: Vec<TableStats>,
    /// Bytes on disk altogether.
    pub disk_bytes: u64,
    /// Bytes written but not yet in table files.
    pub memtable_bytes: u64,
    /// The newest block.
    pub head: Option<Head>,
    /// First block whose state is kept.
    pub earliest_state: u64,
}
