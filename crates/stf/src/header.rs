//! The header's T-Rex meanings: slots in `extraData`, seconds from slots, output roots.

use alloc::vec::Vec;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};

use crate::params::NetworkParams;

/// Version byte that precedes the slot in `extraData`.
const EXTRA_DATA_VERSION: u8 = 1;

/// `extraData` of a block in `slot`: version byte 1, then the slot as 8 bytes, big endian (STF-002).
pub fn extra_data(slot: u64) -> Bytes {
    let mut out = Vec::with_capacity(9);
    out.push(EXTRA_DATA_VERSION);
    out.extend_from_slice(&slot.to_be_bytes());
    out.into()
}

/// The slot a header names; `None` if its `extraData` is not of our form.
pub fn slot(header: &Header) -> Option<u64> {
    match header.extra_data.as_ref() {
        [EXTRA_DATA_VERSION, slot @ ..] => Some(u64::from_be_bytes(slot.try_into().ok()?)),
        _ => None,
    }
}

/// Timestamp of a slot: its beginning, floored to seconds since the Unix epoch (STF-002).
pub fn timestamp(params: &NetworkParams, slot: u64) -> u64 {
    let elapsed_ms = u128::from(slot) * u128::from(params.block_time_ms);
    params.genesis_timestamp.saturating_add(u64::try_from(elapsed_ms / 1000).unwrap_or(u64::MAX))
}

/// Output root of a block (STF-010, OP Stack version 0): commits to state, withdrawals and the block.
/// `withdrawalsRoot` of our headers is the message passer's storage root, so the header suffices.
pub fn output_root(header: &Header, hash: B256) -> B256 {
    let mut preimage = [0u8; 128];
    preimage[32..64].copy_from_slice(header.state_root.as_slice());
    preimage[64..96].copy_from_slice(header.withdrawals_root.unwrap_or_default().as_slice());
    preimage[96..].copy_from_slice(hash.as_slice());
    keccak256(preimage)
}
