"""An L1 block's header: read from JSON, written as RLP, known by its hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_hash.auto import keccak

from trex.settlement.l1.errors import L1UnavailableError
from trex.types.primitives import Hash32, Wei

WORDS = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", 0),
    ("number", 0),
    ("gasLimit", 0),
    ("gasUsed", 0),
    ("timestamp", 0),
    ("extraData", -1),
    ("mixHash", 32),
    ("nonce", 8),
)
"""Fields of every header in their order: so many bytes, 0 for a number, -1 for bytes of any length."""
LATER = (
    ("baseFeePerGas", 0),
    ("withdrawalsRoot", 32),
    ("blobGasUsed", 0),
    ("excessBlobGas", 0),
    ("parentBeaconBlockRoot", 32),
    ("requestsHash", 32),
)
"""Fields that came by forks (EIP-1559, 4895, 4844, 4788, 7685); a header has the first so many of them."""
MAX_EXTRA_BYTES = 32


@dataclass(frozen=True, slots=True)
class L1Block:
    """A header whose hash was computed here."""

    number: int
    hash: Hash32
    parent_hash: Hash32
    timestamp: int
    """Seconds since the Unix epoch."""
    base_fee_wei: Wei
    excess_blob_gas: int
    state_root: Hash32
    receipts_root: Hash32
    rlp: bytes
    """The header as its hash is taken of it: what derivation is given as a preimage."""


def read_block(answer: Mapping[str, Any]) -> L1Block:
    """Read a block as eth_getBlockBy… gives it and compute its hash.

    Raises:
        L1UnavailableError: `bad_answer`: a field is missing or malformed, or the hash is not the header's.
    """
    try:
        fields = [_field(answer[name], size) for name, size in WORDS]
        for name, size in LATER:
            if answer.get(name) is None:
                break
            fields.append(_field(answer[name], size))
        encoded = rlp.encode(fields)
        hash_ = keccak(encoded)
        claimed = bytes.fromhex(str(answer["hash"])[2:])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise L1UnavailableError("bad_answer", f"not a block: {error}") from error
    if hash_ != claimed:
        raise L1UnavailableError("bad_answer", f"a block hashes to 0x{hash_.hex()}, not to 0x{claimed.hex()}")
    return _block(fields, hash_, encoded)


def decode_block(encoded: bytes) -> L1Block:
    """Read a header from the bytes that its hash is taken of, such as `L1Block.rlp`.

    Raises:
        ValueError: not a header.
    """
    try:
        fields = rlp.decode(encoded)
    except rlp.exceptions.DecodingError as error:
        raise ValueError(f"not a header: {error}") from error
    if not isinstance(fields, list) or len(fields) < len(WORDS):
        raise ValueError("not a header")
    return _block(fields, keccak(encoded), encoded)


def _block(fields: Sequence[bytes], hash_: bytes, encoded: bytes) -> L1Block:
    by_name = dict(zip((name for name, _ in WORDS + LATER), fields, strict=False))

    def number(name: str) -> int:
        return int.from_bytes(by_name.get(name, b""), "big")

    return L1Block(
        number=number("number"),
        hash=Hash32(hash_),
        parent_hash=Hash32(by_name["parentHash"]),
        timestamp=number("timestamp"),
        base_fee_wei=Wei(number("baseFeePerGas")),
        excess_blob_gas=number("excessBlobGas"),
        state_root=Hash32(by_name["stateRoot"]),
        receipts_root=Hash32(by_name["receiptsRoot"]),
        rlp=encoded,
    )


def _field(text: Any, size: int) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError(f"not 0x-prefixed hex: {str(text)[:20]!r}")
    if size == 0:
        number = int(text, 16)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")
    data = bytes.fromhex(text[2:])
    if size > 0 and len(data) != size:
        raise ValueError(f"{len(data)} bytes where {size} belong")
    if size < 0 and len(data) > MAX_EXTRA_BYTES:
        raise ValueError(f"{len(data)} bytes of extra data")
    return data
