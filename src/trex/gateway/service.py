"""The gateway as one object: what it stands on, its state, its tasks."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Any

import aiohttp

from trex.badges.chain.contract import PUBLISH
from trex.gateway import challenges, outbox, sessions, sign_in
from trex.gateway.anchors import Anchorer
from trex.gateway.attest import Attestor, LocalAttestor, Showable
from trex.gateway.attestor.group import Group
from trex.gateway.attestor.remote import RemoteAttestor, SharedKeyHolder
from trex.gateway.calls import payload_of
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.follow import Follower
from trex.gateway.keys import Keys, Secret, account_of
from trex.gateway.nullify import KeyHolder, Sealer, SoleKeyHolder
from trex.gateway.outbox import Job
from trex.gateway.policies import load_offers
from trex.gateway.relayer import Relayer
from trex.gateway.rotation import Rotation
from trex.gateway.settings import Settings
from trex.gateway.store.database import Database
from trex.gateway.taskbook import load_tasks
from trex.passport.client import PersonaClient
from trex.passport.contracts import TERMS_OF
from trex.passport.keys import Key
from trex.points import ledger
from trex.rpc.endpoint import Endpoint
from trex.rpc.pace import Pace
from trex.types.primitives import Hash32
from trex.validators.ecosystem.allowlist import load_lists
from trex.web import audit
from trex.web.limits import Limiter

log = logging.getLogger(__name__)

RPC_S = 30.0
"""The chain's endpoint has that long for an answer."""


class State(StrEnum):
    """Where the service stands; it only goes forward."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class WrongChainError(Exception):
    """The endpoint is of another chain than the settings say."""


class SeasonMismatchError(Exception):
    """The chain has a season with other terms than the settings say."""


class Gateway:
    """Everything that a request needs."""

    def __init__(self, settings: Settings, keys: Keys, *, clock: Callable[[], float] = time.time) -> None:
        """Take settings and keys; nothing is opened yet."""
        self.settings, self.keys = settings, keys
        self.key_holder: KeyHolder
        self.sealer = Sealer(keys.sealing)
        self.attestors: list[Attestor] = [LocalAttestor(one) for one in keys.attestors]
        self.clock = clock
        self.state = State.STARTING
        self.database = Database(settings.database)
        publisher = account_of(keys.relayer)
        self.offers = dict(load_offers(settings.policies, publisher)) if settings.policies else {}
        self.tasks = load_tasks(settings.tasks) if settings.tasks else {}
        self.lists = load_lists(settings.lists) if settings.lists else {}
        """Allow-lists of stages by root."""
        self.requests = Limiter(settings.requests)
        self.costly = Limiter(settings.costly)
        told = settings.chains.items()
        self.paces = {one: Pace(chain.requests_per_s) for one, chain in told if chain.requests_per_s}
        """How fast the endpoints of chains are asked, over all evaluations."""
        self._open = AsyncExitStack()
        self.computing = asyncio.Lock()
        """One epoch of rewards is computed at a time."""
        self.status_lists: dict[tuple[str, int], tuple[float, str]] = {}
        """Signed status lists by purpose and page, with when they were made (monotonic)."""
        self.client: PersonaClient
        self.relayer: Relayer
        self._work: asyncio.Task[None]

    @property
    def now_s(self) -> int:
        """Unix time in seconds."""
        return int(self.clock())

    async def start(self) -> None:
        """Open the database and find the chain.

        Raises:
            WrongChainError: the endpoint is of another chain.
            SeasonMismatchError: the chain has a season with other terms.
            WrongNullifierKeyError: another k is in force.
            DatabaseMismatchError: the database belongs to another chain or version.
            UnavailableError: the chain does not answer.
        """
        self.http = await self._open.enter_async_context(aiohttp.ClientSession())
        rpc = Endpoint(self.settings.rpc_url, self.http, timeout_s=RPC_S)
        self.client = PersonaClient(rpc, self.settings.contracts)
        told = int(await rpc.call("eth_chainId"), 16)
        if told != self.settings.contracts.chain_id:
            raise WrongChainError(f"the endpoint is of chain {told}, not {self.settings.contracts.chain_id}")
        genesis = await rpc.call("eth_getBlockByNumber", "0x0", False)
        self._open.push_async_callback(self.database.close)
        await self.database.open(genesis["hash"])
        remote = [RemoteAttestor(one, self.keys.relayer, self.http) for one in self.settings.members]
        self.attestors += remote
        self.relayer = Relayer(
            self.database,
            self.client,
            self.keys.relayer,
            self.attestors,
            lambda: self.now_s,
            self._show if remote else None,
        )
        given = [one for one in (self.keys.nullifier, self.keys.next_nullifier) if one is not None]
        holders = [_holder(one, remote) for one in given]
        rotation = Rotation(
            self.database, self.client, self.sealer, holders, lambda: self.now_s, self.relayer.wake
        )
        self.key_holder = await rotation.begin()
        follower = Follower(self.database, self.client, lambda: self.now_s, self.relayer.wake)
        await follower.begin()
        await self._publish()
        await self._announce_seasons()
        self._work = asyncio.create_task(self.relayer.run())
        self._open.push_async_callback(self._end_work)
        self._rotating = asyncio.create_task(rotation.run())
        anchorer = Anchorer(
            self.database, self.relayer.account, self.settings.anchor_s, lambda: self.now_s, self.relayer.wake
        )
        tasks = [self._rotating, asyncio.create_task(follower.run())]
        tasks += [asyncio.create_task(anchorer.run())] if self.settings.anchor_s else []
        for task in tasks:
            self._open.push_async_callback(_end, task)
        self.state = State.RUNNING

    async def _show(self, jobs: Sequence[Job]) -> Sequence[Showable]:
        from trex.gateway.reexecution import shown_for  # it stands on this module

        return await shown_for(self, jobs)

    async def _publish(self) -> None:
        """Publish policies that the chain does not know yet (BDG-001)."""
        at = self.settings.contracts.policies
        for offer in self.offers.values():
            (terms,) = await self.client.ask((at, TERMS_OF, (offer.id,)))
            if terms[1]:
                continue
            data = PUBLISH.call(
                offer.policy.document_hash,
                len(offer.policy.levels),
                offer.evidence_class,
                offer.policy.name,
                f"{self.settings.public_url}/v1/policies/{offer.slug}",
            )
            async with self.database.transaction() as tx:
                await outbox.enqueue(
                    tx,
                    outbox.JobKind.RELAY,
                    {"to": at.hex(), "data": data.hex()},
                    passport=0,
                    owner=offer.id,
                    now_s=self.now_s,
                    once=f"publish {offer.id.hex()}",
                )

    async def _announce_seasons(self) -> None:
        """Announce seasons that the chain does not know yet, in order (GTW-081).

        Raises:
            SeasonMismatchError: the chain has one otherwise.
        """
        known = await ledger.seasons(self.client)
        after: int | None = None
        for number, wanted in enumerate(self.settings.seasons, 1):
            if number <= len(known):
                told = known[number - 1]
                caps = dict(zip(wanted.kinds, wanted.kindCaps, strict=True))
                there = (told.start_s, told.end_s, told.passport_cap, told.kind_caps)
                if there != (wanted.start, wanted.end, wanted.passportCap, caps):
                    raise SeasonMismatchError(f"season {number} is on the chain with other terms")
                continue
            async with self.database.transaction() as tx:
                after = await outbox.enqueue(
                    tx,
                    outbox.JobKind.SEASON,
                    {"season": number, **payload_of(wanted)},
                    passport=0,
                    owner=Hash32(bytes(32)),
                    now_s=self.now_s,
                    once=f"season {number} {wanted.start} {wanted.end}",
                    after=after,
                )

    async def _end_work(self) -> None:
        self.relayer.stop()
        await self._work

    async def stop(self) -> None:
        """Finish what was begun, and close."""
        self.state = State.DRAINING
        async with asyncio.timeout(30):
            await self._open.aclose()
        self.state = State.STOPPED

    async def new_nonce(self) -> str:
        """Hand out a nonce for a sign-in text."""
        async with self.database.transaction() as tx:
            return await challenges.hand_out(tx, sign_in.SIGN_IN, {}, self.now_s, self.settings.challenge_s)

    async def _take(self, kind: str, nonce: str) -> dict[str, Any]:
        """Use a nonce up, whatever comes of it."""
        async with self.database.transaction() as tx:
            return await challenges.take(tx, kind, nonce, self.now_s)

    async def sign_in_by_text(self, text: str, signature: bytes) -> tuple[Key, str]:
        """Sign a wallet in; return its key and a token.

        Raises:
            GatewayError: the text is for another place or time, its nonce was used, or it is not signed.
        """
        read = sign_in.read_sign_in(text, self.settings, self.now_s)
        await self._take(sign_in.SIGN_IN, read.nonce)
        if not await sign_in.has_signed_text(self.client, read.key, text, signature):
            await self._note(read.key, "sign-in", "bad_signature")
            raise GatewayError(Fault.BAD_SIGNATURE, "not signed by that account")
        return await self._begin(read.key)

    async def sign_in_by_passkey(self, credential: dict[str, Any]) -> tuple[Key, str]:
        """Sign a passkey in; return its key and a token.

        Raises:
            GatewayError: it is not known here, or did not sign what it was asked.
        """
        nonce = sign_in.challenge_of(credential)
        await self._take(sign_in.WITH_PASSKEY, nonce)
        async with self.database.transaction() as tx:
            key = await sign_in.check_passkey(tx, self.settings, credential, nonce)
        return await self._begin(key)

    async def register_passkey(self, credential: dict[str, Any]) -> Key:
        """Remember a passkey that a browser has made.

        Raises:
            GatewayError: it was made for another site or challenge, or is not of P-256.
        """
        nonce = sign_in.challenge_of(credential)
        await self._take(sign_in.NEW_PASSKEY, nonce)
        async with self.database.transaction() as tx:
            key = await sign_in.register_passkey(tx, self.settings, credential, nonce, self.now_s)
            await audit.record(tx, self.now_s, sign_in.key_name(key), "new-passkey", "", "done")
        return key

    async def _begin(self, key: Key) -> tuple[Key, str]:
        async with self.database.transaction() as tx:
            token = await sessions.begin(tx, key, self.now_s, self.settings.session_s)
            await audit.record(tx, self.now_s, sign_in.key_name(key), "sign-in", "", "done")
        return key, token

    async def _note(self, key: Key, action: str, outcome: str) -> None:
        async with self.database.transaction() as tx:
            await audit.record(tx, self.now_s, sign_in.key_name(key), action, "", outcome)

    async def session(self, token: str) -> sessions.Session | None:
        """Return who a token signs in; None if nobody."""
        async with self.database.transaction() as tx:
            return await sessions.find(tx, token, self.now_s)

    async def sign_out(self, token: str) -> None:
        """End a sign-in."""
        async with self.database.transaction() as tx:
            await sessions.end(tx, token)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _holder(key: Secret | Group, members: Sequence[RemoteAttestor]) -> KeyHolder:
    return SharedKeyHolder(key, members) if isinstance(key, Group) else SoleKeyHolder(key)
