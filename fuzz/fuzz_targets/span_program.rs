//! See [`trex_fuzz::span_program`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::span_program(data));
