//! Blocks and headers.

use super::{
    context::Rpc,
    json::{self, Answer},
    params::{self, BlockId, Params},
    reader::Reader,
    shapes,
};

/// `eth_blockNumber()`.
pub fn eth_block_number<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::quantity(rpc.reader.head()?.number)
}

fn block<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId, full: bool) -> Answer {
    if !full && id != BlockId::Pending {
        let Some(header) = rpc.header(id)? else { return json::null() };
        let outline = rpc.reader.outline(header.number)?;
        return rpc.bounded(shapes::outline(header.inner(), header.hash(), &outline));
    }
    match rpc.block(id, false)? {
        Some(block) => rpc.bounded(shapes::block(&block, full)),
        None => json::null(),
    }
}

/// `eth_getBlockByNumber(block, full)`.
pub fn eth_get_block_by_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = params.required(0, params::block_number)?;
    block(rpc, id, params.optional(1, params::boolean)?.unwrap_or(false))
}

/// `eth_getBlockByHash(hash, full)`.
pub fn eth_get_block_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = BlockId::Hash(params.required(0, params::hash)?);
    block(rpc, id, params.optional(1, params::boolean)?.unwrap_or(false))
}

/// How many transactions the block has that these parameters of `method` name, and whether they are asked
/// for whole; `None` where they name none.
pub(super) fn size_of<R: Reader>(rpc: &Rpc<'_, R>, method: &str, params: &Params<'_>) -> Option<(u64, bool)> {
    let id = match method {
        "eth_getBlockByHash" => BlockId::Hash(params.required(0, params::hash).ok()?),
        _ => params.required(0, params::block_number).ok()?,
    };
    let full = params.optional(1, params::boolean).ok()?.unwrap_or(false);
    let header = rpc.header(id).ok().flatten()?;
    Some((rpc.reader.transaction_count(header.number).ok()?, full))
}

fn header<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId) -> Answer {
    if id == BlockId::Pending {
        return Ok(shapes::header(&rpc.reader.pending()?.header, None));
    }
    match rpc.header(id)? {
        Some(header) => Ok(shapes::header(header.inner(), Some(header.hash()))),
        None => json::null(),
    }
}

/// `eth_getHeaderByNumber(block)`; newHeads sends the same.
pub fn eth_get_header_by_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    header(rpc, params.required(0, params::block_number)?)
}

/// `eth_getHeaderByHash(hash)`.
pub fn eth_get_header_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    header(rpc, BlockId::Hash(params.required(0, params::hash)?))
}

fn count<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId) -> Answer {
    if id == BlockId::Pending {
        return json::quantity(rpc.reader.pending()?.transactions.len() as u64);
    }
    match rpc.header(id)? {
        Some(header) => json::quantity(rpc.reader.transaction_count(header.number)?),
        None => json::null(),
    }
}

/// `eth_getBlockTransactionCountByNumber(block)`.
pub fn eth_count_by_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    count(rpc, params.required(0, params::block_number)?)
}

/// `eth_getBlockTransactionCountByHash(hash)`.
pub fn eth_count_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    count(rpc, BlockId::Hash(params.required(0, params::hash)?))
}

fn uncle_count<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId) -> Answer {
    match rpc.header(id)? {
        Some(_) => json::quantity(0),
        None => json::null(),
    }
}

/// `eth_getUncleCountByBlockNumber(block)`: there are none.
pub fn eth_uncle_count_by_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    uncle_count(rpc, params.required(0, params::block_number)?)
}

/// `eth_getUncleCountByBlockHash(hash)`: there are none.
pub fn eth_uncle_count_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    uncle_count(rpc, BlockId::Hash(params.required(0, params::hash)?))
}

/// `eth_getUncleByBlockNumberAndIndex(block, index)`: there are none.
pub fn eth_uncle_by_number<R: Reader>(_rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    params.required(0, params::block_number)?;
    params.required(1, params::number)?;
    json::null()
}

/// `eth_getUncleByBlockHashAndIndex(hash, index)`: there are none.
pub fn eth_uncle_by_hash<R: Reader>(_rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    params.required(0, params::hash)?;
    params.required(1, params::number)?;
    json::null()
}

/// `eth_getBlockReceipts(block)`.
pub fn eth_get_block_receipts<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    match rpc.block(params.required(0, params::block_id)?, true)? {
        Some(block) => rpc.bounded(shapes::receipts(&block)),
        None => json::null(),
    }
}
