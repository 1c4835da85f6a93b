//! JSON of blocks, transactions, receipts and logs, with geth's fields and op-geth's for deposits.

use alloy_consensus::{Header, Transaction as _, Typed2718};
use alloy_primitives::{B256, Bloom, Log, Signature, U256};
use alloy_rlp::Encodable;
use op_alloy_consensus::OpTxEnvelope;
use trex_stf::{
    receipt::{L1Fee, Receipt},
    transaction::{DEPOSIT_TYPE, Transaction},
};

use super::{
    context::FullBlock,
    json::{Object, put_array, put_hex},
    reader::Outline,
};

/// Where a transaction is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Block hash; `None` in the pending block.
    pub block_hash: Option<B256>,
    /// Block number.
    pub number: u64,
    /// Block time, seconds since 1970.
    pub timestamp: u64,
    /// Base fee of the block.
    pub base_fee_wei: u64,
    /// Index in the block.
    pub index: u64,
}

impl Place {
    /// The first transaction of a block.
    pub fn first(header: &Header, block_hash: Option<B256>) -> Self {
        Self {
            block_hash,
            number: header.number,
            timestamp: header.timestamp,
            base_fee_wei: header.base_fee_per_gas.unwrap_or_default(),
            index: 0,
        }
    }

    /// Another one of the same block.
    pub fn at(self, index: usize) -> Self {
        Self { index: index as u64, ..self }
    }
}

/// Writes the fields of a header.
pub fn put_header_fields(object: &mut Object<'_>, header: &Header, hash: Option<B256>) {
    object.number("number", header.number);
    object.maybe_hex("hash", hash);
    object.hex("parentHash", header.parent_hash);
    object.maybe_hex("nonce", hash.map(|_| header.nonce));
    object.hex("mixHash", header.mix_hash);
    object.hex("sha3Uncles", header.ommers_hash);
    object.hex("logsBloom", header.logs_bloom);
    object.hex("stateRoot", header.state_root);
    object.maybe_hex("miner", hash.map(|_| header.beneficiary));
    object.big("difficulty", header.difficulty);
    object.hex("extraData", &header.extra_data);
    object.number("gasLimit", header.gas_limit);
    object.number("gasUsed", header.gas_used);
    object.number("timestamp", header.timestamp);
    object.hex("transactionsRoot", header.transactions_root);
    object.hex("receiptsRoot", header.receipts_root);
    if let Some(fee) = header.base_fee_per_gas {
        object.number("baseFeePerGas", fee);
    }
    if let Some(root) = header.withdrawals_root {
        object.hex("withdrawalsRoot", root);
    }
    if let Some(gas) = header.blob_gas_used {
        object.number("blobGasUsed", gas);
    }
    if let Some(gas) = header.excess_blob_gas {
        object.number("excessBlobGas", gas);
    }
    if let Some(root) = header.parent_beacon_block_root {
        object.hex("parentBeaconBlockRoot", root);
    }
    if let Some(hash) = header.requests_hash {
        object.hex("requestsHash", hash);
    }
}

/// A header alone.
pub fn header(header: &Header, hash: Option<B256>) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    let mut object = Object::open(&mut out);
    put_header_fields(&mut object, header, hash);
    object.close();
    out
}

/// Bytes that transactions take in the RLP of their block.
pub fn body_bytes(transactions: &[Transaction]) -> u64 {
    let in_block = |tx: &Transaction| {
        let bytes = tx.encoded();
        if tx.envelope().ty() == 0 { bytes.len() } else { bytes.as_ref().length() }
    };
    transactions.iter().map(in_block).sum::<usize>() as u64
}

/// Size of the block's RLP, bytes: header, transactions, no ommers, no withdrawals.
fn block_size(header: &Header, body_bytes: u64) -> u64 {
    let list = |payload: usize| alloy_rlp::length_of_length(payload) + payload;
    list(header.length() + list(body_bytes as usize) + 2) as u64
}

/// Writes the fields of a block but for its transactions.
pub fn put_block_fields(object: &mut Object<'_>, block: &FullBlock) {
    put_fields(object, &block.header, block.hash, body_bytes(&block.transactions));
}

fn put_fields(object: &mut Object<'_>, header: &Header, hash: Option<B256>, body_bytes: u64) {
    put_header_fields(object, header, hash);
    object.number("size", block_size(header, body_bytes));
    object.raw("uncles", b"[]");
    object.raw("withdrawals", b"[]");
}

/// A block with the hashes of its transactions.
pub fn outline(header: &Header, hash: B256, outline: &Outline) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048 + outline.tx_hashes.len() * 70);
    let mut object = Object::open(&mut out);
    put_fields(&mut object, header, Some(hash), outline.body_bytes);
    put_array(object.key("transactions"), &outline.tx_hashes, |out, hash| put_hex(out, hash.as_slice()));
    object.close();
    out
}

/// A block with transaction hashes or whole transactions.
pub fn block(block: &FullBlock, full: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048 + block.transactions.len() * if full { 900 } else { 70 });
    let mut object = Object::open(&mut out);
    put_block_fields(&mut object, block);
    put_block_transactions(object.key("transactions"), block, full);
    object.close();
    out
}

/// A block's transactions, hashes or whole.
pub fn put_block_transactions(out: &mut Vec<u8>, block: &FullBlock, full: bool) {
    let place = Place::first(&block.header, block.hash);
    put_array(out, block.transactions.iter().enumerate(), |out, (index, tx)| {
        if full {
            let deposit_nonce = block.receipts.get(index).and_then(|receipt| receipt.deposit_nonce);
            put_transaction(out, tx, Some(&place.at(index)), deposit_nonce);
        } else {
            put_hex(out, tx.hash().as_slice());
        }
    });
}

/// Writes a transaction; without a place it waits in the mempool.
pub fn put_transaction(
    out: &mut Vec<u8>,
    tx: &Transaction,
    place: Option<&Place>,
    deposit_nonce: Option<u64>,
) {
    let envelope = tx.envelope();
    let mut object = Object::open(out);
    object.maybe_hex("blockHash", place.and_then(|place| place.block_hash));
    object.maybe_number("blockNumber", place.map(|place| place.number));
    object.maybe_number("blockTimestamp", place.map(|place| place.timestamp));
    object.maybe_number("transactionIndex", place.map(|place| place.index));
    object.hex("hash", tx.hash());
    object.number("type", envelope.ty());
    object.hex("from", tx.sender());
    object.maybe_hex("to", envelope.to());
    object.number("nonce", deposit_nonce.unwrap_or_else(|| envelope.nonce()));
    object.number("gas", envelope.gas_limit());
    object.big("value", envelope.value());
    object.hex("input", envelope.input());
    put_prices(&mut object, tx, place);
    put_typed_fields(&mut object, tx, deposit_nonce);
    object.close();
}

fn put_prices(object: &mut Object<'_>, tx: &Transaction, place: Option<&Place>) {
    let envelope = tx.envelope();
    let price = match place {
        Some(place) => tx.effective_gas_price_wei(place.base_fee_wei),
        None => envelope.max_fee_per_gas(),
    };
    object.big("gasPrice", U256::from(price));
    if let Some(tip) = envelope.max_priority_fee_per_gas().filter(|_| !tx.is_deposit()) {
        object.big("maxFeePerGas", U256::from(envelope.max_fee_per_gas()));
        object.big("maxPriorityFeePerGas", U256::from(tip));
    }
}

/// What only some types have, and the signature.
fn put_typed_fields(object: &mut Object<'_>, tx: &Transaction, deposit_nonce: Option<u64>) {
    let envelope = tx.envelope();
    if let Some(list) = envelope.access_list() {
        put_array(object.key("accessList"), &list.0, |out, item| {
            let mut entry = Object::open(out);
            entry.hex("address", item.address);
            put_array(entry.key("storageKeys"), &item.storage_keys, |out, key| put_hex(out, key.as_slice()));
            entry.close();
        });
    }
    if let Some(id) = envelope.chain_id().filter(|_| !tx.is_deposit()) {
        object.number("chainId", id);
    }
    match envelope {
        OpTxEnvelope::Legacy(signed) => put_legacy_signature(object, signed.signature(), envelope.chain_id()),
        OpTxEnvelope::Eip2930(signed) => put_signature(object, signed.signature()),
        OpTxEnvelope::Eip1559(signed) => put_signature(object, signed.signature()),
        OpTxEnvelope::Eip7702(signed) => {
            put_array(object.key("authorizationList"), &signed.tx().authorization_list, |out, auth| {
                let mut entry = Object::open(out);
                entry.big("chainId", auth.chain_id);
                entry.hex("address", auth.address);
                entry.number("nonce", auth.nonce);
                entry.number("yParity", auth.y_parity());
                entry.big("r", auth.r());
                entry.big("s", auth.s());
                entry.close();
            });
            put_signature(object, signed.signature());
        }
        OpTxEnvelope::Deposit(deposit) => {
            object.hex("sourceHash", deposit.source_hash);
            object.big("mint", U256::from(deposit.mint));
            object.boolean("isSystemTx", deposit.is_system_transaction);
            if deposit_nonce.is_some() {
                object.number("depositReceiptVersion", 1u64);
            }
            put_no_signature(object);
        }
        OpTxEnvelope::PostExec(_) => put_no_signature(object),
    }
}

fn put_no_signature(object: &mut Object<'_>) {
    object.number("v", 0u64);
    object.number("r", 0u64);
    object.number("s", 0u64);
}

fn put_legacy_signature(object: &mut Object<'_>, signature: &Signature, chain_id: Option<u64>) {
    let parity = u128::from(signature.v());
    let v = chain_id.map_or(27 + parity, |id| 35 + 2 * u128::from(id) + parity);
    object.big("v", U256::from(v));
    object.big("r", signature.r());
    object.big("s", signature.s());
}

fn put_signature(object: &mut Object<'_>, signature: &Signature) {
    object.number("v", signature.v());
    object.big("r", signature.r());
    object.big("s", signature.s());
    object.number("yParity", signature.v());
}

/// Where a log is.
#[derive(Clone, Copy, Debug)]
pub struct LogPlace {
    /// Place of its transaction.
    pub tx: Place,
    /// Hash of its transaction.
    pub tx_hash: B256,
    /// Index in the block.
    pub log_index: u64,
}

/// Writes a log.
pub fn put_log(out: &mut Vec<u8>, log: &Log, place: &LogPlace) {
    let mut object = Object::open(out);
    object.hex("address", log.address);
    put_array(object.key("topics"), log.topics(), |out, topic| put_hex(out, topic.as_slice()));
    object.hex("data", &log.data.data);
    object.maybe_hex("blockHash", place.tx.block_hash);
    object.number("blockNumber", place.tx.number);
    object.number("blockTimestamp", place.tx.timestamp);
    object.hex("transactionHash", place.tx_hash);
    object.number("transactionIndex", place.tx.index);
    object.number("logIndex", place.log_index);
    object.boolean("removed", false);
    object.close();
}

/// What a receipt leaves out: `ots_` answers need neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief(pub bool);

/// Writes a receipt; `first_log` is the number of logs before it in the block.
pub fn put_receipt(
    out: &mut Vec<u8>,
    tx: &Transaction,
    receipt: &Receipt,
    place: &Place,
    first_log: u64,
    brief: Brief,
) {
    let mut object = Object::open(out);
    object.maybe_hex("blockHash", place.block_hash);
    object.number("blockNumber", place.number);
    object.hex("transactionHash", tx.hash());
    object.number("transactionIndex", place.index);
    object.number("type", receipt.tx_type);
    object.hex("from", tx.sender());
    object.maybe_hex("to", tx.envelope().to());
    object.maybe_hex("contractAddress", receipt.contract_address);
    object.number("status", receipt.success);
    object.number("gasUsed", receipt.gas_used);
    object.number("cumulativeGasUsed", receipt.cumulative_gas_used);
    object.big("effectiveGasPrice", U256::from(receipt.effective_gas_price_wei));
    put_l1_fields(&mut object, receipt);
    if brief == Brief(true) {
        object.raw("logs", b"null");
        object.raw("logsBloom", b"null");
        object.number("timestamp", place.timestamp);
    } else {
        put_array(object.key("logs"), receipt.logs.iter().enumerate(), |out, (index, log)| {
            let place = LogPlace { tx: *place, tx_hash: tx.hash(), log_index: first_log + index as u64 };
            put_log(out, log, &place);
        });
        let bloom = if receipt.logs.is_empty() { Bloom::ZERO } else { receipt.bloom() };
        object.hex("logsBloom", bloom);
    }
    object.close();
}

fn put_l1_fields(object: &mut Object<'_>, receipt: &Receipt) {
    if receipt.tx_type == DEPOSIT_TYPE {
        if let Some(nonce) = receipt.deposit_nonce {
            object.number("depositNonce", nonce);
            object.number("depositReceiptVersion", 1u64);
        }
        return;
    }
    let L1Fee { fee_wei, gas_used, base_fee_wei, blob_base_fee_wei, base_fee_scalar, blob_base_fee_scalar } =
        receipt.l1_fee.unwrap_or_default();
    object.big("l1Fee", fee_wei);
    object.number("l1GasUsed", gas_used);
    object.number("l1GasPrice", base_fee_wei);
    object.big("l1BlobBaseFee", U256::from(blob_base_fee_wei));
    object.number("l1BaseFeeScalar", base_fee_scalar);
    object.number("l1BlobBaseFeeScalar", blob_base_fee_scalar);
}

/// All receipts of a block.
pub fn receipts(block: &FullBlock) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.receipts.len() * 1200 + 2);
    let place = Place::first(&block.header, block.hash);
    let mut first_log = 0;
    let pairs = block.transactions.iter().zip(&block.receipts).enumerate();
    put_array(&mut out, pairs, |out, (index, (tx, receipt))| {
        put_receipt(out, tx, receipt, &place.at(index), first_log, Brief(false));
        first_log += receipt.logs.len() as u64;
    });
    out
}
