"""Following a chain: endpoints that fail or lie, ranges filled back beside what is new, cursors that hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from prometheus_client import CollectorRegistry
from tests.engine.emitter import ALICE, BOB, pay
from tests.settlement.anvil_l1 import CHAIN_ID, Anvil, anvil, proxy

from trex.engine.ingest.evm import EvmReader
from trex.engine.ingest.follow import Follower, ReplacedError
from trex.engine.ingest.listen import EvmSource, SourceMetrics, listen
from trex.engine.ingest.topics import CURSORS, RAW
from trex.engine.pipeline.log import FencedError, Log
from trex.engine.pipeline.sqlite_log import SqliteLog
from trex.rpc.endpoints import Retries
from trex.rpc.errors import EndpointError

SOURCE = f"evm:{CHAIN_ID}"


def told(log: Log) -> list[tuple[int, int]]:
    """Height and weight of every block in the log."""
    found = []
    for partition, extent in enumerate(log.extents(RAW.name)):
        for record in log.read(RAW.name, partition, extent.first, 10_000):
            raw = orjson.loads(record.value)
            found.append((int(raw["block"]["number"], 16), raw["weight"]))
    return found


@asynccontextmanager
async def followed(log: Log, *urls: str) -> AsyncIterator[Follower]:
    async with aiohttp.ClientSession() as session:
        retries = Retries(120.0, attempts=2, first_wait_s=0.01)
        reader = EvmReader(SOURCE, CHAIN_ID, urls, session, retries=retries)
        follower = Follower(reader, log, 0)
        try:
            await follower.start()
            yield follower
        finally:
            follower.close()


def log_at(path: Path) -> SqliteLog:
    log = SqliteLog(path / "log.sqlite")
    log.declare(RAW, CURSORS)
    return log


async def read_up(follower: Follower) -> None:
    while await follower.step():
        pass


async def test_the_next_endpoint_serves_where_one_fails_lies_or_is_of_another_chain(tmp_path: Path) -> None:
    """ING-001, ING-002: receipts of another block, or too few, are nobody's."""
    log = log_at(tmp_path)
    async with anvil() as node, anvil("--chain-id", "99") as other, proxy(node.url) as liar:
        for number in range(3):
            await pay(node, ALICE, BOB, number + 1)

        def fault(method: str, _: Any, result: Any) -> Any:
            if method == "eth_getBlockReceipts" and result:
                return result[:-1] if len(liar.asked) % 2 else [{**result[0], "blockHash": "0x" + "00" * 32}]
            return result

        liar.fault = fault
        nobody = "http://127.0.0.1:9"
        async with followed(log, nobody, other.url, liar.url) as follower:
            with pytest.raises(EndpointError):
                await read_up(follower)
        before = told(log)
        async with followed(log, nobody, other.url, liar.url, node.url) as follower:
            await follower.fill()
            await read_up(follower)
    assert before == [] or before == [(0, 1)]
    assert sorted(told(log)) == [(number, 1) for number in range(4)]
    log.close()


async def test_final_blocks_are_filled_back_beside_new_ones_across_stops(tmp_path: Path) -> None:
    """ING-003: every block once, whoever is stopped when."""
    log = log_at(tmp_path)
    async with anvil() as node:
        await node.mine(300)
        async with followed(log, node.url) as follower:
            total = follower.left
            assert total > 100

            def stop(done: int, _: int) -> None:
                if done > total // 2:
                    raise asyncio.CancelledError

            with pytest.raises(asyncio.CancelledError):
                await follower.fill(stop)
            await follower.step()
        async with followed(log, node.url) as follower:
            assert 0 < follower.left < total
            await node.mine(3)
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.fill())
                group.create_task(read_up(follower))
    assert sorted(told(log)) == [(number, 1) for number in range(304)]
    log.close()


async def test_a_reorganisation_takes_back_what_it_replaced_newest_first(tmp_path: Path) -> None:
    """EVT-003, also when it happened while nobody listened."""
    log = log_at(tmp_path)
    async with anvil() as node:
        for number in range(5):
            await pay(node, ALICE, BOB, number + 1)
        async with followed(log, node.url) as follower:
            await follower.fill()
            await read_up(follower)
            await node.reorg(2)
            await read_up(follower)
            await node.reorg(1)
            await read_up(follower)
        await node.reorg(3)
        await node.mine(1)
        async with followed(log, node.url) as follower:
            await read_up(follower)
    weights = [f"{number}{'+' if weight == 1 else '-'}" for number, weight in told(log)]
    assert " ".join(weights) == "0+ 1+ 2+ 3+ 4+ 5+ 5- 4- 4+ 5+ 5- 5+ 5- 4- 3- 3+ 4+ 5+ 6+"
    log.close()


async def test_a_replaced_final_block_stops_the_source(tmp_path: Path) -> None:
    """ING-004."""
    log = log_at(tmp_path)
    async with anvil() as node, proxy(node.url) as gate:
        for number in range(6):
            await pay(node, ALICE, BOB, number + 1)
        newest: dict[str, Any] = {}

        def fault(method: str, params: Any, result: Any) -> Any:
            if method == "eth_getBlockByNumber" and params[0] == "finalized":
                return newest or result
            return result

        gate.fault = fault
        async with followed(log, gate.url) as follower:
            await follower.fill()
            await read_up(follower)
            newest |= await node.call("eth_getBlockByNumber", "0x5", False)
            await pay(node, ALICE, BOB, 7)
            await read_up(follower)
            await node.reorg(4)
            await node.mine(1)
            with pytest.raises(ReplacedError, match="block 5 was final"):
                await read_up(follower)
    log.close()


async def test_a_second_listener_of_a_source_puts_the_first_out(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    async with anvil() as node:
        await node.mine(1)
        async with followed(log, node.url) as first, followed(log, node.url) as second:
            with pytest.raises(FencedError):
                await read_up(first)
            await second.fill()
            await read_up(second)
    assert sorted(told(log)) == [(0, 1), (1, 1)]
    log.close()


async def until(log: Log, blocks: int) -> None:
    async with asyncio.timeout(300):
        while len(told(log)) < blocks:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("rings", [True, False])
async def test_the_websocket_wakes_and_polling_goes_on_without_it(tmp_path: Path, rings: bool) -> None:
    log = log_at(tmp_path)
    async with anvil() as node:
        bell = node.url.replace("http", "ws") if rings else "ws://127.0.0.1:9"
        # Where the websocket has to wake, polling would not come round again within the test.
        source = EvmSource(SOURCE, CHAIN_ID, (node.url,), bell, poll_s=600.0 if rings else 0.05)
        task = asyncio.create_task(listen(source, log, SourceMetrics.on(CollectorRegistry())))
        try:
            await until(log, 1)
            await mined(node, log)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    log.close()


async def mined(node: Anvil, log: Log) -> None:
    """Mine until all is heard of: the first blocks may come before the websocket is open."""
    async with asyncio.timeout(300):
        while True:
            await node.mine(1)
            await asyncio.sleep(0.1)
            if len(told(log)) == int(await node.call("eth_blockNumber"), 16) + 1:
                return
