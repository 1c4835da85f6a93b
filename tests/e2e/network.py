"""The two networks a scenario runs on: T-Rex's devnet and anvil, with the same accounts and contracts."""

import contextlib
import fcntl
import functools
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CHAIN_ID = 1962
MNEMONIC = "test test test test test test test test test test test junk"
START_S = 180
"""How long a node may take until it answers."""


class AnsweredError(Exception):
    """An error that a node answered: code, message, data."""


@dataclass(frozen=True, slots=True)
class Network:
    """A node that answers JSON-RPC."""

    name: str
    url: str

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one request; raise `AnsweredError` when it is an error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(self.url, body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_S) as answer:
            message = json.load(answer)
        if "error" in message:
            error = message["error"]
            raise AnsweredError(error["code"], error["message"], error.get("data"))
        return message["result"]

    def head(self) -> int:
        """Return the number of the newest block."""
        return int(self.call("eth_blockNumber"), 16)


def program(name: str) -> str:
    """Return the path of a program that npm or uv has installed here."""
    folders = [ROOT / "node_modules" / ".bin", Path(sys.executable).parent]
    found = shutil.which(name, path=os.pathsep.join(map(str, folders)))
    assert found is not None, f"{name} is not in {' or '.join(map(str, folders))}: run `make setup`"
    return found


FIRST_PORT, PORTS = 10_000, 21_600
"""Below those that the system gives to whoever wants any, and to connections (32768 and above)."""
_ports = itertools.cycle(range(PORTS))


@functools.cache
def _register() -> BinaryIO:
    """The file whose bytes stand for ports; what this process has locked of it ends with the process."""
    return (Path(tempfile.gettempdir()) / f"trex-test-ports-{os.getuid()}").open("ab")


def free_port() -> int:
    """Return a port of the loopback that nothing listens on, and that nobody takes until it is used.

    The system gives it to nobody, and of processes side by side the one that has locked a port's byte of a
    file may choose it: a node that found its port taken would end, and its test talk to another's node.
    """
    first = os.getpid() * 300
    for _ in range(PORTS):
        port = FIRST_PORT + (first + next(_ports)) % PORTS
        with socket.socket() as probe, contextlib.suppress(OSError):
            fcntl.lockf(_register(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def genesis() -> dict[str, Any]:
    """Return the devnet's accounts as a genesis document of geth's form."""
    network = json.loads((ROOT / "networks" / "devnet.json").read_text())
    return {
        "config": {"chainId": CHAIN_ID},
        "difficulty": "0x0",
        "timestamp": hex(network["genesis"]["timestamp"]),
        "gasLimit": hex(network["genesis"]["gasLimit"]),
        "alloc": {address: {"balance": "0x0", **account} for address, account in network["alloc"].items()},
    }


@contextmanager
def running(name: str, command: list[str], port: int, log: Path) -> Iterator[Network]:
    """Keep a node running, from its first answer on; its output goes to a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            network = Network(name, f"http://127.0.0.1:{port}")
            until = time.monotonic() + START_S
            while True:
                try:
                    assert int(network.call("eth_chainId"), 16) == CHAIN_ID
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise RuntimeError(f"{name} does not answer:\n{log.read_text()[-4000:]}") from None
                    time.sleep(0.05)
            yield network
        finally:
            process.terminate()
            process.wait(timeout=START_S)


@contextmanager
def anvil(folder: Path) -> Iterator[Network]:
    """Run anvil with the devnet's genesis."""
    document = folder / "genesis.json"
    document.write_text(json.dumps(genesis()))
    port = free_port()
    options = {
        "--port": str(port),
        "--chain-id": str(CHAIN_ID),
        "--hardfork": "osaka",
        "--mnemonic": MNEMONIC,
        "--init": str(document),
    }
    command = [program("anvil"), "--silent", *(word for pair in options.items() for word in pair)]
    with running("anvil", command, port, folder / "anvil.log") as network:
        yield network


@contextmanager
def devnet(folder: Path) -> Iterator[Network]:
    """Run `trex devnet` on a data directory of its own."""
    port = free_port()
    command = [program("trex"), "devnet", "--no-l1", "--port", str(port), "--datadir", str(folder / "devnet")]
    with running("trex", command, port, folder / "devnet.log") as network:
        yield network


@contextmanager
def settled_devnet(folder: Path) -> Iterator[tuple[str, Network, Path]]:
    """Run `trex devnet` with its L1 and every role, with short waits.

    Yields L1's URL, the network, its file.
    """
    port, l1_port = free_port(), free_port()
    data = folder / "devnet"
    options = {
        "--port": str(port),
        "--l1-port": str(l1_port),
        "--verifier-port": "0",
        "--datadir": str(data),
        "--l1-block-time": "1",
        "--batch-interval": "1",
        "--claim-interval": "3",
        "--dispute-window": "15",
        "--proof-maturity": "5",
    }
    command = [program("trex"), "devnet", *(word for pair in options.items() for word in pair)]
    with running("trex", command, port, folder / "devnet.log") as network:
        yield f"http://127.0.0.1:{l1_port}", network, data / "network.json"
