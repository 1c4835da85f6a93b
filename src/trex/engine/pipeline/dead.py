"""Dead letters: what stages could not read, shown and given to them again (EVT-006)."""

from collections.abc import Iterator
from typing import Any

import orjson

from trex.engine.pipeline.log import Log, Message
from trex.engine.pipeline.stage import DEAD

_GROUP, _AT_ONCE = "dead", 500


def dead_letters(events: Log) -> Iterator[dict[str, Any]]:
    """Everything that could not be read, oldest first."""
    for partition, extent in enumerate(events.extents(DEAD)):
        at = extent.first
        while records := events.read(DEAD, partition, at, _AT_ONCE):
            for record in records:
                yield orjson.loads(record.value)
            at = records[-1].offset + 1


def replay_dead(events: Log) -> int:
    """Give what stages refused to their topics again, just that and each letter once; return how many.

    Letters from files were in no topic: the files are read again instead.

    Raises:
        LogError: nothing was given since the last commit.
    """
    producer, consumer = events.producer(_GROUP), events.consumer(_GROUP, DEAD)
    given = 0
    try:
        while (read := consumer.poll(_AT_ONCE, 1.0)).records:
            messages = []
            for record in read.records:
                letter = orjson.loads(record.value)
                if "topic" in letter:
                    whole = (
                        bytes.fromhex(letter["bytes"])
                        if "bytes" in letter
                        else orjson.dumps(letter["record"])
                    )
                    messages.append(Message(letter["topic"], record.key, whole))
            producer.commit(messages, read)
            given += len(messages)
    finally:
        consumer.close()
        producer.close()
    return given


def _part(letter: dict[str, Any]) -> bytes:
    return bytes.fromhex(letter["bytes"]) if "bytes" in letter else orjson.dumps(letter["record"])
