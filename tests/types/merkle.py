"""A Merkle-Patricia trie to check roots with: small, slow, and nobody else's code."""

from collections.abc import Mapping
from typing import TypeAlias

from trex.types.network_file import keccak256

Rlp: TypeAlias = "bytes | list[Rlp]"


def rlp(item: Rlp) -> bytes:
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(len(item), 0x80) + item
    body = b"".join(map(rlp, item))
    return _prefix(len(body), 0xC0) + body


def integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def secure_root(items: Mapping[bytes, bytes]) -> bytes:
    """Root of the trie of hashed keys; values are RLP already."""
    leaves = {keccak256(key).hex(): value for key, value in items.items()}
    return keccak256(rlp(_node(leaves, 0)) if leaves else b"\x80")


def secure_proof(items: Mapping[bytes, bytes], key: bytes) -> list[bytes]:
    """Nodes from the root down to a key that is there, as eth_getProof gives them."""
    leaves = {keccak256(key).hex(): value for key, value in items.items()}
    path = keccak256(key).hex()
    proof, depth, node = [], 0, _node(leaves, 0)
    while True:
        if depth == 0 or len(rlp(node)) >= 32:
            proof.append(rlp(node))
        if len(node) == 17:
            depth += 1
        else:
            below = {other for other in leaves if other[:depth] == path[:depth]}
            if len(below) == 1:
                return proof
            first, last = min(below), max(below)
            while first[depth] == last[depth]:
                depth += 1
        node = _node(
            {other: value for other, value in leaves.items() if other[:depth] == path[:depth]}, depth
        )


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    return bytes([offset + 55 + len(integer(length))]) + integer(length)


def _path(nibbles: str, leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    return bytes.fromhex(f"{flag:x}{'' if flag % 2 else '0'}{nibbles}")


def _node(leaves: Mapping[str, bytes], depth: int) -> Rlp:
    """The node over leaves that agree in their first `depth` nibbles."""
    if len(leaves) == 1:
        ((key, value),) = leaves.items()
        return [_path(key[depth:], leaf=True), value]
    first, last = min(leaves), max(leaves)
    common = depth
    while first[common] == last[common]:
        common += 1
    if common > depth:
        return [_path(first[depth:common], leaf=False), _reference(leaves, common)]
    children: list[Rlp] = []
    for nibble in "0123456789abcdef":
        below = {key: value for key, value in leaves.items() if key[depth] == nibble}
        children.append(_reference(below, depth + 1) if below else b"")
    return [*children, b""]


def _reference(leaves: Mapping[str, bytes], depth: int) -> Rlp:
    node = _node(leaves, depth)
    encoded = rlp(node)
    return node if len(encoded) < 32 else keccak256(encoded)
