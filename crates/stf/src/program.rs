//! The provable program: from one document with everything a block needs, to its header.
//!
//! [`run`] is what the RISC-V build executes and what the node can execute natively; both give the
//! same bytes. The document is RLP (PRG-001):
//!
//! `[version, params, parent header, attributes, transactions, witness]`.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader, RlpDecodable, RlpEncodable};
use revm::context::result::InvalidTransaction;

use crate::{
    attributes::{BlockAttributes, L1Origin},
    block::{Block, BlockError, BlockExecutor, Exclusion},
    derive::DeriveError,
    params::NetworkParams,
    state::State,
    state_trie::StateTrie,
    transaction::{DecodeError, Transaction},
    witness::{Witness, WitnessDecodeError, WitnessError, WitnessState},
};

/// Version of the input and output documents.
pub const VERSION: u8 = 1;

/// All that one block is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Parameters of the network.
    pub params: NetworkParams,
    /// The parent's header; its hash is part of the output, so nothing else vouches for it.
    pub parent: Header,
    /// Attributes of the block.
    pub attributes: BlockAttributes,
    /// EIP-2718 bytes of the ordered transactions, those to be left out too.
    pub transactions: Vec<Bytes>,
    /// What execution reads of the parent's state.
    pub witness: Witness,
}

/// What the program says about a block.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Output {
    /// [`VERSION`].
    pub version: u8,
    /// Hash of the parent's header.
    pub parent_hash: B256,
    /// The header; receipts root and state root stand in it.
    pub header: Header,
    /// Hash of the header.
    pub hash: B256,
    /// Output root.
    pub output_root: B256,
    /// Transactions that were left out, ascending by position.
    pub excluded: Vec<Excluded>,
}

/// A transaction that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Excluded {
    /// Position in the input.
    pub index: u64,
    /// Why: see [`decode_reason`] and [`exclusion_reason`].
    pub reason: u8,
}

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// The input is not the document it should be.
    Input(String),
    /// The witness is not one.
    Witness(WitnessDecodeError),
    /// The block could not be executed.
    Block(BlockError<WitnessError>),
    /// A preimage of a batch header is missing or another.
    Derive(DeriveError),
    /// A blob is not proved to be one of the header's.
    Blob,
}

impl ProgramError {
    /// Exit status of the program for this error (PRG-003); 0 stands for an output.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 10,
            Self::Witness(_) => 11,
            Self::Block(BlockError::Attributes(_)) => 12,
            Self::Block(BlockError::State(_)) => 13,
            Self::Block(BlockError::Trie(_)) => 14,
            Self::Block(BlockError::Evm(_)) => 15,
            Self::Derive(_) => 16,
            Self::Blob => 17,
        }
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(reason) => write!(f, "input: {reason}"),
            Self::Witness(error) => error.fmt(f),
            Self::Block(error) => error.fmt(f),
            Self::Derive(error) => error.fmt(f),
            Self::Blob => f.write_str("a blob is not proved to be one of the header's"),
        }
    }
}

impl core::error::Error for ProgramError {}

impl From<alloy_rlp::Error> for ProgramError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Input(error.to_string())
    }
}

/// Executes the block an [`Input`] describes and answers with an encoded [`Output`].
pub fn run(input: &Bytes) -> Result<Vec<u8>, ProgramError> {
    let Input { params, parent, attributes, transactions, witness } = Input::decode_exact(input)?;
    let parent_hash = parent.hash_slow();
    let read = |error| ProgramError::Block(BlockError::State(error));
    let state = WitnessState::new(&parent, parent_hash, witness).map_err(read)?;
    let mut trie = StateTrie::new(parent.state_root);
    let (block, excluded) =
        execute(&params, &parent, parent_hash, &attributes, transactions, &state, &mut trie)
            .map_err(ProgramError::Block)?;
    Ok(alloy_rlp::encode(Output::new(parent_hash, &block, excluded)))
}

/// What the program does between its documents, over any state: the block of those of the encoded
/// transactions that can be in it, and the others with their reasons.
pub fn execute<S: State>(
    params: &NetworkParams,
    parent: &Header,
    parent_hash: B256,
    attributes: &BlockAttributes,
    transactions: Vec<Bytes>,
    state: &S,
    trie: &mut StateTrie,
) -> Result<(Block, Vec<Excluded>), BlockError<S::Error>> {
    let mut executor = BlockExecutor::new(params, parent, parent_hash, attributes, state)?;
    let mut excluded = Vec::new();
    for (index, encoded) in transactions.into_iter().enumerate() {
        let reason = match Transaction::decode(encoded) {
            Ok(tx) => executor.transact(tx)?.map(|exclusion| exclusion_reason(&exclusion)),
            Err(error) => Some(decode_reason(&error)),
        };
        excluded.extend(reason.map(|reason| Excluded { index: index as u64, reason }));
    }
    Ok((executor.finish(trie)?, excluded))
}

impl Output {
    /// What the program says about this block.
    pub fn new(parent_hash: B256, block: &Block, excluded: Vec<Excluded>) -> Self {
        Self {
            version: VERSION,
            parent_hash,
            header: block.header.clone(),
            hash: block.hash,
            output_root: block.output_root,
            excluded,
        }
    }
}

/// Code of the reason why bytes are no transaction (PRG-002).
pub fn decode_reason(error: &DecodeError) -> u8 {
    match error {
        DecodeError::Encoding(_) => 1,
        DecodeError::UnsupportedType(_) => 2,
        DecodeError::Signature => 3,
    }
}

/// Code of the reason why a transaction was left out (PRG-002).
pub fn exclusion_reason(exclusion: &Exclusion) -> u8 {
    use InvalidTransaction as Tx;
    match exclusion {
        Exclusion::Deposit => 4,
        Exclusion::BlockGas { .. } => 5,
        Exclusion::Invalid(reason) => match reason {
            Tx::PriorityFeeGreaterThanMaxFee => 16,
            Tx::GasPriceLessThanBasefee => 17,
            Tx::CallerGasLimitMoreThanBlock => 18,
            Tx::CallGasCostMoreThanGasLimit { .. } => 19,
            Tx::GasFloorMoreThanGasLimit { .. } => 20,
            Tx::RejectCallerWithCode => 21,
            Tx::LackOfFundForMaxFee { .. } => 22,
            Tx::OverflowPaymentInTransaction => 23,
            Tx::NonceOverflowInTransaction => 24,
            Tx::NonceTooHigh { .. } => 25,
            Tx::NonceTooLow { .. } => 26,
            Tx::CreateInitCodeSizeLimit => 27,
            Tx::InvalidChainId => 28,
            Tx::MissingChainId => 29,
            Tx::TxGasLimitGreaterThanCap { .. } => 30,
            Tx::EmptyAuthorizationList => 31,
            Tx::AuthorizationListInvalidFields => 32,
            // Rules about blobs and about forks before ours: no transaction we decode meets them.
            _ => 255,
        },
    }
}

impl Encodable for Input {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        let mut payload = Vec::new();
        VERSION.encode(&mut payload);
        self.params.encode(&mut payload);
        self.parent.encode(&mut payload);
        AttributesRlp::from(&self.attributes).encode(&mut payload);
        self.transactions.encode(&mut payload);
        self.witness.encode(&mut payload);
        RlpHeader { list: true, payload_length: payload.len() }.encode(out);
        out.put_slice(&payload);
    }
}

impl Input {
    /// Decodes an input that fills `encoded` exactly. Large parts share its memory.
    pub fn decode_exact(encoded: &Bytes) -> Result<Self, ProgramError> {
        let buf = &mut opened(encoded, VERSION)?;
        let params = NetworkParams::decode(buf)?;
        let parent = Header::decode(buf)?;
        check(&params, &parent)?;
        let attributes = AttributesRlp::decode(buf)?.into();
        let transactions = strings(encoded, buf)?;
        let witness = Witness::decode_exact(&encoded.slice_ref(buf)).map_err(ProgramError::Witness)?;
        Ok(Self { params, parent, attributes, transactions, witness })
    }
}

/// The items of an input after its version: it is a list that fills `encoded` exactly.
pub(crate) fn opened(encoded: &Bytes, version: u8) -> Result<&[u8], ProgramError> {
    let mut rest = encoded.as_ref();
    let mut payload = RlpHeader::decode_bytes(&mut rest, true)?;
    if u8::decode(&mut payload)? != version {
        return Err(ProgramError::Input("unknown version".to_string()));
    }
    if rest.is_empty() { Ok(payload) } else { Err(ProgramError::Input("bytes after the end".to_string())) }
}

/// Takes a list of strings that share the memory of `encoded`.
pub(crate) fn strings(encoded: &Bytes, buf: &mut &[u8]) -> Result<Vec<Bytes>, ProgramError> {
    let mut list = RlpHeader::decode_bytes(buf, true)?;
    let mut out = Vec::new();
    while !list.is_empty() {
        out.push(encoded.slice_ref(RlpHeader::decode_bytes(&mut list, false)?));
    }
    Ok(out)
}

/// What no network file allows and the rules take for granted (PRG-004).
pub(crate) fn check(params: &NetworkParams, parent: &Header) -> Result<(), ProgramError> {
    let wrong = |what: &str| Err(ProgramError::Input(what.to_string()));
    if params.block_time_ms == 0 || params.elasticity == 0 || params.base_fee_denominator == 0 {
        return wrong("a network parameter is zero");
    }
    if parent.gas_limit < params.elasticity || parent.gas_used > parent.gas_limit {
        return wrong("the parent's gas is out of range");
    }
    if parent.number == u64::MAX { wrong("the parent's number is out of range") } else { Ok(()) }
}

#[derive(RlpEncodable, RlpDecodable)]
struct AttributesRlp {
    slot: u64,
    number: u64,
    hash: B256,
    timestamp: u64,
    base_fee_wei: u64,
    blob_base_fee_wei: u128,
    prev_randao: B256,
    parent_beacon_block_root: B256,
    gas_limit: u64,
    deposits: Vec<Bytes>,
}

impl From<&BlockAttributes> for AttributesRlp {
    fn from(attributes: &BlockAttributes) -> Self {
        let BlockAttributes { slot, origin, gas_limit, deposits } = attributes.clone();
        let L1Origin {
            number,
            hash,
            timestamp,
            base_fee_wei,
            blob_base_fee_wei,
            prev_randao,
            parent_beacon_block_root,
        } = origin;
        Self {
            slot,
            number,
            hash,
            timestamp,
            base_fee_wei,
            blob_base_fee_wei,
            prev_randao,
            parent_beacon_block_root,
            gas_limit,
            deposits,
        }
    }
}

impl From<AttributesRlp> for BlockAttributes {
    fn from(attributes: AttributesRlp) -> Self {
        Self {
            slot: attributes.slot,
            origin: L1Origin {
                number: attributes.number,
                hash: attributes.hash,
                timestamp: attributes.timestamp,
                base_fee_wei: attributes.base_fee_wei,
                blob_base_fee_wei: attributes.blob_base_fee_wei,
                prev_randao: attributes.prev_randao,
                parent_beacon_block_root: attributes.parent_beacon_block_root,
            },
            gas_limit: attributes.gas_limit,
            deposits: attributes.deposits,
        }
    }
}
