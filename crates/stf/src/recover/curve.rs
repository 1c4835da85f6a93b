//! Eight points of secp256k1 side by side: `a R + b R' + c G + d H`, where R' is R's image under the curve's
//! endomorphism and H is 2^128 G.
//!
//! Formulas are those of Jacobian coordinates for a curve without a linear term. The addition's does not hold for
//! a point and itself or its opposite: Z is then zero, and stays it to the end, which says that a lane's result
//! is none.

use std::{
    arch::x86_64::{
        __m512i, __mmask8, _mm512_cmpeq_epi64_mask, _mm512_cmpneq_epi64_mask, _mm512_loadu_si512,
        _mm512_set1_epi64, _mm512_setzero_si512,
    },
    sync::OnceLock,
};

use k256::{AffinePoint, ProjectivePoint, elliptic_curve::sec1::ToEncodedPoint as _};

use super::{
    field::{Field, LANES},
    scalars::{BASE_BITS, BASE_DIGITS, BITS, DIGITS, Digits},
};
use crate::keccak::by_eight::transpose;

/// A cube root of one in the base field, in words: (x, y) times lambda is (BETA x, y).
pub(super) const BETA: [u64; 4] =
    [0xc139_6c28_7195_01ee, 0x9cf0_4975_12f5_8995, 0x6e64_479e_ac34_34e9, 0x7ae9_6a2b_657c_0710];
/// Multiples of R that are kept, and of G: as far as a digit's magnitude goes.
const MULTIPLES: usize = 1 << (BITS - 1);
const BASE_MULTIPLES: usize = 1 << (BASE_BITS - 1);

/// The words of x, then those of y, lowest first.
type Row = [u64; 8];

/// Multiples of G and of 2^128 G, from 1 on.
struct Bases {
    low: Vec<Row>,
    high: Vec<Row>,
}

fn bases() -> &'static Bases {
    static BASES: OnceLock<Bases> = OnceLock::new();
    BASES.get_or_init(|| {
        let multiples = |base: ProjectivePoint| {
            let points = std::iter::successors(Some(base), |point| Some(point + &base));
            points.take(BASE_MULTIPLES).map(|point| row(&point.to_affine())).collect()
        };
        let high = (0..128).fold(ProjectivePoint::GENERATOR, |point, _| point.double());
        Bases { low: multiples(ProjectivePoint::GENERATOR), high: multiples(high) }
    })
}

fn row(point: &AffinePoint) -> Row {
    let encoded = point.to_encoded_point(false);
    let mut row = [0; 8];
    for (half, coordinate) in row.chunks_exact_mut(4).zip([encoded.x(), encoded.y()]) {
        let bytes = coordinate.map(|bytes| (*bytes).into()).unwrap_or_default();
        half.copy_from_slice(&words(bytes));
    }
    row
}

/// Words of a big-endian number, lowest first.
pub(super) fn words(bytes: [u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

/// Points in Jacobian coordinates.
#[derive(Clone, Copy)]
pub(super) struct Points {
    pub(super) x: Field,
    pub(super) y: Field,
    pub(super) z: Field,
}

impl Points {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn double(&self) -> Self {
        let square = self.x.square();
        let y_square = self.y.square();
        let product = self.x.mul(&y_square);
        let slope = square.thrice();
        let x = slope.square().sub_eight(&product);
        let y = slope.mul(&product.four_sub(&x)).sub_eight(&y_square.square());
        Self { x, y, z: self.y.mul(&self.z).twice() }
    }

    /// The sum with a point of Z = 1, and how many times larger its Z is.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add(&self, x: &Field, y: &Field) -> (Self, Field) {
        let z_square = self.z.square();
        let over = x.mul(&z_square).sub(&self.x);
        let rise = y.mul(&self.z.mul(&z_square)).sub(&self.y);
        let over_square = over.square();
        let over_cube = over.mul(&over_square);
        let shared = self.x.mul(&over_square);
        let x = rise.square().sub_and_twice(&over_cube, &shared);
        let y = rise.mul(&shared.sub(&x)).sub(&self.y.mul(&over_cube));
        (Self { x, y, z: self.z.mul(&over) }, over)
    }
}

/// A sum that begins with nothing: in the lanes of `empty` it still is.
struct Sum {
    points: Points,
    empty: __mmask8,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add(&mut self, lanes: __mmask8, x: &Field, y: &Field) {
        let (sum, _) = self.points.add(x, y);
        let (first, further) = (lanes & self.empty, lanes & !self.empty);
        let points = &mut self.points;
        points.x = points.x.or(further, &sum.x).or(first, x);
        points.y = points.y.or(further, &sum.y).or(first, y);
        points.z = points.z.or(further, &sum.z).or(first, &Field::small(1));
        self.empty &= !lanes;
    }
}

/// Multiples 1 to 8 of R, as if each had Z = 1: on the curve that its points are on when all have the same Z.
struct Table {
    x: [Field; MULTIPLES],
    image_x: [Field; MULTIPLES],
    y: [Field; MULTIPLES],
    z: Field,
}

impl Table {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(x: Field, y: Field) -> Self {
        let first = Points { x, y, z: Field::small(1) };
        let mut multiples = [first; MULTIPLES];
        multiples[1] = first.double();
        // How many times larger the Z of each is than that of the one before.
        let mut larger = [multiples[1].z; MULTIPLES];
        for at in 2..MULTIPLES {
            (multiples[at], larger[at]) = multiples[at - 1].add(&x, &y);
        }
        let last = multiples[MULTIPLES - 1];
        let beta = spread(BETA);
        let mut table =
            Self { x: [last.x; MULTIPLES], image_x: [last.x; MULTIPLES], y: [last.y; MULTIPLES], z: last.z };
        let mut factor = Field::small(1);
        for at in (0..MULTIPLES).rev() {
            let square = factor.square();
            table.x[at] = multiples[at].x.mul(&square);
            table.image_x[at] = table.x[at].mul(&beta);
            table.y[at] = multiples[at].y.mul(&square.mul(&factor));
            factor = factor.mul(&larger[at]);
        }
        table
    }

    /// Adds a multiple of R, or of its image, for each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add_to(&self, sum: &mut Sum, xs: &[Field; MULTIPLES], digits: &[i64; LANES]) {
        let (mut x, mut y) = (xs[0], self.y[0]);
        let magnitudes = load(&digits.map(|digit| digit.unsigned_abs()));
        for ((multiple, other_x), other_y) in (2..).zip(&xs[1..]).zip(&self.y[1..]) {
            let lanes = _mm512_cmpeq_epi64_mask(magnitudes, _mm512_set1_epi64(multiple));
            x = x.or(lanes, other_x);
            y = y.or(lanes, other_y);
        }
        let negative = mask(digits.map(|digit| digit < 0));
        y = y.or(negative, &y.negated());
        sum.add(_mm512_cmpneq_epi64_mask(magnitudes, _mm512_setzero_si512()), &x, &y);
    }
}

/// Adds a multiple of G or 2^128 G for each lane to points that have `z` as their Z in truth; given are its
/// square and its cube.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_base(sum: &mut Sum, rows: &[Row], (square, cube): &(Field, Field), digits: &[i64; LANES]) {
    let mut columns = [_mm512_setzero_si512(); LANES];
    for (column, digit) in columns.iter_mut().zip(digits) {
        let at = usize::try_from(digit.unsigned_abs()).unwrap_or_default().saturating_sub(1);
        *column = load(&rows[at]);
    }
    let [a, b, c, d, e, f, g, h] = transpose(columns);
    let x = Field::from_words([a, b, c, d]).mul(square);
    let y = Field::from_words([e, f, g, h]).mul(cube);
    let negative = mask(digits.map(|digit| digit < 0));
    let y = y.or(negative, &y.negated());
    sum.add(mask(digits.map(|digit| digit != 0)), &x, &y);
}

/// Eight words, one for each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn load(words: &[u64; LANES]) -> __m512i {
    // SAFETY: 64 bytes of plain integers; no alignment is asked.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

fn mask(lanes: [bool; LANES]) -> __mmask8 {
    lanes.iter().rev().fold(0, |mask, lane| mask << 1 | u8::from(*lane))
}

/// The same number in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn spread(words: [u64; 4]) -> Field {
    Field::from_words(words.map(|word| _mm512_set1_epi64(word as i64)))
}

/// Numbers of eight lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn gather(numbers: &[[u64; 4]; LANES]) -> Field {
    Field::from_words([0, 1, 2, 3].map(|word| load(&numbers.map(|words| words[word]))))
}

/// The points that signatures recover to, in Jacobian coordinates, and the lanes where there is one: `xs` are
/// R's x, `odd` says in which lanes its y is odd.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn recover(
    xs: &[[u64; 4]; LANES],
    odd: [bool; LANES],
    digits: &[&Digits; LANES],
) -> (Points, __mmask8) {
    let x = gather(xs);
    let right = x.square().mul(&x).add(&Field::small(7));
    let y = right.root().canonical();
    let on_curve = y.square().sub(&right).canonical().zeros();
    let y = y.or(y.odds() ^ mask(odd), &y.negated());
    let table = Table::new(x, y);
    let square = table.z.square();
    let powers = (square, square.mul(&table.z));
    let bases = bases();
    let nothing = Points { x, y, z: Field::small(1) };
    let mut sum = Sum { points: nothing, empty: !0 };
    for at in (0..DIGITS).rev() {
        if at + 1 < DIGITS {
            for _ in 0..BITS {
                sum.points = sum.points.double();
            }
        }
        table.add_to(&mut sum, &table.x, &digits.map(|digits| i64::from(digits.of_r[at])));
        table.add_to(&mut sum, &table.image_x, &digits.map(|digits| i64::from(digits.of_image[at])));
        if at % 2 == 0 && at / 2 < BASE_DIGITS {
            let (low, high) = (&bases.low, &bases.high);
            add_base(&mut sum, low, &powers, &digits.map(|digits| i64::from(digits.of_base[at / 2])));
            add_base(&mut sum, high, &powers, &digits.map(|digits| i64::from(digits.of_high_base[at / 2])));
        }
    }
    let Points { x, y, z } = sum.points;
    let z = z.mul(&table.z).canonical();
    (Points { x, y, z }, on_curve & !sum.empty & !z.zeros())
}

/// x and y of points in words, and the lanes where they are on the curve: any slip in the arithmetic before leads
/// elsewhere. `inverse` is that of Z.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn affine(points: &Points, inverse: &Field) -> ([[u64; 8]; LANES], __mmask8) {
    let square = inverse.square();
    let x = points.x.mul(&square).canonical();
    let y = points.y.mul(&square.mul(inverse)).canonical();
    let right = x.square().mul(&x).add(&Field::small(7));
    let on_curve = y.square().sub(&right).canonical().zeros();
    let ([a, b, c, d], [e, f, g, h]) = (x.to_words(), y.to_words());
    let rows = transpose([a, b, c, d, e, f, g, h]);
    // SAFETY: both are 64 words of plain integers.
    (unsafe { core::mem::transmute::<[__m512i; LANES], [[u64; 8]; LANES]>(rows) }, on_curve)
}
