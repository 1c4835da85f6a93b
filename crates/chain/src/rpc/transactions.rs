//! Transactions and receipts by hash or place.

use std::sync::Arc;

use alloy_primitives::B256;
use trex_stf::transaction::Transaction;

use super::{
    context::Rpc,
    error::RpcError,
    json::{self, Answer},
    params::{self, BlockId, Params},
    reader::{Reader, SealedHeader},
    shapes::{self, Brief, Place},
};

/// A transaction and where it is; no place while it waits in the mempool.
enum Found {
    Included(Box<Transaction>, SealedHeader, u32),
    Waiting(Arc<Transaction>),
}

fn find<R: Reader>(rpc: &Rpc<'_, R>, hash: &B256) -> Result<Option<Found>, RpcError> {
    if let Some((number, index)) = rpc.reader.locate(hash)? {
        return included(rpc, BlockId::Number(number), index);
    }
    if let Some(tx) = rpc.reader.pooled(hash) {
        return Ok(Some(Found::Waiting(tx)));
    }
    // A block made between the two looks has taken it from the mempool into the chain.
    match rpc.reader.locate(hash)? {
        Some((number, index)) => included(rpc, BlockId::Number(number), index),
        None => Ok(None),
    }
}

fn included<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId, index: u32) -> Result<Option<Found>, RpcError> {
    let Some(header) = rpc.header(id)? else { return Ok(None) };
    let tx = rpc.reader.transaction(header.number, index)?;
    Ok(tx.map(|tx| Found::Included(Box::new(tx), header, index)))
}

fn answer<R: Reader>(rpc: &Rpc<'_, R>, found: Option<Found>) -> Answer {
    let mut out = Vec::with_capacity(1024);
    match found {
        None => return json::null(),
        Some(Found::Waiting(tx)) => shapes::put_transaction(&mut out, &tx, None, None),
        Some(Found::Included(tx, header, index)) => {
            let deposit_nonce = if tx.is_deposit() {
                rpc.reader.receipt(header.number, index)?.and_then(|(receipt, _)| receipt.deposit_nonce)
            } else {
                None
            };
            let place = Place::first(header.inner(), Some(header.hash())).at(index as usize);
            shapes::put_transaction(&mut out, &tx, Some(&place), deposit_nonce);
        }
    }
    Ok(out)
}

fn raw(found: Option<Found>, missing: Answer) -> Answer {
    match found {
        None => missing,
        Some(Found::Waiting(tx)) => json::data(tx.encoded()),
        Some(Found::Included(tx, ..)) => json::data(tx.encoded()),
    }
}

fn at_index<R: Reader>(
    rpc: &Rpc<'_, R>,
    id: BlockId,
    params: &Params<'_>,
) -> Result<Option<Found>, RpcError> {
    let index = params.required(1, params::number)?;
    let Ok(index) = u32::try_from(index) else { return Ok(None) };
    if id == BlockId::Pending {
        let pending = rpc.reader.pending()?;
        let found = pending.transactions.get(index as usize).cloned();
        return Ok(found.map(|tx| Found::Waiting(Arc::new(tx))));
    }
    included(rpc, id, index)
}

/// `eth_getTransactionByHash(hash)`.
pub fn eth_get_transaction_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    answer(rpc, find(rpc, &params.required(0, params::hash)?)?)
}

/// `eth_getTransactionByBlockHashAndIndex(hash, index)`.
pub fn eth_get_transaction_by_block_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = BlockId::Hash(params.required(0, params::hash)?);
    answer(rpc, at_index(rpc, id, params)?)
}

/// `eth_getTransactionByBlockNumberAndIndex(block, index)`.
pub fn eth_get_transaction_by_block_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = params.required(0, params::block_number)?;
    answer(rpc, at_index(rpc, id, params)?)
}

/// `eth_getRawTransactionByHash(hash)`.
pub fn eth_get_raw_transaction_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    raw(find(rpc, &params.required(0, params::hash)?)?, json::data(&[]))
}

/// `eth_getRawTransactionByBlockHashAndIndex(hash, index)`.
pub fn eth_get_raw_transaction_by_block_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = BlockId::Hash(params.required(0, params::hash)?);
    raw(at_index(rpc, id, params)?, json::data(&[]))
}

/// `eth_getRawTransactionByBlockNumberAndIndex(block, index)`.
pub fn eth_get_raw_transaction_by_block_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = params.required(0, params::block_number)?;
    raw(at_index(rpc, id, params)?, json::data(&[]))
}

/// `debug_getRawTransaction(hash)`.
pub fn debug_get_raw_transaction<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    raw(find(rpc, &params.required(0, params::hash)?)?, json::data(&[]))
}

/// `eth_getTransactionReceipt(hash)`.
pub fn eth_get_transaction_receipt<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let hash = params.required(0, params::hash)?;
    let Some((number, index)) = rpc.reader.locate(&hash)? else { return json::null() };
    let Some(header) = rpc.reader.header(number)? else { return json::null() };
    let Some(tx) = rpc.reader.transaction(number, index)? else { return json::null() };
    let Some((receipt, first_log)) = rpc.reader.receipt(number, index)? else { return json::null() };
    let mut out = Vec::with_capacity(2048);
    let place = Place::first(header.inner(), Some(header.hash())).at(index as usize);
    shapes::put_receipt(&mut out, &tx, &receipt, &place, first_log, Brief(false));
    Ok(out)
}
