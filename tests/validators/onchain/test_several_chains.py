"""One token on two real chains: what wallets have of both together, and for how long."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.settlement.anvil_l1 import anvil, proxy
from tests.validators.onchain.conftest import ALICE, BOB, Net

from trex.badges.evaluate import evaluate
from trex.badges.policy import Policy, PolicyError, read_policy
from trex.types.primitives import Address
from trex.validators.onchain.observe import observe
from trex.validators.onchain.place import blocks_named
from trex.validators.onchain.source import EvmChain, EvmSource, SourceError
from trex.validators.onchain.token import Sample, answer_together

DAY_S = 86_400
CHAINS = (31_337, 31_338)


@dataclass(frozen=True)
class Part:
    """A token at one place."""

    decimals: int
    total: int
    history: tuple[Sample, ...] | None


def steps(*told: tuple[int, int], decimals: int = 0) -> Part:
    """A history of totals, each from a time on; the last time is now."""
    samples, before = list[Sample](), 0
    for at_s, total in told:
        scaled = total * 10**decimals
        samples.append(Sample(at_s, scaled, scaled - before))
        before = scaled
    return Part(decimals, before, tuple(samples))


def test_amounts_of_several_places_add_up_by_their_own_decimals() -> None:
    """ONC-016."""
    one, two = steps((0, 4), (60, 4), (100, 4), decimals=6), steps((0, 0), (60, 6), (100, 6), decimals=2)
    assert answer_together("balance", [one, two]) == 10
    assert answer_together("average", [one, two]) == Decimal("6.4")
    assert answer_together("received", [one, two]) == 6
    for amount, seconds in (("4", 100), ("5", 40), ("10", 40), ("10.1", 0)):
        assert answer_together("held", [one, two], amount) == seconds
    assert answer_together("average", [one, Part(0, 5, None)]) is None
    assert answer_together("held", [one, Part(0, 5, None)], "1") is None


def test_held_together_looks_at_the_time_that_is_known_of_all() -> None:
    """ONC-016: the chains' newest blocks are of different times, and one is younger."""
    one, two = steps((0, 5), (120, 5)), steps((40, 5), (100, 5))
    assert answer_together("held", [one, two], "10") == 60
    bridged = [steps((0, 5), (50, 0), (100, 0)), steps((0, 0), (55, 5), (100, 5))]
    assert answer_together("held", bridged, "5") == 45, "under way it was nowhere"


AMOUNTS = st.lists(st.integers(0, 5), min_size=20, max_size=20)


@settings(max_examples=200, deadline=None)
@given(st.lists(AMOUNTS, min_size=2, max_size=4), st.integers(1, 12))
def test_held_together_is_what_a_clock_counts(told: list[list[int]], at_least: int) -> None:
    """ONC-016."""
    parts = [steps(*enumerate(totals), (20, totals[-1])) for totals in told]
    sums = [sum(column) for column in zip(*told, strict=True)]
    held = next((n for n, total in enumerate(reversed(sums)) if total < at_least), len(sums))
    assert answer_together("held", parts, str(at_least)) == held


def policy(check: str, places: Sequence[tuple[int, Address]], least: str, **more: Any) -> Policy:
    (chain, token), *others = places
    also = [{"chain": number, "token": f"0x{one.hex()}"} for number, one in others]
    asked = {"chain": chain, "token": f"0x{token.hex()}", "also": also, **more}
    when = {"check": {"validator": check, "parameters": asked, "is": {"atLeast": least}}}
    levels = [{"level": 1, "name": "x", "points": 1, "when": when}]
    document = {"version": 1, "name": "x", "evidenceClass": "public", "levels": levels}
    return read_policy(json.dumps(document).encode())


def test_also_names_each_place_once() -> None:
    """POL-023."""
    with pytest.raises(PolicyError, match="different"):
        policy("token.balance", [(1, ALICE), (2, BOB), (2, BOB)], "1")


async def test_one_token_on_two_chains_is_asked_on_both_and_can_be_asked_again(codes: dict[str, str]) -> None:
    """ONC-016, BDG-052: two nodes, other decimals; one of them down, nothing is known."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        nets, places = list[Net](), list[tuple[int, Address]]()
        for chain, decimals, amount in ((CHAINS[0], 6, 4_000_000), (CHAINS[1], 18, 6 * 10**18)):
            node = await stack.enter_async_context(anvil("--chain-id", str(chain)))
            liar = await stack.enter_async_context(proxy(node.url))
            told = EvmChain(chain, (node.url, liar.url), 2, 0)
            net = Net(node, liar, EvmSource(told, session, timeout_s=300), codes)
            coin = await net.deploy("Coin", ("uint8", decimals))
            await net.do(coin, "mint(address,uint256)", ALICE, amount)
            await net.wait(10 * DAY_S)
            await net.node.mine()
            nets.append(net)
            places.append((chain, coin))
        await nets[0].node.mine()  # each has a block near the other's newest (ONC-017)
        sources = {net.source.chain.chain_id: net.source for net in nets}
        now = await nets[0].now_s()
        asking, named = policy("token.balance", places, "10"), ""
        for check, least, more in (
            ("token.balance", "10", {}),
            ("token.average", "10", {"days": 5}),
            ("token.held", str(5 * DAY_S - 900), {"days": 5, "amount": "10"}),
        ):
            asking = policy(check, places, least, **more)
            found = await observe(asking.checks(), sources, [ALICE, ALICE], now)
            assert evaluate(asking, found, now).outcome == "granted", found
            (told_,) = found.values()
            named = told_.source
            blocks = await blocks_named(named, sources)
            assert set(blocks) == set(CHAINS)
            again = await observe(asking.checks(), sources, [ALICE], now, blocks=blocks)
            assert next(iter(again.values())).value == told_.value
        await _bridged(nets, places, sources)
        twice = policy("token.balance", [places[0], places[0]], "0")
        (once,) = (await observe(twice.checks(), sources, [ALICE], now)).values()
        assert once.value == 4
        nets[1].liar.status = 500
        down = await observe(asking.checks(), sources, [ALICE], now)
        assert next(iter(down.values())).value is None
        alone = await observe(asking.checks(), {CHAINS[0]: nets[0].source}, [ALICE], now)
        assert next(iter(alone.values())).value is None
        with pytest.raises(SourceError):
            await blocks_named(named, {CHAINS[0]: nets[0].source})


async def _bridged(
    nets: Sequence[Net], places: Sequence[tuple[int, Address]], sources: dict[int, EvmSource]
) -> None:
    """ONC-017: ten tokens leave the chain whose news come late, and arrive where they come at once."""
    late, early = nets
    await late.node.mine()
    head = await late.source.head()
    for net in nets:
        await net.wait(60)
    coin = places[1][1]
    await early.do(coin, "mint(address,uint256)", BOB, 10 * 10**18)
    await early.node.mine()
    asking = policy("token.balance", places, "1")
    (together,) = (await observe(asking.checks(), sources, [BOB], head.timestamp_s)).values()
    assert together.value == 0, "when the late chain's newest block was made, nothing had arrived"
    (alone,) = (
        await observe(policy("token.balance", [places[1]] * 2, "1").checks(), sources, [BOB], 0)
    ).values()
    assert alone.value == 10
    await late.wait(60)
    await late.node.mine()
    await early.wait(600)
    await early.node.mine()
    apart = {CHAINS[0]: head, CHAINS[1]: await early.source.head()}
    (named,) = (await observe(asking.checks(), sources, [BOB], 0, blocks=apart)).values()
    assert named.value is None
    assert "of another moment" in named.reason
