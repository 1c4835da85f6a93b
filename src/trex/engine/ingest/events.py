"""Events: what happened, once, wherever it was seen and however often (specs/engine.md, EVT)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from trex.engine.ingest.schemas import SchemaError, upgrade


@dataclass(frozen=True, slots=True)
class Block:
    """Where and when events happened."""

    source: str
    """Who told of it: `evm:1962`, `gateway:1962`."""
    chain: int
    """By EIP-155; 0 for what is on none."""
    number: int
    """Height, or the source's own count."""
    hash: str
    """0x and 64 digits; names it over reorganisations."""
    time_s: int | None
    """Unix time in seconds; None where the source does not say."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, or (weight -1) turned out not to have."""

    block: Block
    """Where and when."""
    kind: str
    """Which schema its payload has."""
    position: tuple[int, int]
    """Transaction in the block, and log in the block or -1."""
    payload: Mapping[str, Any]
    """As its schema's newest version says."""
    version: int = 1
    """Of the schema."""
    weight: int = 1
    """1 when it happens, -1 when a reorganisation takes it back (EVT-003)."""

    @property
    def id(self) -> str:
        """32 hexadecimal digits, the same whenever and however often it is read (EVT-001)."""
        block, (transaction, log) = self.block, self.position
        name = f"{block.source}|{block.hash}|{self.kind}|{transaction}|{log}"
        return blake2b(name.encode(), digest_size=16).hexdigest()


CHUNK = 500
"""Most events in one record of the log."""


def encode(events: Sequence[Event]) -> list[bytes]:
    """Write events of one block and weight as records of the log."""
    return [_encode(events[start : start + CHUNK]) for start in range(0, len(events), CHUNK)]


def _encode(events: Sequence[Event]) -> bytes:
    block, weight = events[0].block, events[0].weight
    rows = [[event.kind, event.version, *event.position, event.payload] for event in events]
    head = [block.source, block.chain, block.number, block.hash, block.time_s]
    return orjson.dumps({"block": head, "weight": weight, "events": rows})


def decode(value: bytes) -> list[Event]:
    """Read a record of the log; payloads of older schemas come in the newest form (EVT-005).

    Raises:
        SchemaError: not such a record, or of a schema that is not registered.
    """
    try:
        read = orjson.loads(value)
        block, weight = Block(*read["block"]), read["weight"]
        rows = read["events"]
        events = []
        for kind, version, transaction, log, payload in rows:
            newest, content = upgrade(kind, version, payload)
            events.append(Event(block, kind, (transaction, log), content, newest, weight))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"not a record of events: {error}") from error
    return events
