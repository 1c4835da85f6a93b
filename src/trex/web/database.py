"""State of a service, in SQLite or PostgreSQL: transactions, and the tables that all services have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

_SHARED = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Type of columns that count by themselves."""

facts = Table(
    "facts",
    _SHARED,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What holds for the whole database: schema version, to whom it belongs."""

audit = Table(
    "audit",
    _SHARED,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("at_s", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(160), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("chain", LargeBinary(32), nullable=False),
)
"""Who did what; each line is hashed onto the one before (GTW-030)."""

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_BUSY_MS = 30_000


class DatabaseMismatchError(Exception):
    """The database is another version's, or belongs to somebody else."""


class Database:
    """Hands out transactions; all that is told apart by database is here."""

    def __init__(self, url: str, metadata: MetaData, schema: str) -> None:
        """Name a database; nothing is opened yet.

        Args:
            url: `sqlite:///PATH` or `postgresql://USER@HOST/NAME`.
            metadata: the service's own tables.
            schema: version of them.

        Raises:
            ValueError: it is of another kind.
        """
        parsed = make_url(url)
        if parsed.drivername not in _DRIVERS:
            raise ValueError(f"a database of kind {parsed.drivername!r}; there are sqlite and postgresql")
        self.kind = parsed.drivername
        self._metadata, self._schema = metadata, schema
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

    async def prepare(self, **belongs: str) -> None:
        """Make the tables where they are missing, and see that this database belongs to whom it should.

        Args:
            belongs: facts that hold from the first time on, by name: a chain's genesis, a lake.

        Raises:
            DatabaseMismatchError: one is otherwise, or another version made the database.
        """
        async with self.transaction() as tx:
            await tx.run_sync(_SHARED.create_all)
            await tx.run_sync(self._metadata.create_all)
        for name, value in {"schema": self._schema, **belongs}.items():
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
