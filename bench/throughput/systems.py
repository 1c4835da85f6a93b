"""The systems under load: how each is started, how its accounts get their ether, what CPU time it used."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wire import Connection, call, request

from trex.chain.build import core_build

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GAS_LIMIT = 400_000_000
"""Of a block, on every system: that of the T-Rex devnet."""
HARDHAT_SHARE = 0.1
ETHER_WEI = 10**18
BALANCE_WEI = 10_000 * ETHER_WEI
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class System:
    """One node that can be put under load."""

    name: str
    command: tuple[str, ...]
    """PORT and DIR stand for a free port and an empty folder."""
    version: str
    block_time_ms: int
    set_balance: str | None
    """Method that sets a balance; None where ether comes from an unlocked account of the node."""
    share: float = 1.0
    """Part of the load that it gets: a slow one would take minutes for the whole."""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def output(*command: str) -> str:
    """Return what a command prints first."""
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip().partition("\n")[0]


def trex() -> System:
    """T-Rex as `trex devnet` starts it."""
    commit = output("git", "describe", "--always", "--dirty")
    start = "import sys; from trex.node.cli import main; main()"
    options = ("--no-l1", "--datadir", "DIR", "--port", "PORT", "--quiet")
    command = (sys.executable, "-c", start, "devnet", *options)
    profile = core_build().profile
    build = "release build" if profile == "release" else "dev build (optimised, with overflow checks, no LTO)"
    version = f"{commit}, {build}"
    return System("T-Rex", (*command, "--log-level", "warning"), version, 200, "anvil_setBalance")


def anvil() -> System | None:
    """Foundry's development node, from npm; the binary itself, without the script that starts it."""
    found = sorted(ROOT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    if not found:
        return None
    options = ("--silent", "--block-time", "1", "--hardfork", "osaka", "--chain-id", "1962")
    command = (str(found[0]), *options, "--gas-limit", str(GAS_LIMIT), "--port", "PORT")
    return System("anvil", command, output(str(found[0]), "--version"), 1000, "anvil_setBalance")


def geth() -> System | None:
    """Find geth's development mode, ours or the machine's; its pool and fee cap opened wide."""
    own = ROOT / ".cache" / "bin" / "geth"
    program = str(own) if own.exists() else shutil.which("geth")
    if program is None:
        return None
    pool = ("--txpool.accountslots", "1000", "--txpool.globalslots", "100000")
    queue = ("--txpool.accountqueue", "1000", "--txpool.globalqueue", "100000")
    mining = (
        "--dev",
        "--dev.period",
        "1",
        "--dev.gaslimit",
        str(GAS_LIMIT),
        "--miner.gaslimit",
        str(GAS_LIMIT),
    )
    serving = ("--http", "--http.port", "PORT", "--rpc.txfeecap", "0", "--ipcdisable", "--port", "0")
    quiet = ("--verbosity", "1")
    command = (program, *mining, *pool, *queue, *serving, *quiet, "--datadir", "DIR")
    return System("geth --dev", command, output(program, "--version"), 1000, None)


def hardhat() -> System | None:
    """Hardhat's node, from npm; transactions in the order of their arrival, blocks by the clock."""
    package = ROOT / "node_modules" / "hardhat"
    program = shutil.which("node")
    if program is None or not package.is_dir():
        return None
    start = ("--config", str(HERE / "hardhat.config.cjs"), "node", "--hostname", "127.0.0.1")
    command = (program, str(package / "internal" / "cli" / "bootstrap.js"), *start, "--port", "PORT")
    version = json.loads((package / "package.json").read_text())["version"]
    return System("Hardhat", command, f"hardhat {version}", 1000, "hardhat_setBalance", HARDHAT_SHARE)


class Running:
    """A system that was started; a context that ends it with all that it started."""

    def __init__(self, system: System) -> None:
        """Start the system and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time.
        """
        self.system = system
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="trex-bench-")
        places = {"PORT": str(self.port), "DIR": str(Path(self._folder.name) / "data")}
        command = [places.get(word, word) for word in system.command]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.connection = self._connect()
        self.chain_id = int(self.connection.rpc("eth_chainId"), 16)

    def __enter__(self) -> Running:
        """Return it as it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the system and remove its data."""
        self.connection.close()
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(STOP_TIMEOUT_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _connect(self) -> Connection:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                return Connection(self.port)
            except OSError:
                time.sleep(0.05)
        self._process.kill()
        raise RuntimeError(f"{self.system.name} did not start: {' '.join(self.system.command)}")

    def cpu_s(self) -> float:
        """Return the CPU time that the system has used, in seconds, all its processes together."""
        ticks = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            if int(fields[2]) == self._process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def fund(self, addresses: Sequence[str]) -> None:
        """Give each address its ether, and wait until it has it.

        Raises:
            RuntimeError: the node refused.
        """
        amount = hex(BALANCE_WEI)
        if self.system.set_balance is not None:
            calls = [call(self.system.set_balance, address, amount) for address in addresses]
        else:
            rich = self.connection.rpc("eth_accounts")[0]
            nonce = int(self.connection.rpc("eth_getTransactionCount", rich, "latest"), 16)
            sends = [
                {"from": rich, "to": address, "value": amount, "nonce": hex(nonce + index)}
                for index, address in enumerate(addresses)
            ]
            calls = [call("eth_sendTransaction", send) for send in sends]
        answers = json.loads(self.connection.exchange(request(json.dumps(calls).encode())))
        for answer in answers:
            if "error" in answer:
                raise RuntimeError(f"cannot fund accounts: {answer['error']}")
        deadline = time.monotonic() + START_TIMEOUT_S
        while int(self.connection.rpc("eth_getBalance", addresses[-1], "latest"), 16) == 0:
            if time.monotonic() > deadline:
                raise RuntimeError("accounts have no ether")
            time.sleep(0.1)
