"""Golden cases of what L1 and L2 tell each other, computed apart from the contracts.

`python -m tests.vectors.settlement` writes them. Layouts: specs/inbox.md and specs/portal.md. Rust, Solidity
and Python are tested on the files.
"""

import json
from pathlib import Path
from typing import Any

from tests.types.merkle import integer, rlp, secure_proof, secure_root

from trex.types.network_file import keccak256

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
ALIAS_OFFSET = 0x1111000000000000000000000000000000001111
ZERO = bytes(32)


def hexed(value: bytes) -> str:
    """Bytes as the files have them."""
    return "0x" + value.hex()


def digest(*words: object) -> bytes:
    """A hash nobody chose."""
    return bytes(keccak256(repr(words).encode()))


def aliased(address: bytes) -> bytes:
    """PTL-011: what a contract of L1 is called on L2."""
    return ((int.from_bytes(address) + ALIAS_OFFSET) % 2**160).to_bytes(20)


def opaque_data(mint: int, value: int, gas: int, creation: bool, data: bytes) -> bytes:
    """PTL-010, version 0."""
    return mint.to_bytes(32) + value.to_bytes(32) + gas.to_bytes(8) + bytes([creation]) + data


def record(l1_block: int, sender: bytes, to: bytes, opaque: bytes) -> bytes:
    """PTL-001."""
    return l1_block.to_bytes(8) + sender + to + ZERO + opaque


def chained(accumulator: bytes, item: bytes) -> bytes:
    """PTL-002, INB-002: the accumulator with one more item."""
    return bytes(keccak256(accumulator + keccak256(item)))


def source_hash(l1_block_hash: bytes, log_index: int) -> bytes:
    """PTL-012."""
    return bytes(keccak256(ZERO + keccak256(l1_block_hash + log_index.to_bytes(32))))


def deposits() -> dict[str, Any]:
    """vectors/deposits.json."""
    max256 = 2**256 - 1
    # L1 block, log index, mint, value, gas limit, creation, length of data
    shapes = [
        (100, 0, 0, 0, 21_000, False, 0),
        (100, 3, 10**18, 10**18, 100_000, False, 0),
        (101, 7, 5, 2**128, 21_040, False, 1),
        (104, 0, 2**128, 0, 2**24, False, 32),
        (104, 1, 0, max256, 60_000, True, 55),
        (104, 2**32, max256, max256, 2**64 - 1, True, 56),
        (2**64 - 1, 2**63, 1, 1, 0, False, 1000),
    ]
    cases = []
    accumulator = ZERO
    for count, (l1_block, log_index, mint, value, gas, creation, size) in enumerate(shapes, 1):
        sender = digest("sender", count)[:20]
        to = bytes(20) if creation else digest("to", count)[:20]
        data = b"".join(digest("data", count, i) for i in range(size // 32 + 1))[:size]
        opaque = opaque_data(mint, value, gas, creation, data)
        item = record(l1_block, sender, to, opaque)
        accumulator = chained(accumulator, item)
        block_hash = digest("l1", l1_block)
        source = source_hash(block_hash, log_index)
        money = [integer(mint), integer(value), integer(gas)]
        transaction = b"\x7e" + rlp([source, sender, b"" if creation else to, *money, b"", data])
        cases.append(
            {
                "l1BlockNumber": l1_block,
                "l1BlockHash": hexed(block_hash),
                "logIndex": log_index,
                "from": hexed(sender),
                "to": hexed(to),
                "mint": hex(mint),
                "value": hex(value),
                "gasLimit": gas,
                "isCreation": creation,
                "data": hexed(data),
                "opaqueData": hexed(opaque),
                "record": hexed(item),
                "count": count,
                "accumulator": hexed(accumulator),
                "sourceHash": hexed(source),
                "transaction": hexed(transaction),
                "transactionHash": hexed(keccak256(transaction)),
            }
        )
    addresses = [bytes(20), b"\xff" * 20, digest("contract")[:20], (2**160 - ALIAS_OFFSET).to_bytes(20)]
    aliases = [{"l1": hexed(address), "l2": hexed(aliased(address))} for address in addresses]
    return {"deposits": cases, "aliases": aliases}


def inbox() -> dict[str, Any]:
    """vectors/inbox.json."""
    # forced, origin, deposits, blobs
    shapes = [
        (False, 1_000, 0, 1),
        (False, 1_000, 0, 2),
        (False, 1_010, 3, 6),
        (True, 1_011, 3, 0),
        (True, 1_200, 4, 0),
        (False, 1_201, 2**33, 9),
    ]
    cases = []
    accumulator = ZERO
    sequencer = digest("sequencer")[:20]
    for index, (forced, origin, count, blobs) in enumerate(shapes):
        origin_hash = digest("l1", origin)
        queue = digest("queue", count) if count else ZERO
        set_id = ZERO if forced else bytes(12) + sequencer
        hashes = [b"\x01" + digest("blob", index, i)[1:] for i in range(blobs)]
        header = bytes([0]) + index.to_bytes(8) + bytes([0 if forced else 1])
        header += origin.to_bytes(8) + origin_hash + count.to_bytes(8) + queue + set_id
        header += bytes([blobs]) + b"".join(hashes)
        accumulator = chained(accumulator, header)
        cases.append(
            {
                "forced": forced,
                "originNumber": origin,
                "originHash": hexed(origin_hash),
                "depositCount": count,
                "depositAccumulator": hexed(queue),
                "sequencerSet": hexed(set_id),
                "blobHashes": [hexed(blob) for blob in hashes],
                "header": hexed(header),
                "headerHash": hexed(keccak256(header)),
                "accumulator": hexed(accumulator),
            }
        )
    return {"sequencer": hexed(sequencer), "batches": cases}


def withdrawal_hash(nonce: int, sender: bytes, target: bytes, value: int, gas: int, data: bytes) -> bytes:
    """PTL-030: what the ABI makes of the six fields."""
    head = nonce.to_bytes(32) + sender.rjust(32, b"\0") + target.rjust(32, b"\0")
    head += value.to_bytes(32) + gas.to_bytes(32) + (6 * 32).to_bytes(32)
    return bytes(keccak256(head + len(data).to_bytes(32) + data + bytes(-len(data) % 32)))


def withdrawals() -> dict[str, Any]:
    """vectors/withdrawals.json."""
    cases = []
    # other messages in the trie, value, gas limit, length of data
    for number, (others, value, gas, size) in enumerate(
        [(0, 0, 0, 0), (1, 10**18, 21_000, 4), (17, 1, 100_000, 32), (300, 2**96, 200_000, 100)]
    ):
        nonce = 1 << 240 | number
        sender, target = digest("l2", number)[:20], digest("l1", number)[:20]
        data = (digest("call", number) * 4)[:size]
        hashed = withdrawal_hash(nonce, sender, target, value, gas, data)
        slot = bytes(keccak256(hashed + ZERO))
        storage = {slot: b"\x01", **{digest("other", number, i): b"\x01" for i in range(others)}}
        if others:  # the passer's nonce lives in slot 1
            storage[(1).to_bytes(32)] = rlp(integer(others))
        root = bytes(secure_root(storage))
        state_root, block_hash = digest("state", number), digest("block", number)
        cases.append(
            {
                "nonce": hex(nonce),
                "sender": hexed(sender),
                "target": hexed(target),
                "value": hex(value),
                "gasLimit": gas,
                "data": hexed(data),
                "withdrawalHash": hexed(hashed),
                "stateRoot": hexed(state_root),
                "storageRoot": hexed(root),
                "blockHash": hexed(block_hash),
                "outputRoot": hexed(keccak256(ZERO + state_root + root + block_hash)),
                "proof": [hexed(node) for node in secure_proof(storage, slot)],
            }
        )
    return {"withdrawals": cases}


FILES = {"deposits.json": deposits, "inbox.json": inbox, "withdrawals.json": withdrawals}


def text(name: str) -> str:
    """What a file should say."""
    return json.dumps(FILES[name](), indent=1) + "\n"


if __name__ == "__main__":
    for name in FILES:
        (VECTORS / name).write_text(text(name))
