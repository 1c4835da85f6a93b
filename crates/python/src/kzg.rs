//! KZG commitments of blobs, without the GIL.

use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};
use trex_chain::kzg;

/// Commitment to a blob, 48 bytes; None if the bytes are no blob.
#[pyfunction]
pub(crate) fn blob_commitment<'py>(py: Python<'py>, blob: &[u8]) -> Option<Bound<'py, PyBytes>> {
    py.detach(|| kzg::commitment(blob)).map(|commitment| PyBytes::new(py, &commitment))
}

/// Proofs of the cells of a blob, 48 bytes each; None if the bytes are no blob.
#[pyfunction]
pub(crate) fn blob_cell_proofs<'py>(py: Python<'py>, blob: &[u8]) -> Option<Vec<Bound<'py, PyBytes>>> {
    let proofs = py.detach(|| kzg::cell_proofs(blob))?;
    Some(proofs.iter().map(|proof| PyBytes::new(py, proof)).collect())
}

/// Whether each of these is the blob of its commitment, in the time of committing to one.
#[pyfunction]
pub(crate) fn blobs_are_committed(
    py: Python<'_>,
    blobs: Vec<PyBackedBytes>,
    commitments: Vec<PyBackedBytes>,
) -> bool {
    py.detach(|| kzg::are_committed(&blobs, &commitments)) == Some(true)
}
