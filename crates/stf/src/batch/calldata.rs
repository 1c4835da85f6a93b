//! Calldata: as calls of the contract ABI where it has their length, else as bytes (BAT-034).

use alloc::{collections::BTreeMap, vec, vec::Vec};

use super::{
    Reason,
    coder::{Coder, context},
    numbers::{Dictionary, number},
};

const CLASS: u32 = 20;
const SELECTOR: u32 = 21;
const WORDS: u32 = 22;
const LENGTH: u32 = 23;
const TOKEN: u32 = 24;
/// Sets of weights of bytes begin here: four for words, four for other bytes.
const BYTES: u32 = 40;

/// Bytes of an ABI word.
const WORD: usize = 32;
/// Token of a word that stands in the dictionary of words.
const KNOWN: u32 = 33;
/// Least bytes of a word that the dictionary of words takes up.
const LEAST_KNOWN: usize = 8;
/// Bytes of an address in a word.
const ADDRESS: usize = 20;
/// Bytes that a repetition is looked up by.
const REPEAT: usize = 5;
const REPEAT_BITS: u32 = 16;

/// What calls hold and have held.
pub(super) struct Calls {
    words: Dictionary<WORD>,
    /// By recipient and selector: where the last such call begins in `history`, and its length.
    last_call: BTreeMap<(u32, u32), (usize, usize)>,
    last_class: u32,
    history: History,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            words: Dictionary::new(25),
            last_call: BTreeMap::new(),
            last_class: 0,
            history: History::new(),
        }
    }

    /// Calldata of a call to the recipient with this index; `budget` is how many bytes may still
    /// come. Answers the selector, 0 if there is none.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        addresses: &mut Dictionary<ADDRESS>,
        to: u32,
        data: &mut Vec<u8>,
        budget: &mut usize,
    ) -> Result<u32, Reason> {
        let length = data.len();
        let class = match length {
            0 => 0,
            _ if length % WORD == 4 => 1,
            _ => 2,
        };
        let contexts =
            [context(&[CLASS, 1, to]), context(&[CLASS, 2, self.last_class]), context(&[CLASS, 3])];
        let class = coder.symbol(class, 2, &contexts, CLASS as usize)?;
        self.last_class = class;
        match class {
            0 => Ok(0),
            1 => self.call(coder, addresses, to, data, budget),
            2 => {
                let length = number(coder, LENGTH, [to, 0], length as u128)?;
                let length = usize::try_from(length).map_err(|_| Reason::Ratio)?;
                if length == 0 || length % WORD == 4 {
                    return Err(Reason::NotCanonical);
                }
                self.history.begin(budget, length)?;
                data.resize(length, 0);
                for byte in data.iter_mut() {
                    *byte = self.history.free_byte(coder, to, *byte)?;
                }
                Ok(0)
            }
            _ => Err(Reason::Field),
        }
    }

    fn call<C: Coder>(
        &mut self,
        coder: &mut C,
        addresses: &mut Dictionary<ADDRESS>,
        to: u32,
        data: &mut Vec<u8>,
        budget: &mut usize,
    ) -> Result<u32, Reason> {
        let length = data.len();
        if C::IS_DECODER {
            data.resize(4, 0);
        }
        let mut selector = 1;
        for byte in data.iter_mut().take(4) {
            let contexts = [context(&[SELECTOR, 1, to, selector]), context(&[SELECTOR, 2, selector])];
            *byte = coder.symbol(u32::from(*byte), 8, &contexts, SELECTOR as usize)? as u8;
            selector = selector << 8 | u32::from(*byte);
        }
        let selector = context(&[selector]);
        let words = length.saturating_sub(4) / WORD;
        let words = number(coder, WORDS, [selector, context(&[to, selector])], words as u128)?;
        let length =
            usize::try_from(words).ok().and_then(|words| words.checked_mul(WORD)).ok_or(Reason::Ratio)?;
        self.history.begin(budget, length + 4)?;
        data.resize(4 + length, 0);
        let begin = self.history.bytes.len();
        let above = self.last_call.insert((to, selector), (begin, length)).unwrap_or_default();
        let mut tokens = [0; 2];
        for (index, place) in (4..data.len()).step_by(WORD).enumerate() {
            let mut word = [0; WORD];
            word.copy_from_slice(&data[place..place + WORD]);
            let at = context(&[selector, index as u32]);
            let above = (index * WORD < above.1).then(|| above.0 + index * WORD);
            let token = self.word(coder, addresses, to, at, above, tokens, &mut word)?;
            tokens = [token, tokens[0]];
            data[place..place + WORD].copy_from_slice(&word);
        }
        Ok(selector)
    }

    /// A word at place `at`; `above` is where the last call of the kind holds the word of the place.
    #[expect(clippy::too_many_arguments, reason = "a word's surroundings")]
    pub(super) fn word<C: Coder>(
        &mut self,
        coder: &mut C,
        addresses: &mut Dictionary<ADDRESS>,
        to: u32,
        at: u32,
        above: Option<usize>,
        tokens: [u32; 2],
        word: &mut [u8; WORD],
    ) -> Result<u32, Reason> {
        let significant = significant(word);
        let known = if C::IS_DECODER || significant < LEAST_KNOWN || significant == ADDRESS {
            0
        } else {
            self.words.find(word)
        };
        let above_word: [u8; WORD] = above
            .and_then(|place| self.history.bytes.get(place..place + WORD)?.try_into().ok())
            .unwrap_or_default();
        let above_significant = if above.is_some() { significant_token(&above_word) } else { 63 };
        let contexts = [
            context(&[TOKEN, 1, at]),
            context(&[TOKEN, 2, at, to]),
            context(&[TOKEN, 3, tokens[0], tokens[1]]),
            context(&[TOKEN, 4, at, above_significant, tokens[0]]),
        ];
        let token = if known > 0 { KNOWN } else { significant as u32 };
        let token = coder.symbol(token, 6, &contexts, TOKEN as usize)?;
        match token {
            KNOWN => {
                let (index, found) = self.words.index(coder, [at, context(&[at, to])], known)?;
                if index == 0 {
                    return Err(Reason::NotCanonical);
                }
                *word = found;
                self.history.extend(word);
            }
            20 => {
                let mut address = [0; ADDRESS];
                address.copy_from_slice(&word[WORD - ADDRESS..]);
                let (_, address) = addresses.code(coder, [at, context(&[at, to])], address)?;
                if address[0] == 0 {
                    return Err(Reason::NotCanonical);
                }
                word[WORD - ADDRESS..].copy_from_slice(&address);
                self.history.extend(word);
            }
            0..=32 => {
                let significant = token as usize;
                for index in 0..WORD {
                    if index < WORD - significant {
                        self.history.push(0);
                        continue;
                    }
                    let surroundings = Surroundings {
                        at,
                        from_end: (WORD - index) as u32,
                        significant: token,
                        above: above_word[index],
                    };
                    word[index] = self.history.word_byte(coder, &surroundings, word[index])?;
                }
                if significant > 0 && word[WORD - significant] == 0 {
                    return Err(Reason::NotCanonical);
                }
                if significant >= LEAST_KNOWN {
                    if C::IS_DECODER && self.words.find(word) > 0 {
                        return Err(Reason::NotCanonical);
                    }
                    self.words.insert(*word);
                }
            }
            _ => return Err(Reason::Field),
        }
        Ok(token)
    }
}

/// Bytes of a word without the zeros before them.
fn significant(word: &[u8; WORD]) -> usize {
    word.iter().position(|byte| *byte != 0).map_or(0, |zeros| WORD - zeros)
}

fn significant_token(word: &[u8; WORD]) -> u32 {
    significant(word) as u32
}

/// Where a byte stands in a word.
struct Surroundings {
    at: u32,
    from_end: u32,
    significant: u32,
    above: u8,
}

/// All calldata so far, and the repetition that may be under way.
struct History {
    bytes: Vec<u8>,
    /// Where the last occurrence of some bytes ended, by their hash.
    ends: Vec<u32>,
    /// Place of the byte that would go on repeating, 0 if none.
    repeat: usize,
    repeated: u32,
}

impl History {
    fn new() -> Self {
        Self { bytes: vec![0], ends: vec![0; 1 << REPEAT_BITS], repeat: 0, repeated: 0 }
    }

    /// Takes `length` bytes from what may still come.
    fn begin(&mut self, budget: &mut usize, length: usize) -> Result<(), Reason> {
        *budget = budget.checked_sub(length).ok_or(Reason::Ratio)?; // BAT-041
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        if self.repeat > 0 && self.bytes[self.repeat] == byte {
            (self.repeat, self.repeated) = (self.repeat + 1, self.repeated + 1);
        } else {
            (self.repeat, self.repeated) = (0, 0);
        }
        let Some(last) = self.bytes.last_chunk::<REPEAT>() else { return };
        let [a, b, c, d, e] = *last;
        let slot =
            (context(&[u32::from_le_bytes([a, b, c, d]), u32::from(e)]) >> (32 - REPEAT_BITS)) as usize;
        if self.repeat == 0 {
            self.repeat = self.ends[slot] as usize;
        }
        self.ends[slot] = self.bytes.len() as u32;
    }

    fn behind(&self, distance: usize) -> u32 {
        self.bytes.len().checked_sub(distance).map_or(0, |at| u32::from(self.bytes[at]))
    }

    /// What a repetition foretells: the byte, and how long it has held.
    fn foretold(&self) -> (u32, u32) {
        if self.repeat == 0 {
            (0, 0)
        } else {
            (u32::from(self.bytes[self.repeat]) + 1, self.repeated.min(15))
        }
    }

    /// A byte of a word.
    fn word_byte<C: Coder>(
        &mut self,
        coder: &mut C,
        surroundings: &Surroundings,
        byte: u8,
    ) -> Result<u8, Reason> {
        let &Surroundings { at, from_end, significant, above } = surroundings;
        let (foretold, held) = self.foretold();
        let (one, two, three) = (self.behind(1), self.behind(2), self.behind(3));
        let contexts = [
            context(&[BYTES, 1, at, from_end, one]),
            context(&[BYTES, 2, significant, from_end, one]),
            context(&[BYTES, 3, one, two]),
            context(&[BYTES, 4, at, from_end, u32::from(above)]),
            context(&[BYTES, 5, one, two, three]),
            context(&[BYTES, 6, foretold, held]),
        ];
        let set = BYTES + (held > 0) as u32 + (held > 8) as u32;
        let byte = coder.symbol(u32::from(byte), 8, &contexts, set as usize)? as u8;
        self.push(byte);
        Ok(byte)
    }

    /// A byte of data that is no call.
    fn free_byte<C: Coder>(&mut self, coder: &mut C, to: u32, byte: u8) -> Result<u8, Reason> {
        let (foretold, held) = self.foretold();
        let (one, two, three, four) = (self.behind(1), self.behind(2), self.behind(3), self.behind(4));
        let contexts = [
            context(&[BYTES, 7, one]),
            context(&[BYTES, 8, one, two]),
            context(&[BYTES, 5, one, two, three]),
            context(&[BYTES, 9, one, two, three, four]),
            context(&[BYTES, 6, foretold, held]),
            context(&[BYTES, 10, to]),
        ];
        let set = BYTES + 4 + (held > 0) as u32 + (held > 8) as u32;
        let byte = coder.symbol(u32::from(byte), 8, &contexts, set as usize)? as u8;
        self.push(byte);
        Ok(byte)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::batch::coder::tests::Adversary;

    /// Bytes that the coder takes for each byte of the worst calldata there is, as far as choosing
    /// against each prediction finds it.
    fn worst(data: &[u8], calls: usize) -> f64 {
        let mut adversary = Adversary::new(BYTES as usize);
        let (mut all, mut addresses) = (Calls::new(), Dictionary::new(6));
        for to in 0..calls as u32 {
            let part = &mut data.to_vec();
            all.code(&mut adversary, &mut addresses, to % 7, part, &mut { usize::MAX }).unwrap();
        }
        adversary.bytes() / (data.len() * calls) as f64
    }

    #[test]
    fn calldata_against_every_prediction_stays_within_the_bound_of_a_transaction() {
        let free = worst(&vec![1; 100_000], 4);
        let words = worst(&vec![1; 4 + 32 * 3000], 4);
        let short = worst(&[1; 37], 4000);
        println!("worst bytes for each byte: {free:.3} free, {words:.3} in words, {short:.3} in short data");
        assert!(free.max(words).max(short) < 1.01, "BAT-043");
        assert!(free > 0.99, "the adversary chooses badly");
    }
}
