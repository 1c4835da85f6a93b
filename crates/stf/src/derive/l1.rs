//! L1 headers as preimages of their hashes.

use alloc::vec::Vec;

use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::{Decodable as _, Header as RlpHeader};

use crate::attributes::L1Origin;

/// Least blob base fee, wei per blob gas (EIP-4844).
const MIN_BLOB_BASE_FEE_WEI: u64 = 1;

/// What is read of an L1 header (DRV-010).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Header {
    /// keccak256 of its RLP.
    pub hash: B256,
    /// Hash of the header before it.
    pub parent_hash: B256,
    /// Block number.
    pub number: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Base fee, wei per gas; 0 before EIP-1559.
    pub base_fee_wei: u64,
    /// Excess blob gas; 0 before EIP-4844.
    pub excess_blob_gas: u64,
    /// `mixHash`, which is prevrandao (EIP-4399).
    pub prev_randao: B256,
    /// Parent beacon block root (EIP-4788); zero before.
    pub parent_beacon_block_root: B256,
}

impl L1Header {
    /// Reads a header. Fields that later forks append are passed over, so that L1 may change
    /// without this program changing. `None` if it is no header.
    pub fn decode(rlp: &[u8]) -> Option<Self> {
        const PARENT_HASH: usize = 0;
        const NUMBER: usize = 8;
        const TIMESTAMP: usize = 11;
        const MIX_HASH: usize = 13;
        const BASE_FEE: usize = 15;
        const EXCESS_BLOB_GAS: usize = 18;
        const BEACON_ROOT: usize = 19;
        let mut rest = rlp;
        let mut list = RlpHeader::decode_bytes(&mut rest, true).ok().filter(|_| rest.is_empty())?;
        let mut items = Vec::new();
        while !list.is_empty() {
            let begin = list;
            let header = RlpHeader::decode(&mut list).ok()?;
            list = list.get(header.payload_length..)?;
            items.push(&begin[..begin.len() - list.len()]);
        }
        let number = |index: usize| match items.get(index) {
            None => Some(0),
            Some(item) => u64::decode(&mut &item[..]).ok(),
        };
        let hash = |index: usize| match items.get(index) {
            None => Some(B256::ZERO),
            Some(item) => B256::decode(&mut &item[..]).ok(),
        };
        if items.len() < BASE_FEE {
            return None;
        }
        Some(Self {
            hash: keccak256(rlp),
            parent_hash: hash(PARENT_HASH)?,
            number: number(NUMBER)?,
            timestamp: number(TIMESTAMP)?,
            base_fee_wei: number(BASE_FEE)?,
            excess_blob_gas: number(EXCESS_BLOB_GAS)?,
            prev_randao: hash(MIX_HASH)?,
            parent_beacon_block_root: hash(BEACON_ROOT)?,
        })
    }

    /// The origin that this L1 block is.
    pub fn origin(&self, schedule: &BlobSchedule) -> L1Origin {
        L1Origin {
            number: self.number,
            hash: self.hash,
            timestamp: self.timestamp,
            base_fee_wei: self.base_fee_wei,
            blob_base_fee_wei: blob_base_fee_wei(
                self.excess_blob_gas,
                schedule.update_fraction(self.timestamp),
            ),
            prev_randao: self.prev_randao,
            parent_beacon_block_root: self.parent_beacon_block_root,
        }
    }
}

/// L1's blob base fee update fractions, each from an L1 timestamp on (EIP-4844, EIP-7691, EIP-7892):
/// ascending, network parameters (DRV-011).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobSchedule(pub Vec<(u64, u64)>);

impl BlobSchedule {
    /// Ethereum's own (EIP-4844, EIP-7691, the blob-parameter-only forks of EIP-7892), or for any other
    /// L1 Prague's fraction for all time.
    pub fn of_l1(chain_id: u64) -> Self {
        const CANCUN: u64 = 3_338_477;
        const PRAGUE: u64 = 5_007_716;
        const BPO_1: u64 = 8_346_193;
        const BPO_2: u64 = 11_684_671;
        Self(match chain_id {
            1 => [
                (1_710_338_135, CANCUN),
                (1_746_612_311, PRAGUE),
                (1_765_290_071, BPO_1),
                (1_767_747_671, BPO_2),
            ]
            .into(),
            _ => [(0, PRAGUE)].into(),
        })
    }

    /// The fraction that holds at an L1 timestamp; 0 before the first.
    pub fn update_fraction(&self, timestamp: u64) -> u64 {
        self.0.iter().rev().find(|(from, _)| *from <= timestamp).map_or(0, |(_, fraction)| *fraction)
    }
}

/// Blob base fee, wei per blob gas: EIP-4844's `fake_exponential(1, excess, fraction)` (DRV-011).
/// EIP-7918 changes only how the excess in the header comes about. Without a fraction there are no
/// blobs and the fee is the least. Saturates at `u128::MAX`.
pub fn blob_base_fee_wei(excess_blob_gas: u64, update_fraction: u64) -> u128 {
    if update_fraction == 0 {
        return u128::from(MIN_BLOB_BASE_FEE_WEI);
    }
    let (excess, fraction) = (U256::from(excess_blob_gas), U256::from(update_fraction));
    let saturated = U256::from(u128::MAX) * fraction;
    let mut term = U256::from(MIN_BLOB_BASE_FEE_WEI) * fraction;
    let (mut sum, mut index) = (U256::ZERO, 1u64);
    while !term.is_zero() {
        sum += term;
        if sum > saturated {
            return u128::MAX;
        }
        // Below 2^192 * 2^64: cannot overflow.
        term = term * excess / (fraction * U256::from(index));
        index += 1;
    }
    (sum / fraction).saturating_to()
}
