//! Eight elements of secp256k1's base field side by side, one in each 64-bit lane, in five limbs of 52 bits
//! (AVX-512 IFMA).
//!
//! An element is any number below twice the modulus that is congruent to it: limbs 0 to 3 below 2^52, limb 4
//! below 2^48 + 2^12. Every function answers such elements, given such elements.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_slli_epi64, _mm512_srli_epi64, _mm512_sub_epi64, _mm512_test_epi64_mask,
};

#[cfg(test)]
mod tests;

/// Elements side by side.
pub(super) const LANES: usize = 8;
/// Limbs of an element.
const LIMBS: usize = 5;
const LOW_BITS: i64 = (1 << 52) - 1;
const TOP_BITS: i64 = (1 << 48) - 1;
/// 2^256 modulo the modulus.
const FOLD: i64 = 0x1_0000_03d1;
/// The modulus.
const MODULUS: [i64; LIMBS] = [LOW_BITS + 1 - FOLD, LOW_BITS, LOW_BITS, LOW_BITS, TOP_BITS];

/// Eight elements.
#[derive(Clone, Copy)]
pub(super) struct Field([__m512i; LIMBS]);

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn all(value: i64) -> __m512i {
    _mm512_set1_epi64(value)
}

/// Moves what is above 52 bits from each limb into the next.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn carry(limbs: &mut [__m512i]) {
    let low = all(LOW_BITS);
    for at in 1..limbs.len() {
        limbs[at] = _mm512_add_epi64(limbs[at], _mm512_srli_epi64::<52>(limbs[at - 1]));
        limbs[at - 1] = _mm512_and_si512(limbs[at - 1], low);
    }
}

impl Field {
    /// The same small number in every lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn small(value: i64) -> Self {
        let zero = _mm512_setzero_si512();
        Self([all(value), zero, zero, zero, zero])
    }

    /// Elements from four 64-bit words each, the lowest first; the number is below the modulus.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn from_words([a, b, c, d]: [__m512i; 4]) -> Self {
        let low = all(LOW_BITS);
        let cut = |word| _mm512_and_si512(word, low);
        Self([
            cut(a),
            cut(_mm512_or_si512(_mm512_srli_epi64::<52>(a), _mm512_slli_epi64::<12>(b))),
            cut(_mm512_or_si512(_mm512_srli_epi64::<40>(b), _mm512_slli_epi64::<24>(c))),
            cut(_mm512_or_si512(_mm512_srli_epi64::<28>(c), _mm512_slli_epi64::<36>(d))),
            _mm512_srli_epi64::<16>(d),
        ])
    }

    /// Words of elements that are below the modulus: the inverse of [`Field::from_words`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn to_words(self) -> [__m512i; 4] {
        let [a, b, c, d, e] = self.0;
        [
            _mm512_or_si512(a, _mm512_slli_epi64::<52>(b)),
            _mm512_or_si512(_mm512_srli_epi64::<12>(b), _mm512_slli_epi64::<40>(c)),
            _mm512_or_si512(_mm512_srli_epi64::<24>(c), _mm512_slli_epi64::<28>(d)),
            _mm512_or_si512(_mm512_srli_epi64::<36>(d), _mm512_slli_epi64::<16>(e)),
        ]
    }

    /// Brings a sum of limbs, each below 2^60, into form.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn formed(mut limbs: [__m512i; LIMBS]) -> Self {
        // Above 2^256: below 2^12, so its multiple of FOLD has less than 52 bits.
        let above = _mm512_srli_epi64::<48>(limbs[4]);
        limbs[4] = _mm512_and_si512(limbs[4], all(TOP_BITS));
        limbs[0] = _mm512_madd52lo_epu64(limbs[0], above, all(FOLD));
        carry(&mut limbs);
        Self(limbs)
    }

    /// Limbs of `limbs - minus * 2^shift` and a multiple of the modulus; `shift` is at most 3.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn less(mut limbs: [__m512i; LIMBS], minus: &Self, shift: u32) -> [__m512i; LIMBS] {
        for ((limb, modulus), minus) in limbs.iter_mut().zip(MODULUS).zip(minus.0) {
            let minus = match shift {
                0 => minus,
                1 => _mm512_slli_epi64::<1>(minus),
                2 => _mm512_slli_epi64::<2>(minus),
                _ => _mm512_slli_epi64::<3>(minus),
            };
            // Twice the modulus has larger limbs than any element: no limb falls below zero.
            *limb = _mm512_sub_epi64(_mm512_add_epi64(*limb, all(modulus << (shift + 1))), minus);
        }
        limbs
    }

    /// `self - other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn sub(&self, other: &Self) -> Self {
        Self::formed(Self::less(self.0, other, 0))
    }

    /// `self - 8 * other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn sub_eight(&self, other: &Self) -> Self {
        Self::formed(Self::less(self.0, other, 3))
    }

    /// `4 * self - other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn four_sub(&self, other: &Self) -> Self {
        let mut limbs = self.0;
        for limb in &mut limbs {
            *limb = _mm512_slli_epi64::<2>(*limb);
        }
        Self::formed(Self::less(limbs, other, 0))
    }

    /// `self - one - 2 * two`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn sub_and_twice(&self, one: &Self, two: &Self) -> Self {
        Self::formed(Self::less(Self::less(self.0, one, 0), two, 1))
    }

    /// `self + other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = _mm512_add_epi64(*limb, other);
        }
        Self::formed(limbs)
    }

    /// `2 * self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn twice(&self) -> Self {
        self.add(self)
    }

    /// `3 * self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn thrice(&self) -> Self {
        let mut limbs = self.0;
        for limb in &mut limbs {
            *limb = _mm512_add_epi64(_mm512_slli_epi64::<1>(*limb), *limb);
        }
        Self::formed(limbs)
    }

    /// `-self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn negated(&self) -> Self {
        Self::formed(Self::less([_mm512_setzero_si512(); LIMBS], self, 0))
    }

    /// `self * other`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn mul(&self, other: &Self) -> Self {
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        for (i, a) in self.0.into_iter().enumerate() {
            for (j, b) in other.0.into_iter().enumerate() {
                columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], a, b);
                columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], a, b);
            }
        }
        Self::folded(columns)
    }

    /// `self * self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn square(&self) -> Self {
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        for i in 0..LIMBS {
            for j in i + 1..LIMBS {
                columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], self.0[i], self.0[j]);
                columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], self.0[i], self.0[j]);
            }
        }
        for column in &mut columns[1..9] {
            *column = _mm512_add_epi64(*column, *column);
        }
        for i in 0..LIMBS {
            columns[2 * i] = _mm512_madd52lo_epu64(columns[2 * i], self.0[i], self.0[i]);
            columns[2 * i + 1] = _mm512_madd52hi_epu64(columns[2 * i + 1], self.0[i], self.0[i]);
        }
        Self::folded(columns)
    }

    /// The element of a product's columns: ten sums of at most ten numbers of 52 bits, all together below 2^513.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn folded(mut columns: [__m512i; 2 * LIMBS]) -> Self {
        let (low, high) = columns.split_at_mut(LIMBS);
        carry(high);
        // 2^260 is FOLD * 16.
        let fold = all(FOLD << 4);
        let mut above = _mm512_setzero_si512();
        for at in 0..LIMBS {
            low[at] = _mm512_madd52lo_epu64(low[at], high[at], fold);
            match low.get_mut(at + 1) {
                Some(next) => *next = _mm512_madd52hi_epu64(*next, high[at], fold),
                None => above = _mm512_madd52hi_epu64(above, high[at], fold),
            }
        }
        carry(low);
        // What is at 2^256 and above has less than 36 bits; then so little is added that the top holds it.
        let above = _mm512_add_epi64(_mm512_srli_epi64::<48>(low[4]), _mm512_slli_epi64::<4>(above));
        low[4] = _mm512_and_si512(low[4], all(TOP_BITS));
        low[0] = _mm512_madd52lo_epu64(low[0], above, all(FOLD));
        low[1] = _mm512_madd52hi_epu64(low[1], above, all(FOLD));
        carry(low);
        Self([low[0], low[1], low[2], low[3], low[4]])
    }

    /// Squared so many times.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn squared(&self, times: usize) -> Self {
        let mut out = *self;
        for _ in 0..times {
            out = out.square();
        }
        out
    }

    /// Powers of 2^223 - 1, 2^22 - 1 and 2^2 - 1: what both exponents below begin with.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn ones(&self) -> (Self, Self, Self) {
        let two = self.square().mul(self);
        let three = two.square().mul(self);
        let six = three.squared(3).mul(&three);
        let nine = six.squared(3).mul(&three);
        let eleven = nine.squared(2).mul(&two);
        let twenty_two = eleven.squared(11).mul(&eleven);
        let forty_four = twenty_two.squared(22).mul(&twenty_two);
        let eighty_eight = forty_four.squared(44).mul(&forty_four);
        let most = eighty_eight.squared(88).mul(&eighty_eight).squared(44).mul(&forty_four);
        (most.squared(3).mul(&three), twenty_two, two)
    }

    /// A square root, if there is one: the power (p + 1) / 4.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn root(&self) -> Self {
        let (most, twenty_two, two) = self.ones();
        most.squared(23).mul(&twenty_two).squared(6).mul(&two).squared(2)
    }

    /// The inverse, of zero zero: the power p - 2.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn inverse(&self) -> Self {
        let (most, twenty_two, two) = self.ones();
        most.squared(23).mul(&twenty_two).squared(5).mul(self).squared(3).mul(&two).squared(2).mul(self)
    }

    /// The same elements below the modulus.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn canonical(&self) -> Self {
        // With FOLD more it reaches 2^256 exactly where it is not below the modulus.
        let mut more = self.0;
        more[0] = _mm512_add_epi64(more[0], all(FOLD));
        carry(&mut more);
        let reaches = _mm512_test_epi64_mask(more[4], all(!TOP_BITS));
        more[4] = _mm512_and_si512(more[4], all(TOP_BITS));
        self.or(reaches, &Self(more))
    }

    /// Lanes in which a canonical element is zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn zeros(&self) -> __mmask8 {
        let [a, b, c, d, e] = self.0;
        let any = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)), e);
        _mm512_cmpeq_epi64_mask(any, _mm512_setzero_si512())
    }

    /// Lanes in which a canonical element is odd.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn odds(&self) -> __mmask8 {
        _mm512_test_epi64_mask(self.0[0], all(1))
    }

    /// In these lanes the other.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn or(&self, lanes: __mmask8, other: &Self) -> Self {
        let mut out = self.0;
        for (limb, other) in out.iter_mut().zip(other.0) {
            *limb = _mm512_mask_blend_epi64(lanes, *limb, other);
        }
        Self(out)
    }
}
