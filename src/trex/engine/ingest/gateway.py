"""The persona gateway as a source: what was done there, by its audit log, written with each deed."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from trex.engine.ingest.topics import CURSORS, RAW
from trex.engine.pipeline.log import Log, LogError, Message, newest_by_key

log = logging.getLogger(__name__)

MOST = 200
"""Lines a commit."""
PAUSE_S = 1.0
"""Wait after a fault."""
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_LINES = text(
    "SELECT number, at_s, actor, action, subject, outcome, chain FROM audit "
    "WHERE number > :after ORDER BY number LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class GatewaySource:
    """A gateway's database, read only."""

    name: str
    """What its events are said to be from, `gateway:1962`."""
    chain: int
    """Whose personas it serves."""
    database: str
    """`sqlite:///PATH` or `postgresql://USER@HOST/NAME`."""
    poll_s: float = 1.0
    """Longest wait between two looks."""


async def listen_gateway(source: GatewaySource, events: Log, *, until_idle: bool = False) -> None:
    """Bring new lines of the audit log into the event log until cancelled (ING-006).

    Args:
        source: which gateway.
        events: the log.
        until_idle: stop when every line is read.

    Raises:
        ValueError: the database is of a kind that gateways do not use.
    """
    url = make_url(source.database)
    if url.drivername not in _DRIVERS:
        raise ValueError(f"a database of kind {url.drivername!r}; there are sqlite and postgresql")
    database = create_async_engine(url.set(drivername=_DRIVERS[url.drivername]), hide_parameters=True)
    try:
        while True:
            try:
                await _follow(source, database, events, until_idle)
            except (SQLAlchemyError, LogError, OSError) as error:
                log.warning("%s: starting again: %s", source.name, error)
                await asyncio.sleep(PAUSE_S)
            else:
                return
    finally:
        await database.dispose()


async def _follow(source: GatewaySource, database: AsyncEngine, events: Log, until_idle: bool) -> None:
    key = source.name.encode()
    # The producer first: what one before it committed is settled then, and the cursor is the last.
    producer = await asyncio.to_thread(events.producer, f"{source.name}/live")
    try:
        known = (await asyncio.to_thread(newest_by_key, events, CURSORS.name)).get(key)
        after = 0 if known is None else orjson.loads(known.value)["next"] - 1
        while True:
            async with database.connect() as connection:
                lines = (await connection.execute(_LINES, {"after": after, "most": MOST})).all()
            if not lines:
                if until_idle:
                    return
                await asyncio.sleep(source.poll_s)
                continue
            after = lines[-1].number
            cursor = Message(CURSORS.name, key, orjson.dumps({"next": after + 1}))
            records = [Message(RAW.name, key, _record(source, line)) for line in lines]
            await asyncio.to_thread(producer.commit, [*records, cursor])
    finally:
        producer.close()


def _record(source: GatewaySource, line: Any) -> bytes:
    """A line as a block of one act: the hash that chains it to those before it names it."""
    raw = {
        "source": source.name,
        "chain": source.chain,
        "weight": 1,
        "block": {"number": line.number, "hash": "0x" + bytes(line.chain).hex(), "timestamp": line.at_s},
        "acts": [
            {"actor": line.actor, "action": line.action, "subject": line.subject, "outcome": line.outcome}
        ],
    }
    return orjson.dumps(raw)
