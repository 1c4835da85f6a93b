"""Slots: the chain's time, counted from genesis in whole block times."""

import time
from collections.abc import Callable


class SlotClock:
    """Tells the slot of now and when the next one begins.

    It reads a wall clock, so it does not drift: a late wake-up makes one block late, not all after it.
    """

    def __init__(
        self, genesis_time_s: int, block_time_ms: int, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Make a clock.

        Args:
            genesis_time_s: timestamp of block 0, seconds since 1970.
            block_time_ms: length of a slot.
            wall_ns: nanoseconds since 1970.
        """
        self.genesis_time_s = genesis_time_s
        self.block_time_ms = block_time_ms
        self.offset_ms = 0
        """How far this chain's time runs ahead of the wall clock; only time controls of a devnet move it."""
        self._wall_ns = wall_ns

    def now_ms(self) -> float:
        """Return milliseconds since genesis."""
        return self._wall_ns() / 1e6 - self.genesis_time_s * 1000 + self.offset_ms

    def slot(self) -> int:
        """Return the slot of now; 0 before genesis."""
        return max(0, int(self.now_ms() // self.block_time_ms))

    def until_next_s(self) -> float:
        """Return seconds until the next slot begins."""
        elapsed_ms = self.now_ms() % self.block_time_ms
        return (self.block_time_ms - elapsed_ms) / 1000

    def timestamp(self, slot: int) -> int:
        """Return the timestamp of a block in this slot: its beginning, whole seconds."""
        return self.genesis_time_s + slot * self.block_time_ms // 1000

    def first_slot_at(self, timestamp_s: int) -> int:
        """Return the first slot whose timestamp is not below this one."""
        return max(0, -(-(timestamp_s - self.genesis_time_s) * 1000 // self.block_time_ms))

    def set_now(self, timestamp_s: float) -> None:
        """Let the chain's time be this now, and go on from there."""
        self.offset_ms += round((timestamp_s - self.genesis_time_s) * 1000 - self.now_ms())
