"""Badges of events: codes made by an organiser on the command line, redeemed once, whatever happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import evm_person
from tests.gateway.test_grants import policy
from tests.node.conftest import Devnet

from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway import holdings
from trex.node.cli import main

ORGANISER, IMPOSTOR = ACCOUNTS[3], ACCOUNTS[4]


def attended(event: str, organiser: str = ORGANISER.address, **more: str) -> dict[str, Any]:
    parameters = {"chain": 1962, "event": event, "organisers": [organiser.lower()], **more}
    return {"check": {"validator": "event.attended", "parameters": parameters, "is": {"isTrue": True}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    tour = policy(f"Tour {tmp_path.name}"[-60:], attended("Tour"), "private")
    there = attended("Tour", place="on-site")
    tour["levels"].append({"level": 2, "name": "On site", "points": 20, "when": there})
    (made / "tour.json").write_text(json.dumps(tour))
    # Somebody else's policy about the same event: its organiser's codes count for it alone.
    other = policy(f"Other {tmp_path.name}"[-60:], attended("Tour", IMPOSTOR.address), "private")
    (made / "other.json").write_text(json.dumps(other))
    return made


@pytest.fixture
async def at_the_door(devnet: Devnet, database_url: str, folder: Path) -> AsyncIterator[Served]:
    async with serving(settings_for(devnet, database_url, policies=folder)) as running:
        yield running


async def typed(devnet: Devnet, *words: str, account: int | None = None, **more: Any) -> Any:
    """Type a command; its answer as JSON."""
    env = {"TREX_L2": devnet.url, **more.pop("env", {})}
    words = (*words, *(("--account", str(account)) if account is not None else ()), "--json")
    result = await asyncio.to_thread(CliRunner().invoke, main, words, env=env, prog_name="trex", **more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def codes(devnet: Devnet, *more: str, event: str = "Tour", account: int = 3) -> list[str]:
    found = await typed(devnet, "event", "codes", event, *more, account=account)
    return list(found["codes"])


async def test_badge_by_a_code_that_serves_once(devnet: Devnet, at_the_door: Served, tmp_path: Path) -> None:
    """GTW-100, GTW-101, POL-033, ECO-001 to ECO-003: on site beats remote, one code is one person's."""
    alice, bob = [await evm_person(at_the_door).create() for _ in range(2)]
    refused = await alice.post("/v1/grants", {"policy": "tour"}, 409)
    assert refused["code"] == "undecided", "who has redeemed nothing is not known to have stayed away"
    (remote,) = await codes(devnet, "--place", "remote")
    found = await alice.post("/v1/events/codes", {"code": remote})
    assert (found["event"], found["place"], found["organiser"]) == ("Tour", "remote", ORGANISER.address)
    assert await alice.post("/v1/events/codes", {"code": remote.lower()}) == found, "asked once more"
    assert (await bob.post("/v1/events/codes", {"code": remote}, 409))["code"] == "conflict"
    assert (await alice.post("/v1/evaluations", {"policy": "tour"}))["level"] == 1
    first, second, third = await codes(devnet, "--count", "3", "--qr", str(tmp_path / "qr"))
    pictures = sorted(one.name for one in (tmp_path / "qr").iterdir())
    assert pictures == ["1.svg", "2.svg", "3.svg"]
    assert ElementTree.fromstring((tmp_path / "qr" / "1.svg").read_text()).tag.endswith("svg")
    env = {"TREX_GATEWAY": at_the_door.url, "TREX_KEY": alice.secret.hex()}
    found = await typed(devnet, "event", "redeem", "-", env=env, input=first)
    assert found["place"] == "on-site"
    again = await alice.post("/v1/events/codes", {"code": second}, 409)
    assert again["detail"] == "this passport has redeemed a code of this event already"
    await bob.post("/v1/events/codes", {"code": second}), "so it is not used up"
    assert {one["place"] for one in await alice.get("/v1/events")} == {"remote", "on-site"}
    await alice.finished({"number": (await alice.post("/v1/grants", {"policy": "tour"}, 202))["job"]})
    (badge,) = await holdings.badges_of(at_the_door.gateway, alice.passport)
    assert (badge.level, badge.points, badge.is_public) == (2, 20, False)
    assert (await alice.post("/v1/evaluations", {"policy": "other"}))["outcome"] == "undecided"
    assert third not in (first, second)


async def test_code_that_does_not_count_is_not_used_up(devnet: Devnet, at_the_door: Served) -> None:
    """GTW-100, ECO-001, ECO-002."""
    alice, bob = [await evm_person(at_the_door).create() for _ in range(2)]
    now = at_the_door.gateway.now_s
    (early,) = await codes(devnet, "--from", str(now + 86_400))
    (late,) = await codes(devnet, "--from", str(now - 86_400), "--for", "600")
    (strange,) = await codes(devnet, account=5)
    (elsewhere,) = await codes(devnet, event="Another tour")
    (right,) = await codes(devnet)
    letters = right[:-3] + ("AAA" if right[-3:] != "AAA" else "BBB")
    for code, status, said in (
        (early, 409, "ECO-002 time"),
        (late, 409, "ECO-002 time"),
        (strange, 409, "ECO-001 signer"),
        (elsewhere, 404, "no badge here is for that event"),
        ("TREX1-AAAA", 422, "a code of another length"),
        (letters, None, ""),
    ):
        body = {"code": code}
        async with at_the_door.http.post(
            f"{at_the_door.url}/v1/events/codes", json=body, headers=alice.headers
        ) as answer:
            found = await answer.json(content_type=None)
            assert answer.status in ((status,) if status else (403, 409, 422)), found
            assert said in found["detail"]
    await at_the_door.post("/v1/events/codes", {"code": right}, 401)
    assert await alice.get("/v1/events") == []
    # Another organiser's policy names the same event: the same words under another key spoil no code.
    (theirs,) = await codes(devnet, account=4)
    await bob.post("/v1/events/codes", {"code": theirs})
    assert (await bob.post("/v1/evaluations", {"policy": "tour"}))["outcome"] == "undecided"
    assert (await bob.post("/v1/evaluations", {"policy": "other"}))["outcome"] == "granted"
    await bob.post("/v1/events/codes", {"code": right})
    assert (await bob.post("/v1/evaluations", {"policy": "tour"}))["level"] == 2


async def test_code_shown_by_many_at_once_and_after_a_restart(
    devnet: Devnet, database_url: str, folder: Path
) -> None:
    """GTW-100: one of them has it, and the next start of the gateway remembers who."""
    settings = settings_for(devnet, database_url, policies=folder)
    async with serving(settings) as served:
        crowd = [await evm_person(served).create() for _ in range(3)]
        (code,) = await codes(devnet)

        async def shown(who: Any) -> int:
            async with served.http.post(
                f"{served.url}/v1/events/codes", json={"code": code}, headers=who.headers
            ) as answer:
                await answer.read()
                return answer.status

        statuses = await asyncio.gather(*(shown(who) for who in crowd for _ in range(2)))
        assert sorted(statuses) == [200, 200, 409, 409, 409, 409]
        winner = crowd[statuses.index(200) // 2]
    async with serving(settings) as served:
        for who in crowd:
            who.served, who.token = served, ""
            await who.sign_in()
            await who.post("/v1/events/codes", {"code": code}, 200 if who is winner else 409)
        assert len(await winner.get("/v1/events")) == 1
