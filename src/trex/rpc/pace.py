"""How fast endpoints are asked: what a provider allows, kept by whoever asks, before it says no."""

import asyncio
from collections.abc import Awaitable, Callable


class Pace:
    """Lets so many questions a second through to each endpoint, in the order in which they come."""

    def __init__(
        self,
        per_s: float,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Let nothing wait yet.

        Args:
            per_s: questions a second, those of a batch counted; what a second allows may come at once.
            clock: seconds that only grow; None for the event loop's.
            sleep: waits so many seconds.
        """
        if per_s <= 0:
            raise ValueError(f"{per_s} questions a second")
        self.per_s = per_s
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._sleep = sleep
        self._free_at: dict[str, float] = {}

    async def wait(self, endpoint: str, questions: int = 1) -> None:
        """Return when an endpoint may be asked so many questions; they count from then on."""
        now = self._clock()
        free_at = max(self._free_at.get(endpoint, 0.0), now - 1.0)
        self._free_at[endpoint] = free_at + questions / self.per_s
        if (pause_s := free_at - now) > 0:
            await self._sleep(pause_s)
