//! A batch of precompile calls: `[[address, gas limit, input], ...]` in,
//! `[[status, gas used, output], ...]` out, both RLP.

use alloc::{string::ToString, vec::Vec};

use alloy_primitives::{Address, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use revm::precompile::{PrecompileHalt, PrecompileStatus};
use trex_stf::precompiles::precompiles;

use crate::Fault;

/// Exit status for an input that is not a batch.
pub const INPUT_EXIT_CODE: u8 = 10;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Call {
    /// Address of the precompile.
    pub address: Address,
    /// Gas it may use.
    pub gas_limit: u64,
    /// Input bytes.
    pub input: Bytes,
}

/// Answer to one [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Answer {
    /// [`SUCCESS`], [`REVERT`], [`OUT_OF_GAS`], [`HALT`], [`FATAL`] or [`NO_PRECOMPILE`].
    pub status: u8,
    /// Gas used; 0 unless it succeeded.
    pub gas_used: u64,
    /// Output bytes; empty unless it succeeded.
    pub output: Bytes,
}

/// It succeeded.
pub const SUCCESS: u8 = 0;
/// It reverted.
pub const REVERT: u8 = 1;
/// The gas limit did not suffice.
pub const OUT_OF_GAS: u8 = 2;
/// It failed for another reason. Which one is not part of the state transition.
pub const HALT: u8 = 3;
/// It could not be computed.
pub const FATAL: u8 = 4;
/// No precompile has this address.
pub const NO_PRECOMPILE: u8 = 5;

/// Answers one call.
pub fn answer(call: &Call) -> Answer {
    let failed = |status| Answer { status, gas_used: 0, output: Bytes::new() };
    let set = precompiles().precompiles;
    let Some(precompile) = set.get(&call.address) else { return failed(NO_PRECOMPILE) };
    match precompile.execute(&call.input, call.gas_limit, 0) {
        Err(_) => failed(FATAL),
        Ok(output) => match output.status {
            PrecompileStatus::Success => {
                Answer { status: SUCCESS, gas_used: output.gas_used, output: output.bytes }
            }
            PrecompileStatus::Revert => failed(REVERT),
            PrecompileStatus::Halt(PrecompileHalt::OutOfGas) => failed(OUT_OF_GAS),
            PrecompileStatus::Halt(_) => failed(HALT),
        },
    }
}

/// Answers a batch.
pub fn run(input: &Bytes) -> Result<Vec<u8>, Fault> {
    let calls = Vec::<Call>::decode(&mut input.as_ref())
        .map_err(|error| Fault { exit_code: INPUT_EXIT_CODE, message: error.to_string() })?;
    Ok(alloy_rlp::encode(calls.iter().map(answer).collect::<Vec<_>>()))
}
