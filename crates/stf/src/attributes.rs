//! What a block is built from besides its parent and its transactions.

use alloc::vec::Vec;

use alloy_primitives::{B256, Bytes};

/// The L1 block that an L2 block takes its L1 facts from (its *origin*).
///
/// Fields come from the L1 header, as keccak preimages; whoever builds a block is not trusted with
/// them once the chain settles on L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Origin {
    /// L1 block number.
    pub number: u64,
    /// L1 block hash.
    pub hash: B256,
    /// L1 timestamp, seconds since the Unix epoch.
    pub timestamp: u64,
    /// L1 base fee, wei per gas.
    pub base_fee_wei: u64,
    /// L1 blob base fee, wei per blob gas.
    pub blob_base_fee_wei: u128,
    /// L1 `prevrandao` (EIP-4399); becomes `mixHash` of the L2 header.
    pub prev_randao: B256,
    /// L1 parent beacon block root (EIP-4788).
    pub parent_beacon_block_root: B256,
}

/// Attributes of a block to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Milliseconds since genesis divided by the block time; strictly above the parent's (STF-001).
    pub slot: u64,
    /// The L1 origin; its number never decreases.
    pub origin: L1Origin,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Forced deposits, in order, each an EIP-2718 encoded `0x7E` transaction.
    pub deposits: Vec<Bytes>,
}
