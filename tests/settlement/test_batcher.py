"""The batcher on a real L1 with a real node: each block once, in order, whatever happens."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.settlement.sequencing import Rollup, block_hash, rollup


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Rollup]:
    async with rollup(tmp_path) as one:
        yield one


async def all_on_l1(system: Rollup, name: str = "reader") -> int:
    """Check that L1 has exactly the sequencer's blocks; return how many batches it took."""
    head = system.chain.head().number
    back = await system.read_back(name)
    assert back.hashes == [block_hash(system.chain, number) for number in range(head + 1)]
    assert set(back.outcomes) <= {"batch"}
    return len(back.outcomes)


async def test_blocks_are_posted_and_read_back(system: Rollup) -> None:
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
    assert await batcher.step() is None
    await system.block(1)
    second = await batcher.step()
    assert second is not None
    assert (second.first, second.last) == (5, 5)
    assert await all_on_l1(system) == 2
