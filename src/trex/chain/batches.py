"""Batches of blocks in blobs (specs/batch.md), and commitments to blobs, by the Rust core."""

from trex._core import (
    batch_reasons,
    blob_cell_proofs,
    blob_commitment,
    blobs_are_committed,
    encode_batch,
    explain_batch,
)

BLOB_BYTES = 131_072
"""Bytes of a blob (EIP-4844)."""

__all__ = [
    "BLOB_BYTES",
    "batch_reasons",
    "blob_cell_proofs",
    "blob_commitment",
    "blobs_are_committed",
    "encode_batch",
    "explain_batch",
]
