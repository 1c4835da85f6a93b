"""From a chain to the lake and found by a query: what is there is what the chain says, reorganised or not."""

import asyncio
from pathlib import Path
from typing import Any

from tests.engine.emitter import ALICE, BOB, deploy, emit, pay, truth
from tests.settlement.anvil_l1 import CHAIN_ID, Anvil, anvil

from trex.engine.ingest.listen import EvmSource
from trex.engine.run import NAMES, EngineSettings, open_lake, run


def held(settings: EngineSettings) -> list[tuple[Any, ...]]:
    rows = open_lake(settings).session().table("silver_transfers").to_pyarrow().to_pylist()
    columns = ["block_number", "block_hash", "transaction_index", "log_index"]
    columns += ["kind", "sender", "recipient", "amount"]
    return [tuple(row[column] for column in columns) for row in rows]


def settings_of(node: Anvil, folder: Path) -> EngineSettings:
    return EngineSettings(folder, (EvmSource(f"evm:{CHAIN_ID}", CHAIN_ID, (node.url,)),))


async def bring(settings: EngineSettings) -> list[tuple[Any, ...]]:
    stages = [name for name in NAMES if name != "features"]
    await asyncio.to_thread(run, settings, stages, until_idle=True)
    return held(settings)


async def test_transfers_are_those_of_the_chain_before_and_after_a_reorganisation(tmp_path: Path) -> None:
    """EVT-003, FCT-001, LAK-002: each transfer once; what a reorganisation replaced is gone, only that."""
    async with anvil() as node:
        settings = settings_of(node, tmp_path)
        contract = await deploy(node)
        for amount in range(1, 6):
            await emit(node, contract, ALICE, BOB, amount)
        await pay(node, ALICE, BOB, 10**18)
        first = await truth(node)
        assert len(first) == 6
        found = await bring(settings)
        assert set(found) == first
        assert len(found) == len(first)

        await node.reorg(3)
        await emit(node, contract, BOB, ALICE, 7)
        second = await truth(node)
        assert len(second) == 4
        found = await bring(settings)
        assert set(found) == second
        assert len(found) == len(second)
        lake = open_lake(settings)
        before = lake.session({"silver.transfers": 1}).table("silver_transfers").count().to_pyarrow().as_py()
        assert before == len(first)  # LAK-004: time travel.
