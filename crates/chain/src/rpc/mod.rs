//! Every read-only method of JSON-RPC: parameters from JSON, the answer as JSON.
//!
//! [`dispatch`] finds the method in one table. Methods read through [`reader::Reader`] and know nothing
//! of sockets or Python. Shapes, codes and messages are geth's, op-geth's for deposits, Otterscan's for
//! `ots_`.

pub mod access_list;
pub mod account;
pub mod blocks;
pub mod call;
pub mod chain_reader;
pub mod config;
pub mod context;
pub mod duration;
pub mod error;
pub mod estimate;
pub mod exec;
pub mod fees;
pub mod filter;
pub mod info;
pub mod json;
pub mod limits;
pub mod logs;
pub mod ots;
pub mod overlay;
pub mod params;
pub mod raw;
pub mod reader;
pub mod replay;
pub mod request;
pub mod shapes;
pub mod simulate;
pub mod trace;
pub mod transactions;
pub mod transfers;
pub mod txpool;
pub mod watch;

use std::time::{Duration, Instant};

use context::Rpc;
use error::RpcError;
use json::Answer;
use limits::Limits;
use params::Params;
use reader::Reader;

macro_rules! methods {
    ($($name:literal $most:literal => $function:path;)*) => {
        /// Names of all methods that [`dispatch`] answers.
        pub const METHODS: &[&str] = &[$($name),*];

        fn call<R: Reader>(rpc: &Rpc<'_, R>, method: &str, params: &[u8]) -> Answer {
            match method {
                $($name => $function(rpc, &Params::parse(params, $most)?),)*
                _ => Err(RpcError::no_method(method)),
            }
        }
    };
}

methods! {
    "debug_getRawBlock" 1 => raw::debug_get_raw_block;
    "debug_getRawHeader" 1 => raw::debug_get_raw_header;
    "debug_getRawReceipts" 1 => raw::debug_get_raw_receipts;
    "debug_getRawTransaction" 1 => transactions::debug_get_raw_transaction;
    "debug_storageRangeAt" 5 => trace::debug_storage_range_at;
    "debug_traceBlock" 2 => trace::debug_trace_block;
    "debug_traceBlockByHash" 2 => trace::debug_trace_block_by_hash;
    "debug_traceBlockByNumber" 2 => trace::debug_trace_block_by_number;
    "debug_traceCall" 3 => trace::debug_trace_call;
    "debug_traceTransaction" 2 => trace::debug_trace_transaction;
    "eth_accounts" 0 => info::eth_accounts;
    "eth_blobBaseFee" 0 => fees::eth_blob_base_fee;
    "eth_blockNumber" 0 => blocks::eth_block_number;
    "eth_call" 4 => call::eth_call;
    "eth_chainId" 0 => info::eth_chain_id;
    "eth_config" 0 => config::eth_config;
    "eth_createAccessList" 3 => access_list::eth_create_access_list;
    "eth_estimateGas" 4 => estimate::eth_estimate_gas;
    "eth_feeHistory" 3 => fees::eth_fee_history;
    "eth_gasPrice" 0 => fees::eth_gas_price;
    "eth_getBalance" 2 => account::eth_get_balance;
    "eth_getBlockByHash" 2 => blocks::eth_get_block_by_hash;
    "eth_getBlockByNumber" 2 => blocks::eth_get_block_by_number;
    "eth_getBlockReceipts" 1 => blocks::eth_get_block_receipts;
    "eth_getBlockTransactionCountByHash" 1 => blocks::eth_count_by_hash;
    "eth_getBlockTransactionCountByNumber" 1 => blocks::eth_count_by_number;
    "eth_getCode" 2 => account::eth_get_code;
    "eth_getHeaderByHash" 1 => blocks::eth_get_header_by_hash;
    "eth_getHeaderByNumber" 1 => blocks::eth_get_header_by_number;
    "eth_getLogs" 1 => logs::eth_get_logs;
    "eth_getProof" 3 => account::eth_get_proof;
    "eth_getRawTransactionByBlockHashAndIndex" 2 => transactions::eth_get_raw_transaction_by_block_hash;
    "eth_getRawTransactionByBlockNumberAndIndex" 2 => transactions::eth_get_raw_transaction_by_block_number;
    "eth_getRawTransactionByHash" 1 => transactions::eth_get_raw_transaction_by_hash;
    "eth_getStorageAt" 3 => account::eth_get_storage_at;
    "eth_getTransactionByBlockHashAndIndex" 2 => transactions::eth_get_transaction_by_block_hash;
    "eth_getTransactionByBlockNumberAndIndex" 2 => transactions::eth_get_transaction_by_block_number;
    "eth_getTransactionByHash" 1 => transactions::eth_get_transaction_by_hash;
    "eth_getTransactionCount" 2 => account::eth_get_transaction_count;
    "eth_getTransactionReceipt" 1 => transactions::eth_get_transaction_receipt;
    "eth_getUncleByBlockHashAndIndex" 2 => blocks::eth_uncle_by_hash;
    "eth_getUncleByBlockNumberAndIndex" 2 => blocks::eth_uncle_by_number;
    "eth_getUncleCountByBlockHash" 1 => blocks::eth_uncle_count_by_hash;
    "eth_getUncleCountByBlockNumber" 1 => blocks::eth_uncle_count_by_number;
    "eth_maxPriorityFeePerGas" 0 => fees::eth_max_priority_fee_per_gas;
    "eth_simulateV1" 2 => simulate::eth_simulate_v1;
    "eth_syncing" 0 => info::eth_syncing;
    "net_listening" 0 => info::net_listening;
    "net_peerCount" 0 => info::net_peer_count;
    "net_version" 0 => info::net_version;
    "ots_getApiLevel" 0 => ots::ots_get_api_level;
    "ots_getBlockDetails" 1 => ots::ots_get_block_details;
    "ots_getBlockDetailsByHash" 1 => ots::ots_get_block_details_by_hash;
    "ots_getBlockTransactions" 3 => ots::ots_get_block_transactions;
    "ots_getContractCreator" 1 => ots::ots_get_contract_creator;
    "ots_getInternalOperations" 1 => ots::ots_get_internal_operations;
    "ots_getTransactionBySenderAndNonce" 2 => ots::ots_get_transaction_by_sender_and_nonce;
    "ots_getTransactionError" 1 => ots::ots_get_transaction_error;
    "ots_hasCode" 2 => ots::ots_has_code;
    "ots_searchTransactionsAfter" 3 => ots::ots_search_transactions_after;
    "ots_searchTransactionsBefore" 3 => ots::ots_search_transactions_before;
    "ots_traceTransaction" 1 => ots::ots_trace_transaction;
    "rpc_modules" 0 => info::rpc_modules;
    "trex_info" 0 => info::trex_info;
    "txpool_content" 0 => txpool::txpool_content;
    "txpool_contentFrom" 1 => txpool::txpool_content_from;
    "txpool_inspect" 0 => txpool::txpool_inspect;
    "txpool_status" 0 => txpool::txpool_status;
    "web3_clientVersion" 0 => info::web3_client_version;
    "web3_sha3" 1 => info::web3_sha3;
}

/// Longest parameters of a call that [`brief`] looks at, bytes.
const BRIEF_PARAMS_BYTES: usize = 4096;
/// Largest block that [`brief`] answers with, whole transactions.
const BRIEF_TRANSACTIONS: u64 = 200;
/// Largest block that [`brief`] answers with, hashes of transactions.
const BRIEF_HASHES: u64 = 5_000;
/// Time for a call that [`brief`] runs.
const BRIEF_TIME: Duration = Duration::from_millis(1);

/// Answers `eth_call`, `eth_getBlockByNumber` or `eth_getBlockByHash` if that takes no longer than some
/// milliseconds, so that a caller who must not be held up can ask. `None` where it would take longer, or
/// where the method is another one: [`dispatch`] has no such bound.
pub fn brief<R: Reader>(reader: &R, method: &str, params: &[u8], limits: &Limits) -> Option<Answer> {
    let is_small = params.len() <= BRIEF_PARAMS_BYTES;
    let asks_pending = params.windows(7).any(|window| window == b"pending");
    if !is_small || asks_pending {
        return None;
    }
    match method {
        "eth_call" => {
            let brief = Limits { call_timeout: BRIEF_TIME.min(limits.call_timeout), ..limits.clone() };
            let started = Instant::now();
            let answer = dispatch(reader, method, params, &brief);
            // A failure after the time is up may be that of the time.
            (answer.is_ok() || started.elapsed() < brief.call_timeout).then_some(answer)
        }
        "eth_getBlockByNumber" | "eth_getBlockByHash" => {
            let rpc = Rpc { reader, limits };
            let size =
                Params::parse(params, 2).ok().and_then(|params| blocks::size_of(&rpc, method, &params));
            size.is_none_or(|(count, full)| count <= if full { BRIEF_TRANSACTIONS } else { BRIEF_HASHES })
                .then(|| dispatch(reader, method, params, limits))
        }
        _ => None,
    }
}

/// Answers a read-only method. `params` is a JSON array or empty; the answer is the JSON of `result`.
pub fn dispatch<R: Reader>(reader: &R, method: &str, params: &[u8], limits: &Limits) -> Answer {
    call(&Rpc { reader, limits }, method, params)
}
