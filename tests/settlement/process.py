"""A node in a process of its own, as a user starts it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import aiohttp

START_S = 300.0


class AnsweredError(Exception):
    """An error that the node answered."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["code"], error["message"])
        self.code, self.message = error["code"], error["message"]


@dataclass(slots=True)
class NodeProcess:
    """A running `trex node run`."""

    process: asyncio.subprocess.Process
    url: str
    session: aiohttp.ClientSession

    async def call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.url, json=body) as response:
            answer = await response.json()
        if "error" in answer:
            raise AnsweredError(answer["error"])
        return answer["result"]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from trex.node.cli import main; main()", *arguments]


@asynccontextmanager
async def node_process(
    session: aiohttp.ClientSession, network: Path, datadir: Path, *options: str
) -> AsyncIterator[NodeProcess]:
    process = await asyncio.create_subprocess_exec(
        *command(
            "node", "run", "--network", str(network), "--datadir", str(datadir), "--port", "0", *options
        ),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    try:
        assert process.stdout is not None
        told = ""
        async with asyncio.timeout(START_S):
            while (found := re.search(r"listening on (http://\S+)", told)) is None:
                line = (await process.stdout.readline()).decode()
                assert line, f"the node ended: {told}"
                told += line
        yield NodeProcess(process, found[1], session)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def role_process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command that works until it is told to end."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield process
        assert process.returncode is None, f"{' '.join(arguments)} ended with {process.returncode}"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def refused(network: Path, datadir: Path, *options: str) -> str:
    """Start a node that must not start; return what it says."""
    process = await asyncio.create_subprocess_exec(
        *command(
            "node", "run", "--network", str(network), "--datadir", str(datadir), "--port", "0", *options
        ),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    async with asyncio.timeout(START_S):
        _, said = await process.communicate()
    assert process.returncode != 0
    return said.decode()
