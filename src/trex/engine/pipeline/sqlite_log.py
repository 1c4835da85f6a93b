"""The embedded log: one SQLite file in WAL mode, shared by the processes of one machine."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from uuid import uuid4

from trex.engine.pipeline.log import (
    Batch,
    Consumer,
    Extent,
    FencedError,
    LogError,
    LostError,
    Message,
    Place,
    Producer,
    Record,
    Topic,
    partition_of,
)

MEMBER_S = 10.0
"""A member of a group that is not heard of for so long has left it."""
POLL_S = 0.02
"""Pause between looks for new records."""
BUSY_S = 60.0
"""How long to wait for other writers."""
TAIL_RECORDS = 256
"""Records read at once on the way to the end."""
MAX_BATCH_BYTES = 32 << 20
"""Most bytes of values in one batch."""

_OFFSET_BITS, _PARTITION_BITS = 42, 8
_SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (
  number INTEGER PRIMARY KEY, name TEXT UNIQUE, partitions INTEGER, retention_s INTEGER, compacted INTEGER
);
CREATE TABLE IF NOT EXISTS partitions (
  topic INTEGER, partition INTEGER, first INTEGER, next INTEGER, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (place INTEGER PRIMARY KEY, key BLOB, value BLOB, at_s INTEGER);
CREATE TABLE IF NOT EXISTS positions (
  reader TEXT, topic INTEGER, partition INTEGER, next INTEGER, PRIMARY KEY (reader, topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
  reader TEXT, member TEXT, until_s REAL, PRIMARY KEY (reader, member)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generations (reader TEXT PRIMARY KEY, generation INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS producers (name TEXT PRIMARY KEY, epoch INTEGER) WITHOUT ROWID;
"""


def _place(topic: int, partition: int, offset: int) -> int:
    return ((topic << _PARTITION_BITS | partition) << _OFFSET_BITS) + offset


class SqliteLog:
    """Topics in one file. What is committed survives a loss of power: positions elsewhere may rely on it."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open or make a log.

        Args:
            path: of the file; its folder is there.
            clock: Unix time in seconds.
        """
        self.clock = clock
        self._lock = RLock()
        self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        # FULL: the lake's positions may not be ahead of the log's end after a loss of power (LOG-005).
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        with self.transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)

    def declare(self, *topics: Topic) -> None:
        """Make topics that are not there yet; of those that are, take over retention."""
        with self.transaction() as db:
            for topic in topics:
                if not 0 < topic.partitions < 1 << _PARTITION_BITS:
                    raise ValueError(f"{topic.name}: {topic.partitions} partitions, expected 1 to 255")
                db.execute(
                    "INSERT INTO topics (name, partitions, retention_s, compacted) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET retention_s=excluded.retention_s",
                    (topic.name, topic.partitions, topic.retention_s, topic.compacted),
                )
                number, partitions = self.topic(topic.name)
                db.executemany(
                    "INSERT OR IGNORE INTO partitions VALUES (?, ?, 0, 0)",
                    [(number, partition) for partition in range(partitions)],
                )

    def producer(self, name: str) -> Producer:
        """Open the producer of a name; an earlier one of the name can commit no more (LOG-003)."""
        with self.transaction() as db:
            (epoch,) = db.execute(
                "INSERT INTO producers VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch=epoch+1 "
                "RETURNING epoch",
                (name,),
            ).fetchone()
        return SqliteProducer(self, name, epoch)

    def consumer(self, group: str, *topics: str) -> Consumer:
        """Join a group; its members share the partitions of its topics (LOG-004)."""
        return SqliteConsumer(self, group, topics)

    def read(self, topic: str, partition: int, offset: int, most: int) -> list[Record]:
        """Return up to `most` records from an offset on, outside any group."""
        with self._lock:
            number, _ = self.topic(topic)
            rows = self._db.execute(
                "SELECT place, key, value FROM records WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
                (_place(number, partition, offset), _place(number, partition + 1, 0), most),
            )
            found, size = [], 0
            start = _place(number, partition, 0)
            for place, key, value in rows:
                found.append(Record(topic, partition, place - start, key, value))
                size += len(value)
                if size > MAX_BATCH_BYTES:
                    break
        return found

    def tail(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        """Every record from an offset to the end (LOG-010)."""
        end = self.extents(topic)[partition].end
        while offset < end and (records := self.read(topic, partition, offset, TAIL_RECORDS)):
            yield from records
            offset = records[-1].offset + 1

    def extents(self, topic: str) -> tuple[Extent, ...]:
        """What each partition holds."""
        with self._lock:
            number, _ = self.topic(topic)
            rows = self._db.execute(
                "SELECT first, next FROM partitions WHERE topic = ? ORDER BY partition", (number,)
            )
            return tuple(Extent(first, end) for first, end in rows)

    def committed(self, group: str, topic: str) -> tuple[int | None, ...]:
        """How far a group is in each partition; None where it never was."""
        with self._lock:
            number, partitions = self.topic(topic)
            rows = self._db.execute(
                "SELECT partition, next FROM positions WHERE reader = ? AND topic = ?", (group, number)
            )
            known = dict(rows.fetchall())
        return tuple(known.get(partition) for partition in range(partitions))

    def rewind(self, group: str, topic: str, offsets: Sequence[int]) -> None:
        """Set a group that has no members to these offsets, to replay from them."""
        with self.transaction() as db:
            living = db.execute(
                "SELECT count(*) FROM members WHERE reader = ? AND until_s > ?", (group, self.clock())
            )
            if living.fetchone()[0]:
                raise LogError(f"group {group} has members: stop them before it is set back")
            self.move(db, group, {(topic, partition): at for partition, at in enumerate(offsets)})

    def retain(self) -> int:
        """Let go of what retention and compaction allow; return how many records went (LOG-006)."""
        gone = 0
        with self.transaction() as db:
            topics = db.execute("SELECT number, partitions, retention_s, compacted FROM topics").fetchall()
            for number, partitions, retention_s, compacted in topics:
                for partition in range(partitions):
                    start, end = _place(number, partition, 0), _place(number, partition + 1, 0)
                    if compacted:
                        gone += db.execute(
                            "DELETE FROM records WHERE place >= ? AND place < ? AND place NOT IN "
                            "(SELECT max(place) FROM records WHERE place >= ? AND place < ? GROUP BY key)",
                            (start, end, start, end),
                        ).rowcount
                    elif retention_s is not None:
                        gone += db.execute(
                            "DELETE FROM records WHERE place >= ? AND place < coalesce((SELECT min(place) "
                            "FROM records WHERE place >= ? AND place < ? AND at_s >= ?), ?)",
                            (start, start, end, int(self.clock()) - retention_s, end),
                        ).rowcount
                        db.execute(
                            "UPDATE partitions SET first = coalesce((SELECT min(place) - ? FROM records "
                            "WHERE place >= ? AND place < ?), next) WHERE topic = ? AND partition = ?",
                            (start, start, end, number, partition),
                        )
        return gone

    def rewrite(self, change: Callable[[str, bytes], bytes | None]) -> int:
        """Put something else in the place of records, for erasure alone; nothing of what was there stays.

        Args:
            change: from topic and value to the new value, or to None for a record that goes.

        Returns:
            How many records changed or went.
        """
        changed = 0
        with self.transaction() as db:
            for number, name in db.execute("SELECT number, name FROM topics").fetchall():
                ends = _place(number, 0, 0), _place(number + 1, 0, 0)
                which = "SELECT place FROM records WHERE place >= ? AND place < ?"
                for (place,) in db.execute(which, ends).fetchall():
                    (value,) = db.execute("SELECT value FROM records WHERE place = ?", (place,)).fetchone()
                    new = change(name, value)
                    if new is None:
                        db.execute("DELETE FROM records WHERE place = ?", (place,))
                    elif new != value:
                        db.execute("UPDATE records SET value = ? WHERE place = ?", (new, place))
                    changed += new != value
        with self._lock:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return changed

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside happens, or nothing; one at a time over all processes."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise LogError(f"the log's file: {error}") from error

    def topic(self, name: str) -> tuple[int, int]:
        """Number and partitions of a topic."""
        row = self._db.execute("SELECT number, partitions FROM topics WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise LogError(f"no topic is called {name}")
        return int(row[0]), int(row[1])

    def append(self, db: sqlite3.Connection, messages: Sequence[Message]) -> None:
        """Write messages, inside a transaction."""
        numbers = {name: self.topic(name) for name in {message.topic for message in messages}}
        places: dict[Place, list[Message]] = {}
        for message in messages:
            partition = partition_of(message.key, numbers[message.topic][1])
            places.setdefault((message.topic, partition), []).append(message)
        for (name, partition), mine in places.items():
            (end,) = db.execute(
                "UPDATE partitions SET next = next + ? WHERE topic = ? AND partition = ? RETURNING next",
                (len(mine), numbers[name][0], partition),
            ).fetchone()
            start = _place(numbers[name][0], partition, end - len(mine))
            now_s = int(self.clock())
            db.executemany(
                "INSERT INTO records VALUES (?, ?, ?, ?)",
                [(start + i, message.key, message.value, now_s) for i, message in enumerate(mine)],
            )

    def move(self, db: sqlite3.Connection, group: str, positions: dict[Place, int]) -> None:
        """Set a group's positions, inside a transaction."""
        db.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
            [(group, self.topic(topic)[0], partition, at) for (topic, partition), at in positions.items()],
        )


class SqliteProducer:
    """Writes to a log's file, alone under its name."""

    def __init__(self, log: SqliteLog, name: str, epoch: int) -> None:
        """Be the producer of a name in an epoch; `SqliteLog.producer` makes it."""
        self._log, self._name, self._epoch = log, name, epoch

    def commit(self, messages: Sequence[Message], read: Batch | None = None) -> None:
        """Write all messages and move the group of `read` past it: both, or neither (LOG-002)."""
        with self._log.transaction() as db:
            (epoch,) = db.execute("SELECT epoch FROM producers WHERE name = ?", (self._name,)).fetchone()
            if epoch != self._epoch:
                raise FencedError(f"another producer {self._name} was opened")
            self._log.append(db, messages)
            if read is not None:
                _move_past(self._log, db, read)

    def close(self) -> None:
        """Nothing is held."""


class SqliteConsumer:
    """A member of a group."""

    def __init__(self, log: SqliteLog, group: str, topics: Sequence[str]) -> None:
        """Be a member; `SqliteLog.consumer` makes it."""
        self._log, self._group, self._topics = log, group, tuple(topics)
        self._member = f"{os.getpid()}.{uuid4().hex}"
        self._generation = -1
        self._heard_s = float("-inf")
        self._positions: dict[Place, int] = {}

    def poll(self, most: int, wait_s: float) -> Batch:
        """Return up to `most` records, after at most about `wait_s` seconds; maybe none."""
        until = time.monotonic() + wait_s
        while True:
            self._attend()
            found: list[Record] = []
            for (topic, partition), at in self._positions.items():
                if len(found) < most:
                    found += self._log.read(topic, partition, at, most - len(found))
            if found or time.monotonic() >= until:
                break
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))
        moved = {(record.topic, record.partition): record.offset + 1 for record in found}
        self._positions |= moved
        return Batch(self._group, found, moved, token=(self._member, self._generation))

    def commit(self, read: Batch) -> None:
        """Move the group past a batch."""
        with self._log.transaction() as db:
            _move_past(self._log, db, read)

    def close(self) -> None:
        """Leave the group; the others take the partitions over."""
        with self._log.transaction() as db:
            left = db.execute(
                "DELETE FROM members WHERE reader = ? AND member = ?", (self._group, self._member)
            )
            if left.rowcount:
                db.execute(
                    "UPDATE generations SET generation = generation + 1 WHERE reader = ?", (self._group,)
                )

    def _attend(self) -> None:
        """Say that this member lives; take what partitions are its own when the group has changed."""
        now_s = self._log.clock()
        if now_s - self._heard_s < MEMBER_S / 4 and not self._group_changed():
            return
        with self._log.transaction() as db:
            changed = self._put_out(db, now_s)
            changed += (
                db.execute(
                    "UPDATE members SET until_s = ? WHERE reader = ? AND member = ?",
                    (now_s + MEMBER_S, self._group, self._member),
                ).rowcount
                == 0
                and db.execute(
                    "INSERT INTO members VALUES (?, ?, ?)", (self._group, self._member, now_s + MEMBER_S)
                ).rowcount
            )
            (generation,) = db.execute(
                "INSERT INTO generations VALUES (?, 1) ON CONFLICT (reader) DO UPDATE SET "
                "generation = generation + ? RETURNING generation",
                (self._group, 1 if changed else 0),
            ).fetchone()
            self._heard_s = now_s
            if generation != self._generation:
                self._generation = generation
                self._positions = self._assigned(db)

    def _put_out(self, db: sqlite3.Connection, now_s: float) -> int:
        """Drop members not heard of, and those whose process has ended; return how many."""
        rows = db.execute("SELECT member, until_s FROM members WHERE reader = ?", (self._group,)).fetchall()
        gone = [(self._group, member) for member, until_s in rows if until_s <= now_s or not _runs(member)]
        db.executemany("DELETE FROM members WHERE reader = ? AND member = ?", gone)
        return len(gone)

    def _group_changed(self) -> bool:
        with self._log._lock:
            row = self._log._db.execute(
                "SELECT generation FROM generations WHERE reader = ?", (self._group,)
            ).fetchone()
        return row is None or row[0] != self._generation

    def _assigned(self, db: sqlite3.Connection) -> dict[Place, int]:
        members = [
            row[0]
            for row in db.execute(
                "SELECT member FROM members WHERE reader = ? ORDER BY member", (self._group,)
            )
        ]
        rank = members.index(self._member)
        places = [
            (topic, partition) for topic in self._topics for partition in range(self._log.topic(topic)[1])
        ]
        mine: dict[Place, int] = {}
        for topic, partition in places[rank :: len(members)]:
            extent = self._log.extents(topic)[partition]
            at = self._log.committed(self._group, topic)[partition]
            if at is not None and at < extent.first:
                raise LostError(
                    f"{self._group}: {topic}/{partition} has nothing from {at} to {extent.first - 1} any more"
                )
            mine[topic, partition] = extent.first if at is None else at
        return mine


def _runs(member: str) -> bool:
    """Tell whether a member's process runs: the file is one machine's."""
    try:
        os.kill(int(member.partition(".")[0]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _move_past(log: SqliteLog, db: sqlite3.Connection, read: Batch) -> None:
    member, generation = read.token
    row = db.execute("SELECT generation FROM generations WHERE reader = ?", (read.group,)).fetchone()
    if row is None or row[0] != generation:
        raise FencedError(f"group {read.group} changed: member {member[:8]} is of generation {generation}")
    log.move(db, read.group, dict(read.positions))
