//! The logistic curve in integers: what turns a probability into something that can be added, and
//! back (BAT-021).

/// `round(65536 / (1 + e^(-k/2)))` for k = -16, -15, ..., 16.
const KNOTS: [u16; 33] = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793,
    47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
];

/// Largest argument of [`squash`], in 256ths: the curve is cut off at 8.
pub(super) const LIMIT: i32 = 2047;

/// Probability, in 65536ths, whose odds have the natural logarithm `x / 256`; straight between
/// knots, cut off at both ends.
pub(super) const fn squash(x: i32) -> u32 {
    let x = (if x > LIMIT {
        LIMIT
    } else if x < -LIMIT {
        -LIMIT
    } else {
        x
    }) + 2048;
    let (knot, rest) = ((x >> 7) as usize, (x & 127) as u32);
    (KNOTS[knot] as u32 * (128 - rest) + KNOTS[knot + 1] as u32 * rest + 64) >> 7
}

/// For each probability in 4096ths the least x with `squash(x)` at least as high.
pub(super) static STRETCH: [i16; 4096] = stretch_table();

const fn stretch_table() -> [i16; 4096] {
    let mut table = [LIMIT as i16; 4096];
    let (mut x, mut at) = (-LIMIT, 0);
    while at < table.len() {
        while x < LIMIT && squash(x) < at as u32 * 16 {
            x += 1;
        }
        table[at] = x as i16;
        at += 1;
    }
    table
}
