"""Follow a chain: new blocks to the log, replaced ones taken back, each step and the cursor in one commit."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from trex.engine.ingest.evm import EvmReader, Head, Heads, RawBlock, retraction
from trex.engine.ingest.topics import CURSORS, RAW
from trex.engine.pipeline.log import Log, Message, Producer, newest_by_key, partition_of
from trex.rpc.errors import EndpointError

log = logging.getLogger(__name__)

CHUNK_BLOCKS = 32
"""Most blocks in one question."""
AHEAD = 4
"""Questions under way at once while filling back."""
WINDOW_BLOCKS = 1024
"""How many blocks can be taken back on a chain that says `finalized` of none."""


class ReplacedError(Exception):
    """A block that counted as final was replaced: what was read of the source does not hold (ING-004)."""


@dataclass(frozen=True, slots=True)
class Told:
    """A block in the log that may still be taken back."""

    head: Head
    """Which."""
    since: int
    """Its record is at this offset or later."""


class Follower:
    """One chain, from a first block on.

    What is final when it is first started is left to `fill`, which goes on beside it; the follower
    begins after that. Both keep their place in the topic of cursors, in the commit of what they read.
    """

    def __init__(
        self, reader: EvmReader, events: Log, first: int, *, saw: Callable[[Heads, int], None] | None = None
    ) -> None:
        """Take up a source where it was left.

        Args:
            reader: of the chain.
            events: the log.
            first: block to begin at when nothing has been read yet.
            saw: told of the chain's heads and the next block to read, for metrics.
        """
        self.reader, self.events, self.first = reader, events, first
        self._saw = saw or (lambda _heads, _next: None)
        self._key = reader.source.encode()
        # Producers first: what those before them committed is settled then, and the cursors are the last.
        self._live = events.producer(f"{reader.source}/live")
        self._filling = events.producer(f"{reader.source}/fill")
        self._partition = partition_of(self._key, len(events.extents(RAW.name)))
        self._window: deque[Told] = deque()
        self._next = self._floor = -1
        self._fill_from = self._fill_until = -1

    async def start(self) -> None:
        """Read the cursors, or divide the chain into what is filled back and what is followed.

        Raises:
            EndpointError: the chain cannot be reached, on the first start.
        """
        cursors = await asyncio.to_thread(newest_by_key, self.events, CURSORS.name)
        if (known := cursors.get(self._key)) is not None:
            cursor = orjson.loads(known.value)
            self._next, self._floor = cursor["next"], cursor["floor"]
            await asyncio.to_thread(self._remember, cursor["since"], cursor["oldest"])
        else:
            heads = await self.reader.heads()
            final = -1 if heads.finalized is None else heads.finalized.number
            self._next = self._floor = max(self.first, final + 1)
            self._fill_from, self._fill_until = self.first, self._next
            await self._commit(self._live, [], self._fill_cursor(self.first, self._next))
            return
        back = orjson.loads(cursors[self._fill_key].value)
        self._fill_from, self._fill_until = back["next"], back["until"]

    @property
    def left(self) -> int:
        """Blocks still to be filled back."""
        return self._fill_until - self._fill_from

    async def step(self) -> bool:
        """Bring the log up to the chain by up to one question's blocks; return whether there may be more.

        Raises:
            EndpointError: no endpoint answers well.
            LogError: nothing was written; start a new follower.
            ReplacedError: the source must be read anew.
        """
        heads = await self.reader.heads()
        self._saw(heads, self._next)
        if heads.latest.number < self._next:
            # One that lags says nothing new; one that says another block at its head has a reorganisation.
            at_head = next((told for told in self._window if told.head.number == heads.latest.number), None)
            if at_head is not None and at_head.head.hash != heads.latest.hash:
                await self._take_back()
                return True
            return False
        until = min(heads.latest.number + 1, self._next + CHUNK_BLOCKS)
        blocks = await self.reader.blocks(range(self._next, until))
        if not blocks:
            return False
        linked = self._linked(blocks)
        if linked:
            await self._add(linked, heads.finalized)
        else:
            await self._take_back()
        return self._next <= heads.latest.number

    async def fill(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Fill back what was final at the first start, in order, several questions at a time (ING-003).

        Args:
            progress: told how many blocks are done and how many there are.

        Raises:
            EndpointError: no endpoint answers well.
            LogError: nothing was written since the last commit.
        """
        total = self._fill_until - self.first
        waiting: deque[tuple[int, int, asyncio.Task[list[RawBlock]]]] = deque()
        asked = self._fill_from
        try:
            while self._fill_from < self._fill_until:
                while asked < self._fill_until and len(waiting) < AHEAD:
                    end = min(asked + CHUNK_BLOCKS, self._fill_until)
                    waiting.append((asked, end, asyncio.create_task(self.reader.blocks(range(asked, end)))))
                    asked = end
                start, end, task = waiting.popleft()
                blocks = await task
                if [block.head.number for block in blocks] != list(range(start, end)):
                    raise EndpointError("bad_answer", f"blocks {start} to {end - 1} are not all there")
                await self._commit(
                    self._filling,
                    [Message(RAW.name, self._key, block.record) for block in blocks],
                    self._fill_cursor(end, self._fill_until),
                )
                self._fill_from = end
                if progress:
                    progress(end - self.first, total)
        finally:
            for _, _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, _, task in waiting), return_exceptions=True)

    def close(self) -> None:
        """Let go of the producers."""
        self._live.close()
        self._filling.close()

    @property
    def _fill_key(self) -> bytes:
        return self._key + b"/fill"

    def _fill_cursor(self, at: int, until: int) -> Message:
        return Message(CURSORS.name, self._fill_key, orjson.dumps({"next": at, "until": until}))

    async def _commit(self, producer: Producer, messages: list[Message], *cursors: Message) -> None:
        if producer is self._live:
            oldest = self._window[0] if self._window else None
            cursor = {
                "next": self._next,
                "floor": self._floor,
                "oldest": oldest.head.number if oldest else self._next,
                "since": oldest.since if oldest else await asyncio.to_thread(self._end),
            }
            cursors += (Message(CURSORS.name, self._key, orjson.dumps(cursor)),)
        await asyncio.to_thread(producer.commit, [*messages, *cursors])

    def _end(self) -> int:
        return self.events.extents(RAW.name)[self._partition].end

    def _linked(self, blocks: list[RawBlock]) -> list[RawBlock]:
        """Those that follow on each other and on what was read before."""
        tip = self._window[-1].head.hash if self._window else None
        found = []
        for block in blocks:
            if tip is not None and block.parent != tip:
                break
            found.append(block)
            tip = block.head.hash
        return found

    async def _add(self, blocks: list[RawBlock], finalized: Head | None) -> None:
        before = self._next, list(self._window)
        since = await asyncio.to_thread(self._end)
        self._window.extend(Told(block.head, since) for block in blocks)
        self._next = blocks[-1].head.number + 1
        # The last final block stays: the next one is held against its hash.
        final = self._next - WINDOW_BLOCKS if finalized is None else finalized.number
        while len(self._window) > 1 and self._window[1].head.number <= final:
            self._window.popleft()
        try:
            await self._commit(self._live, [Message(RAW.name, self._key, block.record) for block in blocks])
        except BaseException:
            self._next, self._window = before[0], deque(before[1])
            raise

    async def _take_back(self) -> None:
        """Take back the blocks that are not the chain's any more, newest first (EVT-003)."""
        low, high = 0, len(self._window)  # Those before `low` are the chain's, those from `high` on are not.
        while low < high:
            middle = (low + high) // 2
            told = self._window[middle]
            (now,) = await self.reader.hashes([told.head.number])
            if now == told.head.hash:
                low = middle + 1
            else:
                high = middle
        if low == 0 and self._window[0].head.number > self._floor:
            raise ReplacedError(
                f"{self.reader.source}: block {self._window[0].head.number} was final and is replaced"
            )
        gone = [self._window[at] for at in range(len(self._window) - 1, low - 1, -1)]
        if not gone:
            return
        log.info(
            "%s: taking back blocks %d to %d", self.reader.source, gone[-1].head.number, gone[0].head.number
        )
        messages = [
            Message(RAW.name, self._key, retraction(await asyncio.to_thread(self._find, told)))
            for told in gone
        ]
        before = self._next, list(self._window)
        for _ in gone:
            self._window.pop()
        self._next = gone[-1].head.number
        try:
            await self._commit(self._live, messages)
        except BaseException:
            self._next, self._window = before[0], deque(before[1])
            raise

    def _find(self, told: Told) -> bytes:
        """The record of a block in the log."""
        for record in self.events.tail(RAW.name, self._partition, told.since):
            if record.key == self._key and _block_of(record.value) == (told.head, 1):
                return record.value
        raise ReplacedError(f"block {told.head.number} was replaced, and is not in the log any more")

    def _remember(self, since: int, oldest: int) -> None:
        """Rebuild the window from the log: what was followed and not taken back."""
        for record in self.events.tail(RAW.name, self._partition, since):
            if record.key != self._key:
                continue
            head, weight = _block_of(record.value)
            expected = self._window[-1].head.number + 1 if self._window else oldest
            if weight == 1 and head.number == expected:  # Others are filled back.
                self._window.append(Told(head, record.offset))
            elif weight == -1 and self._window and self._window[-1].head == head:
                self._window.pop()


def _block_of(value: bytes) -> tuple[Head, int]:
    raw = orjson.loads(value)
    return Head(int(raw["block"]["number"], 16), raw["block"]["hash"].lower()), raw["weight"]
