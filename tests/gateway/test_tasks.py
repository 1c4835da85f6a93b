"""Tasks and the ledger: deeds are seen, counted once for a person, and read with where they are from."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from eth_account import Account
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import give, holds, stars
from tests.gateway.test_kills import Killed
from tests.gateway.test_page import cookie_of, shown
from tests.gateway.test_run import plain_config
from tests.node.conftest import Devnet, devnet_at
from tests.validators.zktls.attestor import ADDRESS as ATTESTOR
from tests.validators.zktls.attestor import claim

from trex.badges.chain.contract import PUBLISH
from trex.gateway import people
from trex.gateway.attestations import Season
from trex.gateway.config import ConfigError, read_config
from trex.gateway.keys import Secret
from trex.gateway.nullify import SoleKeyHolder
from trex.gateway.people import AccountOf
from trex.gateway.service import Gateway, SeasonMismatchError
from trex.gateway.settings import Settings
from trex.gateway.taskbook import load_tasks
from trex.node.cli import main
from trex.points.deeds import source_of
from trex.points.task import TaskKind, read_task
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.source import EvmChain

EXAMPLES = Path(__file__).parents[2] / "src/trex/gateway/example_tasks"
GENESIS_S = 1_767_225_600  # 2026-01-01, the devnet's
KINDS = tuple(TaskKind)
SEASON = Season(
    start=GENESIS_S,
    end=GENESIS_S + 20 * 365 * 86_400,
    passportCap=500,
    kinds=tuple(kind.ledger_kind for kind in KINDS),
    kindCaps=(100, 100, 100, 100, 100),
)
POLICIES = "0x5472657800000000000000000000000000000006"
EVENT = (
    "PolicyPublished(bytes32 indexed policy, address indexed publisher, bytes32 indexed document, "
    "uint16 maxLevel, uint8 evidenceClass, string name, string uri)"
)
PUBLISHES = {
    "check": {
        "validator": "web3.events",
        "parameters": {"chain": 1962, "contract": POLICIES, "event": EVENT, "actor": "publisher"},
        "is": {"atLeast": "1"},
    }
}


def task(kind: str, points: int, when: Any = None, **more: Any) -> dict[str, Any]:
    asked = {} if when is None else {"when": when}
    return {
        "version": 1,
        "kind": kind,
        "name": kind,
        "points": points,
        "person": "account/github",
        **asked,
        **more,
    }


def folder_of(folder: Path) -> Path:
    made = folder / "tasks"
    made.mkdir()
    daily = task("daily", 10, PUBLISHES)
    hash_ = f"0x{read_task(json.dumps(daily).encode()).document_hash.hex()}"
    for name, document in {
        "rich": task("once", 70, holds("5")),
        "richer": task("once", 70, holds("6")),
        "over": task("once", 5, holds("5"), untilS=GENESIS_S + 1),
        "publish": daily,
        "two-days": task("streak", 30, streak={"of": hash_, "days": 2}),
        "bring": task("referral", 40, stars()),
        "held": task("once", 5, stars(), person="wallet"),
    }.items():
        (made / f"{name}.json").write_text(json.dumps(document))
    return made


def settings_of(devnet: Devnet, database_url: str, folder: Path, **more: Any) -> Settings:
    return settings_for(
        devnet,
        database_url,
        tasks=folder,
        seasons=(SEASON,),
        chains={1962: EvmChain(1962, (devnet.url,), 1, 0)},
        trusted_attestors=(ATTESTOR,),
        **more,
    )


@pytest.fixture
async def tasked(devnet: Devnet, database_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(settings_of(devnet, database_url, folder_of(tmp_path))) as served:
        await until_season(served)
        yield served


async def until_season(served: Served) -> None:
    """Announced at the start: on its way for a moment (GTW-081)."""
    for _ in range(3_600):
        if await served.get("/v1/seasons"):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("no season")


async def shows(person: Person, account: str) -> None:
    """Bind an account at GitHub, as its sign-in there does."""
    gateway = person.served.gateway
    _, now = await gateway.client.latest()
    epoch = await gateway.client.key_epoch()
    async with gateway.database.transaction() as tx:
        _, job = await people.bind(
            tx,
            gateway,
            person.passport,
            AccountOf("github", account, "octo"),
            person.key.id,
            attested_s=now,
            epoch=epoch,
        )
    gateway.relayer.wake()
    await person.finished({"number": job})


async def done(person: Person, slug: str, expect: int = 202, **said: Any) -> Any:
    found = await person.post(f"/v1/tasks/{slug}/deeds", said, expect)
    if expect == 202:
        await person.finished({"number": found["job"]})
    return found


async def points(person: Person) -> Any:
    return await person.get(f"/v1/passports/{person.passport}/points")


async def test_deed_is_counted_once_for_a_person_and_can_be_read(devnet: Devnet, tasked: Served) -> None:
    """TSK-007, TSK-010, TSK-012, TSK-013, TSK-018, PTS-002, PTS-004."""
    alice = await evm_person(tasked).create()
    assert "link an account at github" in (await done(alice, "rich", 409))["detail"]
    await shows(alice, "1001")
    assert (await done(alice, "rich", 409))["code"] == "refused"
    give(devnet, alice, 9)
    assert (await done(alice, "over", 409))["code"] == "conflict"
    assert (await done(alice, "bring", 422))["code"] == "malformed"
    assert (await done(alice, "rich", 422, referrer=1))["code"] == "malformed"
    deed = await done(alice, "rich")
    (person,) = await tasked.gateway.client.nullifiers(alice.passport)
    document = Hash32(tasked.gateway.tasks["rich"].document_hash)
    assert deed["source"] == f"0x{source_of(document, person.canonical, 0).hex()}"
    found = await points(alice)
    (entry,) = found["entries"]
    assert (found["total"], entry["amount"], entry["kind"], entry["task"]) == (70, 70, "task/once", "rich")
    assert (found["seasons"][0]["total"], found["seasons"][0]["totals"]["task/once"]) == (70, 70)
    assert (await done(alice, "rich", 409))["code"] == "conflict"
    await shows(alice, "1002")
    assert (await done(alice, "rich", 409))["code"] == "conflict", "another account is no other person"
    await done(alice, "richer")  # cut off by the cap of its kind
    assert [one["amount"] for one in (await points(alice))["entries"]] == [30, 70]
    page = await alice.get(f"/v1/passports/{alice.passport}/points?most=1")
    assert [one["amount"] for one in page["entries"]] == [30]
    page = await alice.get(f"/v1/passports/{alice.passport}/points?before={page['before']}")
    assert ([one["amount"] for one in page["entries"]], page["before"]) == ([70], None)
    kept = await alice.get(f"/v1/deeds/{deed['source']}/private")
    assert kept["task"] == "rich"
    assert Decimal(kept["document"]["observations"][0]["value"]) == 9
    bob = await evm_person(tasked).create()
    await bob.get(f"/v1/deeds/{deed['source']}/private", 404)
    await tasked.get("/v1/passports/999999999/points", 404)


async def test_deed_is_not_done_again_after_the_database_is_lost(
    devnet: Devnet, tasked: Served, tmp_path: Path
) -> None:
    """TSK-013, PTS-002: the ledger tells, whatever this gateway remembers."""
    alice = await evm_person(tasked).create()
    await shows(alice, "1001")
    give(devnet, alice, 9)
    await done(alice, "rich")
    (before,) = (await points(alice))["entries"]
    new = f"sqlite:///{tmp_path / 'new.db'}"
    async with serving(settings_of(devnet, new, tmp_path / "tasks")) as served:
        again = replace(alice, served=served)
        await again.sign_in()
        assert (await done(again, "rich", 409))["code"] == "conflict"
        (after,) = (await points(again))["entries"]
        assert after == before | {"task": None}, "all but the task's name is on the chain"


async def test_referral_counts_once_for_a_person_that_showed_what_costs(tasked: Served) -> None:
    """TSK-006, TSK-014."""
    carol, alice, bob = [await evm_person(tasked).create() for _ in range(3)]
    await shows(bob, "583231")
    refused = await done(bob, "bring", 409, referrer=alice.passport)
    assert "shown no account/github" in refused["detail"]
    await shows(alice, "2001")
    await shows(carol, "2002")
    assert (await done(bob, "bring", 409, referrer=alice.passport))["code"] == "undecided"
    asked = {"provider": "github-stars"}
    message = (await bob.post("/v1/claims/messages", asked))["message"]
    proof = claim(message=message, timestamp_s=tasked.gateway.now_s)
    await bob.post("/v1/claims", {**asked, "message": message, "proof": proof})
    for nobody in (bob.passport, bob.passport + 1):
        refused = await done(bob, "bring", 409, referrer=nobody)
        assert "older passport" in refused["detail"]
    await done(bob, "bring", referrer=alice.passport)
    (entry,) = (await points(alice))["entries"]
    assert (entry["kind"], entry["amount"], (await points(bob))["total"]) == ("task/referral", 40, 0)
    assert (await done(bob, "bring", 409, referrer=carol.passport))["code"] == "conflict"


async def test_wallet_counts_as_a_person_where_the_task_costs(tasked: Served) -> None:
    """TSK-004, TSK-012: its nullifier is bound before the deed."""
    alice = await evm_person(tasked).create()
    async with tasked.gateway.database.transaction() as tx:
        await people.remember(tx, tasked.gateway, alice.passport, AccountOf("github", "583231", "octo"))
    assert (await done(alice, "held", 409))["code"] == "undecided"
    asked = {"provider": "github-stars"}
    message = (await alice.post("/v1/claims/messages", asked))["message"]
    proof = claim(message=message, timestamp_s=tasked.gateway.now_s)
    await alice.post("/v1/claims", {**asked, "message": message, "proof": proof})
    await done(alice, "held")
    assert (await points(alice))["total"] == 5
    assert len(await tasked.gateway.client.nullifiers(alice.passport)) == 1


async def test_entry_is_taken_back_by_the_operator(devnet: Devnet, tasked: Served) -> None:
    """PTS-001, GTW-082: a line more, none less; the command leaves it to the running gateway."""
    alice = await evm_person(tasked).create()
    await shows(alice, "1001")
    give(devnet, alice, 9)
    await done(alice, "rich")
    number = (await points(alice))["entries"][0]["number"]
    folder = Path(tasked.gateway.settings.tasks or "").parent
    database = f'database = "{tasked.gateway.settings.database}"'
    file = folder / "gateway.toml"
    file.write_text(plain_config(folder, devnet, database))
    arguments = ["gateway", "reverse", "--config", str(file), str(number), "--reason", "counted by mistake"]
    for _ in range(2):  # asked twice, done once
        result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        assert result.exit_code == 0, result.output
    tasked.gateway.relayer.wake()
    found: Any = {}
    for _ in range(3_600):
        found = await points(alice)
        if len(found["entries"]) == 2:
            break
        await asyncio.sleep(0.05)
    newest, oldest = found["entries"]
    assert (found["total"], newest["amount"], newest["reverses"]) == (0, -70, number)
    assert oldest["reversedBy"] == newest["number"]
    cookie = await cookie_of(alice)
    page = await shown(tasked, cookie)
    assert f"taken back: entry {number}" in page
    assert "rich (taken back)" in page


async def test_page_counts_a_deed(devnet: Devnet, tasked: Served) -> None:
    alice = await evm_person(tasked).create()
    await shows(alice, "1001")
    cookie = await cookie_of(alice)
    page = await shown(tasked, cookie)
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    headers = {**cookie, "origin": tasked.gateway.settings.public_url}

    async def ask() -> str:
        body = {"form_token": token, "task": "rich"}
        async with tasked.http.post(
            f"{tasked.url}/passport/do", data=body, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["location"]

    assert await ask() == "/passport?said=refused"
    give(devnet, alice, 9)
    assert await ask() == "/passport?said=counted"
    assert await ask() == "/passport?said=conflict"


class Clock:
    """Time of chain and gateway, which passes at will."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet, self.ahead_s = devnet, 0

    def __call__(self) -> float:
        return time.time() + self.ahead_s

    def pass_days(self, days: int) -> None:
        self.ahead_s += days * 86_400
        self.devnet.call("evm_increaseTime", days * 86_400)
        self.devnet.call("evm_mine")


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain whose days pass at will."""
    with devnet_at(tmp_path_factory.mktemp("calendar") / "data") as running:
        yield running


def publish(devnet: Devnet, person: Person, name: str) -> None:
    """Publish a policy from a person's wallet."""
    who = f"0x{person.key.data.hex()}"
    give(devnet, person, 9)
    data = PUBLISH.call(name.encode().ljust(32, b"\0"), 1, 1, name, "")
    wanted = {
        "chainId": 1962,
        "nonce": int(devnet.call("eth_getTransactionCount", who, "latest"), 16),
        "to": checksum_address(Address(bytes.fromhex(POLICIES[2:]))),
        "data": f"0x{data.hex()}",
        "gas": 500_000,
        "maxFeePerGas": 2 * 10**9,
        "maxPriorityFeePerGas": 10**6,
    }
    raw = Account.sign_transaction(wanted, person.secret).raw_transaction
    sent = devnet.call("eth_sendRawTransaction", f"0x{raw.hex()}")
    assert devnet.receipt(sent)["status"] == "0x1"


async def test_daily_and_streak_count_each_day_once(calendar: Devnet, tmp_path: Path) -> None:
    """TSK-008, TSK-011, TSK-015."""
    clock = Clock(calendar)
    settings = settings_of(calendar, f"sqlite:///{tmp_path / 'g.db'}", folder_of(tmp_path))
    async with serving(settings, clock=clock) as served:
        await until_season(served)
        left_s = 86_400 - int(clock()) % 86_400
        if left_s < 7_200:  # the day must not end within the test
            clock.ahead_s += left_s
            calendar.call("evm_increaseTime", left_s)
            calendar.call("evm_mine")
        alice = await evm_person(served).create()
        await shows(alice, "3001")
        counted = []
        for day in range(5):
            if day:
                clock.pass_days(1)
                await alice.sign_in(clock.ahead_s)
            assert (await done(alice, "publish", 409))["code"] == "refused", "yesterday's act is of yesterday"
            publish(calendar, alice, f"policy {day}")
            await done(alice, "publish")
            assert (await done(alice, "publish", 409))["code"] == "conflict"
            streak = await alice.post("/v1/tasks/two-days/deeds", {}, 202 if day in (1, 3) else 409)
            if day in (1, 3):
                await alice.finished({"number": streak["job"]})
                counted.append(day)
        found = await points(alice)
        assert counted == [1, 3]
        totals = found["seasons"][0]["totals"]
        assert (totals["task/daily"], totals["task/streak"]) == (50, 60)
        clock.pass_days(2)
        await alice.sign_in(clock.ahead_s)
        assert (await alice.post("/v1/tasks/two-days/deeds", {}, 409))["code"] == "refused"


async def test_without_a_season_there_are_no_deeds(tmp_path: Path, calendar: Devnet) -> None:
    """TSK-017, and GTW-081: a season that the chain has otherwise keeps a gateway from starting."""
    settings = settings_of(calendar, f"sqlite:///{tmp_path / 'g.db'}", folder_of(tmp_path))
    ahead = time.time() + 30 * 365 * 86_400
    gateway = Gateway(replace(settings, seasons=(replace(SEASON, passportCap=1),)), KEYS, clock=lambda: ahead)
    async with serving(settings) as served:
        await until_season(served)
        with pytest.raises(SeasonMismatchError):
            await gateway.start()
        await gateway._open.aclose()
        alice = await evm_person(served).create()
        calendar.call("evm_increaseTime", 20 * 365 * 86_400)
        calendar.call("evm_mine")
        refused = await alice.post("/v1/tasks/rich/deeds", {}, 409)
        assert "no season is open" in refused["detail"]


async def test_deed_survives_a_kill(devnet: Devnet, tmp_path: Path) -> None:
    """GTW-020, GTW-021: accepted is counted, once, whenever the process dies."""
    database_url = f"sqlite:///{tmp_path / 'gateway.db'}"
    folder_of(tmp_path)
    more = (
        f'database = "{database_url}"\ntasks = "tasks"\n{SEASON_TOML}'
        f'[chains.1962]\nendpoints = ["{devnet.url}"]\nconfirmations = 0\n'
    )
    async with (
        Killed(tmp_path, devnet, database_url, more) as killed,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), cookie_jar=aiohttp.DummyCookieJar()
        ) as http,
    ):
        config = read_config(killed.config, tmp_path)
        inside = Gateway(config.settings, config.keys)  # never started: the process is the gateway
        assert isinstance(config.keys.nullifier, Secret)
        inside.key_holder = SoleKeyHolder(config.keys.nullifier)
        served = Served(inside, killed.process.url, http)
        await until_season(served)
        alice = await evm_person(served).create()
        give(devnet, alice, 9)
        async with inside.database.transaction() as tx:
            now = int(devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
            account = AccountOf("github", "4001", "handle")
            _, job = await people.bind(
                tx, inside, alice.passport, account, alice.key.id, attested_s=now, epoch=1
            )
        await alice.finished({"number": job})
        accepted = await alice.post("/v1/tasks/rich/deeds", {}, 202)
        killed.again()
        await alice.finished({"number": accepted["job"]})
        assert [one["amount"] for one in (await points(alice))["entries"]] == [70]
        await inside.database.close()


SEASON_TOML = f"""
[[seasons]]
start = 2026-01-01T00:00:00Z
end = {time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(SEASON.end))}
passport_cap = 500
[seasons.kinds]
{"".join(f'"task/{kind.value}" = 100{chr(10)}' for kind in KINDS)}
"""


def test_read_config_takes_seasons_and_refuses_what_is_none(devnet: Devnet, tmp_path: Path) -> None:
    good = plain_config(tmp_path, devnet, f'tasks = "tasks"\n{SEASON_TOML}')
    found = read_config(good, tmp_path).settings
    assert (found.seasons, found.tasks) == ((SEASON,), tmp_path / "tasks")
    for wrong in (
        good.replace("passport_cap = 500", "passport_cap = -1"),
        good.replace("passport_cap = 500", ""),
        good.replace("task/once", "task/hourly"),
        good.replace("start = 2026-01-01T00:00:00Z", "start = 2026-01-01T00:00:00"),
        good.replace("start = 2026-01-01T00:00:00Z", "start = 1767225600"),
    ):
        with pytest.raises(ConfigError, match="seasons"):
            read_config(wrong, tmp_path)


def test_load_tasks_refuses_what_nobody_can_do(tmp_path: Path) -> None:
    """GTW-080, TSK-016."""
    assert {one.kind for one in load_tasks(EXAMPLES).values()} == set(TaskKind)
    (tmp_path / "a.json").write_text(
        json.dumps(task("streak", 5, streak={"of": "0x" + "11" * 32, "days": 2}))
    )
    with pytest.raises(ValueError, match="not known here"):
        load_tasks(tmp_path)
    nowhere = stars()
    nowhere["check"]["parameters"] = {"provider": "nowhere"}
    (tmp_path / "a.json").write_text(json.dumps(task("once", 5, nowhere)))
    with pytest.raises(ValueError, match="no provider"):
        load_tasks(tmp_path)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ValueError, match="TSK-001"):
        load_tasks(tmp_path)


async def test_documents_of_tasks_are_served(tasked: Served) -> None:
    """TSK-002: in the form whose hash deeds name."""
    listed = {one["slug"]: one for one in await tasked.get("/v1/tasks")}
    assert set(listed) == set(tasked.gateway.tasks)
    document = await tasked.get("/v1/tasks/rich")
    assert read_task(json.dumps(document).encode()).document_hash.hex() == listed["rich"]["document"][2:]
    await tasked.get("/v1/tasks/nothing", 404)
