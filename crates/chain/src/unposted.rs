//! Blocks above the safe head: what L1 has yet to carry (PST-024, PST-025).

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use serde::Serialize;
use trex_stf::{
    attributes::L1Origin,
    batch::transaction_bound,
    fees::data_fee_wei,
    params::NetworkParams,
    transaction::{DEPOSIT_TYPE, Transaction},
};
use trex_store::StoreError;

use crate::{
    batches::{LOG_INDEX_BYTES, announced},
    chain::{Chain, ChainError},
};

/// Bytes of a block in a batch besides its transactions and log indices, at most: two numbers and a count.
const BLOCK_BYTES: usize = 32;
/// Bytes of content that a byte of a blob pays for (BAT-041).
const CONTENT_PER_BYTE: u64 = 3;
const MILLIONTHS: u64 = 1_000_000;
/// L1 gas that a receipt counts for a byte of a transaction's size (FEE-003).
const CALLDATA_GAS_PER_BYTE: u64 = 16;

/// What stands above the safe head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unposted {
    /// Blocks.
    pub blocks: usize,
    /// Their ordinary transactions.
    pub transactions: usize,
    /// Bytes that they take in batches at most (BAT-043); content counts less (BAT-041).
    pub bytes: usize,
    /// Bytes of blobs that they call for beyond those that they pay for (PST-025); below zero where they pay
    /// for more.
    pub owed_bytes: i64,
    /// Number of the L1 origin of the oldest of them that has an ordinary transaction.
    pub oldest_origin: Option<u64>,
}

/// A block above the safe head.
#[derive(Debug)]
struct Measured {
    number: u64,
    hash: B256,
    origin: u64,
    transactions: usize,
    bytes: usize,
    owed: i64,
}

/// Blocks above the safe head as they were last looked at, and their sums.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Stands>);

#[derive(Debug, Default)]
struct Stands {
    /// Oldest first, without a gap.
    blocks: VecDeque<Measured>,
    /// Origins of those with ordinary transactions.
    origins: VecDeque<u64>,
    transactions: usize,
    bytes: usize,
    owed: i64,
}

impl Stands {
    fn push(&mut self, block: Measured) {
        self.transactions += block.transactions;
        self.bytes += block.bytes;
        self.owed += block.owed;
        if block.transactions > 0 {
            self.origins.push_back(block.origin);
        }
        self.blocks.push_back(block);
    }

    fn pop_oldest(&mut self) {
        if let Some(block) = self.blocks.pop_front() {
            self.subtract(&block);
            if block.transactions > 0 {
                self.origins.pop_front();
            }
        }
    }

    fn pop_newest(&mut self) {
        if let Some(block) = self.blocks.pop_back() {
            self.subtract(&block);
            if block.transactions > 0 {
                self.origins.pop_back();
            }
        }
    }

    fn subtract(&mut self, block: &Measured) {
        self.transactions -= block.transactions;
        self.bytes -= block.bytes;
        self.owed -= block.owed;
    }
}

impl Chain {
    /// What L1 has yet to carry. Each block is read once; the first call after opening reads them all.
    pub fn unposted(&self) -> Result<Unposted, ChainError> {
        let mut stands = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (safe, head) = (self.l1_heads().safe, self.head().header.number);
        while stands.blocks.front().is_some_and(|block| block.number <= safe) {
            stands.pop_oldest();
        }
        if stands.blocks.front().is_some_and(|block| block.number != safe + 1) {
            *stands = Stands::default(); // the safe head went back
        }
        while let Some(last) = stands.blocks.back() {
            if last.number <= head && self.store().hash_by_number(last.number)? == Some(last.hash) {
                break;
            }
            stands.pop_newest();
        }
        let (mut number, mut origin) = match stands.blocks.back() {
            Some(last) => (last.number + 1, last.origin),
            None => (safe + 1, self.block_origin(safe)?.number),
        };
        while number <= head {
            let Some(block) = self.measured(number, origin)? else { break };
            (number, origin) = (number + 1, block.origin);
            stands.push(block);
        }
        Ok(Unposted {
            blocks: stands.blocks.len(),
            transactions: stands.transactions,
            bytes: stands.bytes,
            owed_bytes: stands.owed,
            oldest_origin: stands.origins.front().copied(),
        })
    }

    /// A block on one of this origin; `None` where it has just been given up.
    fn measured(&self, number: u64, parent_origin: u64) -> Result<Option<Measured>, ChainError> {
        let (Some(hash), Some(body), Some(receipts), Some(header)) = (
            self.store().hash_by_number(number)?,
            self.store().body(number)?,
            self.store().receipts(number)?,
            self.store().header_by_number(number)?,
        ) else {
            return Ok(None);
        };
        let base_fee_wei = header.base_fee_per_gas.unwrap_or_default();
        let all = body.transactions;
        let deposits = all.iter().take_while(|tx| tx.first() == Some(&DEPOSIT_TYPE)).count();
        let (mut bytes, mut owed) = (BLOCK_BYTES + LOG_INDEX_BYTES * deposits, 0);
        for (encoded, receipt) in all.iter().zip(&receipts).skip(deposits) {
            // Nothing of this asks for what a signature tells.
            let tx =
                Transaction::with_sender(encoded.clone(), B256::ZERO, Address::ZERO).map_err(|error| {
                    StoreError::Corrupt {
                        place: format!("body of block {number}"),
                        detail: error.to_string(),
                    }
                })?;
            bytes += transaction_bound(&tx);
            let fee = receipt.l1_fee.unwrap_or_default();
            let origin = L1Origin {
                base_fee_wei: fee.base_fee_wei,
                blob_base_fee_wei: fee.blob_base_fee_wei,
                ..L1Origin::default()
            };
            let size_millionths = fee.gas_used * MILLIONTHS / CALLDATA_GAS_PER_BYTE;
            owed += owed_bytes(self.params(), &origin, base_fee_wei, &tx, size_millionths);
        }
        Ok(Some(Measured {
            number,
            hash,
            origin: all.first().and_then(announced).unwrap_or(parent_origin),
            transactions: all.len() - deposits,
            bytes,
            owed,
        }))
    }
}

/// Bytes of blobs that a transaction calls for beyond those that it pays for (PST-025); below zero where it
/// pays for more.
///
/// The L1 data fee counts `size_millionths`, what FastLZ leaves (FEE-002); a blob takes three bytes of
/// content for each of its own whatever they are. What is missing may be paid as a priority fee, on the least
/// gas that its data takes (EIP-7623).
pub(crate) fn owed_bytes(
    params: &NetworkParams,
    origin: &L1Origin,
    base_fee_wei: u64,
    tx: &Transaction,
    size_millionths: u64,
) -> i64 {
    const LEAST_GAS: u64 = 21_000;
    const LEAST_GAS_PER_BYTE: u64 = 10;
    let takes_millionths = (tx.encoded().len() as u64).saturating_mul(MILLIONTHS) / CONTENT_PER_BYTE;
    if takes_millionths <= size_millionths {
        return -(((size_millionths - takes_millionths) / MILLIONTHS) as i64);
    }
    let fee_wei = |size_millionths| data_fee_wei(params, origin, size_millionths);
    let missing_wei = fee_wei(takes_millionths).saturating_sub(fee_wei(size_millionths));
    let tip_wei = tx.effective_gas_price_wei(base_fee_wei).saturating_sub(u128::from(base_fee_wei));
    let gas = LEAST_GAS + LEAST_GAS_PER_BYTE * tx.envelope().input().len() as u64;
    match missing_wei <= U256::from(tip_wei) * U256::from(gas) {
        true => 0,
        false => (takes_millionths - size_millionths).div_ceil(MILLIONTHS) as i64,
    }
}
