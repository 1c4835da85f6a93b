//! Runtime of the provable programs: heap, input, output and exit status.
//!
//! A program is a function from input bytes to output bytes or to a [`Fault`]. Built for
//! `riscv64imac-unknown-none-elf` it runs without an operating system below it but for three calls
//! (read, write, exit) numbered as on Linux, so `qemu-riscv64` runs it; built natively it is an
//! ordinary filter from standard input to standard output.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

use alloc::{string::String, vec::Vec};

use alloy_primitives::Bytes;

pub mod precompiles;

#[cfg(target_os = "none")]
mod heap;
#[cfg(not(target_os = "none"))]
mod native;
#[cfg(target_os = "none")]
mod riscv;

#[cfg(not(target_os = "none"))]
#[doc(hidden)]
pub use native::execute;
#[cfg(target_os = "none")]
#[doc(hidden)]
pub use riscv::execute;

/// Exit status of a program that panicked, out of memory included.
pub const PANIC_EXIT_CODE: u8 = 101;

/// Why a program has no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Exit status, never 0.
    pub exit_code: u8,
    /// For standard error.
    pub message: String,
}

/// A function from input bytes to output bytes.
pub type Program = fn(&Bytes) -> Result<Vec<u8>, Fault>;

/// Makes a binary of a [`Program`].
#[macro_export]
macro_rules! entry {
    ($program:path) => {
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        extern "C" fn trex_main() -> ! {
            $crate::execute($program)
        }

        #[cfg(not(target_os = "none"))]
        fn main() -> std::process::ExitCode {
            $crate::execute($program)
        }
    };
}
