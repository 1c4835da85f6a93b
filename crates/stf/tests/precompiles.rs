//! Where the caps on precompiles lie, and the ed25519 verifier.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_primitives::{Address, U256};
use revm::precompile::{PrecompileHalt, PrecompileStatus};
use trex_stf::precompiles::{precompiles, provable_gas};

fn status(address: u8, input: &[u8]) -> (PrecompileStatus, u64) {
    let set = precompiles().precompiles;
    let output = set.get(&Address::with_last_byte(address)).unwrap().execute(input, u64::MAX, 0).unwrap();
    (output.status, output.gas_used)
}

/// PRE-004: inputs of points at infinity, which are cheap to compute and cost like any other.
#[test]
fn capped_precompile_one_element_too_many_runs_out_of_gas() {
    for (address, element_bytes, most, gas) in [
        (0x08, 192, 434, 14_801_000),
        (0x0c, 160, 1783, 11_104_524),
        (0x0e, 288, 957, 11_283_030),
        (0x0f, 384, 411, 13_436_300),
    ] {
        let (accepted, used) = status(address, &vec![0; element_bytes * most]);
        assert_eq!((accepted, used), (PrecompileStatus::Success, gas), "{address:#x}");
        assert!(gas <= provable_gas(element_bytes * most));
        let (refused, _) = status(address, &vec![0; element_bytes * (most + 1)]);
        assert_eq!(refused, PrecompileStatus::Halt(PrecompileHalt::OutOfGas), "{address:#x}");
    }
}

/// PRE-004 for modexp, whose gas depends on the exponent's value.
#[test]
fn capped_modexp_of_a_costlier_exponent_runs_out_of_gas() {
    let input = |exponent_bits: usize| {
        let word = |value: usize| U256::from(value).to_be_bytes::<32>();
        let mut exponent = U256::ZERO;
        exponent.set_bit(exponent_bits, true);
        let mut input = [word(1024), word(32), word(1024)].concat();
        input.extend([1; 1024]);
        input.extend(exponent.to_be_bytes::<32>());
        input.extend([3; 1024]);
        input
    };
    // 2 * (1024 / 8)^2 for each bit.
    assert_eq!(status(5, &input(255)), (PrecompileStatus::Success, 255 * 32_768));
    // Ethereum takes 16,744,448 gas for a 48-byte exponent, below its limit of 2^24.
    let mut long = input(255);
    long[63] = 47;
    assert_eq!(status(5, &long), (PrecompileStatus::Success, (16 * 15 + 255) * 32_768));
    long[63] = 48;
    assert_eq!(status(5, &long).0, PrecompileStatus::Halt(PrecompileHalt::OutOfGas));
}

/// A whole proof fits: the call with its input, at the limits that L1 sets.
#[test]
fn provable_gas_leaves_room_for_the_transaction_that_proves() {
    for length in [0usize, 192, 10_000, 86_000, 160_128, 298_400, 900_000, 10_000_000] {
        let gas = provable_gas(length);
        let words = length.div_ceil(32) as u64;
        // EIP-2028 calldata; copy to memory, keccak256 and the copy a call makes; EIP-7623's floor.
        let memory = 3 * words + words * words / 512;
        let needed = 21_000 + 16 * length as u64 + 3 * words + 6 * words + memory + gas + gas / 63;
        assert!(gas == 0 || needed <= (1 << 24) - 100_000, "{length}");
        assert!(gas == 0 || 21_000 + 40 * (length as u64) <= 1 << 24, "{length}");
    }
}
