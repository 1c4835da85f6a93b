"""The logs that one suite runs against."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from trex.engine.pipeline.kafka_log import KafkaLog
from trex.engine.pipeline.log import Log
from trex.engine.pipeline.sqlite_log import SqliteLog

PATIENT = {"session.timeout.ms": 120_000}
"""A member not heard of for so long is put out: longer than a machine may be busy with other things."""

OpenLog = Callable[[], Log]
"""Opens the same log once more, as another process would."""


@pytest.fixture(params=["sqlite", "kafka"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenLog]:
    """A log of one test's own, as often as it is opened."""
    opened: list[Log] = []
    prefix = f"{uuid4().hex}."
    brokers = request.getfixturevalue("brokers") if request.param == "kafka" else ""

    def once_more() -> Log:
        opened.append(
            KafkaLog(brokers, prefix=prefix, options=PATIENT)
            if brokers
            else SqliteLog(tmp_path / "log.sqlite")
        )
        return opened[-1]

    yield once_more
    for log in opened:
        log.close()
