//! Blobs with a proof that they are those of their versioned hashes (PRG-012).

use alloc::vec::Vec;

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ark_bls12_381::Fr;
use ark_ff::{BigInteger as _, FftField as _, Field as _, One as _, PrimeField, Zero as _};
use revm::precompile::{Crypto as _, DefaultCrypto, kzg_point_evaluation};

use crate::batch::BLOB_BYTES;

/// Field elements of a blob.
const ELEMENTS: usize = 4096;
/// Bytes of a field element.
const ELEMENT: usize = 32;
/// What the challenge's hash begins with (consensus specifications, Deneb).
const DOMAIN: &[u8] = b"FSBLOBVERIFY_V1_";
/// Bytes of a compressed point of G1.
const POINT: usize = 48;

/// A blob, its commitment and the proof that belongs to both, as `compute_blob_kzg_proof` makes it.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ProvenBlob {
    /// The blob.
    pub blob: Bytes,
    /// KZG commitment to it.
    pub commitment: Bytes,
    /// KZG proof of its value at the challenge.
    pub proof: Bytes,
}

impl ProvenBlob {
    /// The versioned hash that the blob is proved to belong to; `None` where nothing is proved.
    ///
    /// The blob's value at a point that the blob and the commitment choose is computed from its bytes, and
    /// shown to be the commitment's by the point-evaluation precompile (EIP-4844).
    pub fn verify(&self) -> Option<B256> {
        if self.blob.len() != BLOB_BYTES || self.commitment.len() != POINT || self.proof.len() != POINT {
            return None;
        }
        let z = self.challenge();
        let y = value_at(&elements(&self.blob)?, z);
        let hash = kzg_point_evaluation::kzg_to_versioned_hash(&self.commitment);
        let mut input = Vec::with_capacity(192);
        for part in [&hash[..], &to_bytes(z), &to_bytes(y), &self.commitment, &self.proof] {
            input.extend_from_slice(part);
        }
        kzg_point_evaluation::run(&input, kzg_point_evaluation::GAS_COST).ok().map(|_| B256::from(hash))
    }

    fn challenge(&self) -> Fr {
        let mut preimage = Vec::with_capacity(DOMAIN.len() + 16 + BLOB_BYTES + POINT);
        preimage.extend_from_slice(DOMAIN);
        preimage.extend_from_slice(&(ELEMENTS as u128).to_be_bytes());
        preimage.extend_from_slice(&self.blob);
        preimage.extend_from_slice(&self.commitment);
        Fr::from_be_bytes_mod_order(&DefaultCrypto.sha256(&preimage))
    }
}

/// A blob's elements; `None` where one is not below the modulus.
fn elements(blob: &[u8]) -> Option<Vec<Fr>> {
    blob.chunks_exact(ELEMENT)
        .map(|bytes| {
            let limb =
                |at: usize| bytes[at..at + 8].iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
            Fr::from_bigint(ark_ff::BigInt::new([limb(24), limb(16), limb(8), limb(0)]))
        })
        .collect()
}

fn to_bytes(element: Fr) -> Vec<u8> {
    element.into_bigint().to_bytes_be()
}

/// Value at `z` of the polynomial with these values at the roots of unity, which stand in bit-reversed
/// order: `(z^n - 1) / n * sum of value * root / (z - root)`, or the value itself where z is a root.
fn value_at(values: &[Fr], z: Fr) -> Fr {
    let bits = ELEMENTS.trailing_zeros();
    let Some(first) = Fr::get_root_of_unity(ELEMENTS as u64) else { return Fr::zero() };
    let mut roots = Vec::with_capacity(ELEMENTS);
    let mut root = Fr::one();
    for _ in 0..ELEMENTS {
        roots.push(root);
        root *= first;
    }
    // Of the place in the blob.
    let root_at = |place: usize| roots[place.reverse_bits() >> (usize::BITS - bits)];
    if let Some(place) = (0..ELEMENTS).find(|place| root_at(*place) == z) {
        return values[place];
    }
    let mut inverses: Vec<Fr> = (0..ELEMENTS).map(|place| z - root_at(place)).collect();
    ark_ff::batch_inversion(&mut inverses);
    let sum: Fr = values
        .iter()
        .zip(&inverses)
        .enumerate()
        .map(|(place, (value, inverse))| *value * root_at(place) * inverse)
        .sum();
    let scale = z.pow([ELEMENTS as u64]) - Fr::one();
    let Some(count) = Fr::from(ELEMENTS as u64).inverse() else { return Fr::zero() };
    sum * scale * count
}
