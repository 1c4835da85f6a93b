//! Rust errors as the Python classes of `trex.types.errors`, mapped here and nowhere else.

use pyo3::{PyErr, import_exception};
use trex_chain::{chain::ChainError, network::NetworkError, pool::PoolError, rpc::error as rpc_error};

import_exception!(trex.types.errors, CoreError);
import_exception!(trex.types.errors, RpcError);

/// A fault of the core; a limit is the caller's to know, and answered as such.
pub(crate) fn core(error: &ChainError) -> PyErr {
    if let ChainError::Limit { .. } = error {
        return RpcError::new_err((rpc_error::LIMIT, error.to_string(), None::<String>));
    }
    CoreError::new_err((error.code(), error.to_string()))
}

/// Blocks that make no batch.
pub(crate) fn batch(reason: &trex_stf::batch::Reason) -> PyErr {
    CoreError::new_err(("bad_batch", format!("{}: {reason}", reason.name())))
}

/// A network file that is refused.
pub(crate) fn network(error: &NetworkError) -> PyErr {
    CoreError::new_err(("bad_network", error.to_string()))
}

/// A fault of the matching kernel.
pub(crate) fn pms(error: &trex_pms::PmsError) -> PyErr {
    CoreError::new_err((format!("pms_{}", error.code()), error.to_string()))
}

/// A chain that was closed.
pub(crate) fn closed() -> PyErr {
    CoreError::new_err(("closed", "the data directory was closed"))
}

/// An argument that Python got wrong.
pub(crate) fn argument(what: &str, error: &dyn std::fmt::Display) -> PyErr {
    RpcError::new_err((-32602, format!("{what}: {error}"), None::<String>))
}

/// A JSON-RPC answer that is an error.
pub(crate) fn rpc(error: rpc_error::RpcError) -> PyErr {
    RpcError::new_err((error.code, error.message, error.data))
}

/// A transaction that the mempool refused.
pub(crate) fn pool(error: &PoolError) -> PyErr {
    RpcError::new_err((error.rpc_code(), error.to_string(), None::<String>))
}
