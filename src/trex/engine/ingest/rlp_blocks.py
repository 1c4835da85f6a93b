"""Blocks and receipts in RLP (yellow paper, EIP-2718), brought into the form of JSON-RPC."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import rlp
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from trex.types.network_file import keccak256

DEPOSIT = 0x7E
"""Type of a transaction that L1 demands, without a signature."""
_FIELDS: dict[int, tuple[str, ...]] = {
    0: ("nonce", "price", "gas", "to", "value", "input", "v", "r", "s"),
    1: ("chain", "nonce", "price", "gas", "to", "value", "input", "access", "v", "r", "s"),
    2: ("chain", "nonce", "tip", "price", "gas", "to", "value", "input", "access", "v", "r", "s"),
    3: (
        *("chain", "nonce", "tip", "price", "gas", "to", "value", "input"),
        *("access", "blob_price", "blobs", "v", "r", "s"),
    ),
    4: (
        *("chain", "nonce", "tip", "price", "gas", "to", "value", "input"),
        *("access", "authorizations", "v", "r", "s"),
    ),
    DEPOSIT: ("source", "from", "to", "mint", "value", "gas", "system", "input"),
}


class RlpError(ValueError):
    """Bytes that are not what they should be."""


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the blocks of a file as `trex export` and `geth export` write it: one RLP list after another.

    Raises:
        RlpError: the file ends within a block, or holds something else.
    """
    while head := file.read(1):
        if head[0] < 0xC0:
            raise RlpError(f"at byte {file.tell() - 1}: a list was expected")
        size = head[0] - 0xC0
        if size > 55:
            length = file.read(size - 55)
            head, size = head + length, int.from_bytes(length)
        body = file.read(size)
        if len(body) != size:
            raise RlpError(f"the file ends within a block, {size - len(body)} bytes short")
        yield head + body


def block_of(raw: bytes) -> dict[str, Any]:
    """Return a block as eth_getBlockByNumber would, in what the engine reads of it.

    Raises:
        RlpError: not a block.
    """
    try:
        header, transactions, *_ = rlp.decode(raw)
        number = int.from_bytes(header[8])
        base_fee = int.from_bytes(header[15]) if len(header) > 15 else 0
        name = "0x" + keccak256(rlp.encode(header)).hex()
        return {
            "number": hex(number),
            "hash": name,
            "parentHash": "0x" + header[0].hex(),
            "timestamp": hex(int.from_bytes(header[11])),
            "transactions": [_transaction(one, index, base_fee) for index, one in enumerate(transactions)],
        }
    except (rlp.DecodingError, ValueError, IndexError, TypeError, KeyError) as error:
        raise RlpError(f"not a block: {error}") from error


def receipts_of(block: dict[str, Any], raw: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return a block's receipts as eth_getBlockReceipts would.

    Raises:
        RlpError: not this block's receipts.
    """
    if len(raw) != len(block["transactions"]):
        raise RlpError(f"{len(raw)} receipts for {len(block['transactions'])} transactions")
    found, before, logs = [], 0, 0
    for transaction, one in zip(block["transactions"], raw, strict=True):
        try:
            status, used, _, entries = rlp.decode(one[1:] if one[0] < 0xC0 else one)
            used = int.from_bytes(used)
            receipt = {
                "transactionHash": transaction["hash"],
                "transactionIndex": transaction["transactionIndex"],
                "from": transaction["from"],
                "to": transaction["to"],
                # Before Byzantium a state root stood here: whether it succeeded is not told.
                "status": hex(int.from_bytes(status)) if len(status) < 32 else None,
                "gasUsed": hex(used - before),
                "effectiveGasPrice": transaction["gasPrice"],
                "logs": [
                    {
                        "address": "0x" + address.hex(),
                        "topics": ["0x" + topic.hex() for topic in topics],
                        "data": "0x" + data.hex(),
                        "blockHash": block["hash"],
                        "logIndex": hex(logs + at),
                        "transactionIndex": transaction["transactionIndex"],
                        "transactionHash": transaction["hash"],
                    }
                    for at, (address, topics, data) in enumerate(entries)
                ],
            }
        except (rlp.DecodingError, ValueError, IndexError, TypeError) as error:
            raise RlpError(f"not a receipt: {error}") from error
        before, logs = used, logs + len(receipt["logs"])
        found.append(receipt)
    return found


def _transaction(one: Any, index: int, base_fee: int) -> dict[str, Any]:
    """One of a block's transactions: a list of the first type, or bytes that begin with the type."""
    kind, fields = (0, one) if isinstance(one, list) else (one[0], rlp.decode(one[1:]))
    told = dict(zip(_FIELDS[kind], fields, strict=True))
    encoded = rlp.encode(one) if kind == 0 else one
    cap = int.from_bytes(told.get("price", b""))
    tip = int.from_bytes(told["tip"]) if "tip" in told else cap
    return {
        "hash": "0x" + keccak256(encoded).hex(),
        "transactionIndex": hex(index),
        "type": hex(kind),
        "from": "0x" + (told["from"] if kind == DEPOSIT else _sender(kind, fields, told)).hex(),
        "to": "0x" + told["to"].hex() if told["to"] else None,
        "value": hex(int.from_bytes(told["value"])),
        "input": "0x" + told["input"].hex(),
        "gasPrice": hex(min(cap, base_fee + tip) if "tip" in told else cap),
    }


def _sender(kind: int, fields: list[Any], told: dict[str, Any]) -> bytes:
    v, r, s = (int.from_bytes(told[name]) for name in ("v", "r", "s"))
    if kind:
        signed = bytes([kind]) + rlp.encode(fields[:-3])
    elif v >= 35:  # EIP-155
        signed = rlp.encode([*fields[:-3], (v - 35) // 2, 0, 0])
        v = (v - 35) % 2
    else:
        signed = rlp.encode(fields[:-3])
        v -= 27
    try:
        key = Signature(vrs=(v, r, s)).recover_public_key_from_msg_hash(keccak256(signed))
    except (BadSignature, ValidationError) as error:
        raise RlpError(f"a signature of nobody: {error}") from error
    return bytes(key.to_canonical_address())
