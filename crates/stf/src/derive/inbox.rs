//! What the contracts on L1 commit to: batch headers in the inbox, deposits in the queue.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use op_alloy_consensus::{TxDeposit, UserDepositSource};

use crate::{evm::TX_GAS_LIMIT_CAP, transaction::Transaction};

/// Bytes of a batch header before its blob hashes.
const HEADER_BYTES: usize = 1 + 8 + 1 + 8 + 32 + 8 + 32 + 32 + 1;
/// Version of batch headers (DRV-001).
const HEADER_VERSION: u8 = 0;

/// Where a batch's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Carrier {
    /// Nowhere: the header was forced and brings no batch.
    #[default]
    None = 0,
    /// Ethereum's blobs.
    Ethereum = 1,
    /// The T-Rex DA network, by the same commitments.
    DataAvailability = 2,
}

/// What the inbox says of one batch (DRV-001).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchHeader {
    /// Position in the inbox.
    pub index: u64,
    /// Where its bytes are.
    pub carrier: Carrier,
    /// Number of its last origin.
    pub origin_number: u64,
    /// Hash of its last origin, read by the contract.
    pub origin_hash: B256,
    /// The deposit queue exactly after that L1 block.
    pub queue: Queue,
    /// Identifies the sequencers that may post.
    pub sequencer_set: B256,
    /// Versioned hashes of its blobs (EIP-4844), in order.
    pub blobs: Vec<B256>,
}

impl BatchHeader {
    /// Packed big-endian, as the inbox hashes and emits it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + 32 * self.blobs.len());
        out.push(HEADER_VERSION);
        out.extend_from_slice(&self.index.to_be_bytes());
        out.push(self.carrier as u8);
        out.extend_from_slice(&self.origin_number.to_be_bytes());
        out.extend_from_slice(self.origin_hash.as_slice());
        out.extend_from_slice(&self.queue.count.to_be_bytes());
        out.extend_from_slice(self.queue.accumulator.as_slice());
        out.extend_from_slice(self.sequencer_set.as_slice());
        out.push(self.blobs.len() as u8);
        for blob in &self.blobs {
            out.extend_from_slice(blob.as_slice());
        }
        out
    }

    /// Reads a header that fills `bytes` exactly; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [version] = take(&mut rest)?;
        let index = u64::from_be_bytes(take(&mut rest)?);
        let [carrier] = take(&mut rest)?;
        let carrier = match carrier {
            0 => Carrier::None,
            1 => Carrier::Ethereum,
            2 => Carrier::DataAvailability,
            _ => return None,
        };
        let origin_number = u64::from_be_bytes(take(&mut rest)?);
        let origin_hash = B256::from(take(&mut rest)?);
        let count = u64::from_be_bytes(take(&mut rest)?);
        let accumulator = B256::from(take(&mut rest)?);
        let sequencer_set = B256::from(take(&mut rest)?);
        let [blob_count] = take(&mut rest)?;
        let mut blobs = Vec::with_capacity(usize::from(blob_count));
        for _ in 0..blob_count {
            blobs.push(B256::from(take(&mut rest)?));
        }
        (version == HEADER_VERSION && rest.is_empty()).then_some(Self {
            index,
            carrier,
            origin_number,
            origin_hash,
            queue: Queue { count, accumulator },
            sequencer_set,
            blobs,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*taken)
}

/// A hash chain with one more entry: keccak256 of the chain so far and the entry's keccak256
/// (DRV-001, DRV-002).
pub fn accumulate(accumulator: B256, entry: &[u8]) -> B256 {
    let mut preimage = [0; 64];
    preimage[..32].copy_from_slice(accumulator.as_slice());
    preimage[32..].copy_from_slice(keccak256(entry).as_slice());
    keccak256(preimage)
}

/// A state of the deposit queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Deposits in it since the beginning.
    pub count: u64,
    /// Their hash chain.
    pub accumulator: B256,
}

/// A record of the deposit queue (DRV-002, DRV-003).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// L1 block that it was made in.
    pub l1_number: u64,
    /// Depositor; a contract's is aliased already.
    pub from: Address,
    /// Recipient; for a creation meaningless.
    pub to: Address,
    /// Ether made on L2, wei.
    pub mint_wei: u128,
    /// Ether sent, wei.
    pub value_wei: U256,
    /// Gas limit.
    pub gas_limit: u64,
    /// Whether it creates a contract.
    pub is_creation: bool,
    /// Calldata or init code.
    pub data: Bytes,
}

impl Deposit {
    /// Reads a record: L1 block number, from, to, version 0, opaque data of version 0 (mint, value, gas
    /// limit, whether it creates, data). `None` if it is none; the portal writes no such record.
    pub fn decode(record: &Bytes) -> Option<Self> {
        let mut rest = record.as_ref();
        let l1_number = u64::from_be_bytes(take(&mut rest)?);
        let from = Address::from(take::<20>(&mut rest)?);
        let to = Address::from(take::<20>(&mut rest)?);
        let version = U256::from_be_bytes(take::<32>(&mut rest)?);
        let mint = U256::from_be_bytes(take::<32>(&mut rest)?);
        let value_wei = U256::from_be_bytes(take::<32>(&mut rest)?);
        let gas_limit = u64::from_be_bytes(take(&mut rest)?);
        let [is_creation] = take(&mut rest)?;
        (version.is_zero() && is_creation <= 1).then_some(())?;
        Some(Self {
            l1_number,
            from,
            to,
            mint_wei: mint.try_into().ok()?,
            value_wei,
            gas_limit,
            is_creation: is_creation == 1,
            data: record.slice_ref(rest),
        })
    }

    /// The record, as the portal hashes it.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(153 + self.data.len());
        out.extend_from_slice(&self.l1_number.to_be_bytes());
        out.extend_from_slice(self.from.as_slice());
        out.extend_from_slice(self.to.as_slice());
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&U256::from(self.mint_wei).to_be_bytes::<32>());
        out.extend_from_slice(&self.value_wei.to_be_bytes::<32>());
        out.extend_from_slice(&self.gas_limit.to_be_bytes());
        out.push(u8::from(self.is_creation));
        out.extend_from_slice(&self.data);
        out.into()
    }

    /// Gas limit of the transaction: never above what one transaction may have (DRV-003).
    pub fn capped_gas_limit(&self) -> u64 {
        self.gas_limit.min(TX_GAS_LIMIT_CAP)
    }

    /// The transaction: its source hash is the OP Stack's for a user's deposit (DRV-003).
    pub fn transaction(&self, l1_hash: B256, log_index: u64) -> Bytes {
        let deposit = TxDeposit {
            source_hash: UserDepositSource::new(l1_hash, log_index).source_hash(),
            from: self.from,
            to: if self.is_creation { TxKind::Create } else { TxKind::Call(self.to) },
            mint: self.mint_wei,
            value: self.value_wei,
            gas_limit: self.capped_gas_limit(),
            is_system_transaction: false,
            input: self.data.clone(),
        };
        Transaction::deposit(deposit).encoded().clone()
    }
}
