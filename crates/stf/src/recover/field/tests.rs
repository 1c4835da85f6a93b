//! Every operation at the edges of limbs, of the modulus and of what an element may be, beside ruint's.

use alloc::vec::Vec;

use alloy_primitives::{U256, U512};

use super::*;

/// Bound of the highest limb of an element.
const TOP_BOUND: u64 = (1 << 48) + (1 << 12);

fn modulus() -> U256 {
    U256::MAX - U256::from(FOLD - 1)
}

/// Numbers that an element may be: some are not below the modulus.
fn edges() -> Vec<U512> {
    let one = U512::from(1);
    let p = U512::from(modulus());
    let mut out = Vec::new();
    // Around the ends of limbs, of words, of the modulus and its half, and of 256 bits.
    for middle in [0, 51, 52, 64, 104, 128, 156, 192, 208, 255].map(|bits| one << bits) {
        out.extend([middle - one, middle, middle + one]);
    }
    out.extend([p - one - one, p - one, p, p + one, p >> 1, (p >> 1) + one]);
    let all = one << 256;
    out.extend([all - one, all, all + U512::from(FOLD), all - (one << 208), all - (one << 52)]);
    // Each limb full alone, and all of them.
    out.extend((0..4).map(|limb| U512::from(LOW_BITS) << (52 * limb)));
    out.extend([U512::from(TOP_BOUND - 1) << 208, (U512::from(TOP_BOUND) << 208) - one]);
    out
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn load(numbers: &[U512; LANES]) -> Field {
    let limb = |at: usize| {
        let lane = |number: &U512| {
            let high: U512 = *number >> (52 * at);
            let bits = high.as_limbs()[0];
            (if at == LIMBS - 1 { bits } else { bits & LOW_BITS as u64 }) as i64
        };
        let lanes: [i64; LANES] = numbers.each_ref().map(lane);
        // SAFETY: as many bytes, and any of them is a number.
        unsafe { core::mem::transmute::<[i64; LANES], __m512i>(lanes) }
    };
    Field(core::array::from_fn(limb))
}

/// The numbers of lanes, whose limbs have to be an element's.
#[target_feature(enable = "avx512f,avx512ifma")]
fn read(field: &Field) -> [U512; LANES] {
    // SAFETY: as many bytes, and any of them is a number.
    let limbs = field.0.map(|limb| unsafe { core::mem::transmute::<__m512i, [u64; LANES]>(limb) });
    core::array::from_fn(|lane| {
        let limbs = limbs.each_ref().map(|limb| limb[lane]);
        assert!(limbs[..4].iter().all(|limb| *limb <= LOW_BITS as u64), "{limbs:x?}");
        assert!(limbs[4] < TOP_BOUND, "{limbs:x?}");
        limbs.iter().rev().fold(U512::ZERO, |sum, limb| (sum << 52) + U512::from(*limb))
    })
}

fn reduced(number: U512) -> U256 {
    U256::from(number % U512::from(modulus()))
}

/// Checks an operation in every lane, and that its canonical form is the number below the modulus.
#[target_feature(enable = "avx512f,avx512ifma")]
fn check(name: &str, field: &Field, expected: impl Fn(usize) -> U256) {
    let (found, canonical) = (read(field), read(&field.canonical()));
    let (zeros, odds) = (field.canonical().zeros(), field.canonical().odds());
    let words = field.canonical().to_words();
    let again = read(&Field::from_words(words));
    for lane in 0..LANES {
        let expected = expected(lane);
        assert_eq!(reduced(found[lane]), expected, "{name}, lane {lane}");
        assert_eq!(canonical[lane], U512::from(expected), "{name}, lane {lane}");
        assert_eq!(again[lane], canonical[lane], "{name}, lane {lane}");
        assert_eq!(zeros >> lane & 1 == 1, expected.is_zero(), "{name}, lane {lane}");
        assert_eq!(odds >> lane & 1 == 1, expected.bit(0), "{name}, lane {lane}");
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn compare(numbers: &[[U512; LANES]; 3]) {
    let p = modulus();
    let [a, b, c] = numbers.map(|numbers| numbers.map(reduced));
    let [x, y, z] = [load(&numbers[0]), load(&numbers[1]), load(&numbers[2])];
    let add = |a: U256, b: U256| a.add_mod(b, p);
    let mul = |a: U256, b: U256| a.mul_mod(b, p);
    let neg = |a: U256| add(p - a, U256::ZERO);
    let times = |a: U256, by: u64| mul(a, U256::from(by));
    check("add", &x.add(&y), |at| add(a[at], b[at]));
    check("sub", &x.sub(&y), |at| add(a[at], neg(b[at])));
    check("sub_eight", &x.sub_eight(&y), |at| add(a[at], neg(times(b[at], 8))));
    check("four_sub", &x.four_sub(&y), |at| add(times(a[at], 4), neg(b[at])));
    check("sub_and_twice", &x.sub_and_twice(&y, &z), |at| add(a[at], neg(add(b[at], times(c[at], 2)))));
    check("mul", &x.mul(&y), |at| mul(a[at], b[at]));
    check("square", &x.square(), |at| mul(a[at], a[at]));
    check("twice", &x.twice(), |at| times(a[at], 2));
    check("thrice", &x.thrice(), |at| times(a[at], 3));
    check("negated", &x.negated(), |at| neg(a[at]));
    check("itself", &x, |at| a[at]);
    check("or", &x.or(0b1010_0101, &y), |at| if 0b1010_0101 >> at & 1 == 1 { b[at] } else { a[at] });
    // What operations answer is what they are given on the way.
    let chained = x.sub_eight(&y).mul(&z.negated()).sub_and_twice(&x.square(), &y.thrice());
    check("chained", &chained, |at| {
        let product = mul(add(a[at], neg(times(b[at], 8))), neg(c[at]));
        add(product, neg(add(mul(a[at], a[at]), times(b[at], 6))))
    });
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn compare_powers(numbers: &[U512; LANES]) {
    let (p, a, x) = (modulus(), numbers.map(reduced), load(numbers));
    check("root", &x.root(), |at| a[at].pow_mod((p >> 2) + U256::from(1), p));
    check("inverse", &x.inverse(), |at| a[at].pow_mod(p - U256::from(2), p));
}

#[test]
fn every_operation_is_ruints_at_every_edge() {
    if !(std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma"))
    {
        return;
    }
    let edges = edges();
    let pairs: Vec<(usize, usize)> =
        (0..edges.len()).flat_map(|a| (0..edges.len()).map(move |b| (a, b))).collect();
    for pairs in pairs.chunks(LANES) {
        let pair = |lane: usize| pairs[lane % pairs.len()];
        let first = core::array::from_fn(|lane| edges[pair(lane).0]);
        let second = core::array::from_fn(|lane| edges[pair(lane).1]);
        let third =
            core::array::from_fn(|lane| edges[(pair(lane).0 + 7 * pair(lane).1 + lane) % edges.len()]);
        // SAFETY: the processor can.
        unsafe { compare(&[first, second, third]) };
    }
    for numbers in edges.chunks(LANES) {
        // SAFETY: the processor can.
        unsafe { compare_powers(&core::array::from_fn(|lane| numbers[lane % numbers.len()])) };
    }
}
