"""Every role in a process of its own, killed at random moments: sequencer, batcher, proposer, verifier."""

import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
from tests.e2e.network import free_port
from tests.settlement.anvil_l1 import KEYS
from tests.settlement.process import command
from tests.settlement.rollup import Rollup, rollup
from tests.settlement.sequencing import transfer
from tests.settlement.test_deploy import ACCOUNTS, address_of

from trex.chain.dev.accounts import ACCOUNTS as USERS
from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.deployment import Timing
from trex.settlement.l1.errors import L1Error, L1UnavailableError

WAIT_S = 300.0
MOST_TOLD = 100
"""Batches that trex_info lists."""
FRIEND = "0x" + "42" * 20
ROLES = ("sequencer", "batcher", "proposer", "verifier")
PROPOSER = bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a")
"""Of anvil's third account."""
TIMING = Timing(
    max_origin_lag_l1_blocks=2_000,
    silence_s=20_000,
    dispute_window_s=600,
    finality_delay_s=1,
    proof_maturity_s=20,
    timelock_delay_s=100_000,
)


@dataclass(slots=True)
class Network:
    """The roles of a network, each in its process."""

    system: Rollup
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ROLES[::3]})
    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def node(self, name: str) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.ports[name]}", self.system.session, timeout_s=300)

    def words(self, name: str) -> tuple[str, ...]:
        """The command of a role, as an operator gives it."""
        url, folder = self.system.node.url, self.folder
        common = ("--network", str(folder / "network.json"), "--l1", url)
        if name in self.ports:
            where = ("--datadir", str(folder / name), "--port", str(self.ports[name]), "--beacon", url)
            role = ("--origin-depth", "1") if name == "sequencer" else ("--role", "verifier")
            return ("node", "run", *common, *where, *role)
        pace = {
            "batcher": ("--target-age", "0", "--poll", "0.2", "--replace-after", "4"),
            "proposer": ("--interval", "1", "--poll", "0.5", "--node", self.node("verifier").url),
        }
        words = (name, "run", *common, "--node", self.node("sequencer").url, *pace[name])
        return (*words, "--key", str(folder / f"{name}.key"))

    async def start(self, name: str) -> None:
        self.running[name] = await asyncio.create_subprocess_exec(
            *command(*self.words(name), "--log-level", "error"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=sys.stderr,
        )

    async def kill(self, name: str) -> None:
        process = self.running.pop(name)
        assert process.returncode is None, f"{name} ended by itself"
        process.kill()
        await process.wait()


@asynccontextmanager
async def network(folder: Path) -> AsyncIterator[Network]:
    """Start an L1 that goes on by itself, the contracts, and every role."""
    accounts = replace(ACCOUNTS, proposer=address_of(PROPOSER))
    a_minute_ago = str(int(time.time()) - 60)  # deploying takes L1 ahead of the clock
    options = ("--slots-in-an-epoch", "1", "--timestamp", a_minute_ago)
    async with rollup(*options, accounts=accounts, timing=TIMING) as system:
        (folder / "network.json").write_bytes(system.text)
        for name, key in (("batcher", KEYS[1]), ("proposer", PROPOSER)):
            (folder / f"{name}.key").write_text(key.hex())
        await system.node.call("evm_setIntervalMining", 1)
        one = Network(system, folder)
        try:
            for name in ROLES:
                await one.start(name)
            yield one
        finally:
            for process in one.running.values():
                if process.returncode is None:
                    process.kill()
                await process.wait()


async def eventually(reached: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, of roles that may be away."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                if await reached():
                    return
            except L1UnavailableError:
                pass
            await asyncio.sleep(0.1)


class Users:
    """They deposit on L1 and send transfers to the sequencer, again while it has forgotten them."""

    def __init__(self, one: Network) -> None:
        self.one, self.deposited, self.sent = one, 0, list[str]()

    async def act(self) -> None:
        """Deposit, and send the next transfer if the sequencer is there."""
        self.deposited += 1
        await self.one.system.deposit(1)
        self.sent.append(transfer(3, len(self.sent)))
        await self.send(self.sent[-1:])

    async def send(self, transfers: list[str]) -> None:
        for raw in transfers:
            with contextlib.suppress(L1Error):  # it is away, or knows it
                await self.one.node("sequencer").call("eth_sendRawTransaction", raw)

    async def served(self) -> bool:
        """Tell whether every transfer is in a block; those that were forgotten are sent again."""
        count = await self.one.node("sequencer").call("eth_getTransactionCount", USERS[3].address, "latest")
        await self.send(self.sent[int(count, 16) :])
        return int(count, 16) == len(self.sent)


async def killed(folder: Path, kills: list[str], chance: random.Random) -> None:
    """Kill roles one after another under load; in the end everybody has the same chain, and all of it."""
    async with network(folder) as one:
        sequencer, verifier = one.node("sequencer"), one.node("verifier")
        users = Users(one)

        async def begun() -> bool:
            return int(await sequencer.call("eth_blockNumber"), 16) > 0

        await eventually(begun)
        for name in kills:
            await users.act()
            await asyncio.sleep(chance.uniform(0.0, 3.0))
            await users.act()
            await one.kill(name)
            await users.act()
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            await one.start(name)

        async def arrived() -> bool:
            return bool(await sequencer.call("eth_getBalance", FRIEND, "latest") == hex(users.deposited))

        await eventually(arrived)
        await eventually(users.served)
        block = await sequencer.call("eth_getBlockByNumber", "latest", False)
        number = int(block["number"], 16)

        async def agreed() -> bool:
            safe = await verifier.call("eth_getBlockByNumber", "safe", False)
            return int(safe["number"], 16) >= number

        await eventually(agreed)
        assert (await verifier.call("eth_getBlockByNumber", block["number"], False))["hash"] == block["hash"]
        for node in (sequencer, verifier):
            assert (await node.call("optimism_syncStatus"))["trex"]["mismatch"] is None
        read: list[dict[str, Any]] = (await verifier.call("trex_info"))["batches"][::-1]
        assert {each["outcome"] for each in read} == {"batch"}
        assert all(two["firstBlock"] == first["lastBlock"] + 1 for first, two in itertools.pairwise(read))
        assert read[0]["firstBlock"] == 1 or len(read) == MOST_TOLD, "each block is posted, once, in order"

        async def claimed() -> bool:
            return (await newest_claim(one.system))[1] >= number

        await eventually(claimed)
        root, about = await newest_claim(one.system)
        output = await verifier.call("optimism_outputAtBlock", hex(about))
        assert output["outputRoot"] == "0x" + root.hex()
        assert all(process.returncode is None for process in one.running.values())


async def newest_claim(system: Rollup) -> tuple[bytes, int]:
    """Return output and block of the newest claim; block -1 before the first."""
    assert system.network.l1 is not None
    kind, at = contract("MaturingClaims"), "0x" + system.network.l1.contracts["outputClaims"].hex()

    async def ask(function: str, *arguments: object) -> Any:
        request = {"to": at, "data": "0x" + kind.call(function, *arguments).hex()}
        return kind.result(
            function, bytes.fromhex((await system.node.call("eth_call", request, "latest"))[2:])
        )[0]

    count = await ask("claimCount")
    if count == 0:
        return bytes(32), -1
    root, _, block, *_ = await ask("claimAt", count - 1)
    return root, block


async def test_roles_killed_one_after_another_leave_one_chain_and_lose_nothing(tmp_path: Path) -> None:
    """PST-001, PST-002, PST-040, DRV-061, DRV-065: no deposit lost, no batch doubled, no wrong claim."""
    await killed(tmp_path, list(ROLES), random.Random(5))


@pytest.mark.long
async def test_roles_killed_forty_times_leave_one_chain_and_lose_nothing(tmp_path: Path) -> None:
    """PST-001, PST-002, PST-040, DRV-061, DRV-065."""
    chance = random.Random(6)
    await killed(tmp_path, [chance.choice(ROLES) for _ in range(40)], chance)
