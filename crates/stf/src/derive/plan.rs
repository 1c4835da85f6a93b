//! From a batch header to attributes and transactions of blocks. The acts: the queue's new deposits;
//! the batch, if it can be read; its rules; else the empty reading.

use alloc::{collections::BTreeMap, vec::Vec};
use core::fmt;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};

use super::{
    due::Due,
    inbox::{BatchHeader, Carrier, Deposit, Queue, accumulate},
    l1::{BlobSchedule, L1Header},
};
use crate::{
    attributes::{BlockAttributes, L1Origin},
    batch::{Batch, Reason, decode_batch, unpack_blobs},
    deposits::{ATTRIBUTES_GAS_LIMIT, stored_origin},
    evm::TX_GAS_LIMIT_CAP,
    header::{output_root, slot},
    params::NetworkParams,
    state::State,
};

/// Parameters of derivation, part of what a network is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivationParams {
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// Seconds that a block may lie after its origin (DRV-022).
    pub max_drift_s: u64,
    /// Seconds that the origin of a block with transactions may lie before its batch's last origin
    /// (DRV-023).
    pub sequencing_window_s: u64,
    /// L1's blob base fee update fractions.
    pub blob_schedule: BlobSchedule,
    /// Origin of genesis, whose state holds none yet.
    pub genesis_origin: L1Origin,
}

impl DerivationParams {
    /// Least gas limit: the L1 attributes deposit and the largest deposit fit one block (DRV-031).
    pub const MIN_GAS_LIMIT: u64 = ATTRIBUTES_GAS_LIMIT + TX_GAS_LIMIT_CAP;
}

/// The block that a batch is built on.
#[derive(Clone, Debug)]
pub struct Parent<'a> {
    /// Its header.
    pub header: &'a Header,
    /// Its hash.
    pub hash: B256,
    /// Its L1 origin.
    pub origin: L1Origin,
    /// The deposit queue exactly after that origin.
    pub queue: Queue,
}

impl<'a> Parent<'a> {
    /// The block with this header, whose origin is read from the state after it.
    pub fn new<S: State>(
        derivation: &DerivationParams,
        header: &'a Header,
        hash: B256,
        queue: Queue,
        state: &S,
    ) -> Result<Self, S::Error> {
        let stored = stored_origin(state)?;
        let origin = L1Origin {
            prev_randao: header.mix_hash,
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
            // Before the first L1 attributes deposit state holds none.
            ..if stored.hash.is_zero() { derivation.genesis_origin } else { stored }
        };
        Ok(Self { header, hash, origin, queue })
    }
}

/// Bytes behind hashes. Headers are checked here; that blobs are those of their versioned hashes is
/// for whoever brings them to check (KZG), natively before, in a proof by L1.
#[derive(Clone, Debug, Default)]
pub struct Preimages {
    l1_headers: BTreeMap<B256, L1Header>,
    /// Records of the deposit queue after the parent's, in order.
    pub deposits: Vec<Bytes>,
    /// Blobs by versioned hash.
    pub blobs: BTreeMap<B256, Bytes>,
}

impl Preimages {
    /// Preimages from RLP of L1 headers in any order, records of the queue, and blobs.
    pub fn new(l1_headers: &[Bytes], deposits: Vec<Bytes>, blobs: BTreeMap<B256, Bytes>) -> Self {
        let headers = l1_headers.iter().filter_map(|rlp| L1Header::decode(rlp));
        Self { l1_headers: headers.map(|header| (header.hash, header)).collect(), deposits, blobs }
    }
}

/// Why it cannot be told what a batch header means: a fault, never a property of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeriveError {
    /// The RLP of the L1 header with this hash is not there or not one.
    L1Header(B256),
    /// The bytes of the blob with this versioned hash are not there.
    Blob(B256),
    /// The records are not the ones between the parent's queue and the header's (DRV-002).
    Queue {
        /// The header's queue.
        expected: Queue,
        /// What the records lead to.
        actual: Queue,
    },
    /// A record of the queue is none, or not of an L1 block after the parent's origin up to the
    /// header's.
    Record {
        /// Its position in the queue.
        position: u64,
    },
    /// The header's origin is before the parent's, or another block of the same number.
    Origin {
        /// The parent's origin.
        parent: u64,
        /// The header's.
        number: u64,
    },
    /// The parent's `extraData` names no slot.
    ParentSlot,
    /// The gas limit is below [`DerivationParams::MIN_GAS_LIMIT`].
    GasLimit(u64),
}

impl fmt::Display for DeriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L1Header(hash) => write!(f, "L1 header {hash} is missing"),
            Self::Blob(hash) => write!(f, "blob {hash} is missing"),
            Self::Queue { expected, actual } => write!(
                f,
                "deposits lead to {} of accumulator {}, not to {} of {}",
                actual.count, actual.accumulator, expected.count, expected.accumulator
            ),
            Self::Record { position } => write!(f, "deposit {position} is malformed or of another L1 block"),
            Self::Origin { parent, number } => {
                write!(f, "L1 origin {number} does not follow the parent's {parent}")
            }
            Self::ParentSlot => f.write_str("the parent's extraData names no slot"),
            Self::GasLimit(limit) => {
                write!(f, "gas limit {limit} is below {}", DerivationParams::MIN_GAS_LIMIT)
            }
        }
    }
}

impl core::error::Error for DeriveError {}

/// How a batch header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By its batch.
    Batch,
    /// As empty, for this reason.
    Empty(Reason),
}

impl Outcome {
    /// 0 for a batch, else the reason's code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Batch => 0,
            Self::Empty(reason) => reason.code(),
        }
    }
}

/// A block to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBlock {
    /// Its attributes.
    pub attributes: BlockAttributes,
    /// EIP-2718 bytes of its ordinary transactions; what is invalid is left out by execution.
    pub transactions: Vec<Bytes>,
}

/// What a batch header means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it was read.
    pub outcome: Outcome,
    /// Its blocks, oldest first.
    pub blocks: Vec<PlannedBlock>,
}

/// Says what a batch header means on top of `parent`.
pub fn plan(
    params: &NetworkParams,
    derivation: &DerivationParams,
    parent: &Parent<'_>,
    header: &BatchHeader,
    preimages: &Preimages,
) -> Result<Plan, DeriveError> {
    let planner = Planner::new(params, derivation, parent, header, preimages)?;
    planner.plan(read(params, header, preimages)?)
}

/// [`plan`] where the header's batch was read before, by [`read_batch`]; the preimages' blobs are not looked at.
pub fn plan_read(
    params: &NetworkParams,
    derivation: &DerivationParams,
    parent: &Parent<'_>,
    header: &BatchHeader,
    preimages: &Preimages,
    batch: Result<Batch, Reason>,
) -> Result<Plan, DeriveError> {
    let batch = if header.carrier == Carrier::None { Err(Reason::NoData) } else { batch };
    Planner::new(params, derivation, parent, header, preimages)?.plan(batch)
}

/// The batch that a header's blobs bring, or why they bring none; rules about the chain come after it.
pub fn read_batch<T: AsRef<[u8]>>(chain_id: u64, blobs: &[T]) -> Result<Batch, Reason> {
    if blobs.is_empty() {
        return Err(Reason::NoData);
    }
    decode_batch(&unpack_blobs(blobs)?, chain_id)
}

/// The batch of a header, or why there is none (DRV-020).
fn read(
    params: &NetworkParams,
    header: &BatchHeader,
    preimages: &Preimages,
) -> Result<Result<Batch, Reason>, DeriveError> {
    if header.carrier == Carrier::None {
        return Ok(Err(Reason::NoData));
    }
    let find = |hash: &B256| preimages.blobs.get(hash).ok_or(DeriveError::Blob(*hash));
    let blobs = header.blobs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Ok(read_batch(params.chain_id, &blobs))
}

/// What the blocks are made with.
struct Planner<'a> {
    params: &'a NetworkParams,
    derivation: &'a DerivationParams,
    parent: &'a Parent<'a>,
    parent_slot: u64,
    header: &'a BatchHeader,
    preimages: &'a Preimages,
    deposits: Vec<Deposit>,
    /// L1 headers from the header's origin downwards, as far as they were asked for.
    walked: Vec<L1Header>,
}

impl<'a> Planner<'a> {
    fn new(
        params: &'a NetworkParams,
        derivation: &'a DerivationParams,
        parent: &'a Parent<'a>,
        header: &'a BatchHeader,
        preimages: &'a Preimages,
    ) -> Result<Self, DeriveError> {
        if derivation.gas_limit < DerivationParams::MIN_GAS_LIMIT {
            return Err(DeriveError::GasLimit(derivation.gas_limit));
        }
        let (from, to) = (&parent.origin, header);
        if to.origin_number < from.number || (to.origin_number == from.number && to.origin_hash != from.hash)
        {
            return Err(DeriveError::Origin { parent: from.number, number: to.origin_number });
        }
        Ok(Self {
            params,
            derivation,
            parent,
            parent_slot: slot(parent.header).ok_or(DeriveError::ParentSlot)?,
            header,
            preimages,
            deposits: deposits(parent, header, preimages)?,
            walked: Vec::new(),
        })
    }

    /// What the header means, whose batch is this one.
    fn plan(mut self, batch: Result<Batch, Reason>) -> Result<Plan, DeriveError> {
        let batch = match batch {
            Ok(batch) => self.batch(&batch)?.map(|blocks| (blocks, batch)),
            Err(reason) => Err(reason),
        };
        match batch {
            Ok((attributes, batch)) => {
                let planned = attributes.into_iter().zip(batch.blocks);
                let blocks = planned
                    .map(|(attributes, block)| PlannedBlock { attributes, transactions: block.transactions });
                Ok(Plan { outcome: Outcome::Batch, blocks: blocks.collect() })
            }
            Err(reason) => Ok(Plan { outcome: Outcome::Empty(reason), blocks: self.empty()? }),
        }
    }

    /// The L1 header of that number, by parent hashes from the header's origin (DRV-010).
    fn l1_header(&mut self, number: u64) -> Result<L1Header, DeriveError> {
        let back = self.header.origin_number.saturating_sub(number) as usize;
        while self.walked.len() <= back {
            let (expected, hash) = match self.walked.last() {
                None => (self.header.origin_number, self.header.origin_hash),
                Some(above) => (above.number.wrapping_sub(1), above.parent_hash),
            };
            let header = self.preimages.l1_headers.get(&hash).filter(|header| header.number == expected);
            self.walked.push(*header.ok_or(DeriveError::L1Header(hash))?);
        }
        Ok(self.walked[back])
    }

    /// The origin of that number, not before the parent's.
    fn origin(&mut self, number: u64) -> Result<L1Origin, DeriveError> {
        if number == self.parent.origin.number {
            return Ok(self.parent.origin);
        }
        let schedule = &self.derivation.blob_schedule;
        Ok(self.l1_header(number)?.origin(schedule))
    }

    /// The deposits, with these log indices (DRV-003).
    fn due(&mut self, log_indices: &[u32]) -> Result<Due, DeriveError> {
        let deposits = core::mem::take(&mut self.deposits);
        let mut due = Due::default();
        for (deposit, log_index) in deposits.iter().zip(log_indices) {
            let l1_hash = self.l1_header(deposit.l1_number)?.hash;
            due.push(deposit, l1_hash, u64::from(*log_index));
        }
        self.deposits = deposits;
        Ok(due)
    }

    /// Attributes of a batch's blocks, or the rule that it breaks.
    fn batch(&mut self, batch: &Batch) -> Result<Result<Vec<BlockAttributes>, Reason>, DeriveError> {
        if batch.parent_output != output_root(self.parent.header, self.parent.hash) {
            return Ok(Err(Reason::Parent)); // DRV-021
        }
        if let Err(reason) = self.log_indices(&batch.log_indices) {
            return Ok(Err(reason));
        }
        // Origins first: what follows walks only to headers that the batch may name.
        let total = batch.blocks.iter().try_fold(0u64, |sum, block| sum.checked_add(block.origin_delta));
        let last = total.and_then(|total| self.parent.origin.number.checked_add(total));
        if last != Some(self.header.origin_number) {
            return Ok(Err(Reason::Origin)); // DRV-024
        }
        let header_time = self.origin(self.header.origin_number)?.timestamp;
        let mut due = self.due(&batch.log_indices)?;
        let (mut slot, mut origin) = (self.parent_slot, self.parent.origin);
        let mut out = Vec::with_capacity(batch.blocks.len());
        for block in &batch.blocks {
            let is_first = block.origin_delta > 0;
            if is_first {
                origin = self.origin(origin.number + block.origin_delta)?;
            }
            slot = slot.saturating_add(block.slot_delta);
            if let Err(reason) = self.derivation.check_time(self.params, slot, &origin) {
                return Ok(Err(reason)); // DRV-022
            }
            let age = header_time.saturating_sub(origin.timestamp);
            if !block.transactions.is_empty() && age > self.derivation.sequencing_window_s {
                return Ok(Err(Reason::Window)); // DRV-023
            }
            out.push(self.attributes(slot, origin, is_first, &mut due));
        }
        Ok(if due.is_empty() { Ok(out) } else { Err(Reason::DepositsLeft) }) // DRV-032
    }

    /// Log indices: one for each deposit, rising within an L1 block (DRV-030).
    fn log_indices(&self, indices: &[u32]) -> Result<(), Reason> {
        if indices.len() != self.deposits.len() {
            return Err(Reason::DepositCount);
        }
        let pairs = self.deposits.iter().zip(indices);
        let next = pairs.clone().skip(1);
        let falls = pairs
            .zip(next)
            .any(|((deposit, index), (later, after))| deposit.l1_number == later.l1_number && after <= index);
        if falls { Err(Reason::LogIndex) } else { Ok(()) }
    }

    /// Attributes of a block, with its deposits.
    fn attributes(
        &self,
        slot: u64,
        origin: L1Origin,
        announces_origin: bool,
        due: &mut Due,
    ) -> BlockAttributes {
        let gas_limit = self.derivation.gas_limit;
        let deposits = due.take(origin.number, announces_origin, gas_limit);
        BlockAttributes { slot, origin, gas_limit, deposits }
    }

    /// The blocks that the header's origin and deposits call for (DRV-040): all of the last origin, in
    /// the first slots that are free and not before it; log indices count from 0 in each L1 block.
    fn empty(&mut self) -> Result<Vec<PlannedBlock>, DeriveError> {
        if self.header.origin_number == self.parent.origin.number {
            return Ok(Vec::new());
        }
        let origin = self.origin(self.header.origin_number)?;
        let mut log_indices = Vec::with_capacity(self.deposits.len());
        for (index, deposit) in self.deposits.iter().enumerate() {
            let follows = index > 0 && self.deposits[index - 1].l1_number == deposit.l1_number;
            log_indices.push(if follows { log_indices[index - 1] + 1 } else { 0 });
        }
        let mut due = self.due(&log_indices)?;
        let mut slot = self.first_slot(origin.timestamp).max(self.parent_slot.saturating_add(1));
        let mut out = Vec::new();
        while out.is_empty() || !due.is_empty() {
            let attributes = self.attributes(slot, origin, out.is_empty(), &mut due);
            out.push(PlannedBlock { attributes, transactions: Vec::new() });
            slot = slot.saturating_add(1);
        }
        Ok(out)
    }

    /// The first slot whose timestamp is at least this.
    fn first_slot(&self, time: u64) -> u64 {
        let elapsed_ms = u128::from(time.saturating_sub(self.params.genesis_timestamp)) * 1000;
        u64::try_from(elapsed_ms.div_ceil(u128::from(self.params.block_time_ms))).unwrap_or(u64::MAX)
    }
}

/// The deposits between the parent's queue and the header's (DRV-002).
fn deposits(
    parent: &Parent<'_>,
    header: &BatchHeader,
    preimages: &Preimages,
) -> Result<Vec<Deposit>, DeriveError> {
    let mut queue = parent.queue;
    let mut last = parent.origin.number.saturating_add(1);
    let mut out = Vec::with_capacity(preimages.deposits.len());
    for record in &preimages.deposits {
        let malformed = DeriveError::Record { position: queue.count };
        let deposit = Deposit::decode(record).ok_or(malformed)?;
        if !(last..=header.origin_number).contains(&deposit.l1_number) {
            return Err(malformed);
        }
        last = deposit.l1_number;
        queue = Queue { count: queue.count + 1, accumulator: accumulate(queue.accumulator, record) };
        out.push(deposit);
    }
    if queue == header.queue {
        Ok(out)
    } else {
        Err(DeriveError::Queue { expected: header.queue, actual: queue })
    }
}
