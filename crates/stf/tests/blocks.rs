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

/// WIT-001, WIT-004: a witness can lack something, which is a fault; and it holds nothing that is not read.
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

/// WIT-003: an ancestor's header that its child does not name is a fault.
#[test]
fn witness_with_other_ancestors_is_a_fault() {
    use trex_stf::{
        program::{Input, ProgramError, run},
        witness::Witness,
    };

    let (encoded, _) = scenarios::history().programs.pop().unwrap();
    let input = Input::decode_exact(&encoded).unwrap();
    let headers = input.witness.headers().to_vec();
    assert!(headers.len() > 2);
    let with = |headers: Vec<Bytes>| {
        let values =
            |part: &[(B256, Bytes)]| part.iter().map(|(_, value)| value.clone()).collect::<Vec<Bytes>>();
        let witness = Witness::new(values(input.witness.nodes()), values(input.witness.codes()), headers);
        run(&alloy_rlp::encode(&Input { witness, ..input.clone() }).into())
    };
    assert!(with(headers.clone()).is_ok());
    let mut swapped = headers.clone();
    swapped.swap(0, 1);
    let mut changed = headers;
    let mut bytes = changed[1].to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    changed[1] = bytes.into();
    for other in [swapped, changed] {
        let result = with(other);
        assert!(matches!(result, Err(ProgramError::Block(BlockError::State(_)))), "{result:?}");
    }
}

/// STF-001, STF-004, STF-006: attributes that break a rule make no block.
#[test]
fn attributes_that_break_a_rule_make_no_block() {
    use alloy_primitives::{Address, TxKind};
    use trex_stf::{attributes::BlockAttributes, program::Input};

    let (encoded, _) = scenarios::deposits().programs.pop().unwrap();
    let input = Input::decode_exact(&encoded).unwrap();
    let parent_slot = trex_stf::header::slot(&input.parent).unwrap();
    let exit_code = |change: &dyn Fn(&mut BlockAttributes)| {
        let mut changed = input.clone();
        change(&mut changed.attributes);
        trex_stf::program::run(&alloy_rlp::encode(&changed).into())
            .map_or_else(|error| error.exit_code(), |_| 0)
    };
    let to = Address::repeat_byte(0x77);
    let minting = |gas: u64| common::chain::deposit(to, TxKind::Call(to), 1, 0, gas, vec![], 9);
    assert_eq!(exit_code(&|_| ()), 0);
    assert_eq!(exit_code(&|attributes| attributes.slot = parent_slot), 12);
    // The parent's origin is 4: another block of that number, and an earlier one.
    assert_eq!(exit_code(&|attributes| attributes.origin.number = 4), 12);
    assert_eq!(exit_code(&|attributes| attributes.origin.number = 3), 12);
    // Above 2^24, and more than the block has left beside the attributes deposit.
    assert_eq!(exit_code(&|attributes| attributes.deposits.push(minting((1 << 24) + 1))), 12);
    let full = |attributes: &mut BlockAttributes| {
        attributes.gas_limit = 2_000_000;
        attributes.deposits.push(minting(2_000_000));
    };
    assert_eq!(exit_code(&full), 12);
    assert_eq!(exit_code(&|attributes| attributes.deposits.push(Bytes::from_static(&[2]))), 12);
}

/// PRG-004: parameters and parents that no block follows from are malformed input.
#[test]
fn input_that_no_block_follows_from_is_malformed() {
    use trex_stf::program::{Input, run};

    let (encoded, _) = scenarios::transfers().programs.pop().unwrap();
    let input = Input::decode_exact(&encoded).unwrap();
    let changes: [fn(&mut Input); 6] = [
        |input| input.params.block_time_ms = 0,
        |input| input.params.elasticity = 0,
        |input| input.params.base_fee_denominator = 0,
        |input| input.parent.gas_limit = input.params.elasticity - 1,
        |input| input.parent.gas_used = input.parent.gas_limit + 1,
        |input| input.parent.number = u64::MAX,
    ];
    for change in changes {
        let mut changed = input.clone();
        change(&mut changed);
        let error = run(&alloy_rlp::encode(&changed).into()).unwrap_err();
        assert_eq!(error.exit_code(), 10, "{error}");
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
