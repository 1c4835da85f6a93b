//! Blocks from L1's inbox, and batches of blocks for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError, atomic::Ordering, mpsc::SyncSender},
};

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use rayon::prelude::*;
use serde::Serialize;
use trex_stf::{
    attributes::L1Origin,
    batch::{Batch, BatchBlock, Reason, unpack_blobs},
    block::Block,
    deposits::{attributes_deposit, stored_origin},
    derive::{
        BatchHeader, BlobSchedule, DerivationParams, Outcome, Parent, Plan, PlannedBlock, Preimages, Queue,
        plan, plan_read, read_batch,
    },
    header::{output_root, slot},
    program::{decode_reason, exclusion_reason},
    state::State,
    state_trie::StateTrie,
    transaction::{DecodeError, Transaction},
};

use crate::{
    block_rlp::RawBlock,
    chain::{Chain, ChainError, MAX_TRIE_NODES, fault},
    import::{Line, Pace, WINDOW_BYTES, decode_all},
    network::Network,
    settle::origin_of,
};

/// Seconds that a block may lie after its origin, where the network file does not say.
const MAX_DRIFT_S: u64 = 1800;
/// The sequencing window, seconds, where the network file does not say.
const SEQUENCING_WINDOW_S: u64 = 43_200;

/// What a batch header is derived from, besides the chain.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The header, packed.
    pub header: Bytes,
    /// The deposit queue exactly after the parent's origin.
    pub queue: Queue,
    /// The header's blobs, in its order; whoever brings them has checked them against their hashes.
    pub blobs: Vec<Bytes>,
    /// RLP of L1 headers from the header's origin downwards, in any order.
    pub l1_headers: Vec<Bytes>,
    /// Records of the deposit queue after the parent's.
    pub deposits: Vec<Bytes>,
}

/// What became of a batch header.
#[derive(Clone, Debug, Serialize)]
pub struct Derivation {
    /// Whether it was read by its batch; else why not.
    pub outcome: OutcomeShape,
    /// Block that the chain went back to, because its own next one was another.
    pub unwound_to: Option<u64>,
    /// The header's blocks.
    pub blocks: Vec<DerivedBlock>,
}

/// An outcome by its stable code and name (BAT-050).
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeShape {
    /// 0 for a batch.
    pub code: u8,
    /// `batch`, or the reason's name.
    pub name: &'static str,
    /// For people.
    pub text: String,
}

impl From<Outcome> for OutcomeShape {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Batch => Self { code: 0, name: "batch", text: "read by its batch".into() },
            Outcome::Empty(reason) => reason.into(),
        }
    }
}

impl From<Reason> for OutcomeShape {
    fn from(reason: Reason) -> Self {
        Self { code: reason.code(), name: reason.name(), text: reason.to_string() }
    }
}

/// A block that follows from L1.
#[derive(Clone, Debug, Serialize)]
pub struct DerivedBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its output root.
    pub output_root: B256,
    /// Whether the chain had it already.
    pub kept: bool,
    /// Transactions of the batch that were left out: position and reason (PRG-002).
    pub excluded: Vec<(usize, u8)>,
}

/// Parameters of derivation that a network file gives: `maxDriftS`, `sequencingWindowS` and, on an L1
/// whose forks are not known here, `blobUpdateFraction`.
pub fn derivation_params(network: &Network) -> DerivationParams {
    let l1 = network.l1.as_ref();
    let named = |name: &str| l1.and_then(|l1| l1.parameters.get(name).copied());
    DerivationParams {
        gas_limit: network.gas_limit,
        max_drift_s: named("maxDriftS").unwrap_or(MAX_DRIFT_S),
        sequencing_window_s: named("sequencingWindowS").unwrap_or(SEQUENCING_WINDOW_S),
        blob_schedule: match named("blobUpdateFraction") {
            Some(fraction) => BlobSchedule(vec![(0, fraction)]),
            None => BlobSchedule::of_l1(l1.map_or(0, |l1| l1.chain_id)),
        },
        genesis_origin: network.origin,
    }
}

impl Chain {
    /// Derives the blocks of a batch header on top of block `parent`. Blocks that the chain has
    /// already stay; at the first that differs it goes back and makes what L1 says, and what was ordered
    /// otherwise waits in the mempool. Nobody else builds meanwhile; while the batch is read, others do.
    pub fn derive(&self, parent: u64, sources: &Sources) -> Result<Derivation, ChainError> {
        let (on, mut plan, mut decoded) = self.plan(parent, sources)?;
        let mut trie = self.write();
        if self.store().hash_by_number(parent)? != Some(on) {
            // Another block took the parent's place meanwhile.
            (_, plan, decoded) = self.plan(parent, sources)?;
        }
        let mut out = Derivation { outcome: plan.outcome.into(), unwound_to: None, blocks: Vec::new() };
        let mut orphaned = Vec::new();
        let followed = self.follow(parent, &plan.blocks, decoded, &mut trie, &mut out, &mut orphaned);
        if out.unwound_to.is_some() {
            // After the blocks that L1 says: what pays for a transaction may be in one of them again.
            let _dev = self.dev();
            self.reread_pool(orphaned)?;
        }
        followed.map(|()| out)
    }

    /// Reads the batch of a header whose turn has not come and recovers its senders, so that [`Chain::derive`]
    /// finds it read: on this thread alone, as others are executing. As there, the blobs are the header's,
    /// checked against their versioned hashes.
    ///
    /// Where blocks were built, or came, before L1 had them, senders are left: as a rule they are the batch's
    /// own, and a batch of others may be garbage, which is not worth the recovery (DRV-041). Answers with the
    /// number of transactions that were decoded.
    pub fn read_ahead(&self, header: &[u8], blobs: &[Bytes]) -> usize {
        if blobs.is_empty() {
            return 0;
        }
        let derived = self.heads().safe.max(self.derived.load(Ordering::Relaxed));
        let is_behind = self.head().header.number <= derived;
        let read = read_batch(self.params().chain_id, blobs).map(|batch| {
            let some = |some: &[Bytes]| Transaction::decode_many(some);
            let all = |block: &BatchBlock| {
                block.transactions.chunks(Transaction::TOGETHER).flat_map(some).collect()
            };
            let decoded: Option<Window> = is_behind.then(|| batch.blocks.iter().map(all).collect());
            (batch, decoded)
        });
        let decoded = read.as_ref().ok().and_then(|(_, decoded)| decoded.as_ref());
        let count = decoded.into_iter().flatten().map(Vec::len).sum();
        self.ahead_batches.keep(keccak256(header), blobs.len(), read);
        count
    }

    /// Keeps or makes planned blocks, for who holds the writer's lock; `orphaned` gets the ordinary
    /// transactions of blocks that were in their place.
    fn follow(
        &self,
        parent: u64,
        blocks: &[PlannedBlock],
        decoded: Option<Window>,
        trie: &mut StateTrie,
        out: &mut Derivation,
        orphaned: &mut Vec<Transaction>,
    ) -> Result<(), ChainError> {
        let mut announced = stored_origin(&self.store().state_at(parent)?)?.hash;
        for (planned, number) in blocks.iter().zip(parent + 1..) {
            let announces = planned.attributes.origin.hash != announced;
            announced = planned.attributes.origin.hash;
            if number <= self.head().header.number {
                let own = self.raw_block(number)?;
                if let Some(excluded) = self.is_planned(&own, planned, announces)? {
                    let hash = own.header.hash_slow();
                    let output_root = output_root(&own.header, hash);
                    out.blocks.push(DerivedBlock { number, hash, output_root, kept: true, excluded });
                    continue;
                }
                *orphaned = self.unwind_held(trie, number - 1)?.1;
                out.unwound_to = Some(number - 1);
            }
            let kept = (number - parent) as usize - 1;
            let decoded = decoded.map(|mut decoded| decoded.split_off(kept));
            return self.make(&blocks[kept..], decoded, trie, &mut out.blocks);
        }
        Ok(())
    }

    /// Hash of block `parent`, what a batch header means on top of it, and its blocks' transactions where they
    /// were decoded ahead.
    fn plan(&self, parent: u64, sources: &Sources) -> Result<(B256, Plan, Option<Window>), ChainError> {
        let malformed = ChainError::Derivation;
        let header =
            BatchHeader::decode(&sources.header).ok_or_else(|| malformed("not a batch header".into()))?;
        if header.blobs.len() != sources.blobs.len() {
            let (named, given) = (header.blobs.len(), sources.blobs.len());
            return Err(malformed(format!("the batch header names {named} blobs, there are {given}")));
        }
        let blobs: BTreeMap<B256, Bytes> =
            header.blobs.iter().copied().zip(sources.blobs.iter().cloned()).collect();
        let preimages = Preimages::new(&sources.l1_headers, sources.deposits.clone(), blobs);
        let block = self.raw_block(parent)?;
        let parent = Parent {
            hash: block.header.hash_slow(),
            origin: self.block_origin(parent)?,
            queue: sources.queue,
            header: &block.header,
        };
        let (params, derivation) = (self.params(), derivation_params(self.network()));
        let (planned, decoded) = match self.ahead_batches.take(&keccak256(&sources.header)) {
            Some(read) => {
                let (batch, decoded) = read.map_or_else(|reason| (Err(reason), None), |(b, d)| (Ok(b), d));
                (plan_read(params, &derivation, &parent, &header, &preimages, batch), decoded)
            }
            None => (plan(params, &derivation, &parent, &header, &preimages), None),
        };
        let planned = planned.map_err(|error| malformed(error.to_string()))?;
        // The empty reading has other blocks than the batch.
        let decoded = decoded.filter(|_| planned.outcome == Outcome::Batch);
        Ok((parent.hash, planned, decoded))
    }

    /// The L1 origin of a block.
    pub fn block_origin(&self, number: u64) -> Result<L1Origin, ChainError> {
        let header = self.raw_block(number)?.header;
        Ok(origin_of(self.network(), &header, &self.store().state_at(number)?)?)
    }

    /// Whether a block of ours is the one planned, as then nothing else about it can differ: what of the
    /// plan it leaves out. Where it lacks transactions, executing all of them tells whether it had to.
    fn is_planned(
        &self,
        own: &RawBlock,
        planned: &PlannedBlock,
        announces_origin: bool,
    ) -> Result<Option<Excluded>, ChainError> {
        let PlannedBlock { attributes, transactions } = planned;
        let announcement =
            announces_origin.then(|| attributes_deposit(self.params(), &attributes.origin).encoded().clone());
        let mut expected = announcement.iter().chain(&attributes.deposits).chain(transactions);
        let count = usize::from(announces_origin) + attributes.deposits.len() + transactions.len();
        let may_be = slot(&own.header) == Some(attributes.slot)
            && own.header.gas_limit == attributes.gas_limit
            && own.header.mix_hash == attributes.origin.prev_randao
            && own.header.parent_beacon_block_root == Some(attributes.origin.parent_beacon_block_root)
            && own.transactions.iter().all(|tx| expected.any(|planned| planned == tx));
        if !may_be || own.transactions.len() == count {
            return Ok(may_be.then(Vec::new));
        }
        let number = own.header.number - 1;
        let parent = self.raw_block(number)?.header;
        let state = self.store().state_at(number)?;
        let decoded = decode_all(transactions);
        let mut trie = StateTrie::new(parent.state_root);
        let on = (&parent, own.header.parent_hash);
        let (made, excluded) = self.execute_planned(on, planned, decoded, &state, &mut trie)?;
        Ok((made.header == own.header).then_some(excluded))
    }

    /// Makes blocks as planned on the head, durable when this returns. Senders are recovered ahead of
    /// execution, where they are not `decoded` yet, and blocks stored behind it.
    fn make(
        &self,
        blocks: &[PlannedBlock],
        decoded: Option<Window>,
        trie: &mut StateTrie,
        out: &mut Vec<DerivedBlock>,
    ) -> Result<(), ChainError> {
        let recover = |recovery: &rayon::ThreadPool, send: &SyncSender<Window>| {
            if let Some(decoded) = decoded {
                // Where nobody listens any more, making blocks says why.
                return drop(send.send(decoded));
            }
            for window in windows(blocks) {
                let decoded = |block: &PlannedBlock| decode_all(&block.transactions);
                if send.send(recovery.install(|| window.par_iter().map(decoded).collect())).is_err() {
                    return;
                }
            }
        };
        self.in_line(Pace::default(), trie, recover, |line, windows, trie| {
            let decoded = windows.into_iter().flatten();
            let made = blocks
                .iter()
                .zip(decoded)
                .try_for_each(|(planned, decoded)| self.make_one(planned, decoded, line, trie, out));
            line.drain()?;
            made
        })
    }

    fn make_one(
        &self,
        planned: &PlannedBlock,
        transactions: Vec<Result<Transaction, DecodeError>>,
        line: &mut Line<'_>,
        trie: &mut StateTrie,
        out: &mut Vec<DerivedBlock>,
    ) -> Result<(), ChainError> {
        let on = (&*line.tip.header, line.tip.hash);
        let (block, excluded) = self.execute_planned(on, planned, transactions, &line.ahead, trie)?;
        trie.prune(MAX_TRIE_NODES);
        let (number, hash, output_root) = (block.header.number, block.hash, block.output_root);
        self.derived.store(number, Ordering::Relaxed);
        line.push(block)?;
        out.push(DerivedBlock { number, hash, output_root, kept: false, excluded });
        Ok(())
    }

    /// Executes a planned block on `parent`; what breaks a rule is left out.
    fn execute_planned<S: State>(
        &self,
        (parent, parent_hash): (&Header, B256),
        planned: &PlannedBlock,
        transactions: Vec<Result<Transaction, DecodeError>>,
        state: &S,
        trie: &mut StateTrie,
    ) -> Result<(Block, Excluded), ChainError> {
        let number = parent.number + 1;
        let mut executor = self.open_block((parent, parent_hash), &planned.attributes, &[], state)?;
        executor.reserve(transactions.len());
        let mut excluded = Vec::new();
        for (index, tx) in transactions.into_iter().enumerate() {
            let reason = match tx {
                Ok(tx) => {
                    let exclusion = executor.transact(tx).map_err(|error| fault(number, error))?;
                    exclusion.map(|exclusion| exclusion_reason(&exclusion))
                }
                Err(error) => Some(decode_reason(&error)),
            };
            excluded.extend(reason.map(|reason| (index, reason)));
        }
        Ok((self.finish(executor, trie, parent.state_root)?, excluded))
    }
}

/// Batches that were read before their headers' turn, each once; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct AheadBatches(Mutex<VecDeque<AheadBatch>>);

#[derive(Debug)]
struct AheadBatch {
    /// Hash of its header.
    header: B256,
    blobs: usize,
    read: ReadAhead,
}

/// A batch with its blocks' transactions, where they were decoded, or why there is none.
type ReadAhead = Result<(Batch, Option<Window>), Reason>;

impl AheadBatches {
    /// Blobs of those that are kept: as many as a driver reads ahead.
    const MOST_BLOBS: usize = 36;

    fn keep(&self, header: B256, blobs: usize, read: ReadAhead) {
        let mut batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        batches.retain(|batch| batch.header != header);
        let mut kept: usize = blobs + batches.iter().map(|batch| batch.blobs).sum::<usize>();
        while kept > Self::MOST_BLOBS
            && let Some(oldest) = batches.pop_front()
        {
            kept -= oldest.blobs;
        }
        batches.push_back(AheadBatch { header, blobs, read });
    }

    fn take(&self, header: &B256) -> Option<ReadAhead> {
        let mut batches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = batches.iter().position(|batch| batch.header == *header)?;
        batches.remove(at).map(|batch| batch.read)
    }
}

/// Transactions that were left out: position and reason (PRG-002).
type Excluded = Vec<(usize, u8)>;

/// The transactions of some blocks, decoded and their senders recovered.
type Window = Vec<Vec<Result<Transaction, DecodeError>>>;

/// Blocks whose transactions are decoded together.
fn windows(blocks: &[PlannedBlock]) -> impl Iterator<Item = &[PlannedBlock]> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let is_below = |block: &&PlannedBlock| {
            let goes_on = bytes < WINDOW_BYTES;
            bytes += block.transactions.iter().map(|tx| tx.len()).sum::<usize>() + 600;
            goes_on
        };
        let count = rest.iter().take_while(is_below).count();
        let (window, others) = rest.split_at(count);
        rest = others;
        (!window.is_empty()).then_some(window)
    })
}

/// What blobs hold, for people and programs; `Err` is why they read as empty.
pub fn explain(blobs: &[Bytes], chain_id: u64) -> Result<Explained, OutcomeShape> {
    let batch = read_batch(chain_id, blobs)?;
    let count: usize = batch.blocks.iter().map(|block| block.transactions.len()).sum();
    let plain: usize = batch.blocks.iter().flat_map(|block| &block.transactions).map(|tx| tx.len()).sum();
    Ok(Explained {
        bytes: unpack_blobs(blobs)?.len(),
        transactions: count,
        transaction_bytes: plain,
        parent_output: batch.parent_output,
        log_indices: batch.log_indices,
        blocks: batch
            .blocks
            .into_iter()
            .map(|block| ExplainedBlock {
                slot_delta: block.slot_delta,
                origin_delta: block.origin_delta,
                transactions: block.transactions,
            })
            .collect(),
    })
}

/// The content of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Bytes of the batch.
    pub bytes: usize,
    /// How many transactions.
    pub transactions: usize,
    /// Bytes that they have in EIP-2718 form.
    pub transaction_bytes: usize,
    /// Output root that it builds on.
    pub parent_output: B256,
    /// L1 log index of each deposit.
    pub log_indices: Vec<u32>,
    /// Its blocks.
    pub blocks: Vec<ExplainedBlock>,
}

/// A block of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedBlock {
    /// Slots after the block before it.
    pub slot_delta: u64,
    /// L1 blocks that its origin is after the one before.
    pub origin_delta: u64,
    /// EIP-2718 bytes.
    pub transactions: Vec<Bytes>,
}
