//! Why the chain could not do its work, by what the caller must do.

use trex_store::StoreError;

use crate::network::NetworkError;

/// Why the chain could not do its work.
#[derive(Clone, Debug)]
pub enum ChainError {
    /// The store failed.
    Store(StoreError),
    /// The network file is unusable.
    Network(NetworkError),
    /// A block could not be made or breaks a rule.
    Block {
        /// Its number.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// The mempool's journal failed.
    Pool(String),
    /// It cannot be told what a batch header means: something is missing or belongs elsewhere.
    Derivation(String),
    /// Blocks that make no batch.
    Batch(String),
    /// A file could not be read or written.
    File(String),
    /// A file of blocks is none, or of another chain.
    BlockFile(String),
    /// Heads that do not fit the chain.
    Heads(String),
    /// A limit of this node was hit.
    Limit {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What went past it.
        what: &'static str,
    },
    /// The head's L1 origin is not on the L1 given any more.
    L1Reorg(String),
    /// No L1 block at hand may be the origin of a block in that slot.
    OriginTime(String),
}

impl ChainError {
    /// Stable code of the error's class.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Network(_) => "bad_network",
            Self::Block { .. } => "bad_block",
            Self::Pool(_) => "pool_journal",
            Self::File(_) => "io",
            Self::BlockFile(_) => "bad_file",
            Self::Heads(_) => "bad_heads",
            Self::Limit { .. } => "limit",
            Self::Derivation(_) => "derivation",
            Self::Batch(_) => "bad_batch",
            Self::L1Reorg(_) => "l1_reorg",
            Self::OriginTime(_) => "origin_time",
        }
    }
}

impl std::fmt::Display for ChainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
            Self::Block { number, reason } => write!(f, "block {number}: {reason}"),
            Self::Pool(reason) => write!(f, "mempool journal: {reason}"),
            Self::Limit { name, value, what } => write!(f, "{what}: limit {name} is {value}"),
            Self::File(reason)
            | Self::BlockFile(reason)
            | Self::Heads(reason)
            | Self::Derivation(reason)
            | Self::Batch(reason)
            | Self::L1Reorg(reason)
            | Self::OriginTime(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ChainError {}

impl From<StoreError> for ChainError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
