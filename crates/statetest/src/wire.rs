//! The transaction as it goes over the wire, checked where a test brings it along.

use alloy_consensus::{EthereumTxEnvelope, Transaction as _, TxEip4844, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::Address;
use revm::primitives::hardfork::SpecId;

/// Half of the order of secp256k1: the largest `s` from Homestead on (EIP-2).
const HALF_ORDER: alloy_primitives::U256 =
    alloy_primitives::uint!(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0_U256);

/// Why `bytes` is no transaction that a node of this fork and chain would take; `None` if it is one (ST-003).
pub fn refusal(bytes: &[u8], spec: SpecId, chain_id: u64) -> Option<String> {
    let mut rest = bytes;
    // An RLP list is of no type; asked for it, the decoder blames the type, not the list.
    let decode = match bytes.first() {
        Some(0xc0..) => EthereumTxEnvelope::<TxEip4844>::fallback_decode,
        _ => EthereumTxEnvelope::<TxEip4844>::decode_2718,
    };
    let transaction = match decode(&mut rest) {
        Ok(transaction) if rest.is_empty() => transaction,
        Ok(_) => return Some(format!("{} bytes after the transaction", rest.len())),
        Err(error) => return Some(format!("transaction does not decode: {error}")),
    };
    match transaction.chain_id() {
        Some(id) if id != chain_id => return Some(format!("chain id {id} instead of {chain_id}")),
        Some(_) if transaction.is_legacy() && !spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) => {
            return Some("replay protection before EIP-155".into());
        }
        _ => {}
    }
    let signature = transaction.signature();
    if spec.is_enabled_in(SpecId::HOMESTEAD) && signature.s() > HALF_ORDER {
        return Some("signature with a high s".into());
    }
    match transaction.recover_signer_unchecked() {
        Ok(Address::ZERO) | Err(_) => Some("signature of nobody".into()),
        Ok(_) => None,
    }
}
