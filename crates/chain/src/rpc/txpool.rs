//! `txpool_*`: what waits in the mempool.

use std::sync::Arc;

use alloy_consensus::Transaction as _;
use trex_stf::transaction::Transaction;

use super::{
    context::Rpc,
    error::RpcError,
    json::{Answer, Object},
    params::{self, Params},
    reader::{Pooled, Reader},
    shapes::put_transaction,
};

/// Bytes of JSON that a pooled transaction takes at least.
const TRANSACTION_BYTES: usize = 600;

/// `txpool_status()`.
pub fn txpool_status<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    let (pending, queued) = rpc.reader.pool_status();
    let mut out = Vec::with_capacity(64);
    let mut object = Object::open(&mut out);
    object.number("pending", pending as u64);
    object.number("queued", queued as u64);
    object.close();
    Ok(out)
}

fn content<R: Reader>(rpc: &Rpc<'_, R>) -> Result<Vec<Pooled>, RpcError> {
    let limit = rpc.limits.response_bytes / TRANSACTION_BYTES;
    rpc.reader.pool_content(limit).ok_or_else(|| {
        RpcError::limit("response_bytes", rpc.limits.response_bytes, "the mempool has too many transactions")
    })
}

fn put_queue(
    object: &mut Object<'_>,
    key: &str,
    transactions: &[Arc<Transaction>],
    put: &mut dyn FnMut(&mut Vec<u8>, &Transaction),
) {
    let mut queue = Object::open(object.key(key));
    for tx in transactions {
        put(queue.key(&tx.envelope().nonce().to_string()), tx);
    }
    queue.close();
}

/// One part of what a sender has in the mempool.
type Part = fn(&Pooled) -> &[Arc<Transaction>];

/// `{pending: {sender: {nonce: …}}, queued: …}`.
fn by_sender(content: &[Pooled], put: &mut dyn FnMut(&mut Vec<u8>, &Transaction)) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    let mut object = Object::open(&mut out);
    let parts: [(&str, Part); 2] =
        [("pending", |pooled| &pooled.pending), ("queued", |pooled| &pooled.queued)];
    for (name, part) in parts {
        let mut senders = Object::open(object.key(name));
        for pooled in content.iter().filter(|pooled| !part(pooled).is_empty()) {
            put_queue(&mut senders, &pooled.sender.to_string(), part(pooled), put);
        }
        senders.close();
    }
    object.close();
    out
}

/// `txpool_content()`.
pub fn txpool_content<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    rpc.bounded(by_sender(&content(rpc)?, &mut |out, tx| put_transaction(out, tx, None, None)))
}

/// `txpool_contentFrom(sender)`.
pub fn txpool_content_from<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let pooled = rpc.reader.pool_content_of(&params.required(0, params::address)?);
    let mut out = Vec::with_capacity(4096);
    let mut object = Object::open(&mut out);
    for (name, part) in [("pending", &pooled.pending), ("queued", &pooled.queued)] {
        put_queue(&mut object, name, part, &mut |out, tx| put_transaction(out, tx, None, None));
    }
    object.close();
    rpc.bounded(out)
}

/// `txpool_inspect()`: each transaction in a line.
pub fn txpool_inspect<R: Reader>(rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    rpc.bounded(by_sender(&content(rpc)?, &mut |out, tx| {
        let envelope = tx.envelope();
        let to = envelope.to().map_or_else(|| "contract creation".into(), |to| to.to_string());
        let line = format!(
            "\"{to}: {} wei + {} gas × {} wei\"",
            envelope.value(),
            envelope.gas_limit(),
            envelope.max_fee_per_gas()
        );
        out.extend_from_slice(line.as_bytes());
    }))
}
