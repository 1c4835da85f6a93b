"""Badges that change outside the gateway: the ledger follows, also after the gateway was away."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select
from tests.gateway.conftest import KEYS, serving, settings_for
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import give, holds, policy, until_points
from tests.node.conftest import PATIENCE_S, Devnet

from trex.gateway import holdings
from trex.gateway.attest import LocalAttestor, attest
from trex.gateway.follow import Follower
from trex.gateway.settings import Settings
from trex.gateway.store.database import Database
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


class Meanwhile(Endpoint):
    """Something happens on the chain after its newest block was told and before its newest final one is."""

    happens: Callable[[], Awaitable[None]] | None = None

    async def call(self, method: str, *params: Any) -> Any:
        if params[:1] == ("finalized",) and self.happens is not None:
            act, self.happens = self.happens, None
            await act()
        return await super().call(method, *params)


async def change(devnet: Devnet, token: int, state: int) -> None:
    """As the validator set does without this gateway: attested, and sent by somebody."""
    async with aiohttp.ClientSession() as http:
        await _change(
            devnet, PersonaClient(Endpoint(devnet.url, http, timeout_s=PATIENCE_S), Contracts()), token, state
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


@pytest.fixture
def settings(devnet: Devnet, database_url: str, tmp_path: Path) -> Settings:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "wealthy.json").write_text(json.dumps(policy(f"Wealthy {secrets.token_hex(4)}", holds("5"))))
    return settings_for(
        devnet, database_url, policies=folder, chains={1962: EvmChain(1962, (devnet.url,), 1)}
    )


async def granted(devnet: Devnet, one: Person) -> int:
    """Give a person a badge that the ledger has counted, and return its number."""
    give(devnet, one, 9)
    await one.finished({"number": (await one.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
    await until_points(one, 10)
    (badge,) = await holdings.badges_of(one.served.gateway, one.passport)
    return badge.token_id


async def test_badges_changed_by_others_are_followed(devnet: Devnet, settings: Settings) -> None:
    """GTW-083, PTS-005: suspended, reinstated, revoked; while the gateway runs and while it does not."""
    async with serving(settings) as served:
        alice, bob = await evm_person(served).create(), await evm_person(served).create()
        tokens = [await granted(devnet, one) for one in (alice, bob)]
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
        named = await followed(served.gateway.database)
        assert len(named) == len(set(named)) >= 4, "a block's badges are one job, however often it is seen"


async def test_block_that_is_final_before_it_was_looked_at_is_looked_at_still(
    devnet: Devnet, settings: Settings
) -> None:
    """GTW-083: where blocks are final at once, one may come between two questions."""
    async with serving(settings) as served:
        token = await granted(devnet, await evm_person(served).create())
    database = Database(settings.database)
    try:
        async with aiohttp.ClientSession() as http:
            rpc = Meanwhile(devnet.url, http, timeout_s=PATIENCE_S)
            follower = Follower(database, PersonaClient(rpc, Contracts()), lambda: 0, lambda: None)
            await follower.step()
            before = await followed(database)
            devnet.call("evm_mine")  # else there is nothing new to look at
            rpc.happens = partial(change, devnet, token, REVOKED)
            await follower.step()
            assert rpc.happens is None
            await follower.step()
        assert len(await followed(database)) == len(before) + 1
    finally:
        await database.close()


async def followed(database: Database) -> list[str]:
    """Names of the jobs that bring the ledger after badges."""
    async with database.transaction() as tx:
        return list(
            (await tx.execute(select(jobs.c.once).where(jobs.c.once.contains("points of")))).scalars()
        )
