"""Exactly once: stages killed at random, the chain reorganised; the lake says what plain RPC says."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.engine.emitter import ALICE, BOB, deploy, emit, pay, truth
from tests.engine.lake.test_chain_to_lake import held
from tests.settlement.anvil_l1 import CHAIN_ID, Anvil, anvil

from trex.engine.graph.stage import digest, rebuild
from trex.engine.pipeline.stage import DEAD
from trex.engine.run import NAMES, EngineSettings, open_graph, open_log, run

STAGES = [name for name in NAMES if name != "features"]
DONE_S = 300.0
Transfer = tuple[Any, ...]


class Stages:
    """Every stage in a process of its own, started again whenever it is killed."""

    def __init__(self, node: Anvil, folder: Path, log: str) -> None:
        self.node, self.folder, self.log = node, folder, log
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.killed = 0

    def start(self, name: str) -> None:
        command = [sys.executable, "-c", "from trex.node.cli import main; main()"]
        command += ["engine", "run", "--stage", name]
        command += ["--folder", str(self.folder), "--rpc", self.node.url, "--chain", str(CHAIN_ID)]
        command += ["--log", self.log, "--log-level", "warning"]
        with (self.folder / f"{name}.out").open("ab") as out:
            self.running[name] = subprocess.Popen(command, stdout=out, stderr=out, env=dict(os.environ))

    def check(self) -> None:
        for name, process in self.running.items():
            assert process.poll() is None, (name, (self.folder / f"{name}.out").read_text()[-3000:])

    def kill(self, name: str) -> None:
        self.check()
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()
        self.killed += 1

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@asynccontextmanager
async def stages(node: Anvil, folder: Path, log: str) -> AsyncIterator[Stages]:
    every = Stages(node, folder, log)
    try:
        for name in STAGES:
            every.start(name)
        yield every
    finally:
        every.stop()


async def brought(every: Stages, settings: EngineSettings, expected: set[Transfer]) -> list[Transfer]:
    """What the lake says, once it says what is expected or time is up."""
    until = time.monotonic() + DONE_S
    while True:
        found = await asyncio.to_thread(held, settings)
        if set(found) == expected or time.monotonic() > until:
            return found
        every.check()
        await asyncio.sleep(0.3)


async def proved(folder: Path, log: str, rounds: int) -> None:
    draw = random.Random(rounds)
    settings = EngineSettings(folder, log=log)
    async with anvil() as node:
        contract = await deploy(node)
        async with stages(node, folder, log) as every:
            for at in range(rounds):
                for _ in range(draw.randrange(1, 6)):
                    await emit(node, contract, ALICE, BOB, draw.randrange(1, 2**200))
                    await pay(node, BOB, ALICE, draw.randrange(1, 10**15))
                if at % 2:
                    await node.reorg(draw.randrange(1, 5))
                await asyncio.sleep(draw.random())
                name = STAGES[at % len(STAGES)]
                every.kill(name)
                every.start(name)
            await node.mine(1)
            expected = await truth(node)
            found = await brought(every, settings, expected)
            assert every.killed == rounds
    assert set(found) == expected
    assert len(found) == len(expected)
    assert len(expected) > rounds
    await asyncio.to_thread(run, settings, ["graph"], until_idle=True)
    opened, graph = open_log(settings), open_graph(settings)
    try:
        kept = digest(graph)
        rebuild(opened, graph)
        assert digest(graph) == kept  # GRA-002, GRA-003
        assert sum(extent.end - extent.first for extent in opened.extents(DEAD)) == 0
    finally:
        opened.close()


@pytest.fixture(params=["sqlite", "kafka"])
def log(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite"
    return f"kafka://{request.getfixturevalue('brokers')}/{uuid4().hex}."


async def test_killed_and_reorganised_the_lake_says_what_the_chain_says(tmp_path: Path, log: str) -> None:
    """LAK-001, LOG-002, EVT-003: each stage is killed once."""
    await proved(tmp_path, log, len(STAGES))


@pytest.mark.long
async def test_killed_a_hundred_times_the_lake_says_what_the_chain_says(tmp_path: Path, log: str) -> None:
    """The same, longer."""
    await proved(tmp_path, log, 100)
