"""A sequencer above an L1 that carries less than its users bring (PST-024)."""

import random
from collections import deque
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from tests.settlement.sequencing import TIMING, Sequencing, block_hash, sequencing, until

from trex.chain.core import L1View
from trex.settlement.spans import BLOB_DATA_BYTES
from trex.settlement.throttle import Moment, most_bytes
from trex.types.network import L1Settlement

SIZE = 20_000
OFFERED = 30


@pytest.mark.parametrize("content", ["noise", "zeros"])
async def test_users_faster_than_the_batcher_wait_and_no_block_is_given_up(
    tmp_path: Path, content: str
) -> None:
    """Whatever users send, what waits for L1 is never more than L1 carries before its window closes."""
    noise = random.Random(4)
    timing = replace(TIMING, max_origin_lag_l1_blocks=32)
    async with sequencing(tmp_path, timing=timing, blobs_per_l1_block=0.1) as system:
        batcher = system.batcher()
        data = [noise.randbytes(SIZE) if content == "noise" else bytes(SIZE) for _ in range(OFFERED)]
        for user in (3, 4):
            system.offer(user, data[user::2][: OFFERED // 2])
        confirmed: dict[int, str] = {}
        rounds = 0
        limits: list[int] = []
        ask = system.node.producer.l1

        def heard() -> L1View | None:
            view = ask()
            if view is not None and view.most_unposted_bytes is not None:
                limits.append(view.most_unposted_bytes)
            return view

        system.node.producer.l1 = heard
        while system.chain.pool_len()[0]:
            limits.clear()
            number = await system.block(0)
            confirmed[number] = block_hash(system.chain, number)
            stands = orjson.loads(system.chain.unposted())
            assert stands["bytes"] <= max(limits) + 32 * stands["blocks"]
            if system.chain.pool_len()[0]:
                assert stands["bytes"] > min(limits) - 2 * SIZE
                await _told_full(system)
            await batcher.step()
            await system.followed()
            rounds += 1
        assert rounds > 2, "L1 carried all at once: nobody had to wait"
        await system.post_all(system.batcher())
        await system.all_on_l1()
        assert confirmed == {number: block_hash(system.chain, number) for number in confirmed}
        assert system.driver.mismatch is None
        assert (batcher.metrics.registry.get_sample_value("trex_batcher_lost_total") or 0) == 0


async def _told_full(system: Sequencing) -> None:
    """Check that the node says why transactions wait, once it has looked again."""
    await system.l1.mine(1)
    await until(lambda: system.driver.unposted is not None and system.driver.unposted.is_full)
    told = (await system.node_call("trex_info"))["derivation"]["unposted"]
    assert told["full"]
    assert told["bytes"] <= told["mostBytes"] + 32 * told["blocks"]


@pytest.mark.parametrize("rate", [1.5, 3.0, 6.0])
@pytest.mark.parametrize("pause", [0, 100])
def test_at_any_speed_of_l1_the_oldest_is_posted_before_its_window_closes(rate: float, pause: int) -> None:
    """PST-024: so many blobs L1 really takes in each block, so many blocks the batcher now and then rests."""
    lag = 800
    settlement = L1Settlement(31337, {}, {}, {}, {"maxOriginLagL1Blocks": lag, "sequencingWindowS": 12 * lag})
    waiting: deque[list[int]] = deque()  # L1 block and bytes, oldest first
    carried = 0
    for number in range(6 * lag):
        head = Moment(number, 12 * number)
        oldest = Moment(waiting[0][0], 12 * waiting[0][0]) if waiting else None
        assert oldest is None or number - oldest.number < lag
        room = most_bytes(settlement, head, oldest) - sum(size for _, size in waiting)
        if room > 0:
            waiting.append([number, room])
        left = 0 if number % 300 < pause else int(rate * BLOB_DATA_BYTES)
        while left and waiting:
            taken = min(left, waiting[0][1])
            waiting[0][1] -= taken
            left -= taken
            carried += taken
            if waiting[0][1] == 0:
                waiting.popleft()
    works = 1 - pause / 300
    assert carried > 0.9 * works * rate * BLOB_DATA_BYTES * 6 * lag, "L1 was left idle"


def test_nothing_is_added_to_what_l1_does_not_take() -> None:
    settlement = L1Settlement(31337, {}, {}, {}, {"maxOriginLagL1Blocks": 800})
    stuck = Moment(0, 0)
    at = [most_bytes(settlement, Moment(number, 12 * number), stuck) for number in (0, 600, 690, 700, 800)]
    assert at[0] == at[1] == int(300 * BLOB_DATA_BYTES)
    assert at[1] > at[2] > at[3] == at[4] == 0
    aged = most_bytes(settlement, Moment(5, 43_200), stuck)
    assert aged == 0, "the sequencing window closes by time (DRV-023)"
