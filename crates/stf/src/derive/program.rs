//! The provable program over batches: from one document with a batch header and all its preimages to the
//! output that follows (PRG-010 to PRG-013).
//!
//! The document is RLP: `[version, params, derivation params, parent header, queue, batch header,
//! L1 headers, deposit records, blobs, witness]`.

use alloc::{collections::BTreeMap, string::ToString, vec::Vec};
use core::fmt;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader, RlpDecodable, RlpEncodable};

use super::{
    BatchHeader, BlobSchedule, DerivationParams, Derived, Outcome, Parent, Preimages, ProvenBlob, Queue,
    execute, plan,
};
use crate::{
    attributes::L1Origin,
    block::BlockError,
    header::output_root,
    params::NetworkParams,
    program::{ProgramError, check, opened, strings},
    state::State,
    state_trie::StateTrie,
    witness::{Witness, WitnessError, WitnessState},
};

/// Version of the documents.
pub const VERSION: u8 = 1;
/// Parents are below this: what follows them still has a number (PRG-013).
const MAX_PARENT_NUMBER: u64 = 1 << 62;

/// All that the blocks of one batch header are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Parameters of the network.
    pub params: NetworkParams,
    /// Parameters of its derivation.
    pub derivation: DerivationParams,
    /// Header of the block that the batch header before this one ended with.
    pub parent: Header,
    /// The deposit queue as the batch header before this one names it.
    pub queue: Queue,
    /// The batch header, as the inbox hashes it.
    pub header: Bytes,
    /// RLP of L1 headers from the header's origin downwards.
    pub l1_headers: Vec<Bytes>,
    /// Records of the deposit queue after `queue`.
    pub deposits: Vec<Bytes>,
    /// The header's blobs, each proved to be the one that its versioned hash names.
    pub blobs: Vec<ProvenBlob>,
    /// What execution reads of the parent's state.
    pub witness: Witness,
}

/// What the program says.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Output {
    /// [`VERSION`].
    pub version: u8,
    /// keccak256 of the RLP of both sets of parameters.
    pub rules: B256,
    /// Output root that it begins with.
    pub parent_output: B256,
    /// Deposits in the queue that it begins with.
    pub queue_count: u64,
    /// Accumulator of that queue.
    pub queue_accumulator: B256,
    /// keccak256 of the batch header.
    pub batch_header: B256,
    /// 0 where a batch was read, else why not (BAT-050).
    pub outcome: u8,
    /// How many blocks followed.
    pub blocks: u64,
    /// Hash of the last block; the parent's where none followed.
    pub hash: B256,
    /// Its output root.
    pub output_root: B256,
}

/// Derives the blocks of the batch header that an [`Input`] describes, and answers with an encoded [`Output`].
pub fn run(input: &Bytes) -> Result<Vec<u8>, ProgramError> {
    let input = Input::decode_exact(input)?;
    let hash = input.parent.hash_slow();
    let read = |error| ProgramError::Block(BlockError::State(error));
    let state = WitnessState::new(&input.parent, hash, input.witness.clone()).map_err(read)?;
    let (outcome, blocks) = input.derive(&state)?;
    Ok(alloy_rlp::encode(input.output(outcome, &blocks)))
}

/// Why the blocks of an input could not be derived over a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanError<E> {
    /// A preimage is missing or another.
    Derive(super::DeriveError),
    /// A blob is not proved to be one of the header's.
    Blob,
    /// The batch header is none.
    Header,
    /// A block could not be executed.
    Block(BlockError<E>),
}

impl<E: fmt::Display> fmt::Display for SpanError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Derive(error) => error.fmt(f),
            Self::Blob => f.write_str("a blob is not proved to be one of the header's"),
            Self::Header => f.write_str("not a batch header"),
            Self::Block(error) => error.fmt(f),
        }
    }
}

impl From<SpanError<WitnessError>> for ProgramError {
    fn from(error: SpanError<WitnessError>) -> Self {
        match error {
            SpanError::Derive(error) => Self::Derive(error),
            SpanError::Blob => Self::Blob,
            SpanError::Header => Self::Input("not a batch header".to_string()),
            SpanError::Block(error) => Self::Block(error),
        }
    }
}

impl Input {
    /// The blocks, over the parent's state.
    pub fn derive<S: State>(&self, state: &S) -> Result<(Outcome, Vec<Derived>), SpanError<S::Error>> {
        let header = BatchHeader::decode(&self.header).ok_or(SpanError::Header)?;
        let mut blobs = BTreeMap::new();
        for blob in &self.blobs {
            blobs.insert(blob.verify().ok_or(SpanError::Blob)?, blob.blob.clone()); // PRG-012
        }
        let preimages = Preimages::new(&self.l1_headers, self.deposits.clone(), blobs);
        let parent = Parent::new(&self.derivation, &self.parent, self.parent.hash_slow(), self.queue, state)
            .map_err(|error| SpanError::Block(BlockError::State(error)))?;
        let plan =
            plan(&self.params, &self.derivation, &parent, &header, &preimages).map_err(SpanError::Derive)?;
        let mut trie = StateTrie::new(self.parent.state_root);
        let blocks =
            execute(&self.params, &parent, &plan.blocks, state, &mut trie).map_err(SpanError::Block)?;
        Ok((plan.outcome, blocks))
    }

    /// What the program says of these blocks.
    pub fn output(&self, outcome: Outcome, blocks: &[Derived]) -> Output {
        let mut rules = Vec::new();
        self.params.encode(&mut rules);
        DerivationRlp::from(&self.derivation).encode(&mut rules);
        let parent_hash = self.parent.hash_slow();
        let parent_output = output_root(&self.parent, parent_hash);
        let (hash, output_root) = blocks
            .last()
            .map_or((parent_hash, parent_output), |last| (last.block.hash, last.block.output_root));
        Output {
            version: VERSION,
            rules: keccak256(&rules),
            parent_output,
            queue_count: self.queue.count,
            queue_accumulator: self.queue.accumulator,
            batch_header: keccak256(&self.header),
            outcome: outcome.code(),
            blocks: blocks.len() as u64,
            hash,
            output_root,
        }
    }

    /// Decodes an input that fills `encoded` exactly. Large parts share its memory.
    pub fn decode_exact(encoded: &Bytes) -> Result<Self, ProgramError> {
        let buf = &mut opened(encoded, VERSION)?;
        let params = NetworkParams::decode(buf)?;
        let derivation = DerivationParams::from(DerivationRlp::decode(buf)?);
        let parent = Header::decode(buf)?;
        check(&params, &parent)?;
        if derivation.gas_limit < params.elasticity || parent.number >= MAX_PARENT_NUMBER {
            return Err(ProgramError::Input("gas limit or number is out of range".to_string()));
        }
        let QueueRlp { count, accumulator } = QueueRlp::decode(buf)?;
        let header = encoded.slice_ref(RlpHeader::decode_bytes(buf, false)?);
        let l1_headers = strings(encoded, buf)?;
        let deposits = strings(encoded, buf)?;
        let mut list = RlpHeader::decode_bytes(buf, true)?;
        let mut blobs = Vec::new();
        while !list.is_empty() {
            let Ok([blob, commitment, proof]) = <[Bytes; 3]>::try_from(strings(encoded, &mut list)?) else {
                return Err(ProgramError::Input("a blob has three parts".to_string()));
            };
            blobs.push(ProvenBlob { blob, commitment, proof });
        }
        let witness = Witness::decode_exact(&encoded.slice_ref(buf)).map_err(ProgramError::Witness)?;
        let queue = Queue { count, accumulator };
        Ok(Self { params, derivation, parent, queue, header, l1_headers, deposits, blobs, witness })
    }
}

impl Encodable for Input {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        let mut payload = Vec::new();
        VERSION.encode(&mut payload);
        self.params.encode(&mut payload);
        DerivationRlp::from(&self.derivation).encode(&mut payload);
        self.parent.encode(&mut payload);
        QueueRlp { count: self.queue.count, accumulator: self.queue.accumulator }.encode(&mut payload);
        self.header.encode(&mut payload);
        self.l1_headers.encode(&mut payload);
        self.deposits.encode(&mut payload);
        self.blobs.encode(&mut payload);
        self.witness.encode(&mut payload);
        RlpHeader { list: true, payload_length: payload.len() }.encode(out);
        out.put_slice(&payload);
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct QueueRlp {
    count: u64,
    accumulator: B256,
}

#[derive(RlpEncodable, RlpDecodable)]
struct DerivationRlp {
    gas_limit: u64,
    max_drift_s: u64,
    sequencing_window_s: u64,
    blob_schedule: Vec<FractionRlp>,
    genesis_origin: OriginRlp,
}

#[derive(RlpEncodable, RlpDecodable)]
struct FractionRlp {
    from_s: u64,
    update_fraction: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct OriginRlp {
    number: u64,
    hash: B256,
    timestamp: u64,
    base_fee_wei: u64,
    blob_base_fee_wei: u128,
    prev_randao: B256,
    parent_beacon_block_root: B256,
}

impl From<&DerivationParams> for DerivationRlp {
    fn from(params: &DerivationParams) -> Self {
        let origin = params.genesis_origin;
        let fractions = params.blob_schedule.0.iter();
        Self {
            gas_limit: params.gas_limit,
            max_drift_s: params.max_drift_s,
            sequencing_window_s: params.sequencing_window_s,
            blob_schedule: fractions
                .map(|&(from_s, update_fraction)| FractionRlp { from_s, update_fraction })
                .collect(),
            genesis_origin: OriginRlp {
                number: origin.number,
                hash: origin.hash,
                timestamp: origin.timestamp,
                base_fee_wei: origin.base_fee_wei,
                blob_base_fee_wei: origin.blob_base_fee_wei,
                prev_randao: origin.prev_randao,
                parent_beacon_block_root: origin.parent_beacon_block_root,
            },
        }
    }
}

impl From<DerivationRlp> for DerivationParams {
    fn from(rlp: DerivationRlp) -> Self {
        let origin = rlp.genesis_origin;
        let fractions = rlp.blob_schedule.into_iter();
        Self {
            gas_limit: rlp.gas_limit,
            max_drift_s: rlp.max_drift_s,
            sequencing_window_s: rlp.sequencing_window_s,
            blob_schedule: BlobSchedule(
                fractions.map(|fraction| (fraction.from_s, fraction.update_fraction)).collect(),
            ),
            genesis_origin: L1Origin {
                number: origin.number,
                hash: origin.hash,
                timestamp: origin.timestamp,
                base_fee_wei: origin.base_fee_wei,
                blob_base_fee_wei: origin.blob_base_fee_wei,
                prev_randao: origin.prev_randao,
                parent_beacon_block_root: origin.parent_beacon_block_root,
            },
        }
    }
}

#[cfg(feature = "std")]
mod recording {
    use super::*;
    use crate::witness::{RecordError, Recorder};

    impl Input {
        /// Records the witness that the program needs of the parent's state, and answers what it will say.
        /// `ancestor` answers the RLP of an earlier header by number.
        pub fn record<S: State>(
            &mut self,
            state: &S,
            ancestor: impl Fn(u64) -> Option<Bytes>,
        ) -> Result<Output, RecordError<S::Error>> {
            let recorder = Recorder::new(state);
            let (outcome, blocks) = self.derive(&recorder).map_err(RecordError::Span)?;
            self.witness = recorder.into_witness(&self.parent, ancestor)?;
            Ok(self.output(outcome, &blocks))
        }
    }
}
