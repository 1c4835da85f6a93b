"""The distributed log: Kafka. Its transactions carry a stage's output and its place in the input."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

from confluent_kafka import (
    Consumer as KafkaClient,
)
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import (
    Producer as KafkaWriter,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from trex.engine.pipeline.log import (
    Batch,
    Consumer,
    Extent,
    FencedError,
    LogError,
    LostError,
    Message,
    Producer,
    Record,
    Topic,
    partition_of,
)

TIMEOUT_S = 30.0
"""How long a broker may take to answer."""
MOST_REPLICAS = 3
"""Copies of a partition, unless told otherwise."""
MAX_RECORD_BYTES = 64 << 20
"""Longest record: a block with its receipts."""
_OUT = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)
"""Errors by which Kafka says that somebody else took over."""


class KafkaLog:
    """Topics of a Kafka cluster whose names begin with a prefix."""

    def __init__(
        self,
        brokers: str,
        *,
        prefix: str = "trex.",
        replicas: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Name a cluster; topics are made by `declare`.

        Args:
            brokers: `host:port`, several by commas.
            prefix: of topics, groups and producers.
            replicas: copies of each partition; by default one for each broker named, at most three. What is
                acknowledged is in all but one of them (LOG-011).
            options: of librdkafka, such as security settings.
        """
        self.prefix, self.replicas = prefix, replicas or min(brokers.count(",") + 1, MOST_REPLICAS)
        self._options = {"bootstrap.servers": brokers, "log_level": 0, **(options or {})}
        self._admin = AdminClient(self._options)
        self._partitions: dict[str, int] = {}
        self._lock = RLock()
        self._reader = KafkaClient(
            self.reading("reader")
            | {"enable.partition.eof": True, "fetch.wait.max.ms": 10, "auto.offset.reset": "earliest"}
        )

        self._ends = KafkaClient(self.reading("ends") | {"isolation.level": "read_uncommitted"})

    def reading(self, group: str) -> dict[str, Any]:
        """Options of a client that reads what is committed, as a group."""
        return {
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            "fetch.wait.max.ms": 50,
            **self._options,
            "group.id": self.prefix + group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }

    def declare(self, *topics: Topic) -> None:
        """Make topics that are not there yet."""
        wanted = [
            NewTopic(
                self.prefix + topic.name,
                topic.partitions,
                self.replicas,
                config={
                    "cleanup.policy": "compact" if topic.compacted else "delete",
                    "retention.ms": str(-1 if topic.retention_s is None else topic.retention_s * 1000),
                    "max.message.bytes": str(MAX_RECORD_BYTES),
                    "min.insync.replicas": str(max(1, self.replicas - 1)),
                },
            )
            for topic in topics
        ]
        with _words():
            for made in self._admin.create_topics(wanted, operation_timeout=TIMEOUT_S).values():
                try:
                    made.result(TIMEOUT_S)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    def producer(self, name: str) -> Producer:
        """Open the producer of a name; an earlier one of the name can commit no more (LOG-003)."""
        return KafkaProducer(self, self._options, name)

    def consumer(self, group: str, *topics: str) -> Consumer:
        """Join a group; its members share the partitions of its topics (LOG-004)."""
        return KafkaConsumer(self, group, topics)

    def read(self, topic: str, partition: int, offset: int, most: int) -> list[Record]:
        """Return up to `most` records from an offset on, outside any group."""
        with self._lock, _words():
            extent = self.extents(topic)[partition]
            if offset >= extent.end:
                return []
            place = TopicPartition(self.prefix + topic, partition, max(offset, extent.first))
            self._reader.assign([place])
            try:
                found: list[Record] = []
                until = time.monotonic() + TIMEOUT_S
                while len(found) < most and time.monotonic() < until:
                    for told in self._reader.consume(most - len(found), 0.05):
                        if (error := told.error()) is None:
                            found.append(self.record(told))
                        elif error.code() == KafkaError._PARTITION_EOF:
                            return found
                        else:
                            raise KafkaException(error)
                return found
            finally:
                self._reader.unassign()

    def tail(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        """Every record from an offset to the end, waiting for what others are writing before it (LOG-010).

        What is committed shows only up to the first transaction that is open, whosesoever it is: an end that
        is read as committed would miss records that are.
        """
        place = TopicPartition(self.prefix + topic, partition)
        with _words():
            first, end = self._ends.get_watermark_offsets(place, TIMEOUT_S, cached=False)
            place.offset = max(offset, first)
            if place.offset >= end:
                return
            client = KafkaClient(self.reading("tail") | {"enable.partition.eof": True})
            try:
                client.assign([place])
                until = time.monotonic() + TIMEOUT_S
                while time.monotonic() < until:
                    told = client.poll(0.1)
                    if told is None:
                        continue
                    if (error := told.error()) is None:
                        if (told.offset() or 0) >= end:
                            return
                        yield self.record(told)
                        until = time.monotonic() + TIMEOUT_S
                    elif error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    elif (told.offset() or 0) >= end:
                        return
                raise LogError(f"{topic}/{partition}: somebody's transaction before {end} did not end")
            finally:
                client.close()

    def extents(self, topic: str) -> tuple[Extent, ...]:
        """What each partition holds."""
        with self._lock, _words():
            return tuple(
                Extent(
                    *self._reader.get_watermark_offsets(
                        TopicPartition(self.prefix + topic, partition), TIMEOUT_S, cached=False
                    )
                )
                for partition in range(self.partitions(topic))
            )

    def committed(self, group: str, topic: str) -> tuple[int | None, ...]:
        """How far a group is in each partition; None where it never was."""
        with _words():
            client = KafkaClient(self.reading(group))
            try:
                return self.positions(client, topic)
            finally:
                client.close()

    def positions(self, client: KafkaClient, topic: str) -> tuple[int | None, ...]:
        """How far a client's group is in each partition."""
        places = [TopicPartition(self.prefix + topic, at) for at in range(self.partitions(topic))]
        told = client.committed(places, TIMEOUT_S)
        by_partition = {one.partition: one.offset for one in told}
        return tuple(by_partition[at] if by_partition[at] >= 0 else None for at in range(len(by_partition)))

    def rewind(self, group: str, topic: str, offsets: Sequence[int]) -> None:
        """Set a group that has no members to these offsets, to replay from them."""
        places = [TopicPartition(self.prefix + topic, at, offset) for at, offset in enumerate(offsets)]
        asked = ConsumerGroupTopicPartitions(self.prefix + group, places)
        with _words(f"group {group} has members, or "):
            (done,) = self._admin.alter_consumer_group_offsets([asked]).values()
            for place in done.result(TIMEOUT_S).topic_partitions:
                if place.error is not None:
                    raise KafkaException(place.error)

    def retain(self) -> int:
        """Brokers do it by themselves (LOG-006)."""
        return 0

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            self._reader.close()
            self._ends.close()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        if topic not in self._partitions:
            name = self.prefix + topic
            told = self._admin.list_topics(name, TIMEOUT_S).topics[name]
            if told.error is not None:
                raise LogError(f"no topic is called {topic}: {told.error.str()}")
            self._partitions[topic] = len(told.partitions)
        return self._partitions[topic]

    def record(self, told: Any) -> Record:
        """A record as Kafka tells it."""
        topic = told.topic().removeprefix(self.prefix)
        return Record(topic, told.partition(), told.offset(), told.key() or b"", told.value() or b"")


class KafkaProducer:
    """Writes in transactions, alone under its name."""

    def __init__(self, log: KafkaLog, options: Mapping[str, Any], name: str) -> None:
        """Put an earlier one of the name out; `KafkaLog.producer` makes it."""
        self._log = log
        self._writer = KafkaWriter(
            {
                **options,
                "transactional.id": log.prefix + name,
                "transaction.timeout.ms": 30_000,
                "message.max.bytes": MAX_RECORD_BYTES,
                "compression.type": "lz4",
                "linger.ms": 1,
            }
        )
        with _words():
            self._writer.init_transactions(TIMEOUT_S)

    def commit(self, messages: Sequence[Message], read: Batch | None = None) -> None:
        """Write all messages and move the group of `read` past it: both, or neither (LOG-002)."""
        places = [
            (self._log.prefix + one.topic, partition_of(one.key, self._log.partitions(one.topic)))
            for one in messages
        ]
        if read is not None:
            read.token.check()
        with _words():
            self._writer.begin_transaction()
            try:
                for one, (topic, partition) in zip(messages, places, strict=True):
                    self._write(topic, partition, one)
                if read is not None:
                    self._writer.send_offsets_to_transaction(
                        self._log_positions(read), read.token.metadata, TIMEOUT_S
                    )
                self._writer.commit_transaction(TIMEOUT_S)
            except KafkaException as error:
                if not error.args[0].fatal():
                    self._writer.abort_transaction(TIMEOUT_S)
                raise

    def close(self) -> None:
        """Let go of the connection."""
        self._writer.flush(0)

    def _write(self, topic: str, partition: int, one: Message) -> None:
        while True:
            try:
                self._writer.produce(topic, one.value, one.key, partition)
            except BufferError:  # Its queue is full: what is in it goes first.
                self._writer.poll(0.05)
            else:
                return

    def _log_positions(self, read: Batch) -> list[TopicPartition]:
        return [
            TopicPartition(self._log.prefix + topic, partition, at)
            for (topic, partition), at in read.positions.items()
        ]


class _Token:
    """Who read a batch: its consumer, as it was."""

    def __init__(self, consumer: "KafkaConsumer", metadata: Any) -> None:
        self.consumer, self.metadata, self.generation = consumer, metadata, consumer.generation

    def check(self) -> None:
        """Raise FencedError when the group has changed since."""
        if self.generation != self.consumer.generation:
            raise FencedError(f"group {self.consumer.group} changed")


class KafkaConsumer:
    """A member of a group."""

    def __init__(self, log: KafkaLog, group: str, topics: Sequence[str]) -> None:
        """Join; `KafkaLog.consumer` makes it."""
        self.group = group
        self.generation = 0
        self._log = log
        self._fault: Exception | None = None
        for topic in topics:
            log.partitions(topic)
        self._client = KafkaClient(log.reading(group))
        self._client.subscribe(
            [log.prefix + topic for topic in topics], on_assign=self._assigned, on_revoke=self._revoked
        )

    def poll(self, most: int, wait_s: float) -> Batch:
        """Return up to `most` records, after at most about `wait_s` seconds; maybe none."""
        with _words():
            told = []
            if (first := self._client.poll(wait_s)) is not None:
                told = [first, *(self._client.consume(most - 1, 0) if most > 1 else ())]
            if self._fault is not None:
                raise self._fault
            found: list[Record] = []
            for one in told:
                if (error := one.error()) is None:
                    found.append(self._log.record(one))
                elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                    raise LostError(f"{self.group}: {error.str()}")
                else:
                    raise KafkaException(error)
            positions = {(record.topic, record.partition): record.offset + 1 for record in found}
            return Batch(self.group, found, positions, _Token(self, self._client.consumer_group_metadata()))

    def commit(self, read: Batch) -> None:
        """Move the group past a batch."""
        read.token.check()
        places = [
            TopicPartition(self._log.prefix + topic, partition, at)
            for (topic, partition), at in read.positions.items()
        ]
        if places:
            with _words():
                self._client.commit(offsets=places, asynchronous=False)

    def close(self) -> None:
        """Leave the group; the others take the partitions over."""
        self._client.close()

    def _assigned(self, client: KafkaClient, places: list[TopicPartition]) -> None:
        """Begin where the group is, and nowhere else: a hole is a fault, not a jump (LOG-007)."""
        self.generation += 1
        try:
            known = {(one.topic, one.partition): one.offset for one in client.committed(places, TIMEOUT_S)}
            for place in places:
                low, _ = client.get_watermark_offsets(place, TIMEOUT_S, cached=False)
                at = known[place.topic, place.partition]
                if 0 <= at < low:
                    name = f"{place.topic.removeprefix(self._log.prefix)}/{place.partition}"
                    self._fault = LostError(
                        f"{self.group}: {name} has nothing from {at} to {low - 1} any more"
                    )
                place.offset = low if at < 0 else at
            client.assign(places)
        except KafkaException as error:
            self._fault = LogError(f"Kafka: {error.args[0].str()}")

    def _revoked(self, client: KafkaClient, _: list[TopicPartition]) -> None:
        self.generation += 1
        client.unassign()


@contextmanager
def _words(what: str = "") -> Iterator[None]:
    """Say Kafka's errors in the log's words: once, here."""
    try:
        yield
    except KafkaException as error:
        told = error.args[0]
        kind = FencedError if told.code() in _OUT or told.fatal() else LogError
        raise kind(f"{what}Kafka: {told.name()}: {told.str()}") from error
