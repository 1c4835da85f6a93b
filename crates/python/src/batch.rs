//! Batches: what they hold, and how they are written.

use alloy_primitives::{B256, Bytes};
use pyo3::{exceptions::PyValueError, prelude::*, pybacked::PyBackedBytes, types::PyBytes};
use serde_json::json;
use trex_chain::derive::{OutcomeShape, explain};
use trex_stf::batch::{Batch, BatchBlock, Blob, Reason, encode_batch as encode, pack_blobs};

use crate::errors;

/// A block of a batch as Python gives it: slot delta, origin delta, EIP-2718 bytes of transactions.
type Block = (u64, u64, Vec<PyBackedBytes>);

/// Blobs as Python takes them.
pub(crate) fn blobs_to_python<'py>(py: Python<'py>, blobs: &[Box<Blob>]) -> Vec<Bound<'py, PyBytes>> {
    blobs.iter().map(|blob| PyBytes::new(py, &blob[..])).collect()
}

/// Bytes that Python gives, copied once.
pub(crate) fn copied(items: &[PyBackedBytes]) -> Vec<Bytes> {
    items.iter().map(|item| Bytes::copy_from_slice(item)).collect()
}

/// What blobs hold, as JSON: `{"batch": ...}`, or `{"reason": {code, name, text}}`.
#[pyfunction]
pub(crate) fn explain_batch<'py>(
    py: Python<'py>,
    blobs: Vec<PyBackedBytes>,
    chain_id: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let text = py.detach(|| {
        serde_json::to_vec(&match explain(&copied(&blobs), chain_id) {
            Ok(batch) => json!({"batch": batch}),
            Err(reason) => json!({"reason": reason}),
        })
    });
    let text = text.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &text))
}

/// Every reason why a header reads as empty, as JSON: `[{code, name, text}, ...]`.
#[pyfunction]
pub(crate) fn batch_reasons(py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
    let reasons = Reason::ALL.map(OutcomeShape::from);
    let text = serde_json::to_vec(&reasons).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &text))
}

/// Blobs of a batch.
#[pyfunction]
pub(crate) fn encode_batch<'py>(
    py: Python<'py>,
    chain_id: u64,
    parent_output: &[u8],
    blocks: Vec<Block>,
    log_indices: Vec<u32>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let parent_output = B256::try_from(parent_output)
        .map_err(|error| PyValueError::new_err(format!("parent_output: {error}")))?;
    let blobs = py.detach(|| {
        let blocks = blocks.iter().map(|(slot_delta, origin_delta, transactions)| BatchBlock {
            slot_delta: *slot_delta,
            origin_delta: *origin_delta,
            transactions: copied(transactions),
        });
        let batch = Batch { parent_output, blocks: blocks.collect(), log_indices };
        encode(&batch, chain_id).map(|bytes| pack_blobs(&bytes))
    });
    Ok(blobs_to_python(py, &blobs.map_err(|reason| errors::batch(&reason))?))
}
