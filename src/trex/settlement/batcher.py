"""The batcher: posts the sequencer's blocks to L1, each once, in order (specs/posting.md).

It keeps nothing. What comes next follows from the inbox at L1's newest block: a batch names how many were
appended before it (INB-006) and the output root that it builds on (DRV-021), so one that is sent twice has
effect once, and one that was overtaken none. What the inbox's headers lead to is known of those that this
process appended; of others (after a restart) the node is asked, whose derivation reads them.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trex.settlement.blocks import BlockId, BlockSource, L2Block, Origin
from trex.settlement.carrier import BatchCarrier
from trex.settlement.costs import BatchCost, cost_of
from trex.settlement.inbox import BATCH_APPENDED, ZERO, BatchHeader, read_batches
from trex.settlement.l1.errors import L1Error, L1UnavailableError
from trex.settlement.l1.reader import L1Reader, Log
from trex.settlement.posting import Decision, Policy, Situation, decide
from trex.settlement.roles import BatcherMetrics, Trouble, Waits, pause, unless
from trex.settlement.spans import (
    MAX_BLOCKS,
    Encoded,
    Packer,
    Span,
    ends_of,
    span_of,
    within_drift,
    within_window,
)
from trex.settlement.watch import InboxState, inbox_state
from trex.types.network import Network
from trex.types.primitives import Address, Hash32, Wei

log = logging.getLogger(__name__)

L1_SLOT_S = 12
"""Between L1 blocks."""
LAG_MARGIN_BLOCKS = 2
"""L1 blocks that an append may take to be included."""
REMEMBERED = 1024
"""Appends whose outcome is remembered: more than fall out of L1 at once."""
ENOUGH = 3
"""Times the blobs of a batch that blocks are read for, no more: a backlog does not fill memory."""
NOTHING = bytes(131_072)
"""A blob that no batch is in: reads as empty."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where batches go, and the windows that L1 leaves them."""

    inbox: Address
    portal: Address
    chain_id: int
    """Of this chain."""
    max_origin_lag_l1_blocks: int
    """INB-011."""
    silence_s: int
    """INB-020."""
    sequencing_window_s: int
    """DRV-023."""
    max_drift_s: int
    """DRV-022."""

    @property
    def narrowest_s(self) -> float:
        """How long the shortest of the windows is."""
        lag_s = self.max_origin_lag_l1_blocks * L1_SLOT_S
        return float(min(lag_s, self.silence_s, self.sequencing_window_s))

    @classmethod
    def of(cls, network: Network) -> "Target":
        """Read a network's.

        Raises:
            ValueError: its file says nothing of an L1, or not enough.
        """
        if network.l1 is None:
            raise ValueError("the network file has no section l1: `trex l1 deploy` writes one")
        try:
            contracts, numbers = network.l1.contracts, network.l1.parameters
            return cls(
                contracts["inbox"],
                contracts["portal"],
                network.chain_id,
                numbers["maxOriginLagL1Blocks"],
                numbers["silenceS"],
                network.l1.sequencing_window_s,
                network.l1.max_drift_s,
            )
        except KeyError as missing:
            raise ValueError(f"the section l1 of the network file lacks {missing}") from None


@dataclass(frozen=True, slots=True)
class Posted:
    """A batch on L1."""

    index: int
    first: int
    """Number of its first block."""
    last: int
    transactions: int
    size: int
    """Bytes of the batch."""
    cost: BatchCost


@dataclass(slots=True)
class BatcherState:
    """What the batcher sees and does, for status pages."""

    last: Posted | None = None
    """The last batch posted by this process."""
    base: int = 0
    """Number of the block that the inbox leads to."""
    waiting_blocks: int = 0
    """Blocks that are not on L1."""
    oldest_s: float = 0.0
    """Age of the oldest of them."""
    why: str = ""
    """What the policy said last (`posting.Why`), or what it waits for."""
    trouble: str | None = None
    """Why it cannot work at the moment; None while all is well."""
    posted: int = 0
    transactions: int = 0
    cost_wei: int = 0
    """Of all batches of this process."""


@dataclass(slots=True)
class _Waiting:
    """Blocks read from the node and not posted, on top of the block that the inbox leads to."""

    base: L2Block
    origin: Origin
    blocks: list[L2Block] = field(default_factory=list)


class Batcher:
    """Posts blocks to L1 until it is told to stop."""

    def __init__(
        self,
        target: Target,
        reader: L1Reader,
        source: BlockSource,
        carrier: BatchCarrier,
        *,
        policy: Policy | None = None,
        poll_s: float = 2.0,
        metrics: BatcherMetrics | None = None,
        state: BatcherState | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Put a batcher together.

        Args:
            target: where batches go.
            reader: L1.
            source: the sequencer's blocks.
            carrier: brings data to L1.
            policy: when a batch is posted; its margin is cut to a quarter of the narrowest window.
            poll_s: how often L1 and the node are asked.
            metrics: where it counts.
            state: where it tells what it sees and does.
            now: tells the time, in seconds since the Unix epoch.

        Raises:
            ValueError: the policy makes no rule.
        """
        self.target = target
        self.reader = reader
        self.source = source
        self.carrier = carrier
        policy = policy or Policy()
        policy.check()
        self.policy = replace(policy, margin_s=min(policy.margin_s, target.narrowest_s / 4))  # PST-022
        self.poll_s = poll_s
        self.metrics = metrics or BatcherMetrics()
        self.now = now
        self.state = state or BatcherState()
        self.packer = Packer(target.chain_id, self.policy.max_blobs)
        self._led_to: OrderedDict[Hash32, BlockId] = OrderedDict()
        """By accumulator, the block that the inbox led to with it."""
        self._waiting: _Waiting | None = None
        self._inbox: InboxState | None = None
        self._stop = asyncio.Event()
        self._trouble = Trouble(log)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Faults are told and tried again; none ends it."""
        self._stop = stop
        log.info("batcher runs", extra={"inbox": "0x" + self.target.inbox.hex()})
        while not stop.is_set():
            again = False
            try:
                again = await unless(stop, self.step()) is not None
                self.state.trouble = None
                self._trouble.over()
            except L1Error as error:
                self.state.trouble = str(error)
                self.metrics.troubles.labels(error.code).inc()
                self._trouble.tell(error)
            except Exception as error:
                # Whatever it is: a turn leaves nothing behind, so the next one may go well.
                self.state.trouble = str(error) or type(error).__name__
                self.metrics.troubles.labels("unforeseen").inc()
                log.exception("a turn ended with a fault that nobody foresaw")
            await pause(stop, 0 if again else self.poll_s)
        log.info("batcher stopped")

    async def step(self) -> Posted | None:
        """Look at L1 and the node once, and post a batch if the policy says so; return it.

        Raises:
            L1Error: what keeps it from that.
        """
        inbox = await self._look()
        waiting = await self._read(inbox)
        if not waiting.blocks:
            self._observe(waiting, 0.0)
            self.state.why = "nothing"
            return None
        span = span_of(waiting.base, waiting.origin, waiting.blocks)
        price = await self.carrier.price_wei()
        self.metrics.blob_fee_wei.set(price)
        decision = decide(self.policy, self._situation(inbox, waiting, price))
        self.state.why = decision.why.value
        self.metrics.decided(decision)
        if not decision.post:
            return None
        span = within_drift(within_window(span, self.target.sequencing_window_s), self.target.max_drift_s)
        if not span.blocks or await self._too_late(inbox, span):
            return await self._give_way(inbox)
        encoded = await self.packer.pack(span, await ends_of(self.reader, self.target.portal, span))
        return await self._append(inbox, encoded, decision)

    # Looking.

    async def _look(self) -> InboxState:
        """Return the inbox at L1's newest block."""
        if self._inbox is None:
            await self.reader.check_chain()
        head = (await self.reader.heads()).latest
        if self._inbox is None or self._inbox.block.hash != head.hash:
            self._inbox = await inbox_state(self.reader, self.target.inbox, head)
            self.metrics.l1_head.set(head.number)
        return self._inbox

    async def _read(self, inbox: InboxState) -> _Waiting:
        """Return the blocks that follow what the inbox leads to."""
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
        self.state.base = base.number
        self.state.waiting_blocks = max(0, newest.number - base.number)
        return waiting

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
        self._remember(inbox.accumulator, derived.block)
        return derived.block

    async def _after(self, base: BlockId) -> _Waiting:
        (block,) = await self.source.blocks(base.number, base.number)
        if block.hash != base.hash:
            raise Waits("behind", f"the node's block {base.number} is not what L1 leads to: it rebuilds")
        return _Waiting(block, await self.source.origin(block))

    async def _has(self, block: BlockId | L2Block, newest: BlockId) -> bool:
        """Tell whether a block is on the node's chain, whose newest block this is."""
        if newest.number <= block.number:
            return newest.hash == block.hash
        return (await self.source.id(block.number)).hash == block.hash

    def _remember(self, accumulator: Hash32, block: BlockId) -> None:
        self._led_to[accumulator] = block
        while len(self._led_to) > REMEMBERED:
            self._led_to.popitem(last=False)

    # Deciding.

    def _situation(self, inbox: InboxState, waiting: _Waiting, price: Wei) -> Situation:
        # Of a chain whose time was moved on, as tests do, L1 knows more than the clock.
        now = max(self.now(), inbox.block.timestamp)
        blocks = waiting.blocks
        working = next((block for block in blocks if block.transactions or block.deposits), None)
        situation = Situation(
            fill=self.packer.fill(blocks),
            age_s=None if working is None else now - working.timestamp,
            idle_s=now - blocks[0].timestamp,
            left_s=self._left_s(inbox, waiting),
            blob_fee_wei=price,
        )
        self._observe(waiting, situation.idle_s)
        self.metrics.left_s.set(situation.left_s)
        return situation

    def _left_s(self, inbox: InboxState, waiting: _Waiting) -> float:
        """Return how long it is until a window closes on what waits."""
        head = inbox.block
        span = span_of(waiting.base, waiting.origin, waiting.blocks)
        left = [inbox.last_sequenced_at + self.target.silence_s - head.timestamp]
        # The header's origin may not lag too far; a later block's may still be taken, while it exists.
        lag = head.number - span.origin.number
        left.append((self.target.max_origin_lag_l1_blocks - lag) * L1_SLOT_S)
        for block, origin in zip(span.blocks, span.origins, strict=True):
            if block.transactions:
                left.append(origin.timestamp + self.target.sequencing_window_s - head.timestamp)
                break
        return float(min(left))

    def _observe(self, waiting: _Waiting, oldest_s: float) -> None:
        self.state.oldest_s = oldest_s
        self.metrics.waiting(self.state.waiting_blocks, oldest_s, waiting.base.number)

    async def _too_late(self, inbox: InboxState, span: Span) -> bool:
        """Tell whether no batch with the first of these blocks can ever be appended.

        PST-023: the inbox takes no header with an origin as old as theirs (INB-011), and with a younger one
        they are outside the sequencing window (DRV-023).
        """
        oldest = inbox.block.number + LAG_MARGIN_BLOCKS - self.target.max_origin_lag_l1_blocks
        if span.origin.number >= oldest:
            return False
        first = next(
            (origin for block, origin in zip(span.blocks, span.origins, strict=True) if block.transactions),
            span.origins[0],
        )
        least = await self.reader.block(oldest)
        if first.timestamp + self.target.sequencing_window_s >= least.timestamp:
            raise Waits(
                "old_origin",
                f"block {span.last.number} refers to L1 block {span.origin.number}, but the inbox takes none "
                f"before {oldest}: waiting for blocks with a younger origin",
            )
        return True

    # Posting.

    async def _append(self, inbox: InboxState, encoded: Encoded, decision: Decision) -> Posted | None:
        span = encoded.span
        log.info(
            "posting blocks %d to %d",
            span.blocks[0].number,
            span.last.number,
            extra={
                "why": decision.why.value,
                "transactions": span.transactions,
                "blobs": len(encoded.blobs),
                "sequence": inbox.sequenced_count,
            },
        )
        oldest = next((block for block in span.blocks if block.transactions), span.blocks[0])

        def most_wei() -> Wei | None:
            age_s = self.now() - oldest.timestamp
            if decision.most_blob_fee_wei is None or age_s >= self.policy.max_age_s:
                return None
            return self.policy.accepted_wei(age_s)

        started = self.now()
        included = await self.carrier.append(
            inbox.sequenced_count,  # PST-002
            span.origin.number,
            encoded.blobs,
            wanted=lambda: self._wanted(inbox, span.origin),
            most_wei=most_wei,
        )
        self._inbox = None
        if included is None:
            log.info("the batch was overtaken: looking at L1 again")
            return None
        if not included.succeeded:
            self.metrics.failed.inc()
            log.warning(
                "the append had no effect: another was before it, or its origin is too old",
                extra={"l1_transaction": "0x" + included.hash.hex()},
            )
            return None
        posted = Posted(
            inbox.batch_count,
            span.blocks[0].number,
            span.last.number,
            span.transactions,
            encoded.size,
            cost_of(inbox.batch_count, len(encoded.blobs), included),
        )
        await self._confirm(inbox, span, included.block_hash)
        self._count(posted, self.now() - started)
        return posted

    async def _confirm(self, inbox: InboxState, span: Span, l1_hash: Hash32) -> None:
        """Remember what the inbox leads to with this batch, if it is the newest and was appended to this.

        And if it says what its blocks say: L1 may have gone back under its origin while it was under way.
        """
        block = await self.reader.block(l1_hash)
        after = await inbox_state(self.reader, self.target.inbox, block)

        if (after.batch_count, after.sequenced_count) != (inbox.batch_count + 1, inbox.sequenced_count + 1):
            log.warning("a forced header came between: asking the node what L1 leads to")
            return

        def ours(logs: list[Log]) -> BatchHeader:
            batches = read_batches(logs, inbox.batch_count, inbox.accumulator)
            if [batch.accumulator for batch in batches] != [after.accumulator]:
                raise L1UnavailableError("bad_answer", "other batch events than the inbox's")
            return batches[0].header

        header = await self.reader.logs(self.target.inbox, [BATCH_APPENDED], [block], ours)
        if header.origin_hash == span.origin.hash:
            self._remember(after.accumulator, BlockId(span.last.number, span.last.hash))
        else:
            log.warning("L1 has another origin than the batch's blocks: asking the node what L1 leads to")

    async def _wanted(self, inbox: InboxState, origin: Origin) -> bool:
        """Tell whether an append under way still says what should be said (PST-003)."""
        if self._stop.is_set():
            return False
        try:
            now = await self._look()
            if now.accumulator != inbox.accumulator:
                return False
            if (await self.reader.block(origin.number)).hash != origin.hash:
                log.warning("L1 has dropped the batch's origin", extra={"origin": origin.number})
                return False
        except L1UnavailableError:
            pass  # who cannot see goes on: the inbox takes the batch once, whatever happened
        return True

    async def _give_way(self, inbox: InboxState) -> Posted | None:
        """Append a header that reads as empty: blocks that are too late are lost, the chain goes on."""
        log.error(
            "blocks cannot be posted: their L1 origins are outside the windows; the chain goes on without "
            "them, and the sequencer rebuilds",
            extra={"from": self.state.base + 1},
        )
        head = inbox.block
        origin = Origin(head.number, head.hash, head.timestamp)
        included = await self.carrier.append(
            inbox.sequenced_count,
            head.number,
            [NOTHING],
            wanted=lambda: self._wanted(inbox, origin),
            most_wei=lambda: None,
        )
        self._inbox = self._waiting = None
        if included is not None and included.succeeded:
            self.metrics.lost.inc()
        return None

    def _count(self, posted: Posted, seconds: float) -> None:
        state = self.state
        state.last = posted
        state.posted += 1
        state.transactions += posted.transactions
        state.cost_wei += posted.cost.cost_wei
        self.metrics.posted(posted.transactions, posted.size, posted.cost, seconds)
        log.info(
            "batch %d is on L1: blocks %d to %d",
            posted.index,
            posted.first,
            posted.last,
            extra={
                "l1_block": posted.cost.l1_number,
                "transactions": posted.transactions,
                "bytes": posted.size,
                "l1_gas": posted.cost.l1_gas,
                "blob_gas": posted.cost.blob_gas,
                "cost_wei": posted.cost.cost_wei,
            },
        )
