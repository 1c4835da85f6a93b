"""Where derivation stands after each L1 block, on disk: a cache of L1 and of the chain, rebuilt from both.

A position names the L2 block that the chain then ends with. It is believed only while the chain has that
block by number and hash, and while L1 has its L1 block: so a kill between writing the chain and writing
here, or a chain restored from a copy, costs deriving again and never a wrong head.
"""

import functools
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from trex.settlement.deposits import Deposit
from trex.settlement.l1.header import L1Block, decode_block
from trex.settlement.watch import Mark
from trex.types.primitives import Address, Hash32

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA_VERSION = 2
TABLES = """
CREATE TABLE identity (network BLOB NOT NULL);
CREATE TABLE positions (
    number INTEGER PRIMARY KEY,
    header BLOB NOT NULL,
    batch_count INTEGER NOT NULL,
    accumulator BLOB NOT NULL,
    deposit_count INTEGER NOT NULL,
    deposit_accumulator BLOB NOT NULL,
    l2_number INTEGER NOT NULL,
    l2_hash BLOB NOT NULL,
    origin INTEGER NOT NULL,
    queue_count INTEGER NOT NULL,
    queue_accumulator BLOB NOT NULL
) STRICT;
CREATE TABLE older (
    number INTEGER PRIMARY KEY,
    header BLOB NOT NULL
) STRICT;
CREATE TABLE deposits (
    place INTEGER PRIMARY KEY,
    l1_number INTEGER NOT NULL,
    l1_hash BLOB NOT NULL,
    log_index INTEGER NOT NULL,
    sender BLOB NOT NULL,
    recipient BLOB NOT NULL,
    opaque_data BLOB NOT NULL
) STRICT;
CREATE TABLE batches (
    place INTEGER PRIMARY KEY,
    l1_number INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    first_block INTEGER NOT NULL,
    last_block INTEGER NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A block of the chain."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True)
class Position:
    """All that deriving the next batch starts from."""

    mark: Mark
    """What L1 has up to here."""
    safe: Place
    """The L2 block that the batches up to here end with."""
    origin: int
    """L1 block number that the last header refers to; of genesis before the first."""
    queue_count: int
    """Deposits that the last header made due."""
    queue_accumulator: Hash32
    """What those hash to."""


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What became of a batch header."""

    index: int
    l1_number: int
    """L1 block that it was appended in."""
    outcome: str
    """`batch`, or the name of the reason why it read as empty (BAT-050)."""
    first_block: int
    """Its first L2 block; above `last_block` where it made none."""
    last_block: int


class PositionsError(Exception):
    """The file cannot be used; `code` says what to do about it.

    `unavailable`: try again, when the disk has room, or nobody else holds the file. `not_open`: later.
    `damaged`: start anew, which puts the file aside. `other_network`: stop.
    """

    def __init__(self, code: str, message: str) -> None:
        """Say it."""
        super().__init__(message)
        self.code = code


class _UnreadableError(Exception):
    """The file holds no positions that this program understands."""


def _told(
    act: Callable[Concatenate["Positions", P], T],
) -> Callable[Concatenate["Positions", P], T]:
    """Have SQLite's errors said in our words."""

    @functools.wraps(act)
    def said(self: "Positions", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return act(self, *args, **kwargs)
        except sqlite3.OperationalError as error:
            raise PositionsError("unavailable", f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # what a program does wrong
            raise PositionsError("damaged", f"{self.path}: {error}") from error

    return said


class Positions:
    """Positions by L1 block, and the deposits and headers that batches to come may need.

    Used by one thread at a time; about batches any thread may ask.
    """

    def __init__(self, path: Path, network: Hash32, genesis: Position) -> None:
        """Open the file, making it when there is none; one that cannot be read is put aside.

        Args:
            path: of the SQLite file.
            network: hash of the network file.
            genesis: where derivation starts.

        Raises:
            PositionsError: `other_network`; `unavailable`.
        """
        self.path = path
        self._genesis = genesis
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except _UnreadableError as error:
            aside = path.with_suffix(".unreadable")
            log.warning("%s cannot be read (%s): kept as %s, derivation starts again", path, error, aside)
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._open()
        self._own(network)

    @_told
    def _own(self, network: Hash32) -> None:
        """Write whose a new file is, and see whose another one is."""
        (stored,) = self._db.execute("SELECT network FROM identity").fetchone() or (None,)
        if stored is None:
            with self._db:
                self._db.execute("INSERT INTO identity VALUES (?)", (network,))
                self._insert([self._genesis])
        elif stored != network:
            self.close()
            raise PositionsError(
                "other_network", f"{self.path} belongs to the network with hash 0x{stored.hex()}"
            )

    @_told
    def _open(self) -> None:
        """Open the file. Raises _UnreadableError where it is another's or damaged."""
        self._db = sqlite3.connect(self.path, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            elif version != SCHEMA_VERSION:
                raise _UnreadableError(f"version {version}, expected {SCHEMA_VERSION}")
            (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _UnreadableError(found)
        except sqlite3.OperationalError:
            self._db.close()
            raise
        except (sqlite3.DatabaseError, _UnreadableError) as error:
            self._db.close()
            raise _UnreadableError(str(error)) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @_told
    def last(self) -> Position:
        """Return the newest position."""
        return self._one("ORDER BY number DESC LIMIT 1")

    @_told
    def first(self) -> Position:
        """Return the oldest position kept: there is no way back beyond it."""
        return self._one("ORDER BY number LIMIT 1")

    @_told
    def at(self, number: int) -> Position | None:
        """Return the position after an L1 block; None where it is not known."""
        row = self._db.execute("SELECT * FROM positions WHERE number = ?", (number,)).fetchone()
        return None if row is None else _position(row)

    @_told
    def believed(self, holds: Callable[[Place], bool]) -> Position:
        """Drop the newest positions whose L2 block the chain does not have; return the newest left.

        The chain has these blocks up to some number and none above, so a search by halves finds it.
        """
        if not holds(self.first().safe):
            log.warning("the chain has none of the blocks derived up to now: derivation starts again")
            with self._db:
                for table in ("positions", "older", "deposits", "batches"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608
                self._insert([self._genesis])
        numbers = [number for (number,) in self._db.execute("SELECT number FROM positions ORDER BY number")]
        low, high = 0, len(numbers) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if holds(self._one("WHERE number = ?", numbers[middle]).safe):
                low = middle
            else:
                high = middle - 1
        self.cut(numbers[low])
        return self.last()

    @_told
    def append(
        self,
        positions: Sequence[Position],
        deposits: Sequence[tuple[int, Deposit]] = (),
        batches: Sequence[ReadBatch] = (),
    ) -> None:
        """Add what consecutive L1 blocks brought, all or nothing.

        Args:
            positions: after each of the blocks, in order.
            deposits: those of the blocks, each with its place in the queue from 0.
            batches: those of the blocks.
        """
        with self._db:
            self._insert(positions)
            self._db.executemany(
                "INSERT INTO deposits VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (place, one.l1_number, one.l1_hash, one.log_index, one.sender, one.to, one.opaque_data)
                    for place, one in deposits
                ],
            )
            self._db.executemany(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
                [(one.index, one.l1_number, one.outcome, one.first_block, one.last_block) for one in batches],
            )

    @_told
    def add_older(self, headers: Sequence[L1Block]) -> None:
        """Add L1 blocks before the first position, for batches that refer to them (SNP-021)."""
        with self._db:
            self._db.executemany(
                "INSERT INTO older VALUES (?, ?)", [(block.number, block.rlp) for block in headers]
            )

    @_told
    def cut(self, number: int) -> None:
        """Forget everything after an L1 block."""
        with self._db:
            self._db.execute("DELETE FROM positions WHERE number > ?", (number,))
            self._db.execute("DELETE FROM deposits WHERE l1_number > ?", (number,))
            self._db.execute("DELETE FROM batches WHERE l1_number > ?", (number,))

    @_told
    def prune(self, final: Position) -> None:
        """Forget what no batch after this final position refers to, and no way back leads to."""
        with self._db:
            self._db.execute(
                "DELETE FROM positions WHERE number < ?", (min(final.origin, final.mark.block.number),)
            )
            self._db.execute("DELETE FROM older WHERE number < ?", (final.origin,))
            self._db.execute("DELETE FROM deposits WHERE place < ?", (final.queue_count,))
            self._db.execute("DELETE FROM batches WHERE l1_number < ?", (final.mark.block.number - 8192,))

    @_told
    def headers(self, first: int, last: int) -> list[bytes]:
        """Return the RLP of L1 headers by number, both ends included."""
        rows = self._db.execute(
            "SELECT number, header FROM positions WHERE number BETWEEN ?1 AND ?2 "
            "UNION SELECT number, header FROM older WHERE number BETWEEN ?1 AND ?2 ORDER BY 1",
            (first, last),
        )
        return [header for _, header in rows]

    @_told
    def deposits(self, first: int, end: int) -> list[Deposit]:
        """Return deposits by their places in the queue, `end` not included."""
        rows = self._db.execute(
            "SELECT * FROM deposits WHERE place >= ? AND place < ? ORDER BY place", (first, end)
        )
        return [
            Deposit(
                sender=Address(sender),
                to=Address(recipient),
                opaque_data=opaque,
                l1_number=number,
                l1_hash=Hash32(hash_),
                log_index=index,
            )
            for _, number, hash_, index, sender, recipient, opaque in rows
        ]

    @_told
    def batches(self, most: int) -> list[ReadBatch]:
        """Return the newest batches, newest first."""
        with closing(self._beside()) as db:
            rows = db.execute("SELECT * FROM batches ORDER BY place DESC LIMIT ?", (most,)).fetchall()
        return [ReadBatch(*row) for row in rows]

    @_told
    def batch(self, index: int) -> ReadBatch | None:
        """Return what became of a batch header; None where it was not read yet, or is forgotten."""
        with closing(self._beside()) as db:
            row = db.execute("SELECT * FROM batches WHERE place = ?", (index,)).fetchone()
        return None if row is None else ReadBatch(*row)

    def _beside(self) -> sqlite3.Connection:
        """Open the file once more: who asks from outside waits for none of the thread's work."""
        return sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)

    def _insert(self, positions: Sequence[Position]) -> None:
        self._db.executemany(
            "INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", list(_rows(positions))
        )

    def _one(self, where: str, *values: int) -> Position:
        # The table is never empty: genesis is its first row, and what is pruned leaves later ones.
        return _position(self._db.execute(f"SELECT * FROM positions {where}", values).fetchone())  # noqa: S608


def _rows(positions: Sequence[Position]) -> Iterator[tuple[object, ...]]:
    for one in positions:
        mark = one.mark
        yield (
            mark.block.number,
            mark.block.rlp,
            mark.batch_count,
            mark.accumulator,
            mark.deposit_count,
            mark.deposit_accumulator,
            one.safe.number,
            one.safe.hash,
            one.origin,
            one.queue_count,
            one.queue_accumulator,
        )


def _position(row: tuple[int, bytes, int, bytes, int, bytes, int, bytes, int, int, bytes]) -> Position:
    _, header, batches, accumulator, deposits, deposit_accumulator, number, hash_, origin, due, queue = row
    block: L1Block = decode_block(header)
    return Position(
        mark=Mark(block, batches, Hash32(accumulator), deposits, Hash32(deposit_accumulator)),
        safe=Place(number, Hash32(hash_)),
        origin=origin,
        queue_count=due,
        queue_accumulator=Hash32(queue),
    )
