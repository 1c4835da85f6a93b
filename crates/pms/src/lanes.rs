//! Loops over a block of rounded values, compiled for what the processor can do.

use crate::column::BLOCK;

/// What the sum of somebody outside of the filter begins with: no score reaches 0 from here.
pub(crate) const OUT: f32 = -4.0;

/// Greatest error of [`lane_log2`].
pub(crate) const LOG_ERROR: f64 = 6e-5;

/// Greatest error of [`lane_log2_rough`].
pub(crate) const ROUGH_ERROR: f64 = 0.0433;

/// The logarithm of `x + 1` to base 2, of what is negative or missing 0, within [`LOG_ERROR`].
///
/// Exponent, and a polynomial of degree 5 through Chebyshev's points for the mantissa.
#[inline(always)]
pub(crate) fn lane_log2(x: f32) -> f32 {
    let bits = (if x > 0.0 { x } else { 0.0 } + 1.0).to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let p = 0.043_004_956_f32;
    let p = p * m - 0.187_488_6;
    let p = p * m + 0.409_470_3;
    let p = p * m - 0.706_486_46;
    let p = p * m + 1.441_492_4;
    let p = p * m + 1.651_467e-5;
    exponent as f32 + p
}

/// The logarithm of `x` to base 2 within [`ROUGH_ERROR`]: a number's bits, read as one whole number, grow almost
/// like its logarithm. Of what is 0, negative or missing, far below 0.
#[inline(always)]
pub(crate) fn lane_log2_rough(x: f32) -> f32 {
    x.to_bits() as i32 as f32 * BIT - ROUGH_BIAS
}

/// Of a number's bits as a whole number: what one adds to the logarithm, and where it is 0, the error in the middle.
const BIT: f32 = 1.0 / 8_388_608.0;
const ROUGH_BIAS: f32 = 126.957;

/// `a * b + c`, rounded once where the processor can.
#[inline(always)]
fn fused<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Between 0 and `most`; of what is not a number, 0.
#[inline(always)]
fn clipped(value: f32, most: f32) -> f32 {
    let value = if value > 0.0 { value } else { 0.0 };
    if value < most { value } else { most }
}

/// Values that are added between two looks ahead: four lines of the cache.
const PART: usize = 64;

/// Add points of each value to the sums, and have the processor fetch the column's next block meanwhile: it follows
/// one column by itself, but not several in turns.
#[inline(always)]
fn add_each(values: &[f32], sums: &mut [f32; BLOCK], points: impl Fn(f32) -> f32) {
    for (sums, values) in sums.chunks_exact_mut(PART).zip(values.chunks_exact(PART)) {
        values.chunks_exact(16).for_each(|line| fetch(line.as_ptr().wrapping_add(BLOCK)));
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += points(*value);
        }
    }
}

/// Bring a line into the second cache; anything may be named, also what is not there.
#[inline(always)]
pub(crate) fn fetch(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which touches nothing and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// The loops over a block, each compiled for what the processor can do.
#[derive(Clone, Copy)]
pub(crate) enum Lanes {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Lanes {
    pub(crate) fn of_this_machine() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq");
            if avx512 {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Plain
    }
}

macro_rules! lanes {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $kind:ty),*) $(-> $answer:ty)? $body:block)*) => {
        impl Lanes {
            $(
                $(#[$meta])*
                #[allow(clippy::inline_always)]
                pub(crate) fn $name(self, $($argument: $kind),*) $(-> $answer)? {
                    #[inline(always)]
                    fn body<const FUSED: bool>($($argument: $kind),*) $(-> $answer)? $body
                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2($($argument: $kind),*) $(-> $answer)? { body::<true>($($argument),*) }
                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
                    fn avx512($($argument: $kind),*) $(-> $answer)? { body::<true>($($argument),*) }
                    match self {
                        Self::Plain => body::<false>($($argument),*),
                        // SAFETY: `of_this_machine` found these instructions.
                        #[cfg(target_arch = "x86_64")]
                        Self::Avx2 => unsafe { avx2($($argument),*) },
                        // SAFETY: as above.
                        #[cfg(target_arch = "x86_64")]
                        Self::Avx512 => unsafe { avx512($($argument),*) },
                    }
                }
            )*
        }
    };
}

lanes! {
    /// Add a share of how far each value is from the origin, between 0 and 1; what is missing adds nothing.
    fn linear(values: &[f32], origin: f32, slope: f32, share: f32, sums: &mut [f32; BLOCK]) {
        let (slope, begin) = (slope * share, -origin * slope * share);
        add_each(values, sums, |value| clipped(fused::<FUSED>(value, slope, begin), share));
    }

    /// The same of the values' logarithms.
    fn log(values: &[f32], origin: f32, slope: f32, share: f32, sums: &mut [f32; BLOCK]) {
        add_each(values, sums, |value| {
            let points = clipped((lane_log2(value) - origin) * slope, 1.0) * share;
            if value.is_nan() { 0.0 } else { points }
        });
    }

    /// The same, roughly.
    fn rough(values: &[f32], origin: f32, slope: f32, share: f32, sums: &mut [f32; BLOCK]) {
        let (slope, begin) = (slope * share * BIT, -(origin + ROUGH_BIAS) * slope * share);
        add_each(values, sums, |value| {
            clipped(fused::<FUSED>(value.to_bits() as i32 as f32, slope, begin), share)
        });
    }

    /// How many are marked.
    fn count(marks: &[u8; BLOCK]) -> usize {
        // Up to 255 ones fit a byte.
        let parts = marks.chunks(128 * 128).map(|part| {
            let mut lanes = [0u8; 128];
            part.chunks_exact(128).for_each(|row| lanes.iter_mut().zip(row).for_each(|(sum, mark)| *sum += mark));
            lanes.iter().map(|sum| usize::from(*sum)).sum::<usize>()
        });
        parts.sum()
    }

    /// Let only who is marked begin at 0.
    fn gate(marks: &[u8; BLOCK], sums: &mut [f32; BLOCK]) {
        for (sum, mark) in sums.iter_mut().zip(marks) {
            *sum = if *mark != 0 { 0.0 } else { OUT };
        }
    }

    /// Mark what is between both.
    fn within(values: &[f32], low: f32, high: f32, out: &mut [u8; BLOCK]) {
        for (mark, value) in out.iter_mut().zip(values) {
            *mark = u8::from(*value >= low) & u8::from(*value <= high);
        }
    }

    /// Mark what is at or outside of one of both.
    fn without(values: &[f32], low: f32, high: f32, out: &mut [u8; BLOCK]) {
        for (mark, value) in out.iter_mut().zip(values) {
            *mark = u8::from(*value <= low) | u8::from(*value >= high);
        }
    }

    /// Whether any sum is at or above the threshold.
    fn any_at_least(sums: &[f32; BLOCK], threshold: f32) -> bool {
        sums.chunks_exact(64).any(|part| part.iter().fold(false, |any, sum| any | (*sum >= threshold)))
    }
}
