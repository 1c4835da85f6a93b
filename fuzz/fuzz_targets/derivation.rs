//! See [`trex_fuzz::derivation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::derivation(data));
