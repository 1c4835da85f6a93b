//! The Python module `trex._core`: the seam between the Rust crates and the Python packages.
//!
//! It converts values, releases the GIL around work, and maps each error once. It holds no logic.

mod chain;
mod errors;
mod sign;
mod statetest;

use pyo3::prelude::*;

/// The allocator of everything that Rust allocates: glibc's costs the state tries a third more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How the extension was compiled: `debug` keeps overflow checks, `release` drops them.
const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Rust half of T-Rex. Only `trex.chain` imports it.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::chain::{Chain, Head};
    #[pymodule_export]
    use super::sign::{sign_message, sign_transaction, sign_typed_data};
    #[pymodule_export]
    use super::statetest::{StateTestCase, StateTestRun, run_statetests};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PROFILE", PROFILE)
    }
}
