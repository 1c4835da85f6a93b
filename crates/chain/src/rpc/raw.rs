//! `debug_getRaw*`: consensus encodings.

use alloy_consensus::Typed2718;
use alloy_primitives::Bytes;
use alloy_rlp::{Encodable, Header as RlpHeader};

use super::{
    context::{FullBlock, Rpc},
    error::RpcError,
    json::{self, Answer, put_array, put_hex},
    params::{self, BlockId, Params},
    reader::Reader,
};

fn known_block<R: Reader>(
    rpc: &Rpc<'_, R>,
    params: &Params<'_>,
    receipts: bool,
) -> Result<FullBlock, RpcError> {
    let id = params.required(0, params::block_id)?;
    rpc.block(id, receipts)?.ok_or_else(|| match id {
        BlockId::Number(number) => RpcError::server(format!("block #{number} not found")),
        BlockId::Hash(hash) => RpcError::server(format!("block {hash} not found")),
        _ => RpcError::server("block not found"),
    })
}

/// `debug_getRawHeader(block)`.
pub fn debug_get_raw_header<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let header = known_block(rpc, params, false)?.header;
    json::data(&alloy_rlp::encode(&header))
}

/// `debug_getRawBlock(block)`.
pub fn debug_get_raw_block<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    rpc.bounded(json::data(&block_rlp(&known_block(rpc, params, false)?))?)
}

/// RLP of a block: header, transactions, no ommers, no withdrawals.
pub fn block_rlp(block: &FullBlock) -> Vec<u8> {
    let mut body = Vec::new();
    for tx in &block.transactions {
        if tx.envelope().ty() == 0 {
            body.extend_from_slice(tx.encoded());
        } else {
            tx.encoded().as_ref().encode(&mut body);
        }
    }
    let mut payload = Vec::with_capacity(body.len() + 1024);
    block.header.encode(&mut payload);
    RlpHeader { list: true, payload_length: body.len() }.encode(&mut payload);
    payload.extend_from_slice(&body);
    for _ in ["ommers", "withdrawals"] {
        RlpHeader { list: true, payload_length: 0 }.encode(&mut payload);
    }
    let mut out = Vec::with_capacity(payload.len() + 8);
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

/// `debug_getRawReceipts(block)`.
pub fn debug_get_raw_receipts<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let block = known_block(rpc, params, true)?;
    let encoded: Vec<Bytes> = block
        .receipts
        .iter()
        .map(|receipt| {
            let mut out = Vec::new();
            receipt.encode_2718(&mut out);
            out.into()
        })
        .collect();
    let mut out = Vec::new();
    put_array(&mut out, &encoded, |out, receipt| put_hex(out, receipt));
    rpc.bounded(out)
}
