"""From the log to the lake: each commit of a table carries how far of the log is in it (LAK-001)."""

import logging
from datetime import UTC, datetime
from threading import Event as Flag

import orjson

from trex.engine.ingest.events import Block
from trex.engine.ingest.events import decode as decode_events
from trex.engine.ingest.schemas import SchemaError
from trex.engine.lake.erasure import Erased
from trex.engine.lake.lake import Lake, LakeError, Placed
from trex.engine.lake.tables import BRONZE, SILVER, TABLES
from trex.engine.pipeline import facts
from trex.engine.pipeline.log import Batch, FencedError, Log, LogError, Message, Producer, Topic
from trex.engine.pipeline.stage import DEAD, PAUSE_S, WAIT_S, Metrics, dead_message

log = logging.getLogger(__name__)

COMPACT = 100
"""Commits of a table between compactions."""
MOST = 2_000
"""Records a step."""
Rows = dict[str, list[dict[str, object]]]
"""Rows by table."""


def bronze_rows(value: bytes, erased: Erased) -> Rows:
    """Rows of a record of events.

    Raises:
        SchemaError: not such a record.
    """
    events = erased.events(decode_events(value))
    return {
        BRONZE.name: [
            {
                **_shared(event.id, event.weight, event.block, event.position),
                "kind": event.kind,
                "version": event.version,
                "payload": orjson.dumps(event.payload).decode(),
            }
            for event in events
        ]
    }


def silver_rows(value: bytes, erased: Erased) -> Rows:
    """Rows of a record of facts.

    Raises:
        FactsError: not such a record.
    """
    rows: Rows = {}
    for fact in erased.facts(facts.decode(value)):
        table = SILVER.get(fact.table)
        if table is None:
            raise facts.FactsError(f"no table is called {fact.table!r:.40}")
        shared = _shared(fact.id, fact.weight, fact.block, fact.position)
        rows.setdefault(table.name, []).append({**shared, **fact.row})
    return rows


def _shared(name: str, weight: int, block: Block, position: tuple[int, int]) -> dict[str, object]:
    month = "none" if block.time_s is None else datetime.fromtimestamp(block.time_s, UTC).strftime("%Y-%m")
    return {
        "id": name,
        "weight": weight,
        "source": block.source,
        "chain": block.chain,
        "block_number": block.number,
        "block_hash": block.hash,
        "transaction_index": position[0],
        "log_index": position[1],
        "time_s": block.time_s,
        "month": month,
    }


READERS = {"bronze": ("events", bronze_rows), "silver": ("enriched", silver_rows)}
"""Which topic a sink reads and what it makes of a record."""


def run_sink(
    name: str, events: Log, lake: Lake, stop: Flag, metrics: Metrics, *, until_idle: bool = False
) -> None:
    """Bring a topic into the lake until told to stop; after a fault, from the last commit on.

    Args:
        name: `bronze` or `silver`.
        events: the log.
        lake: where to.
        stop: set from elsewhere.
        metrics: filled in.
        until_idle: stop when nothing is left to read.
    """
    topic, _ = READERS[name]
    erased = Erased(lake)
    events.declare(Topic(DEAD))
    while not stop.is_set():
        try:
            consumer, producer = events.consumer(name, topic), events.producer(name)
            try:
                while not stop.is_set():
                    read = consumer.poll(MOST, WAIT_S)
                    if read.records:
                        _bring(name, read, lake, producer, metrics, erased)
                    elif until_idle:
                        return
            finally:
                producer.close()
                consumer.close()
        except FencedError as error:
            log.info("%s: starting anew: %s", name, error)
        except (LogError, LakeError) as error:
            log.warning("%s: %s", name, error)
            stop.wait(PAUSE_S)


def _bring(name: str, read: Batch, lake: Lake, producer: Producer, metrics: Metrics, erased: Erased) -> None:
    """Add a batch to its tables, then move the group; after a kill between, the tables know."""
    _, make = READERS[name]
    rows: dict[str, list[Placed]] = {}
    dead: list[Message] = []
    for record in read.records:
        try:
            made = make(record.value, erased)
        except (SchemaError, facts.FactsError) as error:
            dead.append(dead_message(name, record, str(error), record.value))
            continue
        part = f"{record.topic}/{record.partition}"
        for table, found in made.items():
            rows.setdefault(table, []).extend((part, record.offset, row) for row in found)
    positions = {f"{topic}/{partition}": at for (topic, partition), at in read.positions.items()}
    for table, placed in rows.items():
        lake.append(TABLES[table], placed, positions)
        if lake.version(table) % COMPACT == COMPACT - 1:
            lake.compact(table)
    producer.commit(dead, read)
    metrics.records.labels(name).inc(len(read.records))
    metrics.dead.labels(name).inc(len(dead))
