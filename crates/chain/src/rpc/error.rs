//! Errors of JSON-RPC: geth's codes and messages, revert data included.

use alloy_primitives::{Bytes, U256, hex};
use revm::{
    context::{
        TxEnv,
        result::{HaltReason, InvalidTransaction, OutOfGasError},
    },
    primitives::eip3860::MAX_INITCODE_SIZE,
};

use super::{reader::ReadError, watch::LastStep};

/// Execution reverted; `data` is what was returned.
pub const REVERTED: i64 = 3;
/// Any failure of a well-formed request.
pub const SERVER: i64 = -32000;
/// A limit of this node was hit; the message names it.
pub const LIMIT: i64 = -32005;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// A parameter is missing or malformed.
pub const INVALID_PARAMS: i64 = -32602;
/// The node could not compute.
pub const INTERNAL: i64 = -32603;

/// An error object of JSON-RPC 2.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// Number that programs tell errors apart by.
    pub code: i64,
    /// For people.
    pub message: String,
    /// Revert data or another fact, a string.
    pub data: Option<String>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Code -32000.
    pub fn server(message: impl Into<String>) -> Self {
        Self::new(SERVER, message)
    }

    /// Code -32602.
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// The request would pass a limit of this node.
    pub fn limit(name: &str, value: impl std::fmt::Display, what: &str) -> Self {
        Self::new(LIMIT, format!("{what}: limit {name} is {value}"))
    }

    /// A method this node does not have.
    pub fn no_method(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("the method {method} does not exist/is not available"))
    }

    /// A revert with its data, and the reason where it is `Error(string)` or `Panic(uint256)`.
    pub fn revert(output: &Bytes) -> Self {
        Self { code: REVERTED, message: revert_message(output), data: Some(hex::encode_prefixed(output)) }
    }
}

impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}

impl From<ReadError> for RpcError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Pruned { .. } => Self::new(SERVER, error.to_string()),
            ReadError::Fault(_) => Self::new(INTERNAL, error.to_string()),
        }
    }
}

/// "execution reverted", with the reason where the output tells one.
pub fn revert_message(output: &[u8]) -> String {
    match revert_reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    }
}

/// The reason inside `Error(string)` or `Panic(uint256)`.
fn revert_reason(output: &[u8]) -> Option<String> {
    let (selector, body) = output.split_first_chunk::<4>()?;
    let word = |at: usize| body.get(at..at.checked_add(32)?).map(U256::from_be_slice);
    match *selector {
        [0x08, 0xc3, 0x79, 0xa0] => {
            let at = usize::try_from(word(0)?).ok()?;
            let length = usize::try_from(word(at)?).ok()?;
            let start = at.checked_add(32)?;
            let text = body.get(start..start.checked_add(length)?)?;
            Some(String::from_utf8_lossy(text).into_owned())
        }
        [0x4e, 0x48, 0x7b, 0x71] => {
            let code = word(0)?;
            Some(match u64::try_from(code).ok().and_then(panic_text) {
                Some(text) => text.into(),
                None => format!("unknown panic code: {code:#x}"),
            })
        }
        _ => None,
    }
}

/// Solidity's panic codes.
fn panic_text(code: u64) -> Option<&'static str> {
    Some(match code {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return None,
    })
}

/// Why execution stopped, in geth's words.
pub fn halt_message(reason: &HaltReason, last: &LastStep) -> String {
    let text = match reason {
        HaltReason::OutOfGas(OutOfGasError::InvalidOperand) => "gas uint64 overflow",
        HaltReason::OutOfGas(_) => "out of gas",
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => {
            return format!("invalid opcode: opcode {:#x} not defined", last.opcode);
        }
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => {
            return format!("stack underflow ({} <=> {})", last.stack, last.inputs());
        }
        HaltReason::StackOverflow => {
            return format!("stack limit reached {} ({})", last.stack, last.stack_limit());
        }
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::PrecompileError => "precompile failed",
        HaltReason::PrecompileErrorWithContext(context) => return context.clone(),
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::OverflowPayment | HaltReason::OutOfFunds => "insufficient balance for transfer",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::CallTooDeep => "max call depth exceeded",
    };
    text.into()
}

/// Why a transaction cannot run, in geth's words.
pub fn invalid_message(error: &InvalidTransaction, tx: &TxEnv, base_fee_wei: u64) -> String {
    let from = tx.caller;
    match error {
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => format!(
            "max priority fee per gas higher than max fee per gas: address {from}, maxPriorityFeePerGas: {}, maxFeePerGas: {}",
            tx.gas_priority_fee.unwrap_or_default(),
            tx.gas_price
        ),
        InvalidTransaction::GasPriceLessThanBasefee => format!(
            "max fee per gas less than block base fee: address {from}, maxFeePerGas: {}, baseFee: {base_fee_wei}",
            tx.gas_price
        ),
        InvalidTransaction::CallerGasLimitMoreThanBlock => "gas limit reached".into(),
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            format!("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        InvalidTransaction::RejectCallerWithCode => format!("sender not an eoa: address {from}"),
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: address {from} have {balance} want {fee}")
        }
        InvalidTransaction::OverflowPaymentInTransaction => {
            format!(
                "insufficient funds for gas * price + value: address {from} required balance exceeds 256 bits"
            )
        }
        InvalidTransaction::NonceOverflowInTransaction => {
            format!("nonce has max value: address {from}, nonce: {}", tx.nonce)
        }
        InvalidTransaction::NonceTooHigh { tx, state } => {
            format!("nonce too high: address {from}, tx: {tx} state: {state}")
        }
        InvalidTransaction::NonceTooLow { tx, state } => {
            format!("nonce too low: address {from}, tx: {tx} state: {state}")
        }
        InvalidTransaction::CreateInitCodeSizeLimit => {
            format!("max initcode size exceeded: code size {} limit {MAX_INITCODE_SIZE}", tx.data.len())
        }
        InvalidTransaction::EmptyAuthorizationList => {
            format!("EIP-7702 transaction with empty auth list (sender {from})")
        }
        InvalidTransaction::AuthorizationListInvalidFields => {
            format!("EIP-7702 transaction cannot be used to create contract (sender {from})")
        }
        other => other.to_string(),
    }
}

/// Code of `eth_simulateV1` for a transaction that cannot run (execution-apis, "simulateV1 notes").
pub fn simulate_code(error: &InvalidTransaction) -> i64 {
    match error {
        InvalidTransaction::NonceTooLow { .. } => -38010,
        InvalidTransaction::NonceTooHigh { .. } => -38011,
        InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
        | InvalidTransaction::GasFloorMoreThanGasLimit { .. } => -38013,
        InvalidTransaction::LackOfFundForMaxFee { .. } | InvalidTransaction::OverflowPaymentInTransaction => {
            -38014
        }
        InvalidTransaction::CallerGasLimitMoreThanBlock => -38015,
        InvalidTransaction::RejectCallerWithCode => -38024,
        InvalidTransaction::CreateInitCodeSizeLimit => -38025,
        InvalidTransaction::PriorityFeeGreaterThanMaxFee | InvalidTransaction::GasPriceLessThanBasefee => {
            INVALID_PARAMS
        }
        _ => INTERNAL,
    }
}
