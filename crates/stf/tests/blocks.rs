//! Blocks with transactions of every kind: native state, witness and reference agree on each.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use alloy_primitives::{B256, Bytes};
use common::{random, scenarios};
use proptest::prelude::*;
use trex_stf::block::BlockError;

#[test]
fn every_scenario_gives_the_same_block_natively_from_witness_and_by_reference() {
    for (name, run) in scenarios::ALL {
        println!("{name}");
        run();
    }
}

/// WIT-001: a witness can lack something, which is a fault; and it holds nothing that is not read.
#[test]
fn witness_without_any_one_part_is_a_fault() {
    use trex_stf::{
        program::{Input, ProgramError, run},
        witness::Witness,
    };

    for scenario in [scenarios::types, scenarios::storage, scenarios::delegations, scenarios::history] {
        let chain = scenario();
        for (encoded, _) in chain.programs.iter().rev().take(5) {
            let input = Input::decode_exact(encoded).unwrap();
            let (nodes, codes, headers) =
                (input.witness.nodes(), input.witness.codes(), input.witness.headers());
            let parts = nodes.len() + codes.len();
            for left_out in 0..parts + usize::from(!headers.is_empty()) {
                let kept = |from: usize, part: &[(B256, Bytes)]| -> Vec<Bytes> {
                    let values = part.iter().enumerate().filter(|(index, _)| from + index != left_out);
                    values.map(|(_, (_, value))| value.clone()).collect()
                };
                let mut fewer_headers = headers.to_vec();
                if left_out == parts {
                    fewer_headers.pop();
                }
                let witness = Witness::new(kept(0, nodes), kept(nodes.len(), codes), fewer_headers);
                let fewer = Input { witness, ..input.clone() };
                let result = run(&alloy_rlp::encode(&fewer).into());
                assert!(matches!(result, Err(ProgramError::Block(BlockError::State(_)))), "{result:?}");
            }
        }
    }
}

/// WIT-002: one witness, one encoding.
#[test]
fn witness_in_another_order_or_twice_is_refused() {
    use alloy_rlp::Encodable;
    use trex_stf::witness::{Witness, WitnessDecodeError};

    let encode = |nodes: &[&[u8]], codes: &[&[u8]]| -> Bytes {
        let list = |values: &[&[u8]]| -> Vec<Bytes> {
            values.iter().map(|value| Bytes::copy_from_slice(value)).collect()
        };
        let mut payload = Vec::new();
        list(nodes).encode(&mut payload);
        list(codes).encode(&mut payload);
        list(&[]).encode(&mut payload);
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
        out.extend(payload);
        out.into()
    };
    let (mut low, mut high) = (&b"one"[..], &b"two"[..]);
    if alloy_primitives::keccak256(low) > alloy_primitives::keccak256(high) {
        (low, high) = (high, low);
    }
    assert!(Witness::decode_exact(&encode(&[low, high], &[low])).is_ok());
    for (nodes, codes) in [
        (vec![high, low], vec![]),
        (vec![low, low], vec![]),
        (vec![], vec![high, low]),
        (vec![], vec![low, low]),
    ] {
        assert_eq!(Witness::decode_exact(&encode(&nodes, &codes)), Err(WitnessDecodeError::Order));
    }
    let long = [0u8; 1025];
    assert_eq!(Witness::decode_exact(&encode(&[&long], &[])), Err(WitnessDecodeError::TooLarge));
    let mut tail = encode(&[low], &[]).to_vec();
    tail.push(0);
    assert_eq!(Witness::decode_exact(&tail.into()), Err(WitnessDecodeError::Encoding));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("TREX_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
    ))]

    #[test]
    fn random_sequences_give_the_same_blocks_natively_from_witness_and_by_reference(
        sequence in random::sequence(),
    ) {
        random::run(&sequence);
    }
}
