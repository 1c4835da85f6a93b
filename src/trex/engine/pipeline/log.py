"""The seam of the log: topics of records in order, written in transactions, read by groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from zlib import crc32

Place = tuple[str, int]
"""A topic and one of its partitions."""


class LogError(Exception):
    """The log could not do its work; asking again may mend it."""


class FencedError(LogError):
    """Somebody else took over: another producer of the same name, or a change in the group. Start anew."""


class LostError(LogError):
    """Records that a group had not read are gone: a hole, never passed over silently (LOG-007)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A named sequence of records, in partitions that are each in order."""

    name: str
    """Letters, digits, dots and hyphens."""
    partitions: int = 1
    """Records of one key are in one of them, in the order in which they were written."""
    retention_s: int | None = None
    """Records older than this may go; None keeps all."""
    compacted: bool = False
    """Of each key, the newest record is enough."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be written."""

    topic: str
    """Where."""
    key: bytes
    """Chooses the partition."""
    value: bytes
    """The content."""


@dataclass(frozen=True, slots=True)
class Record:
    """What was written."""

    topic: str
    """Where."""
    partition: int
    """In which part of it."""
    offset: int
    """Place in the partition; later is greater, not every number need exist."""
    key: bytes
    """As written."""
    value: bytes
    """As written."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a member of a group read, and how far it is then."""

    group: str
    """Whose reading."""
    records: Sequence[Record]
    """In order within each partition."""
    positions: Mapping[Place, int]
    """Next offset of each partition read from."""
    token: Any = field(default=None, repr=False)
    """The log's own: who read it, to tell a member that was put out since."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds."""

    first: int
    """Lowest offset that is still there."""
    end: int
    """Offset that the next record may have."""


class Producer(Protocol):
    """Writes to the log in transactions, alone under its name."""

    def commit(self, messages: Sequence[Message], read: Batch | None = None) -> None:
        """Write all messages and move the group of `read` past it: both, or neither (LOG-002).

        Raises:
            FencedError: another producer of this name was opened since, or `read` is of a former member.
            LogError: nothing was written.
        """

    def close(self) -> None:
        """Let go of what is held."""


class Consumer(Protocol):
    """A member of a group: reads the partitions that are its own at the time."""

    def poll(self, most: int, wait_s: float) -> Batch:
        """Return up to `most` records, after at most about `wait_s` seconds; maybe none.

        Raises:
            LostError: records between the group's position and what is there are gone.
        """

    def commit(self, read: Batch) -> None:
        """Move the group past a batch.

        Raises:
            FencedError: the group changed since it was read.
        """

    def close(self) -> None:
        """Leave the group."""


class Log(Protocol):
    """Where events are kept in order. Two of them: SQLite, and Kafka."""

    def declare(self, *topics: Topic) -> None:
        """Make topics that are not there yet."""

    def producer(self, name: str) -> Producer:
        """Open the producer of a name; an earlier one of the name can commit no more (LOG-003)."""

    def consumer(self, group: str, *topics: str) -> Consumer:
        """Join a group; its members share the partitions of its topics (LOG-004)."""

    def read(self, topic: str, partition: int, offset: int, most: int) -> list[Record]:
        """Return up to `most` records from an offset on, outside any group."""

    def tail(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        """Every record from an offset to the end, waiting for what others are writing before it (LOG-010).

        Raises:
            LogError: they did not come to an end.
        """

    def extents(self, topic: str) -> tuple[Extent, ...]:
        """What each partition holds."""

    def committed(self, group: str, topic: str) -> tuple[int | None, ...]:
        """How far a group is in each partition; None where it never was."""

    def rewind(self, group: str, topic: str, offsets: Sequence[int]) -> None:
        """Set a group that has no members to these offsets, to replay from them."""

    def retain(self) -> int:
        """Let go of what retention and compaction allow; return how many records went (LOG-006)."""

    def close(self) -> None:
        """Let go of what is held."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, the same on every log (LOG-001)."""
    return crc32(key) % partitions


def lag(log: Log, group: str, topic: str) -> int:
    """Records written and not yet read by a group; on Kafka transactions' own marks count too."""
    return sum(
        extent.end - max(extent.first, at or 0)
        for extent, at in zip(log.extents(topic), log.committed(group, topic), strict=True)
    )


def backlog(log: Log, groups: Sequence[str], topic: str) -> int:
    """Records unread by the slowest of those groups that ever read a topic (LOG-008)."""
    return max(
        (
            lag(log, group, topic)
            for group in groups
            if any(at is not None for at in log.committed(group, topic))
        ),
        default=0,
    )


def newest_by_key(log: Log, topic: str) -> dict[bytes, Record]:
    """The newest record of each key of a compacted topic."""
    found: dict[bytes, Record] = {}
    for partition, extent in enumerate(log.extents(topic)):
        found |= {record.key: record for record in log.tail(topic, partition, extent.first)}
    return found
