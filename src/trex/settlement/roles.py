"""What batcher and proposer share: how they wait, how they tell of trouble, what they count."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trex.settlement.costs import BatchCost
from trex.settlement.l1.errors import L1Error, L1RefusedError
from trex.settlement.l1.sender import Sender
from trex.settlement.posting import Decision

T = TypeVar("T")

SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Waits(L1Error):  # noqa: N818
    """Something else must happen first; the message says what. Codes: `behind`, `old_origin`."""


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, or less if asked to stop meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what work comes to; None when asked to stop before: it is given up where it stands.

    Nothing is lost by that: what was sent is on its way, and another life sees it on L1.
    """
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


class Trouble:
    """Tells of trouble once, and of its end."""

    def __init__(self, log: logging.Logger) -> None:
        """Tell through this logger."""
        self.log = log
        self._told: str | None = None

    def tell(self, error: L1Error) -> None:
        """Say what is wrong, unless it was said before."""
        if error.code != self._told:
            level = logging.ERROR if isinstance(error, L1RefusedError) else logging.WARNING
            self.log.log(level, "waiting: %s", error.message, extra={"code": error.code})
        self._told = error.code

    def over(self) -> None:
        """Say that all is well again."""
        if self._told is not None:
            self.log.info("going on", extra={"after": self._told})
        self._told = None


def watch_sender(registry: CollectorRegistry, role: str, sender: Sender) -> None:
    """Count what a role's sender and its L1 endpoints do.

    Args:
        registry: of the role's metrics.
        role: `batcher` or `proposer`, part of the names.
        sender: of the role.
    """
    Gauge(f"trex_{role}_replaced", "L1 transactions replaced by dearer ones", registry=registry).set_function(
        lambda: sender.replaced
    )
    Gauge(
        f"trex_{role}_l1_disagreements", "Answers of L1 endpoints that were outvoted", registry=registry
    ).set_function(lambda: sender.reader.disagreements)


class BatcherMetrics:
    """What the batcher counts, for Prometheus."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register every metric in a registry, by default one of its own."""
        self.registry = registry = registry or CollectorRegistry()
        self.batches = Counter("trex_batcher_batches", "Batches appended", registry=registry)
        self.transactions = Counter(
            "trex_batcher_transactions", "Transactions in appended batches", registry=registry
        )
        self.bytes = Counter("trex_batcher_bytes", "Bytes of appended batches", registry=registry)
        self.l1_gas = Counter("trex_batcher_l1_gas", "L1 gas of appends", registry=registry)
        self.blob_gas = Counter("trex_batcher_blob_gas", "Blob gas of appends", registry=registry)
        self.cost = Counter("trex_batcher_cost_wei", "What appends cost", ["of"], registry=registry)
        self.seconds = Histogram(
            "trex_batcher_append_seconds", "From decision to inclusion", buckets=SECONDS, registry=registry
        )
        self.last_blobs = Gauge("trex_batcher_last_blobs", "Blobs of the last batch", registry=registry)
        self.last_cost = Gauge("trex_batcher_last_cost_wei", "Cost of the last batch", registry=registry)
        self.last_each = Gauge(
            "trex_batcher_last_transaction_wei",
            "Cost of the last batch for each transaction",
            registry=registry,
        )
        self.last_bytes_each = Gauge(
            "trex_batcher_last_transaction_bytes",
            "Bytes of the last batch for each transaction",
            registry=registry,
        )
        self.last_gas_each = Gauge(
            "trex_batcher_last_transaction_l1_gas",
            "L1 gas and blob gas of the last batch for each transaction",
            ["of"],
            registry=registry,
        )
        self.failed = Counter(
            "trex_batcher_failed_appends", "Appends included without effect", registry=registry
        )
        self.lost = Counter(
            "trex_batcher_lost", "Times that blocks were given up, outside every window", registry=registry
        )
        self.decisions = Counter(
            "trex_batcher_decisions", "What the policy said, by reason", ["why"], registry=registry
        )
        self.troubles = Counter(
            "trex_batcher_troubles", "Turns that something kept it from, by code", ["code"], registry=registry
        )
        self.waiting_blocks = Gauge(
            "trex_batcher_waiting_blocks", "Blocks that are not on L1", registry=registry
        )
        self.oldest = Gauge("trex_batcher_oldest_seconds", "Age of the oldest of them", registry=registry)
        self.base = Gauge("trex_batcher_block", "Number of the last block on L1", registry=registry)
        self.left_s = Gauge(
            "trex_batcher_left_seconds", "Until a window of L1 closes on what waits", registry=registry
        )
        self.blob_fee_wei = Gauge("trex_batcher_blob_fee_wei", "L1's blob base fee", registry=registry)
        self.l1_head = Gauge("trex_batcher_l1_head", "L1's newest block", registry=registry)

    def decided(self, decision: Decision) -> None:
        """Count what the policy said."""
        self.decisions.labels(decision.why.value).inc()

    def waiting(self, blocks: int, oldest_s: float, base: int) -> None:
        """Show what waits."""
        self.waiting_blocks.set(blocks)
        self.oldest.set(oldest_s)
        self.base.set(base)

    def posted(self, transactions: int, size: int, cost: BatchCost, seconds: float) -> None:
        """Count a batch."""
        self.batches.inc()
        self.transactions.inc(transactions)
        self.bytes.inc(size)
        self.l1_gas.inc(cost.l1_gas)
        self.blob_gas.inc(cost.blob_gas)
        self.cost.labels("gas").inc(cost.gas_cost_wei)
        self.cost.labels("blobs").inc(cost.blob_cost_wei)
        self.seconds.observe(seconds)
        self.last_blobs.set(cost.blobs)
        self.last_cost.set(cost.cost_wei)
        each = 1 / transactions if transactions else 0.0
        self.last_each.set(cost.cost_wei * each)
        self.last_bytes_each.set(size * each)
        self.last_gas_each.labels("gas").set(cost.l1_gas * each)
        self.last_gas_each.labels("blobs").set(cost.blob_gas * each)


class ProposerMetrics:
    """What the proposer counts, for Prometheus."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register every metric in a registry, by default one of its own."""
        self.registry = registry = registry or CollectorRegistry()
        self.claims = Counter("trex_proposer_claims", "Claims proposed", registry=registry)
        self.cost = Counter("trex_proposer_cost_wei", "What claims cost", registry=registry)
        self.failed = Counter(
            "trex_proposer_failed_claims", "Claims included without effect", registry=registry
        )
        self.refusals = Counter(
            "trex_proposer_refusals", "Turns in which nodes or claims disagreed", registry=registry
        )
        self.troubles = Counter(
            "trex_proposer_troubles",
            "Turns that something kept it from, by code",
            ["code"],
            registry=registry,
        )
        self.block = Gauge("trex_proposer_block", "Newest block that is claimed", registry=registry)
        self.finalized = Gauge("trex_proposer_finalized", "Newest block that could be", registry=registry)
