"""Which L1 block the sequencer's next blocks refer to, and which deposits they must hold.

Everything comes from the driver, which has read and checked it already; `Chain.build` keeps the rules
(DRV-050..054). So a block built here is one that its batch derives again.
"""

import asyncio
import logging

from trex.chain.core import L1View
from trex.settlement.driver import Driver
from trex.settlement.l1.errors import L1Error
from trex.settlement.positions import Position, PositionsError
from trex.types.errors import CoreError

log = logging.getLogger(__name__)


class OriginSelection:
    """Keeps at hand what the next blocks may take from L1, a confirmation depth below its newest block.

    While L1 does not answer, what was read last stands: blocks go on with its newest origin, until that is
    too old for any (DRV-052). Before L1 has been read to its end for the first time, while the chain goes
    back because L1 did, and while L1 puts blocks on it that are not its own, nothing is built.
    """

    def __init__(self, driver: Driver, depth: int = 0) -> None:
        """Listen to a driver.

        Args:
            driver: follows L1 for the same chain.
            depth: how many L1 blocks above an origin there are at least: the deeper, the fewer L1 reorgs undo
                blocks, and the later deposits arrive.
        """
        self.driver = driver
        self.depth = depth
        self._view: L1View | None = None
        self._seen: Position | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._behind = False
        driver.listeners.append(self._moved)
        driver.overtaken.append(self._overtaken)

    def view(self) -> L1View | None:
        """Return what the next block may take from L1; None while that is not known."""
        return self._view

    def _overtaken(self) -> None:
        """Forget what was read for a chain that ended elsewhere: its deposits may be in already (DRV-053)."""
        self._view, self._behind = None, True

    def _moved(self, position: Position) -> None:
        self._behind = False
        seen, self._seen = self._seen, position
        if seen is not None and not _follows(position, seen):
            self._view = None  # deposits of blocks that are given up are due again: the view begins too late
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._refresh(), name="origin-selection")

    async def _refresh(self) -> None:
        while self._again:
            self._again = False
            if self._view is None and not self._caught_up():
                return
            try:
                view = await self.driver.view(self.depth)
            except (CoreError, L1Error, PositionsError) as error:
                log.warning("origin of the next block: %s", error)
            else:
                if self._behind:
                    return  # until the position is known
                if not self._again or self._view is not None:
                    self._view = view
                if self.driver.unproven is None:
                    continue
            # Again though L1 may have no further block: what it did not tell it may tell now.
            going = await self.driver.pause(self.driver.following.poll_s)
            self._again = going and self.driver.fault is None

    def _caught_up(self) -> bool:
        """Tell whether L1 has been read to its end: on anything older nothing is built."""
        heads, seen = self.driver.l1_heads, self._seen
        if heads is None or seen is None:
            return False
        return seen.mark.block.number + self.driver.following.confirmations >= heads.latest.number


def _follows(position: Position, seen: Position) -> bool:
    """Tell whether the driver has gone forward."""
    return position.mark.block.number >= seen.mark.block.number and position.safe.number >= seen.safe.number
