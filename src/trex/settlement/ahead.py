"""Reading L1 ahead of derivation: while one batch is executed, the next ones are being fetched."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from trex.chain.workers import guarded
from trex.settlement.deposits import Deposit, accumulate
from trex.settlement.inbox import PostedBatch
from trex.settlement.l1.blobs import Blobs
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import L1Reader
from trex.settlement.watch import Contracts, Mark, Span, read_span

Event = TypeVar("Event", PostedBatch, Deposit)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far to read ahead."""

    span_blocks: int = 256
    """L1 blocks asked for at once."""
    steps_ahead: int = 512
    """L1 blocks read and not yet worked on, at most."""
    blobs_ahead: int = 36
    """Blobs being fetched or waiting, at most; those of one L1 block are never divided."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one L1 block adds."""

    mark: Mark
    """At its end."""
    batches: tuple[PostedBatch, ...] = ()
    deposits: tuple[Deposit, ...] = ()
    blobs: list["asyncio.Task[list[bytes]]"] = field(default_factory=list)
    """For each batch its blobs, on their way."""

    @property
    def block(self) -> L1Block:
        """The L1 block."""
        return self.mark.block

    @property
    def blob_count(self) -> int:
        """Blobs of all of its batches."""
        return sum(len(batch.header.blob_hashes) for batch in self.batches)


def steps_of(span: Span, before: Mark) -> list[Step]:
    """Divide a span into its L1 blocks.

    Args:
        span: read from L1.
        before: what L1 had before it.
    """
    steps = []
    mark, batches, deposits = before, list(span.batches), list(span.deposits)
    for block in span.blocks:
        ours = _taken(batches, block.number)
        due = _taken(deposits, block.number)
        mark = Mark(
            block,
            mark.batch_count + len(ours),
            ours[-1].accumulator if ours else mark.accumulator,
            mark.deposit_count + len(due),
            accumulate(due, mark.deposit_accumulator),
        )
        steps.append(Step(mark, tuple(ours), tuple(due)))
    return steps


def _taken(found: list[Event], number: int) -> list[Event]:
    """Take those of an L1 block from the front."""
    count = 0
    while count < len(found) and found[count].l1_number == number:
        count += 1
    taken = found[:count]
    del found[:count]
    return taken


class Budget:
    """So many of something at once; who wants more than there ever is gets it alone."""

    def __init__(self, most: int) -> None:
        """Start with nothing taken."""
        self.most = most
        self.taken = 0
        self._freed = asyncio.Event()

    async def take(self, count: int) -> None:
        """Wait until there is room: once there is none, until half is free, so that some come together."""
        most = self.most
        while self.taken and self.taken + count > most:
            most = min(self.most // 2 + count, self.most)
            self._freed.clear()
            await self._freed.wait()
        self.taken += count

    def give(self, count: int) -> None:
        """Give back."""
        self.taken -= count
        self._freed.set()


class Ahead:
    """Reads steps up to an L1 block, in the background, bounded in blocks and in blobs."""

    def __init__(
        self,
        reader: L1Reader,
        blobs: Blobs,
        contracts: Contracts,
        reading: Reading,
        read: Callable[[bytes, list[bytes]], None] = lambda *_: None,
    ) -> None:
        """Name what is read; `read` gets each batch's header and blobs when they are there, on a thread."""
        self.reader = reader
        self.blobs = blobs
        self.contracts = contracts
        self.reading = reading
        self.read = read
        self.blobs_budget = Budget(reading.blobs_ahead)

    @asynccontextmanager
    async def steps(self, before: Mark, last: L1Block) -> AsyncIterator[AsyncIterator[Step]]:
        """Read the L1 blocks after `before` up to `last`, in order; what was read in vain is dropped.

        The iterator raises what reading raised: L1ReorgedError, L1UnavailableError, L1RefusedError.
        """
        queue: asyncio.Queue[Step | None] = asyncio.Queue(self.reading.steps_ahead)
        fetches: set[asyncio.Task[list[bytes]]] = set()
        self.blobs_budget = Budget(self.reading.blobs_ahead)

        async def read() -> None:
            try:
                async for step in self._read(before, last):
                    # All at once: what it took batch by batch would come back only when it is worked on.
                    await self.blobs_budget.take(step.blob_count)
                    for batch in step.batches:
                        fetch = asyncio.create_task(self._fetch(step.block, batch))
                        fetches.add(fetch)
                        step.blobs.append(fetch)
                    await queue.put(step)
            except Exception:
                await queue.put(None)
                raise
            await queue.put(None)

        reading = asyncio.create_task(read(), name="l1-ahead")

        async def taken() -> AsyncIterator[Step]:
            while (step := await queue.get()) is not None:
                yield step
                fetches.difference_update(step.blobs)
                self.blobs_budget.give(step.blob_count)
            await reading

        try:
            yield taken()
        finally:
            reading.cancel()
            for fetch in fetches:
                fetch.cancel()
            await asyncio.gather(reading, *fetches, return_exceptions=True)

    async def _read(self, before: Mark, last: L1Block) -> AsyncIterator[Step]:
        while before.block.number < last.number:
            end = last
            if last.number - before.block.number > self.reading.span_blocks:
                end = await self.reader.block(before.block.number + self.reading.span_blocks)
            blocks: Sequence[L1Block] = await self.reader.chain_between(before.block, end)
            span = await read_span(self.reader, self.contracts, before, blocks)
            for step in steps_of(span, before):
                yield step
            before = span.mark

    async def _fetch(self, block: L1Block, batch: PostedBatch) -> list[bytes]:
        names = batch.header.blob_hashes
        if not names:
            return []
        blobs = await self.blobs.fetch(block, names)
        await asyncio.to_thread(guarded, self.read, batch.header.encoded, blobs)
        return blobs
