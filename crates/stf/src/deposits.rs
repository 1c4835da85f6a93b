//! The L1 attributes deposit: how a block tells its state about its L1 origin.

use alloc::vec::Vec;

use alloy_primitives::{B256, TxKind, U256};
use op_alloy_consensus::{L1InfoDepositSource, TxDeposit};

use crate::{
    attributes::L1Origin,
    params::{DEPOSITOR, L1_BLOCK, NetworkParams},
    state::State,
    transaction::Transaction,
};

/// Selector of `setL1BlockValuesEcotone()`, whose arguments follow packed.
const SET_L1_BLOCK_VALUES: [u8; 4] = [0x44, 0x0a, 0x5e, 0x20];
/// Gas limit of the L1 attributes deposit.
pub const ATTRIBUTES_GAS_LIMIT: u64 = 1_000_000;

/// Storage slots of the L1Block predeploy (OP Stack layout).
mod slot {
    /// Number in the low 8 bytes, timestamp in the next 8.
    pub(super) const NUMBER_AND_TIMESTAMP: u64 = 0;
    pub(super) const BASE_FEE: u64 = 1;
    pub(super) const HASH: u64 = 2;
    pub(super) const BLOB_BASE_FEE: u64 = 7;
}

/// The deposit that writes `origin` to the L1Block predeploy (STF-005).
pub fn attributes_deposit(params: &NetworkParams, origin: &L1Origin) -> Transaction {
    let mut input = Vec::with_capacity(164);
    input.extend_from_slice(&SET_L1_BLOCK_VALUES);
    input.extend_from_slice(&params.base_fee_scalar.to_be_bytes());
    input.extend_from_slice(&params.blob_base_fee_scalar.to_be_bytes());
    input.extend_from_slice(&0u64.to_be_bytes()); // sequence number: written once per origin
    input.extend_from_slice(&origin.timestamp.to_be_bytes());
    input.extend_from_slice(&origin.number.to_be_bytes());
    input.extend_from_slice(&U256::from(origin.base_fee_wei).to_be_bytes::<32>());
    input.extend_from_slice(&U256::from(origin.blob_base_fee_wei).to_be_bytes::<32>());
    input.extend_from_slice(origin.hash.as_slice());
    input.extend_from_slice(B256::ZERO.as_slice()); // batcher hash: the inbox knows who may post
    Transaction::deposit(TxDeposit {
        source_hash: L1InfoDepositSource::new(origin.hash, 0).source_hash(),
        from: DEPOSITOR,
        to: TxKind::Call(L1_BLOCK),
        mint: 0,
        value: U256::ZERO,
        gas_limit: ATTRIBUTES_GAS_LIMIT,
        is_system_transaction: false,
        input: input.into(),
    })
}

/// The origin that an L1 attributes deposit announces, but for `prev_randao` and
/// `parent_beacon_block_root`, which the block's header carries. `None` if it is none.
pub fn announced_origin(tx: &Transaction) -> Option<L1Origin> {
    let deposit = tx.envelope().as_deposit()?;
    if deposit.from != DEPOSITOR || deposit.to != TxKind::Call(L1_BLOCK) {
        return None;
    }
    let arguments = deposit.input.strip_prefix(&SET_L1_BLOCK_VALUES)?;
    let word = |at: usize| arguments.get(at..at + 32).map(U256::from_be_slice);
    let long = |at: usize| Some(u64::from_be_bytes(arguments.get(at..at + 8)?.try_into().ok()?));
    Some(L1Origin {
        timestamp: long(16)?,
        number: long(24)?,
        base_fee_wei: word(32)?.try_into().ok()?,
        blob_base_fee_wei: word(64)?.try_into().ok()?,
        hash: B256::from(word(96)?),
        ..L1Origin::default()
    })
}

/// The origin that the parent's state holds, but for `prev_randao` and `parent_beacon_block_root`.
pub fn stored_origin<S: State>(state: &S) -> Result<L1Origin, S::Error> {
    let read = |slot: u64| state.storage(&L1_BLOCK, &U256::from(slot));
    let packed = read(slot::NUMBER_AND_TIMESTAMP)?.into_limbs();
    Ok(L1Origin {
        number: packed[0],
        timestamp: packed[1],
        base_fee_wei: read(slot::BASE_FEE)?.saturating_to(),
        hash: B256::from(read(slot::HASH)?),
        blob_base_fee_wei: read(slot::BLOB_BASE_FEE)?.saturating_to(),
        ..L1Origin::default()
    })
}
