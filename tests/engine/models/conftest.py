"""What all tests of models share."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Little data on busy cores: threads would wait for each other."""
    with threadpool_limits(1):
        yield
