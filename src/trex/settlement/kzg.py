"""KZG commitments of blobs (EIP-4844) and the cells that go with them into a transaction (EIP-7594)."""

import hashlib
from dataclasses import dataclass

from trex.chain.batches import BLOB_BYTES as BLOB_BYTES
from trex.chain.batches import blob_cell_proofs, blob_commitment
from trex.types.primitives import Hash32

VERSION = b"\x01"
"""VERSIONED_HASH_VERSION_KZG of EIP-4844."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A blob with all that a network wants to see beside it."""

    blob: bytes
    commitment: bytes
    cell_proofs: tuple[bytes, ...]
    """128, one for each cell of the extended blob."""

    @property
    def versioned_hash(self) -> Hash32:
        """How contracts and headers name the blob."""
        return versioned_hash(self.commitment)


def versioned_hash(commitment: bytes) -> Hash32:
    """Return the name of the blob with this commitment."""
    return Hash32(VERSION + hashlib.sha256(commitment).digest()[1:])


def commit(blob: bytes) -> bytes:
    """Return a blob's commitment: some 0.06 s of a core, which other threads need not wait for.

    Raises:
        ValueError: it is no blob: a wrong length, or a field element out of range.
    """
    if len(blob) != BLOB_BYTES:
        raise ValueError(f"a blob has {BLOB_BYTES} bytes, not {len(blob)}")
    commitment = blob_commitment(blob)
    if commitment is None:
        raise ValueError("not a blob: a field element is out of range")
    return commitment


def make_sidecar(blob: bytes) -> Sidecar:
    """Return a blob with commitment and cell proofs: about a second of processor time.

    Raises:
        ValueError: it is no blob.
    """
    commitment, proofs = commit(blob), blob_cell_proofs(blob)
    assert proofs is not None, "a blob with a commitment"
    return Sidecar(bytes(blob), commitment, tuple(proofs))


def name_of(blob: bytes) -> Hash32 | None:
    """Return the versioned hash that these bytes are the blob of; None if they are no blob."""
    commitment = blob_commitment(blob)
    return None if commitment is None else versioned_hash(commitment)
