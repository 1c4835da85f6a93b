"""The first block at a time, of chains of any pace."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from trex.types.primitives import Hash32
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.seek import first_at


class Chain:
    """Blocks at some times, and how often they were asked for."""

    def __init__(self, times_s: Sequence[int]) -> None:
        self.blocks = [BlockRef(n, Hash32(n.to_bytes(32)), at) for n, at in enumerate(times_s)]
        self.requests = 0

    async def ask(self, numbers: Sequence[int]) -> Mapping[int, BlockRef]:
        self.requests += 1
        return {number: self.blocks[number] for number in numbers}


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=200).map(sorted), st.integers(-5, 1_100))
async def test_it_is_the_one_that_reading_all_finds(times_s: list[int], wanted: int) -> None:
    chain = Chain(times_s)
    found = await first_at(chain.ask, wanted, chain.blocks[-1])
    naive = next((one for one in chain.blocks if one.timestamp_s >= wanted), chain.blocks[-1])
    assert found == naive


async def test_a_chain_of_even_pace_takes_a_few_requests_and_no_chain_more_than_halving() -> None:
    """Halving takes 17; where the pace changes and a day is without blocks, no more."""
    even = [n * 12 for n in range(100_000)]
    odd = [n * 10 for n in range(40_000)]
    odd += [odd[-1] + 86_400 + n * 2 for n in range(60_000)]
    for times_s, most in ((even, 3), (odd, 17)):
        for wanted in (5, 123_456, 399_995, 420_000, times_s[-1]):
            chain = Chain(times_s)
            found = await first_at(chain.ask, wanted, chain.blocks[-1])
            assert found.timestamp_s >= wanted > chain.blocks[found.number - 1].timestamp_s
            assert chain.requests <= most
