"""Facts: rows of the silver tables, each with where and when it is from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from trex.engine.ingest.events import CHUNK, Block


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of a silver table."""

    table: str
    """Which."""
    id: str
    """Of its event, and its place among the event's facts: the same however often it is made (FCT-002)."""
    block: Block
    """Where and when."""
    position: tuple[int, int]
    """Transaction in the block, and log in the block or -1."""
    weight: int
    """1 when it holds, -1 when a reorganisation takes it back."""
    row: dict[str, Any]
    """The table's own columns."""


class FactsError(ValueError):
    """A record of the log does not hold facts."""


def encode(facts: Sequence[Fact]) -> list[bytes]:
    """Write facts of one block and weight as records of the log."""
    return [_encode(facts[start : start + CHUNK]) for start in range(0, len(facts), CHUNK)]


def _encode(facts: Sequence[Fact]) -> bytes:
    block = facts[0].block
    rows = [[fact.table, fact.id, *fact.position, fact.row] for fact in facts]
    head = [block.source, block.chain, block.number, block.hash, block.time_s]
    return orjson.dumps({"block": head, "weight": facts[0].weight, "facts": rows})


def decode(value: bytes) -> list[Fact]:
    """Read a record of the log.

    Raises:
        FactsError: not such a record.
    """
    try:
        read = orjson.loads(value)
        block, weight = Block(*read["block"]), read["weight"]
        return [
            Fact(table, name, block, (transaction, log), weight, row)
            for table, name, transaction, log, row in read["facts"]
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise FactsError(f"not a record of facts: {error}") from error
