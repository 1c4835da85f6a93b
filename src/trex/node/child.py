"""A command of this program in a process of its own, started again when it ends by itself."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from trex.node.anvil import die_with_parent

log = logging.getLogger(__name__)

PROGRAM = "from trex.node.cli import main; main(prog_name='trex')"
"""This program, by the interpreter that runs it."""
RESTART_S = 2.0
"""One that ended by itself is started again after this long."""
STOP_S = 30.0
LOOK_TIMEOUT_S = 5.0


class Child:
    """Keeps a command running, and asks how it is."""

    def __init__(self, name: str, arguments: Sequence[str], log_file: Path, port: int) -> None:
        """Name it; nothing is started yet.

        Args:
            name: for people.
            arguments: behind `trex`.
            log_file: where its output goes.
            port: of the loopback, where it answers /health.
        """
        self.name = name
        self.arguments = list(arguments)
        self.log_file = log_file
        self.url = f"http://127.0.0.1:{port}"
        self.health: dict[str, Any] = {}
        """What it last said of itself; empty while it does not answer."""
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep it running until cancelled; then stop it in order."""
        # What is set for this process by TREX_* is not meant for that one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TREX_")}
        try:
            while True:
                with self.log_file.open("ab") as output:
                    self._process = await asyncio.create_subprocess_exec(
                        *(sys.executable, "-c", PROGRAM, *self.arguments),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        env=environment,
                        # Ctrl-C in the terminal is for this process, which stops that one in its turn.
                        start_new_session=True,
                        preexec_fn=die_with_parent(),
                    )
                code = await self._process.wait()
                log.error("%s ended with %d, see %s: starting it again", self.name, code, self.log_file)
                self.restarts += 1
                await asyncio.sleep(RESTART_S)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Ask how it is."""
        timeout = aiohttp.ClientTimeout(total=LOOK_TIMEOUT_S)
        try:
            async with session.get(f"{self.url}/health", timeout=timeout) as answer:
                self.health = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self.health = {}
