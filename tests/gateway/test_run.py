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

from trex.chain.dev.accounts import ACCOUNTS
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
        code = self.process.wait(180)
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


KEYS_TOML = """
[keys]
relayer = "relayer.key"
attestors = ["a7.key", "a8.key", "a9.key"]
nullifier = "nullifier.key"
sealing = "sealing.key"
issuer = "issuer.key"
"""


def write_keys(folder: Path) -> list[str]:
    """Write every secret that a gateway has, and return them as they stand in the files."""
    secrets = {"relayer": ACCOUNTS[6].key, **{f"a{place}": ACCOUNTS[place].key for place in (7, 8, 9)}}
    secrets |= {name: bytes([at + 1]) * 32 for at, name in enumerate(("nullifier", "sealing", "issuer"))}
    for name, secret in secrets.items():
        (folder / f"{name}.key").touch(0o600)
        (folder / f"{name}.key").write_text(secret.hex())
    return [secret.hex() for secret in secrets.values()]


def plain_config(folder: Path, devnet: Devnet, more: str = "", port: int = 0) -> str:
    write_keys(folder)
    host = f"http://localhost:{port}" if port else "http://localhost"
    return f'public_url = "{host}"\nport = {port}\nrpc_url = "{devnet.url}"\n{more}\n{KEYS_TOML}'


async def test_run_serves_and_stops_cleanly(devnet: Devnet, tmp_path: Path) -> None:
    with running(tmp_path, plain_config(tmp_path, devnet)) as process:
        async with aiohttp.ClientSession() as http, http.get(f"{process.url}/health") as answer:
            assert await answer.json() == {"state": "running"}
        assert process.stop() == 0
    assert (tmp_path / "gateway.db").exists()


def test_run_of_another_chain_or_without_one_does_not_start(devnet: Devnet, tmp_path: Path) -> None:
    other = plain_config(tmp_path, devnet, "chain_id = 1628")
    absent = plain_config(tmp_path, devnet).replace(devnet.url, "http://127.0.0.1:9")
    for config in (other, absent):
        process = Process(tmp_path, config)
        assert process.url == ""
        assert process.process.wait(180) != 0
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
        'public_url = "https://a.example"\nrpc_url = "x"\n[chains.1]\nendpoints = ["a"]\nlog_span = 0',
        'public_url = "https://a.example"\nrpc_url = "x"\n[chains.1]\nendpoints = ["a"]\nrequests_per_s = 0',
        "[",
    ],
)
def test_read_config_refuses(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_config(text, tmp_path)


def test_read_config_takes_https_and_chains(tmp_path: Path) -> None:
    write_keys(tmp_path)
    text = 'public_url = "https://persona.example"\nrpc_url = "x"\n[chains.1]\nendpoints = ["a", "b", "c"]\n'
    text += "requests_per_s = 2.5\nlog_span = 500\n" + KEYS_TOML
    found = read_config(text, tmp_path)
    assert found.settings.chains[1].quorum == 2
    assert (found.settings.chains[1].requests_per_s, found.settings.chains[1].log_span) == (2.5, 500)
    assert found.settings.secure
    assert ACCOUNTS[6].private_key[2:] not in repr(found)
    (tmp_path / "issuer.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_config(text, tmp_path)
    assert found.settings.database == f"sqlite:///{tmp_path}/gateway.db"
