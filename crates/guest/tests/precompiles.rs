//! Precompiles under the RISC-V build: status, gas and output as natively, where other libraries
//! (libsecp256k1, blst, c-kzg) answer some of them.
//!
//! Needs `make guest` first, and qemu-riscv64. `TREX_CASES` and `TREX_SEED` ask for more.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod qemu;

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_rlp::Decodable;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, Field, PrimeField};
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use trex_guest::precompiles::{Answer, Call, FATAL, HALT, OUT_OF_GAS, SUCCESS, answer};

/// A stream of bytes that follows from a seed.
struct Source(B256);

impl Source {
    fn word(&mut self) -> B256 {
        self.0 = keccak256(self.0);
        keccak256([self.0.as_slice(), b"out"].concat())
    }

    fn below(&mut self, bound: usize) -> usize {
        (U256::from_be_bytes(self.word().0) % U256::from(bound)).to()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(32)).flat_map(|_| self.word().0).take(length).collect()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn field<F: PrimeField>(&mut self) -> F {
        F::from_be_bytes_mod_order(&self.bytes(64))
    }
}

fn padded<F: PrimeField>(value: F, length: usize) -> Vec<u8> {
    let bytes = value.into_bigint().to_bytes_be();
    [vec![0; length - bytes.len()], bytes].concat()
}

/// Points of a curve in the precompiles' encoding.
trait Curve {
    fn g1(source: &mut Source, kind: usize) -> Vec<u8>;
    fn g2(source: &mut Source, kind: usize) -> Vec<u8>;
    /// Pairs whose pairings multiply to one.
    fn balanced(source: &mut Source) -> Vec<u8>;
}

macro_rules! curve {
    ($name:ident, $curve:ident, $length:expr, $imaginary_first:expr) => {
        struct $name;

        impl $name {
            fn g1_bytes(point: $curve::G1Affine) -> Vec<u8> {
                let (x, y) = point.xy().unwrap_or_default();
                [padded(x, $length), padded(y, $length)].concat()
            }

            fn g2_bytes(point: $curve::G2Affine) -> Vec<u8> {
                let (x, y) = point.xy().unwrap_or_default();
                [x, y]
                    .into_iter()
                    .flat_map(|value| {
                        let (real, imaginary) = (padded(value.c0, $length), padded(value.c1, $length));
                        if $imaginary_first { [imaginary, real].concat() } else { [real, imaginary].concat() }
                    })
                    .collect()
            }
        }

        impl Curve for $name {
            fn g1(source: &mut Source, kind: usize) -> Vec<u8> {
                Self::g1_bytes(match kind {
                    0 => $curve::G1Affine::zero(),
                    1 => loop {
                        // On the curve; for BLS12-381 not in the subgroup.
                        let x = source.field();
                        if let Some(point) = $curve::G1Affine::get_point_from_x_unchecked(x, false) {
                            break point;
                        }
                    },
                    // Not on the curve.
                    2 => $curve::G1Affine::new_unchecked(source.field(), source.field()),
                    _ => ($curve::G1Affine::generator() * source.field::<$curve::Fr>()).into_affine(),
                })
            }

            fn g2(source: &mut Source, kind: usize) -> Vec<u8> {
                let fq2 = |source: &mut Source| $curve::Fq2::new(source.field(), source.field());
                Self::g2_bytes(match kind {
                    0 => $curve::G2Affine::zero(),
                    1 => loop {
                        let x = fq2(source);
                        if let Some(point) = $curve::G2Affine::get_point_from_x_unchecked(x, false) {
                            break point;
                        }
                    },
                    2 => $curve::G2Affine::new_unchecked(fq2(source), fq2(source)),
                    _ => ($curve::G2Affine::generator() * source.field::<$curve::Fr>()).into_affine(),
                })
            }

            fn balanced(source: &mut Source) -> Vec<u8> {
                let (a, b) = (source.field::<$curve::Fr>(), source.field::<$curve::Fr>());
                let (g1, g2) = ($curve::G1Affine::generator(), $curve::G2Affine::generator());
                [
                    Self::g1_bytes((g1 * a).into_affine()),
                    Self::g2_bytes((g2 * b).into_affine()),
                    Self::g1_bytes((g1 * (-a * b)).into_affine()),
                    Self::g2_bytes(g2),
                ]
                .concat()
            }
        }
    };
}

curve!(Bn254, ark_bn254, 32, true);
curve!(Bls12, ark_bls12_381, 64, false);

/// Which points to take: mostly good ones.
fn kind(source: &mut Source) -> usize {
    source.pick(&[0, 1, 2, 3, 3, 3, 3, 3, 3, 3])
}

fn scalar(source: &mut Source) -> Vec<u8> {
    let bn254 = padded(ark_bn254::Fr::from(-1), 32);
    let bls = padded(ark_bls12_381::Fr::from(-1), 32);
    let random = source.bytes(32);
    source.pick(&[
        random.clone(),
        random,
        vec![0; 32],
        vec![0xff; 32],
        bn254,
        bls,
        B256::with_last_byte(1).to_vec(),
    ])
}

fn pairs<C: Curve>(source: &mut Source) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..source.below(3) {
        if source.below(3) == 0 {
            input.extend(C::balanced(source));
        } else {
            let (left, right) = (kind(source), kind(source));
            input.extend(C::g1(source, left));
            input.extend(C::g2(source, right));
        }
    }
    input
}

fn ecrecover(source: &mut Source) -> Vec<u8> {
    let key = k256::ecdsa::SigningKey::from_slice(source.word().as_slice()).unwrap();
    let hash = source.word();
    let (signature, id) = key.sign_prehash_recoverable(hash.as_slice()).unwrap();
    let order = b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let mut r = B256::from_slice(&signature.r().to_bytes());
    let mut s = B256::from_slice(&signature.s().to_bytes());
    let mut v = 27 + id.to_byte();
    match source.below(8) {
        // The twin with a high s is as good here.
        0 => {
            s = (U256::from_be_bytes(order.0) - U256::from_be_bytes(s.0)).into();
            v ^= 7;
        }
        1 => {
            r = source.pick(&[
                B256::ZERO,
                order,
                B256::with_last_byte(1),
                B256::repeat_byte(0xff),
                source_x(),
            ])
        }
        2 => s = source.pick(&[B256::ZERO, order, B256::with_last_byte(1), B256::repeat_byte(0xff)]),
        3 => v = source.pick(&[0, 1, 26, 27, 28, 29, 30]),
        _ => {}
    }
    let v = U256::from(v) + if source.below(20) == 0 { U256::from(1) << 200 } else { U256::ZERO };
    [hash.as_slice(), &v.to_be_bytes::<32>(), r.as_slice(), s.as_slice()].concat()
}

/// An x below the field's prime and above the group's order.
fn source_x() -> B256 {
    b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142")
}

fn p256_verify(source: &mut Source) -> Vec<u8> {
    let key = p256::ecdsa::SigningKey::from_slice(source.word().as_slice()).unwrap();
    let hash = source.word();
    let signature: p256::ecdsa::Signature = key.sign_prehash(hash.as_slice()).unwrap();
    let point = key.verifying_key().to_encoded_point(false);
    let mut input = [hash.as_slice(), &signature.to_bytes(), &point.as_bytes()[1..]].concat();
    let order = b256!("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let prime = b256!("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    if source.below(3) == 0 {
        let at = 32 * source.below(5);
        let word = source.pick(&[B256::ZERO, order, prime, B256::with_last_byte(1), B256::repeat_byte(0xff)]);
        input[at..at + 32].copy_from_slice(word.as_slice());
    }
    input
}

fn ed25519_verify(source: &mut Source) -> Vec<u8> {
    let key = ed25519_dalek::SigningKey::from_bytes(&source.word().0);
    let length = source.below(200);
    let message = source.bytes(length);
    let signature = key.sign(&message);
    let mut public = *key.verifying_key().as_bytes();
    let mut signature = signature.to_bytes();
    let mut low = [0u8; 32];
    match source.below(8) {
        // Small order, not canonical, no point; s not reduced.
        0 => public = low,
        1 => {
            low[0] = 1;
            public = low;
            signature[..32].copy_from_slice(&low);
            signature[32..].fill(0);
        }
        2 => public = [0xff; 32],
        3 => {
            public = [0xff; 32];
            public[0] = 0xee;
            public[31] = 0x7f;
        }
        4 => signature[63] |= 0xe0,
        5 => signature[..32].fill(0),
        _ => {}
    }
    [&public[..], &signature, &message].concat()
}

fn modexp(source: &mut Source) -> Vec<u8> {
    let lengths: Vec<usize> = (0..3)
        .map(|_| match source.below(8) {
            0 => 0,
            1 => 1024 + source.below(3) - 1,
            2 => source.below(300),
            _ => source.below(64),
        })
        .collect();
    let mut input: Vec<u8> =
        lengths.iter().flat_map(|length| U256::from(*length).to_be_bytes::<32>()).collect();
    if source.below(12) == 0 {
        let at = 32 * source.below(3);
        input[at + source.below(30)] = 1;
    }
    for length in lengths {
        let random = source.bytes(length);
        input.extend(source.pick(&[
            random.clone(),
            random.clone(),
            random,
            vec![0; length],
            vec![0xff; length],
        ]));
    }
    if source.below(4) == 0
        && let Some(last) = input.last_mut()
    {
        // Even, and with a power of two in it.
        *last &= 0xf0;
    }
    input
}

fn blake2f(source: &mut Source) -> Vec<u8> {
    let mut input = source.bytes(213);
    let rounds = source.pick(&[0u32, 1, 2, 12, 500, 4000, u32::MAX]);
    input[..4].copy_from_slice(&rounds.to_be_bytes());
    input[212] = source.pick(&[0, 1, 1, 0, 2]);
    input
}

/// A commitment to a polynomial and a proof of its value, made by c-kzg.
fn point_evaluation(source: &mut Source, proofs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = source.pick(proofs);
    let modulus = padded(ark_bls12_381::Fr::from(-1), 32);
    match source.below(6) {
        0 => input[32..64].copy_from_slice(&source.word().0),
        1 => input[64..96].copy_from_slice(&modulus),
        2 => {
            let mut modulus = modulus;
            modulus[31] += 1;
            let at = source.pick(&[32, 64]);
            input[at..at + 32].copy_from_slice(&modulus);
        }
        // The commitment or the proof is not a point of the group; the hash fits it.
        3 => {
            let at = source.pick(&[96, 144]);
            let mut point = source.bytes(48);
            let flag = source.pick(&[0x80, 0xa0, 0xc0, 0xe0, 0x00]);
            point[0] = (point[0] & 0x1f) | flag;
            input[at..at + 48].copy_from_slice(&point);
            let hash = revm::precompile::kzg_point_evaluation::kzg_to_versioned_hash(&input[96..144]);
            input[..32].copy_from_slice(&hash);
        }
        _ => {}
    }
    input
}

fn proofs(source: &mut Source) -> Vec<Vec<u8>> {
    let settings = c_kzg::ethereum_kzg_settings(0);
    (0..6)
        .map(|index| {
            let mut blob = vec![0u8; c_kzg::BYTES_PER_BLOB];
            for element in blob.chunks_mut(32).take([0, 1, 4096, 100, 4096, 2][index]) {
                element.copy_from_slice(&padded(source.field::<ark_bls12_381::Fr>(), 32));
            }
            let blob = c_kzg::Blob::from_bytes(&blob).unwrap();
            let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
            let z = c_kzg::Bytes32::from_bytes(&padded(source.field::<ark_bls12_381::Fr>(), 32)).unwrap();
            let (proof, y) = settings.compute_kzg_proof(&blob, &z).unwrap();
            let hash = revm::precompile::kzg_point_evaluation::kzg_to_versioned_hash(commitment.as_slice());
            [&hash[..], z.as_slice(), y.as_slice(), commitment.as_slice(), proof.to_bytes().as_slice()]
                .concat()
        })
        .collect()
}

/// An input meant for the precompile, good or bad in a way that means something to it.
fn input(source: &mut Source, address: u16, proofs: &[Vec<u8>]) -> Vec<u8> {
    let point_and = |source: &mut Source, point: Vec<u8>, second: Vec<u8>| {
        let _ = source;
        [point, second].concat()
    };
    let chosen = kind(source);
    let other = kind(source);
    match address {
        0x01 => ecrecover(source),
        0x02..=0x04 => {
            let length = source.below(300);
            source.bytes(length)
        }
        0x05 => modexp(source),
        0x06 => [Bn254::g1(source, chosen), Bn254::g1(source, other)].concat(),
        0x07 => {
            let point = Bn254::g1(source, chosen);
            let scalar = scalar(source);
            point_and(source, point, scalar)
        }
        0x08 => pairs::<Bn254>(source),
        0x09 => blake2f(source),
        0x0a => point_evaluation(source, proofs),
        0x0b => [Bls12::g1(source, chosen), Bls12::g1(source, other)].concat(),
        0x0c => (0..source.below(4))
            .flat_map(|_| {
                let chosen = kind(source);
                [Bls12::g1(source, chosen), scalar(source)].concat()
            })
            .collect(),
        0x0d => [Bls12::g2(source, chosen), Bls12::g2(source, other)].concat(),
        0x0e => (0..source.below(3))
            .flat_map(|_| {
                let chosen = kind(source);
                [Bls12::g2(source, chosen), scalar(source)].concat()
            })
            .collect(),
        0x0f => pairs::<Bls12>(source),
        0x10 | 0x11 => (0..usize::from(address - 0x0f))
            .flat_map(|_| {
                let random = source.field::<ark_bls12_381::Fq>();
                let value = source.pick(&[random, random, random, 0.into(), 1.into(), (-1).into()]);
                padded(value, 64)
            })
            .collect(),
        0x100 => p256_verify(source),
        0x201 => ed25519_verify(source),
        _ => unreachable!(),
    }
}

/// Spoils an input in a way that any decoder might mishandle.
fn spoil(source: &mut Source, input: &mut Vec<u8>) {
    let modulus_bn254 = (padded(-ark_bn254::Fq::ONE, 32), 32);
    let modulus_bls = (padded(-ark_bls12_381::Fq::ONE, 64), 64);
    match source.below(8) {
        0 => {
            let length = source.below(input.len() + 1);
            input.truncate(length);
        }
        1 => {
            let more = source.below(70);
            input.extend(source.bytes(more));
        }
        2 if !input.is_empty() => {
            let at = source.below(input.len());
            input[at] ^= 1 << source.below(8);
        }
        3 if input.len() >= 64 => {
            // p - 1, p, or all ones where a field element stands.
            let (mut value, width) = source.pick(&[modulus_bn254, modulus_bls]);
            match source.below(3) {
                0 => {}
                1 => *value.last_mut().unwrap() += 1,
                _ => value.fill(0xff),
            }
            let at = width * source.below(input.len() / width);
            input[at..at + width].copy_from_slice(&value);
        }
        _ => {}
    }
}

fn address_of(number: u16) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

#[test]
fn precompiles_give_the_same_status_gas_and_output_under_riscv() {
    let cases = std::env::var("TREX_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    let seed: u64 = std::env::var("TREX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1962);
    let source = &mut Source(keccak256(seed.to_be_bytes()));
    let proofs = proofs(source);
    let mut calls: Vec<Call> = Vec::new();
    for number in (0x01..=0x11).chain([0x100, 0x201, 0x12, 0x202]) {
        for case in 0..cases {
            let mut input = if matches!(number, 0x12 | 0x202) {
                source.bytes(case)
            } else {
                input(source, number, &proofs)
            };
            spoil(source, &mut input);
            let mut call = Call { address: address_of(number), gas_limit: 1 << 24, input: input.into() };
            // Exactly enough gas, or one less.
            let native = answer(&call);
            match source.below(6) {
                0 if native.status == SUCCESS => call.gas_limit = native.gas_used,
                1 if native.status == SUCCESS => call.gas_limit = native.gas_used.saturating_sub(1),
                _ => {}
            }
            calls.push(call);
        }
    }
    compare(&calls);
}

fn compare(calls: &[Call]) {
    let native: Vec<Answer> = calls.iter().map(answer).collect();
    let input: Bytes = alloy_rlp::encode(calls.to_vec()).into();
    let run = qemu::run("trex-guest-precompiles", &input);
    assert_eq!(run.exit_code, 0, "{}", run.message);
    let guest = Vec::<Answer>::decode(&mut run.output.as_slice()).unwrap();
    assert_eq!(guest.len(), calls.len());
    let mut tally = std::collections::BTreeMap::<(Address, u8), usize>::new();
    for ((call, native), guest) in calls.iter().zip(&native).zip(&guest) {
        assert_eq!(guest, native, "{call:?}");
        assert_ne!(native.status, FATAL);
        *tally.entry((call.address, native.status)).or_default() += 1;
    }
    for ((address, status), count) in &tally {
        println!("{address} status {status}: {count}");
    }
    // Each precompile was seen to answer, and those that can fail to fail.
    if calls.len() > 100 {
        for number in (0x01..=0x11u16).chain([0x100, 0x201]) {
            let seen = |status| tally.contains_key(&(address_of(number), status));
            assert!(seen(SUCCESS), "{number:#x}");
            assert!(seen(HALT) || seen(OUT_OF_GAS), "{number:#x}");
        }
    }
}

/// What the caps still allow computes alike: the largest inputs.
#[test]
fn largest_inputs_give_the_same_answer_under_riscv() {
    let zeros = |address: u16, length: usize| Call {
        address: address_of(address),
        gas_limit: u64::MAX,
        input: vec![0; length].into(),
    };
    compare(&[
        zeros(0x08, 192 * 434),
        zeros(0x08, 192 * 435),
        zeros(0x0c, 160 * 1783),
        zeros(0x0c, 160 * 1784),
        zeros(0x0e, 288 * 957),
        zeros(0x0e, 288 * 958),
        zeros(0x0f, 384 * 411),
        zeros(0x0f, 384 * 412),
        zeros(0x02, 1 << 20),
        zeros(0x03, 1 << 20),
        zeros(0x04, 1 << 20),
        zeros(0x201, 1 << 20),
    ]);
}
