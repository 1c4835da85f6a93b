//! Why a transaction is refused, in the words clients know from geth.

use std::fmt;

use alloy_primitives::{Address, U256};

/// A refusal. Its text is what JSON-RPC answers; where geth has words for the case, they are geth's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// The bytes are no transaction.
    Malformed(&'static str),
    /// A type this chain does not take; blob transactions among them.
    TypeNotSupported {
        /// EIP-2718 type byte.
        tx_type: u8,
    },
    /// Longer than the pool takes.
    Oversized {
        /// Length of the encoding, bytes.
        size: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// EIP-3860: init code too long.
    InitCodeSize {
        /// Length of the init code, bytes.
        size: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// EIP-7825: gas limit above the cap of one transaction.
    GasCap {
        /// The cap.
        cap: u64,
        /// Gas limit of the transaction.
        gas: u64,
    },
    /// Gas limit above the block's.
    BlockGasLimit,
    /// `maxPriorityFeePerGas` above `maxFeePerGas`.
    TipAboveFeeCap,
    /// Signed for another chain.
    ChainId {
        /// Chain id of the transaction.
        have: u64,
        /// Chain id of this network.
        want: u64,
    },
    /// The signature recovers to nobody.
    Signature,
    /// Legacy signature without a chain id, while those are not taken.
    Unprotected,
    /// The fee may exceed what the node lets a client pay.
    FeeAboveCap {
        /// Gas limit times fee cap, wei.
        fee_wei: U256,
        /// The configured cap, wei.
        cap_wei: U256,
    },
    /// EIP-2681: the nonce cannot be incremented.
    NonceMax,
    /// Gas limit below the intrinsic gas.
    IntrinsicGas {
        /// Gas limit of the transaction.
        gas: u64,
        /// Least gas needed.
        needed: u64,
    },
    /// EIP-7623: gas limit below the floor for its data.
    FloorGas {
        /// Gas limit of the transaction.
        gas: u64,
        /// Least gas needed.
        needed: u64,
    },
    /// Tip below the pool's minimum.
    TipTooLow {
        /// `maxPriorityFeePerGas`, wei.
        tip_wei: u128,
        /// The minimum, wei.
        needed_wei: u128,
    },
    /// Fee cap below the network's lowest base fee: it could never be included.
    FeeCapTooLow {
        /// The sender.
        sender: Address,
        /// `maxFeePerGas`, wei.
        max_fee_wei: u128,
        /// Lowest base fee of the network, wei.
        base_fee_wei: u64,
    },
    /// An EIP-7702 transaction that authorizes nothing.
    NoAuthorizations,
    /// In the pool already.
    AlreadyKnown,
    /// The sender has contract code (EIP-3607).
    SenderNotEoa {
        /// The sender.
        sender: Address,
        /// Length of its code, bytes.
        code_len: usize,
    },
    /// The nonce is used.
    NonceTooLow {
        /// The account's nonce.
        next: u64,
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// The balance does not cover the transaction.
    InsufficientFunds {
        /// Balance of the sender, wei.
        balance_wei: U256,
        /// Most the transaction may cost, L1 data fee included, wei.
        cost_wei: U256,
    },
    /// The balance does not cover the transaction beside those of its sender already in the pool.
    Overdraft {
        /// Balance of the sender, wei.
        balance_wei: U256,
        /// Most those in the pool may cost, wei.
        queued_cost_wei: U256,
        /// Most this one may cost; when it replaces another, the difference. Wei.
        cost_wei: U256,
        /// Whether it replaces another.
        replaces: bool,
    },
    /// A replacement that does not raise both fee caps enough.
    ReplacementUnderpriced,
    /// The pool is full of dearer transactions.
    Underpriced,
    /// The pool is full of transactions that come before this one.
    Full,
    /// The sender has as many transactions in the pool as it may.
    AccountLimit {
        /// How many it has.
        pooled: usize,
    },
    /// A delegated account has a transaction in flight (EIP-7702).
    DelegatedInFlight,
    /// A delegated account's transaction must follow its nonce (EIP-7702).
    DelegatedGap,
    /// An authority has transactions of its own in flight (EIP-7702).
    AuthorityReserved,
    /// The journal could not be written: nothing was accepted.
    Journal(String),
    /// The state could not be read.
    State(String),
}

impl PoolError {
    /// Code of the JSON-RPC error.
    pub fn rpc_code(&self) -> i64 {
        match self {
            Self::State(_) => -32603,
            _ => -32000,
        }
    }

    /// A name that does not change, for metrics and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TypeNotSupported { .. } => "type_not_supported",
            Self::Oversized { .. } => "oversized",
            Self::InitCodeSize { .. } => "init_code_size",
            Self::GasCap { .. } => "gas_cap",
            Self::BlockGasLimit => "block_gas_limit",
            Self::TipAboveFeeCap => "tip_above_fee_cap",
            Self::ChainId { .. } => "chain_id",
            Self::Signature => "signature",
            Self::Unprotected => "unprotected",
            Self::FeeAboveCap { .. } => "fee_above_cap",
            Self::NonceMax => "nonce_max",
            Self::IntrinsicGas { .. } => "intrinsic_gas",
            Self::FloorGas { .. } => "floor_gas",
            Self::TipTooLow { .. } => "tip_too_low",
            Self::FeeCapTooLow { .. } => "fee_cap_too_low",
            Self::NoAuthorizations => "no_authorizations",
            Self::AlreadyKnown => "already_known",
            Self::SenderNotEoa { .. } => "sender_not_eoa",
            Self::NonceTooLow { .. } => "nonce_too_low",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::Overdraft { .. } => "overdraft",
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::Underpriced => "underpriced",
            Self::Full => "full",
            Self::AccountLimit { .. } => "account_limit",
            Self::DelegatedInFlight => "delegated_in_flight",
            Self::DelegatedGap => "delegated_gap",
            Self::AuthorityReserved => "authority_reserved",
            Self::Journal(_) => "journal",
            Self::State(_) => "state",
        }
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => f.write_str(reason),
            Self::TypeNotSupported { tx_type: 3 } => {
                f.write_str("transaction type not supported: tx type 3 not supported by this pool")
            }
            Self::TypeNotSupported { .. } => f.write_str("transaction type not supported"),
            Self::Oversized { size, limit } => {
                write!(f, "oversized data: transaction size {size}, limit {limit}")
            }
            Self::InitCodeSize { size, limit } => {
                write!(f, "max initcode size exceeded: code size {size}, limit {limit}")
            }
            Self::GasCap { cap, gas } => {
                write!(f, "transaction gas limit too high (cap: {cap}, tx: {gas})")
            }
            Self::BlockGasLimit => f.write_str("exceeds block gas limit"),
            Self::TipAboveFeeCap => f.write_str("max priority fee per gas higher than max fee per gas"),
            Self::ChainId { have, want } => {
                write!(f, "invalid sender: invalid chain id for signer: have {have} want {want}")
            }
            Self::Signature => f.write_str("invalid sender: invalid transaction v, r, s values"),
            Self::Unprotected => f.write_str("only replay-protected (EIP-155) transactions allowed over RPC"),
            Self::FeeAboveCap { fee_wei, cap_wei } => write!(
                f,
                "tx fee ({} ether) exceeds the configured cap ({} ether)",
                ether(*fee_wei),
                ether(*cap_wei)
            ),
            Self::NonceMax => f.write_str("nonce has max value"),
            Self::IntrinsicGas { gas, needed } => {
                write!(f, "intrinsic gas too low: gas {gas}, minimum needed {needed}")
            }
            Self::FloorGas { gas, needed } => {
                write!(f, "insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")
            }
            Self::TipTooLow { tip_wei, needed_wei } => write!(
                f,
                "transaction gas price below minimum: gas tip cap {tip_wei}, minimum needed {needed_wei}"
            ),
            Self::FeeCapTooLow { sender, max_fee_wei, base_fee_wei } => write!(
                f,
                "max fee per gas less than block base fee: address {sender}, \
                 maxFeePerGas: {max_fee_wei}, baseFee: {base_fee_wei}"
            ),
            Self::NoAuthorizations => f.write_str("set code tx must have at least one authorization tuple"),
            Self::AlreadyKnown => f.write_str("already known"),
            Self::SenderNotEoa { sender, code_len } => {
                write!(f, "sender not an eoa: address {sender}, len(code): {code_len}")
            }
            Self::NonceTooLow { next, nonce } => {
                write!(f, "nonce too low: next nonce {next}, tx nonce {nonce}")
            }
            Self::InsufficientFunds { balance_wei, cost_wei } => write!(
                f,
                "insufficient funds for gas * price + value: balance {balance_wei}, tx cost {cost_wei}, \
                 overshot {}",
                cost_wei.saturating_sub(*balance_wei)
            ),
            Self::Overdraft { balance_wei, queued_cost_wei, cost_wei, replaces } => write!(
                f,
                "insufficient funds for gas * price + value: balance {balance_wei}, \
                 queued cost {queued_cost_wei}, tx {} {cost_wei}, overshot {}",
                if *replaces { "bumped" } else { "cost" },
                queued_cost_wei.saturating_add(*cost_wei).saturating_sub(*balance_wei)
            ),
            Self::ReplacementUnderpriced => f.write_str("replacement transaction underpriced"),
            Self::Underpriced => f.write_str("transaction underpriced"),
            Self::Full => f.write_str("txpool is full"),
            Self::AccountLimit { pooled } => write!(f, "account limit exceeded: pooled {pooled} txs"),
            Self::DelegatedInFlight => {
                f.write_str("in-flight transaction limit reached for delegated accounts")
            }
            Self::DelegatedGap => f.write_str("gapped-nonce tx from delegated accounts"),
            Self::AuthorityReserved => f.write_str("authority already reserved"),
            Self::Journal(reason) => {
                write!(f, "transaction not accepted: the pool's journal cannot be written: {reason}")
            }
            Self::State(reason) => write!(f, "state could not be read: {reason}"),
        }
    }
}

impl std::error::Error for PoolError {}

/// Wei as ether with two decimals, rounded half up.
fn ether(wei: U256) -> String {
    let cent = U256::from(10_000_000_000_000_000u64);
    let cents = wei.saturating_add(cent / U256::from(2)) / cent;
    let hundred = U256::from(100);
    format!("{}.{:02}", cents / hundred, (cents % hundred).to::<u64>())
}
