"""The audit log's head on the chain: a tail that was cut off is missed (GTW-034).

A line is hashed onto the one before it, which says nothing of lines that are gone from the end. So the
relayer's account sends itself number and hash of the newest line; what stands there, the log must have.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway import outbox
from trex.gateway.outbox import JobState
from trex.gateway.store.database import Database
from trex.gateway.store.schema import jobs
from trex.passport.client import PersonaClient
from trex.rpc.errors import RefusedError
from trex.types.primitives import Address, Hash32
from trex.web import audit

log = logging.getLogger(__name__)

MARK = b"T-Rex audit log\n"
"""What an anchor's data begin with; number (8 bytes) and hash (32) follow."""
AT_ONCE = 100
"""Transactions of the account in one request."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A line that stands on the chain."""

    line: int
    """Its number."""
    chain: bytes
    """What it is hashed to."""
    transaction: Hash32
    """Where it stands."""


def _data(line: int, chain: bytes) -> bytes:
    return MARK + line.to_bytes(8) + chain


async def anchors_of(client: PersonaClient, account: Address) -> list[Anchor]:
    """Find an account's anchors among all of its transactions, newest first.

    All of them count: who took the account's key too can add anchors of a cut log, take none back and push
    none out of sight.

    Raises:
        EndpointError: the chain does not answer, or does not look transactions up by nonce (Otterscan).
    """
    who = f"0x{account.hex()}"
    count = int(await client.rpc.call("eth_getTransactionCount", who, "latest"), 16)
    found: list[Anchor] = []
    for last in range(count, 0, -AT_ONCE):
        nonces = range(last - 1, max(0, last - AT_ONCE) - 1, -1)
        names = await client.rpc.batch("ots_getTransactionBySenderAndNonce", [(who, one) for one in nonces])
        sent = await client.rpc.batch("eth_getTransactionByHash", [(one,) for one in names])
        if None in sent:
            raise RefusedError("refused", "the endpoint has not all of the account's transactions")
        for one in sent:
            data = bytes.fromhex(one["input"][2:])
            if one["to"] == who and data.startswith(MARK) and len(data) == len(_data(0, bytes(32))):
                line = int.from_bytes(data[len(MARK) : len(MARK) + 8])
                hash_ = Hash32(bytes.fromhex(one["hash"][2:]))
                found.append(Anchor(line, data[len(MARK) + 8 :], hash_))
    return found


async def fault_of(tx: AsyncConnection, anchored: Sequence[Anchor]) -> str:
    """Say what is wrong with the audit log; empty if it is whole and has what is on the chain (GTW-034)."""
    if (line := await audit.verify(tx)) is not None:
        return f"line {line} was changed, or one before it is gone"
    for one in anchored:
        where = f"line {one.line} stands on the chain (0x{one.transaction.hex()})"
        there = await audit.chain_at(tx, one.line)
        if there is None:
            return f"{where} and not here: a tail was cut off"
        if there != one.chain:
            return f"{where} as another"
    return ""


class Anchorer:
    """Has the newest line anchored now and then, while there are new ones."""

    def __init__(
        self,
        database: Database,
        account: Address,
        every_s: int,
        now_s: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        """Take what it works with.

        Args:
            database: of the gateway.
            account: the relayer's.
            every_s: between anchors.
            now_s: clock, Unix seconds.
            wake: has the relayer look at the queue.
        """
        self._database, self._account, self._every_s = database, account, every_s
        self._now_s, self._wake = now_s, wake

    async def run(self) -> None:
        """Anchor until cancelled."""
        while True:
            try:
                await self.step()
            except Exception:
                log.exception("the audit log cannot be anchored for now")
            await asyncio.sleep(self._every_s)

    async def step(self) -> None:
        """Queue an anchor of the newest line, unless it has one, or one waits still."""
        async with self._database.transaction() as tx:
            head = await audit.head(tx)
            under_way = jobs.c.once.like("anchor %") & jobs.c.state.in_(
                (JobState.QUEUED.value, JobState.SENT.value)
            )
            if head is None or (await tx.execute(select(jobs.c.number).where(under_way).limit(1))).first():
                return
            once = f"anchor {head[0]} {head[1].hex()}"
            await outbox.enqueue_own(tx, self._account, _data(*head), now_s=self._now_s(), once=once)
        self._wake()
