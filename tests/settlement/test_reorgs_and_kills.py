"""Reorgs of every depth at every phase, kills at random moments: in the end the chain is the one L1 has."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from tests.settlement.anvil_l1 import ALL_STATES
from tests.settlement.following import PATIENCE_S, running, synced
from tests.settlement.process import NodeProcess, node_process
from tests.settlement.rollup import Rollup, output_at, rollup, rpc

from trex.settlement.contracts import contract
from trex.settlement.kzg import make_sidecar

PHASES = ("deposit", "batch", "forced")
FRIEND = "0x" + "42" * 20


async def sequence(system: Rollup) -> int:
    """Return how many sequenced headers the inbox has now."""
    kind = contract("Inbox")
    request = {
        "to": "0x" + system.contracts.inbox.hex(),
        "data": "0x" + kind.call("sequencedCount").hex(),
    }
    return int(await system.node.call("eth_call", request, "latest"), 16)


async def reorgs(system: Rollup, tmp_path: Path, depths: list[int], verifier: Any) -> None:
    """Reorg L1 by each depth after each phase; then compare with what a fresh node derives."""
    noise = make_sidecar(bytes([0, 7]) * 65_536)
    await system.node.mine(64)
    driver = system.driver(verifier, tmp_path / "v")
    async with running(driver):
        for at, depth in enumerate(depths):
            phase = PHASES[at % len(PHASES)]
            await system.deposit(1)
            if phase == "batch":
                await system.append(await sequence(system), [noise])
            elif phase == "forced":
                await system.silence()
                await system.force()
            await synced(driver, await system.head())
            await system.node.mine(1 + at % 3)
            await system.node.reorg(depth)
            await system.node.mine()
            await synced(driver, await system.head())
            assert driver.position is not None
            mark = (await system.span()).mark
            assert driver.position.mark == mark, (depth, phase)
            assert driver.fault is None
        await system.silence()
        await system.force()
        await synced(driver, await system.head())
    fresh = system.open(tmp_path / "f")
    async with running(system.driver(fresh, tmp_path / "f")) as second:
        await synced(second, await system.head())
    newest = fresh.head().number
    assert verifier.l1_heads()[0] == fresh.l1_heads()[0] == newest
    assert output_at(verifier, newest) == output_at(fresh, newest)
    deposits = (await system.span()).mark.deposit_count
    assert rpc(verifier, "eth_getBalance", FRIEND, "safe") == hex(deposits), "no deposit is lost or doubled"
    fresh.close()


async def test_reorgs_at_every_phase_leave_the_chain_that_l1_has(tmp_path: Path) -> None:
    """DRV-063, DRV-064."""
    async with rollup() as system:
        verifier = system.open(tmp_path / "v")
        await reorgs(system, tmp_path, [1, 2, 3, 64, 17, 33], verifier)
        verifier.close()


@pytest.mark.long
async def test_reorgs_of_1_to_64_blocks_leave_the_chain_that_l1_has(tmp_path: Path) -> None:
    """DRV-063, DRV-064."""
    async with rollup(*ALL_STATES) as system:
        verifier = system.open(tmp_path / "v")
        depths = [depth for depth in range(1, 65) for _ in PHASES]
        await reorgs(system, tmp_path, depths, verifier)
        verifier.close()


async def derived(node: NodeProcess, number: int) -> None:
    """Wait until a node has derived an L1 block."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            info = await node.call("trex_info")
            if (info["derivation"]["l1Derived"] or 0) >= number:
                return
            await asyncio.sleep(0.02)


async def kills(system: Rollup, tmp_path: Path, count: int) -> None:
    """Kill a verifier at random moments while L1 grows; then let it finish, and compare."""
    network = tmp_path / "network.json"
    network.write_bytes(system.text)
    options = ("--role", "verifier", "--l1", system.node.url, "--beacon", system.node.url)
    chance = random.Random(count)
    await system.silence()

    async def grow(blocks: int) -> None:
        for _ in range(blocks):
            await system.deposit(1)
            await system.force()

    for at in range(count):
        await grow(5)
        if at % 3 == 2:
            await system.node.reorg(chance.randrange(1, 6))
            await system.node.mine()
        async with node_process(system.session, network, tmp_path / "v", *options) as node:
            if chance.random() < 0.5:
                await derived(node, 1)
            await asyncio.sleep(chance.random() * 0.3)
            await node.kill()
    await system.node.mine()
    await system.force()
    head = await system.head()
    async with node_process(system.session, network, tmp_path / "v", *options) as node:
        await derived(node, head)
        safe = await node.call("eth_getBlockByNumber", "safe", False)
        deposits = (await system.span()).mark.deposit_count
        assert await node.call("eth_getBalance", FRIEND, "safe") == hex(deposits)
    fresh = system.open(tmp_path / "f")
    async with running(system.driver(fresh, tmp_path / "f")) as driver:
        await synced(driver, head)
    assert output_at(fresh, fresh.head().number) == (safe["hash"], safe["stateRoot"])
    fresh.close()


async def test_verifier_killed_at_random_moments_derives_the_same_chain(tmp_path: Path) -> None:
    """DRV-061."""
    async with rollup() as system:
        await kills(system, tmp_path, 3)


@pytest.mark.long
async def test_verifier_killed_many_times_derives_the_same_chain(tmp_path: Path) -> None:
    """DRV-061."""
    async with rollup() as system:
        await kills(system, tmp_path, 40)
