//! Precompiled contracts: Ethereum's at Osaka, and one that verifies ed25519.

use alloy_primitives::{Address, B256, Bytes, address};
use ed25519_dalek::{Signature, VerifyingKey};
use revm::{
    handler::EthPrecompiles,
    precompile::{
        EthPrecompileOutput, EthPrecompileResult, Precompile, PrecompileHalt, PrecompileId, Precompiles,
        eth_precompile_fn,
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

/// The chain's precompiles: Osaka's and [`ED25519_VERIFY`].
pub fn precompiles() -> EthPrecompiles {
    static SET: OnceLock<Precompiles> = OnceLock::new();
    let precompiles = SET.get_or_init(|| {
        let mut set = Precompiles::osaka().clone();
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
