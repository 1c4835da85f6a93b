//! What bounds the pool, and what it must know of the head.

use alloy_primitives::{B256, U256};
use trex_stf::{attributes::L1Origin, params::NetworkParams};

/// Default of [`PoolConfig::max_transactions`].
pub(crate) const MAX_TRANSACTIONS: usize = 200_000;
/// Default of [`PoolConfig::max_bytes`].
pub(crate) const MAX_BYTES: usize = 512 << 20;
/// Default of [`PoolConfig::max_account_transactions`].
pub(crate) const MAX_ACCOUNT_TRANSACTIONS: usize = 16_384;
/// Default of [`PoolConfig::max_account_queued`].
pub(crate) const MAX_ACCOUNT_QUEUED: usize = 1_024;

/// Limits and rules of a pool. None of them is a rule of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Parameters of the network: chain id, base fee floor, L1 fee scalars.
    pub params: NetworkParams,
    /// Most transactions, executable and queued together.
    pub max_transactions: usize,
    /// Most memory the transactions may take, bytes, bookkeeping included.
    pub max_bytes: usize,
    /// Share of both limits above that queued transactions (behind a nonce gap) may take, percent.
    pub max_queued_percent: usize,
    /// Most transactions of one sender.
    pub max_account_transactions: usize,
    /// Most queued transactions of one sender.
    pub max_account_queued: usize,
    /// Longest EIP-2718 encoding of one transaction, bytes.
    pub max_transaction_bytes: usize,
    /// How much both fee caps must rise to replace a transaction, percent.
    pub price_bump_percent: u8,
    /// Smallest `maxPriorityFeePerGas` taken, wei.
    pub min_tip_wei: u128,
    /// Largest fee (gas limit times fee cap) taken, wei; `None` for any.
    pub fee_cap_wei: Option<U256>,
    /// Whether legacy signatures without a chain id (before EIP-155) are taken.
    pub allow_unprotected: bool,
    /// After this long in the queue without becoming executable a transaction is dropped, seconds.
    pub queued_lifetime_s: u64,
    /// How many announcements of executable transactions are kept for subscribers.
    pub announcements: usize,
    /// Whether the journal is flushed to the disk before a hash is answered. Without it what was
    /// answered survives the death of the process, not that of the machine.
    pub sync_journal: bool,
}

impl PoolConfig {
    /// Defaults for a network: 200,000 transactions within 512 MiB.
    pub fn new(params: NetworkParams) -> Self {
        Self {
            params,
            max_transactions: MAX_TRANSACTIONS,
            max_bytes: MAX_BYTES,
            max_queued_percent: 25,
            max_account_transactions: MAX_ACCOUNT_TRANSACTIONS,
            max_account_queued: MAX_ACCOUNT_QUEUED,
            max_transaction_bytes: 128 << 10,
            price_bump_percent: 10,
            min_tip_wei: 0,
            fee_cap_wei: None,
            allow_unprotected: true,
            queued_lifetime_s: 3 * 3600,
            announcements: 65_536,
            sync_journal: false,
        }
    }

    /// Most queued transactions.
    pub(super) fn max_queued(&self) -> usize {
        self.max_transactions / 100 * self.max_queued_percent.min(100)
            + self.max_transactions % 100 * self.max_queued_percent.min(100) / 100
    }

    /// Most memory of queued transactions, bytes.
    pub(super) fn max_queued_bytes(&self) -> usize {
        self.max_bytes / 100 * self.max_queued_percent.min(100)
    }
}

/// The block that pooled transactions are judged against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the head block.
    pub number: u64,
    /// Hash of the head block.
    pub hash: B256,
    /// Timestamp of the head block, seconds; the pool's only clock.
    pub timestamp: u64,
    /// Base fee of a block built on the head now, wei per gas.
    pub base_fee_wei: u64,
    /// Gas limit of the next block.
    pub gas_limit: u64,
    /// L1 origin, for the L1 data fee.
    pub origin: L1Origin,
}
