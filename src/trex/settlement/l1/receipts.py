"""An L1 block's receipts as its header commits to them: every log of the block, in its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_hash.auto import keccak

from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.types.primitives import Address, Hash32

EMPTY_ROOT = Hash32(keccak(rlp.encode(b"")))
"""Of a trie without items."""


@dataclass(frozen=True, slots=True)
class ProvenLog:
    """One log of a block, as its receipts root proves it; its index is its place among them."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


def proven_logs(answer: Any, block: L1Block) -> list[ProvenLog]:
    """Read a block's receipts as eth_getBlockReceipts gives them, and return all its logs in order.

    Raises:
        L1UnavailableError: `bad_answer`: they are malformed, or not those that the block's header commits to.
    """
    try:
        receipts = [_consensus(receipt) for receipt in answer]
        logs = [
            ProvenLog(Address(address), tuple(map(Hash32, topics)), data)
            for _, fields in receipts
            for address, topics, data in fields[3]
        ]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise L1UnavailableError("bad_answer", f"no receipts: {error}") from error
    root = ordered_root([prefix + rlp.encode(fields) for prefix, fields in receipts])
    if root != block.receipts_root:
        raise L1UnavailableError(
            "bad_answer",
            f"the receipts of block {block.number} hash to 0x{root.hex()}, "
            f"not to 0x{block.receipts_root.hex()}",
        )
    return logs


def ordered_root(items: Sequence[bytes]) -> Hash32:
    """Return the root of the trie that maps the RLP of each item's position to the item."""
    if not items:
        return EMPTY_ROOT
    leaves = sorted((rlp.encode(at).hex(), item) for at, item in enumerate(items))
    return Hash32(keccak(rlp.encode(_node(leaves, 0))))


def _node(leaves: Sequence[tuple[str, bytes]], depth: int) -> list[Any]:
    """Return the node above leaves, which are sorted by nibbles and agree in the first `depth` of these."""
    (first, item), (last, _) = leaves[0], leaves[-1]
    if len(leaves) == 1:
        return [_path(first[depth:], 2), item]
    shared = depth
    while first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return [_path(first[depth:shared], 0), _reference(leaves, shared)]
    below = [[leaf for leaf in leaves if leaf[0][depth] == nibble] for nibble in "0123456789abcdef"]
    return [*(_reference(some, depth + 1) if some else b"" for some in below), b""]


def _reference(leaves: Sequence[tuple[str, bytes]], depth: int) -> Any:
    """Return a node as its parent holds it: whole where it is short, else by its hash."""
    node = _node(leaves, depth)
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak(encoded)


def _path(nibbles: str, kind: int) -> bytes:
    """Pack a path's nibbles behind the kind of its node: 2 for a leaf, 0 for an extension."""
    odd = len(nibbles) % 2
    return bytes.fromhex(f"{kind + odd:x}{'' if odd else '0'}{nibbles}")


def _consensus(receipt: Any) -> tuple[bytes, list[Any]]:
    """Return the type byte, none for type 0, and the fields that the root is taken of (EIP-2718)."""
    type_ = int(receipt.get("type") or "0x0", 16)
    logs = [
        [_sized(log["address"], 20), [_sized(topic, 32) for topic in log["topics"]], _bytes(log["data"])]
        for log in receipt["logs"]
    ]
    status, gas = int(receipt["status"], 16), int(receipt["cumulativeGasUsed"], 16)
    fields = [_integer(status), _integer(gas), _sized(receipt["logsBloom"], 256), logs]
    return bytes([type_]) if type_ else b"", fields


def _integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(f"not 0x-prefixed hex: {text[:20]!r}")
    return bytes.fromhex(text[2:])


def _sized(text: str, size: int) -> bytes:
    data = _bytes(text)
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes where {size} belong")
    return data
