//! Reads standard input back: its first byte is `z` for zlib, `b` for Brotli, `t` for a batch of ours behind a
//! chain id. Only to count instructions.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::{string::ToString, vec, vec::Vec};
use core::ops::{Index, IndexMut};

use alloy_primitives::Bytes;
use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper, SliceWrapperMut,
};
use trex_guest::Fault;
use trex_stf::batch::decode_batch;

/// Most bytes that come out.
const MOST_BYTES: usize = 64 << 20;

fn inflate(input: &Bytes) -> Result<Vec<u8>, Fault> {
    let refuse = |message: &str| Fault { exit_code: 10, message: message.to_string() };
    match input.split_first() {
        Some((b'z', rest)) => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(rest, MOST_BYTES)
            .map_err(|error| refuse(&error.to_string())),
        Some((b'b', rest)) => brotli(rest).ok_or_else(|| refuse("no Brotli")),
        Some((b't', rest)) => {
            let (chain_id, batch) = rest.split_first_chunk().ok_or_else(|| refuse("no chain id"))?;
            let batch =
                decode_batch(batch, u64::from_be_bytes(*chain_id)).map_err(|reason| refuse(reason.name()))?;
            Ok(batch.blocks.into_iter().flat_map(|block| block.transactions).flatten().collect())
        }
        _ => Err(refuse("none of z, b, t")),
    }
}

/// Memory from the heap.
#[derive(Default)]
struct Memory<T>(Vec<T>);

impl<T> Index<usize> for Memory<T> {
    type Output = T;
    fn index(&self, at: usize) -> &T {
        &self.0[at]
    }
}

impl<T> IndexMut<usize> for Memory<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at]
    }
}

impl<T> SliceWrapper<T> for Memory<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Memory<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[derive(Default)]
struct Heap;

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = Memory<T>;
    fn alloc_cell(&mut self, length: usize) -> Memory<T> {
        Memory(vec![T::default(); length])
    }
    fn free_cell(&mut self, _: Memory<T>) {}
}

fn brotli(input: &[u8]) -> Option<Vec<u8>> {
    let mut state = BrotliState::new(Heap, Heap, Heap);
    let mut out = vec![0; 1 << 20];
    let (mut available_in, mut taken, mut written) = (input.len(), 0, 0);
    loop {
        let (mut available_out, mut total) = (out.len() - written, 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut taken,
            input,
            &mut available_out,
            &mut written,
            &mut out,
            &mut total,
            &mut state,
        );
        match result {
            BrotliResult::ResultSuccess => {
                out.truncate(written);
                return Some(out);
            }
            BrotliResult::NeedsMoreOutput if out.len() < MOST_BYTES => out.resize(out.len() * 2, 0),
            _ => return None,
        }
    }
}

trex_guest::entry!(inflate);
