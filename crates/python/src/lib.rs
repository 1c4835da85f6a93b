//! The Python module `trex._core`: the seam between the Rust crates and the Python packages.
//!
//! It converts values, releases the GIL around work, and maps each error once. It holds no logic.

mod batch;
mod chain;
mod errors;
mod kzg;
mod pms;
mod sign;
mod statetest;

use std::ffi::c_long;

use pyo3::prelude::*;

/// The allocator of everything that Rust allocates: glibc's costs the state tries a third more.
///
/// It asks for no huge pages (`no_thp`): many threads' small heaps touch a little of each, so that a node
/// took half as much memory again, and under load spent a fifth of its time having the kernel zero it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Freed memory goes back to the system after this long, milliseconds. With the allocator's own second,
/// what one block freed, the next one had the kernel zero again.
const PURGE_DELAY_MS: c_long = 10_000;
/// `mi_option_purge_delay`, which the bindings leave unnamed.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How the extension was compiled: `debug` keeps overflow checks, `release` drops them.
const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Rust half of T-Rex. Only `trex.chain` and `trex.engine.matching` import it.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::batch::{batch_reasons, encode_batch, explain_batch};
    #[pymodule_export]
    use super::chain::{Chain, Head, default_limits, genesis, rewrite_tables};
    #[pymodule_export]
    use super::kzg::{blob_cell_proofs, blob_commitment, blobs_are_committed};
    #[pymodule_export]
    use super::pms::{People, pms_log2_table};
    #[pymodule_export]
    use super::sign::{sign_message, sign_transaction, sign_typed_data};
    #[pymodule_export]
    use super::statetest::{StateTestCase, StateTestRun, run_statetests};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // SAFETY: sets a number that the allocator reads whenever it frees; any value is valid.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PROFILE", PROFILE)
    }
}
