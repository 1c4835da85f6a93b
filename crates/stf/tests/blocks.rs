//! Blocks with transactions of every kind: native state, witness and reference agree on each.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{random, scenarios};
use proptest::prelude::*;

#[test]
fn every_scenario_gives_the_same_block_natively_from_witness_and_by_reference() {
    for (name, run) in scenarios::ALL {
        println!("{name}");
        run();
    }
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
