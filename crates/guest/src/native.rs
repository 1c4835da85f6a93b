//! A program as an ordinary filter.

use std::{
    io::{Read, Write, stderr, stdin, stdout},
    process::ExitCode,
};

use crate::{Fault, Program};

/// Exit status when input or output fails.
const IO_EXIT_CODE: u8 = 74;

/// Runs a program between standard input and standard output.
pub fn execute(program: Program) -> ExitCode {
    let io_fault = |error: std::io::Error| Fault { exit_code: IO_EXIT_CODE, message: error.to_string() };
    let mut input = Vec::new();
    let outcome = stdin()
        .read_to_end(&mut input)
        .map_err(io_fault)
        .and_then(|_| program(&input.into()))
        .and_then(|output| stdout().write_all(&output).map_err(io_fault));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Where even this cannot be written, the exit status still tells.
            let _ = writeln!(stderr(), "{}", fault.message);
            ExitCode::from(fault.exit_code)
        }
    }
}
