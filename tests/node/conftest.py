"""A devnet in a process of its own, as a user starts it."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trex.chain.dev.accounts import ACCOUNTS

TREX = str(Path(sys.executable).with_name("trex"))
ALICE, BOB, CAROL = ACCOUNTS[:3]
PATIENCE_S = 180.0
"""For a machine that is busy with other things."""


class Devnet:
    """One running `trex devnet`; without an L1 unless options say where one listens."""

    def __init__(self, datadir: Path, *options: str) -> None:
        self.datadir = datadir
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads would fill up
        alone = [] if "--l1-port" in options else ["--no-l1"]
        self.process = subprocess.Popen(
            [
                *(TREX, "devnet", "--port", "0", *alone),
                *("--datadir", str(datadir), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        assert self.process.stdout is not None
        self.page = ""
        for line in self.process.stdout:
            self.page += line
            if "Ctrl-C stops" in line:
                break
        found = re.search(r"HTTP +(http://\S+)", self.page)
        if found is None:
            self.process.kill()
            self.process.wait()
            raise AssertionError(self.page + self.said())
        self.url = found[1]

    def said(self) -> str:
        """What it has written to its standard error."""
        self.errors.seek(0)
        return self.errors.read()

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws")

    def answer(self, method: str, *params: Any) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            found = json.load(answer)
        assert isinstance(found, dict)
        return found

    def call(self, method: str, *params: Any) -> Any:
        answer = self.answer(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    def error(self, method: str, *params: Any) -> dict[str, Any]:
        answer = self.answer(method, *params)
        assert "error" in answer, answer
        error = answer["error"]
        assert isinstance(error, dict)
        return error

    def receipt(self, tx_hash: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while (receipt := self.call("eth_getTransactionReceipt", tx_hash)) is None:
            assert time.monotonic() < deadline, f"{tx_hash} was not included"
            time.sleep(0.02)
        assert isinstance(receipt, dict)
        return receipt

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        errors = self.said()
        self.errors.close()
        return self.process.returncode, errors


@contextlib.contextmanager
def devnet_at(datadir: Path, *options: str) -> Iterator[Devnet]:
    devnet = Devnet(datadir, *options)
    try:
        yield devnet
    finally:
        code, errors = devnet.stop()
        assert code == 0, errors


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with devnet_at(tmp_path_factory.mktemp("devnet") / "data") as running:
        yield running
