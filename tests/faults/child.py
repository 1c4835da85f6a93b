"""A devnet in a process of its own, as a user starts it, and what the tests of faults ask of it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from eth_utils.crypto import keccak

from trex._core import sign_transaction  # noqa: TID251
from trex.chain.dev.accounts import ACCOUNTS

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "from trex.node.cli import main; main()")
START_S = 180.0
"""A start may take so long on a machine that is busy with other tests."""
CHAIN_ID = 1962


def environment() -> dict[str, str]:
    """Return the environment in which `trex` runs from this source tree."""
    inherited = os.environ.get("PYTHONPATH")
    path = str(ROOT / "src") + (os.pathsep + inherited if inherited else "")
    return {**os.environ, "PYTHONPATH": path}


def trex(*arguments: str | Path) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"trex {arguments}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Devnet:
    """One running `trex devnet`."""

    def __init__(self, datadir: Path, log: Path, *options: str) -> None:
        """Start it on a free port and wait until it answers."""
        self.log = log
        self.out = log.with_suffix(".out")
        began = time.monotonic()
        with self.log.open("ab") as errors, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    *COMMAND,
                    "devnet",
                    "--no-l1",
                    "--datadir",
                    str(datadir),
                    "--port=0",
                    "--log-level=warning",
                    *options,
                ],
                env={**environment(), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
            )
        try:
            self.port = self._wait_for_port(began + START_S)
            self.call("eth_blockNumber", [])
        except BaseException:
            self.kill()
            raise
        self.start_s = time.monotonic() - began

    def __enter__(self) -> "Devnet":
        """Return the node."""
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Leave no process behind."""
        self.kill()

    def _wait_for_port(self, deadline: float) -> int:
        while time.monotonic() < deadline:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", self.out.read_text()):
                return int(found[1])
            assert self.process.poll() is None, f"exit code {self.process.returncode}: {self.logged()}"
            time.sleep(0.02)
        raise AssertionError(f"no start within {START_S} s: {self.logged()}")

    def logged(self) -> str:
        """Return what it wrote to its log."""
        return self.log.read_text(errors="replace")

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would: no handler of its own runs."""
        if self.alive():
            self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(180)

    def memory_bytes(self) -> int:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found, "the process is gone"
        return int(found[1]) << 10

    def connect(self, timeout_s: float = 180.0) -> "Client":
        """Return a connection to it."""
        return Client(self.port, timeout_s)

    def call(self, method: str, params: list[Any]) -> Any:
        """Return one call's result."""
        client = self.connect()
        try:
            return client.call(method, params)
        finally:
            client.close()


class Client:
    """One kept HTTP connection."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self.http.close()

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Send a body as it is; return status and answer."""
        self.http.request("POST", "/", body, {"Content-Type": "application/json"})
        response = self.http.getresponse()
        return response.status, response.read()

    def batch(self, calls: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        """Return the answers to calls, in their order, errors included."""
        if not calls:
            return []
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in enumerate(calls)
        ]
        status, answer = self.post(json.dumps(body).encode())
        assert status == 200, (status, answer[:500])
        answers: list[dict[str, Any]] = json.loads(answer)
        assert [entry["id"] for entry in answers] == list(range(len(calls)))
        return answers

    def call(self, method: str, params: list[Any]) -> Any:
        """Return one call's result."""
        (answer,) = self.batch([(method, params)])
        assert "error" not in answer, (method, params, answer["error"])
        return answer["result"]


def transfer(account: int, nonce: int, to: str, value: int, **other: str) -> str:
    """Return a development account's signed transfer."""
    fields = {
        "chainId": hex(CHAIN_ID),
        "nonce": hex(nonce),
        "to": to,
        "value": hex(value),
        "gas": hex(21_000),
        "maxFeePerGas": hex(10**11),
        "maxPriorityFeePerGas": hex(10**6),
        **other,
    }
    return sign_transaction(json.dumps(fields).encode(), ACCOUNTS[account].key)


def hash_of(raw: str) -> str:
    """Return a raw transaction's hash."""
    return "0x" + keccak(hexstr=raw).hex()
