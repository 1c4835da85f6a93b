//! OP's span batch (OP Stack specification, protocol/delta/span-batches), written from its text:
//! prefix, payload, transactions by column; in a channel, in frames.

use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_primitives::{Signature, TxKind};
use alloy_rlp::Encodable;

use crate::data::Block;

/// Version byte of a span batch inside the channel.
const SPAN_BATCH: u8 = 1;
/// A frame: channel id, number, length, last flag; and the derivation version byte before it.
pub const FRAME_BYTES: usize = 16 + 2 + 4 + 1 + 1;

fn uvarint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bitlist(bits: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let bits: Vec<bool> = bits.collect();
    let mut bytes = vec![0u8; bits.len().div_ceil(8)];
    let length = bytes.len();
    for (index, bit) in bits.iter().enumerate() {
        bytes[length - 1 - index / 8] |= u8::from(*bit) << (index % 8);
    }
    out.extend(bytes);
}

struct Parts {
    to: TxKind,
    nonce: u64,
    gas: u64,
    signature: Signature,
    is_protected: Option<bool>,
    data: Vec<u8>,
}

fn list(prefix: Option<u8>, fields: &[&dyn Encodable]) -> Vec<u8> {
    let payload_length = fields.iter().map(|field| field.length()).sum();
    let mut out: Vec<u8> = prefix.into_iter().collect();
    alloy_rlp::Header { list: true, payload_length }.encode(&mut out);
    for field in fields {
        field.encode(&mut out);
    }
    out
}

fn parts(tx: &TxEnvelope) -> Parts {
    fn common<T>(signed: &Signed<T>) -> (&T, Signature) {
        (signed.tx(), *signed.signature())
    }
    match tx {
        TxEnvelope::Legacy(signed) => {
            let (tx, signature): (&TxLegacy, _) = common(signed);
            let data = list(None, &[&tx.value, &tx.gas_price, &tx.input]);
            let is_protected = Some(tx.chain_id.is_some());
            Parts { to: tx.to, nonce: tx.nonce, gas: tx.gas_limit, signature, is_protected, data }
        }
        TxEnvelope::Eip2930(signed) => {
            let (tx, signature): (&TxEip2930, _) = common(signed);
            let data = list(Some(1), &[&tx.value, &tx.gas_price, &tx.input, &tx.access_list]);
            Parts { to: tx.to, nonce: tx.nonce, gas: tx.gas_limit, signature, is_protected: None, data }
        }
        TxEnvelope::Eip1559(signed) => {
            let (tx, signature): (&TxEip1559, _) = common(signed);
            let data = list(
                Some(2),
                &[
                    &tx.value,
                    &tx.max_priority_fee_per_gas,
                    &tx.max_fee_per_gas,
                    &tx.input,
                    &tx.access_list,
                ],
            );
            Parts { to: tx.to, nonce: tx.nonce, gas: tx.gas_limit, signature, is_protected: None, data }
        }
        TxEnvelope::Eip7702(signed) => {
            let (tx, signature): (&TxEip7702, _) = common(signed);
            let data = list(
                Some(4),
                &[
                    &tx.value,
                    &tx.max_priority_fee_per_gas,
                    &tx.max_fee_per_gas,
                    &tx.input,
                    &tx.access_list,
                    &tx.authorization_list,
                ],
            );
            let to = TxKind::Call(tx.to);
            Parts { to, nonce: tx.nonce, gas: tx.gas_limit, signature, is_protected: None, data }
        }
        TxEnvelope::Eip4844(_) => unreachable!("left out"),
    }
}

/// The batch as it goes into the channel: an RLP byte string.
pub fn span_batch(blocks: &[Block]) -> Vec<u8> {
    let mut out = vec![SPAN_BATCH];
    uvarint(blocks[0].time, &mut out); // relative timestamp
    uvarint(blocks[blocks.len() - 1].origin, &mut out);
    out.extend([0x5a; 40]); // parent check and L1 origin check: 20 bytes of hash each
    for (at, byte) in out.iter_mut().rev().take(40).enumerate() {
        *byte = (at as u8).wrapping_mul(151) ^ 0x5a;
    }
    uvarint(blocks.len() as u64, &mut out);
    bitlist(
        blocks.iter().enumerate().map(|(index, block)| index > 0 && block.origin != blocks[index - 1].origin),
        &mut out,
    );
    for block in blocks {
        uvarint(block.transactions.len() as u64, &mut out);
    }
    let txs: Vec<Parts> = blocks.iter().flat_map(|block| &block.envelopes).map(parts).collect();
    bitlist(txs.iter().map(|tx| tx.to.is_create()), &mut out);
    bitlist(txs.iter().map(|tx| tx.signature.v()), &mut out);
    for tx in &txs {
        out.extend(tx.signature.r().to_be_bytes::<32>());
        out.extend(tx.signature.s().to_be_bytes::<32>());
    }
    for tx in &txs {
        if let TxKind::Call(to) = tx.to {
            out.extend(to.as_slice());
        }
    }
    for tx in &txs {
        out.extend(&tx.data);
    }
    for tx in &txs {
        uvarint(tx.nonce, &mut out);
    }
    for tx in &txs {
        uvarint(tx.gas, &mut out);
    }
    bitlist(txs.iter().filter_map(|tx| tx.is_protected), &mut out);
    alloy_rlp::encode(out.as_slice())
}
