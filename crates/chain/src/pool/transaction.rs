//! A pooled transaction, and the checks that need no state.

use std::sync::atomic::AtomicBool;

use alloy_consensus::{Transaction as _, Typed2718, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256, Bytes, U256};
use op_alloy_consensus::OpTxEnvelope;
use revm::{
    context_interface::cfg::gas_params::GasParams,
    primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId},
};
use trex_stf::{
    evm::TX_GAS_LIMIT_CAP,
    fees::{data_fee_wei, estimated_size_millionths},
    transaction::{DecodeError, Transaction},
};

use super::{PoolConfig, PoolError, config::Head};

/// EIP-2718 type of transactions with blobs, which this chain does not take.
const BLOB_TYPE: u8 = 3;
/// Memory a pooled transaction takes beside its bytes: structures, indexes, its share of the
/// account's queue.
const OVERHEAD_BYTES: usize = 1_024;

/// A transaction in the pool, with what the pool asks of it again and again.
#[derive(Debug)]
pub struct PoolTransaction {
    tx: Transaction,
    nonce: u64,
    max_fee_wei: u128,
    max_tip_wei: u128,
    cost_wei: U256,
    data_size_millionths: u64,
    footprint: usize,
    authorities: Box<[Address]>,
    pub(super) arrival: u64,
    pub(super) arrived_s: u64,
    pub(super) announced: AtomicBool,
}

impl PoolTransaction {
    /// The transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.tx
    }

    /// Its hash.
    pub fn hash(&self) -> B256 {
        self.tx.hash()
    }

    /// Who signed it.
    pub fn sender(&self) -> Address {
        self.tx.sender()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// `maxFeePerGas`, or the gas price of older types, wei.
    pub fn max_fee_wei(&self) -> u128 {
        self.max_fee_wei
    }

    /// `maxPriorityFeePerGas`, or the gas price of older types, wei.
    pub fn max_tip_wei(&self) -> u128 {
        self.max_tip_wei
    }

    /// Most it may cost its sender: gas, value and, at arrival, the L1 data fee; wei.
    pub fn cost_wei(&self) -> U256 {
        self.cost_wei
    }

    /// Size that its L1 data fee counts, millionths of a byte (FEE-002); 0 where data costs nothing.
    pub fn data_size_millionths(&self) -> u64 {
        self.data_size_millionths
    }

    /// Accounts whose code it sets (EIP-7702).
    pub fn authorities(&self) -> &[Address] {
        &self.authorities
    }

    /// Memory it is counted with, bytes.
    pub fn footprint(&self) -> usize {
        self.footprint
    }

    /// Place in the order of arrival.
    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    /// One line as `txpool_inspect` shows it.
    pub fn summary(&self) -> String {
        let envelope = self.tx.envelope();
        let to = envelope.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
        format!(
            "{to}: {} wei + {} gas \u{d7} {} wei",
            envelope.value(),
            envelope.gas_limit(),
            self.max_fee_wei
        )
    }

    /// Takes a transaction whose sender is known, without any check.
    pub(super) fn new(tx: Transaction, config: &PoolConfig, head: &Head) -> Self {
        let envelope = tx.envelope();
        let max_fee_wei = envelope.max_fee_per_gas();
        let authorities: Box<[Address]> = match envelope {
            OpTxEnvelope::Eip7702(signed) => signed
                .tx()
                .authorization_list
                .iter()
                .filter_map(|authorization| authorization.recover_authority().ok())
                .collect(),
            _ => Box::default(),
        };
        let has_lists =
            !authorities.is_empty() || envelope.access_list().is_some_and(|list| !list.is_empty());
        let length = tx.encoded().len();
        let params = &config.params;
        let data_size_millionths = match (params.base_fee_scalar, params.blob_base_fee_scalar) {
            (0, 0) => 0,
            _ => estimated_size_millionths(tx.encoded()),
        };
        Self {
            nonce: envelope.nonce(),
            max_fee_wei,
            max_tip_wei: envelope.max_priority_fee_per_gas().unwrap_or(max_fee_wei),
            cost_wei: (U256::from(envelope.gas_limit()) * U256::from(max_fee_wei))
                .saturating_add(envelope.value())
                .saturating_add(data_fee_wei(params, &head.origin, data_size_millionths)),
            data_size_millionths,
            footprint: OVERHEAD_BYTES + length * if has_lists { 3 } else { 2 },
            authorities,
            tx,
            arrival: 0,
            arrived_s: head.timestamp,
            announced: AtomicBool::new(false),
        }
    }

    /// Decodes, checks and recovers the sender: everything that needs no state.
    pub(super) fn admit(
        encoded: Bytes,
        hash: B256,
        config: &PoolConfig,
        gas: &GasParams,
        head: &Head,
    ) -> Result<Self, PoolError> {
        // With its blobs it is longer than any other may be.
        if let [BLOB_TYPE, _, ..] = encoded[..] {
            return Err(PoolError::TypeNotSupported { tx_type: BLOB_TYPE });
        }
        if encoded.len() > config.max_transaction_bytes {
            return Err(PoolError::Oversized { size: encoded.len(), limit: config.max_transaction_bytes });
        }
        let unsigned = Transaction::with_sender(encoded.clone(), hash, Address::ZERO)
            .map_err(|error| malformed(&encoded, error))?;
        check_envelope(unsigned.envelope(), config, head)?;
        let sender = unsigned.envelope().recover_signer().map_err(|_| PoolError::Signature)?;
        check_gas(unsigned.envelope(), config, gas)?;
        let max_fee_wei = unsigned.envelope().max_fee_per_gas();
        let floor_wei = config.params.min_base_fee_wei;
        if max_fee_wei < u128::from(floor_wei) {
            return Err(PoolError::FeeCapTooLow { sender, max_fee_wei, base_fee_wei: floor_wei });
        }
        Ok(Self::new(unsigned.signed_by(sender), config, head))
    }
}

/// Rules that come before the signature, in geth's order.
fn check_envelope(envelope: &OpTxEnvelope, config: &PoolConfig, head: &Head) -> Result<(), PoolError> {
    let gas = envelope.gas_limit();
    let fee_wei = U256::from(gas) * U256::from(envelope.max_fee_per_gas());
    if let Some(cap_wei) = config.fee_cap_wei
        && fee_wei > cap_wei
    {
        return Err(PoolError::FeeAboveCap { fee_wei, cap_wei });
    }
    if envelope.chain_id().is_none() && !config.allow_unprotected {
        return Err(PoolError::Unprotected);
    }
    let tx_type = envelope.ty();
    if !matches!(tx_type, 0 | 1 | 2 | 4) {
        return Err(PoolError::TypeNotSupported { tx_type });
    }
    if envelope.is_create() && envelope.input().len() > MAX_INITCODE_SIZE {
        return Err(PoolError::InitCodeSize { size: envelope.input().len(), limit: MAX_INITCODE_SIZE });
    }
    if gas > TX_GAS_LIMIT_CAP {
        return Err(PoolError::GasCap { cap: TX_GAS_LIMIT_CAP, gas });
    }
    if gas > head.gas_limit {
        return Err(PoolError::BlockGasLimit);
    }
    if envelope.max_priority_fee_per_gas().is_some_and(|tip| tip > envelope.max_fee_per_gas()) {
        return Err(PoolError::TipAboveFeeCap);
    }
    match envelope.chain_id() {
        Some(have) if have != config.params.chain_id => {
            Err(PoolError::ChainId { have, want: config.params.chain_id })
        }
        _ => Ok(()),
    }
}

/// Rules that come after the signature, in geth's order.
fn check_gas(envelope: &OpTxEnvelope, config: &PoolConfig, params: &GasParams) -> Result<(), PoolError> {
    if envelope.nonce() == u64::MAX {
        return Err(PoolError::NonceMax);
    }
    let gas = envelope.gas_limit();
    let (accounts, slots) = envelope.access_list().map_or((0, 0), |list| {
        (list.len() as u64, list.iter().map(|item| item.storage_keys.len() as u64).sum())
    });
    let authorizations = envelope.authorization_list().map_or(0, |list| list.len() as u64);
    let needed =
        params.initial_tx_gas(envelope.input(), envelope.is_create(), accounts, slots, authorizations, None);
    if gas < needed.initial_regular_gas {
        return Err(PoolError::IntrinsicGas { gas, needed: needed.initial_regular_gas });
    }
    if gas < needed.floor_gas {
        return Err(PoolError::FloorGas { gas, needed: needed.floor_gas });
    }
    let tip_wei = envelope.max_priority_fee_per_gas().unwrap_or_else(|| envelope.max_fee_per_gas());
    if tip_wei < config.min_tip_wei {
        return Err(PoolError::TipTooLow { tip_wei, needed_wei: config.min_tip_wei });
    }
    if envelope.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(PoolError::NoAuthorizations);
    }
    Ok(())
}

/// Gas rules the pool checks by.
pub(super) fn gas_params() -> GasParams {
    GasParams::new_spec(SpecId::OSAKA)
}

fn malformed(encoded: &[u8], error: DecodeError) -> PoolError {
    match (error, encoded) {
        (DecodeError::UnsupportedType(_), [] | [_]) | (_, []) => {
            PoolError::Malformed("typed transaction too short")
        }
        (DecodeError::UnsupportedType(tx_type), [0..0x80, ..]) => PoolError::TypeNotSupported { tx_type },
        (DecodeError::Signature, _) => PoolError::Signature,
        (_, [1 | 2 | 4]) => PoolError::Malformed("typed transaction too short"),
        (_, [0..0x80, payload @ ..]) => PoolError::Malformed(list_fault(payload)),
        (_, payload) => PoolError::Malformed(list_fault(payload)),
    }
}

/// What is wrong with the outer list of a transaction's payload.
fn list_fault(payload: &[u8]) -> &'static str {
    let expected = match payload {
        [] => return "EOF",
        [0..0xc0, ..] => return "rlp: expected input list",
        [short @ 0xc0..=0xf7, ..] => Some(1 + usize::from(short - 0xc0)),
        [long, rest @ ..] => {
            let width = usize::from(long - 0xf7);
            rest.get(..width)
                .map(|length| {
                    length.iter().fold(0usize, |sum, byte| sum.saturating_mul(256) | usize::from(*byte))
                })
                .map(|length| length.saturating_add(1 + width))
        }
    };
    match expected {
        Some(expected) if expected < payload.len() => "rlp: input contains more than one value",
        Some(expected) if expected == payload.len() => "rlp: malformed transaction fields",
        _ => "rlp: value size exceeds available input length",
    }
}
