"""Batches of blocks in blobs (specs/batch.md): the codec of the state transition function."""

from trex._core import encode_batch, explain_batch

BLOB_BYTES = 131_072
"""Bytes of a blob (EIP-4844)."""

__all__ = ["BLOB_BYTES", "encode_batch", "explain_batch"]
