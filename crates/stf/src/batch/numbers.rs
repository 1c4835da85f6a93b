//! Numbers, and lists of what was there before.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use super::{
    Reason,
    coder::{Coder, context},
};

/// Bits of a number below its highest that are predicted; the rest is plain (BAT-030).
const PREDICTED_BITS: u32 = 8;
/// Bits of an index into a dictionary.
const INDEX_BITS: u32 = 16;
/// Entries of a dictionary; index 0 is "not in it" (BAT-032).
const MAX_ENTRIES: usize = (1 << INDEX_BITS) - 1;
/// Bits of a place in a short list.
const PLACE_BITS: u32 = 8;
/// Entries of a short list; place 0 is "not in it" (BAT-031, BAT-033).
const MAX_PLACES: usize = (1 << PLACE_BITS) - 1;
/// Most decimal zeros at the end of a number of 128 bits.
const MAX_ZEROS: u32 = 38;

/// A number: its bit length, predicted from the column and two keys, then its bits (BAT-030).
pub(super) fn number<C: Coder>(
    coder: &mut C,
    column: u32,
    keys: [u32; 2],
    value: u128,
) -> Result<u128, Reason> {
    let set = column as usize;
    let contexts = [context(&[column, 1]), context(&[column, 2, keys[0]]), context(&[column, 3, keys[1]])];
    let length = coder.symbol(128 - value.leading_zeros(), 8, &contexts, set)?;
    if length > 128 {
        return Err(Reason::Field);
    }
    if length < 2 {
        return Ok(u128::from(length));
    }
    let predicted = (length - 1).min(PREDICTED_BITS);
    let rest = length - 1 - predicted;
    let contexts = [context(&[column, 4, length]), context(&[column, 5, length, keys[0]])];
    let high = (value >> rest) as u32 & ((1 << predicted) - 1);
    let high = coder.symbol(high, predicted, &contexts, set)?;
    Ok((1 << predicted | u128::from(high)) << rest | plain(coder, value, rest)?)
}

/// The lowest `bits` bits of a number, at most 128.
fn plain<C: Coder>(coder: &mut C, value: u128, bits: u32) -> Result<u128, Reason> {
    let low = bits.min(64);
    let mask = |bits: u32| if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
    let upper = coder.plain((value >> low) as u64 & mask(bits - low), bits - low)?;
    let lower = coder.plain(value as u64 & mask(low), low)?;
    Ok(u128::from(upper) << low | u128::from(lower))
}

/// A number as people write it: how many decimal zeros it ends in, then the rest (BAT-031).
pub(super) fn round<C: Coder>(
    coder: &mut C,
    column: u32,
    keys: [u32; 2],
    value: u128,
) -> Result<u128, Reason> {
    let (mut digits, mut zeros) = (value, 0);
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
        zeros += 1;
    }
    let contexts = [context(&[column, 6]), context(&[column, 7, keys[0]]), context(&[column, 8, keys[1]])];
    let zeros = coder.symbol(zeros, 6, &contexts, column as usize)?;
    if zeros > MAX_ZEROS {
        return Err(Reason::Field);
    }
    let digits = number(coder, column, [context(&[keys[0], zeros]), zeros], digits)?;
    if digits % 10 == 0 && (zeros > 0 || digits > 0) {
        return Err(Reason::NotCanonical);
    }
    10u128.checked_pow(zeros).and_then(|power| digits.checked_mul(power)).ok_or(Reason::Field)
}

/// The last distinct values of a column, each at a place that it keeps (BAT-031).
#[derive(Debug, Default)]
pub(super) struct Repeats {
    values: Vec<u128>,
    next: usize,
    last: u32,
}

impl Repeats {
    /// A value: its place, or place 0 and the value as a round number.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        column: u32,
        keys: [u32; 2],
        value: u128,
    ) -> Result<u128, Reason> {
        let known = if C::IS_DECODER { 0 } else { self.place(value) };
        let contexts = [
            context(&[column, 9]),
            context(&[column, 10, keys[0]]),
            context(&[column, 11, keys[1]]),
            context(&[column, 12, self.last]),
        ];
        let place = coder.symbol(known, PLACE_BITS, &contexts, column as usize)?;
        self.last = place;
        if place > 0 {
            return self.values.get(place as usize - 1).copied().ok_or(Reason::Field);
        }
        let value = round(coder, column, keys, value)?;
        if C::IS_DECODER && self.place(value) > 0 {
            return Err(Reason::NotCanonical);
        }
        if self.values.len() < MAX_PLACES {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
            self.next = (self.next + 1) % MAX_PLACES;
        }
        Ok(value)
    }

    fn place(&self, value: u128) -> u32 {
        self.values.iter().position(|known| *known == value).map_or(0, |index| index as u32 + 1)
    }
}

/// Nonces that the senders seen so far would use next, oldest first. Who they are is not known
/// before signatures are recovered (BAT-033).
#[derive(Debug, Default)]
pub(super) struct Expected {
    nonces: VecDeque<u64>,
    last: u32,
    last_nonce: u64,
}

impl Expected {
    /// A nonce: the place of the first that is expected to be it, or place 0 and the nonce.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        column: u32,
        key: u32,
        nonce: u64,
    ) -> Result<u64, Reason> {
        let known = if C::IS_DECODER { 0 } else { self.place(nonce) };
        let contexts =
            [context(&[column, 9]), context(&[column, 10, key]), context(&[column, 12, self.last])];
        let place = coder.symbol(known, PLACE_BITS, &contexts, column as usize)?;
        self.last = place;
        let nonce = if place > 0 {
            let nonce = *self.nonces.get(place as usize - 1).ok_or(Reason::Field)?;
            if self.place(nonce) != place {
                return Err(Reason::NotCanonical);
            }
            self.nonces.remove(place as usize - 1);
            nonce
        } else {
            let length = 64 - self.last_nonce.leading_zeros();
            let nonce = number(coder, column, [key, length], u128::from(nonce))?;
            let nonce = u64::try_from(nonce).map_err(|_| Reason::Field)?;
            if C::IS_DECODER && self.place(nonce) > 0 {
                return Err(Reason::NotCanonical);
            }
            nonce
        };
        if self.nonces.len() == MAX_PLACES {
            self.nonces.pop_front();
        }
        self.nonces.push_back(nonce.wrapping_add(1));
        self.last_nonce = nonce;
        Ok(nonce)
    }

    fn place(&self, nonce: u64) -> u32 {
        self.nonces.iter().position(|expected| *expected == nonce).map_or(0, |index| index as u32 + 1)
    }
}

/// Byte strings by order of appearance (BAT-032).
#[derive(Debug)]
pub(super) struct Dictionary<const N: usize> {
    column: u32,
    entries: Vec<[u8; N]>,
    indices: BTreeMap<[u8; N], u32>,
    last: [u32; 2],
}

impl<const N: usize> Dictionary<N> {
    pub(super) fn new(column: u32) -> Self {
        Self { column, entries: Vec::new(), indices: BTreeMap::new(), last: [0; 2] }
    }

    /// Index of a string, 0 if it is not there.
    pub(super) fn find(&self, value: &[u8; N]) -> u32 {
        self.indices.get(value).copied().unwrap_or_default()
    }

    /// Takes up a string that is not there; its index, 0 when there is no room.
    pub(super) fn insert(&mut self, value: [u8; N]) -> u32 {
        if self.entries.len() == MAX_ENTRIES {
            return 0;
        }
        self.entries.push(value);
        let index = self.entries.len() as u32;
        self.indices.insert(value, index);
        index
    }

    /// An index, 0 for "not there".
    pub(super) fn index<C: Coder>(
        &mut self,
        coder: &mut C,
        keys: [u32; 2],
        index: u32,
    ) -> Result<(u32, [u8; N]), Reason> {
        let column = self.column;
        let contexts = [
            context(&[column, 1]),
            context(&[column, 2, keys[0]]),
            context(&[column, 3, keys[1]]),
            context(&[column, 4, self.last[0]]),
        ];
        let index = coder.symbol(index, INDEX_BITS, &contexts, column as usize)?;
        self.last = [index, self.last[0]];
        match index.checked_sub(1) {
            None => Ok((0, [0; N])),
            Some(at) => Ok((index, *self.entries.get(at as usize).ok_or(Reason::Field)?)),
        }
    }

    /// A string by its index, or index 0 and its bytes, which from then on have an index.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        keys: [u32; 2],
        value: [u8; N],
    ) -> Result<(u32, [u8; N]), Reason> {
        let known = if C::IS_DECODER { 0 } else { self.find(&value) };
        let (index, entry) = self.index(coder, keys, known)?;
        if index > 0 {
            return Ok((index, entry));
        }
        let mut value = value;
        coder.raw(&mut value)?;
        if C::IS_DECODER && self.find(&value) > 0 {
            return Err(Reason::NotCanonical);
        }
        Ok((self.insert(value), value))
    }
}
