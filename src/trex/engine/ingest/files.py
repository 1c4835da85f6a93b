"""Files as a source: blocks, receipts and logs as JSON lines, RLP or Parquet, joined by block."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pyarrow.parquet as pq

from trex.engine.ingest.rlp_blocks import RlpError, block_of, read_blocks, receipts_of
from trex.engine.ingest.topics import CURSORS, RAW
from trex.engine.pipeline.log import Log, Message, newest_by_key
from trex.engine.pipeline.stage import DEAD

HELD = 400_000
"""Transactions and logs held before what is there is written."""
CHUNK_RECORDS = 64
"""Blocks a commit."""
_PARQUET = {
    "block_number": "blockNumber",
    "block_hash": "blockHash",
    "log_index": "logIndex",
    "transaction_index": "transactionIndex",
    "transaction_hash": "transactionHash",
    "contract_address": "address",
}
"""Names of columns in common exports -> JSON-RPC's."""

Dead = tuple[str, Any]
"""A reason and what it is about."""


@dataclass(slots=True)
class _Parts:
    """What is known of one block."""

    block: dict[str, Any] | None = None
    receipts: list[dict[str, Any]] | None = None
    logs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Joined:
    """Blocks whose parts are still coming."""

    by_hash: dict[str, _Parts] = field(default_factory=dict)
    raw_blocks: dict[int, dict[str, Any]] = field(default_factory=dict)
    raw_receipts: dict[int, list[bytes]] = field(default_factory=dict)
    held: int = 0

    def of(self, name: str) -> _Parts:
        return self.by_hash.setdefault(name.lower(), _Parts())


@dataclass(frozen=True, slots=True)
class Imported:
    """What a run over files did."""

    blocks: int
    """Blocks written to the log, whole or in part, earlier runs included."""
    dead: int
    """What could not be read."""


def import_files(
    paths: Sequence[Path],
    source: str,
    chain: int,
    events: Log,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Bring files into the log as blocks of a chain; a run that was cut off is taken up (ING-005).

    Args:
        paths: JSON lines (`.gz` too), RLP as `trex export` writes it, or Parquet of logs. Parts of one block
            in several of them are joined.
        source: the chain's, as listeners name it: what is read from both is one event.
        chain: by EIP-155.
        events: the log.
        progress: told how many bytes are read, and how many there are.

    Raises:
        OSError: a file cannot be read.
        LogError: nothing was written since the last commit.
    """
    key = f"{source}/files/{_digest(paths)}".encode()
    # The producer first: what one before it committed is settled then, and the cursor is the last.
    producer = events.producer(key.decode())
    known = newest_by_key(events, CURSORS.name).get(key)
    done = orjson.loads(known.value)["records"] if known else 0
    blocks = dead = 0
    waiting: list[Message] = []

    def commit() -> None:
        if waiting:
            cursor = Message(CURSORS.name, key, orjson.dumps({"records": blocks + dead}))
            producer.commit([*waiting, cursor])
            waiting.clear()

    try:
        for one in _records(paths, source, chain, progress):
            if isinstance(one, bytes):
                blocks += 1
                message = Message(RAW.name, source.encode(), one)
            else:
                dead += 1
                told = {"stage": "files", "reason": one[0], "content": one[1]}
                message = Message(DEAD, source.encode(), orjson.dumps(told, default=str))
            if blocks + dead > done:
                waiting.append(message)
            if len(waiting) >= CHUNK_RECORDS:
                commit()
        commit()
    finally:
        producer.close()
    return Imported(blocks, dead)


def _digest(paths: Sequence[Path]) -> str:
    total = blake2b(digest_size=16)
    for path in paths:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                total.update(part)
    return total.hexdigest()


def _records(
    paths: Sequence[Path], source: str, chain: int, progress: Callable[[int, int], None] | None
) -> Iterator[bytes | Dead]:
    joined = _Joined()
    total, before = sum(path.stat().st_size for path in paths), 0
    for path in paths:
        with path.open("rb") as file:
            for part in _parts(path, file):
                dead = part if isinstance(part, tuple) else _add(joined, part)
                if dead is not None:
                    yield dead
                if joined.held >= HELD:
                    yield from _flushed(joined, source, chain)
                if progress:
                    progress(before + file.tell(), total)
        before += path.stat().st_size
    yield from _flushed(joined, source, chain)


def _parts(path: Path, file: BinaryIO) -> Iterator[dict[str, Any] | Dead]:
    """The objects of a file, whichever of the forms it has."""
    head = file.read(4)
    file.seek(0)
    if head == b"PAR1":
        for batch in pq.ParquetFile(file).iter_batches():
            for row in batch.to_pylist():
                yield _log_of(row)
        return
    plain = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if head[:2] == b"\x1f\x8b" else file
    first = plain.read(1)
    plain.seek(0)
    if first >= b"\xc0":
        try:
            for raw in read_blocks(plain):
                try:
                    yield block_of(raw)
                except RlpError as error:
                    yield str(error), "0x" + raw.hex()
        except RlpError as error:
            yield f"{path.name}: {error}", None
        return
    for number, line in enumerate(plain, 1):
        if not line.strip():
            continue
        try:
            one = orjson.loads(line)
            if not isinstance(one, dict):
                raise ValueError("an object was expected")
        except ValueError as error:
            yield f"{path.name}, line {number}: {error}", line.decode(errors="backslashreplace")[:4096]
            continue
        yield one


def _add(joined: _Joined, one: dict[str, Any]) -> Dead | None:
    """Put a part where its block's others are; return it if it is none."""
    try:
        if "rlp" in one:
            block = block_of(_bytes(one["rlp"]))
            joined.raw_blocks[int(block["number"], 16)] = block
            joined.of(block["hash"]).block = block
            joined.held += len(block["transactions"])
        elif _encoded(one.get("receipts")):
            joined.raw_receipts[int(one["number"])] = [_bytes(text) for text in one["receipts"]]
            joined.held += len(one["receipts"])
        elif isinstance(one.get("receipts"), list):
            for receipt in one["receipts"]:
                _add_receipt(joined, receipt)
        elif "transactions" in one:
            joined.of(one["hash"]).block = one
            joined.held += len(one["transactions"])
        elif "topics" in one:
            joined.of(one["blockHash"]).logs.append(one)
            joined.held += 1
        elif "transactionHash" in one and "logs" in one:
            _add_receipt(joined, one)
        else:
            return "neither a block nor receipts nor a log", one
    except (RlpError, KeyError, TypeError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {error}", one
    return None


def _encoded(receipts: Any) -> bool:
    """Whether receipts are RLP as text."""
    return isinstance(receipts, list) and bool(receipts) and isinstance(receipts[0], str)


def _add_receipt(joined: _Joined, receipt: dict[str, Any]) -> None:
    parts = joined.of(receipt["blockHash"])
    parts.receipts = [*(parts.receipts or ()), receipt]
    joined.held += 1 + len(receipt["logs"])


def _flushed(joined: _Joined, source: str, chain: int) -> Iterator[bytes | Dead]:
    """Write what is held, by height."""
    for number, raw in joined.raw_receipts.items():
        block = joined.raw_blocks.get(number)
        try:
            if block is None:
                raise RlpError("receipts without their block")
            joined.of(block["hash"]).receipts = receipts_of(block, raw)
        except RlpError as error:
            yield f"block {number}: {error}", ["0x" + one.hex() for one in raw]
    records = []
    for name, parts in joined.by_hash.items():
        told = (parts.block or {}).get("number")
        told = told or next((one.get("blockNumber") for one in (parts.receipts or parts.logs)), None)
        header = parts.block or {"number": told, "hash": name, "timestamp": _time(parts)}
        # A log may stand in its receipt and in a file of logs: once is enough.
        known = {entry.get("logIndex") for one in parts.receipts or () for entry in one.get("logs", ())}
        seen: dict[Any, dict[str, Any]] = {}
        for entry in parts.logs:
            if entry.get("logIndex") not in known:
                seen.setdefault(entry.get("logIndex"), entry)
        raw_block = {
            "source": source,
            "chain": chain,
            "weight": 1,
            "block": header,
            "receipts": parts.receipts,
            "logs": list(seen.values()),
        }
        records.append((str(told), name, orjson.dumps(raw_block, default=str)))
    records.sort(key=lambda one: (int(one[0], 16) if one[0].startswith("0x") else -1, one[1]))
    for _, _, record in records:
        yield record
    joined.by_hash.clear()
    joined.raw_blocks.clear()
    joined.raw_receipts.clear()
    joined.held = 0


def _time(parts: _Parts) -> Any:
    return next((one["blockTimestamp"] for one in parts.logs if one.get("blockTimestamp")), None)


def _log_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row of Parquet as JSON-RPC writes a log."""
    named = {_PARQUET.get(name, name): value for name, value in row.items()}
    if "topics" not in named:
        topics = [named.pop(f"topic{number}", None) for number in range(4)]
        named["topics"] = [_hex(topic) for topic in topics if topic is not None]
    return {name: _quantity(value) for name, value in named.items()}


def _quantity(value: Any) -> Any:
    if isinstance(value, list):
        return [_hex(one) for one in value]
    return hex(value) if type(value) is int else _hex(value)


def _hex(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
