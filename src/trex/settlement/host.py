"""Who serves the chain that derivation, or the feed, changes."""

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from trex.chain.core import Sealed


class Host(Protocol):
    """Who serves the chain that derivation changes."""

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Keep everyone else from changing the chain."""
        ...

    def advanced(self, head: Sealed) -> None:
        """Take note of new blocks."""
        ...

    def rewound(self, number: int) -> None:
        """Take note that the blocks above this number are gone, others in their place or none."""
        ...


class Alone:
    """A host for a chain that nobody serves."""

    def __init__(self) -> None:
        """Nothing is paused."""
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def paused(self) -> Any:
        """Keep everyone else from changing the chain."""
        async with self._one:
            yield

    def advanced(self, head: Sealed) -> None:
        """Nobody wants to know."""

    def rewound(self, number: int) -> None:
        """Nobody wants to know."""
