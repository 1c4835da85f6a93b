//! A program on a bare RISC-V machine with three system calls.

use alloc::vec::Vec;
use core::{
    arch::{asm, global_asm},
    panic::PanicInfo,
};

use crate::{PANIC_EXIT_CODE, Program};

const READ: usize = 63;
const WRITE: usize = 64;
const EXIT: usize = 93;

const STANDARD_INPUT: usize = 0;
const STANDARD_OUTPUT: usize = 1;
const STANDARD_ERROR: usize = 2;

/// Exit status when input or output fails.
const IO_EXIT_CODE: u8 = 74;

// The program brings its own stack, so that nothing about the machine's matters.
global_asm!(
    ".section .text._start",
    ".globl _start",
    "_start:",
    "    la sp, {stack} + {size}",
    "    call trex_main",
    ".section .text",
    stack = sym STACK,
    size = const STACK_BYTES,
);

const STACK_BYTES: usize = 16 << 20;

#[repr(align(16))]
struct Stack(#[allow(dead_code, reason = "only its address is used")] [u8; STACK_BYTES]);

static mut STACK: Stack = Stack([0; STACK_BYTES]);

/// Heaps and stacks belong to one thread of control that nothing interrupts.
struct Alone;

critical_section::set_impl!(Alone);

// SAFETY: there is one thread and no interrupt, so every section is critical.
unsafe impl critical_section::Impl for Alone {
    unsafe fn acquire() -> critical_section::RawRestoreState {}
    unsafe fn release(_: critical_section::RawRestoreState) {}
}

/// # Safety
/// The arguments must be what the call numbered `number` expects.
unsafe fn system_call(number: usize, arguments: [usize; 3]) -> isize {
    let [first, second, third] = arguments;
    let result;
    // SAFETY: the caller vouches for the arguments; a system call clobbers memory and a0 only.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") first => result,
            in("a1") second,
            in("a2") third,
            options(nostack),
        );
    }
    result
}

fn exit(code: u8) -> ! {
    loop {
        // SAFETY: exit takes a status and does not return.
        unsafe { system_call(EXIT, [usize::from(code), 0, 0]) };
    }
}

fn read_all() -> Option<Vec<u8>> {
    const CHUNK_BYTES: usize = 1 << 16;
    let mut input = Vec::new();
    loop {
        let filled = input.len();
        input.resize(filled + CHUNK_BYTES, 0);
        // SAFETY: the buffer has CHUNK_BYTES from here on.
        let read = unsafe {
            system_call(READ, [STANDARD_INPUT, input.as_mut_ptr().add(filled) as usize, CHUNK_BYTES])
        };
        let read = usize::try_from(read).ok()?;
        input.truncate(filled + read);
        if read == 0 {
            return Some(input);
        }
    }
}

fn write_all(descriptor: usize, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        // SAFETY: the buffer is valid for its length.
        let written = unsafe { system_call(WRITE, [descriptor, bytes.as_ptr() as usize, bytes.len()]) };
        bytes = bytes.get(usize::try_from(written).ok().filter(|&written| written > 0)?..)?;
    }
    Some(())
}

/// Runs a program between standard input and standard output.
pub fn execute(program: Program) -> ! {
    let Some(input) = read_all() else { exit(IO_EXIT_CODE) };
    match program(&input.into()) {
        Ok(output) if write_all(STANDARD_OUTPUT, &output).is_some() => exit(0),
        Ok(_) => exit(IO_EXIT_CODE),
        Err(fault) => {
            // Where even this cannot be written, the exit status still tells.
            let _ = write_all(STANDARD_ERROR, fault.message.as_bytes());
            let _ = write_all(STANDARD_ERROR, b"\n");
            exit(fault.exit_code)
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    let _ = write_all(STANDARD_ERROR, b"panic\n");
    exit(PANIC_EXIT_CODE)
}
