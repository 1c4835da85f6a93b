//! The columns of a batch, in their order (BAT-012).

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, U256};

use super::{
    Block, Reason,
    calldata::Calls,
    coder::{Coder, context},
    fields::{Fields, FieldsAuthorization, Kind},
    numbers::{Dictionary, Expected, Repeats, number},
};

/// Numbers of the columns; they separate contexts and pick weights.
mod column {
    pub(super) const BLOCKS: u32 = 0;
    pub(super) const SLOTS: u32 = 1;
    pub(super) const ORIGINS: u32 = 2;
    pub(super) const COUNTS: u32 = 3;
    pub(super) const LOG_INDICES: u32 = 4;
    pub(super) const KINDS: u32 = 5;
    pub(super) const ADDRESSES: u32 = 6;
    pub(super) const NONCES: u32 = 7;
    pub(super) const TIPS: u32 = 8;
    pub(super) const HEADROOMS: u32 = 9;
    pub(super) const GAS_LIMITS: u32 = 10;
    pub(super) const VALUES: u32 = 11;
    pub(super) const LARGE: u32 = 12;
    pub(super) const LISTS: u32 = 13;
    pub(super) const KEYS: u32 = 14;
    pub(super) const AUTHORIZATIONS: u32 = 15;
    pub(super) const AUTHORIZATION_NONCES: u32 = 16;
    pub(super) const EXTENSIONS: u32 = 17;
}

/// Bytes of content that a transaction counts besides its lists and data (BAT-041).
const BARE_BYTES: usize = 64;
/// Bytes of content that a block counts besides its transactions (BAT-041).
const BLOCK_BYTES: usize = 8;
/// Bytes of content that a log index counts (BAT-041).
const LOG_INDEX_BYTES: usize = 2;

fn long<C: Coder>(coder: &mut C, column: u32, keys: [u32; 2], value: u64) -> Result<u64, Reason> {
    u64::try_from(number(coder, column, keys, u128::from(value))?).map_err(|_| Reason::Field)
}

/// How many, in a list that may have up to `most`.
fn count<C: Coder>(
    coder: &mut C,
    column: u32,
    keys: [u32; 2],
    value: usize,
    most: usize,
    excess: Reason,
) -> Result<usize, Reason> {
    let value = number(coder, column, keys, value as u128)?;
    usize::try_from(value).ok().filter(|value| *value <= most).ok_or(excess)
}

/// Blocks: how many, then slots, origins and transaction counts.
pub(super) fn blocks<C: Coder>(coder: &mut C, blocks: &mut Vec<Block>, most: usize) -> Result<(), Reason> {
    let length = count(coder, column::BLOCKS, [0; 2], blocks.len(), most, Reason::BlockCount)?; // BAT-040
    blocks.resize_with(length, Block::default);
    let mut last = 0;
    for block in blocks.iter_mut() {
        // The least delta is 1: what is written is how much more it is.
        let more = block.slot_delta.wrapping_sub(1);
        let more = long(coder, column::SLOTS, [last, 0], more)?;
        block.slot_delta = more.checked_add(1).ok_or(Reason::Field)?;
        last = more.min(255) as u32;
    }
    let mut since = 0;
    for block in blocks.iter_mut() {
        block.origin_delta = long(coder, column::ORIGINS, [since, 0], block.origin_delta)?;
        since = if block.origin_delta > 0 { 0 } else { since + 1 };
    }
    let mut last = 0;
    for block in blocks.iter_mut() {
        block.count = long(coder, column::COUNTS, [last, 0], block.count)?;
        last = 64 - block.count.leading_zeros();
    }
    Ok(())
}

/// L1 log indices of the deposits.
pub(super) fn log_indices<C: Coder>(
    coder: &mut C,
    indices: &mut Vec<u32>,
    most: usize,
) -> Result<(), Reason> {
    let keys = [column::LOG_INDICES, 0];
    let length = count(coder, column::LISTS, keys, indices.len(), most, Reason::ListLength)?; // BAT-042
    indices.resize(length, 0);
    let mut last = 0;
    for index in indices.iter_mut() {
        let value = long(coder, column::LOG_INDICES, [last, 0], u64::from(*index))?;
        *index = u32::try_from(value).map_err(|_| Reason::Field)?;
        last = 32 - index.leading_zeros();
    }
    Ok(())
}

/// Bytes of content that blocks and log indices count (BAT-041).
pub(super) fn besides(blocks: &[Block], log_indices: &[u32]) -> usize {
    BLOCK_BYTES * blocks.len() + LOG_INDEX_BYTES * log_indices.len()
}

/// Room for what later versions add: none may be there yet (BAT-013).
pub(super) fn extensions<C: Coder>(coder: &mut C) -> Result<(), Reason> {
    if number(coder, column::EXTENSIONS, [0; 2], 0)? == 0 { Ok(()) } else { Err(Reason::Version) }
}

/// What the columns of transactions know of each other.
pub(super) struct Transactions {
    addresses: Dictionary<20>,
    calls: Calls,
    budget: usize,
    most: usize,
    chain_id: U256,
}

/// Of a transaction: what later columns are predicted from.
#[derive(Clone, Copy, Default)]
struct Keys {
    kind: u32,
    to: u32,
    call: u32,
}

impl Transactions {
    /// `budget` is how many bytes the transactions may have together, `most` how long a list may be.
    pub(super) fn new(budget: usize, most: usize, chain_id: u64) -> Self {
        let addresses = Dictionary::new(column::ADDRESSES);
        Self { addresses, calls: Calls::new(), budget, most, chain_id: U256::from(chain_id) }
    }

    /// Bytes that are left of the budget.
    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    /// All columns, one after the other.
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, txs: &mut [Fields]) -> Result<(), Reason> {
        let bare = txs.len().saturating_mul(BARE_BYTES);
        self.budget = self.budget.checked_sub(bare).ok_or(Reason::Ratio)?;
        let mut keys = alloc::vec![Keys::default(); txs.len()];
        kinds(coder, txs, &mut keys)?;
        self.recipients(coder, txs, &mut keys)?;
        self.data(coder, txs, &mut keys)?;
        nonces(coder, txs, &keys)?;
        fees(coder, txs, &keys)?;
        gas_limits(coder, txs, &keys)?;
        values(coder, txs, &keys)?;
        self.access_lists(coder, txs, &keys)?;
        self.authorizations(coder, txs)?;
        signatures(coder, txs)
    }

    fn recipients<C: Coder>(
        &mut self,
        coder: &mut C,
        txs: &mut [Fields],
        keys: &mut [Keys],
    ) -> Result<(), Reason> {
        let mut last = 0;
        for (tx, keys) in txs.iter_mut().zip(keys) {
            if let Some(to) = &mut tx.to {
                let (index, address) =
                    self.addresses.code(coder, [keys.kind, context(&[keys.kind, last])], to.0.0)?;
                *to = Address::from(address);
                (keys.to, last) = (index, index);
            }
        }
        Ok(())
    }

    fn data<C: Coder>(&mut self, coder: &mut C, txs: &mut [Fields], keys: &mut [Keys]) -> Result<(), Reason> {
        for (tx, keys) in txs.iter_mut().zip(keys) {
            let to = if tx.to.is_some() { keys.to } else { u32::MAX };
            let selector = self.calls.code(coder, &mut self.addresses, to, &mut tx.data, &mut self.budget)?;
            keys.call = context(&[keys.kind, selector, u32::from(tx.data.is_empty())]);
        }
        Ok(())
    }

    fn access_lists<C: Coder>(
        &mut self,
        coder: &mut C,
        txs: &mut [Fields],
        keys: &[Keys],
    ) -> Result<(), Reason> {
        for (tx, keys) in txs.iter_mut().zip(keys) {
            if !tx.kind.has_access_list() {
                continue;
            }
            let contexts = [keys.call, context(&[keys.call, keys.to])];
            let length =
                count(coder, column::LISTS, contexts, tx.access_list.len(), self.most, Reason::ListLength)?;
            self.spend(length, 20)?;
            tx.access_list.resize_with(length, Default::default);
            for (address, slots) in &mut tx.access_list {
                let (index, found) = self.addresses.code(coder, [column::KEYS, keys.to], address.0.0)?;
                *address = Address::from(found);
                let length =
                    count(coder, column::KEYS, [index, 0], slots.len(), self.most, Reason::ListLength)?;
                self.spend(length, 32)?;
                slots.resize(length, B256::ZERO);
                let mut tokens = [0; 2];
                for slot in slots {
                    let at = context(&[column::KEYS, index]);
                    let addresses = &mut self.addresses;
                    let token = self.calls.word(coder, addresses, index, at, None, tokens, &mut slot.0)?;
                    tokens = [token, tokens[0]];
                }
            }
        }
        Ok(())
    }

    fn authorizations<C: Coder>(&mut self, coder: &mut C, txs: &mut [Fields]) -> Result<(), Reason> {
        for tx in txs.iter_mut().filter(|tx| tx.kind == Kind::Eip7702) {
            let length = count(
                coder,
                column::LISTS,
                [column::AUTHORIZATIONS, 0],
                tx.authorizations.len(),
                self.most,
                Reason::ListLength,
            )?;
            self.spend(length, 128)?;
            tx.authorizations.resize_with(length, Default::default);
            for authorization in &mut tx.authorizations {
                self.authorization(coder, authorization)?;
            }
        }
        Ok(())
    }

    /// An authorization (BAT-036).
    fn authorization<C: Coder>(
        &mut self,
        coder: &mut C,
        item: &mut FieldsAuthorization,
    ) -> Result<(), Reason> {
        /// Of the network, of every chain, of another chain.
        const OTHER: u32 = 2;
        let set = column::AUTHORIZATIONS as usize;
        let scope = match item.chain_id {
            None => 0,
            Some(chain_id) if chain_id.is_zero() => 1,
            Some(_) => OTHER,
        };
        let s: [u8; 32] = item.s.to_be_bytes();
        let plain = u32::from(s[0] & 0x80 != 0 || item.y_parity > 1);
        let form = coder.symbol(scope << 1 | plain, 3, &[context(&[column::AUTHORIZATIONS])], set)?;
        let (scope, plain) = (form >> 1, form & 1 == 1);
        item.chain_id = match scope {
            0 => None,
            1 => Some(U256::ZERO),
            OTHER => {
                let mut bytes: [u8; 32] = item.chain_id.unwrap_or_default().to_be_bytes();
                coder.raw(&mut bytes)?;
                // Zero and the network's own have their own scopes.
                Some(U256::from_be_bytes(bytes)).filter(|id| !id.is_zero() && *id != self.chain_id)
            }
            _ => return Err(Reason::Field),
        };
        if scope == OTHER && item.chain_id.is_none() {
            return Err(Reason::NotCanonical);
        }
        let (_, address) = self.addresses.code(coder, [column::AUTHORIZATIONS, 0], item.address.0.0)?;
        item.address = Address::from(address);
        item.nonce = long(coder, column::AUTHORIZATION_NONCES, [0; 2], item.nonce)?;
        let mut r: [u8; 32] = item.r.to_be_bytes();
        let mut s = s;
        if !plain {
            s[0] |= item.y_parity << 7;
        }
        coder.raw(&mut r)?;
        coder.raw(&mut s)?;
        if plain {
            let mut parity = [item.y_parity];
            coder.raw(&mut parity)?;
            item.y_parity = parity[0];
            if s[0] & 0x80 == 0 && item.y_parity <= 1 {
                return Err(Reason::NotCanonical);
            }
        } else {
            item.y_parity = s[0] >> 7;
            s[0] &= 0x7f;
        }
        (item.r, item.s) = (U256::from_be_bytes(r), U256::from_be_bytes(s));
        Ok(())
    }

    fn spend(&mut self, count: usize, bytes: usize) -> Result<(), Reason> {
        self.budget = self.budget.checked_sub(count.saturating_mul(bytes)).ok_or(Reason::Ratio)?; // BAT-041
        Ok(())
    }
}

fn kinds<C: Coder>(coder: &mut C, txs: &mut [Fields], keys: &mut [Keys]) -> Result<(), Reason> {
    let (mut last, mut before) = (0, 0);
    for (tx, keys) in txs.iter_mut().zip(keys) {
        let kind = (tx.kind as u32) << 1 | u32::from(tx.to.is_none());
        let contexts = [
            context(&[column::KINDS, 1]),
            context(&[column::KINDS, 2, last]),
            context(&[column::KINDS, 3, last, before]),
        ];
        let kind = coder.symbol(kind, 4, &contexts, column::KINDS as usize)?;
        tx.kind = *Kind::ALL.get((kind >> 1) as usize).ok_or(Reason::Field)?;
        let creates = kind & 1 == 1;
        if creates && tx.kind == Kind::Eip7702 {
            return Err(Reason::Field);
        }
        tx.to = (!creates).then(|| tx.to.unwrap_or_default());
        keys.kind = kind;
        (last, before) = (kind, last);
    }
    Ok(())
}

fn nonces<C: Coder>(coder: &mut C, txs: &mut [Fields], keys: &[Keys]) -> Result<(), Reason> {
    let mut expected = Expected::default();
    for (tx, keys) in txs.iter_mut().zip(keys) {
        tx.nonce = expected.code(coder, column::NONCES, keys.to, tx.nonce)?;
    }
    Ok(())
}

/// Priority fees, then how much the maximum fee is above them; a gas price stands with the former.
fn fees<C: Coder>(coder: &mut C, txs: &mut [Fields], keys: &[Keys]) -> Result<(), Reason> {
    let (mut tips, mut headrooms) = (Repeats::default(), Repeats::default());
    for (tx, keys) in txs.iter_mut().zip(keys) {
        let headroom = tx.max_fee_wei.wrapping_sub(tx.tip_wei);
        tx.tip_wei = tips.code(coder, column::TIPS, [keys.kind, keys.to], tx.tip_wei)?;
        let headroom = if tx.kind.has_two_fees() {
            headrooms.code(coder, column::HEADROOMS, [keys.kind, keys.to], headroom)?
        } else {
            0
        };
        tx.max_fee_wei = tx.tip_wei.checked_add(headroom).ok_or(Reason::Field)?;
    }
    Ok(())
}

fn gas_limits<C: Coder>(coder: &mut C, txs: &mut [Fields], keys: &[Keys]) -> Result<(), Reason> {
    let mut repeats = Repeats::default();
    for (tx, keys) in txs.iter_mut().zip(keys) {
        let keys = [keys.call, context(&[keys.to, keys.call])];
        let value = repeats.code(coder, column::GAS_LIMITS, keys, u128::from(tx.gas_limit))?;
        tx.gas_limit = u64::try_from(value).map_err(|_| Reason::Field)?;
    }
    Ok(())
}

/// Values; those above 128 bits are rare and stand plain (BAT-031).
fn values<C: Coder>(coder: &mut C, txs: &mut [Fields], keys: &[Keys]) -> Result<(), Reason> {
    let mut repeats = Repeats::default();
    for (tx, keys) in txs.iter_mut().zip(keys) {
        let keys = [keys.call, context(&[keys.to, keys.call])];
        let value = u128::try_from(tx.value_wei).ok();
        let large = coder.symbol(
            u32::from(value.is_none()),
            1,
            &[context(&[column::LARGE])],
            column::LARGE as usize,
        )?;
        tx.value_wei = if large == 1 {
            let mut bytes: [u8; 32] = tx.value_wei.to_be_bytes();
            coder.raw(&mut bytes)?;
            let value = U256::from_be_bytes(bytes);
            if u128::try_from(value).is_ok() {
                return Err(Reason::NotCanonical);
            }
            value
        } else {
            U256::from(repeats.code(coder, column::VALUES, keys, value.unwrap_or_default())?)
        };
    }
    Ok(())
}

fn signatures<C: Coder>(coder: &mut C, txs: &mut [Fields]) -> Result<(), Reason> {
    for tx in txs {
        coder.raw(&mut tx.r)?;
        coder.raw(&mut tx.s)?;
    }
    Ok(())
}
