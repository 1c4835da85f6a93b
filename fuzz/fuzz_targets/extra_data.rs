//! See [`trex_fuzz::extra_data`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::extra_data(data));
