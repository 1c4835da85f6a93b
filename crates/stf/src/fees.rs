//! Fees: the base fee over slots, and the L1 data fee.

use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::U256;

use crate::{attributes::L1Origin, params::NetworkParams, receipt::L1Fee};

/// Base fee of a block `elapsed_slots` after its parent (STF-003).
///
/// EIP-1559 moves it once for the parent's gas, then once for each skipped slot as for an empty
/// block, so that waiting cannot be timed to raise it. Never below the network's floor.
pub fn base_fee_wei(
    params: &NetworkParams,
    parent_base_fee_wei: u64,
    parent_gas_used: u64,
    parent_gas_limit: u64,
    elapsed_slots: u64,
) -> u64 {
    let rule = BaseFeeParams {
        max_change_denominator: u128::from(params.base_fee_denominator),
        elasticity_multiplier: u128::from(params.elasticity),
    };
    let floor = params.min_base_fee_wei;
    let mut fee = rule.next_block_base_fee(parent_gas_used, parent_gas_limit, parent_base_fee_wei).max(floor);
    for _ in 1..elapsed_slots {
        let next = rule.next_block_base_fee(0, parent_gas_limit, fee).max(floor);
        if next == fee {
            break;
        }
        fee = next;
    }
    fee
}

/// Smallest estimated size of a transaction, millionths of a byte (Fjord: 100 bytes).
const MIN_SIZE_MILLIONTHS: i64 = 100_000_000;
/// Constant of the size estimate, millionths of a byte (Fjord).
const SIZE_INTERCEPT_MILLIONTHS: i64 = -42_585_600;
/// Estimated bytes for one byte of FastLZ output, millionths (Fjord).
const SIZE_PER_FASTLZ_MILLIONTHS: i64 = 836_500;
/// L1 calldata gas per byte.
const CALLDATA_GAS_PER_BYTE: u64 = 16;

/// Size a transaction is estimated to take in a compressed batch, millionths of a byte (FEE-002).
pub fn estimated_size_millionths(encoded: &[u8]) -> u64 {
    let fastlz = i64::from(fastlz_length(encoded));
    (SIZE_INTERCEPT_MILLIONTHS + SIZE_PER_FASTLZ_MILLIONTHS * fastlz).max(MIN_SIZE_MILLIONTHS) as u64
}

/// L1 data fee of a transaction by its EIP-2718 bytes (FEE-003; OP Stack, Fjord form).
pub fn l1_fee(params: &NetworkParams, origin: &L1Origin, encoded: &[u8]) -> L1Fee {
    let mut fee = L1Fee {
        base_fee_wei: origin.base_fee_wei,
        blob_base_fee_wei: origin.blob_base_fee_wei,
        base_fee_scalar: params.base_fee_scalar,
        blob_base_fee_scalar: params.blob_base_fee_scalar,
        ..L1Fee::default()
    };
    if params.base_fee_scalar == 0 && params.blob_base_fee_scalar == 0 {
        return fee;
    }
    let size = estimated_size_millionths(encoded);
    fee.fee_wei = data_fee_wei(params, origin, size);
    fee.gas_used = size * CALLDATA_GAS_PER_BYTE / 1_000_000;
    fee
}

/// What so many millionths of a byte cost on L1, wei (FEE-003).
pub fn data_fee_wei(params: &NetworkParams, origin: &L1Origin, size_millionths: u64) -> U256 {
    let price = U256::from(params.base_fee_scalar)
        * U256::from(CALLDATA_GAS_PER_BYTE)
        * U256::from(origin.base_fee_wei)
        + U256::from(params.blob_base_fee_scalar) * U256::from(origin.blob_base_fee_wei);
    U256::from(size_millionths) * price / U256::from(1_000_000_000_000u64)
}

/// Length of `input` after FastLZ level 1 as the OP Stack's Fjord rule counts it (FEE-001).
///
/// Only the length is computed. Matches are found through a table of 8,192 last positions, keyed by
/// a hash of three bytes, within a distance of 8,191.
pub fn fastlz_length(input: &[u8]) -> u32 {
    const HASH_BITS: u32 = 13;
    const MAX_DISTANCE: u32 = 8192;
    let word = |at: u32| {
        let at = at as usize;
        u32::from(input[at]) | u32::from(input[at + 1]) << 8 | u32::from(input[at + 2]) << 16
    };
    let hash = |word: u32| (word.wrapping_mul(2_654_435_769) >> (32 - HASH_BITS)) as usize;
    let literals = |count: u32| {
        let (full, rest) = (count / 32, count % 32);
        full * 33 + if rest == 0 { 0 } else { rest + 1 }
    };
    let matched = |length: u32| {
        let length = length - 1;
        3 * (length / 262) + if length % 262 >= 6 { 3 } else { 2 }
    };

    let length = input.len() as u32;
    let limit = length.saturating_sub(13);
    let mut last_seen = [0u32; 1 << HASH_BITS];
    let (mut size, mut anchor, mut at) = (0u32, 0u32, 2u32);
    while at < limit {
        // The next three bytes that occurred before, near enough.
        let mut found = None;
        while found.is_none() {
            let here = word(at);
            let slot = &mut last_seen[hash(here)];
            let candidate = core::mem::replace(slot, at);
            let distance = at - candidate;
            if at >= limit {
                break;
            }
            at += 1;
            if distance < MAX_DISTANCE && word(candidate) == here {
                found = Some(candidate);
            }
        }
        let Some(candidate) = found.filter(|_| at < limit) else { break };
        at -= 1;
        if at > anchor {
            size += literals(at - anchor);
        }
        let mut run = 0;
        while at + 3 + run < length.saturating_sub(4)
            && input[(candidate + 3 + run) as usize] == input[(at + 3 + run) as usize]
        {
            run += 1;
        }
        // The comparison counts the byte it stopped at.
        let run = if at + 3 + run < length.saturating_sub(4) { run + 1 } else { run };
        size += matched(run);
        at += run;
        last_seen[hash(word(at))] = at;
        last_seen[hash(word(at + 1))] = at + 1;
        at += 2;
        anchor = at;
    }
    size + literals(length - anchor)
}
