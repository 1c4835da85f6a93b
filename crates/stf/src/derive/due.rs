//! What L1 wants of a block, asked alike by who derives it and by who builds it: which deposits it
//! takes, and when it may be.

use alloc::{collections::VecDeque, vec::Vec};

use alloy_primitives::{B256, Bytes};

use super::{inbox::Deposit, plan::DerivationParams};
use crate::{
    attributes::L1Origin, batch::Reason, deposits::ATTRIBUTES_GAS_LIMIT, header::timestamp,
    params::NetworkParams,
};

/// Last slot there can be: far beyond any time, and what follows it still has a number (DRV-022).
pub const MAX_SLOT: u64 = 1 << 62;

/// Deposits that wait for their block, in the queue's order.
#[derive(Clone, Debug, Default)]
pub struct Due(VecDeque<Waiting>);

/// A deposit that waits for its block.
#[derive(Clone, Debug)]
struct Waiting {
    l1_number: u64,
    gas_limit: u64,
    encoded: Bytes,
}

impl Due {
    /// Adds the queue's next deposit, made in the L1 block of this hash with this log index (DRV-003).
    pub fn push(&mut self, deposit: &Deposit, l1_hash: B256, log_index: u64) {
        self.0.push_back(Waiting {
            l1_number: deposit.l1_number,
            gas_limit: deposit.capped_gas_limit(),
            encoded: deposit.transaction(l1_hash, log_index),
        });
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a block of this origin takes, as EIP-2718 transactions: the deposits of L1 blocks up to it,
    /// in order, as many as fit the gas limit (DRV-031).
    pub fn take(&mut self, origin_number: u64, announces_origin: bool, gas_limit: u64) -> Vec<Bytes> {
        let announcement = if announces_origin { ATTRIBUTES_GAS_LIMIT } else { 0 };
        let mut gas_left = gas_limit.saturating_sub(announcement);
        let mut out = Vec::new();
        while let Some(deposit) =
            self.0.pop_front_if(|deposit| deposit.l1_number <= origin_number && deposit.gas_limit <= gas_left)
        {
            gas_left -= deposit.gas_limit;
            out.push(deposit.encoded);
        }
        out
    }
}

impl DerivationParams {
    /// Whether a block may be in a slot with an origin (DRV-022).
    pub fn check_time(&self, params: &NetworkParams, slot: u64, origin: &L1Origin) -> Result<(), Reason> {
        if slot > MAX_SLOT {
            return Err(Reason::Slot);
        }
        match timestamp(params, slot).checked_sub(origin.timestamp) {
            None => Err(Reason::BeforeOrigin),
            Some(age) if age > self.max_drift_s => Err(Reason::Drift),
            Some(_) => Ok(()),
        }
    }
}
