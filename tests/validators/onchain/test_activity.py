"""Events of a contract on a real node, and the counting of them."""

import json
from typing import Any

import pytest
from tests.validators.onchain.conftest import ALICE, BOB, CAROL, CHAIN_ID, Net

from trex.badges.evaluate import evaluate
from trex.badges.policy import read_policy
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.activity import (
    DAY_S,
    Act,
    ActivityEvidence,
    SignatureError,
    Where,
    count,
    days,
    matches,
    read_signature,
    since_first_s,
    since_last_s,
    streak,
    volume,
)
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.collect_activity import collect_activity, collect_arrival
from trex.validators.onchain.observe import observe

PLAYED = "Played(address indexed player, uint256 indexed room, uint256 score, bytes32 note)"


def acts(*times: int) -> ActivityEvidence:
    block = BlockRef(9, Hash32(bytes(32)), 100 * DAY_S)
    return ActivityEvidence(block, frozenset(), tuple(Act(time, {"score": 2}) for time in times))


def test_counting_by_days_of_utc() -> None:
    """ONC-032."""
    found = acts(0, DAY_S - 1, DAY_S, 3 * DAY_S, 4 * DAY_S, 5 * DAY_S + 7, 9 * DAY_S)
    assert [count(found), days(found), streak(found), volume(found, "score")] == [7, 6, 3, 14]
    assert (since_first_s(found), since_last_s(found)) == (100 * DAY_S, 91 * DAY_S)
    assert (streak(acts()), since_first_s(acts()), since_last_s(acts())) == (0, None, None)


def test_where_compares_by_the_kind_of_argument() -> None:
    """ONC-031."""
    act = Act(1, {"n": 5, "b": True, "who": bytes(ALICE), "s": "x"})
    for condition, held in (
        (Where("n", "atLeast", "5"), True),
        (Where("n", "atLeast", "6"), False),
        (Where("n", "atMost", "5"), True),
        (Where("n", "equals", "-5"), False),
        (Where("n", "equals", "true"), False),
        (Where("n", "equals", "0x05"), False),
        (Where("b", "equals", "true"), True),
        (Where("b", "atLeast", "true"), False),
        (Where("who", "equals", f"0x{ALICE.hex()}"), True),
        (Where("who", "equals", f"0x{BOB.hex()}"), False),
        (Where("nothing", "equals", "5"), False),
    ):
        assert matches(act, [condition]) is held
    assert not matches(act, [Where("n", "equals", "5"), Where("n", "equals", "6")])


@pytest.mark.parametrize(
    "text",
    [
        "Played",
        "Played(address)",
        "Played(uint player)",
        "Played(address player, bool player)",
        "P(tuple x)",
        "P(uint256[] x)",
        "P(address indexed a, bool indexed b, bool indexed c, bool indexed d)",
        "P(bytes33 x)",
        "P(uint7 x)",
        "1P(bool a)",
    ],
)
def test_signature_without_names_or_of_other_types_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        read_signature(text)


async def test_events_count_for_the_actor_not_for_the_sender(net: Net) -> None:
    """ONC-030: Bob sends for Alice; the game's lookalike counts for nobody."""
    game, lookalike = await net.deploy("Game"), await net.deploy("Game")
    await net.do(game, "play(address,uint256,uint256)", ALICE, 7, 50, by=BOB)
    await net.do(game, "play(address,uint256,uint256)", ALICE, 8, 70, by=BOB)
    await net.do(game, "play(address,uint256,uint256)", CAROL, 7, 90)
    await net.do(lookalike, "play(address,uint256,uint256)", ALICE, 7, 1_000)
    event = read_signature(PLAYED)
    found = await collect_activity(net.source, [ALICE, ALICE], game, event, "player")
    assert [count(found), volume(found, "score")] == [2, 120]
    some = await collect_activity(
        net.source, [ALICE], game, event, "player", where=[Where("room", "equals", "7")]
    )
    assert volume(some, "score") == 50
    assert count(await collect_activity(net.source, [BOB], game, event, "player")) == 0
    assert count(await collect_activity(net.source, [], game, event, "player")) == 0
    other = read_signature(
        "Played(address player, uint256 indexed room, uint256 indexed score, bytes32 note)"
    )
    assert count(await collect_activity(net.source, [ALICE], game, other, "player")) == 0


async def test_observe_web3_answers_a_policy(net: Net) -> None:
    """POL-025, over several days, and only those that are asked for."""
    game = await net.deploy("Game")
    for _ in range(3):
        await net.do(game, "play(address,uint256,uint256)", ALICE, 7, 50, by=BOB)
        await net.wait(DAY_S)
    await net.node.mine()

    def check(name: str, bounds: dict[str, str], **more: Any) -> dict[str, Any]:
        asked = {"chain": CHAIN_ID, "contract": f"0x{game.hex()}", "event": PLAYED, "actor": "player", **more}
        return {"check": {"validator": name, "parameters": asked, "is": bounds}}

    parts = [
        check("web3.events", {"atLeast": "3", "atMost": "3"}),
        check("web3.events", {"atMost": "2"}, days=2),
        check("web3.days", {"atLeast": "3"}),
        check("web3.streak", {"atLeast": "3"}),
        check("web3.volume", {"atLeast": "150"}, argument="score"),
        check("web3.since-first", {"atLeast": str(2 * DAY_S)}),
        check("web3.since-last", {"atMost": str(2 * DAY_S)}),
        check(
            "web3.events", {"atLeast": "3"}, where=[{"argument": "score", "word": "atLeast", "value": "50"}]
        ),
    ]
    levels = [{"level": 1, "name": "Player", "points": 1, "when": {"all": parts}}]
    document = {"version": 1, "name": "Player", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    now = await net.now_s()
    decision = evaluate(policy, await observe(policy.checks(), {CHAIN_ID: net.source}, [ALICE], now), now)
    assert decision.outcome == "granted", decision
    others = evaluate(policy, await observe(policy.checks(), {CHAIN_ID: net.source}, [BOB], now), now)
    assert others.outcome == "refused"


async def test_observe_web3_with_a_wrong_signature_is_not_known(net: Net) -> None:
    """ONC-003."""
    asked = {"chain": CHAIN_ID, "contract": f"0x{CAROL.hex()}", "event": PLAYED, "actor": "nobody"}
    check = {"check": {"validator": "web3.events", "parameters": asked, "is": {"atLeast": "1"}}}
    levels = [{"level": 1, "name": "x", "points": 1, "when": check}]
    document = {"version": 1, "name": "x", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    (found,) = (await observe(policy.checks(), {CHAIN_ID: net.source}, [ALICE], 5)).values()
    assert (found.value, "nobody" in found.reason) == (None, True)


async def test_early_birds_are_counted_by_people_in_the_order_of_the_chain(net: Net) -> None:
    """ONC-033: Carol twice before Alice is one; Alice's wallets are one; Bob comes after."""
    game = await net.deploy("Game")
    for who, room in ((CAROL, 1), (CAROL, 2), (ALICE, 3), (BOB, 4)):
        await net.do(game, "play(address,uint256,uint256)", who, room, 5)
    event = read_signature(PLAYED)

    async def came(*wallets: Address, **more: Any) -> tuple[int | None, int | None]:
        found = await collect_arrival(net.source, wallets, game, event, "player", **more)
        return found.rank, found.first_block

    head = (await net.source.head()).number
    assert [(await came(who))[0] for who in (CAROL, ALICE, BOB)] == [1, 2, 3]
    assert await came(ALICE, BOB) == (2, head - 1)
    assert (await came(BOB, where=[Where("room", "atLeast", "3")]))[0] == 2
    assert await came(Address(bytes(19) + b"\x09")) == (None, None)
    parameters = {"chain": CHAIN_ID, "contract": f"0x{game.hex()}", "event": PLAYED, "actor": "player"}
    checks = [
        {"check": {"validator": "web3.rank", "parameters": parameters, "is": {"atMost": "2"}}},
        {
            "check": {
                "validator": "web3.first-block",
                "parameters": parameters,
                "is": {"atMost": str(head - 1)},
            }
        },
    ]
    levels = [{"level": 1, "name": "Early", "points": 1, "when": {"all": checks}}]
    document = {"version": 1, "name": "Early", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    for who, outcome in ((ALICE, "granted"), (BOB, "refused"), (Address(bytes(19) + b"\x09"), "undecided")):
        seen = await observe(policy.checks(), {CHAIN_ID: net.source}, [who], 5)
        assert evaluate(policy, seen, await net.now_s()).outcome == outcome
