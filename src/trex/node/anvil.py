"""Anvil as the L1 of a devnet: a process of its own, whose chain is kept from one start to the next.

Its state is written whole to a file, every few seconds and at the end, and put in place by renaming: a kill
at any moment leaves an older chain of L1, never a damaged one. To whoever follows it that is a reorg.
"""

import contextlib
import ctypes
import fcntl
import gzip
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, BinaryIO

from trex.chain.dev.accounts import MNEMONIC
from trex.node.files import ROOT

log = logging.getLogger(__name__)

CHAIN_ID = 31337
"""Anvil's own, as clients expect of a local L1."""
ACCOUNTS = 14
"""Ten for people, as everywhere, and one for each role."""
EPOCH_BLOCKS = 4
"""`safe` is so many blocks below anvil's newest, `finalized` twice as many."""
HASHES = 256
"""So many blocks back BLOCKHASH knows."""
STATE = "l1.json.gz"
"""The file in a data directory that keeps the chain."""
LOG = "l1.log"
LOCK = "l1.lock"
START_S = 60.0
ANSWER_S = 60.0
STOP_S = 10.0
KEEP_TRIES = 10
"""How often its chain is asked for until no block is made meanwhile."""
PDEATHSIG = 1
"""Option of prctl(2): the signal that a process gets when its parent dies."""


class AnvilError(Exception):
    """It does not start, or answers with an error."""


def program() -> str:
    """Return the path of anvil.

    Raises:
        AnvilError: it is not installed.
    """
    found = shutil.which("anvil", path=str(ROOT / "node_modules" / ".bin")) or shutil.which("anvil")
    if found is None:
        raise AnvilError("anvil, the devnet's L1, is not installed")
    return found


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it starts, so that it ends when its parent is killed; Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PDEATHSIG, signal.SIGTERM)


def lock(folder: Path) -> BinaryIO:
    """Take a folder for an anvil of its own; closing what is returned gives it back.

    Raises:
        AnvilError: another process has it.
    """
    file = (folder / LOCK).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise AnvilError(
            f"another devnet runs on {folder}: stop it, or choose another with --datadir"
        ) from None
    return file


class Anvil:
    """An anvil. It mines a block for each transaction until `mine_every`."""

    def __init__(self, folder: Path, port: int, host: str = "127.0.0.1") -> None:
        """Name it; nothing is started yet.

        Args:
            folder: of its state and its log.
            port: to listen on.
            host: address to listen on.
        """
        self.state = folder / STATE
        self.log = folder / LOG
        self.host = host
        self.port = port
        self.url = f"http://{host}:{port}"
        self._kept: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: BinaryIO | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, with the chain that its folder keeps.

        Raises:
            AnvilError: it is not installed, or does not start.
        """
        self._take()
        plain = self.state.with_name("l1.json")
        command = [program(), "--host", self.host, "--port", str(self.port), "--chain-id", str(CHAIN_ID)]
        command += ["--hardfork", "osaka", "--mnemonic", MNEMONIC, "--accounts", str(ACCOUNTS)]
        command += ["--slots-in-an-epoch", str(EPOCH_BLOCKS), "--timestamp", str(int(time.time()))]
        if self.state.exists():
            plain.write_bytes(gzip.decompress(self.state.read_bytes()))
            command += ["--load-state", str(plain)]
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C in the terminal is for the devnet, which stops it in its turn.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        try:
            self._wait()
            if self.state.exists():
                self._remember_hashes()
        except BaseException:
            self.kill()
            raise
        finally:
            plain.unlink(missing_ok=True)

    def _take(self) -> None:
        """Keep a second one from the same folder: it would write over this one's chain."""
        if self._lock is None:
            self._lock = lock(self.state.parent)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            if not self.running:
                said = self.log.read_text(errors="replace")[-2000:].strip()
                raise AnvilError(f"anvil did not start on {self.url}:\n{said}")
            try:
                self.call("eth_chainId")
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise AnvilError(f"anvil does not answer on {self.url}: {error}") from error
                time.sleep(0.05)

    def _remember_hashes(self) -> None:
        """Put blocks between now and the kept chain, whose hashes BLOCKHASH makes up after a load.

        Beyond 256 blocks contracts read them from the history contract (EIP-2935), whose storage is kept.
        """
        self.call("anvil_setBlockTimestampInterval", 0)
        self.call("anvil_mine", hex(HASHES + 1))
        self.call("anvil_removeBlockTimestampInterval")

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one request.

        Raises:
            AnvilError: it answers with an error.
            OSError: it does not answer.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        with contextlib.closing(HTTPConnection(self.host, self.port, timeout=ANSWER_S)) as connection:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            try:
                answer = json.load(connection.getresponse())
            except (HTTPException, ValueError) as error:
                raise ConnectionError(f"anvil: {method}: {error!r}") from error
        if "error" in answer:
            raise AnvilError(f"anvil: {method}: {answer['error'].get('message')}")
        return answer["result"]

    @property
    def time_s(self) -> int:
        """Timestamp of its newest block."""
        return int(self.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def set_time(self, timestamp_s: int) -> None:
        """Let its clock be this now, and go on from there; the next block says so."""
        self.call("anvil_setTime", timestamp_s)

    def mine(self, blocks: int = 1, apart_s: int = 1) -> None:
        """Make blocks now, so many seconds apart."""
        self.call("anvil_mine", hex(blocks), hex(apart_s))

    def mine_every(self, seconds: int) -> None:
        """Make a block each so many seconds from now on, and only then."""
        self.call("evm_setIntervalMining", seconds)

    def keep(self) -> None:
        """Write the chain to its file, if it has grown.

        Raises:
            AnvilError, OSError: it could not be asked, goes on too fast, or there is no room.
        """
        newest = self._newest()
        if newest == self._kept:
            return
        for _ in range(KEEP_TRIES):
            state = bytes.fromhex(self.call("anvil_dumpState")[2:])
            # It tells blocks first, then the state: of a block made meanwhile the state would be there alone.
            before, newest = newest, self._newest()
            if newest == before:
                break
        else:
            raise AnvilError("L1 made a block each time that its chain was being written")
        fresh = self.state.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.state)
        self._kept = newest

    def _newest(self) -> str:
        return str(self.call("eth_getBlockByNumber", "latest", False)["hash"])

    def stop(self) -> None:
        """Keep the chain and end the process."""
        try:
            if self.running:
                self.keep()
        except (OSError, AnvilError) as error:
            log.warning("L1 is kept as it was a moment ago: %s", error)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process as it is."""
        if self._process is not None:
            self._end(self._process)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
