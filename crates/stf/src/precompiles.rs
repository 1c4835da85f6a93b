//! Precompiled contracts: Ethereum's at Osaka, and one that verifies ed25519.
//!
//! Those whose cost grows with the input and that a proof answers by calling the same precompile on
//! L1 may use no more gas than one L1 transaction has room for (PRE-004).

use alloy_primitives::{Address, B256, Bytes, address};
use ed25519_dalek::{Signature, VerifyingKey};
use revm::{
    handler::EthPrecompiles,
    precompile::{
        EthPrecompileOutput, EthPrecompileResult, Precompile, PrecompileFn, PrecompileHalt, PrecompileId,
        PrecompileResult, Precompiles, bls12_381, bn254, eth_precompile_fn, modexp,
    },
    primitives::{OnceLock, hardfork::SpecId},
};

/// Address of the ed25519 verifier (PRE-001).
pub const ED25519_VERIFY: Address = address!("0000000000000000000000000000000000000201");
/// Gas of one verification (PRE-002).
pub const ED25519_VERIFY_GAS: u64 = 6_900;
/// Gas per 32-byte word of the message, for its hashing (PRE-002).
pub const ED25519_WORD_GAS: u64 = 12;

const KEY_LENGTH: usize = 32;
const SIGNATURE_LENGTH: usize = 64;

eth_precompile_fn!(ed25519_verify_precompile, ed25519_verify);

/// Gas limit of an L1 transaction (EIP-7825).
const L1_TX_GAS_LIMIT: u64 = 1 << 24;
/// L1 gas for the transaction itself, for checking what it answers and for storing the answer.
const L1_BASE_GAS: u64 = 200_000;
/// L1 gas per input byte: 16 as calldata, the rest for copying, hashing and memory up to 22 KiB.
const L1_GAS_PER_BYTE: u64 = 18;
/// Memory's quadratic cost: a gas per square of this many bytes, 512 words squared.
const L1_MEMORY_SQUARE_BYTES: u64 = 512 * 32 * 32;
/// Longest `modexp` input that means anything: three lengths, three numbers of EIP-7823's limit.
const MODEXP_INPUT_BYTES: usize = 96 + 3 * 1024;

/// Gas a precompile may use on `input_length` bytes so that one L1 transaction can call it on the
/// same input: what is left of its gas limit, less the 64th that a call keeps back (PRE-004).
pub fn provable_gas(input_length: usize) -> u64 {
    let length = input_length as u64;
    let memory = length.saturating_mul(length) / L1_MEMORY_SQUARE_BYTES;
    let overhead = length.saturating_mul(L1_GAS_PER_BYTE).saturating_add(memory).saturating_add(L1_BASE_GAS);
    L1_TX_GAS_LIMIT.saturating_sub(overhead) / 64 * 63
}

/// Runs a precompile within [`provable_gas`]; what needs more runs out of gas.
fn provable(
    base: &Precompile,
    input: &[u8],
    length: usize,
    gas_limit: u64,
    reservoir: u64,
) -> PrecompileResult {
    base.execute(input, gas_limit.min(provable_gas(length)), reservoir)
}

fn capped_modexp(input: &[u8], gas_limit: u64, reservoir: u64) -> PrecompileResult {
    provable(&modexp::OSAKA, input, input.len().min(MODEXP_INPUT_BYTES), gas_limit, reservoir)
}

fn capped_bn254_pairing(input: &[u8], gas_limit: u64, reservoir: u64) -> PrecompileResult {
    provable(&bn254::pair::ISTANBUL, input, input.len(), gas_limit, reservoir)
}

fn capped_bls12_g1_msm(input: &[u8], gas_limit: u64, reservoir: u64) -> PrecompileResult {
    provable(&bls12_381::g1_msm::PRECOMPILE, input, input.len(), gas_limit, reservoir)
}

fn capped_bls12_g2_msm(input: &[u8], gas_limit: u64, reservoir: u64) -> PrecompileResult {
    provable(&bls12_381::g2_msm::PRECOMPILE, input, input.len(), gas_limit, reservoir)
}

fn capped_bls12_pairing(input: &[u8], gas_limit: u64, reservoir: u64) -> PrecompileResult {
    provable(&bls12_381::pairing::PRECOMPILE, input, input.len(), gas_limit, reservoir)
}

/// The chain's precompiles: Osaka's, capped, and [`ED25519_VERIFY`].
pub fn precompiles() -> EthPrecompiles {
    static SET: OnceLock<Precompiles> = OnceLock::new();
    let precompiles = SET.get_or_init(|| {
        let mut set = Precompiles::osaka().clone();
        let capped: [(Precompile, PrecompileFn); 5] = [
            (modexp::OSAKA, capped_modexp),
            (bn254::pair::ISTANBUL, capped_bn254_pairing),
            (bls12_381::g1_msm::PRECOMPILE, capped_bls12_g1_msm),
            (bls12_381::g2_msm::PRECOMPILE, capped_bls12_g2_msm),
            (bls12_381::pairing::PRECOMPILE, capped_bls12_pairing),
        ];
        set.extend(
            capped.map(|(base, function)| Precompile::new(base.id().clone(), *base.address(), function)),
        );
        set.extend([Precompile::new(
            PrecompileId::custom("ed25519_verify"),
            ED25519_VERIFY,
            ed25519_verify_precompile,
        )]);
        set
    });
    EthPrecompiles { precompiles, spec: SpecId::OSAKA }
}

/// Verifies an ed25519 signature: 32 bytes of key, 64 of signature, the rest is the message.
///
/// Answers a word of value 1 for a valid signature and nothing for an invalid one or a short
/// input. Acceptance is `verify_strict`: canonical encodings, no key or commitment of small order,
/// cofactorless equation, as Solana has it (PRE-003).
pub fn ed25519_verify(input: &[u8], gas_limit: u64) -> EthPrecompileResult {
    let message_length = input.len().saturating_sub(KEY_LENGTH + SIGNATURE_LENGTH);
    let gas = ED25519_VERIFY_GAS + ED25519_WORD_GAS * message_length.div_ceil(32) as u64;
    if gas > gas_limit {
        return Err(PrecompileHalt::OutOfGas);
    }
    let output = if is_valid(input) { B256::with_last_byte(1).into() } else { Bytes::new() };
    Ok(EthPrecompileOutput::new(gas, output))
}

fn is_valid(input: &[u8]) -> bool {
    let Some((key, rest)) = input.split_first_chunk::<KEY_LENGTH>() else { return false };
    let Some((signature, message)) = rest.split_first_chunk::<SIGNATURE_LENGTH>() else { return false };
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}
