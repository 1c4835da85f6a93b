//! A transaction taken apart into its fields, and put together again.

use alloc::vec::Vec;

use alloy_consensus::{Signed, Transaction as _, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2718::Encodable2718 as _,
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use op_alloy_consensus::OpTxEnvelope;

use super::Reason;
use crate::transaction::decode_envelope;

/// Bytes of a signature: r, then s with the parity of y in its highest bit (BAT-035).
pub(super) const SIGNATURE_BYTES: usize = 64;

/// What a transaction is, but for its recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Legacy,
    /// Type 0 without a chain id.
    Unprotected,
    Eip2930,
    Eip1559,
    Eip7702,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Legacy, Self::Unprotected, Self::Eip2930, Self::Eip1559, Self::Eip7702];

    /// Whether it names a priority fee and a maximum fee rather than one price.
    pub(super) fn has_two_fees(self) -> bool {
        matches!(self, Self::Eip1559 | Self::Eip7702)
    }

    pub(super) fn has_access_list(self) -> bool {
        !matches!(self, Self::Legacy | Self::Unprotected)
    }
}

/// The fields of a transaction; its chain id is the network's.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) kind: Kind,
    pub(super) to: Option<Address>,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    /// Gas price, or maximum fee, wei per gas.
    pub(super) max_fee_wei: u128,
    /// Maximum priority fee, wei per gas; the gas price where there is one price.
    pub(super) tip_wei: u128,
    pub(super) value_wei: U256,
    pub(super) data: Vec<u8>,
    pub(super) access_list: Vec<(Address, Vec<B256>)>,
    pub(super) authorizations: Vec<FieldsAuthorization>,
    pub(super) r: [u8; 32],
    /// With the parity of y in its highest bit.
    pub(super) s: [u8; 32],
}

/// An EIP-7702 authorization; nothing about it need be valid.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldsAuthorization {
    /// `None` is the network's.
    pub(super) chain_id: Option<U256>,
    pub(super) address: Address,
    pub(super) nonce: u64,
    pub(super) y_parity: u8,
    pub(super) r: U256,
    pub(super) s: U256,
}

impl FieldsAuthorization {
    fn new(item: &SignedAuthorization, chain_id: u64) -> Self {
        Self {
            chain_id: (item.chain_id != U256::from(chain_id)).then_some(item.chain_id),
            address: item.address,
            nonce: item.nonce,
            y_parity: item.y_parity(),
            r: item.r(),
            s: item.s(),
        }
    }
}

impl Fields {
    /// Takes EIP-2718 bytes apart.
    pub(super) fn decode(encoded: &Bytes, chain_id: u64) -> Result<Self, Reason> {
        let envelope = decode_envelope(encoded).map_err(|_| Reason::Field)?;
        let (kind, signature) = match &envelope {
            OpTxEnvelope::Legacy(tx) if tx.tx().chain_id.is_none() => (Kind::Unprotected, tx.signature()),
            OpTxEnvelope::Legacy(tx) => (Kind::Legacy, tx.signature()),
            OpTxEnvelope::Eip2930(tx) => (Kind::Eip2930, tx.signature()),
            OpTxEnvelope::Eip1559(tx) => (Kind::Eip1559, tx.signature()),
            OpTxEnvelope::Eip7702(tx) => (Kind::Eip7702, tx.signature()),
            _ => return Err(Reason::Field),
        };
        if envelope.chain_id().is_some_and(|named| named != chain_id) {
            return Err(Reason::Field);
        }
        let max_fee_wei = envelope.max_fee_per_gas();
        let authorizations = envelope.authorization_list().unwrap_or_default().iter();
        Self {
            kind,
            to: envelope.to(),
            nonce: envelope.nonce(),
            gas_limit: envelope.gas_limit(),
            max_fee_wei,
            tip_wei: envelope.max_priority_fee_per_gas().unwrap_or(max_fee_wei),
            value_wei: envelope.value(),
            data: envelope.input().to_vec(),
            access_list: envelope.access_list().map(access_list).unwrap_or_default(),
            authorizations: authorizations.map(|item| FieldsAuthorization::new(item, chain_id)).collect(),
            ..Self::default()
        }
        .signed(signature)
    }

    /// Puts the transaction together: EIP-2718 bytes.
    pub(super) fn encode(self, chain_id: u64) -> Bytes {
        let signature = self.signature();
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        let (nonce, gas_limit, value) = (self.nonce, self.gas_limit, self.value_wei);
        let input = Bytes::from(self.data);
        let access_list = AccessList(
            self.access_list
                .into_iter()
                .map(|(address, storage_keys)| AccessListItem { address, storage_keys })
                .collect(),
        );
        let mut out = Vec::new();
        match self.kind {
            Kind::Legacy | Kind::Unprotected => {
                let chain_id = (self.kind == Kind::Legacy).then_some(chain_id);
                let gas_price = self.max_fee_wei;
                let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
            Kind::Eip2930 => {
                let gas_price = self.max_fee_wei;
                let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
            Kind::Eip1559 => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: self.max_fee_wei,
                    max_priority_fee_per_gas: self.tip_wei,
                    to,
                    value,
                    access_list,
                    input,
                };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
            Kind::Eip7702 => {
                let authorization_list = self.authorizations.into_iter().map(|item| {
                    let chain_id = item.chain_id.unwrap_or(U256::from(chain_id));
                    let inner = Authorization { chain_id, address: item.address, nonce: item.nonce };
                    SignedAuthorization::new_unchecked(inner, item.y_parity, item.r, item.s)
                });
                let tx = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: self.max_fee_wei,
                    max_priority_fee_per_gas: self.tip_wei,
                    to: self.to.unwrap_or_default(),
                    value,
                    access_list,
                    authorization_list: authorization_list.collect(),
                    input,
                };
                Signed::new_unhashed(tx, signature).encode_2718(&mut out);
            }
        }
        out.into()
    }

    fn signed(mut self, signature: &Signature) -> Result<Self, Reason> {
        let s: [u8; 32] = signature.s().to_be_bytes();
        if s[0] & 0x80 != 0 || self.tip_wei > self.max_fee_wei {
            // No such transaction is ever included: EIP-2, EIP-1559.
            return Err(Reason::Field);
        }
        (self.r, self.s) = (signature.r().to_be_bytes(), s);
        self.s[0] |= u8::from(signature.v()) << 7;
        Ok(self)
    }

    fn signature(&self) -> Signature {
        let mut low = self.s;
        low[0] &= 0x7f;
        Signature::new(U256::from_be_bytes(self.r), U256::from_be_bytes(low), self.s[0] & 0x80 != 0)
    }
}

fn access_list(list: &AccessList) -> Vec<(Address, Vec<B256>)> {
    list.iter().map(|item| (item.address, item.storage_keys.clone())).collect()
}
