"""k is rotated: nobody gets a second name, and what was done under the old k stays done."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.gateway.conftest import KEYS, Served, serving
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import give
from tests.gateway.test_tasks import done, folder_of, points, settings_of, shows, until_season
from tests.node.conftest import Devnet, devnet_at

from trex.gateway import people
from trex.gateway.keys import Secret
from trex.gateway.nullify import nullifier_of
from trex.gateway.people import AccountOf
from trex.gateway.rotation import WrongNullifierKeyError
from trex.gateway.service import Gateway
from trex.gateway.store.schema import accounts, blinds

SECOND, THIRD = Secret(b"\x11" * 32), Secret(b"\x12" * 32)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A chain with one gateway: whose nullifiers are all its own."""
    with devnet_at(tmp_path_factory.mktemp("rotation") / "data") as running:
        yield running


async def until_epoch(served: Served, epoch: int) -> None:
    for _ in range(6_000):
        if await served.gateway.client.key_epoch() == epoch and served.gateway._rotating.done():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("k was not rotated")


async def kept(served: Served) -> tuple[list[bytes], int]:
    async with served.gateway.database.transaction() as tx:
        names = [bytes(one) for one in (await tx.execute(select(accounts.c.nullifier))).scalars()]
        return names, len((await tx.execute(select(blinds.c.tag))).all())


async def in_again(person: Person, served: Served) -> Person:
    again = replace(person, served=served)
    await again.sign_in()
    return again


async def test_nobody_counts_twice_after_k_is_rotated(alone: Devnet, tmp_path: Path) -> None:
    """GTW-085, PAS-044, TSK-010: from one k to the next and the one after it."""
    folder = folder_of(tmp_path)
    settings = settings_of(alone, f"sqlite:///{tmp_path / 'g.db'}", folder)
    async with serving(settings) as served:
        await until_season(served)
        alice, bob = await evm_person(served).create(), await evm_person(served).create()
        await shows(alice, "6001")
        await shows(bob, "6002")
        for one in (alice, bob):
            give(alone, one, 9)
        await done(alice, "rich")
        (mine,) = await served.gateway.client.nullifiers(alice.passport)
        before, _ = await kept(served)
        assert set(before) >= {mine.canonical}

    async with serving(settings, keys=replace(KEYS, next_nullifier=SECOND)) as served:
        await until_epoch(served, 2)
        after, tags = await kept(served)
        assert not set(before) & set(after)
        assert (len(after), tags) == (len(before), len(before)), "blinds of the old forms are destroyed"
        alice, bob = await in_again(alice, served), await in_again(bob, served)
        assert [one.canonical for one in await served.gateway.client.nullifiers(alice.passport)] == [
            mine.canonical
        ]
        assert (await done(alice, "rich", 409))["code"] == "conflict"
        await done(bob, "rich")
        assert await held_by(served, "6001") == alice.passport
        carol = await evm_person(served).create()
        shown = AccountOf("github", "6001", "octo")
        _, is_moving = await people.bind_shown(
            served.gateway, carol.key, carol.passport, shown, act="link-account", subject="github"
        )
        assert is_moving, "it is another's still"
        await shows(carol, "6003")  # who is new is bound under the new k

    rotated = replace(KEYS, nullifier=SECOND, next_nullifier=THIRD)
    async with serving(settings, keys=rotated) as served:
        await until_epoch(served, 3)
        bob = await in_again(bob, served)
        assert (await done(bob, "rich", 409))["code"] == "conflict"
        assert (await points(bob))["total"] == 70
        assert await held_by(served, "6003") == carol.passport

    for wrong in (replace(KEYS, nullifier=SECOND), KEYS, replace(KEYS, next_nullifier=SECOND)):
        gateway = Gateway(settings, wrong)
        with pytest.raises(WrongNullifierKeyError):
            await gateway.start()
        await gateway._open.aclose()


async def held_by(served: Served, account: str) -> int:
    """Passport that holds an account, by the form that the k in force gives it."""
    gateway = served.gateway
    async with gateway.database.transaction() as tx:
        nullifier = await nullifier_of(
            tx, gateway.key_holder, gateway.sealer, "github", account, "account/github"
        )
    return await gateway.client.holder_of(nullifier)
