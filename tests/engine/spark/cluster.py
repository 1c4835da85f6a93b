"""A real Spark cluster: a standalone master and two workers, each a process."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark
import pytest
from tests.e2e.network import free_port

from trex.engine.lake import on_spark

ROOT = Path(__file__).resolve().parents[3]
JARS = Path(os.environ.get("TREX_SPARK_JARS", ROOT / ".cache" / "spark"))
HOME = Path(pyspark.__file__).parent
WORKERS = 2
START_S = 300.0


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a master and its workers with their files below a folder; yields the master's address."""
    if not any(JARS.glob("delta-spark*.jar")):
        pytest.fail(f"no delta-spark in {JARS}: run `make setup`")
    port = free_port()
    master = f"spark://127.0.0.1:{port}"
    with ExitStack() as running:
        place = ["--host", "127.0.0.1", "--webui-port", "0"]
        log = _start(running, folder, "master", "master.Master", [*place, "--port", str(port)])
        _wait(log, 1, r"I have been elected leader")
        for number in range(WORKERS):
            share = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}")]
            _start(running, folder, f"worker{number}", "worker.Worker", [*place, *share, master])
        _wait(log, WORKERS, r"Registering worker")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv(on_spark.JARS, str(JARS))
            patched.setenv("SPARK_LOCAL_IP", "127.0.0.1")
            yield master


def _start(running: ExitStack, folder: Path, name: str, program: str, arguments: list[str]) -> Path:
    log = folder / f"{name}.log"
    environment = {
        **os.environ,
        "SPARK_HOME": str(HOME),
        "SPARK_DAEMON_MEMORY": "192m",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    command = [str(HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{program}", *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    running.callback(process.wait)
    running.callback(process.terminate)  # A worker ends the executors that it started.
    return log


def _wait(log: Path, count: int, pattern: str) -> None:
    until = time.monotonic() + START_S
    while len(re.findall(pattern, log.read_text())) < count:
        assert time.monotonic() < until, log.read_text()[-2000:]
        time.sleep(0.1)
