//! What answering needs of the node: the seam between JSON-RPC and chain, store and mempool.

use std::{fmt, sync::Arc};

use alloy_consensus::{Header, Sealed};
use alloy_primitives::{Address, B256, Log, U256};
use revm::state::EvmState;
use trex_stf::{
    block::Overwrite, params::NetworkParams, receipt::Receipt, state::State, transaction::Transaction,
};

use super::filter::LogFilter;
use crate::settle::L1Heads;

/// A header with its hash.
pub type SealedHeader = Arc<Sealed<Header>>;

/// Why something could not be read. "Does not exist" is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// State of that block is not kept any more.
    Pruned {
        /// The block asked for.
        number: u64,
        /// The oldest one whose state is kept.
        oldest: u64,
    },
    /// The store failed.
    Fault(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pruned { number, oldest } => {
                write!(f, "state of block {number} is pruned, the oldest kept is that of block {oldest}")
            }
            Self::Fault(reason) => write!(f, "cannot read: {reason}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The network a node serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its name.
    pub name: String,
    /// Hash of the network file.
    pub hash: B256,
    /// Hash of block 0.
    pub genesis_hash: B256,
    /// Longest time without a block, milliseconds.
    pub max_idle_ms: u64,
    /// Gas limit of blocks.
    pub gas_limit: u64,
    /// Whether there is an L1 below; without one safe and finalized are the latest block.
    pub has_l1: bool,
}

/// The block that would be made of the mempool now, on the head. It has no state root.
#[derive(Clone, Debug, Default)]
pub struct PendingBlock {
    /// Header, its roots empty.
    pub header: Header,
    /// Transactions, deposits first.
    pub transactions: Vec<Transaction>,
    /// Their receipts.
    pub receipts: Vec<Receipt>,
    /// What they change in the head's state.
    pub changes: EvmState,
}

/// Transactions of one sender in the mempool, ascending by nonce.
#[derive(Clone, Debug, Default)]
pub struct Pooled {
    /// The sender.
    pub sender: Address,
    /// Those that can be included now.
    pub pending: Vec<Arc<Transaction>>,
    /// Those behind a gap.
    pub queued: Vec<Arc<Transaction>>,
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
    /// Index of the transaction in the block.
    pub tx_index: u32,
    /// Hash of the transaction.
    pub tx_hash: B256,
    /// Index of the log in the block.
    pub log_index: u32,
    /// The log.
    pub log: Log,
}

/// What of a block is known without its transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Hashes of the transactions.
    pub tx_hashes: Vec<B256>,
    /// Bytes that the transactions take in the block's RLP.
    pub body_bytes: u64,
}

/// A place in the chain: block number and index of the transaction.
pub type TxPlace = (u64, u32);

/// Reads of a node. Each call sees whole blocks; two calls may see different heads.
pub trait Reader: Send + Sync {
    /// State of a block.
    type State: State;

    /// Parameters of the network.
    fn params(&self) -> &NetworkParams;
    /// The network.
    fn network(&self) -> NetworkInfo;
    /// The newest block.
    fn head(&self) -> Result<SealedHeader, ReadError>;
    /// How far L1 carries the chain; without an L1 to the newest block.
    fn l1_heads(&self) -> Result<L1Heads, ReadError> {
        let head = self.head()?.number;
        Ok(L1Heads { safe: head, finalized: head })
    }
    /// Header by number.
    fn header(&self, number: u64) -> Result<Option<SealedHeader>, ReadError>;
    /// Number of a block of the chain.
    fn number_of(&self, hash: &B256) -> Result<Option<u64>, ReadError>;
    /// What is known of a block that exists without its transactions.
    fn outline(&self, number: u64) -> Result<Outline, ReadError>;
    /// Transactions of a block that exists.
    fn transactions(&self, number: u64) -> Result<Vec<Transaction>, ReadError>;
    /// One transaction of a block that exists.
    fn transaction(&self, number: u64, index: u32) -> Result<Option<Transaction>, ReadError>;
    /// How many transactions a block that exists has.
    fn transaction_count(&self, number: u64) -> Result<u64, ReadError>;
    /// Receipts of a block that exists.
    fn receipts(&self, number: u64) -> Result<Vec<Receipt>, ReadError>;
    /// One receipt of a block that exists, and the number of logs before it in the block.
    fn receipt(&self, number: u64, index: u32) -> Result<Option<(Receipt, u64)>, ReadError>;
    /// Where an included transaction is.
    fn locate(&self, hash: &B256) -> Result<Option<TxPlace>, ReadError>;
    /// State after a block that exists; the newest one with what a development network's users
    /// overwrote since.
    fn state_at(&self, number: u64) -> Result<Self::State, ReadError>;
    /// The newest block and the state after it, with what a development network's users overwrote
    /// since: both of one moment.
    fn newest(&self) -> Result<(SealedHeader, Self::State), ReadError> {
        let head = self.head()?;
        let state = self.state_at(head.number)?;
        Ok((head, state))
    }
    /// State after a block that exists, as its state root has it.
    fn kept_state(&self, number: u64) -> Result<Self::State, ReadError>;
    /// What a development network's users overwrote at the opening of a block.
    fn overwrites(&self, number: u64) -> Result<Vec<Overwrite>, ReadError>;
    /// Slots of an account that hold something, until `each` answers false.
    fn slots(
        &self,
        number: u64,
        address: &Address,
        each: &mut dyn FnMut(U256, U256) -> bool,
    ) -> Result<(), ReadError>;
    /// Timestamp that a block on this header would have if it were made now, seconds since 1970.
    fn next_timestamp(&self, parent: &Header) -> u64;
    /// The block in the making.
    fn pending(&self) -> Result<Arc<PendingBlock>, ReadError>;

    /// Logs of the blocks `first` to `last` that the filter takes, in order, until `each` answers false.
    fn logs(
        &self,
        filter: &LogFilter,
        first: u64,
        last: u64,
        each: &mut dyn FnMut(FoundLog) -> bool,
    ) -> Result<(), ReadError>;

    /// Transactions an address took part in, from `from` on, oldest first, until `each` answers false.
    fn appearances_from(
        &self,
        address: &Address,
        from: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<(), ReadError>;
    /// As [`Self::appearances_from`], up to `to`, newest first.
    fn appearances_back(
        &self,
        address: &Address,
        to: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<(), ReadError>;
    /// The transaction that last created the contract.
    fn creation(&self, contract: &Address) -> Result<Option<TxPlace>, ReadError>;
    /// The transaction that a sender signed with a nonce.
    fn by_sender_and_nonce(&self, sender: &Address, nonce: u64) -> Result<Option<TxPlace>, ReadError>;
    /// Whether appearances are indexed.
    fn indexes_addresses(&self) -> bool;

    /// A transaction of the mempool.
    fn pooled(&self, hash: &B256) -> Option<Arc<Transaction>>;
    /// Nonce after those of the sender that can be included now; `None` if there are none.
    fn pooled_nonce(&self, sender: &Address) -> Option<u64>;
    /// Number of transactions in the mempool: includable now, behind a gap.
    fn pool_status(&self) -> (usize, usize);
    /// The mempool by sender; `None` where it has more than `limit` transactions.
    fn pool_content(&self, limit: usize) -> Option<Vec<Pooled>>;
    /// One sender's transactions in the mempool.
    fn pool_content_of(&self, sender: &Address) -> Pooled;
}
