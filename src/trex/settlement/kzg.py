"""KZG commitments of blobs (EIP-4844) and the cells that go with them into a transaction (EIP-7594)."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import ckzg

from trex.types.primitives import Hash32

BLOB_BYTES = 131_072
VERSION = b"\x01"
"""VERSIONED_HASH_VERSION_KZG of EIP-4844."""
PRECOMPUTE = 0
"""Tables that speed up many proofs at the price of memory; a batcher makes a few a minute."""


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
    """Return a blob's commitment: some 0.1 s of processor time.

    Raises:
        ValueError: it is no blob: a wrong length, or a field element out of range.
    """
    if len(blob) != BLOB_BYTES:
        raise ValueError(f"a blob has {BLOB_BYTES} bytes, not {len(blob)}")
    try:
        return bytes(ckzg.blob_to_kzg_commitment(blob, _setup()))
    except RuntimeError as error:
        raise ValueError("not a blob: a field element is out of range") from error


def make_sidecar(blob: bytes) -> Sidecar:
    """Return a blob with commitment and cell proofs: about a second of processor time.

    Raises:
        ValueError: it is no blob.
    """
    commitment = commit(blob)
    _, proofs = ckzg.compute_cells_and_kzg_proofs(blob, _setup())
    return Sidecar(bytes(blob), commitment, tuple(bytes(proof) for proof in proofs))


def name_of(blob: bytes) -> Hash32 | None:
    """Return the versioned hash that these bytes are the blob of; None if they are no blob."""
    try:
        return versioned_hash(commit(blob))
    except ValueError:
        return None


@cache
def _setup() -> Any:
    """Return Ethereum's trusted setup; the ceremony's output ships with eth-account."""
    package = files("eth_account.typed_transactions.blob_transactions")
    with as_file(package / "kzg_trusted_setup.txt") as path:
        return ckzg.load_trusted_setup(str(path), PRECOMPUTE)
