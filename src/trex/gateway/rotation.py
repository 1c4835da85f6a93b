"""Rotates k: every nullifier gets a form under the next key before any counts under it (PAS-044, GTW-085)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway import outbox
from trex.gateway.nullify import KeyHolder, Sealer, ask_first, nullifier_of, scope_of
from trex.gateway.outbox import JobKind
from trex.gateway.store.database import Database
from trex.gateway.store.schema import accounts, blinds
from trex.passport import contracts as abi
from trex.passport.client import PersonaClient
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.web.database import facts

log = logging.getLogger(__name__)

BATCH = 50
"""Nullifiers mapped in one transaction."""
PAUSE_S = 1.0
"""Between looks at how far it is."""
OPERATOR = Hash32(bytes(32))
FORMS = "k forms"
"""Fact: epoch of k whose forms the table of accounts has."""


class WrongNullifierKeyError(Exception):
    """None of the keys given is the k that is in force: under another, everybody would be somebody new."""


class CurrentKeyHolder:
    """Holds the k that is in force, and takes the next one's place when it comes into force."""

    def __init__(self, holder: KeyHolder) -> None:
        """Take the one that is in force."""
        self.holder = holder

    @property
    def fingerprint(self) -> str:
        """Of the k in force."""
        return self.holder.fingerprint

    async def prf(self, platform: str, account: str, scope: str) -> bytes:
        """PRF under the k in force."""
        return await self.holder.prf(platform, account, scope)


class Rotation:
    """Carries k from one epoch to the next; after a kill, what is left to do follows from the chain."""

    def __init__(
        self,
        database: Database,
        client: PersonaClient,
        sealer: Sealer,
        keys: Sequence[KeyHolder],
        now_s: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        """Take what it works with.

        Args:
            database: of the gateway.
            client: of the chain.
            sealer: of the database.
            keys: who holds k, and who the next one if there is to be one.
            now_s: clock, Unix seconds.
            wake: has the relayer look at the queue.
        """
        self.database, self.client, self.sealer = database, client, sealer
        self._keys = {key.fingerprint: key for key in keys}
        self._now_s, self._wake = now_s, wake
        self._next: KeyHolder | None = None

    async def begin(self) -> CurrentKeyHolder:
        """Find the k in force among the keys given.

        Raises:
            WrongNullifierKeyError: it is not among them.
        """
        epoch = await self.client.key_epoch()
        first = next(iter(self._keys))
        async with self.database.transaction() as tx:
            there = await _fact(tx, f"k {epoch}", first)
        if there not in self._keys:
            raise WrongNullifierKeyError(f"keys.nullifier is not the k of epoch {epoch}, which is in force")
        self.current = CurrentKeyHolder(self._keys[there])
        await self._settle(epoch)
        others = [name for name in self._keys if name != there]
        async with self.database.transaction() as tx:
            for name in others:
                served = (await tx.execute(select(facts.c.name).where(facts.c.value == name))).scalars().all()
                if set(served) <= {f"k {epoch + 1}"}:  # a k that was in force before is none to come
                    self._next = self._keys[await _fact(tx, f"k {epoch + 1}", name)]
        return self.current

    async def run(self) -> None:
        """Rotate, if there is a next k; return when it is in force."""
        if self._next is None:
            return
        epoch, holder = await self.client.key_epoch(), self._next
        while await self.client.key_epoch() == epoch:
            try:
                await self._step(epoch, holder)
            except Exception:
                log.exception("k cannot be rotated further for now")
            await asyncio.sleep(PAUSE_S)
        self.current.holder = holder
        await self._settle(epoch + 1)
        log.info("k is rotated", extra={"epoch": epoch + 1})

    async def _step(self, epoch: int, holder: KeyHolder) -> None:
        """Queue the mapping of what lacks a form, or the opening if nothing does."""
        at = self.client.contracts.nullifiers
        mapped, total = await self.client.ask((at, abi.MAPPED, ()), (at, abi.TOTAL, ()))
        if mapped == total:
            await self._queue(JobKind.OPEN_KEY_EPOCH, {}, f"open key epoch {epoch + 1} {total}")
            return
        async with self.database.transaction() as tx:
            rows = (await tx.execute(select(accounts.c.nullifier, accounts.c.sealed))).all()
        lacking = []
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            questions = ((at, abi.CREDENTIAL_OF, (bytes(row.nullifier),)) for row in some)
            told = await self.client.ask(*questions)
            lacking += [
                row for row, one in zip(some, told, strict=True) if one is not None and one[2] == epoch
            ]
        if not lacking:
            log.warning(
                "nullifiers that are not of this gateway lack a form under the next k",
                extra={"mapped": mapped, "total": total},
            )
        for first in range(0, len(lacking), BATCH):
            some = lacking[first : first + BATCH]
            await self._ask_first(holder, some)
            async with self.database.transaction() as tx:
                forms = [await self._form(tx, holder, row) for row in some]
            payload = {
                "from": [bytes(row.nullifier).hex() for row in some],
                "to": [one.hex() for one in forms],
            }
            named = keccak256(orjson.dumps(payload)).hex()
            await self._queue(JobKind.MAP, payload, f"map {epoch + 1} {mapped} {named}")

    async def _ask_first(self, holder: KeyHolder, rows: Sequence[Any]) -> None:
        named = [self._account(row) for row in rows]
        await ask_first(holder, *((platform, account, scope_of(platform)) for platform, account in named))

    async def _form(self, tx: AsyncConnection, holder: KeyHolder, row: Any) -> Hash32:
        platform, account = self._account(row)
        return await nullifier_of(tx, holder, self.sealer, platform, account, scope_of(platform))

    async def _queue(self, kind: JobKind, payload: dict[str, Any], once: str) -> None:
        async with self.database.transaction() as tx:
            await outbox.enqueue(
                tx, kind, payload, passport=0, owner=OPERATOR, now_s=self._now_s(), once=once
            )
        self._wake()

    async def _settle(self, epoch: int) -> None:
        """Name accounts by the forms of the k in force, and forget the blinds of the one before."""
        async with self.database.transaction() as tx:
            if await _fact(tx, FORMS, str(epoch)) == str(epoch):
                return
            rows = (await tx.execute(select(accounts.c.nullifier, accounts.c.sealed))).all()
        for first in range(0, len(rows), BATCH):
            await self._ask_first(self.current, rows[first : first + BATCH])
        async with self.database.transaction() as tx:
            kept = set()
            for row in rows:
                form = await self._form(tx, self.current, row)
                kept.add(await self._tag(row))
                mine = accounts.c.nullifier == row.nullifier
                await tx.execute(update(accounts).where(mine).values(nullifier=form))
            for tag in (await tx.execute(select(blinds.c.tag))).scalars().all():
                if bytes(tag) not in kept:
                    await tx.execute(delete(blinds).where(blinds.c.tag == tag))
            await tx.execute(update(facts).where(facts.c.name == FORMS).values(value=str(epoch)))

    async def _tag(self, row: Any) -> bytes:
        platform, account = self._account(row)
        return await self.current.prf(platform, account, scope_of(platform))

    def _account(self, row: Any) -> tuple[str, str]:
        told = orjson.loads(self.sealer.open(bytes(row.sealed), "account"))
        return told["platform"], told["id"]


async def _fact(tx: AsyncConnection, name: str, value: str) -> str:
    """Return a fact; it is the one given if there was none."""
    known = (await tx.execute(select(facts.c.value).where(facts.c.name == name))).scalar_one_or_none()
    if known is not None:
        return str(known)
    await tx.execute(insert(facts).values(name=name, value=value))
    return value
