//! Adaptive arithmetic coding of small numbers under several contexts, the same text for both
//! directions (BAT-020 to BAT-024).
//!
//! A value goes in when encoding and comes out when decoding, so one function describes a format
//! both ways, and the two cannot drift apart: see [`Coder`].

use alloc::{vec, vec::Vec};

use super::{
    Reason,
    logistic::{STRETCH, squash},
};

/// log2 of the number of slots that predictions are kept in.
const SLOT_BITS: u32 = 22;
/// A slot that nothing is known of: one half, no observation. Slots are kept as what differs from it,
/// so that memory which is zero anyway serves.
const FRESH: u32 = 1 << 31;
/// Observations after which a slot stops to slow down.
const MOST_OBSERVATIONS: u32 = 255;
/// Weight that each context of a symbol starts with, in 65536ths.
const FIRST_WEIGHT: i32 = 26_000;
/// How fast weights follow their error.
const LEARNING_RATE: i32 = 10;
/// Most contexts of one symbol.
pub(super) const MAX_CONTEXTS: usize = 6;
/// Sets of weights.
const SETS: usize = 64;
/// Weights of a set: four for each context, by how often its slot was seen.
const SET_WEIGHTS: usize = MAX_CONTEXTS * LANES;
const LANES: usize = 4;

/// One direction of the coder. Each function takes the value to encode and answers it, or ignores
/// what it is given and answers the value decoded.
pub(super) trait Coder {
    /// Whether values come out rather than go in.
    const IS_DECODER: bool;

    /// A number below `2^bits`, most significant bit first, predicted from up to six contexts.
    /// `set` picks the weights that say how far each context is to be trusted.
    fn symbol(&mut self, value: u32, bits: u32, contexts: &[u32], set: usize) -> Result<u32, Reason>;

    /// A number below `2^bits`, bits at most 64, each value as likely as the other.
    fn plain(&mut self, value: u64, bits: u32) -> Result<u64, Reason>;

    /// Bytes of which nothing is known, kept apart from what is coded.
    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Reason>;
}

/// A hash of a few numbers, for contexts (BAT-022).
pub(super) fn context(parts: &[u32]) -> u32 {
    parts.iter().fold(0x9e37_79b9, |hash: u32, part| {
        (hash ^ part).wrapping_mul(0x85eb_ca6b).rotate_left(15).wrapping_mul(0xc2b2_ae35)
    })
}

/// What both directions know of the past.
struct Model {
    /// Probability of a one in the upper 22 bits, observations in the lower 10; XOR [`FRESH`].
    slots: Vec<u32>,
    weights: Vec<i32>,
    /// `65536 / (n + 1.5)`, by observations.
    rates: Vec<u32>,
    /// Of the prediction at hand: its slots, weights and stretched probabilities.
    at: [usize; MAX_CONTEXTS],
    weight_at: [usize; MAX_CONTEXTS],
    stretched: [i32; MAX_CONTEXTS],
    count: usize,
    probability: u32,
}

impl Model {
    fn new() -> Self {
        Self {
            slots: vec![0; 1 << SLOT_BITS],
            weights: vec![FIRST_WEIGHT; SETS * SET_WEIGHTS],
            rates: (0..=MOST_OBSERVATIONS).map(|n| (65_536 * 2) / (2 * n + 3)).collect(),
            at: [0; MAX_CONTEXTS],
            weight_at: [0; MAX_CONTEXTS],
            stretched: [0; MAX_CONTEXTS],
            count: 0,
            probability: 0,
        }
    }

    /// Probability that the next bit is one, in 65536ths, never 0 or 65536 (BAT-022, BAT-023).
    fn predict(&mut self, node: u32, contexts: &[u32], set: usize) -> u32 {
        self.count = contexts.len().min(MAX_CONTEXTS);
        let mut sum = 0i64;
        for (index, context) in contexts.iter().take(MAX_CONTEXTS).enumerate() {
            let at = slot_of(*context, node);
            let slot = self.slots[at] ^ FRESH;
            let stretched = i32::from(STRETCH[(slot >> 20) as usize]);
            let weight_at = (set % SETS) * SET_WEIGHTS + index * LANES + lane(slot & 1023);
            (self.at[index], self.weight_at[index], self.stretched[index]) = (at, weight_at, stretched);
            sum += i64::from(self.weights[weight_at]) * i64::from(stretched);
        }
        let limit = i64::from(super::logistic::LIMIT);
        self.probability = squash((sum >> 16).clamp(-limit, limit) as i32);
        self.probability
    }

    /// Has the slots brought near that the bits after this node may need: they lie anywhere in 16 MiB, and
    /// waiting for them is most of what reading noise takes.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    fn prefetch(&self, node: u32, contexts: &[u32]) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for context in contexts.iter().take(MAX_CONTEXTS) {
            for node in [node << 1, node << 1 | 1] {
                let slot = &raw const self.slots[slot_of(*context, node)];
                // SAFETY: a hint about an address, here one of the slots; it reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(slot.cast()) };
            }
        }
    }

    #[cfg(not(all(feature = "std", target_arch = "x86_64")))]
    fn prefetch(&self, _: u32, _: &[u32]) {}

    /// Learns what the bit was (BAT-024).
    fn learn(&mut self, bit: u32) {
        let error = ((bit << 16) as i32 - self.probability as i32) * LEARNING_RATE;
        for index in 0..self.count {
            let change = (i64::from(self.stretched[index]) * i64::from(error) + 0x8_0000) >> 20;
            let weight = &mut self.weights[self.weight_at[index]];
            *weight = (*weight + change as i32).clamp(-(1 << 20), 1 << 20);
            let slot = &mut self.slots[self.at[index]];
            let (probability, seen) = (((*slot ^ FRESH) >> 10) as i32, *slot & 1023);
            let target = if bit == 1 { (1 << 22) - 1 } else { 0 };
            let step = (i64::from(target - probability) * i64::from(self.rates[seen as usize])) >> 16;
            let seen = (seen + 1).min(MOST_OBSERVATIONS);
            *slot = (((probability + step as i32) as u32) << 10 | seen) ^ FRESH;
        }
    }
}

/// The slot of a context at a node (BAT-022).
fn slot_of(context: u32, node: u32) -> usize {
    let hash = (context ^ node.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b);
    (hash >> (32 - SLOT_BITS)) as usize
}

/// Which of a context's weights a slot uses after so many observations (BAT-023).
fn lane(observations: u32) -> usize {
    match observations {
        0..=1 => 0,
        2..=4 => 1,
        5..=20 => 2,
        _ => 3,
    }
}

/// Where an interval of width `high - low` is cut for a one of this probability in 65536ths.
fn cut(low: u32, high: u32, probability: u32) -> u32 {
    low + ((u64::from(high - low) * u64::from(probability)) >> 16) as u32
}

/// Writes.
pub(super) struct Encoder {
    model: Model,
    low: u32,
    high: u32,
    coded: Vec<u8>,
    raw: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { model: Model::new(), low: 0, high: u32::MAX, coded: Vec::new(), raw: Vec::new() }
    }

    fn bit(&mut self, bit: u32, probability: u32) {
        let cut = cut(self.low, self.high, probability);
        if bit == 1 {
            self.high = cut;
        } else {
            self.low = cut + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.coded.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
    }

    /// The coded part and the raw part (BAT-025).
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.coded.extend(last_byte(self.low));
        (self.coded, self.raw)
    }
}

/// The byte that ends the coded part: the shortest number within the last interval.
fn last_byte(low: u32) -> Option<u8> {
    (low != 0).then_some((low >> 24) as u8 + 1)
}

impl Coder for Encoder {
    const IS_DECODER: bool = false;

    fn symbol(&mut self, value: u32, bits: u32, contexts: &[u32], set: usize) -> Result<u32, Reason> {
        let mut node = 1;
        for place in (0..bits).rev() {
            let bit = value >> place & 1;
            let probability = self.model.predict(node, contexts, set);
            self.bit(bit, probability);
            self.model.learn(bit);
            node = node << 1 | bit;
        }
        Ok(value)
    }

    fn plain(&mut self, value: u64, bits: u32) -> Result<u64, Reason> {
        for place in (0..bits).rev() {
            self.bit((value >> place & 1) as u32, 1 << 15);
        }
        Ok(value)
    }

    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Reason> {
        self.raw.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads.
pub(super) struct Decoder<'a> {
    model: Model,
    low: u32,
    high: u32,
    value: u32,
    coded: &'a [u8],
    /// Bytes taken from `coded`, those past its end counted.
    taken: usize,
    raw: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(coded: &'a [u8], raw: &'a [u8]) -> Self {
        let mut decoder =
            Self { model: Model::new(), low: 0, high: u32::MAX, value: 0, coded, taken: 0, raw };
        for _ in 0..4 {
            decoder.take();
        }
        decoder
    }

    fn take(&mut self) {
        let byte = self.coded.get(self.taken).copied().unwrap_or_default();
        self.value = self.value << 8 | u32::from(byte);
        self.taken += 1;
    }

    fn bit(&mut self, probability: u32) -> Result<u32, Reason> {
        let cut = cut(self.low, self.high, probability);
        let bit = u32::from(self.value <= cut);
        if bit == 1 {
            self.high = cut;
        } else {
            self.low = cut + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.take();
            // The encoder had written all bytes before these four.
            if self.taken - 4 > self.coded.len() {
                return Err(Reason::Truncated);
            }
        }
        Ok(bit)
    }

    /// Bytes of the raw part that were not taken.
    pub(super) fn left(&self) -> usize {
        self.raw.len()
    }

    /// Checks that both parts end here and in the one way that an encoder ends them (BAT-025), the raw part
    /// with so many zeros (BAT-045).
    pub(super) fn finish(self, zeros: usize) -> Result<(), Reason> {
        let last = last_byte(self.low);
        let expected = self.taken - 4 + usize::from(last.is_some());
        if expected > self.coded.len() {
            return Err(Reason::Truncated);
        }
        if expected < self.coded.len() || self.raw.len() != zeros {
            return Err(Reason::TrailingBytes);
        }
        let is_otherwise = last.is_some_and(|byte| self.coded.last() != Some(&byte));
        if is_otherwise || self.raw.iter().any(|byte| *byte != 0) {
            return Err(Reason::NotCanonical);
        }
        Ok(())
    }
}

impl Coder for Decoder<'_> {
    const IS_DECODER: bool = true;

    fn symbol(&mut self, _: u32, bits: u32, contexts: &[u32], set: usize) -> Result<u32, Reason> {
        let mut node = 1;
        for left in (0..bits).rev() {
            let probability = self.model.predict(node, contexts, set);
            if left > 0 {
                self.model.prefetch(node, contexts);
            }
            let bit = self.bit(probability)?;
            self.model.learn(bit);
            node = node << 1 | bit;
        }
        Ok(node & ((1 << bits) - 1))
    }

    fn plain(&mut self, _: u64, bits: u32) -> Result<u64, Reason> {
        let mut value = 0;
        for _ in 0..bits {
            value = value << 1 | u64::from(self.bit(1 << 15)?);
        }
        Ok(value)
    }

    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Reason> {
        let (taken, rest) = self.raw.split_at_checked(bytes.len()).ok_or(Reason::Truncated)?;
        bytes.copy_from_slice(taken);
        self.raw = rest;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Codes symbols of the sets from `first_set` on as whatever is predicted least, others as they are
    /// given, and counts what that costs.
    pub(in crate::batch) struct Adversary {
        model: Model,
        first_set: usize,
        bits: f64,
    }

    impl Adversary {
        pub(in crate::batch) fn new(first_set: usize) -> Self {
            Self { model: Model::new(), first_set, bits: 0.0 }
        }

        pub(in crate::batch) fn bytes(&self) -> f64 {
            self.bits / 8.0
        }
    }

    impl Coder for Adversary {
        const IS_DECODER: bool = false;

        fn symbol(&mut self, value: u32, bits: u32, contexts: &[u32], set: usize) -> Result<u32, Reason> {
            let mut node = 1;
            for place in (0..bits).rev() {
                let one = self.model.predict(node, contexts, set);
                let is_last_of_zeros = place == 0 && node == 1 << (bits - 1);
                let bit = match set >= self.first_set {
                    // A word's first byte is not zero.
                    true => u32::from(one < 1 << 15 || is_last_of_zeros),
                    false => value >> place & 1,
                };
                let likely = if bit == 1 { one } else { 65_536 - one };
                self.bits -= (f64::from(likely) / 65_536.0).log2();
                self.model.learn(bit);
                node = node << 1 | bit;
            }
            Ok(node & ((1 << bits) - 1))
        }

        fn plain(&mut self, value: u64, bits: u32) -> Result<u64, Reason> {
            self.bits += f64::from(bits);
            Ok(value)
        }

        fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Reason> {
            self.bits += bytes.len() as f64 * 8.0;
            Ok(())
        }
    }
}
