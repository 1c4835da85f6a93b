//! keccak256 of many inputs at once.
//!
//! Roots are made of thousands of independent hashes. Where the processor has AVX-512, eight of them
//! share one permutation; everywhere else they are computed one by one, with the same result.

use alloc::{vec, vec::Vec};

use alloy_primitives::{B256, keccak256};

/// keccak256 of each input, in order.
pub fn keccak256_many<T: AsRef<[u8]>>(inputs: &[T]) -> Vec<B256> {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if inputs.len() > 2 && std::arch::is_x86_feature_detected!("avx512f") {
        return by_eight::keccak256_many(inputs);
    }
    let mut out = vec![B256::ZERO; inputs.len()];
    for (hash, input) in out.iter_mut().zip(inputs) {
        *hash = keccak256(input);
    }
    out
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod by_eight {
    //! Keccak-f\[1600\] on eight states, one in each 64-bit lane of a register (FIPS 202, section 3).

    use std::arch::x86_64::{
        __m512i, _mm512_rol_epi64, _mm512_rolv_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
        _mm512_ternarylogic_epi64, _mm512_xor_si512,
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

    /// Permutations an input takes: it is padded by at least one byte.
    fn blocks(length: usize) -> usize {
        length / RATE + 1
    }

    /// Hashes inputs eight at a time, those of like length together.
    pub(super) fn keccak256_many<T: AsRef<[u8]>>(inputs: &[T]) -> Vec<B256> {
        let mut order: Vec<u32> = (0..inputs.len() as u32).collect();
        order.sort_by_key(|&index| blocks(inputs[index as usize].as_ref().len()));
        let mut hashes = vec![B256::ZERO; inputs.len()];
        for group in order.chunks(LANES) {
            let mut lanes: [&[u8]; LANES] = [&[]; LANES];
            for (lane, &index) in lanes.iter_mut().zip(group) {
                *lane = inputs[index as usize].as_ref();
            }
            // SAFETY: the caller of this module has checked that the processor has AVX-512F.
            let group_hashes = unsafe { hash_group(&lanes) };
            for (&index, hash) in group.iter().zip(group_hashes) {
                hashes[index as usize] = hash;
            }
        }
        hashes
    }

    /// One block of an input, padded if it is the last.
    fn block(input: &[u8], number: usize, out: &mut [u8; RATE]) {
        let start = number * RATE;
        if let Some(full) = input.get(start..start + RATE) {
            out.copy_from_slice(full);
            return;
        }
        *out = [0; RATE];
        let rest = input.get(start..).unwrap_or_default();
        out[..rest.len()].copy_from_slice(rest);
        if number + 1 == blocks(input.len()) {
            out[rest.len()] = 0x01;
            out[RATE - 1] |= 0x80;
        }
    }

    #[target_feature(enable = "avx512f")]
    fn hash_group(inputs: &[&[u8]; LANES]) -> [B256; LANES] {
        let mut hashes = [B256::ZERO; LANES];
        let most = inputs.iter().map(|input| blocks(input.len())).max().unwrap_or_default();
        let mut state = [_mm512_setzero_si512(); 25];
        let mut block_bytes = [0u8; RATE];
        for number in 0..most {
            let mut words = [[0u64; LANES]; RATE / 8];
            for (lane, input) in inputs.iter().enumerate() {
                block(input, number, &mut block_bytes);
                for (word, bytes) in words.iter_mut().zip(block_bytes.as_chunks::<8>().0) {
                    word[lane] = u64::from_le_bytes(*bytes);
                }
            }
            for (register, word) in state.iter_mut().zip(words) {
                *register = _mm512_xor_si512(*register, from_lanes(word));
            }
            permute(&mut state);
            if inputs.iter().any(|input| blocks(input.len()) == number + 1) {
                let words: [[u64; LANES]; 4] = core::array::from_fn(|word| to_lanes(state[word]));
                for (lane, input) in inputs.iter().enumerate() {
                    if blocks(input.len()) == number + 1 {
                        for (bytes, word) in hashes[lane].0.as_chunks_mut::<8>().0.iter_mut().zip(&words) {
                            *bytes = word[lane].to_le_bytes();
                        }
                    }
                }
            }
        }
        hashes
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn from_lanes(words: [u64; LANES]) -> __m512i {
        // SAFETY: both are 64 bytes of plain integers.
        unsafe { core::mem::transmute(words) }
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
