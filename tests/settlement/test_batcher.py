"""The batcher on a real L1 with a real node: each block once, in order, whatever happens."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.settlement.sequencing import AT_ONCE, Sequencing, sequencing

from trex.settlement.costs import batch_costs


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Sequencing]:
    async with sequencing(tmp_path) as one:
        yield one


async def test_blocks_are_posted_and_read_back(system: Sequencing) -> None:
    batcher = system.batcher()
    assert await batcher.step() is None
    for count in (1, 3, 0, 2):
        await system.block(count)
    posted = await batcher.step()
    assert posted is not None
    assert (posted.index, posted.first, posted.last, posted.transactions) == (0, 1, 4, 6)
    assert posted.cost.blobs == 1
    assert posted.cost.blob_gas == 131_072
    assert posted.cost.cost_wei > 0
    assert posted.cost.wei_each(6) == posted.cost.cost_wei / 6
    assert await batcher.step() is None
    await system.block(1)
    second = await batcher.step()
    assert second is not None
    assert (second.first, second.last) == (5, 5)
    assert batcher.state.posted == 2
    metric = batcher.metrics.registry.get_sample_value
    assert metric("trex_batcher_batches_total") == 2
    assert metric("trex_batcher_transactions_total") == 7
    assert metric("trex_batcher_last_transaction_wei") == second.cost.cost_wei
    await system.followed()
    told = (await system.node_call("trex_info"))["batches"]
    assert [(one["index"], one["firstBlock"], one["lastBlock"]) for one in told] == [(1, 5, 5), (0, 1, 4)]
    # Whoever reads L1 finds the same costs in the receipts.
    costs = await batch_costs(system.reader, (await system.read_back("costs")).batches)
    assert costs.batches == (posted.cost, second.cost)
    assert costs.cost_wei == batcher.state.cost_wei
    assert (costs.l1_gas, costs.blob_gas) == (posted.cost.l1_gas + second.cost.l1_gas, 2 * 131_072)
    assert len((await system.all_on_l1()).outcomes) == 2


async def test_deposits_and_origins_are_those_of_l1(system: Sequencing) -> None:
    """PST-011; DRV-024, DRV-030, DRV-032: log indices come from L1, and a batch leaves no deposit behind."""
    batcher = system.batcher()
    for round_ in range(3):
        for _ in range(round_):
            await system.deposit()
        await system.l1.mine(2)
        await system.followed()
        await system.block(1)
        await system.block(0)
        posted = await batcher.step()
        assert posted is not None
        assert posted.last == system.chain.head().number
    assert len((await system.all_on_l1()).outcomes) == 3
    assert int(await system.balance(b"\x42" * 20)) == 15


async def test_batcher_that_brings_less_than_the_node_counts_on_says_so(
    system: Sequencing, caplog: pytest.LogCaptureFixture
) -> None:
    """PST-024: the promise that all is on L1 in time rests on both."""
    for max_blobs, warned in ((6, False), (1, True)):
        await system.block(1)
        batcher = system.batcher(replace(AT_ONCE, max_blobs=max_blobs))
        assert await batcher.step() is not None
        assert ("counts on 3 blobs in an L1 block, and --max-blobs lets 0.5" in caplog.text) == warned
        await system.followed()


async def test_new_life_asks_the_node_where_l1_leads(system: Sequencing) -> None:
    await system.block(2)
    assert await system.batcher().step() is not None
    await system.block(1)
    await system.followed()
    posted = await system.batcher().step()
    assert posted is not None
    assert (posted.first, posted.last) == (2, 2)
    assert len((await system.all_on_l1()).outcomes) == 2
