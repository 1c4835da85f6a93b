//! `eth_getLogs`, and the logs of one block for subscriptions.

use super::{
    context::{FullBlock, Rpc},
    error::RpcError,
    exec::Budget,
    filter::{LogFilter, LogQuery, LogRange},
    json::Answer,
    params::{BlockId, Params},
    reader::{FoundLog, Reader},
    shapes::{LogPlace, Place, put_log},
};

/// Bytes of JSON that an answer is begun with.
const FIRST_BYTES: usize = 4096;

/// Blocks between two looks at the clock.
const BLOCKS_PER_CHECK: u64 = 4096;

/// A growing list of logs that knows its limits.
struct LogList<'a, 'r, R> {
    rpc: &'a Rpc<'r, R>,
    out: Vec<u8>,
    count: usize,
}

impl<'a, 'r, R: Reader> LogList<'a, 'r, R> {
    fn new(rpc: &'a Rpc<'r, R>) -> Self {
        let mut out = Vec::with_capacity(FIRST_BYTES);
        out.push(b'[');
        Self { rpc, out, count: 0 }
    }

    fn push(&mut self, log: &alloy_primitives::Log, place: &LogPlace) -> Result<(), RpcError> {
        let limits = self.rpc.limits;
        if self.count >= limits.log_results {
            return Err(RpcError::limit("log_results", limits.log_results, "query returns too many logs"));
        }
        if self.out.len() > limits.response_bytes {
            return Err(RpcError::limit(
                "response_bytes",
                limits.response_bytes,
                "query returns too many bytes",
            ));
        }
        if self.count > 0 {
            self.out.push(b',');
        }
        self.count += 1;
        put_log(&mut self.out, log, place);
        Ok(())
    }

    fn push_found(&mut self, found: &FoundLog) -> Result<(), RpcError> {
        let tx = Place {
            block_hash: Some(found.block_hash),
            number: found.block,
            timestamp: found.timestamp,
            base_fee_wei: 0,
            index: u64::from(found.tx_index),
        };
        self.push(&found.log, &LogPlace { tx, tx_hash: found.tx_hash, log_index: u64::from(found.log_index) })
    }

    fn close(mut self) -> Vec<u8> {
        self.out.push(b']');
        self.out
    }
}

/// `eth_getLogs(filter)`.
pub fn eth_get_logs<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let query = params.required(0, LogQuery::parse)?;
    query.filter.check(rpc.limits)?;
    let mut list = LogList::new(rpc);
    match query.range {
        LogRange::Block(hash) => {
            let number = rpc.reader.number_of(&hash)?.ok_or_else(|| RpcError::server("unknown block"))?;
            collect(rpc, &query.filter, number, number, &mut list)?;
        }
        LogRange::Between(first, last) => {
            collect_range(rpc, &query.filter, first, last, &mut list)?;
        }
    }
    Ok(list.close())
}

fn collect_range<R: Reader>(
    rpc: &Rpc<'_, R>,
    filter: &LogFilter,
    first: Option<BlockId>,
    last: Option<BlockId>,
    list: &mut LogList<'_, '_, R>,
) -> Result<(), RpcError> {
    let head = rpc.reader.head()?.number;
    let number = |id: Option<BlockId>| -> Result<u64, RpcError> {
        Ok(match id {
            Some(BlockId::Number(number)) => number,
            Some(BlockId::Pending) => head + 1,
            Some(BlockId::Safe) => rpc.reader.l1_heads()?.safe,
            Some(BlockId::Finalized) => rpc.reader.l1_heads()?.finalized,
            Some(BlockId::Latest | BlockId::Hash(_)) | None => head,
        })
    };
    let (from, to) = (number(first)?, number(last)?);
    if from > to {
        // Who asks for what comes after the newest block is told that there is nothing yet; only numbers
        // in the wrong order are an error.
        return match (first, last) {
            (Some(BlockId::Number(_)), Some(BlockId::Number(_))) => {
                Err(RpcError::params("invalid block range params"))
            }
            _ => Ok(()),
        };
    }
    // Beyond the head only the pending block has anything.
    let stored = to.min(head);
    if let Some(most) = rpc.limits.log_blocks
        && stored.saturating_sub(from) >= most
        && from <= stored
    {
        return Err(RpcError::limit("log_blocks", most, "block range is too large"));
    }
    if from <= stored {
        collect(rpc, filter, from, stored, list)?;
    }
    if last == Some(BlockId::Pending)
        && let Some(block) = rpc.block(BlockId::Pending, true)?
    {
        collect_block(filter, &block, list)?;
    }
    Ok(())
}

fn collect<R: Reader>(
    rpc: &Rpc<'_, R>,
    filter: &LogFilter,
    first: u64,
    last: u64,
    list: &mut LogList<'_, '_, R>,
) -> Result<(), RpcError> {
    let budget = Budget::of_call(rpc.limits);
    let mut from = first;
    while from <= last {
        budget.check()?;
        let to = last.min(from.saturating_add(BLOCKS_PER_CHECK - 1));
        let mut failure = None;
        rpc.reader.logs(filter, from, to, &mut |found| match list.push_found(&found) {
            Ok(()) => true,
            Err(error) => {
                failure = Some(error);
                false
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        from = to + 1;
    }
    Ok(())
}

fn collect_block<R: Reader>(
    filter: &LogFilter,
    block: &FullBlock,
    list: &mut LogList<'_, '_, R>,
) -> Result<(), RpcError> {
    let mut failure = None;
    each_log(block, &mut |log, place| {
        if filter.takes(log) && failure.is_none() {
            failure = list.push(log, place).err();
        }
    });
    failure.map_or(Ok(()), Err)
}

/// Every log of a block with its place.
fn each_log(block: &FullBlock, each: &mut dyn FnMut(&alloy_primitives::Log, &LogPlace)) {
    let first = Place::first(&block.header, block.hash);
    let mut log_index = 0;
    for (index, (tx, receipt)) in block.transactions.iter().zip(&block.receipts).enumerate() {
        for log in &receipt.logs {
            each(log, &LogPlace { tx: first.at(index), tx_hash: tx.hash(), log_index });
            log_index += 1;
        }
    }
}

/// For each filter the JSON of a block's logs that it takes; one pass over the receipts.
pub fn match_block(block: &FullBlock, filters: &[LogFilter]) -> Vec<Vec<Vec<u8>>> {
    let mut matched = vec![Vec::new(); filters.len()];
    each_log(block, &mut |log, place| {
        let mut json: Option<Vec<u8>> = None;
        for (filter, matched) in filters.iter().zip(&mut matched) {
            if filter.takes(log) {
                let json = json.get_or_insert_with(|| {
                    let mut out = Vec::with_capacity(1024);
                    put_log(&mut out, log, place);
                    out
                });
                matched.push(json.clone());
            }
        }
    });
    matched
}
