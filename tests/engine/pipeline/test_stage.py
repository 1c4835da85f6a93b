"""Stages: they wait for slow readers, say how they are, keep what they cannot read, and give it back."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from trex.engine.pipeline import stage as module
from trex.engine.pipeline.dead import dead_letters, replay_dead
from trex.engine.pipeline.log import Message, Topic
from trex.engine.pipeline.sqlite_log import SqliteLog
from trex.engine.pipeline.stage import DEAD, Made, Metrics, Stage, run_stage


def upper(value: bytes) -> Made:
    if value.startswith(b"bad"):
        return Made((), [("bad", value)])
    return Made([value.upper()])


STAGE = Stage("upper", "in", "out", upper)


def log_with(path: Path, *values: bytes) -> SqliteLog:
    log = SqliteLog(path / "log.sqlite")
    log.declare(Topic("in"), Topic("out"), Topic(DEAD))
    log.producer("source").commit([Message("in", b"k", value) for value in values])
    return log


def until(met: Callable[[], bool]) -> None:
    stop = time.monotonic() + 180
    while not met():
        assert time.monotonic() < stop
        time.sleep(0.01)


def test_a_stage_waits_for_the_slowest_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG-008."""
    monkeypatch.setattr(module, "HIGH_WATER", 5)
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    log = log_with(tmp_path)
    stop, metrics = threading.Event(), Metrics.on(CollectorRegistry())
    reader = log.consumer("reader", "out")
    log.producer("other").commit([Message("out", b"k", b"%d" % n) for n in range(10)])
    reader.commit(reader.poll(1, 0))
    thread = threading.Thread(
        target=run_stage, args=(STAGE, log, stop, metrics), kwargs={"readers": ["reader"]}
    )
    thread.start()
    log.producer("source").commit([Message("in", b"k", b"late")])
    time.sleep(0.2)
    assert log.extents("out")[0].end == 10
    while (read := reader.poll(100, 0)).records:
        reader.commit(read)
    until(lambda: log.extents("out")[0].end == 11)
    stop.set()
    thread.join(180)
    assert not thread.is_alive()
    log.close()


def test_what_a_stage_refused_is_told_counted_and_given_back(tmp_path: Path) -> None:
    """EVT-006, LOG-009."""
    log = log_with(tmp_path, b"one", b"bad \xff", b'"two"', b"three")
    registry = CollectorRegistry()
    metrics = Metrics.on(registry)
    run_stage(STAGE, log, threading.Event(), metrics, until_idle=True)
    assert [record.value for record in log.read("out", 0, 0, 10)] == [b"ONE", b'"TWO"', b"THREE"]
    (letter,) = dead_letters(log)
    assert letter == {
        "stage": "upper",
        "reason": "bad",
        "topic": "in",
        "partition": 0,
        "offset": 1,
        "bytes": b"bad \xff".hex(),
    }
    told = {
        sample.name: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.labels
    }
    assert told["trex_engine_records_total"] == 4
    assert told["trex_engine_dead_total"] == 1
    assert "trex_engine_lag" in told
    assert replay_dead(log) == 1
    assert replay_dead(log) == 0
    assert log.read("in", 0, 4, 10)[0].value == b"bad \xff"
    log.close()
