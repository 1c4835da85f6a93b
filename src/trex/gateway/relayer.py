"""Brings jobs to the chain (GTW-020 to GTW-024): signs, stores, sends, watches; goes on after a kill."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from eth_account import Account
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.engagement.epochs import REWARD_SKIPPED
from trex.gateway import outbox
from trex.gateway.attest import Attestor, NoQuorumError, NotAttestedError
from trex.gateway.calls import DELEGATION_GAS, Call, Show, call_of
from trex.gateway.errors import GatewayError
from trex.gateway.keys import Secret, account_of
from trex.gateway.outbox import Job, JobKind, JobState
from trex.gateway.reverts import reason_of
from trex.gateway.store.database import Database
from trex.gateway.store.schema import jobs, transactions
from trex.passport.client import PersonaClient
from trex.rpc.errors import RefusedError, UnavailableError
from trex.types.evm import checksum_address
from trex.types.primitives import Hash32

log = logging.getLogger(__name__)

BATCH = 50
"""Most grants, deeds or claims in one transaction."""
BATCHED = frozenset({JobKind.GRANT, JobKind.POINTS, JobKind.CLAIM})
MAX_GAS = 16_777_216
"""Most gas of one transaction (EIP-7825)."""
ATTEMPTS = 3
"""A job whose transactions revert that often is given up."""
RESEND_S = 3
"""A transaction that is in no block by then is sent again."""
BUMP_S = 30
"""A transaction that is in no block by then is signed anew with higher fees."""
PAUSE_S = 0.2
"""Between looks at the queue, when nothing wakes the worker."""
LATER_S = 10
"""What too few members are there for is tried again by then."""
FAULT_PAUSE_S = 2.0
"""After the chain or the database did not answer."""
TIP_WEI = 1_000_000
SENT, MINED, FINAL, LOST = "sent", "mined", "final", "lost"
"""States of a transaction."""


class Relayer:
    """The one worker over the queue. Two of them do no harm: a job is claimed, a nonce is used, once."""

    def __init__(
        self,
        database: Database,
        client: PersonaClient,
        secret: Secret,
        attestors: Sequence[Attestor],
        now_s: Callable[[], int],
        show: Show | None = None,
    ) -> None:
        """Take what it works with.

        Args:
            database: holds queue and transactions.
            client: of the chain.
            secret: of the account that pays.
            attestors: who attest what the jobs say.
            now_s: clock, Unix seconds.
            show: what grants rest on, for attestors that see for themselves.
        """
        self.database, self.client, self.attestors = database, client, tuple(attestors)
        self._secret, self._now_s, self._show = secret, now_s, show
        self.account = account_of(secret)
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look at the queue now."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the step under way and return from `run`."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Work until stopped; what fails for want of chain or database is tried again."""
        while not self._stopping:
            pause = PAUSE_S
            try:
                if await self.step():
                    continue
            except UnavailableError as error:
                log.warning("the chain does not answer: %s", error.code)
                pause = FAULT_PAUSE_S
            except Exception:
                log.exception("the relayer could not work")
                pause = FAULT_PAUSE_S
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                pass
            if not self._stopping:
                self._woken.clear()

    async def step(self) -> bool:
        """Settle what is on its way and send what waits; return whether there was anything to send."""
        await self._settle()
        async with self.database.transaction() as tx:
            waiting = await outbox.ready(tx, self._now_s(), 4 * BATCH)
        groups = _groups(waiting)
        for group in groups:
            try:
                await self._send(group)
            except (UnavailableError, SQLAlchemyError):
                raise
            except Exception:
                # One job that cannot be worked on does not keep the rest waiting.
                log.exception("a job cannot be sent", extra={"jobs": [job.number for job in group]})
                for job in group:
                    await self._refused(job, "internal")
        return bool(groups)

    async def _send(self, group: list[Job]) -> None:
        """Send jobs as one transaction, or in halves where one of them spoils it (GTW-023)."""
        try:
            call = await call_of(self.client, self.attestors, group, self._show)
        except (NotAttestedError, GatewayError) as error:
            await self._halved(group, str(error))
            return
        except NoQuorumError as error:
            await self._later(group, str(error))
            return
        request = {
            "from": f"0x{self.account.hex()}",
            "to": f"0x{call.to.hex()}",
            "data": f"0x{call.data.hex()}",
        }
        try:
            found = await self.client.rpc.call("eth_estimateGas", request, "pending", call.overrides)
        except RefusedError as error:
            await self._halved(group, reason_of(error))
            return
        gas = int(found, 16) + (0 if call.authorization is None else DELEGATION_GAS)
        await self._commit_and_broadcast(group, call, min(MAX_GAS, gas + gas // 4))

    async def _halved(self, group: list[Job], reason: str) -> None:
        """Send what can be of a group that is refused as a whole (GTW-023)."""
        if len(group) == 1:
            await self._refused(group[0], reason)
            return
        half = len(group) // 2
        await self._send(group[:half])
        await self._send(group[half:])

    async def _commit_and_broadcast(self, group: list[Job], call: Call, gas: int) -> None:
        """GTW-021: signed and stored first, sent afterwards; a kill between the two loses nothing."""
        head = await self.client.rpc.call("eth_getBlockByNumber", "latest", False)
        on_chain = int(
            await self.client.rpc.call("eth_getTransactionCount", f"0x{self.account.hex()}", "pending"), 16
        )
        numbers = [job.number for job in group]
        try:
            async with self.database.transaction() as tx:
                mine = transactions.c.sender == self.account
                used = (
                    await tx.execute(
                        select(func.max(transactions.c.nonce)).where(mine, transactions.c.state != LOST)
                    )
                ).scalar_one_or_none()
                nonce = max(on_chain, -1 if used is None else int(used) + 1)
                request = {
                    "chainId": self.client.contracts.chain_id,
                    "nonce": nonce,
                    "to": checksum_address(call.to),
                    "data": f"0x{call.data.hex()}",
                    "value": 0,
                    "gas": gas,
                    "maxPriorityFeePerGas": TIP_WEI,
                    "maxFeePerGas": 2 * int(head["baseFeePerGas"], 16) + TIP_WEI,
                }
                if call.authorization is not None:
                    request["authorizationList"] = [dict(call.authorization)]
                raw, hash_ = self._sign(request)
                await tx.execute(
                    transactions.delete().where(
                        mine, transactions.c.nonce == nonce, transactions.c.state == LOST
                    )
                )
                stored = insert(transactions).values(
                    sender=self.account,
                    nonce=nonce,
                    request=orjson.dumps(request).decode(),
                    raw=raw,
                    hashes=orjson.dumps([hash_.hex()]).decode(),
                    state=SENT,
                    block=0,
                    signed_s=self._now_s(),
                )
                number = (await tx.execute(stored.returning(transactions.c.number))).scalar_one()
                if not await outbox.claim(tx, numbers, number, self._now_s()):
                    await tx.rollback()
                    return
        except IntegrityError:
            return  # another worker used that nonce meanwhile: the next look finds the next one
        log.info(
            "sending", extra={"transaction": hash_.hex(), "kind": group[0].kind.value, "jobs": len(group)}
        )
        await self._broadcast(raw)

    def _sign(self, request: dict[str, Any]) -> tuple[bytes, Hash32]:
        signed = Account.sign_transaction(request, self._secret.reveal())
        return bytes(signed.raw_transaction), Hash32(bytes(signed.hash))

    async def _broadcast(self, raw: bytes) -> None:
        try:
            await self.client.rpc.call("eth_sendRawTransaction", f"0x{raw.hex()}")
        except RefusedError as error:
            # Known already, or its nonce was used: the receipt, or the account's nonce, will tell.
            log.debug("not taken: %s", error.code)

    async def _settle(self) -> None:
        """See what became of transactions, and send again what is in no block."""
        async with self.database.transaction() as tx:
            waits = transactions.c.state.in_((SENT, MINED))
            rows = (await tx.execute(select(transactions).where(waits).order_by(transactions.c.nonce))).all()
        if not rows:
            return
        final = int((await self.client.rpc.call("eth_getBlockByNumber", "finalized", False))["number"], 16)
        count = await self.client.rpc.call("eth_getTransactionCount", f"0x{self.account.hex()}", "latest")
        for row in rows:
            receipt = await self._receipt(orjson.loads(row.hashes))
            if receipt is not None:
                await self._mined(row, receipt, final)
            elif row.state == MINED:
                await self._move(row, SENT, JobState.SENT)  # its block was replaced
                await self._broadcast(bytes(row.raw))
            elif int(count, 16) > row.nonce:
                await self._nonce_used(row)
            elif self._now_s() - row.signed_s >= BUMP_S:
                await self._bump(row)
            elif self._now_s() - row.signed_s >= RESEND_S:
                await self._broadcast(bytes(row.raw))

    async def _receipt(self, hashes: list[str]) -> dict[str, Any] | None:
        for hash_ in hashes:
            found = await self.client.rpc.call("eth_getTransactionReceipt", f"0x{hash_}")
            if found is not None:
                assert isinstance(found, dict)
                return found
        return None

    async def _mined(self, row: Any, receipt: dict[str, Any], final: int) -> None:
        block = int(receipt["blockNumber"], 16)
        state = FINAL if block <= final else MINED
        if state == row.state:
            return
        async with self.database.transaction() as tx:
            await tx.execute(
                update(transactions)
                .where(transactions.c.number == row.number)
                .values(state=state, block=block)
            )
            if row.state != SENT:
                return
            if receipt["status"] == "0x1":
                await outbox.settle(tx, row.number, JobState.DONE, self._now_s())
                await self._fail_skipped(tx, row, receipt)
                return
            again = await outbox.settle(tx, row.number, JobState.SENT, self._now_s())
            for job in again:
                if job.attempts + 1 < ATTEMPTS:
                    await outbox.requeue(tx, [job.number], self._now_s(), self._now_s())
                else:
                    await outbox.fail(tx, [job.number], "reverted", self._now_s())

    async def _fail_skipped(self, tx: AsyncConnection, row: Any, receipt: dict[str, Any]) -> None:
        """Claims that a batch left out were not paid (PTS-024)."""
        topic = f"0x{REWARD_SKIPPED.hex()}"
        skipped = {
            (int(one["topics"][1], 16), int(one["topics"][2], 16))
            for one in receipt["logs"]
            if one["topics"][:1] == [topic]
        }
        if skipped:
            mine = outbox.settle(tx, row.number, JobState.DONE, self._now_s())
            lost = [one.number for one in await mine if (one.payload.get("epoch"), one.passport) in skipped]
            await outbox.fail(
                tx, lost, "left out: paid already, or the payout address refuses", self._now_s()
            )

    async def _move(self, row: Any, state: str, jobs_state: JobState) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(
                update(transactions).where(transactions.c.number == row.number).values(state=state)
            )
            await outbox.settle(tx, row.number, jobs_state, self._now_s())

    async def _nonce_used(self, row: Any) -> None:
        """Another transaction of the account has this nonce: what this one was to do waits again."""
        if await self._receipt(orjson.loads(row.hashes)) is not None:
            return  # it came between the two questions
        async with self.database.transaction() as tx:
            await tx.execute(
                update(transactions).where(transactions.c.number == row.number).values(state=LOST)
            )
            jobs = await outbox.settle(tx, row.number, JobState.SENT, self._now_s())
            await outbox.requeue(tx, [job.number for job in jobs], self._now_s(), self._now_s())

    async def _bump(self, row: Any) -> None:
        """Sign anew with fees that replace the one before."""
        request = orjson.loads(row.request)
        for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
            request[fee] = request[fee] * 5 // 4 + 1
        raw, hash_ = self._sign(request)
        async with self.database.transaction() as tx:
            await tx.execute(
                update(transactions)
                .where(transactions.c.number == row.number)
                .values(
                    request=orjson.dumps(request).decode(),
                    raw=raw,
                    hashes=orjson.dumps([*orjson.loads(row.hashes), hash_.hex()]).decode(),
                    signed_s=self._now_s(),
                )
            )
        await self._broadcast(raw)

    async def _refused(self, job: Job, reason: str) -> None:
        """Try again in a moment, for what it builds on may not be there yet; then give it up.

        GTW-023: while the job before it is in no block, however long that takes, this counts as no try.
        """
        async with self.database.transaction() as tx:
            before = select(jobs.c.state).where(jobs.c.number == job.after)
            early = (await tx.execute(before)).scalar_one_or_none() == JobState.SENT.value
            if early or job.attempts + 1 < ATTEMPTS:
                soon_s = self._now_s() + 1
                await outbox.requeue(tx, [job.number], soon_s, self._now_s(), tries=0 if early else 1)
            else:
                await outbox.fail(tx, [job.number], reason, self._now_s())
        log.info("refused by the contracts", extra={"job": job.number, "reason": reason})

    async def _later(self, group: list[Job], why: str) -> None:
        async with self.database.transaction() as tx:
            numbers, now_s = [job.number for job in group], self._now_s()
            await outbox.requeue(tx, numbers, now_s + LATER_S, now_s, tries=0)
        log.warning("waits", extra={"jobs": len(group), "reason": why})


def _groups(waiting: Sequence[Job]) -> list[list[Job]]:
    """What goes into one transaction each: grants, deeds, claims of an epoch; the rest alone, in order."""
    groups: list[list[Job]] = []
    open_groups: dict[JobKind, list[Job]] = {}
    for job in waiting:
        group = open_groups.get(job.kind)
        mixed = group is not None and job.kind is JobKind.GRANT and _same_badge(group, job)
        mixed |= (
            group is not None
            and job.kind is JobKind.CLAIM
            and group[0].payload["epoch"] != job.payload["epoch"]
        )
        if job.kind in BATCHED and group and len(group) < BATCH and not mixed:
            group.append(job)
            continue
        fresh = [job]
        groups.append(fresh)
        open_groups[job.kind] = fresh
    return groups


def _same_badge(group: Sequence[Job], job: Job) -> bool:
    """Whether a batch grants this very badge already: of two grants the later must come later (BDG-012)."""
    badge = (job.payload["passport"], job.payload["policy"])
    return any((one.payload["passport"], one.payload["policy"]) == badge for one in group)
