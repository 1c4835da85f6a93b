//! Blocks as batches for L1, and the room that a block has in one.

use alloy_primitives::Bytes;
use trex_stf::{
    batch::{
        BLOB_DATA_BYTES, Batch, BatchBlock, Blob, Limits, Reason, encode_batch_within, pack_blobs,
        transaction_bound,
    },
    deposits::announced_origin,
    header::{output_root, slot},
    transaction::{DEPOSIT_TYPE, Transaction},
};

use crate::{
    block_rlp::RawBlock,
    chain::{Chain, ChainError},
    unposted::Unposted,
};

/// Blobs that one L1 transaction carries at most (EIP-7594).
const TRANSACTION_BLOBS: usize = 6;
/// Bytes of a batch of one block besides its transactions and log indices.
const BLOCK_BYTES: usize = 256;
/// Bytes of a log index at most.
pub(crate) const LOG_INDEX_BYTES: usize = 6;

/// Bytes that the shortest transaction takes in a batch, about: less is no room.
const LEAST_BYTES: usize = 96;

/// Room that a block has for ordinary transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes that they may take in a batch.
    left: usize,
    /// Most of what L1 carries is taken: nobody gets in who owes (PST-025).
    is_scarce: bool,
    /// Bytes of blobs that are owed above the safe head ([`Unposted::owed_bytes`]).
    owed: i64,
}

impl Room {
    /// No limit: on a network without L1.
    pub(crate) const ANY: Self = Self { left: usize::MAX, is_scarce: false, owed: i64::MIN };

    /// What one L1 transaction carries, beside the log indices of so many deposits (BAT-044).
    pub(crate) fn of_one_posting(deposits: usize) -> Self {
        let besides = BLOCK_BYTES + LOG_INDEX_BYTES * deposits;
        Self { left: (TRANSACTION_BLOBS * BLOB_DATA_BYTES).saturating_sub(besides), ..Self::ANY }
    }

    /// The same where `most` bytes may stand above the safe head (PST-024), and this does.
    pub(crate) fn within(self, most: usize, stands: &Unposted) -> Self {
        Self {
            left: self.left.min(most.saturating_sub(stands.bytes)),
            is_scarce: stands.bytes > most / 2,
            owed: stands.owed_bytes,
        }
    }

    /// Whether any transaction may fit.
    pub(crate) fn is_open(&self) -> bool {
        self.left >= LEAST_BYTES
    }

    /// Takes what a transaction needs that owes so many bytes; false where that is more than there is.
    pub(crate) fn take(&mut self, tx: &Transaction, owes: i64) -> bool {
        let owed = self.owed.saturating_add(owes);
        let most_owed = if self.is_scarce { i64::MIN } else { BLOB_DATA_BYTES as i64 };
        if owes > 0 && owed > most_owed {
            return false;
        }
        let Some(left) = self.left.checked_sub(transaction_bound(tx)) else { return false };
        (self.left, self.owed) = (left, owed);
        true
    }
}

impl Chain {
    /// The batch of blocks `first..=last` in blobs. `log_indices` are those of their deposits on L1.
    pub fn batch(&self, first: u64, last: u64, log_indices: Vec<u32>) -> Result<Vec<Box<Blob>>, ChainError> {
        let refuse = |reason: Reason, detail: &str| {
            let name = reason.name();
            ChainError::Batch(format!("blocks {first} to {last} make no batch: {name}: {reason}{detail}"))
        };
        let parent =
            first.checked_sub(1).filter(|_| first <= last).ok_or_else(|| refuse(Reason::NoData, ""))?;
        if last - parent > Limits::RULE.blocks as u64 {
            return Err(refuse(Reason::BlockCount, ""));
        }
        let header = self.raw_block(parent)?.header;
        let (mut last_slot, mut origin) =
            (slot(&header).unwrap_or_default(), self.block_origin(parent)?.number);
        let parent_output = output_root(&header, header.hash_slow());
        let mut batch = Batch { parent_output, blocks: Vec::new(), log_indices };
        let mut deposits = 0;
        for number in first..=last {
            let posted = self.posted(number, last_slot, origin)?;
            (last_slot, origin) = (last_slot + posted.block.slot_delta, origin + posted.block.origin_delta);
            batch.blocks.push(posted.block);
            deposits += posted.deposits;
        }
        if batch.log_indices.len() != deposits {
            let detail = format!(": {deposits} deposits, {} log indices", batch.log_indices.len());
            return Err(refuse(Reason::DepositCount, &detail));
        }
        if last < self.head().header.number {
            let next = self.posted(last + 1, last_slot, origin)?;
            if next.block.origin_delta == 0 && next.deposits > 0 {
                return Err(refuse(Reason::DepositsLeft, "")); // DRV-032
            }
        }
        let bytes = encode_batch_within(&batch, self.params().chain_id, &Limits::ANY_SIZE)
            .map_err(|reason| refuse(reason, ""))?;
        let most = Limits::RULE.bytes;
        if bytes.len() > most {
            return Err(refuse(Reason::TooManyBytes, &format!(": {} bytes, {most} at most", bytes.len())));
        }
        Ok(pack_blobs(&bytes))
    }

    /// A block as a batch has it, after one of this slot and origin.
    fn posted(&self, number: u64, last_slot: u64, origin: u64) -> Result<Posted, ChainError> {
        let RawBlock { header, transactions } = self.raw_block(number)?;
        let slot_delta = slot(&header)
            .and_then(|slot| slot.checked_sub(last_slot))
            .ok_or_else(|| ChainError::Block { number, reason: "names no slot after its parent's".into() })?;
        let is_deposit = |tx: &Bytes| tx.first() == Some(&DEPOSIT_TYPE);
        let (deposits, ordinary): (Vec<Bytes>, Vec<Bytes>) = transactions.into_iter().partition(is_deposit);
        let announced = deposits.first().and_then(announced);
        Ok(Posted {
            deposits: deposits.len() - usize::from(announced.is_some()),
            block: BatchBlock {
                slot_delta,
                origin_delta: announced.map_or(0, |number| number.saturating_sub(origin)),
                transactions: ordinary,
            },
        })
    }
}

/// A block as a batch has it.
struct Posted {
    block: BatchBlock,
    /// How many deposits of the queue it holds.
    deposits: usize,
}

/// Number of the origin that an L1 attributes deposit announces.
pub(crate) fn announced(encoded: &Bytes) -> Option<u64> {
    announced_origin(&Transaction::decode(encoded.clone()).ok()?).map(|origin| origin.number)
}
