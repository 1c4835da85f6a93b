"""What leaves the engine: passports as CSV, as Parquet, as a Merkle root for contracts (specs/bi.md, EXT)."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from trex.engagement.tree import levels_of, proof_of
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With which spreadsheets begin to compute."""


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (EXT-002)."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) or text.startswith(_FORMULAS) else text


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """Write rows as CSV (RFC 4180), every text safe (EXT-002)."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in (columns, *rows):
        writer.writerow([safe(cell) for cell in row])
    return out.getvalue().encode()


def as_parquet(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """Write rows as Parquet: texts as they are."""
    made = pa.table(
        {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(columns)}
    )
    out = io.BytesIO()
    pq.write_table(made, out)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class AudienceTree:
    """People of an audience under one root, until it expires."""

    root: Hash32
    """What a contract is given."""
    expires_s: int
    """Until when it holds, Unix time; in every leaf."""
    proofs: Mapping[int, tuple[Hash32, ...]]
    """By passport: siblings from the leaf up."""


def leaf_of(passport: int, expires_s: int) -> Hash32:
    """Hash of one person, twice, so that no inner node is one: `abi.encode(uint256, uint256)` (EXT-003)."""
    return keccak256(keccak256(passport.to_bytes(32) + expires_s.to_bytes(32)))


def tree_of(passports: Sequence[int], expires_s: int) -> AudienceTree:
    """Make the tree: leaves in the order of their hashes, pairs hashed the smaller first (EXT-003).

    OpenZeppelin's `MerkleProof.verify` reads it.

    Raises:
        ValueError: there is nobody.
    """
    if not passports:
        raise ValueError("a root of nobody")
    leaves = sorted((leaf_of(one, expires_s), one) for one in set(passports))
    levels = levels_of([leaf for leaf, _ in leaves])
    proofs = {passport: proof_of(levels, place) for place, (_, passport) in enumerate(leaves)}
    return AudienceTree(levels[-1][0], expires_s, proofs)
