//! Blocks over the store are those made in memory, from a witness and by the reference.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "../../stf/tests/common/mod.rs"]
mod common;
mod stored;

use common::{random, scenarios};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngSeed, TestRunner},
};

#[test]
fn test_every_scenario_over_the_store_gives_the_same_output() {
    for (name, scenario) in scenarios::ALL {
        println!("{name}: {} blocks", stored::agree(&scenario()));
    }
}

#[test]
fn test_random_sequences_over_the_store_give_the_same_output() {
    let cases = std::env::var("TREX_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6);
    let seed = std::env::var("TREX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1962);
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() });
    for _ in 0..cases {
        let sequence = random::sequence().new_tree(&mut runner).unwrap().current();
        stored::agree(&random::run(&sequence));
    }
}
