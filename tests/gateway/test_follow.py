"""Badges that change outside the gateway: the ledger follows, also after the gateway was away."""

import asyncio
import json
import secrets
from dataclasses import replace
from pathlib import Path

import aiohttp
from sqlalchemy import select
from tests.gateway.conftest import KEYS, serving, settings_for
from tests.gateway.people import evm_person
from tests.gateway.test_grants import give, holds, policy, until_points
from tests.node.conftest import Devnet

from trex.gateway import holdings
from trex.gateway.attest import LocalAttestor, attest
from trex.gateway.store.schema import jobs
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts, Method
from trex.points import ledger
from trex.rpc.endpoint import Endpoint
from trex.types.eip712 import TypedMessage
from trex.validators.onchain.source import EvmChain

CHANGE = (
    ("uint256[]", "tokenIds"),
    ("uint8", "state"),
    ("bool", "free"),
    ("bytes32", "reason"),
    ("uint256", "number"),
    ("uint64", "deadline"),
)
CHANGE_STATE = Method("changeState", (f"({','.join(kind for kind, _ in CHANGE)})", "uint64", "bytes"))
SUSPENDED, REVOKED = 2, 4


async def change(devnet: Devnet, token: int, state: int) -> None:
    """As the validator set does without this gateway: attested, and sent by somebody."""
    async with aiohttp.ClientSession() as http:
        await _change(
            devnet, PersonaClient(Endpoint(devnet.url, http, timeout_s=30.0), Contracts()), token, state
        )


async def _change(devnet: Devnet, client: PersonaClient, token: int, state: int) -> None:
    deadline = (await client.latest())[1] + 3_600
    values = ([token], state, False, bytes(32), secrets.randbits(63), deadline)
    told = dict(zip((name for _, name in CHANGE), values, strict=True))
    message = TypedMessage(client.contracts.badges_domain, "StateChange", {"StateChange": CHANGE}, told)
    in_force = await client.attestors()
    signed = await attest([LocalAttestor(one) for one in KEYS.attestors], in_force, message)
    sent = {
        "from": devnet.call("eth_accounts")[0],
        "to": f"0x{client.contracts.badges.hex()}",
        "data": f"0x{CHANGE_STATE.call(values, in_force.epoch, signed).hex()}",
        "gas": hex(1_000_000),
    }
    hash_ = await asyncio.to_thread(devnet.call, "eth_sendTransaction", sent)
    assert (await asyncio.to_thread(devnet.receipt, hash_))["status"] == "0x1"


async def test_badges_changed_by_others_are_followed(
    devnet: Devnet, database_url: str, tmp_path: Path
) -> None:
    """GTW-083, PTS-005: suspended, reinstated, revoked; while the gateway runs and while it does not."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "wealthy.json").write_text(json.dumps(policy(f"Wealthy {secrets.token_hex(4)}", holds("5"))))
    settings = settings_for(
        devnet, database_url, policies=folder, chains={1962: EvmChain(1962, (devnet.url,), 1)}
    )
    async with serving(settings) as served:
        alice, bob = await evm_person(served).create(), await evm_person(served).create()
        tokens = []
        for one in (alice, bob):
            give(devnet, one, 9)
            await one.finished({"number": (await one.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
            await until_points(one, 10)
            (badge,) = await holdings.badges_of(served.gateway, one.passport)
            tokens.append(badge.token_id)
        await change(devnet, tokens[0], SUSPENDED)
        five = {one["id"]: one for one in await alice.get(f"/v1/passports/{alice.passport}/dimensions")}
        assert five["assets"]["points"] == 0, "what is suspended counts nothing"
        await change(devnet, tokens[0], REVOKED)
        await until_points(alice, 0)
        assert await ledger.total_of(served.gateway.client, alice.passport) == 0

    await change(devnet, tokens[1], REVOKED)
    async with serving(settings) as served:
        again = replace(bob, served=served)
        await until_points(again, 0)
        entries = await ledger.entries_of(served.gateway.client, bob.passport)
        assert [one.amount for one in entries] == [10, -10]
        await served.gateway.relayer.step()
        async with served.gateway.database.transaction() as tx:
            named = (
                (await tx.execute(select(jobs.c.once).where(jobs.c.once.contains("points of"))))
                .scalars()
                .all()
            )
        assert len(named) == len(set(named)) >= 4, "a block's badges are one job, however often it is seen"
