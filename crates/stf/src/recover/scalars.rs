//! What a signature's numbers say is to be multiplied: `Q = (s / r) R - (z / r) G` (SEC 1, 4.1.6), both factors
//! cut into halves of 128 bits, and these into digits.

use alloy_primitives::{B256, Signature, U256};
use k256::{
    Scalar,
    elliptic_curve::{PrimeField as _, ops::Reduce, scalar::IsHigh as _},
};

/// Bits of a digit of R's factors.
pub(super) const BITS: usize = 4;
/// Digits of half a factor of R.
pub(super) const DIGITS: usize = 128 / BITS + 1;
/// Bits of a digit of G's factors: two of R's.
pub(super) const BASE_BITS: usize = 2 * BITS;
/// Digits of half a factor of G.
pub(super) const BASE_DIGITS: usize = 128 / BASE_BITS + 1;

/// Digits of the factors of R, of R's image under the endomorphism, of G, and of 2^128 G; lowest first.
#[derive(Clone, Debug)]
pub(super) struct Digits {
    pub(super) of_r: [i16; DIGITS],
    pub(super) of_image: [i16; DIGITS],
    pub(super) of_base: [i16; BASE_DIGITS],
    pub(super) of_high_base: [i16; BASE_DIGITS],
}

/// The digits for each signature and hash; `None` where there are none: a number that is zero or out of range.
pub(super) fn digits(signed: &[(Signature, B256)]) -> Vec<Option<Digits>> {
    let mut read: Vec<Option<[Scalar; 3]>> = signed
        .iter()
        .map(|(signature, hash)| {
            let (r, s) = (scalar(signature.r())?, scalar(signature.s())?);
            Some([r, s, <Scalar as Reduce<k256::U256>>::reduce_bytes(&hash.0.into())])
        })
        .collect();
    invert(read.iter_mut().flatten().map(|[r, ..]| r));
    let digits = |[inverse, s, z]: [Scalar; 3]| {
        let (of_r, of_image) = halves(s * inverse)?;
        let base = bytes(-(z * inverse));
        Some(Digits {
            of_r,
            of_image,
            of_base: cut::<BASE_BITS, BASE_DIGITS>(half(&base, 1), false),
            of_high_base: cut::<BASE_BITS, BASE_DIGITS>(half(&base, 0), false),
        })
    };
    read.into_iter().map(|read| read.and_then(digits)).collect()
}

/// A number from 1 to the order less one.
fn scalar(number: U256) -> Option<Scalar> {
    let scalar: Option<Scalar> = Scalar::from_repr(number.to_be_bytes::<32>().into()).into();
    scalar.filter(|_| !number.is_zero())
}

fn bytes(scalar: Scalar) -> [u8; 32] {
    scalar.to_repr().into()
}

/// The upper half of big-endian bytes, or the lower one.
fn half(bytes: &[u8; 32], which: usize) -> u128 {
    bytes.as_chunks::<16>().0.get(which).map_or(0, |half| u128::from_be_bytes(*half))
}

/// Inverts numbers that are not zero, with one inversion for all of them.
fn invert<'a>(numbers: impl Iterator<Item = &'a mut Scalar>) {
    let mut numbers: Vec<&mut Scalar> = numbers.collect();
    let mut before = Vec::with_capacity(numbers.len());
    let mut product = Scalar::ONE;
    for number in &numbers {
        before.push(product);
        product *= **number;
    }
    let mut inverse = product.invert().unwrap_or(Scalar::ZERO);
    for (number, before) in numbers.iter_mut().zip(before).rev() {
        let own = inverse * before;
        inverse *= **number;
        **number = own;
    }
}

/// `k = a + b * lambda` with a and b of at most 128 bits and a sign, in digits (Gallant, Lambert, Vanstone 2001);
/// `None` if they were longer, which they never are.
fn halves(k: Scalar) -> Option<([i16; DIGITS], [i16; DIGITS])> {
    /// The cube root of one that belongs to [`super::curve::BETA`].
    const LAMBDA: [u64; 4] =
        [0x5363_ad4c_c05c_30e0, 0xa526_1c02_8812_645a, 0x122e_22ea_2081_6678, 0xdf02_967c_1b23_bd72];
    /// The lattice's short vectors are (A, -B) and (A + B, A).
    const A: u128 = 0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15;
    const B: u128 = 0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3;
    /// `2^384 * A / order` and `2^384 * B / order`, rounded.
    const A_SHARE: [u64; 4] =
        [0xe893_209a_45db_b031, 0x3daa_8a14_71e8_ca7f, 0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd];
    const B_SHARE: [u64; 4] =
        [0x1571_b4ae_8ac4_7f71, 0x2212_08ac_9df5_06c6, 0x6f54_7fa9_0abf_e4c4, 0xe443_7ed6_010e_8828];
    let number = U256::from_be_bytes(bytes(k));
    let share = |of: [u64; 4]| {
        let product = number.widening_mul::<256, 4, 512, 8>(U256::from_limbs(of));
        let limbs = product.as_limbs();
        Scalar::from((u128::from(limbs[7]) << 64 | u128::from(limbs[6])) + u128::from(limbs[5] >> 63))
    };
    let lambda =
        LAMBDA.iter().fold(Scalar::ZERO, |sum, limb| sum * Scalar::from(1u128 << 64) + Scalar::from(*limb));
    let b = share(A_SHARE) * Scalar::from(B) - share(B_SHARE) * Scalar::from(A);
    let a = k - b * lambda;
    Some((signed(a)?, signed(b)?))
}

/// Digits of a number that is near zero or near the order.
fn signed(number: Scalar) -> Option<[i16; DIGITS]> {
    let is_negative = bool::from(number.is_high());
    let magnitude = bytes(if is_negative { -number } else { number });
    (half(&magnitude, 0) == 0).then(|| cut::<BITS, DIGITS>(half(&magnitude, 1), is_negative))
}

/// Digits of so many bits, from `-2^(BITS-1)` to `2^(BITS-1)`.
fn cut<const BITS: usize, const COUNT: usize>(number: u128, is_negative: bool) -> [i16; COUNT] {
    let mut carry = 0;
    core::array::from_fn(|at| {
        let part = number.checked_shr((BITS * at) as u32).unwrap_or(0) & ((1 << BITS) - 1);
        let mut digit = part as i16 + carry;
        carry = i16::from(digit >= 1 << (BITS - 1));
        digit -= carry << BITS;
        if is_negative { -digit } else { digit }
    })
}
