//! Blocks above the safe head: what L1 has yet to carry (PST-024, PST-025).

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Serialize;
use trex_stf::{
    attributes::L1Origin,
    batch::transaction_bound,
    fees::{data_fee_wei, l1_fee},
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
}

/// Blocks above the safe head as they were last looked at, oldest first, without a gap.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<VecDeque<Measured>>);

impl Chain {
    /// What L1 has yet to carry. Each block is read once; the first call after opening reads them all.
    pub fn unposted(&self) -> Result<Unposted, ChainError> {
        let mut blocks = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (safe, head) = (self.l1_heads().safe, self.head().header.number);
        while blocks.front().is_some_and(|block| block.number <= safe) {
            blocks.pop_front();
        }
        if blocks.front().is_some_and(|block| block.number != safe + 1) {
            blocks.clear(); // the safe head went back
        }
        while let Some(last) = blocks.back() {
            if last.number <= head && self.store().hash_by_number(last.number)? == Some(last.hash) {
                break;
            }
            blocks.pop_back();
        }
        let (mut number, mut origin) = match blocks.back() {
            Some(last) => (last.number + 1, last.origin),
            None => (safe + 1, self.block_origin(safe)?.number),
        };
        while number <= head {
            let Some(block) = self.measured(number, origin)? else { break };
            (number, origin) = (number + 1, block.origin);
            blocks.push_back(block);
        }
        Ok(Unposted {
            blocks: blocks.len(),
            transactions: blocks.iter().map(|block| block.transactions).sum(),
            bytes: blocks.iter().map(|block| block.bytes).sum(),
            oldest_origin: blocks.iter().find(|block| block.transactions > 0).map(|block| block.origin),
        })
    }

    /// A block on one of this origin; `None` where it has just been given up.
    fn measured(&self, number: u64, parent_origin: u64) -> Result<Option<Measured>, ChainError> {
        let (Some(hash), Some(body)) = (self.store().hash_by_number(number)?, self.store().body(number)?)
        else {
            return Ok(None);
        };
        let all = body.transactions;
        let deposits = all.iter().take_while(|tx| tx.first() == Some(&DEPOSIT_TYPE)).count();
        let mut bytes = BLOCK_BYTES + LOG_INDEX_BYTES * deposits;
        for tx in &all[deposits..] {
            bytes += bound(tx).map_err(|error| StoreError::Corrupt {
                place: format!("body of block {number}"),
                detail: error.to_string(),
            })?;
        }
        Ok(Some(Measured {
            number,
            hash,
            origin: all.first().and_then(announced).unwrap_or(parent_origin),
            transactions: all.len() - deposits,
            bytes,
        }))
    }
}

/// Bytes that an encoded transaction takes in a batch at most.
fn bound(encoded: &Bytes) -> Result<usize, trex_stf::transaction::DecodeError> {
    // The bound asks for nothing that a signature tells.
    Ok(transaction_bound(&Transaction::with_sender(encoded.clone(), B256::ZERO, Address::ZERO)?))
}

/// Whether what a transaction pays for data covers the blobs that its content calls for (PST-025).
///
/// The L1 data fee counts what FastLZ leaves of it, a blob takes three bytes of content for each of its own
/// whatever they are. What is missing may be paid as a priority fee, on the least gas that its data takes
/// (EIP-7623).
pub(crate) fn pays_for_blobs(
    params: &NetworkParams,
    origin: &L1Origin,
    base_fee_wei: u64,
    tx: &Transaction,
) -> bool {
    const MILLIONTHS: u64 = 1_000_000;
    const LEAST_GAS: u64 = 21_000;
    const LEAST_GAS_PER_BYTE: u64 = 10;
    let size = (tx.encoded().len() as u64).saturating_mul(MILLIONTHS) / CONTENT_PER_BYTE;
    let costs = data_fee_wei(params, origin, size);
    let pays = l1_fee(params, origin, tx.encoded()).fee_wei;
    if pays >= costs {
        return true;
    }
    let tip_wei = tx.effective_gas_price_wei(base_fee_wei).saturating_sub(u128::from(base_fee_wei));
    let gas = LEAST_GAS + LEAST_GAS_PER_BYTE * tx.envelope().input().len() as u64;
    pays + U256::from(tip_wei) * U256::from(gas) >= costs
}
