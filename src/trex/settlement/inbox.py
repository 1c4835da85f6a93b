"""The inbox as L1 keeps it: batch headers and their hash chain (specs/inbox.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.l1.reader import Log
from trex.types.primitives import Hash32

BATCH_APPENDED = Hash32(keccak(b"BatchAppended(uint256,bytes32,bytes)"))
"""First topic of the inbox's event (INB-003)."""
ZERO = Hash32(bytes(32))
FIXED_BYTES = 123
"""Of a header without its blob hashes (INB-001)."""


class Carrier(IntEnum):
    """Where the data of a batch is."""

    NONE = 0
    """Nowhere: the header was forced in."""
    BLOBS = 1
    """Blobs of Ethereum."""
    DA_NETWORK = 2
    """The T-Rex DA network."""


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What L1 says of a batch (INB-001)."""

    index: int
    carrier: Carrier
    origin_number: int
    """The last L1 block that the batch's blocks may refer to."""
    origin_hash: Hash32
    deposit_count: int
    """Deposits up to and including that L1 block."""
    deposit_accumulator: Hash32
    sequencer_set: Hash32
    """Who appended it; zero when it was forced in."""
    blob_hashes: tuple[Hash32, ...]
    encoded: bytes
    """The header as it is hashed."""


@dataclass(frozen=True, slots=True)
class PostedBatch:
    """A header and where L1 has it."""

    header: BatchHeader
    accumulator: Hash32
    """The hash chain with it."""
    l1_number: int
    """L1 block that it was appended in, whose blobs hold its data."""
    l1_hash: Hash32
    transaction_hash: Hash32
    """L1 transaction that appended it."""


def decode_header(encoded: bytes) -> BatchHeader:
    """Read a header.

    Raises:
        ValueError: not a header that an inbox writes.
    """
    if len(encoded) < FIXED_BYTES or len(encoded) != FIXED_BYTES + 32 * encoded[FIXED_BYTES - 1]:
        raise ValueError(f"a batch header of {len(encoded)} bytes")
    if encoded[0] != 0:
        raise ValueError(f"a batch header of version {encoded[0]}")
    hashes = encoded[FIXED_BYTES:]
    return BatchHeader(
        index=int.from_bytes(encoded[1:9], "big"),
        carrier=Carrier(encoded[9]),
        origin_number=int.from_bytes(encoded[10:18], "big"),
        origin_hash=Hash32(encoded[18:50]),
        deposit_count=int.from_bytes(encoded[50:58], "big"),
        deposit_accumulator=Hash32(encoded[58:90]),
        sequencer_set=Hash32(encoded[90:122]),
        blob_hashes=tuple(Hash32(hashes[at : at + 32]) for at in range(0, len(hashes), 32)),
        encoded=encoded,
    )


def chain(accumulator: Hash32, encoded: bytes) -> Hash32:
    """Return the hash chain with one more header (INB-002)."""
    return Hash32(keccak(accumulator + keccak(encoded)))


def read_batches(logs: Sequence[Log], count: int, accumulator: Hash32) -> list[PostedBatch]:
    """Read the inbox's events that follow its first `count` headers, which hash to `accumulator`.

    Raises:
        L1UnavailableError: `bad_answer`: an event is missing, doubled or made up.
    """
    batches = []
    for log in logs:
        try:
            (encoded,) = decode(["bytes"], log.data)
            header = decode_header(encoded)
        except (DecodingError, OverflowError, ValueError) as error:
            raise L1UnavailableError("bad_answer", f"no batch header: {error}") from error
        accumulator = chain(accumulator, header.encoded)
        if header.index != count or len(log.topics) != 3 or log.topics[2] != accumulator:
            raise L1UnavailableError("bad_answer", f"batch {header.index} does not follow batch {count - 1}")
        batches.append(
            PostedBatch(header, accumulator, log.block_number, log.block_hash, log.transaction_hash)
        )
        count += 1
    return batches
