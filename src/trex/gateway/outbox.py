"""The queue of what is to reach the chain (GTW-020): written in the transaction of what asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway.errors import Fault, GatewayError
from trex.gateway.store.schema import budgets, jobs
from trex.types.primitives import Address, Hash32

DAY_S = 86_400


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Waits for its turn."""
    SENT = "sent"
    """Is in a signed transaction."""
    DONE = "done"
    """Is on the chain."""
    FAILED = "failed"
    """Will not be; `error` says why."""


class JobKind(StrEnum):
    """What a job does."""

    RELAY = "relay"
    """A person's own act, sponsored: {to, data}."""
    BIND = "bind"
    """Binds a nullifier: a Binding's fields."""
    GRANT = "grant"
    """Grants a badge: a Grant's fields."""
    POINTS = "points"
    """Records a deed: a PointsItem's fields."""
    SEASON = "season"
    """Announces a season: its number and a Season's fields."""
    REVERSE = "reverse"
    """Takes entries of the ledger back: {entries, reason}."""
    MAP = "map"
    """Gives nullifiers forms under the next k: {from, to}."""
    OPEN_KEY_EPOCH = "open-key-epoch"
    """Puts the next k in force: nothing."""
    OPEN_CASE = "open-case"
    """Opens a case of distrust: {kind, subject, since, until, reason, number}."""
    CLOSE_CASE = "close-case"
    """Closes one: {case}."""
    EPOCH = "epoch"
    """Publishes an epoch of rewards: {epoch, root, total, token, claimUntil, document}."""
    CLAIM = "claim"
    """Pays a reward: {epoch, index, passport, amount, proof}."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that is to reach the chain."""

    number: int
    """Counted from 1."""
    kind: JobKind
    """What it does."""
    passport: int
    """For whom; 0 for a passport that is to be made."""
    payload: Mapping[str, Any]
    """By kind."""
    state: JobState
    """Where it stands."""
    attempts: int
    """Transactions that were tried in vain."""
    after: int | None
    """Job that must be on its way first."""
    transaction: int | None
    """Number of its transaction."""
    error: str
    """Why it failed; empty otherwise."""
    created_s: int
    """Unix time in seconds."""


def job_of(row: Any) -> Job:
    """Read a row."""
    return Job(
        number=int(row.number),
        kind=JobKind(row.kind),
        passport=int(row.passport),
        payload=orjson.loads(row.payload),
        state=JobState(row.state),
        attempts=int(row.attempts),
        after=row.after,
        transaction=row.transaction,
        error=row.error,
        created_s=int(row.created_s),
    )


async def enqueue(
    tx: AsyncConnection,
    kind: JobKind,
    payload: Mapping[str, Any],
    *,
    passport: int,
    owner: Hash32,
    now_s: int,
    once: str | None = None,
    after: int | None = None,
) -> int:
    """Queue a job and return its number; with `once`, the job of that name that is there already.

    Args:
        tx: of what asks for it.
        kind: what it does.
        payload: JSON.
        passport: for whom.
        owner: key that may see it.
        now_s: Unix time in seconds.
        once: name under which it serves once.
        after: job that must be on its way first.
    """
    if once is not None:
        known = (await tx.execute(select(jobs.c.number).where(jobs.c.once == once))).scalar_one_or_none()
        if known is not None:
            return int(known)
    asked = insert(jobs).values(
        kind=kind.value,
        once=once,
        passport=passport,
        owner=owner,
        payload=orjson.dumps(payload).decode(),
        state=JobState.QUEUED.value,
        after=after,
        attempts=0,
        not_before_s=now_s,
        error="",
        created_s=now_s,
        changed_s=now_s,
    )
    return int((await tx.execute(asked.returning(jobs.c.number))).scalar_one())


async def enqueue_own(tx: AsyncConnection, to: Address, data: bytes, *, now_s: int, once: str) -> None:
    """Queue a call of the gateway's own, which nobody asked for and no key may see.

    Args:
        tx: of what it follows from.
        to: contract, or the relayer's own account.
        data: of the call.
        now_s: Unix time in seconds.
        once: name under which it serves once.
    """
    payload = {"to": to.hex(), "data": data.hex()}
    nobody = Hash32(bytes(32))
    await enqueue(tx, JobKind.RELAY, payload, passport=0, owner=nobody, now_s=now_s, once=once)


async def find(tx: AsyncConnection, number: int, owner: Hash32) -> Job | None:
    """Return a job of somebody's; None if there is none of that number, or it is another's."""
    asked = select(jobs).where(jobs.c.number == number, jobs.c.owner == owner)
    row = (await tx.execute(asked)).one_or_none()
    return None if row is None else job_of(row)


async def ready(tx: AsyncConnection, now_s: int, most: int) -> list[Job]:
    """Jobs whose turn it is, oldest first; those that waited for one that failed, fail."""
    queued = jobs.c.state == JobState.QUEUED.value
    before = jobs.alias("before")
    lost = select(jobs.c.number).join(before, before.c.number == jobs.c.after)
    lost = lost.where(queued, before.c.state == JobState.FAILED.value)
    for number in (await tx.execute(lost)).scalars().all():
        await fail(tx, [number], "what it waited for failed", now_s)
    on_its_way = before.c.state.in_((JobState.SENT.value, JobState.DONE.value))
    asked = (
        select(jobs)
        .outerjoin(before, before.c.number == jobs.c.after)
        .where(queued, jobs.c.not_before_s <= now_s, jobs.c.after.is_(None) | on_its_way)
        .order_by(jobs.c.number)
        .limit(most)
    )
    return [job_of(row) for row in await tx.execute(asked)]


async def claim(tx: AsyncConnection, numbers: Sequence[int], transaction: int, now_s: int) -> bool:
    """Put jobs into a transaction; False if another worker has one of them already."""
    mine = jobs.c.number.in_(numbers) & (jobs.c.state == JobState.QUEUED.value)
    values = {"state": JobState.SENT.value, "transaction": transaction, "changed_s": now_s}
    return (await tx.execute(update(jobs).where(mine).values(values))).rowcount == len(numbers)


async def settle(
    tx: AsyncConnection, transaction: int, state: JobState, now_s: int, error: str = ""
) -> list[Job]:
    """Move the jobs of a transaction on and return them as they were."""
    mine = jobs.c.transaction == transaction
    before = [job_of(row) for row in await tx.execute(select(jobs).where(mine).order_by(jobs.c.number))]
    await tx.execute(update(jobs).where(mine).values(state=state.value, error=error, changed_s=now_s))
    return before


async def requeue(
    tx: AsyncConnection, numbers: Sequence[int], not_before_s: int, now_s: int, *, tries: int = 1
) -> None:
    """Let jobs wait for another turn.

    Args:
        tx: of what was found out.
        numbers: which.
        not_before_s: Unix time in seconds.
        now_s: Unix time in seconds.
        tries: how many tries in vain this counts as.
    """
    values = {
        "state": JobState.QUEUED.value,
        "transaction": None,
        "attempts": jobs.c.attempts + tries,
        "not_before_s": not_before_s,
        "changed_s": now_s,
    }
    await tx.execute(update(jobs).where(jobs.c.number.in_(numbers)).values(values))


async def revive(tx: AsyncConnection, once: str, now_s: int) -> int:
    """Let jobs that failed be tried again; return how many.

    Args:
        tx: of what asks for it.
        once: pattern (SQL's LIKE) of the names under which they serve once.
        now_s: Unix time in seconds.
    """
    mine = jobs.c.once.like(once) & (jobs.c.state == JobState.FAILED.value)
    values = {"state": JobState.QUEUED.value, "transaction": None, "attempts": 0, "error": ""}
    values |= {"not_before_s": now_s, "changed_s": now_s}
    return int((await tx.execute(update(jobs).where(mine).values(values))).rowcount)


async def fail(tx: AsyncConnection, numbers: Sequence[int], error: str, now_s: int) -> None:
    """Give jobs up."""
    values = {"state": JobState.FAILED.value, "error": error[:500], "changed_s": now_s}
    await tx.execute(update(jobs).where(jobs.c.number.in_(numbers)).values(values))


async def spend(tx: AsyncConnection, who: str, most: int, now_s: int) -> None:
    """Take one from somebody's budget of the day (GTW-022).

    Raises:
        GatewayError: nothing is left of it.
    """
    day = now_s // DAY_S
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    asked = (
        dialect.insert(budgets)
        .values(who=who, day=day, spent=1)
        .on_conflict_do_update(index_elements=["who", "day"], set_={"spent": budgets.c.spent + 1})
        .returning(budgets.c.spent)
    )
    if int((await tx.execute(asked)).scalar_one()) > most:
        wait = (day + 1) * DAY_S - now_s
        raise GatewayError(Fault.TOO_MANY, f"{most} sponsored acts a day are used up", retry_after_s=wait)
