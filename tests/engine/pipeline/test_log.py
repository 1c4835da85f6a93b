"""One suite for every log: order, transactions, groups, fences, replay."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.engine.pipeline.conftest import OpenLog

from trex.engine.pipeline.log import (
    Batch,
    Consumer,
    FencedError,
    Log,
    LogError,
    LostError,
    Message,
    Record,
    Topic,
    backlog,
    lag,
    newest_by_key,
    partition_of,
)
from trex.engine.pipeline.sqlite_log import SqliteLog


def message(topic: str, number: int, key: bytes = b"k") -> Message:
    return Message(topic, key, str(number).encode())


def numbers(records: list[Record]) -> list[int]:
    return [int(record.value) for record in records]


def drain(consumer: Consumer, expected: int, wait_s: float = 300.0) -> list[Record]:
    """Poll until so many records have come."""
    found: list[Record] = []
    until = time.monotonic() + wait_s
    while len(found) < expected and time.monotonic() < until:
        found += consumer.poll(100, 0.2).records
    return found


def whole(consumer: Consumer, count: int) -> Batch:
    """One batch of so many records, which may come in several parts."""
    read = consumer.poll(count, 10)
    while len(read.records) < count:
        more = consumer.poll(count - len(read.records), 10)
        read = Batch(read.group, [*read.records, *more.records], more.positions, more.token)
    return read


def read_all(log: Log, topic: str) -> list[Record]:
    return [
        record
        for partition, extent in enumerate(log.extents(topic))
        for record in log.read(topic, partition, extent.first, 10_000)
    ]


def test_records_of_a_key_stay_in_order_in_its_partition(open_log: OpenLog) -> None:
    """LOG-001."""
    log = open_log()
    log.declare(Topic("t", partitions=4))
    producer = log.producer("p")
    keys = [f"key{number}".encode() for number in range(10)]
    for start in range(0, 100, 20):
        producer.commit([message("t", n, keys[n % 10]) for n in range(start, start + 20)])
    records = read_all(log, "t")
    for key in keys:
        mine = [record for record in records if record.key == key]
        assert numbers(mine) == list(range(int(key[3:]), 100, 10))
        assert {record.partition for record in mine} == {partition_of(key, 4)}


def test_output_and_place_are_committed_together(open_log: OpenLog) -> None:
    """LOG-002: what was not committed was never written; what was, is not read again."""
    log = open_log()
    log.declare(Topic("in"), Topic("out"))
    log.producer("source").commit([message("in", n) for n in range(10)])
    producer, consumer = log.producer("stage"), log.consumer("stage", "in")
    read = whole(consumer, 4)
    assert read_all(log, "out") == []
    producer.commit([message("out", int(record.value)) for record in read.records], read)
    consumer.close()
    assert 6 <= lag(log, "stage", "in") <= 7  # Kafka counts the mark that ends a transaction.
    assert backlog(log, ["stage", "never"], "in") == lag(log, "stage", "in")
    assert backlog(log, ["never"], "in") == 0
    again = log.consumer("stage", "in")
    assert numbers(drain(again, 6)) == [4, 5, 6, 7, 8, 9]  # Read and not committed: somebody reads it again.
    again.close()
    assert numbers(drain(log.consumer("stage", "in"), 6)) == [4, 5, 6, 7, 8, 9]
    assert numbers(read_all(log, "out")) == [0, 1, 2, 3]


def test_only_the_newest_producer_of_a_name_commits(open_log: OpenLog) -> None:
    """LOG-003."""
    log, other = open_log(), open_log()
    log.declare(Topic("t"))
    older = log.producer("p")
    older.commit([message("t", 1)])
    newer = other.producer("p")
    with pytest.raises(FencedError):
        older.commit([message("t", 2)])
    newer.commit([message("t", 3)])
    assert numbers(read_all(log, "t")) == [1, 3]


def test_members_share_partitions_and_a_former_member_commits_no_more(open_log: OpenLog) -> None:
    """LOG-004."""
    log, other = open_log(), open_log()
    log.declare(Topic("t", partitions=4))
    keys = [f"key{number}".encode() for number in range(40)]
    log.producer("p").commit([message("t", n, key) for n, key in enumerate(keys)])
    first = log.consumer("g", "t")
    read = whole(first, 1)
    second = other.consumer("g", "t")
    seen: dict[str, set[int]] = {"first": set(), "second": set()}
    until = time.monotonic() + 300
    while not (seen["first"] and seen["second"]) and time.monotonic() < until:
        seen["second"] |= {record.partition for record in second.poll(100, 0.2).records}
        seen["first"] |= {record.partition for record in first.poll(100, 0.2).records}
    assert seen["first"]
    assert seen["second"]
    with pytest.raises(FencedError):
        first.commit(read)
    first.close()
    second.close()
    assert len(drain(log.consumer("g", "t"), 40)) == 40


def test_a_group_is_set_back_and_reads_again(open_log: OpenLog) -> None:
    log = open_log()
    log.declare(Topic("t"))
    log.producer("p").commit([message("t", n) for n in range(5)])
    consumer = log.consumer("g", "t")
    read = whole(consumer, 5)
    with pytest.raises(LogError, match="members"):
        log.rewind("g", "t", [0])
    consumer.commit(read)
    consumer.close()
    offset = read.records[2].offset
    log.rewind("g", "t", [offset])
    assert log.committed("g", "t") == (offset,)
    assert numbers(drain(log.consumer("g", "t"), 3)) == [2, 3, 4]


def test_the_end_is_read_while_others_write(open_log: OpenLog) -> None:
    """LOG-010."""
    log = open_log()
    log.declare(Topic("t"))
    producer = log.producer("p")
    stop = threading.Event()

    def write() -> None:
        other = log.producer("other")
        while not stop.is_set():
            other.commit([message("t", -1, b"other")])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(10):
            producer.commit([message("t", number)])
            seen = [record for record in log.tail("t", 0, 0) if record.key == b"k"]
            assert numbers(seen) == list(range(number + 1))
    finally:
        stop.set()
        thread.join(180)
    assert list(log.tail("t", 0, 10**9)) == []
    assert log.retain() == 0


def test_newest_of_each_key(open_log: OpenLog) -> None:
    log = open_log()
    log.declare(Topic("c", compacted=True))
    producer = log.producer("p")
    for number in range(5):
        producer.commit([message("c", number, b"a"), message("c", number + 10, b"b")])
    found = newest_by_key(log, "c")
    assert {key: int(record.value) for key, record in found.items()} == {b"a": 4, b"b": 14}


def test_an_unknown_topic_is_an_error(open_log: OpenLog) -> None:
    log = open_log()
    with pytest.raises(LogError, match="nothing"):
        log.producer("p").commit([message("nothing", 1)])
    with pytest.raises(LogError, match="nothing"):
        log.extents("nothing")


def test_retention_and_compaction_and_the_hole_they_leave(tmp_path: Path) -> None:
    """LOG-006, LOG-007: who had not read what went is told."""
    now_s = 1000.0
    log = SqliteLog(tmp_path / "log.sqlite", clock=lambda: now_s)
    log.declare(Topic("t", retention_s=60), Topic("c", compacted=True))
    producer = log.producer("p")
    producer.commit([message("t", 1), message("c", 1), message("c", 2)])
    consumer = log.consumer("g", "t")
    consumer.commit(consumer.poll(1, 0))
    consumer.close()
    producer.commit([message("t", 2)])
    now_s = 1050.0
    producer.commit([message("t", 3)])
    assert log.retain() == 1
    assert numbers(read_all(log, "t")) == [1, 2, 3]
    now_s = 1100.0
    assert log.retain() == 2
    assert numbers(read_all(log, "t")) == [3]
    with pytest.raises(LostError, match="from 1 to 1"):
        log.consumer("g", "t").poll(1, 0)
    assert numbers(drain(log.consumer("fresh", "t"), 1)) == [3]
    assert numbers(list(newest_by_key(log, "c").values())) == [2]
    log.close()


WRITER = """
import sys
from pathlib import Path
from trex.engine.pipeline.log import Message, Topic
from trex.engine.pipeline.sqlite_log import SqliteLog
log = SqliteLog(Path(sys.argv[1]))
log.declare(Topic("in"), Topic("out"))
producer, consumer = log.producer("stage"), log.consumer("stage", "in")
print("ready", flush=True)
while True:
    read = consumer.poll(7, 0.1)
    producer.commit([Message("out", r.key, r.value) for r in read.records], read)
"""


def test_a_stage_killed_again_and_again_writes_each_record_once(tmp_path: Path) -> None:
    """LOG-002, LOG-004, LOG-005."""
    path = tmp_path / "log.sqlite"
    log = SqliteLog(path)
    log.declare(Topic("in"), Topic("out"))
    source = log.producer("source")
    command = [sys.executable, "-c", WRITER, str(path)]
    written = 0
    for _ in range(3):
        stage = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ))
        assert stage.stdout is not None
        stage.stdout.readline()
        source.commit([message("in", n) for n in range(written, written + 200)])
        written += 200
        until = time.monotonic() + 300
        while lag(log, "stage", "in") > 150 and time.monotonic() < until:
            time.sleep(0.002)
        stage.send_signal(signal.SIGKILL)
        stage.wait()
        stage.stdout.close()
    stage = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ))
    until = time.monotonic() + 300
    while lag(log, "stage", "in") and time.monotonic() < until:
        time.sleep(0.01)
    stage.kill()
    stage.wait()
    assert numbers(read_all(log, "out")) == list(range(written))
    log.close()
