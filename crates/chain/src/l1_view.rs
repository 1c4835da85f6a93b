//! What the next block takes from L1: its origin, and the deposits due.
//!
//! The rules are derivation's own ([`Due`], [`DerivationParams::check_time`]), so a block built here is
//! one that its batch makes again.
//!
//! [`DerivationParams::check_time`]: trex_stf::derive::DerivationParams::check_time

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, keccak256};
use trex_stf::{
    attributes::L1Origin,
    derive::{Deposit, Due, L1Header},
    header::timestamp,
};

use crate::{
    chain::{BuildOrder, Chain, ChainError, Head},
    derive::derivation_params,
};

/// What a builder knows of L1.
#[derive(Clone, Debug, Default)]
pub struct L1View {
    /// RLP of L1 headers, each the parent of the next. They begin at or before the L1 block after the
    /// head's origin; without any the origin stays.
    pub headers: Vec<Bytes>,
    /// Deposits in the queue's order. They begin at or before the first that the chain has not.
    pub deposits: Vec<L1Deposit>,
}

/// A deposit as L1 has it.
#[derive(Clone, Debug, Default)]
pub struct L1Deposit {
    /// Record of the deposit queue.
    pub record: Bytes,
    /// Index of its log in its L1 block.
    pub log_index: u32,
    /// Hash of its L1 block.
    pub l1_hash: B256,
}

/// What a block takes from L1.
#[derive(Clone, Debug)]
pub(crate) struct FromL1 {
    pub(crate) origin: L1Origin,
    /// EIP-2718 encoded.
    pub(crate) deposits: Vec<Bytes>,
}

impl Chain {
    /// Origin and deposits of a block on `head` in `slot` (DRV-050 to DRV-054).
    pub(crate) fn l1_part(&self, head: &Head, order: &BuildOrder) -> Result<FromL1, ChainError> {
        let &BuildOrder { slot, gas_limit, ref l1, .. } = order;
        if self.network().l1.is_none() {
            return if l1.headers.is_empty() && l1.deposits.is_empty() {
                Ok(FromL1 { origin: head.origin, deposits: Vec::new() })
            } else {
                Err(ChainError::Derivation("this network has no L1".into()))
            };
        }
        let params = derivation_params(self.network());
        if gas_limit.is_some_and(|limit| limit != params.gas_limit) {
            let only = params.gas_limit;
            // DRV-054
            return Err(ChainError::Derivation(format!("above an L1 every block has gas limit {only}")));
        }
        let headers = linked(&l1.headers, &head.origin)?;
        let time = timestamp(self.params(), slot);
        let origin = headers
            .iter()
            .rev()
            .find(|header| header.number > head.origin.number && header.timestamp <= time)
            .map_or(head.origin, |header| header.origin(&params.blob_schedule)); // DRV-051
        params.check_time(self.params(), slot, &origin).map_err(|reason| {
            let (number, at) = (origin.number, origin.timestamp);
            ChainError::OriginTime(format!(
                "slot {slot} (time {time}), L1 block {number} (time {at}): {reason}"
            ))
        })?;
        let hashes: BTreeMap<u64, B256> = headers
            .iter()
            .map(|header| (header.number, header.hash))
            .chain([(head.origin.number, head.origin.hash)])
            .collect();
        let mut due = self.due(&origin, &hashes, &l1.deposits)?;
        let deposits = due.take(origin.number, origin.hash != head.origin.hash, params.gas_limit);
        Ok(FromL1 { origin, deposits })
    }

    /// The deposits up to an origin that the chain has not yet (DRV-053).
    fn due(
        &self,
        origin: &L1Origin,
        hashes: &BTreeMap<u64, B256>,
        deposits: &[L1Deposit],
    ) -> Result<Due, ChainError> {
        let mut last = 0;
        let mut waiting = Vec::new();
        for (position, deposit) in deposits.iter().enumerate() {
            let L1Deposit { record, log_index, l1_hash } = deposit;
            let deposit =
                Deposit::decode(record).filter(|deposit| deposit.l1_number >= last).ok_or_else(|| {
                    ChainError::Derivation(format!("deposit {position} is malformed or out of order"))
                })?;
            last = deposit.l1_number;
            if last > origin.number {
                break;
            }
            if let Some(known) = hashes.get(&last)
                && known != l1_hash
            {
                return Err(ChainError::L1Reorg(format!(
                    "deposit {position} is of L1 block {l1_hash}, block {last} is {known}"
                )));
            }
            waiting.push((deposit, *l1_hash, u64::from(*log_index)));
        }
        // They go into blocks in order, so the chain has a first part of them.
        let (mut known, mut end) = (0, waiting.len());
        while known < end {
            let middle = known + (end - known) / 2;
            let (deposit, l1_hash, log_index) = &waiting[middle];
            let encoded = deposit.transaction(*l1_hash, *log_index);
            match self.store().find_transaction(&keccak256(&encoded))? {
                Some(_) => known = middle + 1,
                None => end = middle,
            }
        }
        let mut due = Due::default();
        for (deposit, l1_hash, log_index) in &waiting[known..] {
            due.push(deposit, *l1_hash, *log_index);
        }
        Ok(due)
    }
}

/// L1 headers, checked to follow one another and the head's origin (DRV-050).
fn linked(headers: &[Bytes], origin: &L1Origin) -> Result<Vec<L1Header>, ChainError> {
    let mut out: Vec<L1Header> = Vec::with_capacity(headers.len());
    for (position, rlp) in headers.iter().enumerate() {
        let header = L1Header::decode(rlp)
            .ok_or_else(|| ChainError::Derivation(format!("L1 header {position} is not one")))?;
        if out.last().is_some_and(|last| last.number + 1 != header.number || last.hash != header.parent_hash)
        {
            return Err(ChainError::Derivation(format!(
                "L1 header {} does not follow the one before it",
                header.number
            )));
        }
        out.push(header);
    }
    let Some(first) = out.first() else { return Ok(out) };
    if first.number > origin.number + 1 {
        let (next, first) = (origin.number + 1, first.number);
        return Err(ChainError::Derivation(format!("L1 headers begin at {first}, {next} is missing")));
    }
    let known = if first.number == origin.number + 1 {
        Some(first.parent_hash)
    } else {
        out.iter().find(|header| header.number == origin.number).map(|header| header.hash)
    };
    match known {
        Some(hash) if hash != origin.hash => Err(ChainError::L1Reorg(format!(
            "L1 block {} is {hash}, the head's origin is {}",
            origin.number, origin.hash
        ))),
        _ => Ok(out),
    }
}
