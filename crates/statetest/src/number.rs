//! Numbers and bytes in the spellings that test files use.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes, U256, U512, hex};
use serde::{Deserialize, Deserializer, de};

/// A non-negative integer of up to 512 bits: wider than any field of a transaction, so that a value
/// too large for its field is told from a malformed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number(pub U512);

impl Number {
    /// The value, `None` above 256 bits.
    pub fn word(self) -> Option<U256> {
        let limbs = self.0.into_limbs();
        limbs[4..]
            .iter()
            .all(|limb| *limb == 0)
            .then(|| U256::from_limbs([limbs[0], limbs[1], limbs[2], limbs[3]]))
    }

    /// The value, 2^256 - 1 above 256 bits.
    pub fn saturating_word(self) -> U256 {
        self.word().unwrap_or(U256::MAX)
    }
}

impl FromStr for Number {
    type Err = String;

    /// Reads hex with `0x` (an odd number of digits, none, or leading zeros alike), decimal without,
    /// and either behind `0x:bigint `.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_prefix("0x:bigint").map_or(text, str::trim_start);
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some("") => return Ok(Self::default()),
            Some(digits) => U512::from_str_radix(digits, 16),
            None if text.is_empty() => return Ok(Self::default()),
            None => U512::from_str_radix(text, 10),
        };
        parsed.map(Self).map_err(|error| format!("{text:?} is no number of at most 512 bits: {error}"))
    }
}

/// A string, or a number as JSON has it.
struct NumberVisitor;

impl de::Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a string of one")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(U512::from(value)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Bytes in hex, with `0x` or without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HexBytes(pub Bytes);

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let text = text.trim();
        hex::decode(text).map(|bytes| Self(bytes.into())).map_err(de::Error::custom)
    }
}

/// An address in hex, with `0x` or without.
pub fn address(text: &str) -> Result<Address, String> {
    text.trim().parse().map_err(|error| format!("address {text:?}: {error}"))
}

/// A field that holds an address.
pub fn deserialize_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    address(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// A 32-byte word in hex, with `0x` or without, also where leading zeros are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word(pub B256);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.trim().trim_start_matches("0x");
        U256::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16)
            .map(|word| Self(word.into()))
            .map_err(|error| de::Error::custom(format!("{text:?} is no word of 32 bytes: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_reads_every_spelling() {
        for (text, value) in [
            ("0x", 0_u64),
            ("", 0),
            ("0x0", 0),
            ("0x00ff", 255),
            ("0xfff", 4095),
            ("17", 17),
            ("0x:bigint 0x10", 16),
            ("0X10", 16),
        ] {
            assert_eq!(text.parse::<Number>().unwrap().0, U512::from(value), "{text}");
        }
        let wide: Number = format!("0x:bigint 0x1{:064x}", 1).parse().unwrap();
        assert_eq!(wide.word(), None);
        assert_eq!(wide.saturating_word(), U256::MAX);
        assert!("0xfg".parse::<Number>().is_err());
    }
}
