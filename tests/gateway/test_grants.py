"""Badges by policy: evaluated on linked wallets of two chains, granted in batches, once for a human."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.people import Person, evm_person, solana_person
from tests.node.conftest import Devnet
from tests.validators.zktls.attestor import ADDRESS as ATTESTOR
from tests.validators.zktls.attestor import claim

from trex.gateway import holdings, nullify, outbox, people
from trex.gateway.attest import LocalAttestor
from trex.gateway.grants import grant
from trex.gateway.keys import account_of
from trex.gateway.outbox import Job, JobKind, JobState
from trex.gateway.people import AccountOf
from trex.gateway.policies import load_offers
from trex.gateway.relayer import Relayer, _groups
from trex.gateway.store.database import Database
from trex.gateway.store.schema import jobs
from trex.passport import contracts as abi
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.points import ledger
from trex.rpc.endpoint import Endpoint
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.validators.onchain.source import EvmChain
from trex.validators.zktls.provider import provider_by_id

ETHER = 10**18
USED_BY = abi.Method("usedBy", ("bytes32", "bytes32"), ("uint256",))


def policy(name: str, when: Any, evidence: str = "public", **more: Any) -> dict[str, Any]:
    levels = [{"level": 1, "name": "One", "points": 10, "when": when}]
    return {"version": 1, "name": name, "evidenceClass": evidence, "levels": levels, **more}


def holds(least: str) -> dict[str, Any]:
    parameters = {"chain": 1962, "token": "native"}
    return {"check": {"validator": "token.balance", "parameters": parameters, "is": {"atLeast": least}}}


def stars() -> dict[str, Any]:
    parameters = {"provider": "github-stars"}
    return {"check": {"validator": "zktls.level", "parameters": parameters, "is": {"atLeast": "1"}}}


def listens() -> dict[str, Any]:
    parameters = {"provider": "spotify-plan"}
    return {"check": {"validator": "zktls.level", "parameters": parameters, "is": {"atLeast": "1"}}}


def spotify_claim(message: str, account: str, timestamp_s: int) -> dict[str, Any]:
    """What an attestor signs of an account's own page."""
    rule = provider_by_id("spotify-plan")
    template = rule.templates[0]
    shown = [{"jsonPath": one.json_path, "regex": one.regex} for one in template.redactions]
    asked = {
        "url": template.url,
        "method": template.method,
        "body": template.body,
        "responseMatches": [{"type": one.type, "value": one.value} for one in template.matches],
        "responseRedactions": [{key: value for key, value in one.items() if value} for one in shown],
    }
    extracted = {rule.account.parameter: account, rule.value.parameter: "premium"}
    return claim(asked, extracted, message=message, timestamp_s=timestamp_s)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    wealthy = policy(f"Wealthy {tmp_path.name}", holds("5"), expiryS=3600)
    wealthy["levels"].append({"level": 2, "name": "Two", "points": 20, "when": holds("50")})
    (made / "wealthy.json").write_text(json.dumps(wealthy))
    starred = policy(f"Starred {tmp_path.name}", stars(), "private")
    (made / "starred.json").write_text(json.dumps(starred))
    listening = policy(f"Listening {tmp_path.name}", listens(), "private")
    (made / "listening.json").write_text(json.dumps(listening))
    return made


@pytest.fixture
async def offering(devnet: Devnet, database_url: str, folder: Path) -> AsyncIterator[Served]:
    settings = settings_for(
        devnet,
        database_url,
        policies=folder,
        chains={1962: EvmChain(1962, (devnet.url,), 1)},
        trusted_attestors=(ATTESTOR,),
    )
    async with serving(settings) as served:
        yield served


def give(devnet: Devnet, person: Person, ether: int) -> None:
    """Let a person have this much from the newest block on.

    Until a block takes a balance that was set, only the newest state shows it: evidence of that block, read
    when the next one is there, would not.
    """
    devnet.call("anvil_setBalance", f"0x{person.key.data.hex()}", hex(ether * ETHER))
    devnet.call("evm_mine")


async def test_badge_by_balance_over_linked_wallets(devnet: Devnet, offering: Served) -> None:
    """GTW-042, GTW-043: refused with reasons, then granted at the level of both wallets together."""
    alice = await evm_person(offering).create()
    refused = await alice.post("/v1/grants", {"policy": "wealthy"}, 409)
    assert refused["code"] == "refused"
    second = evm_person(offering)
    give(devnet, alice, 3)
    give(devnet, second, 3)
    assert (await alice.post("/v1/evaluations", {"policy": "wealthy"}))["outcome"] == "refused"
    await alice.finished(await alice.do(alice.link(second), alice, second))
    found = await alice.post("/v1/evaluations", {"policy": "wealthy"})
    assert (found["outcome"], found["level"]) == ("granted", 1)
    granted = await alice.post("/v1/grants", {"policy": "wealthy"}, 202)
    await alice.finished({"number": granted["job"]})
    (badge,) = await holdings.badges_of(offering.gateway, alice.passport)
    assert (badge.level, badge.points, badge.state, badge.is_public) == (1, 10, "granted", True)
    await until_points(alice, 10)
    (entry,) = await ledger.entries_of(offering.gateway.client, alice.passport)
    assert (entry.amount, entry.season, int.from_bytes(entry.source)) == (10, 0, badge.token_id)
    evidence = await offering.get(f"/v1/evidence/{granted['evidence']}")
    document = evidence["document"]
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    assert keccak256(canonical) == badge.evidence == bytes.fromhex(granted["evidence"][2:])
    assert Decimal(document["observations"][0]["value"]) == 6


async def test_badge_given_up_is_worth_nothing(devnet: Devnet, offering: Served) -> None:
    """GTW-083, GTW-063, PTS-005: the ledger follows at once, by a line more."""
    alice = await evm_person(offering).create()
    give(devnet, alice, 9)
    await alice.finished({"number": (await alice.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
    await until_points(alice, 10)
    (badge,) = await holdings.badges_of(offering.gateway, alice.passport)
    five = {one["id"]: one for one in await alice.get(f"/v1/passports/{alice.passport}/dimensions")}
    assert (five["assets"]["points"], five["assets"]["score"]) == (10, 9)
    assert five["assets"]["badges"] == {str(badge.token_id): 10}
    assert sum(one["points"] for one in five.values()) == 10
    renounce = {
        "act": "renounce",
        "passport": alice.passport,
        "actor": alice.body,
        "tokenId": badge.token_id,
    }
    await alice.finished(await alice.do(renounce, alice))
    await until_points(alice, 0)
    entries = await ledger.entries_of(offering.gateway.client, alice.passport)
    assert [one.amount for one in entries] == [10, -10]


async def until_points(person: Person, wanted: int) -> None:
    for _ in range(3_600):
        if await ledger.total_of(person.served.gateway.client, person.passport) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the ledger does not follow")


async def test_wallet_moved_to_another_passport_is_not_counted_twice(
    devnet: Devnet, offering: Served
) -> None:
    """PAS-010, PAS-042, BDG-011: its nullifier stays with the first."""
    alice, wallet = await evm_person(offering).create(), evm_person(offering)
    give(devnet, wallet, 9)
    await alice.finished(await alice.do(alice.link(wallet), alice, wallet))
    await alice.finished({"number": (await alice.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
    remove = {
        "act": "remove",
        "passport": alice.passport,
        "actor": alice.body,
        "keyId": f"0x{wallet.key.id.hex()}",
    }
    await alice.finished(await alice.do(remove, alice))
    bob = await evm_person(offering).create()
    refused = await bob.do(bob.link(wallet), bob, wallet, expect=409)
    assert "Passport_KeyCooling" in refused["detail"]
    give(devnet, bob, 9)
    await bob.finished({"number": (await bob.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
    nullifier = await nullifier_of(offering, wallet)
    assert await offering.gateway.client.holder_of(nullifier) == alice.passport


async def nullifier_of(served: Served, person: Person) -> Any:
    async with served.gateway.database.transaction() as tx:
        account = people.account_of_key(person.key)
        gateway = served.gateway
        return await nullify.nullifier_of(
            tx, gateway.key_holder, gateway.sealer, account.platform, account.id, account.scope
        )


async def test_private_claim_gives_a_badge_and_stays_private(offering: Served) -> None:
    """ZKT-041, BDG-003: bound to the passport by the message, once, about the linked account only."""
    alice, bob = await evm_person(offering).create(), await evm_person(offering).create()
    async with offering.gateway.database.transaction() as tx:
        await people.remember(tx, offering.gateway, alice.passport, AccountOf("github", "583231", "octo"))
    now = offering.gateway.now_s

    async def claimed(person: Person, expect: int = 200, message: str = "") -> Any:
        asked = {"provider": "github-stars"}
        message = message or (await person.post("/v1/claims/messages", asked))["message"]
        proof = claim(message=message, timestamp_s=now)
        return await person.post("/v1/claims", {**asked, "message": message, "proof": proof}, expect), message

    assert (await bob.post("/v1/grants", {"policy": "starred"}, 409))["code"] == "undecided"
    refused, _ = await claimed(bob, 409)
    assert "ZKT-042" in refused["detail"]
    answer, message = await claimed(alice)
    assert answer == {"level": 4, "levelName": "Famous"}
    refused, _ = await claimed(alice, 403, message)
    assert refused["code"] == "expired"
    stolen = (await alice.post("/v1/claims/messages", {"provider": "github-stars"}))["message"]
    assert (await claimed(bob, 403, stolen))[0]["code"] == "expired"
    granted = await alice.post("/v1/grants", {"policy": "starred"}, 202)
    await alice.finished({"number": granted["job"]})
    (badge,) = await holdings.badges_of(offering.gateway, alice.passport)
    assert (badge.level, badge.is_public) == (1, False)
    await offering.get(f"/v1/evidence/{granted['evidence']}", 404)
    await bob.get(f"/v1/evidence/{granted['evidence']}/private", 404)
    own = await alice.get(f"/v1/evidence/{granted['evidence']}/private")
    canonical = orjson.dumps(own["document"], option=orjson.OPT_SORT_KEYS)
    assert keccak256(bytes.fromhex(own["salt"][2:]) + canonical) == badge.evidence
    assert "octo" not in json.dumps(own), "not even the disclosed evidence names the account"


async def test_handles_are_nowhere_on_the_chain_and_sealed_in_the_database(
    offering: Served, folder: Path
) -> None:
    """GTW-040: neither in clear nor as a hash of something that can be guessed."""
    alice = await evm_person(offering).create()
    account = AccountOf("github", "583231", "octocat-handle")
    _, now = await offering.gateway.client.latest()
    async with offering.gateway.database.transaction() as tx:
        nullifier, job = await people.bind(
            tx, offering.gateway, alice.passport, account, alice.key.id, attested_s=now, epoch=1
        )
    offering.gateway.relayer.wake()
    await alice.finished({"number": job})
    guesses = ("octocat-handle", "583231", "github:583231", "account/github583231", "github583231")
    assert nullifier not in {keccak256(guess.encode()) for guess in guesses}
    async with offering.gateway.database.transaction() as tx:
        rows = [
            repr(row)
            for name in ("accounts", "blinds", "jobs")
            for row in await tx.exec_driver_sql(f"SELECT * FROM {name}")
        ]
    assert not any("octocat-handle" in row or "583231" in row for row in rows)
    found = await people.linked(offering.gateway, alice.passport)
    assert [one.account for one in found] == [account]


async def test_spoiled_grant_does_not_hold_up_its_batch(devnet: Devnet, offering: Served) -> None:
    """GTW-023: three grants in one batch, one of them for a level that the policy does not give."""
    gateway = offering.gateway
    persons = [evm_person(offering) for _ in range(3)]
    for person in persons:
        await person.create()
        give(devnet, person, 9)
    offer = gateway.offers["wealthy"]
    granted = [(await grant(gateway, one.key, one.passport, offer)).job for one in persons[:2]]
    async with gateway.database.transaction() as tx:
        good = await outbox.find(tx, granted[0], persons[0].key.id)
        assert good is not None
        bad = {**good.payload, "passport": persons[2].passport, "level": 9}
        spoiled = await outbox.enqueue(
            tx, JobKind.GRANT, bad, passport=persons[2].passport, owner=persons[2].key.id, now_s=gateway.now_s
        )
    failed = await persons[2].finished({"number": spoiled}, "failed")
    assert failed["error"] == "Badges_BadLevel"
    for person, job in zip(persons[:2], granted, strict=True):
        await person.finished({"number": job})


async def test_job_refused_before_what_it_builds_on_is_in_a_block_is_not_given_up(
    devnet: Devnet, database_url: str
) -> None:
    """GTW-023: the chain may be slow; once it has what came before, three refusals are the end."""
    database = Database(database_url)
    await database.open(devnet.call("eth_getBlockByNumber", "0x0", False)["hash"])
    nobody = Hash32(bytes(32))

    async def now(number: int) -> Job:
        async with database.transaction() as tx:
            found = await outbox.find(tx, number, nobody)
        assert found is not None
        return found

    async def queued(tx: AsyncConnection, after: int | None) -> int:
        return await outbox.enqueue(tx, JobKind.RELAY, {}, passport=0, owner=nobody, now_s=1_000, after=after)

    try:
        async with aiohttp.ClientSession() as http:
            client = PersonaClient(Endpoint(devnet.url, http), Contracts())
            relayer = Relayer(database, client, KEYS.relayer, (), lambda: 1_000)
        async with database.transaction() as tx:
            first = await queued(tx, None)
            second = await queued(tx, first)
            assert await outbox.claim(tx, [first], 7, 1_000)
        for _ in range(5):
            await relayer._refused(await now(second), "no such binding")
        assert ((await now(second)).state, (await now(second)).attempts) == (JobState.QUEUED, 0)
        async with database.transaction() as tx:
            await outbox.settle(tx, 7, JobState.DONE, 1_000)
        for state in (JobState.QUEUED, JobState.QUEUED, JobState.FAILED):
            await relayer._refused(await now(second), "no such binding")
            assert (await now(second)).state is state
    finally:
        await database.close()


def test_groups_put_grants_together_but_never_one_badge_twice() -> None:
    def job(number: int, kind: JobKind, passport: int) -> Job:
        payload = {"passport": passport, "policy": "p"}
        return Job(number, kind, passport, payload, JobState.QUEUED, 0, None, None, "", 0)

    asked = [
        (JobKind.GRANT, 1),
        (JobKind.RELAY, 1),
        (JobKind.GRANT, 2),
        (JobKind.GRANT, 1),
        (JobKind.POINTS, 1),
    ]
    groups = _groups([job(number, kind, passport) for number, (kind, passport) in enumerate(asked)])
    assert [[one.number for one in group] for group in groups] == [[0, 2], [1], [3], [4]]


def test_load_offers_refuses_what_nobody_answers(tmp_path: Path) -> None:
    """GTW-044."""
    (tmp_path / "bad.json").write_text(
        json.dumps(
            policy(
                "X",
                {
                    "check": {
                        "validator": "zktls.level",
                        "parameters": {"provider": "nowhere"},
                        "is": {"atLeast": "1"},
                    }
                },
                "private",
            )
        )
    )
    with pytest.raises(ValueError, match="no provider"):
        load_offers(tmp_path, account_of(KEYS.relayer))


async def test_policies_are_published_and_listed(offering: Served) -> None:
    listed = {one["slug"]: one for one in await offering.get("/v1/policies")}
    assert set(listed) == {"wealthy", "starred", "listening"}
    assert (await offering.get("/v1/policies/wealthy"))["name"] == listed["wealthy"]["name"]
    await offering.get("/v1/policies/nothing", 404)
    at = offering.gateway.settings.contracts.policies
    terms: list[Any] = []
    for _ in range(3_600):
        terms = await offering.gateway.client.ask(
            *((at, abi.TERMS_OF, (bytes.fromhex(one["id"][2:]),)) for one in listed.values())
        )
        if all(one[0] for one in terms):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(terms)


async def test_without_a_quorum_of_attestors_grants_wait(
    devnet: Devnet, database_url: str, folder: Path
) -> None:
    """GTW-024."""
    settings = settings_for(
        devnet, database_url, policies=folder, chains={1962: EvmChain(1962, (devnet.url,), 1)}
    )
    async with serving(settings, keys=replace(KEYS, attestors=KEYS.attestors[:1])) as served:
        alice = await evm_person(served).create()
        give(devnet, alice, 9)
        job = {"number": (await alice.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]}
        asked = select(jobs).where(jobs.c.kind == "bind")

        async def bind() -> Any:
            async with served.gateway.database.transaction() as tx:
                return (await tx.execute(asked)).one()

        waits = await bind()
        for _ in range(3_600):
            if waits.not_before_s > waits.created_s:
                break  # it was tried
            await asyncio.sleep(0.05)
            waits = await bind()
        assert (waits.state, waits.attempts) == ("queued", 0)
        assert (await alice.get(f"/v1/jobs/{job['number']}"))["state"] == "queued"
        served.gateway.relayer.attestors = tuple(map(LocalAttestor, KEYS.attestors))
        await alice.finished(job)


async def test_solana_person_has_no_evm_wallet_to_stand_on(offering: Served) -> None:
    alice = await solana_person(offering).create()
    found = await alice.post("/v1/evaluations", {"policy": "wealthy"})
    assert found["outcome"] == "refused"


async def test_one_subscription_gives_one_badge(offering: Served) -> None:
    """ZKT-043, BDG-011: the account that a session's claim names counts once, whatever passport shows it."""
    alice, bob = await evm_person(offering).create(), await evm_person(offering).create()

    async def shows(person: Person, account: str) -> None:
        asked = {"provider": "spotify-plan"}
        message = (await person.post("/v1/claims/messages", asked))["message"]
        proof = spotify_claim(message, account, offering.gateway.now_s)
        await person.post("/v1/claims", {**asked, "message": message, "proof": proof})

    for person in (alice, bob):
        await shows(person, "jayposts")
    granted = await alice.post("/v1/grants", {"policy": "listening"}, 202)
    await alice.finished({"number": granted["job"]})
    refused = await bob.post("/v1/grants", {"policy": "listening"}, 409)
    assert refused["code"] == "conflict", "the account serves alice's passport"
    await shows(bob, "another")  # control: an account of his own
    granted = await bob.post("/v1/grants", {"policy": "listening"}, 202)
    await bob.finished({"number": granted["job"]})


async def test_badge_over_more_than_eight_wallets(devnet: Devnet, offering: Served) -> None:
    """GTW-042, BDG-011: the ninth wallet counts, and serves no second badge."""
    alice = await evm_person(offering).create()
    wallets = [alice, *(evm_person(offering) for _ in range(8))]
    for wallet in wallets:
        devnet.call("anvil_setBalance", f"0x{wallet.key.data.hex()}", hex(ETHER * 6 // 10))
    for wallet in wallets[1:]:
        refused = await alice.post("/v1/evaluations", {"policy": "wealthy"})
        assert refused["outcome"] == "refused"
        await alice.finished(await alice.do(alice.link(wallet), alice, wallet))
    found = await alice.post("/v1/evaluations", {"policy": "wealthy"})
    assert (found["outcome"], found["wallets"]) == ("granted", {"lookedAt": 9, "leftOut": 0})
    granted = await alice.post("/v1/grants", {"policy": "wealthy"}, 202)
    await alice.finished({"number": granted["job"]})
    (badge,) = await holdings.badges_of(offering.gateway, alice.passport)
    contracts = offering.gateway.settings.contracts
    async with offering.gateway.database.transaction() as tx:
        named = [
            await nullify.nullifier_of(
                tx, offering.gateway.key_holder, offering.gateway.sealer, one.platform, one.id, one.scope
            )
            for one in map(people.account_of_key, (wallet.key for wallet in wallets))
        ]
    used = await offering.gateway.client.ask(
        *((contracts.badges, USED_BY, (badge.policy, one)) for one in named)
    )
    assert used == [badge.token_id] * 9
