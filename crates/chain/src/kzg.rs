//! KZG commitments of blobs (EIP-4844), and the proofs of cells that go with them into a transaction (EIP-7594).

use ark_bls12_381::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup as _;
use ark_ff::{BigInt, BigInteger as _, PrimeField as _, Zero as _};
use ark_serialize::{CanonicalDeserialize as _, CanonicalSerialize as _};
use c_kzg::{BYTES_PER_BLOB, Blob, KzgSettings, ethereum_kzg_settings};

/// A compressed point of G1.
pub type Point = [u8; 48];

/// Tables that make many proofs quicker at the price of memory: a batcher makes a few a minute.
const PRECOMPUTE: u64 = 0;

fn setup() -> &'static KzgSettings {
    ethereum_kzg_settings(PRECOMPUTE)
}

/// Commitment to a blob; `None` if the bytes are no blob: another length, or a field element out of range.
pub fn commitment(blob: &[u8]) -> Option<Point> {
    let blob = Blob::from_bytes(blob).ok()?;
    Some(setup().blob_to_kzg_commitment(&blob).ok()?.to_bytes().into_inner())
}

/// Proofs of the 128 cells of the extended blob; `None` if the bytes are no blob.
pub fn cell_proofs(blob: &[u8]) -> Option<Vec<Point>> {
    let blob = Blob::from_bytes(blob).ok()?;
    let (_, proofs) = setup().compute_cells_and_kzg_proofs(&blob).ok()?;
    Some(proofs.iter().map(|proof| proof.to_bytes().into_inner()).collect())
}

/// Whether each of these is the blob of its commitment, in the time of committing to one: random multiples of
/// the blobs and of the commitments are summed up, which nobody who made them could know, and the sum of the
/// blobs must have the sum of the commitments (DRV-068). `None` where nothing can be said: one is no blob or no
/// commitment, they are not as many, or the system gives no random numbers.
pub fn are_committed<B: AsRef<[u8]>, C: AsRef<[u8]>>(blobs: &[B], commitments: &[C]) -> Option<bool> {
    let mut sum = vec![Fr::zero(); BYTES_PER_BLOB / ELEMENT];
    let mut points = G1Projective::zero();
    for (blob, commitment) in blobs.iter().zip(commitments) {
        let (blob, commitment) = (blob.as_ref(), commitment.as_ref());
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let factor = Fr::from_le_bytes_mod_order(&random);
        let sized = blob.len() == BYTES_PER_BLOB && commitment.len() == size_of::<Point>();
        for (sum, element) in sum.iter_mut().zip(sized.then(|| blob.chunks_exact(ELEMENT))?) {
            *sum += factor * field_element(element)?;
        }
        points += G1Affine::deserialize_compressed(commitment).ok()? * factor;
    }
    let sum: Vec<u8> = sum.iter().flat_map(|element| element.into_bigint().to_bytes_be()).collect();
    let mut point = Vec::with_capacity(size_of::<Point>());
    points.into_affine().serialize_compressed(&mut point).ok()?;
    (blobs.len() == commitments.len()).then_some(commitment(&sum)?.as_slice() == point)
}

/// Bytes of a field element.
const ELEMENT: usize = 32;

/// A field element; `None` where it is not below the modulus.
fn field_element(bytes: &[u8]) -> Option<Fr> {
    let limb = |at: usize| bytes[at..at + 8].iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    Fr::from_bigint(BigInt::new([limb(24), limb(16), limb(8), limb(0)]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn commitments_are_ethereums_and_only_of_blobs() {
        // The polynomial 0 commits to the point at infinity, the polynomial 2 to twice the generator.
        let mut infinity = [0; 48];
        infinity[0] = 0xc0;
        assert_eq!(commitment(&[0; 131_072]), Some(infinity));
        let mut two = [0; 131_072];
        two.iter_mut().skip(31).step_by(32).for_each(|byte| *byte = 2);
        let twice = hex!(
            "a572cbea904d67468808c8eb50a9450c9721db309128012543902d0ac358a62ae28f75bb8f1c7c42c39a8c5529bf0f4e"
        );
        assert_eq!(commitment(&two), Some(twice));
        let proofs = cell_proofs(&two).unwrap();
        assert_eq!(proofs, vec![infinity; 128], "a constant's quotients are zero");
        assert_eq!(commitment(&[0; 131_071]), None);
        assert_eq!(commitment(&[0xff; 131_072]), None);
        assert_eq!(cell_proofs(&[0xff; 131_072]), None);
    }

    #[test]
    fn blobs_are_their_commitments_together_when_each_is() {
        let blob = |seed: u8| {
            let byte = |at: usize| if at.is_multiple_of(32) { seed } else { (at / 7) as u8 ^ seed };
            (0..131_072).map(byte).collect::<Vec<u8>>()
        };
        let mut blobs: Vec<Vec<u8>> = (0..5).map(blob).chain([vec![0; 131_072]]).collect();
        let mut commitments: Vec<Point> = blobs.iter().map(|blob| commitment(blob).unwrap()).collect();
        assert_eq!(are_committed(&blobs, &commitments), Some(true));
        assert_eq!(are_committed(&blobs[..5], &commitments), None);
        assert_eq!(are_committed::<&[u8], &[u8]>(&[], &[]), Some(true));
        commitments.swap(1, 2);
        assert_eq!(are_committed(&blobs, &commitments), Some(false), "each of another");
        commitments.swap(1, 2);
        blobs[3][77] ^= 1;
        assert_eq!(are_committed(&blobs, &commitments), Some(false), "one bit");
        blobs[3][64] = 0xff;
        assert_eq!(are_committed(&blobs, &commitments), None, "above the modulus");
        blobs[3] = blob(3);
        commitments[0][47] ^= 1;
        assert_ne!(are_committed(&blobs, &commitments), Some(true), "another point, or none");
        assert_eq!(are_committed(&blobs, &[[0; 48]; 6]), None, "no points");
    }
}
