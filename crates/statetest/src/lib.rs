//! Ethereum's state tests, run through the state transition function's EVM and tries.
//!
//! A test file is what `ethereum/tests` calls a general state test and `execution-spec-tests` a state
//! test fixture. [`run`] takes a file or a folder of them and reports each case: one transaction of a
//! test by the rules of one fork. specs/statetest.md has the rules that the format leaves open.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod case;
mod fixture;
mod fork;
mod handler;
mod memory;
mod number;
mod run;
mod trace;
mod wire;

pub use case::{Status, Verdict};
pub use fork::Fork;
pub use run::{CaseReport, Options, Summary, run};
