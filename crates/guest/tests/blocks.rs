//! Blocks under the RISC-V build and over the store: byte for byte what the native program says of the
//! witness.
//!
//! Needs `make guest` first, and qemu-riscv64.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../stf/tests/common/mod.rs"]
mod common;
#[path = "../../stf/tests/common/l1.rs"]
mod l1;
mod qemu;
#[path = "../../store/tests/stored/mod.rs"]
mod stored;

use common::{random, scenarios};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngSeed, TestRunner},
};

/// Programs that hold no transaction differ little: one in so many is run.
const EMPTY_BLOCKS_SKIPPED: usize = 60;

fn agree(programs: &[(alloy_primitives::Bytes, Vec<u8>)]) -> usize {
    let mut count = 0;
    for (index, (input, output)) in programs.iter().enumerate() {
        let is_large = input.len() > 3000;
        if is_large || programs.len() < 20 || index.is_multiple_of(EMPTY_BLOCKS_SKIPPED) {
            let run = qemu::run("trex-guest", input);
            assert_eq!(run.exit_code, 0, "{}", run.message);
            assert!(run.output == *output, "output differs");
            count += 1;
        }
    }
    count
}

#[test]
fn every_scenario_gives_the_same_output_over_the_store_and_under_riscv() {
    for (name, scenario) in scenarios::ALL {
        let chain = scenario();
        let (stored, run) = (stored::agree(&chain), agree(&chain.programs));
        println!("{name}: {stored} blocks, {run} of them under RISC-V");
    }
}

#[test]
fn random_sequences_give_the_same_output_under_riscv() {
    let cases = std::env::var("TREX_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    let seed = std::env::var("TREX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1962);
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() });
    for _ in 0..cases {
        let sequence = random::sequence().new_tree(&mut runner).unwrap().current();
        agree(&random::run(&sequence).programs);
    }
}

/// PRG-001, PRG-003.
#[test]
fn faults_give_their_exit_codes_under_riscv() {
    use alloy_primitives::Bytes;
    use trex_stf::{program::Input, witness::Witness};

    let chain = scenarios::types();
    let (encoded, _) = chain.programs.last().unwrap();
    let input = Input::decode_exact(encoded).unwrap();
    let encode = |input: &Input| -> Bytes { alloy_rlp::encode(input).into() };

    let mut late = input.clone();
    late.attributes.slot = 0;
    let empty = Input { witness: Witness::default(), ..input.clone() };
    let cases = [
        (10, Bytes::new()),
        (10, encoded.slice(..encoded.len() - 1)),
        (12, encode(&late)),
        (13, encode(&empty)),
    ];
    for (exit_code, input) in cases {
        let native = trex_stf::program::run(&input).unwrap_err();
        let run = qemu::run("trex-guest", &input);
        assert_eq!((run.exit_code, native.exit_code()), (exit_code, exit_code as u8));
        assert_eq!(run.message.trim_end(), native.to_string());
        assert!(run.output.is_empty());
    }
}

/// PRG-010 to PRG-013: batches, garbage, deposits, spills and foreign preimages.
#[test]
fn every_case_of_derivation_gives_the_same_output_under_riscv() {
    // More blobs say nothing new, and each costs a pairing in software.
    for case in l1::cases().iter().filter(|case| case.input.blobs.len() < 3) {
        let l1::Case { name, input, output, .. } = case;
        let run = qemu::run("trex-guest-span", &alloy_rlp::encode(input));
        match output {
            Ok(output) => {
                assert_eq!(run.exit_code, 0, "{name}: {}", run.message);
                assert!(run.output == alloy_rlp::encode(output), "{name}: output differs");
            }
            Err(code) => assert_eq!((run.exit_code, run.output.len()), (i32::from(*code), 0), "{name}"),
        }
    }
}
