"""A devnet of the hub's tests."""

from collections.abc import Iterator

import pytest
from tests.node.conftest import Devnet, devnet_at


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with devnet_at(tmp_path_factory.mktemp("hub-chain") / "data") as running:
        yield running
