//! The node's store.
//!
//! A *block log* (sequential, checksummed, synced once a block) makes blocks durable and keeps what is
//! bulky and never changes: bodies, receipts, what each block changed. Above it five sorted tables
//! answer questions: values as of the head, trie nodes as of the head, values before each change,
//! blocks and transactions by hash, logs and transactions by address. The tables hold nothing that the
//! log cannot give again; after a kill they are refilled from its last 64 MiB at most.
//!
//! State at block B is the value before the first change after B, else the current one. Going back to
//! B writes the old values of every later block; pruning forgets the history of the oldest.

#[cfg(test)]
extern crate self as trex_store;

mod blocks;
mod checkpoint;
mod codec;
mod error;
mod find;
mod format;
mod log;
mod ops;
mod pages;
mod record;
mod rewrite;
mod stats;
mod store;
mod trees;
mod types;
mod verify;
mod view;

pub use error::{Result, StoreError};
pub use store::Store;
pub use types::{
    BlockData, Body, FoundLog, Head, History, LogFilter, Options, Outline, Stats, StoredTransaction,
    TableStats, TxPlace,
};
pub use verify::{CheckBlock, Progress, Verified};
pub use view::StateView;
