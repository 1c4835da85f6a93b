//! Signing with keys that a development network knows.

use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip4844Variant, TypedTransaction};
use alloy_dyn_abi::TypedData;
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, TxKind, hex};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use pyo3::prelude::*;

use crate::errors::argument;

fn signer(private_key: &[u8]) -> PyResult<PrivateKeySigner> {
    B256::try_from(private_key)
        .map_err(|error| argument("private key", &error))
        .and_then(|key| PrivateKeySigner::from_bytes(&key).map_err(|error| argument("private key", &error)))
}

/// Signs a complete transaction request; raw bytes as hex.
#[pyfunction]
pub(crate) fn sign_transaction(request: &[u8], private_key: &[u8]) -> PyResult<String> {
    let signer = signer(private_key)?;
    let mut request: TransactionRequest =
        serde_json::from_slice(request).map_err(|error| argument("transaction", &error))?;
    request.to.get_or_insert(TxKind::Create);
    let typed: TypedTransaction = request.build_typed_tx().map_err(|request| {
        argument("transaction", &format!("fields are missing for {:?}", request.preferred_type()))
    })?;
    let signature =
        signer.sign_hash_sync(&typed.signature_hash()).map_err(|error| argument("signature", &error))?;
    let envelope: EthereumTxEnvelope<TxEip4844Variant> = typed.into_signed(signature).into();
    Ok(hex::encode_prefixed(envelope.encoded_2718()))
}

/// Signs as EIP-191 `personal_sign` does; 65 bytes as hex.
#[pyfunction]
pub(crate) fn sign_message(message: &[u8], private_key: &[u8]) -> PyResult<String> {
    let signature =
        signer(private_key)?.sign_message_sync(message).map_err(|error| argument("signature", &error))?;
    Ok(hex::encode_prefixed(signature.as_bytes()))
}

/// Signs EIP-712 typed data, JSON; 65 bytes as hex.
#[pyfunction]
pub(crate) fn sign_typed_data(typed_data: &[u8], private_key: &[u8]) -> PyResult<String> {
    let data: TypedData =
        serde_json::from_slice(typed_data).map_err(|error| argument("typed data", &error))?;
    let hash = data.eip712_signing_hash().map_err(|error| argument("typed data", &error))?;
    let signature =
        signer(private_key)?.sign_hash_sync(&hash).map_err(|error| argument("signature", &error))?;
    Ok(hex::encode_prefixed(signature.as_bytes()))
}
