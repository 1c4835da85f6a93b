//! Prices: what to offer, and what was paid.

use alloy_consensus::Header;
use alloy_primitives::U256;
use trex_stf::{fees::base_fee_wei, params::NetworkParams, receipt::Receipt};

use super::{
    context::{FullBlock, Rpc},
    error::RpcError,
    exec::Budget,
    json::{self, Answer, Object, put_array, put_big, put_number},
    params::{self, BlockId, Params},
    reader::Reader,
};

/// Tip suggested while blocks have room, wei per gas.
const LEAST_TIP_WEI: u128 = 1_000_000;
/// Most blocks in one fee history.
const MAX_HISTORY_BLOCKS: u64 = 1024;
/// Most percentiles in one fee history.
const MAX_PERCENTILES: usize = 100;
/// The blob base fee: there are no blobs here, it stays at its least value.
const BLOB_BASE_FEE_WEI: u64 = 1;

/// Base fee of the block after `parent`, if it comes in the next slot.
pub fn next_base_fee_wei(params: &NetworkParams, parent: &Header) -> u64 {
    base_fee_wei(params, parent.base_fee_per_gas.unwrap_or_default(), parent.gas_used, parent.gas_limit, 1)
}

/// The tip that should get a transaction into the next blocks, wei per gas.
///
/// While the last block had room any tip does. When it was nearly full, a tenth more than the median of
/// what was paid in it.
fn suggested_tip_wei<R: Reader>(rpc: &Rpc<'_, R>) -> Result<u128, RpcError> {
    let head = rpc.reader.head()?;
    if head.gas_used < head.gas_limit / 10 * 9 {
        return Ok(LEAST_TIP_WEI);
    }
    let mut tips: Vec<u128> = rpc
        .reader
        .receipts(head.number)?
        .iter()
        .filter(|receipt| receipt.l1_fee.is_some())
        .map(|receipt| tip_wei(receipt, &head))
        .collect();
    tips.sort_unstable();
    let median = tips.get(tips.len() / 2).copied().unwrap_or_default();
    Ok((median + median / 10).max(LEAST_TIP_WEI))
}

fn tip_wei(receipt: &Receipt, header: &Header) -> u128 {
    receipt.effective_gas_price_wei.saturating_sub(u128::from(header.base_fee_per_gas.unwrap_or_default()))
}

/// `eth_gasPrice()`.
pub fn eth_gas_price<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    let base_fee = next_base_fee_wei(rpc.reader.params(), rpc.reader.head()?.inner());
    json::big_quantity(U256::from(suggested_tip_wei(rpc)?) + U256::from(base_fee))
}

/// `eth_maxPriorityFeePerGas()`.
pub fn eth_max_priority_fee_per_gas<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::big_quantity(U256::from(suggested_tip_wei(rpc)?))
}

/// `eth_blobBaseFee()`.
pub fn eth_blob_base_fee<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::quantity(BLOB_BASE_FEE_WEI)
}

/// `eth_feeHistory(count, newest, percentiles?)`.
pub fn eth_fee_history<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let count = params.required(0, count)?.min(MAX_HISTORY_BLOCKS);
    let id = params.required(1, params::block_number)?;
    let percentiles: Vec<f64> = params.optional(2, params::object)?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    let history = History { rpc, percentiles, budget: Budget::of_call(rpc.limits) };
    history.answer(count, id)
}

/// A number in decimal or hex, with or without quotes.
fn count(json: &str) -> Result<u64, String> {
    match json.trim_matches('"').parse() {
        Ok(number) => Ok(number),
        Err(_) => params::number(json),
    }
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::server(format!(
            "invalid reward percentile: over the query limit {MAX_PERCENTILES}"
        )));
    }
    for (index, value) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(value) {
            return Err(RpcError::server(format!("invalid reward percentile: {value}")));
        }
        if index > 0 && *value <= percentiles[index - 1] {
            return Err(RpcError::server(format!(
                "invalid reward percentile: #{}:{} >= #{index}:{value}",
                index - 1,
                percentiles[index - 1]
            )));
        }
    }
    Ok(())
}

struct History<'a, 'r, R> {
    rpc: &'a Rpc<'r, R>,
    percentiles: Vec<f64>,
    budget: Budget,
}

impl<R: Reader> History<'_, '_, R> {
    fn answer(&self, count: u64, id: BlockId) -> Answer {
        let head = self.rpc.reader.head()?;
        let pending = if id == BlockId::Pending { self.rpc.block(id, true)? } else { None };
        let newest = match id {
            BlockId::Number(number) if number > head.number => {
                return Err(RpcError::server(format!(
                    "request beyond head block: requested {number}, head {}",
                    head.number
                )));
            }
            BlockId::Number(number) => number,
            BlockId::Safe | BlockId::Finalized => self.rpc.known_header(id)?.number,
            _ => head.number + u64::from(pending.is_some()),
        };
        let count = count.min(newest + 1);
        let oldest = newest + 1 - count;
        let mut blocks = Vec::with_capacity(count as usize);
        for number in oldest..=newest {
            if count == 0 {
                break;
            }
            self.budget.check()?;
            match pending.as_ref().filter(|block| block.header.number == number) {
                Some(block) => {
                    blocks.push((block.header.clone(), self.rewards(&block.header, &block.receipts)))
                }
                None => blocks.push(self.stored(number)?),
            }
        }
        Ok(self.write(oldest, &blocks))
    }

    fn stored(&self, number: u64) -> Result<(Header, Vec<u128>), RpcError> {
        let header = self.rpc.known_header(BlockId::Number(number))?;
        let block = if self.percentiles.is_empty() {
            FullBlock {
                header: header.inner().clone(),
                hash: None,
                transactions: Vec::new(),
                receipts: Vec::new(),
            }
        } else {
            FullBlock {
                header: header.inner().clone(),
                hash: None,
                transactions: Vec::new(),
                receipts: self.rpc.reader.receipts(number)?,
            }
        };
        let rewards = self.rewards(&block.header, &block.receipts);
        Ok((block.header, rewards))
    }

    /// Tips at the percentiles of the block's gas, cheapest first.
    fn rewards(&self, header: &Header, receipts: &[Receipt]) -> Vec<u128> {
        if self.percentiles.is_empty() {
            return Vec::new();
        }
        let mut paid: Vec<(u128, u64)> = receipts
            .iter()
            .filter(|receipt| receipt.l1_fee.is_some())
            .map(|receipt| (tip_wei(receipt, header), receipt.gas_used))
            .collect();
        paid.sort_unstable();
        let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
        let mut rewards = Vec::with_capacity(self.percentiles.len());
        let mut cheaper = paid.iter();
        let (mut tip, mut gas) = cheaper.next().copied().unwrap_or_default();
        for percentile in &self.percentiles {
            let threshold = (total as f64 * percentile / 100.0) as u64;
            while gas < threshold {
                let Some((next, more)) = cheaper.next() else { break };
                (tip, gas) = (*next, gas + more);
            }
            rewards.push(tip);
        }
        rewards
    }

    fn write(&self, oldest: u64, blocks: &[(Header, Vec<u128>)]) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + blocks.len() * 96);
        let mut object = Object::open(&mut out);
        object.number("oldestBlock", if blocks.is_empty() { 0 } else { oldest });
        if !self.percentiles.is_empty() && !blocks.is_empty() {
            put_array(object.key("reward"), blocks, |out, (_, rewards)| {
                put_array(out, rewards, |out, tip| put_big(out, U256::from(*tip)));
            });
        }
        if let Some((last, _)) = blocks.last() {
            let next = next_base_fee_wei(self.rpc.reader.params(), last);
            let fees = blocks.iter().map(|(header, _)| header.base_fee_per_gas.unwrap_or_default());
            put_array(object.key("baseFeePerGas"), fees.chain([next]), put_number);
            put_array(object.key("baseFeePerBlobGas"), 0..=blocks.len(), |out, _| {
                put_number(out, BLOB_BASE_FEE_WEI);
            });
            put_array(object.key("blobGasUsedRatio"), blocks, |out, _| out.push(b'0'));
        }
        if blocks.is_empty() {
            object.raw("gasUsedRatio", b"null");
        } else {
            put_array(object.key("gasUsedRatio"), blocks, |out, (header, _)| {
                let ratio = header.gas_used as f64 / header.gas_limit.max(1) as f64;
                out.extend_from_slice(serde_json::Value::from(ratio).to_string().as_bytes());
            });
        }
        object.close();
        out
    }
}
