//! Limits of the node's hot half by the names that configuration and errors know them by.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trex_stf::params::NetworkParams;

use crate::{
    dev::DevLimits,
    pool::{PoolConfig, config},
    rpc::limits::Limits,
};

/// Limits by name. What is not given has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeLimits {
    /// Transactions in the mempool.
    pub pool_transactions: usize,
    /// Bytes they may take.
    pub pool_bytes: usize,
    /// Transactions of one account in the mempool.
    pub pool_account_transactions: usize,
    /// Those of them that wait behind a gap.
    pub pool_account_queued: usize,
    /// Gas of one simulated call.
    pub call_gas: u64,
    /// Milliseconds of one such call.
    pub call_timeout_ms: u64,
    /// Milliseconds of one trace.
    pub trace_timeout_ms: u64,
    /// Bytes of one answer.
    pub response_bytes: usize,
    /// Logs in one answer of eth_getLogs.
    pub log_results: usize,
    /// Blocks that one eth_getLogs may look through; `None` for any number.
    pub log_blocks: Option<u64>,
    /// Addresses of a log filter, and topics in each of its positions.
    pub filter_items: usize,
    /// Bytes of what waits for the next block of a development network.
    pub dev_waiting_bytes: usize,
    /// Bytes of a development network's snapshots.
    pub dev_snapshot_bytes: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        let Limits {
            call_gas,
            call_timeout,
            trace_timeout,
            response_bytes,
            log_results,
            log_blocks,
            filter_items,
        } = Limits::default();
        let DevLimits { waiting_bytes, snapshot_bytes } = DevLimits::default();
        Self {
            pool_transactions: config::MAX_TRANSACTIONS,
            pool_bytes: config::MAX_BYTES,
            pool_account_transactions: config::MAX_ACCOUNT_TRANSACTIONS,
            pool_account_queued: config::MAX_ACCOUNT_QUEUED,
            call_gas,
            call_timeout_ms: call_timeout.as_millis() as u64,
            trace_timeout_ms: trace_timeout.as_millis() as u64,
            response_bytes,
            log_results,
            log_blocks,
            filter_items,
            dev_waiting_bytes: waiting_bytes,
            dev_snapshot_bytes: snapshot_bytes,
        }
    }
}

impl NodeLimits {
    /// Those of the mempool.
    pub fn pool(&self, params: NetworkParams) -> PoolConfig {
        PoolConfig {
            max_transactions: self.pool_transactions,
            max_bytes: self.pool_bytes,
            max_account_transactions: self.pool_account_transactions,
            max_account_queued: self.pool_account_queued,
            ..PoolConfig::new(params)
        }
    }

    /// Those of reads.
    pub fn reads(&self) -> Limits {
        Limits {
            call_gas: self.call_gas,
            call_timeout: Duration::from_millis(self.call_timeout_ms),
            trace_timeout: Duration::from_millis(self.trace_timeout_ms),
            response_bytes: self.response_bytes,
            log_results: self.log_results,
            log_blocks: self.log_blocks,
            filter_items: self.filter_items,
        }
    }

    /// Those of development controls.
    pub fn dev(&self) -> DevLimits {
        DevLimits { waiting_bytes: self.dev_waiting_bytes, snapshot_bytes: self.dev_snapshot_bytes }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::NodeLimits;

    #[test]
    fn what_is_not_given_has_its_default_and_unknown_names_are_refused() {
        let given: NodeLimits =
            serde_json::from_str(r#"{"log_results": 7, "dev_waiting_bytes": 9}"#).unwrap();
        assert_eq!((given.reads().log_results, given.dev().waiting_bytes), (7, 9));
        let rest = NodeLimits { log_results: 7, dev_waiting_bytes: 9, ..NodeLimits::default() };
        assert_eq!(given, rest);
        assert!(serde_json::from_str::<NodeLimits>(r#"{"log_result": 7}"#).is_err());
    }
}
