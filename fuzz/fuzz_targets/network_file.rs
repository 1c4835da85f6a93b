//! See [`trex_fuzz::network_file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::network_file(data));
