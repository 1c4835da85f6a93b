//! The node's hot half: what happens to every transaction between JSON-RPC and the store.
//!
//! Synchronous Rust without Python: the mempool, block building, and the answers of JSON-RPC.

mod ahead;
pub mod batches;
pub mod block_rlp;
pub mod chain;
pub mod derive;
pub mod dev;
pub mod error;
pub mod import;
pub mod kzg;
pub mod l1_view;
pub mod limits;
pub mod network;
pub mod operate;
pub mod pending;
pub mod pool;
pub mod rpc;
pub mod send_batch;
pub mod settle;
pub mod transfer;
pub mod unposted;
mod unwind;
