"""A real Kafka broker (KRaft, one process), started once for the tests that want it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tests.e2e.network import free_port

ROOT = Path(__file__).resolve().parents[3]
JARS = Path(os.environ.get("TREX_KAFKA_JARS", ROOT / ".cache" / "kafka"))
START_S = 300.0
_FORMAT = ("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c")


class Brokers:
    """Brokers of one cluster, each a process that can be killed and started again."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.running = folder, dict[int, subprocess.Popen[bytes]]()
        ports = {number: (free_port(), free_port()) for number in range(1, count + 1)}
        self.addresses = ",".join(f"127.0.0.1:{port}" for port, _ in ports.values())
        voters = ",".join(f"{number}@127.0.0.1:{control}" for number, (_, control) in ports.items())
        copies, enough = min(count, 3), max(1, min(count, 3) - 1)
        for number, (port, control) in ports.items():
            settings = {
                "process.roles": "broker,controller",
                "node.id": number,
                "controller.quorum.voters": voters,
                "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
                "controller.listener.names": "CONTROLLER",
                "log.dirs": folder / f"data{number}",
                "auto.create.topics.enable": "false",
                "offsets.topic.replication.factor": copies,
                "offsets.topic.num.partitions": 4,
                "transaction.state.log.replication.factor": copies,
                "transaction.state.log.min.isr": enough,
                "transaction.state.log.num.partitions": 4,
                "group.initial.rebalance.delay.ms": 0,
                "group.min.session.timeout.ms": 1000,
            }
            text = "".join(f"{name}={value}\n" for name, value in settings.items())
            self._file(number).write_text(text)
            self._java(number, *_FORMAT, str(self._file(number))).wait(START_S)
        self.admin = AdminClient({"bootstrap.servers": self.addresses, "log_level": 0})

    def _file(self, number: int) -> Path:
        return self.folder / f"server{number}.properties"

    def _java(self, number: int, *arguments: str) -> "subprocess.Popen[bytes]":
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*"]
        with (self.folder / f"broker{number}.log").open("ab") as out:
            return subprocess.Popen([*java, *arguments], stdout=out, stderr=out)

    def start(self, *numbers: int) -> None:
        """Start brokers, and wait until the cluster has them."""
        for number in numbers:
            self.running[number] = self._java(number, "kafka.Kafka", str(self._file(number)))
        until = time.monotonic() + START_S
        while True:
            with contextlib.suppress(KafkaException):
                if set(self.admin.list_topics(timeout=1).brokers) >= set(numbers):
                    return
            for number in numbers:
                told = (self.folder / f"broker{number}.log").read_text()[-2000:]
                assert self.running[number].poll() is None, told
            assert time.monotonic() < until, "the brokers do not answer"

    def kill(self, number: int) -> None:
        """Kill a broker."""
        self.running[number].send_signal(signal.SIGKILL)
        self.running[number].wait()

    def leader(self, topic: str) -> int:
        """Which broker leads a topic's first partition."""
        return int(self.admin.list_topics(topic, timeout=60).topics[topic].partitions[0].leader)

    def copies(self, topic: str) -> int:
        """How many brokers have a topic's first partition."""
        return len(self.admin.list_topics(topic, timeout=60).topics[topic].partitions[0].replicas)


@contextmanager
def brokers_in(folder: Path, count: int) -> Iterator[Brokers]:
    """Run brokers with their data below a folder."""
    if not any(JARS.glob("kafka_*.jar")):
        pytest.fail(f"no Kafka in {JARS}: run `make setup`")
    found = Brokers(folder, count)
    try:
        found.start(*range(1, count + 1))
        yield found
    finally:
        for number, process in found.running.items():
            if process.poll() is None:
                found.kill(number)


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Run a broker with its data below a folder; yields its address."""
    with brokers_in(folder, 1) as found:
        yield found.addresses
