"""One database, SQLite or PostgreSQL, and its transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from trex.gateway.store.schema import facts, metadata

SCHEMA = "1"
"""Version of the tables."""
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_BUSY_MS = 30_000


class DatabaseMismatchError(Exception):
    """The database is another version's, or belongs to another chain."""


class Database:
    """Hands out transactions; all that is told apart by database is here."""

    def __init__(self, url: str) -> None:
        """Name a database; nothing is opened yet.

        Args:
            url: `sqlite:///PATH` or `postgresql://USER@HOST/NAME`.

        Raises:
            ValueError: it is of another kind.
        """
        parsed = make_url(url)
        if parsed.drivername not in _DRIVERS:
            raise ValueError(f"a database of kind {parsed.drivername!r}; there are sqlite and postgresql")
        self.kind = parsed.drivername
        options: dict[str, Any] = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 30}
        if self.kind == "postgresql":
            options["pool_pre_ping"] = True
        else:
            options["poolclass"] = AsyncAdaptedQueuePool
        self.engine: AsyncEngine = create_async_engine(
            parsed.set(drivername=_DRIVERS[parsed.drivername]), hide_parameters=True, **options
        )
        if self.kind == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    async def open(self, genesis: str) -> None:
        """Make the tables where they are missing, and see that this database belongs to that chain.

        Raises:
            DatabaseMismatchError: it does not, or another version made it.
        """
        async with self.transaction() as tx:
            await tx.run_sync(metadata.create_all)
        for name, value in (("schema", SCHEMA), ("genesis", genesis)):
            try:
                async with self.transaction() as tx:
                    await tx.execute(insert(facts).values(name=name, value=value))
            except IntegrityError:
                pass
            async with self.transaction() as tx:
                found = (await tx.execute(select(facts.c.value).where(facts.c.name == name))).scalar_one()
            if found != value:
                raise DatabaseMismatchError(f"the database has {name} {found}, expected {value}")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: everything in it is durable at its end, or nothing of it."""
        async with self.engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        """Let every connection go."""
        await self.engine.dispose()


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
