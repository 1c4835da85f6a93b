"""Sponsored acts through the queue, and what must not get through it."""

import re
from pathlib import Path

from sqlalchemy import select
from tests.gateway.authenticator import Authenticator
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import evm_person, solana_person
from tests.node.conftest import Devnet

from trex.gateway.reverts import _names
from trex.gateway.store.schema import jobs, transactions
from trex.passport.keys import Role

ROOT = Path(__file__).resolve().parents[2]


async def test_person_makes_a_passport_and_links_wallets_without_gas(served: Served) -> None:
    """GTW-022, GTW-025: by typed data, by text, and by a Solana wallet."""
    alice = await evm_person(served).create()
    second, solana = evm_person(served), solana_person(served)
    await alice.finished(await alice.do(alice.link(second, "acting"), alice, second, by_text=True))
    await alice.finished(await alice.do(alice.link(solana), alice, solana))
    held = {one.key: one.role for one in await served.gateway.client.keys(alice.passport)}
    assert held == {alice.key: Role.ACTING, second.key: Role.ACTING, solana.key: Role.LINKED}
    payout = {"act": "payout", "passport": alice.passport, "actor": second.body, "payout": alice.body["data"]}
    await alice.finished(await alice.do(payout, second))
    state = await served.gateway.client.state(alice.passport)
    assert state is not None
    assert state.payout == alice.key.address
    remove = {
        "act": "remove",
        "passport": alice.passport,
        "actor": alice.body,
        "keyId": f"0x{solana.key.id.hex()}",
    }
    await alice.finished(await alice.do(remove, alice))
    assert solana.key not in {one.key for one in await served.gateway.client.keys(alice.passport)}


async def test_passkey_makes_a_passport(served: Served) -> None:
    """PAS-007, by what a browser answers; the relying party's origin is this gateway's."""
    device = Authenticator(served.gateway.settings.public_url)
    await served.post(
        "/v1/passkeys", {"credential": device.create(await served.post("/v1/passkeys/new/options"))}
    )
    answer = device.get(await served.post("/v1/passkeys/options"))
    found = await served.post("/v1/sessions", {"signIn": {"method": "passkey", "credential": answer}})
    headers = {"authorization": f"Bearer {found['token']}"}
    act = {"act": "create", "key": found["key"]}
    prepared = await served.post("/v1/acts/prepare", {"act": act}, headers=headers)
    asked = prepared["signatures"][0]
    assert asked["text"] is None
    signature = device.sign_digest(bytes.fromhex(asked["digest"][2:]))
    signed = {
        "act": act,
        "deadlineS": prepared["deadlineS"],
        "proofs": [{"signature": f"0x{signature.hex()}"}],
    }
    job = await served.post("/v1/acts", signed, 202, headers=headers)
    while (await served.get(f"/v1/jobs/{job['number']}", headers=headers))["state"] != "done":
        pass
    assert (await served.get("/v1/sessions/current", headers=headers))["role"] == "acting"


async def test_what_the_contracts_refuse_is_not_sent(served: Served) -> None:
    """GTW-025: a stranger's signature, a replay, an empty proof, another's passport."""
    alice = await evm_person(served).create()
    mallory = await evm_person(served).create()
    wallet = evm_person(served)
    theft = {**mallory.link(wallet), "passport": alice.passport}
    refused = await mallory.do(theft, mallory, wallet, expect=409)
    assert "Passport_NotActing" in refused["detail"]
    forged = await mallory.do(alice.link(wallet), mallory, wallet, expect=409)
    assert "Passport_BadSignature" in forged["detail"]
    prepared = await alice.post("/v1/acts/prepare", {"act": alice.link(wallet)})
    proofs = [who.proof(asked) for who, asked in zip((alice, wallet), prepared["signatures"], strict=True)]
    signed = {"act": alice.link(wallet), "deadlineS": prepared["deadlineS"], "proofs": proofs}
    job = await alice.post("/v1/acts", signed, 202)
    await alice.finished(job)
    assert "Passport" in (await alice.post("/v1/acts", signed, 409))["detail"]
    empty = {**signed, "proofs": [{"signature": "0x"}, proofs[1]]}
    assert (await alice.post("/v1/acts", empty, 422))["code"] == "malformed"
    await alice.post("/v1/acts", {**signed, "proofs": proofs[:1]}, 422)
    await mallory.get(f"/v1/jobs/{job['number']}", 404)
    await served.post("/v1/acts", signed, 401)


async def test_budget_of_a_day_is_a_budget(devnet: Devnet, database_url: str) -> None:
    """GTW-022: refused acts cost nothing of it, those beyond it are not sent, tomorrow there is another."""
    async with serving(settings_for(devnet, database_url, acts_a_day=2)) as served:
        alice = await evm_person(served).create()
        wallets = [evm_person(served) for _ in range(3)]
        await alice.do(alice.link(wallets[0]), wallets[0], wallets[0], expect=409)
        await alice.finished(await alice.do(alice.link(wallets[0]), alice, wallets[0]))
        refused = await alice.do(alice.link(wallets[1]), alice, wallets[1], expect=429)
        assert refused["code"] == "too_many_requests"
        now = served.gateway.clock
        served.gateway.clock = lambda: now() + 86_400
        await alice.sign_in(86_400)
        await alice.finished(await alice.do(alice.link(wallets[1]), alice, wallets[1]))


async def test_many_at_once_each_get_their_own_nonce(served: Served) -> None:
    people = [evm_person(served) for _ in range(8)]
    for person in people:
        await person.create()
    async with served.gateway.database.transaction() as tx:
        rows = (await tx.execute(select(transactions).order_by(transactions.c.nonce))).all()
        done = (await tx.execute(select(jobs.c.state))).scalars().all()
    assert len({row.nonce for row in rows}) == len(rows) == 8
    assert set(done) == {"done"}


def test_errors_are_those_of_the_contracts() -> None:
    declared = set()
    for file in (ROOT / "contracts/src/interfaces").glob("I*.sol"):
        declared |= set(re.findall(r"error (\w+)\(", file.read_text()))
    declared |= set(
        re.findall(r"error (\w+)\(", (ROOT / "contracts/src/passport/PassportActs.sol").read_text())
    )
    assert set(_names().values()) <= declared
    for contract in ("Passport", "Nullifiers", "Badges", "Points", "Policies", "ValidatorSet", "KeyVerifier"):
        expected = {name for name in declared if name.startswith(f"{contract}_")}
        assert expected <= set(_names().values()), contract
