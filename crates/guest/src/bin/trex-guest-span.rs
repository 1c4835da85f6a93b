//! The blocks of one batch header: reads the input document of `trex_stf::derive::program`, writes its
//! output.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::{string::ToString, vec::Vec};

use alloy_primitives::Bytes;
use trex_guest::Fault;

fn span(input: &Bytes) -> Result<Vec<u8>, Fault> {
    trex_stf::derive::program::run(input)
        .map_err(|error| Fault { exit_code: error.exit_code(), message: error.to_string() })
}

trex_guest::entry!(span);
