//! Limits that keep memory and time bounded whatever is asked. Each error names its limit.

use std::time::Duration;

/// Limits of reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `call_gas`: gas of one eth_call, eth_estimateGas, eth_createAccessList or eth_simulateV1.
    pub call_gas: u64,
    /// `call_timeout_ms`: time of one of them.
    pub call_timeout: Duration,
    /// `trace_timeout_ms`: time of one debug_ or ots_ trace.
    pub trace_timeout: Duration,
    /// `response_bytes`: size of one answer.
    pub response_bytes: usize,
    /// `log_results`: logs in one answer of eth_getLogs.
    pub log_results: usize,
    /// `log_blocks`: blocks in the range of one eth_getLogs; `None` for any number.
    pub log_blocks: Option<u64>,
    /// `filter_items`: addresses of a log filter, and topics in each of its positions.
    pub filter_items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_gas: 50_000_000,
            call_timeout: Duration::from_secs(5),
            trace_timeout: Duration::from_secs(30),
            response_bytes: 128 << 20,
            log_results: 20_000,
            log_blocks: None,
            filter_items: 1000,
        }
    }
}
