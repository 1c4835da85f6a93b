//! See [`trex_fuzz::transaction`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::transaction(data));
