//! Calls of precompiles, to compare this build's answers with another's.
#![cfg_attr(target_os = "none", no_std, no_main)]

trex_guest::entry!(trex_guest::precompiles::run);
