//! Transactions: types 0, 1, 2, 4 (EIP-2718) and the deposit `0x7E` of the OP Stack.

use alloc::vec::Vec;

use alloy_consensus::{Transaction as _, Typed2718, transaction::SignerRecoverable};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};

/// EIP-2718 type byte of a deposit.
pub const DEPOSIT_TYPE: u8 = 0x7E;

/// A decoded transaction with what every consumer needs again: its bytes, hash and sender.
#[derive(Clone, Debug)]
pub struct Transaction {
    envelope: OpTxEnvelope,
    encoded: Bytes,
    hash: B256,
    sender: Address,
}

/// Why bytes are not a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Not the canonical encoding of a supported type.
    Encoding(&'static str),
    /// The type byte is of no transaction this chain takes.
    UnsupportedType(u8),
    /// The signature recovers to nobody, or its `s` is high (EIP-2).
    Signature,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Encoding(reason) => write!(f, "malformed transaction: {reason}"),
            Self::UnsupportedType(ty) => write!(f, "transaction type {ty:#04x} not supported"),
            Self::Signature => f.write_str("invalid transaction signature"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl Transaction {
    /// Decodes one EIP-2718 transaction that fills `encoded` exactly, and recovers its sender.
    pub fn decode(encoded: Bytes) -> Result<Self, DecodeError> {
        let envelope = decode_envelope(&encoded)?;
        let sender = envelope.recover_signer().map_err(|_| DecodeError::Signature)?;
        Ok(Self { hash: keccak256(&encoded), envelope, encoded, sender })
    }

    /// Decodes bytes whose sender is already known, as from our own store.
    pub fn with_sender(encoded: Bytes, hash: B256, sender: Address) -> Result<Self, DecodeError> {
        Ok(Self { envelope: decode_envelope(&encoded)?, encoded, hash, sender })
    }

    /// The same transaction of another sender: for who decodes first and recovers the sender later.
    pub fn signed_by(self, sender: Address) -> Self {
        Self { sender, ..self }
    }

    /// A deposit made by the state transition itself.
    pub fn deposit(deposit: TxDeposit) -> Self {
        let sender = deposit.from;
        let envelope = OpTxEnvelope::from(deposit);
        let mut encoded = Vec::with_capacity(envelope.encode_2718_len());
        envelope.encode_2718(&mut encoded);
        Self { hash: keccak256(&encoded), envelope, encoded: encoded.into(), sender }
    }

    /// The typed transaction.
    pub fn envelope(&self) -> &OpTxEnvelope {
        &self.envelope
    }

    /// EIP-2718 bytes.
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// keccak256 of the EIP-2718 bytes.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// Who signed it, or a deposit's `from`.
    pub fn sender(&self) -> Address {
        self.sender
    }

    /// Whether it is a deposit.
    pub fn is_deposit(&self) -> bool {
        self.envelope.ty() == DEPOSIT_TYPE
    }

    /// Gas limit.
    pub fn gas_limit(&self) -> u64 {
        self.envelope.gas_limit()
    }

    /// Price per gas that is paid at `base_fee_wei`, wei; zero for a deposit.
    pub fn effective_gas_price_wei(&self, base_fee_wei: u64) -> u128 {
        if self.is_deposit() { 0 } else { self.envelope.effective_gas_price(Some(base_fee_wei)) }
    }
}

pub(crate) fn decode_envelope(encoded: &[u8]) -> Result<OpTxEnvelope, DecodeError> {
    match encoded.first() {
        None => return Err(DecodeError::Encoding("empty")),
        Some(&ty) if ty < 0xc0 && !matches!(ty, 1 | 2 | 4 | DEPOSIT_TYPE) => {
            return Err(DecodeError::UnsupportedType(ty));
        }
        Some(_) => {}
    }
    let envelope =
        OpTxEnvelope::decode_2718_exact(encoded).map_err(|_| DecodeError::Encoding("not canonical RLP"))?;
    // Decoders forgive what encoders never write; a hash must have one preimage only.
    if envelope.encode_2718_len() != encoded.len() || envelope.encoded_2718() != encoded {
        return Err(DecodeError::Encoding("not canonical RLP"));
    }
    Ok(envelope)
}
