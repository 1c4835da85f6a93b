//! See [`trex_fuzz::trie_node`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trex_fuzz::trie_node(data));
