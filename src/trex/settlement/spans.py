"""The span of blocks that a batch holds: where it may end, what L1 says of it, how many blobs it takes.

PST-010, PST-011.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from trex.chain.batches import encode_batch
from trex.settlement.blocks import L2Block, Origin
from trex.settlement.deposits import Deposit
from trex.settlement.l1.errors import L1Error, L1ReorgedError
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import L1Reader
from trex.settlement.places import Places
from trex.settlement.watch import deposits_at, read_queue
from trex.types.errors import CoreError

BLOB_DATA_BYTES = 130_044
"""Of a batch in one blob (BAT-002)."""
MAX_BLOCKS = 16_384
"""In one batch (BAT-040)."""
L1_BLOBS = 6
"""That one L1 transaction carries at most (EIP-7594)."""
FIRST_RATIO = 0.65
"""Coded bytes for each byte of transactions, before there was a batch to measure."""
BLOCK_BYTES = 4
"""Coded bytes of a block beside its transactions, about."""
TRIES = 12
"""How often a span is cut shorter before that is a fault."""


class SpanError(L1Error):
    """No batch can be made of the blocks: `no_end`, `too_large`, `deposits`; the message says why."""


@dataclass(frozen=True, slots=True)
class Span:
    """Blocks in a row on top of what the inbox leads to."""

    parent: L2Block
    parent_origin: Origin
    blocks: tuple[L2Block, ...]
    origins: tuple[Origin, ...]
    """Of each block."""

    def __len__(self) -> int:
        """Return how many blocks."""
        return len(self.blocks)

    @property
    def last(self) -> L2Block:
        """The last block."""
        return self.blocks[-1]

    @property
    def origin(self) -> Origin:
        """The last block's."""
        return self.origins[-1]

    @property
    def transactions(self) -> int:
        """How many ordinary transactions."""
        return sum(len(block.transactions) for block in self.blocks)

    def cut(self, length: int) -> "Span":
        """Return its first blocks."""
        return Span(self.parent, self.parent_origin, self.blocks[:length], self.origins[:length])


@dataclass(frozen=True, slots=True)
class Encoded:
    """A span as a batch."""

    span: Span
    blobs: tuple[bytes, ...]
    size: int
    """Bytes of the batch, about: what its blobs could hold, but for the last one as far as it is used."""


def span_of(parent: L2Block, parent_origin: Origin, blocks: Sequence[L2Block]) -> Span:
    """Put a span together."""
    origins, origin = [], parent_origin
    for block in blocks:
        origin = block.announced or origin
        origins.append(origin)
    return Span(parent, parent_origin, tuple(blocks), tuple(origins))


def within_window(span: Span, window_s: int) -> Span:
    """Return as much of a span as keeps the sequencing window (DRV-023).

    Its last origin may not be more than that after the origin of any block with transactions.
    """
    first: int | None = None
    for at, (block, origin) in enumerate(zip(span.blocks, span.origins, strict=True)):
        if first is None and block.transactions:
            first = origin.timestamp
        if first is not None and origin.timestamp > first + window_s:
            return span.cut(at)
    return span.cut(MAX_BLOCKS)


def within_drift(span: Span, drift_s: int) -> Span:
    """Return as much of a span as lies within its origins' drift (DRV-022)."""
    for at, (block, origin) in enumerate(zip(span.blocks, span.origins, strict=True)):
        if not origin.timestamp <= block.timestamp <= origin.timestamp + drift_s:
            return span.cut(at)
    return span


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a span may end, and the log indices of the deposits up to there."""

    lengths: tuple[int, ...]
    """Numbers of blocks, ascending."""
    log_indices: tuple[int, ...]
    """Of all deposits in the span, in order."""
    deposits: tuple[int, ...]
    """How many deposits there are in the first so many blocks, for each of `lengths`."""


async def ends_of(reader: L1Reader, places: Places, span: Span) -> Ends:
    """Return where a span may end: after blocks that leave no deposit of their origin to the next (DRV-032).

    Args:
        reader: L1.
        places: of deposits among their L1 blocks' logs.
        span: of blocks.

    Raises:
        L1ReorgedError: it refers to L1 blocks that L1 has no longer.
        L1UnavailableError: L1 does not answer, or has not the last origin yet.
        SpanError: `deposits`: its deposits are not those of L1.
    """
    path = await _l1_path(reader, span)
    due = await _due(reader, places, path)
    lengths, counts = [], []
    held = 0
    for at, (block, origin) in enumerate(zip(span.blocks, span.origins, strict=True)):
        for source in block.deposits:
            if held >= len(due) or due[held].source_hash != source or due[held].l1_number > origin.number:
                raise SpanError(
                    "deposits", f"deposit 0x{source.hex()} in block {block.number} is not the next one of L1"
                )
            held += 1
        if held == len(due) or due[held].l1_number > origin.number:
            lengths.append(at + 1)
            counts.append(held)
    return Ends(tuple(lengths), tuple(one.log_index for one in due), tuple(counts))


async def _l1_path(reader: L1Reader, span: Span) -> list[L1Block]:
    """Return the L1 blocks from the parent's origin to the last block's; all origins are among them."""
    first = await reader.block(span.parent_origin.number)
    last = first if span.origin == span.parent_origin else await reader.block(span.origin.number)
    ends = [(span.parent_origin, first), (span.origin, last)]
    path = {block.number: block for block in (first, last)}
    if last.number > first.number and first.hash == span.parent_origin.hash:
        path |= {block.number: block for block in await reader.chain_between(first, last)}
    for origin, block in [*ends, *((origin, path.get(origin.number)) for origin in span.origins)]:
        if block is None or block.hash != origin.hash:
            raise L1ReorgedError("reorged", f"L1 block {origin.number} is not 0x{origin.hash.hex()} any more")
    return [path[number] for number in sorted(path)]


async def _due(reader: L1Reader, places: Places, path: Sequence[L1Block]) -> list[Deposit]:
    """Return the deposits after the first of these L1 blocks, complete and in their places."""
    newest = (await reader.heads()).latest
    before = await deposits_at(reader, places.portal, path[0], newest)
    after = await deposits_at(reader, places.portal, path[-1], newest)
    due = await read_queue(reader, places.portal, path[1:], before, after)
    return await places.prove({block.number: block for block in path}, due)


class Packer:
    """Makes the longest batch that fits so many blobs, learning how well blocks are coded."""

    def __init__(self, chain_id: int, max_blobs: int) -> None:
        """Name the chain and the room.

        Args:
            chain_id: of the chain whose blocks these are.
            max_blobs: of one batch.
        """
        self.chain_id = chain_id
        self.max_blobs = max_blobs
        self.most_blobs = max(max_blobs, L1_BLOBS)
        """Of a batch that can be no shorter: a block may need as much (BAT-044)."""
        self.ratio = FIRST_RATIO
        """Coded bytes for each byte of transactions, as last measured."""

    def estimate(self, blocks: Sequence[L2Block]) -> float:
        """Return how many coded bytes blocks take, about."""
        return sum(block.transaction_bytes * self.ratio + BLOCK_BYTES for block in blocks)

    def fill(self, blocks: Sequence[L2Block]) -> float:
        """Return which part of a batch's blobs blocks fill, about."""
        return self.estimate(blocks) / (self.max_blobs * BLOB_DATA_BYTES)

    async def pack(self, span: Span, ends: Ends) -> Encoded:
        """Write as much of a span as fits, ending where it may.

        Raises:
            SpanError: `no_end`: it may end nowhere; `too_large`: its shortest part does not fit.
        """
        if not ends.lengths:
            raise SpanError(
                "no_end", f"deposits go on after block {span.last.number}: the batch cannot end there"
            )
        low, high = 0, len(ends.lengths) - 1
        at = self._guess(span, ends, low, high)
        best: Encoded | None = None
        for _ in range(TRIES):
            encoded = await self._encode(span.cut(ends.lengths[at]), ends.log_indices[: ends.deposits[at]])
            if encoded is not None:
                best, low = encoded, at + 1
                # A little room left is not worth coding everything again.
                if at == high or encoded.size > 0.9 * self.max_blobs * BLOB_DATA_BYTES:
                    break
            else:
                high = at - 1
            if low > high:
                break
            at = self._guess(span, ends, low, high) if encoded is not None else (low + high) // 2
        if best is not None:
            return best
        length = ends.lengths[0]
        shortest = await self._encode(span.cut(length), ends.log_indices[: ends.deposits[0]], self.most_blobs)
        if shortest is None:
            raise SpanError(
                "too_large",
                f"blocks {span.blocks[0].number} to {span.blocks[length - 1].number} do not fit "
                f"{self.most_blobs} blobs, and no batch may end between them",
            )
        return shortest

    def _guess(self, span: Span, ends: Ends, low: int, high: int) -> int:
        """Return the longest end that should fit, within bounds."""
        room = self.max_blobs * BLOB_DATA_BYTES * 0.98
        sizes = list(itertools.accumulate((self.estimate([block]) for block in span.blocks), initial=0.0))
        at = high
        while at > low and sizes[ends.lengths[at]] > room:
            at -= 1
        return at

    async def _encode(
        self, span: Span, log_indices: Sequence[int], most_blobs: int | None = None
    ) -> Encoded | None:
        """Write a span as a batch; None when it is too large, by default for `max_blobs`."""
        slot, origin = span.parent.slot, span.parent_origin.number
        blocks = []
        for block, its in zip(span.blocks, span.origins, strict=True):
            blocks.append((block.slot - slot, its.number - origin, list(block.transactions)))
            slot, origin = block.slot, its.number
        try:
            blobs = await asyncio.to_thread(
                encode_batch, self.chain_id, span.parent.output_root, blocks, list(log_indices)
            )
        except CoreError as error:
            if error.code == "bad_batch" and len(span) > 1:
                return None  # a limit of the format: fewer blocks keep it
            raise SpanError("too_large", f"block {span.last.number} makes no batch: {error}") from error
        size = (len(blobs) - 1) * BLOB_DATA_BYTES + _used(blobs[-1])
        plain = sum(block.transaction_bytes for block in span.blocks)
        if plain > 4096:
            self.ratio = max(0.02, (size - BLOCK_BYTES * len(span)) / plain)
        return Encoded(span, tuple(blobs), size) if len(blobs) <= (most_blobs or self.max_blobs) else None


def _used(blob: bytes) -> int:
    """Return how many bytes of data a blob says that it holds: three bytes after the version (BAT-002)."""
    return int.from_bytes(blob[2:5], "big")
