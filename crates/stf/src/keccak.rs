//! keccak256 of many inputs at once.
//!
//! Roots are made of thousands of independent hashes. Where the processor has AVX-512, eight of them
//! share one permutation; everywhere else they are computed one by one, with the same result.

use alloc::{vec, vec::Vec};

use alloy_primitives::{B256, keccak256};

/// keccak256 of each input, in order.
pub fn keccak256_many<T: AsRef<[u8]>>(inputs: &[T]) -> Vec<B256> {
    let mut out = vec![B256::ZERO; inputs.len()];
    keccak256_each(inputs.len(), |index| inputs[index].as_ref(), |index, hash| out[index] = hash);
    out
}

/// Hashes `count` inputs, each found by its position, and gives each hash to `done`, in any order.
pub fn keccak256_each<'a>(
    count: usize,
    input: impl Fn(usize) -> &'a [u8],
    mut done: impl FnMut(usize, B256),
) {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if count > 2 && std::arch::is_x86_feature_detected!("avx512f") {
        return by_eight::keccak256_each(count, input, done);
    }
    (0..count).for_each(|index| done(index, keccak256(input(index))));
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) mod by_eight {
    //! Keccak-f\[1600\] on eight states, one in each 64-bit lane of a register (FIPS 202, section 3).

    use std::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_rol_epi64, _mm512_rolv_epi64, _mm512_set_epi64,
        _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_ternarylogic_epi64,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi64, _mm512_xor_si512,
    };

    use alloy_primitives::B256;

    /// Bytes absorbed by one permutation.
    const RATE: usize = 136;
    const LANES: usize = 8;

    const ROUND_CONSTANTS: [u64; 24] = [
        0x0000_0000_0000_0001,
        0x0000_0000_0000_8082,
        0x8000_0000_0000_808a,
        0x8000_0000_8000_8000,
        0x0000_0000_0000_808b,
        0x0000_0000_8000_0001,
        0x8000_0000_8000_8081,
        0x8000_0000_0000_8009,
        0x0000_0000_0000_008a,
        0x0000_0000_0000_0088,
        0x0000_0000_8000_8009,
        0x0000_0000_8000_000a,
        0x0000_0000_8000_808b,
        0x8000_0000_0000_008b,
        0x8000_0000_0000_8089,
        0x8000_0000_0000_8003,
        0x8000_0000_0000_8002,
        0x8000_0000_0000_0080,
        0x0000_0000_0000_800a,
        0x8000_0000_8000_000a,
        0x8000_0000_8000_8081,
        0x8000_0000_0000_8080,
        0x0000_0000_8000_0001,
        0x8000_0000_8000_8008,
    ];

    /// Input lengths, in permutations, that have a group of their own; longer ones share one.
    const GROUPS: usize = 5;

    /// Permutations an input takes: it is padded by at least one byte.
    fn blocks(length: usize) -> usize {
        length / RATE + 1
    }

    /// Hashes inputs eight at a time, those of like length together.
    pub(super) fn keccak256_each<'a>(
        count: usize,
        input: impl Fn(usize) -> &'a [u8],
        mut done: impl FnMut(usize, B256),
    ) {
        let mut groups = [([0usize; LANES], 0usize); GROUPS];
        let mut hash = |indices: &[usize]| {
            let mut lanes: [&[u8]; LANES] = [&[]; LANES];
            for (lane, index) in lanes.iter_mut().zip(indices) {
                *lane = input(*index);
            }
            // SAFETY: the caller of this module has checked that the processor has AVX-512F.
            let hashes = unsafe { hash_group(&lanes, indices.len()) };
            indices.iter().zip(hashes).for_each(|(index, hash)| done(*index, hash));
        };
        for index in 0..count {
            let (group, filled) = &mut groups[blocks(input(index).len()).min(GROUPS) - 1];
            group[*filled] = index;
            *filled += 1;
            if *filled == LANES {
                hash(&group[..]);
                *filled = 0;
            }
        }
        // What is left over shares permutations with what is longer.
        let mut rest = [0usize; GROUPS * LANES];
        let mut length = 0;
        for (group, filled) in &groups {
            rest[length..length + filled].copy_from_slice(&group[..*filled]);
            length += filled;
        }
        rest[..length].rchunks(LANES).for_each(hash);
    }

    /// Hashes the first `used` inputs; the others are empty.
    #[target_feature(enable = "avx512f")]
    fn hash_group(inputs: &[&[u8]; LANES], used: usize) -> [B256; LANES] {
        let mut hashes = [B256::ZERO; LANES];
        let lengths: [usize; LANES] = core::array::from_fn(|lane| blocks(inputs[lane].len()));
        let most = lengths.into_iter().max().unwrap_or_default();
        let mut state = [_mm512_setzero_si512(); 25];
        let mut padded = [[0u8; RATE]; LANES];
        for number in 0..most {
            let start = number * RATE;
            let mut rows: [&[u8; RATE]; LANES] = [&[0; RATE]; LANES];
            for (((row, buffer), input), length) in rows.iter_mut().zip(&mut padded).zip(inputs).zip(lengths)
            {
                if let Some(full) = input.get(start..).and_then(<[u8]>::first_chunk) {
                    *row = full;
                } else if number + 1 == length {
                    let rest = input.get(start..).unwrap_or_default();
                    buffer[..rest.len()].copy_from_slice(rest);
                    buffer[rest.len()..].fill(0);
                    buffer[rest.len()] = 0x01;
                    buffer[RATE - 1] |= 0x80;
                    *row = buffer;
                }
            }
            absorb(&mut state, &rows);
            permute(&mut state);
            if lengths.contains(&(number + 1)) {
                let words: [[u64; LANES]; 4] = core::array::from_fn(|word| to_lanes(state[word]));
                for (lane, hash) in hashes.iter_mut().enumerate().take(used) {
                    if lengths[lane] == number + 1 {
                        for (bytes, word) in hash.0.as_chunks_mut::<8>().0.iter_mut().zip(&words) {
                            *bytes = word[lane].to_le_bytes();
                        }
                    }
                }
            }
        }
        hashes
    }

    /// Mixes a block of each lane into the state: its words are the columns of `rows`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn absorb(state: &mut [__m512i; 25], rows: &[&[u8; RATE]; LANES]) {
        for part in 0..2 {
            let words: [__m512i; LANES] = core::array::from_fn(|lane| {
                // SAFETY: a row has 136 bytes, of which these are 64 at 0 or 64; no alignment is asked.
                unsafe { _mm512_loadu_si512(rows[lane].as_ptr().add(64 * part).cast()) }
            });
            for (register, column) in state[8 * part..].iter_mut().zip(transpose(words)) {
                *register = _mm512_xor_si512(*register, column);
            }
        }
        let last = |lane: usize| rows[lane].last_chunk::<8>().map_or(0, |bytes| i64::from_le_bytes(*bytes));
        let column = _mm512_set_epi64(last(7), last(6), last(5), last(4), last(3), last(2), last(1), last(0));
        state[16] = _mm512_xor_si512(state[16], column);
    }

    /// Turns eight rows of eight words into their columns.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn transpose(rows: [__m512i; LANES]) -> [__m512i; LANES] {
        const EVEN: i32 = 0x88;
        const ODD: i32 = 0xdd;
        // Pairs of rows: words 0, 2, 4, 6 of both, then words 1, 3, 5, 7.
        let pair = |row: usize, high: bool| {
            if high {
                _mm512_unpackhi_epi64(rows[row], rows[row + 1])
            } else {
                _mm512_unpacklo_epi64(rows[row], rows[row + 1])
            }
        };
        let mut columns = rows;
        for high in [false, true] {
            let (a, b, c, d) = (pair(0, high), pair(2, high), pair(4, high), pair(6, high));
            let (ab, cd) = (_mm512_shuffle_i64x2::<EVEN>(a, b), _mm512_shuffle_i64x2::<EVEN>(c, d));
            columns[usize::from(high)] = _mm512_shuffle_i64x2::<EVEN>(ab, cd);
            columns[4 + usize::from(high)] = _mm512_shuffle_i64x2::<ODD>(ab, cd);
            let (ab, cd) = (_mm512_shuffle_i64x2::<ODD>(a, b), _mm512_shuffle_i64x2::<ODD>(c, d));
            columns[2 + usize::from(high)] = _mm512_shuffle_i64x2::<EVEN>(ab, cd);
            columns[6 + usize::from(high)] = _mm512_shuffle_i64x2::<ODD>(ab, cd);
        }
        columns
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn to_lanes(register: __m512i) -> [u64; LANES] {
        // SAFETY: both are 64 bytes of plain integers.
        unsafe { core::mem::transmute(register) }
    }

    /// Rotation of each lane of the state (rho), and where the permutation puts it (pi), both by
    /// position `x + 5y`.
    const RHO: [i64; 25] =
        [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14];

    const fn pi(position: usize) -> usize {
        let (x, y) = (position % 5, position / 5);
        y + 5 * ((2 * x + 3 * y) % 5)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn permute(a: &mut [__m512i; 25]) {
        let xor3 = |x, y, z| _mm512_ternarylogic_epi64::<0x96>(x, y, z);
        for constant in ROUND_CONSTANTS {
            let mut c = [_mm512_setzero_si512(); 5];
            for x in 0..5 {
                c[x] = xor3(xor3(a[x], a[x + 5], a[x + 10]), a[x + 15], a[x + 20]);
            }
            let mut b = [_mm512_setzero_si512(); 25];
            for x in 0..5 {
                let left = c[(x + 4) % 5];
                let right = _mm512_rol_epi64::<1>(c[(x + 1) % 5]);
                for y in 0..5 {
                    let position = x + 5 * y;
                    let mixed = xor3(a[position], left, right);
                    b[pi(position)] = _mm512_rolv_epi64(mixed, _mm512_set1_epi64(RHO[position]));
                }
            }
            for y in 0..5 {
                let row = 5 * y;
                for x in 0..5 {
                    // b ^ (!next & after)
                    a[row + x] = _mm512_ternarylogic_epi64::<0xD2>(
                        b[row + x],
                        b[row + (x + 1) % 5],
                        b[row + (x + 2) % 5],
                    );
                }
            }
            a[0] = _mm512_xor_si512(a[0], _mm512_set1_epi64(constant as i64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keccak256_many_lengths_equals_one_by_one() {
        let data: Vec<u8> = (0..4096u32).map(|i| (i * 31 % 251) as u8).collect();
        let inputs: Vec<&[u8]> = (0..700).map(|i| &data[i % 91..i % 91 + (i * 7) % 1200]).collect();
        let expected: Vec<B256> = inputs.iter().map(keccak256).collect();
        assert_eq!(keccak256_many(&inputs), expected);
        for count in 0..20 {
            assert_eq!(keccak256_many(&inputs[..count]), expected[..count]);
        }
    }
}
