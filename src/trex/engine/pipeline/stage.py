"""A stage: reads a topic as a group, writes what a pure function makes of it, all or nothing."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event as Flag

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge

from trex.engine.pipeline.log import FencedError, Log, LogError, Message, Record, Topic, backlog, lag

log = logging.getLogger(__name__)

DEAD = "dead"
"""Topic of what could not be read, with the reason (EVT-006)."""
MOST = 200
"""Records a step."""
WAIT_S = 0.2
"""How long a step waits for records."""
HIGH_WATER = 20_000
"""Unread records ahead of which a stage waits for its readers (LOG-008)."""
PAUSE_S = 1.0
"""Wait after a fault of the log."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a stage makes of one record."""

    values: Sequence[bytes]
    """Records for its output topic, of the same key."""
    dead: Sequence[tuple[str, bytes]] = ()
    """What could not be read: the reason, and a record of just that."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way from blocks to facts."""

    name: str
    """Of the stage and its group."""
    reads: str
    """Topic."""
    writes: str
    """Topic."""
    make: Callable[[bytes], Made]
    """Pure: the same record makes the same."""


@dataclass(slots=True)
class Metrics:
    """What is told of stages (LOG-009)."""

    records: Counter
    """Records read, by stage."""
    dead: Counter
    """What could not be read, by stage."""
    lag: Gauge
    """Records not yet read, by stage."""

    @classmethod
    def on(cls, registry: CollectorRegistry) -> "Metrics":
        """Make them on a registry."""
        return cls(
            Counter("trex_engine_records", "Records read", ["stage"], registry=registry),
            Counter("trex_engine_dead", "What could not be read", ["stage"], registry=registry),
            Gauge("trex_engine_lag", "Records not yet read", ["stage"], registry=registry),
        )


def dead_message(stage: str, record: Record, reason: str, part: bytes) -> Message:
    """What goes to the dead letters: where it was, why it is here, and a record of it to replay."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    try:
        content = {"record": orjson.loads(part)}
    except orjson.JSONDecodeError:
        content = {"bytes": part.hex()}
    return Message(DEAD, record.key, orjson.dumps({"stage": stage, "reason": reason, **place, **content}))


def run_stage(
    stage: Stage,
    events: Log,
    stop: Flag,
    metrics: Metrics,
    *,
    readers: Sequence[str] = (),
    until_idle: bool = False,
) -> None:
    """Run a stage until told to stop; after a fault of the log, from the last commit on.

    Args:
        stage: which.
        events: the log.
        stop: set from elsewhere.
        metrics: filled in.
        readers: groups that read what it writes: it waits for the slowest of them.
        until_idle: stop when nothing is left to read.
    """
    events.declare(Topic(DEAD))
    while not stop.is_set():
        try:
            if _steps(stage, events, stop, metrics, readers, until_idle):
                return
        except FencedError as error:
            log.info("%s: starting anew: %s", stage.name, error)
        except LogError as error:
            log.warning("%s: %s", stage.name, error)
            stop.wait(PAUSE_S)


def _steps(
    stage: Stage, events: Log, stop: Flag, metrics: Metrics, readers: Sequence[str], until_idle: bool
) -> bool:
    consumer = events.consumer(stage.name, stage.reads)
    try:
        producer = events.producer(stage.name)
        try:
            looked_s = float("-inf")
            while not stop.is_set():
                if time.monotonic() - looked_s > 1:
                    metrics.lag.labels(stage.name).set(lag(events, stage.name, stage.reads))
                    while not stop.is_set() and backlog(events, readers, stage.writes) > HIGH_WATER:
                        stop.wait(WAIT_S)
                    looked_s = time.monotonic()
                read = consumer.poll(MOST, WAIT_S)
                if not read.records:
                    if until_idle:
                        return True
                    continue
                messages = []
                for record in read.records:
                    made = stage.make(record.value)
                    messages += [Message(stage.writes, record.key, value) for value in made.values]
                    messages += [dead_message(stage.name, record, *one) for one in made.dead]
                    metrics.dead.labels(stage.name).inc(len(made.dead))
                producer.commit(messages, read)
                metrics.records.labels(stage.name).inc(len(read.records))
            return True
        finally:
            producer.close()
    finally:
        consumer.close()
