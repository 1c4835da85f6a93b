//! The T-Rex state transition function.
//!
//! From a parent block, attributes and ordered transactions it makes a block: header, receipts,
//! state root, output root. It is compiled twice, natively for the node and for RISC-V as the
//! fraud-proof program, so it holds no I/O, clock, randomness or thread that could change a result.
//! An invalid transaction is data with a reason; the only error is "could not compute"
//! (a fault).
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod attributes;
pub mod batch;
pub mod block;
pub mod deposits;
pub mod derive;
pub mod evm;
pub mod fees;
pub mod header;
pub mod keccak;
mod node_rlp;
pub mod ordered_root;
pub mod params;
pub mod precompiles;
pub mod program;
pub mod receipt;
pub mod recover;
pub mod state;
pub mod state_trie;
pub mod transaction;
pub mod trie;
pub mod witness;
