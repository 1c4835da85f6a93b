"""A broker for all tests of the engine."""

from collections.abc import Iterator

import pytest
from tests.engine.pipeline.broker import broker


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Kafka broker."""
    with broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address
