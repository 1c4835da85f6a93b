"""The audit log: who did what, each line hashed onto the one before (GTW-030)."""

from hashlib import sha256

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.web.database import audit, facts

START = bytes(32)
"""What the first line is hashed onto."""


def _link(before: bytes, line: tuple[int, str, str, str, str]) -> bytes:
    return sha256(before + orjson.dumps(line)).digest()


async def record(
    tx: AsyncConnection, now_s: int, actor: str, action: str, subject: str, outcome: str
) -> None:
    """Add a line, in the transaction of what it tells of.

    Args:
        tx: of the deed itself: both are durable, or neither.
        now_s: Unix time in seconds.
        actor: key id, or a service's name; never a secret.
        action: stable name.
        subject: what it was done to.
        outcome: what came of it.
    """
    # One line at a time: PostgreSQL's writers wait here for each other, SQLite's did when they began.
    await tx.execute(select(facts.c.value).where(facts.c.name == "schema").with_for_update())
    last = select(audit.c.chain).order_by(audit.c.number.desc()).limit(1)
    before = (await tx.execute(last)).scalar_one_or_none() or START
    line = (now_s, actor[:80], action[:64], subject[:160], outcome[:64])
    await tx.execute(
        insert(audit).values(
            at_s=line[0],
            actor=line[1],
            action=line[2],
            subject=line[3],
            outcome=line[4],
            chain=_link(before, line),
        )
    )


async def head(tx: AsyncConnection) -> tuple[int, bytes] | None:
    """Return number and hash of the newest line; None if there is none."""
    last = select(audit.c.number, audit.c.chain).order_by(audit.c.number.desc()).limit(1)
    row = (await tx.execute(last)).one_or_none()
    return None if row is None else (int(row.number), bytes(row.chain))


async def begun_s(tx: AsyncConnection) -> int:
    """Return when the oldest line was written, Unix seconds; 0 if there is none."""
    first = select(audit.c.at_s).order_by(audit.c.number).limit(1)
    return int((await tx.execute(first)).scalar_one_or_none() or 0)


async def chain_at(tx: AsyncConnection, number: int) -> bytes | None:
    """Return what a line is hashed to; None if there is no such line."""
    asked = select(audit.c.chain).where(audit.c.number == number)
    found = (await tx.execute(asked)).scalar_one_or_none()
    return None if found is None else bytes(found)


async def verify(tx: AsyncConnection) -> int | None:
    """Follow the chain; return the number of the first line that does not fit, None if all do."""
    before = START
    for row in await tx.execute(select(audit).order_by(audit.c.number)):
        before = _link(before, (row.at_s, row.actor, row.action, row.subject, row.outcome))
        if before != row.chain:
            return int(row.number)
    return None
