//! Logarithms in fixed point from a published table (PMS-022): the same number on every engine.

use std::sync::OnceLock;

/// Bits behind the point.
pub const LOG2_BITS: u32 = 24;

/// Bits of the mantissa that choose an entry.
const INDEX_BITS: u32 = 12;

/// Entry `i` is the logarithm of `1 + i / 4096` to base 2, times 2^24, rounded down.
///
/// Made by squaring whole numbers, so that no library's logarithm decides a digit.
#[must_use]
pub fn log2_table() -> &'static [u32; 1 << INDEX_BITS] {
    static TABLE: OnceLock<[u32; 1 << INDEX_BITS]> = OnceLock::new();
    TABLE.get_or_init(|| std::array::from_fn(|index| fraction((1 << INDEX_BITS) + index as u128)))
}

/// Bits of the logarithm of `4096 + index` behind the point, one squaring each.
fn fraction(mantissa: u128) -> u32 {
    const POINT: u32 = 62;
    let mut x = mantissa << (POINT - INDEX_BITS);
    let mut bits = 0;
    for _ in 0..LOG2_BITS {
        x = (x * x) >> POINT;
        bits <<= 1;
        if x >> (POINT + 1) != 0 {
            bits |= 1;
            x >>= 1;
        }
    }
    bits
}

/// The logarithm of `value + 1` to base 2 in units of 2^-24; of a negative value that of 0, which is 0.
#[must_use]
pub fn log2_fixed(value: i64) -> i64 {
    let y = value.max(0) as u64 + 1;
    let exponent = 63 - y.leading_zeros();
    let index = (y << y.leading_zeros() >> (63 - INDEX_BITS)) as usize & ((1 << INDEX_BITS) - 1);
    (i64::from(exponent) << LOG2_BITS) + i64::from(log2_table()[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_logarithms() {
        for (index, entry) in log2_table().iter().enumerate() {
            let real = (1.0 + index as f64 / 4096.0).log2() * f64::from(1u32 << LOG2_BITS);
            let off = real - f64::from(*entry);
            assert!((-0.01..1.6).contains(&off), "entry {index} is off by {off}");
        }
    }

    /// PMS-022.
    #[test]
    fn logarithm_never_falls_and_doubles_add_one() {
        let mut last = -1;
        for value in (0..100_000).chain([1 << 40, i64::MAX - 1, i64::MAX]) {
            let now = log2_fixed(value);
            assert!(now >= last);
            last = now;
        }
        for power in 0..63 {
            assert_eq!(log2_fixed((1i64 << power) - 1), i64::from(power) << LOG2_BITS);
        }
        assert_eq!(log2_fixed(-5), 0);
        assert_eq!(log2_fixed(i64::MAX), 63 << LOG2_BITS);
    }
}
