//! Signers of many signatures at once.
//!
//! Recovering a signer is most of what a transaction costs a node. Where the processor has AVX-512 IFMA, eight
//! share every step; everywhere else, and for each signature for which that comes to nothing, alloy's
//! recovery says it. So a signer that is found here is the one alloy finds, and one that is none is alloy's word.

use alloc::vec::Vec;

use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{Address, B256, Signature};

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod curve;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod field;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod scalars;

/// The signer of each hash; `None` where the signature recovers to nobody, or its `s` is high (EIP-2).
pub fn recover_signers(signed: &[(Signature, B256)]) -> Vec<Option<Address>> {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if signed.len() > 2 && by_eight::is_here() {
        return by_eight::recover_signers(signed);
    }
    signed.iter().map(|(signature, hash)| recover_signer(signature, *hash).ok()).collect()
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod by_eight {
    use alloy_consensus::crypto::{SECP256K1N_HALF, secp256k1::recover_signer};
    use alloy_primitives::{Address, B256, Signature};

    use super::{
        curve::{self, Points, affine, recover},
        field::{Field, LANES},
        scalars::{Digits, digits},
    };
    use crate::keccak::keccak256_many;

    /// Groups whose last division is shared.
    const GROUPS: usize = 8;

    pub(super) fn recover_signers(signed: &[(Signature, B256)]) -> Vec<Option<Address>> {
        let mut keys: Vec<Option<[u8; 64]>> = Vec::with_capacity(signed.len());
        for signed in signed.chunks(GROUPS * LANES) {
            // SAFETY: the caller of this module has checked that the processor has AVX-512F and IFMA.
            unsafe { public_keys(signed, &mut keys) };
        }
        let found: Vec<&[u8; 64]> = keys.iter().flatten().collect();
        let mut hashes = keccak256_many(&found).into_iter();
        let signer = |((signature, hash), key): (&(Signature, B256), &Option<[u8; 64]>)| match key {
            Some(_) => hashes.next().map(Address::from_word),
            None => recover_signer(signature, *hash).ok(),
        };
        signed.iter().zip(&keys).map(signer).collect()
    }

    /// Whether this processor can.
    pub(super) fn is_here() -> bool {
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512ifma")
    }

    /// How many keys are found without alloy.
    #[cfg(test)]
    pub(super) fn count_found(signed: &[(Signature, B256)]) -> usize {
        let mut keys = Vec::new();
        // SAFETY: tests ask only where the processor can.
        signed.chunks(GROUPS * LANES).for_each(|signed| unsafe { public_keys(signed, &mut keys) });
        keys.iter().flatten().count()
    }

    /// Appends the public key of each signature, `None` where it is to be looked for otherwise.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn public_keys(signed: &[(Signature, B256)], out: &mut Vec<Option<[u8; 64]>>) {
        let digits = digits(signed);
        let usable: Vec<(usize, &Digits)> = (digits.iter().enumerate())
            .filter(|(at, _)| signed[*at].0.s() <= SECP256K1N_HALF)
            .filter_map(|(at, digits)| Some((at, digits.as_ref()?)))
            .collect();
        let first = out.len();
        out.resize(first + signed.len(), None);
        let Some(&filler) = usable.first() else { return };
        let mut groups: Vec<(Points, u8)> = Vec::with_capacity(GROUPS);
        for group in usable.chunks(LANES) {
            let lane = |at: usize| *group.get(at).unwrap_or(&filler);
            let lanes: [(usize, &Digits); LANES] = core::array::from_fn(lane);
            let xs = lanes.map(|(at, _)| curve::words(signed[at].0.r().to_be_bytes()));
            groups.push(recover(
                &xs,
                lanes.map(|(at, _)| signed[at].0.v()),
                &lanes.map(|(_, digits)| digits),
            ));
        }
        for ((group, found), inverse) in usable.chunks(LANES).zip(&groups).zip(inverses(&groups)) {
            let (rows, on_curve) = affine(&found.0, &inverse);
            for (lane, (at, _)) in group.iter().enumerate() {
                out[first + at] = (found.1 & on_curve & 1 << lane != 0).then(|| key(&rows[lane]));
            }
        }
    }

    /// One over Z for each group, with one division; where there is no point, of whatever.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn inverses(groups: &[(Points, u8)]) -> Vec<Field> {
        let one = Field::small(1);
        let mut zs = Vec::with_capacity(groups.len());
        let mut before = Vec::with_capacity(groups.len());
        let mut product = one;
        for (points, found) in groups {
            let z = one.or(*found, &points.z);
            before.push(product);
            product = product.mul(&z);
            zs.push(z);
        }
        let mut inverse = product.inverse();
        for (z, before) in zs.iter_mut().zip(before).rev() {
            let own = inverse.mul(&before);
            inverse = inverse.mul(z);
            *z = own;
        }
        zs
    }

    /// A public key as it is hashed: x and y, big-endian.
    fn key(row: &[u64; 8]) -> [u8; 64] {
        let mut key = [0; 64];
        let (x, y) = row.split_at(4);
        let words = x.iter().rev().chain(y.iter().rev());
        key.as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(words)
            .for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        key
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec::Vec;

    use alloy_primitives::{U256, keccak256};
    use k256::{
        ProjectivePoint, Scalar,
        ecdsa::SigningKey,
        elliptic_curve::{PrimeField as _, sec1::ToEncodedPoint as _},
    };

    use super::*;

    fn one_by_one(signed: &[(Signature, B256)]) -> Vec<Option<Address>> {
        signed.iter().map(|(signature, hash)| recover_signer(signature, *hash).ok()).collect()
    }

    fn signed(seed: u64) -> (Signature, B256) {
        let (key, hash) = (keccak256(seed.to_le_bytes()), keccak256((!seed).to_le_bytes()));
        let signature =
            SigningKey::from_slice(&key[..]).unwrap().sign_prehash_recoverable(&hash[..]).unwrap();
        (signature.into(), hash)
    }

    /// What a secret, a nonce and a hash make: a signature as no wallet makes it.
    fn signed_with(secret: Scalar, nonce: Scalar, hash: B256) -> (Signature, B256) {
        let point = (ProjectivePoint::GENERATOR * nonce).to_affine().to_encoded_point(false);
        let x: [u8; 32] = (*point.x().unwrap()).into();
        let r = Scalar::from_repr(x.into()).unwrap();
        let z = Scalar::from_repr(hash.0.into()).unwrap();
        let mut s = nonce.invert().unwrap() * (z + r * secret);
        let mut odd = point.y().unwrap()[31] & 1 == 1;
        if U256::from_be_bytes::<32>(s.to_repr().into()) > alloy_consensus::crypto::SECP256K1N_HALF {
            (s, odd) = (-s, !odd);
        }
        let number = |scalar: Scalar| U256::from_be_bytes::<32>(scalar.to_repr().into());
        (Signature::new(number(r), number(s), odd), hash)
    }

    #[test]
    fn signers_of_many_are_those_of_each() {
        let many: Vec<_> = (0..3000).map(signed).collect();
        let expected = one_by_one(&many);
        assert!(expected.iter().all(Option::is_some));
        assert_eq!(recover_signers(&many), expected);
        #[cfg(target_arch = "x86_64")]
        assert!(!by_eight::is_here() || by_eight::count_found(&many) == many.len(), "none is left to alloy");
        for count in 0..20 {
            assert_eq!(recover_signers(&many[..count]), expected[..count]);
        }
    }

    #[test]
    fn signatures_of_nobody_are_found_out_among_others() {
        let order = U256::from_be_bytes(alloy_primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let mut many: Vec<_> = (0..200).map(signed).collect();
        for (at, (signature, hash)) in many.iter_mut().enumerate() {
            let (r, s, v) = (signature.r(), signature.s(), signature.v());
            *signature = match at % 13 {
                0 => Signature::new(U256::ZERO, s, v),
                1 => Signature::new(r, U256::ZERO, v),
                2 => Signature::new(order, s, v),
                3 => Signature::new(r, order, v),
                4 => Signature::new(r, order - s, !v),
                5 => Signature::new(U256::MAX, s, v),
                6 => Signature::new(r, U256::from(1), v),
                7 => Signature::new(r.wrapping_add(U256::from(1)), s, v),
                8 => Signature::new(U256::from(at), s, v),
                9 => Signature::new(r, s, !v),
                10 => Signature::new(r, U256::from(1) << (at % 255), v),
                _ => continue,
            };
            if at % 2 == 0 {
                *hash = B256::from(U256::from(at / 26));
            }
        }
        let expected = one_by_one(&many);
        assert!(expected.iter().any(Option::is_none));
        assert_eq!(recover_signers(&many), expected);
    }

    /// Numbers nobody signed with: half of them are the x of no point.
    fn arbitrary(seed: u64) -> (Signature, B256) {
        let word = |salt: u8| keccak256([&seed.to_le_bytes()[..], &[salt]].concat());
        let s = U256::from_be_bytes(word(1).0) >> 1;
        (Signature::new(U256::from_be_bytes(word(0).0), s, word(2)[0] & 1 == 1), word(3))
    }

    #[test]
    fn signers_of_what_nobody_signed_are_those_of_each() {
        let many: Vec<_> = (0..2_000).map(arbitrary).collect();
        assert_eq!(recover_signers(&many), one_by_one(&many));
    }

    #[test]
    #[ignore = "minutes: four million signatures beside libsecp256k1 one by one"]
    fn signers_of_millions_are_those_of_each() {
        for batch in 1..2_000 {
            let many: Vec<_> = (0..2_000).map(|seed| arbitrary(batch * 2_000 + seed)).collect();
            assert_eq!(recover_signers(&many), one_by_one(&many), "batch {batch}");
        }
    }

    #[test]
    fn points_that_meet_on_the_way_are_added_rightly() {
        let small = |number: u64| Scalar::from(number);
        let high = (0..128).fold(Scalar::ONE, |scalar, _| scalar + scalar);
        let mut many = Vec::new();
        for nonce in 1..40 {
            for secret in 1..12 {
                let hashes = [B256::ZERO, B256::with_last_byte(secret), keccak256([secret])];
                for hash in hashes {
                    let (secret, nonce) = (small(u64::from(secret)), small(nonce));
                    many.push(signed_with(secret, nonce, hash));
                    many.push(signed_with(secret, -nonce, hash));
                    many.push(signed_with(secret, nonce * high, hash));
                    many.push(signed_with(-secret, nonce + high, hash));
                }
            }
        }
        // A key that is the point at infinity: z = -r * 0, and s R = z G.
        for seed in 0..8 {
            let (signature, _) = signed_with(small(seed + 1), small(1), keccak256([seed as u8]));
            many.push((signature, B256::from(signature.s())));
        }
        let expected = one_by_one(&many);
        assert!(expected.iter().any(Option::is_some));
        assert!(expected.iter().any(Option::is_none), "R is G, and z is s: nobody");
        assert_eq!(recover_signers(&many), expected);
    }
}
