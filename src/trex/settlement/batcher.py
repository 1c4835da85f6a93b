"""The batcher: posts the sequencer's blocks to L1, each once, in order (specs/posting.md).

It keeps nothing. What comes next follows from the inbox at L1's newest block: a batch names how many were
appended before it (INB-006) and the output root that it builds on (DRV-021), so one that is sent twice has
effect once, and one that was overtaken none. What the inbox's headers lead to is known of those that this
process appended; of others (after a restart) the node is asked, whose derivation reads them.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from trex.settlement.backlog import Backlog, Waiting
from trex.settlement.blocks import BlockId, BlockSource, Origin
from trex.settlement.carrier import BatchCarrier
from trex.settlement.costs import BatchCost, cost_of
from trex.settlement.inbox import BATCH_APPENDED, BatchHeader, read_batches
from trex.settlement.l1.errors import L1Error, L1UnavailableError
from trex.settlement.l1.reader import L1Reader, Log
from trex.settlement.places import Places
from trex.settlement.posting import Decision, Policy, Situation, decide
from trex.settlement.roles import BatcherMetrics, Trouble, Waits, pause, unless
from trex.settlement.spans import (
    Encoded,
    Packer,
    Span,
    ends_of,
    within_drift,
    within_window,
)
from trex.settlement.target import Target
from trex.settlement.watch import InboxState, inbox_state
from trex.types.primitives import Hash32, Wei

log = logging.getLogger(__name__)

LAG_MARGIN_BLOCKS = 2
"""L1 blocks that an append may take to be included."""
L1_BLOCKS_OF_BATCH = 2
"""From one append to the next, at least: one is in flight at a time."""
NOTHING = bytes(131_072)
"""A blob that no batch is in: reads as empty."""


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
        self.carrier = carrier
        policy = policy or Policy()
        policy.check()
        self.policy = replace(policy, margin_s=min(policy.margin_s, target.narrowest_s / 4))  # PST-022
        self.poll_s = poll_s
        self.metrics = metrics or BatcherMetrics()
        self.now = now
        self.state = state or BatcherState()
        self.packer = Packer(target.chain_id, self.policy.max_blobs)
        self.backlog = Backlog(source, self.packer)
        self.places = Places(reader, target.portal)
        self._inbox: InboxState | None = None
        self._is_counted = False
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
        waiting = await self.backlog.read(inbox)
        self.state.base = waiting.base.number
        self.state.waiting_blocks = max(0, waiting.newest - waiting.base.number)
        if not waiting.blocks:
            self._observe(waiting, 0.0)
            self.state.why = "nothing"
            return None
        span = waiting.span
        price = await self.carrier.price_wei()
        self.metrics.blob_fee_wei.set(price)
        decision = decide(self.policy, self._situation(inbox, waiting, span, price))
        self.state.why = decision.why.value
        self.metrics.decided(decision)
        if not decision.post:
            return None
        span = within_drift(within_window(span, self.target.sequencing_window_s), self.target.max_drift_s)
        if not span.blocks or await self._too_late(inbox, span):
            return await self._give_way(inbox)
        encoded = await self.packer.pack(span, await ends_of(self.reader, self.places, span))
        await self._compare_rooms()
        return await self._append(inbox, encoded, decision)

    # Looking.

    async def _compare_rooms(self) -> None:
        """Warn once if the node counts on more than this batcher ever brings to L1 (PST-024)."""
        if self._is_counted or (counted := await self.backlog.counted_on()) is None:
            return
        self._is_counted = True
        most = self.policy.max_blobs / L1_BLOCKS_OF_BATCH
        if most < counted:
            log.warning(
                "the node counts on %g blobs in an L1 block, and --max-blobs lets %g through: give it "
                "--blobs-per-l1-block %g, or blocks may be lost that L1 does not carry in time",
                counted,
                most,
                most,
            )

    async def _look(self) -> InboxState:
        """Return the inbox at L1's newest block."""
        if self._inbox is None:
            await self.reader.check_chain()
        head = (await self.reader.heads()).latest
        if self._inbox is None or self._inbox.block.hash != head.hash:
            self._inbox = await inbox_state(self.reader, self.target.inbox, head)
            self.metrics.l1_head.set(head.number)
        return self._inbox

    # Deciding.

    def _situation(self, inbox: InboxState, waiting: Waiting, span: Span, price: Wei) -> Situation:
        # Of a chain whose time was moved on, as tests do, L1 knows more than the clock.
        now = max(self.now(), inbox.block.timestamp)
        blocks = waiting.blocks
        working = next((block for block in blocks if block.transactions or block.deposits), None)
        situation = Situation(
            fill=self.packer.fill(blocks),
            age_s=None if working is None else now - working.timestamp,
            idle_s=now - blocks[0].timestamp,
            left_s=self.target.left_s(inbox, span),
            blob_fee_wei=price,
        )
        self._observe(waiting, situation.idle_s)
        self.metrics.left_s.set(situation.left_s)
        return situation

    def _observe(self, waiting: Waiting, oldest_s: float) -> None:
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
            self.backlog.remember(after.accumulator, BlockId(span.last.number, span.last.hash))
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
        self._inbox = None
        self.backlog.forget()
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
