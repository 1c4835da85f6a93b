"""`trex gateway run` as a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.node.conftest import Devnet

from trex.gateway.config import ConfigError, read_config

COMMAND = (sys.executable, "-c", "from trex.node.cli import main; main()", "gateway", "run")


class Process:
    """One running gateway."""

    def __init__(self, folder: Path, config: str, *options: str) -> None:
        self.file = folder / "gateway.toml"
        self.file.write_text(config)
        self.errors = (folder / "errors.log").open("ab+")
        self.process = subprocess.Popen(
            [*COMMAND, "--config", str(self.file), "--log-level", "debug", *options],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        self.url = found[0] if found else ""

    def said(self) -> str:
        self.errors.flush()
        return Path(self.errors.name).read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@contextlib.contextmanager
def running(folder: Path, config: str) -> Iterator[Process]:
    process = Process(folder, config)
    try:
        assert process.url, process.said()
        yield process
    finally:
        if process.process.poll() is None:
            process.stop(signal.SIGKILL)


def plain_config(devnet: Devnet, more: str = "") -> str:
    return f'public_url = "http://localhost"\nport = 0\nrpc_url = "{devnet.url}"\n{more}'


async def test_run_serves_and_stops_cleanly(devnet: Devnet, tmp_path: Path) -> None:
    with running(tmp_path, plain_config(devnet)) as process:
        async with aiohttp.ClientSession() as http, http.get(f"{process.url}/health") as answer:
            assert await answer.json() == {"state": "running"}
        assert process.stop() == 0
    assert (tmp_path / "gateway.db").exists()


def test_run_of_another_chain_or_without_one_does_not_start(devnet: Devnet, tmp_path: Path) -> None:
    for config in (
        plain_config(devnet, "chain_id = 1628"),
        plain_config(devnet).replace(devnet.url, "http://127.0.0.1:9"),
    ):
        process = Process(tmp_path, config)
        assert process.url == ""
        assert process.process.wait(60) != 0
        assert process.process.stdout is not None
        process.process.stdout.close()
        process.errors.close()


@pytest.mark.parametrize(
    "text",
    [
        "public_url = 1",
        'public_url = "http://persona.example"\nrpc_url = "x"',
        'public_url = "https://persona.example/x"\nrpc_url = "x"',
        'public_url = "https://persona.example"\nrpc_url = "x"\nsecret = 1',
        'public_url = "https://persona.example"\nrpc_url = "x"\nport = 70000',
        'public_url = "https://persona.example"\nrpc_url = "x"\n[chains.1]\nendpoints = []',
        "[",
    ],
)
def test_read_config_refuses(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_config(text, tmp_path)


def test_read_config_takes_https_and_chains(tmp_path: Path) -> None:
    text = 'public_url = "https://persona.example"\nrpc_url = "x"\n[chains.1]\nendpoints = ["a", "b", "c"]'
    found = read_config(text, tmp_path)
    assert found.settings.chains[1].quorum == 2
    assert found.settings.secure
    assert found.settings.database == f"sqlite:///{tmp_path}/gateway.db"
