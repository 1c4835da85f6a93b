//! Transactions: types 0, 1, 2, 4 (EIP-2718) and the deposit `0x7E` of the OP Stack.

use alloc::vec::Vec;

use alloy_consensus::{Transaction as _, Typed2718, transaction::SignerRecoverable};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Signature, keccak256};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};

use crate::{keccak::keccak256_many, recover::recover_signers};

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
    /// As many as [`Transaction::decode_many`] should get at once: more gain nothing.
    pub const TOGETHER: usize = 64;

    /// Decodes one EIP-2718 transaction that fills `encoded` exactly, and recovers its sender.
    pub fn decode(encoded: Bytes) -> Result<Self, DecodeError> {
        let envelope = decode_envelope(&encoded)?;
        let sender = envelope.recover_signer().map_err(|_| DecodeError::Signature)?;
        Ok(Self { hash: keccak256(&encoded), envelope, encoded, sender })
    }

    /// [`Transaction::decode`] of many, in less time: what is done with eight at once is done with eight.
    pub fn decode_many(encoded: &[Bytes]) -> Vec<Result<Self, DecodeError>> {
        let envelopes: Vec<_> = encoded.iter().map(|encoded| decode_envelope(encoded)).collect();
        let parts: Vec<_> = envelopes.iter().map(|envelope| signed_part(envelope.as_ref().ok()?)).collect();
        let signed: Vec<_> = parts.iter().flatten().copied().collect();
        let mut signers = recover_signers(&signed).into_iter();
        let transaction = |(((envelope, part), encoded), hash): (((_, _), &Bytes), B256)| {
            let envelope: OpTxEnvelope = envelope?;
            let sender = match part {
                Some(_) => signers.next().flatten(),
                None => envelope.recover_signer().ok(),
            };
            let sender = sender.ok_or(DecodeError::Signature)?;
            Ok(Self { envelope, encoded: encoded.clone(), hash, sender })
        };
        let hashes = keccak256_many(encoded);
        envelopes.into_iter().zip(parts).zip(encoded).zip(hashes).map(transaction).collect()
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

/// The signature of a transaction that has one, and what it is of.
fn signed_part(envelope: &OpTxEnvelope) -> Option<(Signature, B256)> {
    match envelope {
        OpTxEnvelope::Legacy(tx) => Some((*tx.signature(), tx.signature_hash())),
        OpTxEnvelope::Eip2930(tx) => Some((*tx.signature(), tx.signature_hash())),
        OpTxEnvelope::Eip1559(tx) => Some((*tx.signature(), tx.signature_hash())),
        OpTxEnvelope::Eip7702(tx) => Some((*tx.signature(), tx.signature_hash())),
        _ => None,
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_consensus::{SignableTransaction as _, TxEip1559, TxLegacy};
    use alloy_primitives::{TxKind, U256};
    use k256::ecdsa::SigningKey;

    use super::*;

    fn signature(seed: u64, hash: B256) -> Signature {
        let key = SigningKey::from_slice(keccak256(seed.to_le_bytes()).as_slice()).unwrap();
        key.sign_prehash_recoverable(hash.as_slice()).unwrap().into()
    }

    fn encoded(envelope: &OpTxEnvelope) -> Bytes {
        envelope.encoded_2718().into()
    }

    #[test]
    fn many_are_decoded_as_each_is() {
        let to = TxKind::Call(Address::repeat_byte(7));
        let mut all = Vec::new();
        for seed in 0..150u64 {
            let tx = TxEip1559 { nonce: seed, to, value: U256::from(seed), ..Default::default() };
            let mut own = signature(seed, tx.signature_hash());
            match seed % 10 {
                3 => own = Signature::new(own.r(), U256::MAX, own.v()),
                4 => own = Signature::new(U256::ZERO, own.s(), own.v()),
                _ => {}
            }
            all.push(encoded(&OpTxEnvelope::Eip1559(tx.into_signed(own))));
            let tx =
                TxLegacy { chain_id: (seed % 2 == 0).then_some(9), nonce: seed, to, ..Default::default() };
            let own = signature(seed, tx.signature_hash());
            all.push(encoded(&OpTxEnvelope::Legacy(tx.into_signed(own))));
            match seed % 7 {
                0 => all.push(Bytes::from(seed.to_be_bytes())),
                1 => all.push(Bytes::new()),
                2 => all.push(Transaction::deposit(TxDeposit::default()).encoded().clone()),
                _ => {}
            }
        }
        let told = |decoded: Result<Transaction, DecodeError>| {
            decoded.map(|tx| (tx.hash(), tx.sender(), tx.encoded().clone(), tx.envelope().clone()))
        };
        let expected: Vec<_> = all.iter().map(|tx| told(Transaction::decode(tx.clone()))).collect();
        assert!(expected.contains(&Err(DecodeError::Signature)));
        let many: Vec<_> = Transaction::decode_many(&all).into_iter().map(told).collect();
        assert_eq!(many, expected);
    }
}
