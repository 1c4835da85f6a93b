"""Block production: when a block is made. What goes into it is the core's business."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from trex.chain.clock import SlotClock
from trex.chain.core import FAULTS, Core, L1View, Sealed
from trex.chain.metrics import Metrics
from trex.chain.service import Service
from trex.chain.workers import guarded
from trex.types.errors import CoreError

log = logging.getLogger(__name__)

L1_CODES = frozenset({"l1_unread", "l1_reorg", "origin_time"})
"""Codes of `CoreError` by which L1 keeps the next block from being made: it passes, and nothing is lost."""


@dataclass(slots=True)
class Mining:
    """What causes a block. All three off: only an explicit request does."""

    slots: bool = True
    """The network's rule: a block when there is something to include, and one each `max_idle_ms` at least."""
    instant: bool = False
    """Each transaction at once (devnet)."""
    interval_ms: int = 0
    """One each so many milliseconds, empty or not (devnet); 0 for none."""


class Producer(Service):
    """Makes blocks, never two at a time."""

    name = "production"

    def __init__(
        self,
        core: Core,
        clock: SlotClock,
        metrics: Metrics,
        *,
        mining: Mining | None = None,
        budget_ms: int | None = None,
    ) -> None:
        """Make a producer.

        Args:
            core: the chain.
            clock: tells slots.
            metrics: counts blocks.
            mining: what causes a block; by default the network's rule.
            budget_ms: how long a block takes in transactions; by default a slot.
        """
        super().__init__()
        self.core = core
        self.clock = clock
        self.metrics = metrics
        self.mining = mining or Mining()
        self.budget_ms = budget_ms or core.block_time_ms
        self.gas_limit: int | None = None
        """Of the blocks to come; None is the network's."""
        self.next_timestamp: int | None = None
        """The next block that is not empty, or is asked for, takes exactly this timestamp."""
        self.interval_s: int | None = None
        """Each block is so many seconds after the one before it (devnet); None: as the clock says."""
        self.listeners: list[Callable[[Sealed], None]] = []
        """Called on the loop with each block made."""
        self.wanted = False
        """Something outside the mempool waits for a block."""
        self.l1: Callable[[], L1View | None] = L1View
        """What blocks may take from L1; None while that is not known: then none is made."""
        self.waits: str | None = None
        """Why L1 keeps the next block from being made; None while it does not."""
        self._one = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "producer")
        self._lagging = False

    async def work(self) -> None:
        """Look at each slot's beginning whether a block is due."""
        metrics_head = self.core.head()
        self.metrics.at(metrics_head)
        try:
            late = False
            while await self.pause(0 if late else self.clock.until_next_s()):
                slot, late = self.clock.slot(), False
                if self.fault is None and (due := self._due()):
                    await self._try(allow_empty=due == "empty")
                    # A slot that began meanwhile is not left out when something waits for it.
                    late = self.clock.slot() > slot and self._due() == "full"
            async with self._one:  # a block asked for by a request may still be in the making
                pass
        finally:
            self._thread.shutdown(wait=True)

    def _due(self) -> str | None:
        """Tell what kind of block this slot wants: `empty` (may be empty), `full`, or None."""
        mining = self.mining
        head = self.core.head()
        something = self._something()
        elapsed_ms = (self.clock.slot() - head.slot) * self.clock.block_time_ms
        if mining.slots:
            if elapsed_ms >= self.core.max_idle_ms and self.next_timestamp is None:
                return "empty"
            return "full" if something else None
        if mining.interval_ms and elapsed_ms >= mining.interval_ms:
            return "empty"
        return "full" if mining.instant and self._deposited() else None

    def _something(self) -> bool:
        """Tell whether there may be something to include."""
        return self.wanted or self.core.pool_len()[0] > 0 or self._deposited()

    def _deposited(self) -> bool:
        """Tell whether deposits may be due; the core knows which it has."""
        l1 = self.l1()
        return l1 is not None and len(l1.deposits) > 0

    async def _try(self, allow_empty: bool) -> None:
        try:
            await self.make(allow_empty=allow_empty)
        except CoreError as error:
            # make() has already recorded a fault of the store, or that L1 is waited for; another error
            # concerns one block only.
            if self.fault is None and self.waits is None:
                log.error("block not made: %s", error)
        except Exception:
            log.exception("block not made")

    async def after_submit(self) -> None:
        """In instant mode, include what has just come in."""
        if self.mining.instant and self.fault is None and not self.stopping:
            while self.core.pool_len()[0] > 0 or self.wanted:
                if await self.make(allow_empty=False) is None:
                    break

    async def make(self, *, slot: int | None = None, allow_empty: bool = True) -> Sealed | None:
        """Make the next block now, in the slot of now or a later one.

        Args:
            slot: take at least this one.
            allow_empty: make one even if there is nothing to include.

        Raises:
            CoreError: it cannot be stored, or production has stopped for that reason before; one of
                `L1_CODES`: L1 keeps it from being made.
        """
        async with self._one:
            if self.fault is not None:
                raise CoreError("stopped", f"production has stopped: {self.fault}")
            head = self.core.head()
            at = max(self.slot_after(head), slot or 0)
            self._watch_lag(at)
            idle = not self._something()
            self.wanted = False
            started = time.perf_counter()
            loop = asyncio.get_running_loop()
            try:
                if (l1 := self.l1()) is None:
                    raise CoreError("l1_unread", "what L1 has is not known yet")
                sealed = await loop.run_in_executor(self._thread, self._build, at, allow_empty, l1)
            except CoreError as error:
                self.wanted = True
                self.failed(error)
                self._wait_for_l1(error)
                raise
            self._go_on_with_l1()
            if sealed is None:
                return None
            if self.next_timestamp is not None or self.interval_s is not None:
                self.clock.set_now(sealed.timestamp)
                self.next_timestamp = None
            seconds = time.perf_counter() - started
        self.metrics.sealed(sealed, seconds)
        log.log(
            logging.DEBUG if idle or not sealed.transactions else logging.INFO,
            "block %d",
            sealed.number,
            extra={
                "slot": sealed.slot,
                "transactions": sealed.transactions,
                "gas": sealed.gas_used,
                "ms": round(seconds * 1000, 1),
            },
        )
        for listener in self.listeners:
            try:
                listener(sealed)
            except Exception:
                log.exception("telling of block %d failed", sealed.number)
        return sealed

    def failed(self, error: CoreError) -> None:
        """Make no more blocks if this error says that the store cannot be written or trusted."""
        if error.code in FAULTS and self.fault is None:
            self.fault = str(error)
            log.critical("block production has stopped, reads go on: %s", error)

    def _wait_for_l1(self, error: CoreError) -> None:
        """Say once that no block is made because of L1: transactions wait in the mempool."""
        if error.code in L1_CODES:
            if self.waits is None:
                log.warning("no blocks until L1 is followed again: %s", error)
            self.waits = str(error)

    def _go_on_with_l1(self) -> None:
        if self.waits is not None:
            log.info("blocks are made again")
            self.waits = None

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Hold the making of blocks while something else changes the chain."""
        async with self._one:
            yield

    def slot_after(self, head: Sealed) -> int:
        """Return the slot that a block on this head takes now."""
        if self.next_timestamp is not None:
            return max(head.slot + 1, self.clock.first_slot_at(self.next_timestamp))
        if self.interval_s is not None:
            return max(head.slot + 1, self.clock.first_slot_at(head.timestamp + self.interval_s))
        return max(head.slot + 1, self.clock.slot())

    def outlook(self) -> tuple[int, int | None]:
        """Return slot and gas limit of a block made now; a gas limit of None is the network's."""
        return self.slot_after(self.core.head()), self.gas_limit

    def _build(self, slot: int, allow_empty: bool, l1: L1View) -> Sealed | None:
        return guarded(
            self.core.build,
            slot,
            allow_empty=allow_empty,
            budget_ms=self.budget_ms,
            gas_limit=self.gas_limit,
            l1_headers=l1.headers,
            deposits=l1.deposits,
            most_unposted_bytes=l1.most_unposted_bytes,
        )

    def _watch_lag(self, slot: int) -> None:
        """Say once when the wall clock has fallen behind the chain: slots then follow the chain."""
        ahead_ms = (slot - self.clock.slot()) * self.clock.block_time_ms
        timed = self.next_timestamp is not None or self.interval_s is not None
        lagging = ahead_ms > 10_000 and self.mining.slots and not timed
        if lagging and not self._lagging:
            log.warning("the clock is %.0f s behind the newest block", ahead_ms / 1000)
        self._lagging = lagging
