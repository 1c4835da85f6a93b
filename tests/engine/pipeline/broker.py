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


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Run a broker with its data below a folder; yields its address."""
    if not any(JARS.glob("kafka_*.jar")):
        pytest.fail(f"no Kafka in {JARS}: run `make setup`")
    port, control = free_port(), free_port()
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{control}",
        "controller.quorum.voters": f"1@127.0.0.1:{control}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": folder / "data",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
    }
    file = folder / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*"]
    format_ = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(file)]
    with (folder / "broker.log").open("wb") as out:
        subprocess.run([*java, *format_], stdout=out, stderr=out, check=True, timeout=START_S)
        process = subprocess.Popen([*java, "kafka.Kafka", str(file)], stdout=out, stderr=out)
        try:
            address = f"127.0.0.1:{port}"
            client = AdminClient({"bootstrap.servers": address, "log_level": 0})
            until = time.monotonic() + START_S
            while True:
                with contextlib.suppress(KafkaException):
                    client.list_topics(timeout=1)
                    break
                assert process.poll() is None, (folder / "broker.log").read_text()[-2000:]
                assert time.monotonic() < until, "the broker does not answer"
            yield address
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
