"""The backlog: blocks of the sequencer's that follow what the inbox leads to (PST-001, PST-003, PST-004)."""

import logging
from collections import OrderedDict
from dataclasses import dataclass, field

from trex.settlement.blocks import BlockId, BlockSource, L2Block, Origin
from trex.settlement.inbox import ZERO
from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.roles import Waits
from trex.settlement.spans import MAX_BLOCKS, Packer, Span, span_of
from trex.settlement.watch import InboxState
from trex.types.primitives import Hash32

log = logging.getLogger(__name__)

REMEMBERED = 1024
"""Appends whose outcome is remembered: more than fall out of L1 at once."""
ENOUGH = 3
"""Times the blobs of a batch that blocks are read for, no more: a backlog does not fill memory."""


@dataclass(slots=True)
class Waiting:
    """Blocks read from the node and not posted, on top of the block that the inbox leads to."""

    base: L2Block
    origin: Origin
    blocks: list[L2Block] = field(default_factory=list)
    newest: int = 0
    """Number of the node's newest block."""

    @property
    def span(self) -> Span:
        """The blocks with their origins."""
        return span_of(self.base, self.origin, self.blocks)


class Backlog:
    """What a node has and L1 has not."""

    def __init__(self, source: BlockSource, packer: Packer) -> None:
        """Name the node, and who knows how much blocks take on L1."""
        self.source = source
        self.packer = packer
        self._led_to: OrderedDict[Hash32, BlockId] = OrderedDict()
        """By accumulator, the block that the inbox led to with it."""
        self._waiting: Waiting | None = None

    def forget(self) -> None:
        """Read all blocks anew next time."""
        self._waiting = None

    async def read(self, inbox: InboxState) -> Waiting:
        """Return the blocks that follow what the inbox leads to, as many as are worth looking at.

        Raises:
            Waits: the node has not yet derived that far.
            L1UnavailableError: the node does not answer, or with something else.
        """
        base = await self._base(inbox)
        waiting = self._waiting
        if waiting is None or waiting.base.hash != base.hash:
            waiting = self._waiting = await self._after(base)
        newest = await self.source.id()
        if waiting.blocks and not await self._has(waiting.blocks[-1], newest):
            # It rebuilds, after an L1 reorg for one.
            log.warning("the sequencer has other blocks now: reading them anew", extra={"from": base.number})
            waiting = self._waiting = await self._after(base)
        while self.packer.fill(waiting.blocks) < ENOUGH and len(waiting.blocks) < MAX_BLOCKS:
            first = waiting.base.number + len(waiting.blocks) + 1
            if first > newest.number:
                break
            blocks = await self.source.blocks(first, min(newest.number, first + 255))
            parent = waiting.blocks[-1] if waiting.blocks else waiting.base
            if blocks[0].parent_hash != parent.hash:
                self._waiting = None
                raise L1UnavailableError("bad_answer", "the node's chain changed while it was read")
            waiting.blocks += blocks
        waiting.newest = newest.number
        return waiting

    async def counted_on(self) -> float | None:
        """Return how many blobs the node counts on L1 to take in a block; None where it does not say.

        Raises:
            L1UnavailableError: it does not answer.
        """
        return (await self.source.status()).blobs_per_l1_block

    async def _base(self, inbox: InboxState) -> BlockId:
        """Return the block that the inbox leads to (PST-001, PST-004).

        Raises:
            Waits: the node has not yet derived that far.
        """
        if inbox.accumulator == ZERO:
            return await self.source.id(0)
        known = self._led_to.get(inbox.accumulator)
        if known is not None:
            if await self._has(known, await self.source.id()):
                return known
            del self._led_to[inbox.accumulator]
            log.warning(
                "the node has another block than was posted: asking what L1 leads to",
                extra={"block": known.number},
            )
        derived = (await self.source.status()).safe
        if derived.accumulator != inbox.accumulator:
            raise Waits(
                "behind",
                f"the node has derived {derived.batch_count} of the inbox's {inbox.batch_count} batches, "
                f"up to L1 block {derived.l1.number}",
            )
        self.remember(inbox.accumulator, derived.block)
        return derived.block

    async def _after(self, base: BlockId) -> Waiting:
        (block,) = await self.source.blocks(base.number, base.number)
        if block.hash != base.hash:
            raise Waits("behind", f"the node's block {base.number} is not what L1 leads to: it rebuilds")
        return Waiting(block, await self.source.origin(block))

    async def _has(self, block: BlockId | L2Block, newest: BlockId) -> bool:
        """Tell whether a block is on the node's chain, whose newest block this is."""
        if newest.number <= block.number:
            return newest.hash == block.hash
        return (await self.source.id(block.number)).hash == block.hash

    def remember(self, accumulator: Hash32, block: BlockId) -> None:
        """Note which block the inbox leads to with an accumulator."""
        self._led_to[accumulator] = block
        while len(self._led_to) > REMEMBERED:
            self._led_to.popitem(last=False)
