"""What every long-running part has: a state, and an end."""

import asyncio
from enum import StrEnum


class State(StrEnum):
    """Where a service stands; it only goes forward."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class Service:
    """A task that runs until it is asked to stop, finishes what it has begun, and says where it stands."""

    name = "service"

    def __init__(self) -> None:
        """Not yet running."""
        self.state = State.STARTING
        self.fault: str | None = None
        """Why it stopped by itself, for people; None while all is well."""
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask it to finish."""
        if self.state is not State.STOPPED:
            self.state = State.DRAINING
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to finish."""
        return self._stop.is_set()

    async def run(self) -> None:
        """Work until asked to stop."""
        if not self.stopping:
            self.state = State.RUNNING
        try:
            await self.work()
        finally:
            self.state = State.STOPPED

    async def work(self) -> None:
        """Do what this service is for; return when `stopping`."""
        raise NotImplementedError

    async def pause(self, seconds: float) -> bool:
        """Sleep, or less if asked to stop meanwhile; return whether to go on."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False
