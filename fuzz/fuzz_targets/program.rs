//! See [`trex_fuzz::program`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::program(data));
