//! See [`trex_fuzz::witness`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::witness(data));
