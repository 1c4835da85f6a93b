"""Several brokers, whose leader is killed while a stage commits: nothing is lost, nothing is doubled."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from tests.engine.pipeline.broker import Brokers, brokers_in
from tests.engine.pipeline.conftest import PATIENT

from trex.engine.pipeline.kafka_log import KafkaLog
from trex.engine.pipeline.log import LogError, Message, Topic
from trex.engine.pipeline.stage import Made, Metrics, Stage, run_stage
from trex.engine.run import EngineSettings, open_log

CHUNK = 50
DONE_S = 300.0


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with brokers_in(tmp_path_factory.mktemp("brokers"), 3) as running:
        yield running


class Copied:
    """A topic that a stage copies into another while brokers die."""

    def __init__(self, three: Brokers) -> None:
        self.three, self.prefix, self.written = three, f"{uuid4().hex}.", 0
        self.log = self.opened()
        self.log.declare(Topic("in"), Topic("out"))
        self.copier, self.stop = self.opened(), threading.Event()
        stage = Stage("copy", "in", "out", lambda value: Made([value]))
        arguments = (stage, self.copier, self.stop, Metrics.on(CollectorRegistry()))
        self.thread = threading.Thread(target=run_stage, args=arguments)
        self.thread.start()

    def opened(self) -> KafkaLog:
        return KafkaLog(self.three.addresses, prefix=self.prefix, replicas=3, options=PATIENT)

    def write(self, chunks: int) -> None:
        """Write numbers, each chunk in one transaction; a chunk of which nobody knows is looked up."""
        for _ in range(chunks):
            numbers = range(self.written, self.written + CHUNK)
            while not self.has("in", numbers[-1]):
                with contextlib.suppress(LogError):
                    producer = self.log.producer("writer")
                    try:
                        producer.commit([Message("in", b"k", str(number).encode()) for number in numbers])
                    finally:
                        producer.close()
            self.written += CHUNK

    def has(self, topic: str, number: int) -> bool:
        """Whether a number is there, by a producer's fence that settles what was under way."""
        while True:
            with contextlib.suppress(LogError):
                self.log.producer("writer").close()
                return number in self.numbers(topic)

    def numbers(self, topic: str) -> list[int]:
        with contextlib.suppress(LogError):
            return [
                int(record.value)
                for partition, extent in enumerate(self.log.extents(topic))
                for record in self.log.read(topic, partition, extent.first, 100_000)
            ]
        return []

    def close(self) -> None:
        self.stop.set()
        self.thread.join(DONE_S)
        assert not self.thread.is_alive()
        self.copier.close()
        self.log.close()


def proved(three: Brokers, rounds: int) -> None:
    copied = Copied(three)
    try:
        copied.write(2)
        for _ in range(rounds):
            leader = three.leader(f"{copied.prefix}out")
            killer = threading.Timer(0.05, three.kill, [leader])
            killer.start()
            copied.write(4)
            killer.join()
            three.start(leader)
        until = time.monotonic() + DONE_S
        while len(found := copied.numbers("out")) < copied.written and time.monotonic() < until:
            time.sleep(0.2)
        assert found == list(range(copied.written))
    finally:
        copied.close()


def test_leader_killed_while_a_stage_commits(three: Brokers) -> None:
    """LOG-002, LOG-011: what was acknowledged is there, once and in order."""
    proved(three, 1)


@pytest.mark.long
def test_leaders_killed_again_and_again(three: Brokers) -> None:
    """The same, longer."""
    proved(three, 8)


def test_an_engine_on_several_brokers_keeps_copies(three: Brokers, tmp_path: Path) -> None:
    """LOG-011: as many as there are brokers named, at most three."""
    prefix = f"{uuid4().hex}."
    open_log(EngineSettings(tmp_path, log=f"kafka://{three.addresses}/{prefix}")).close()
    assert three.copies(f"{prefix}raw") == 3
