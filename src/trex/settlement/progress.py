"""How far and how fast derivation is: for the log and for Prometheus."""

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge

from trex.settlement.throttle import Unposted

log = logging.getLogger(__name__)

TELL_S = 10.0
"""How often a long way is told of."""


class DriverMetrics:
    """What derivation counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register every metric; by default in a registry that nobody reads."""
        registry = registry or CollectorRegistry()
        self.l1_head = Gauge("trex_l1_head_number", "Newest L1 block", registry=registry)
        self.position = Gauge("trex_l1_derived_number", "L1 block up to which was derived", registry=registry)
        self.safe = Gauge("trex_safe_number", "Newest block derived from L1", registry=registry)
        self.finalized = Gauge(
            "trex_finalized_number", "Newest block from finalized L1 blocks", registry=registry
        )
        self.batches = Counter(
            "trex_batches_read", "Batch headers, by how they were read", ["outcome"], registry=registry
        )
        self.mismatches = Counter(
            "trex_unsafe_mismatches", "Times that L1 said otherwise than this node", registry=registry
        )
        self.replaced = Counter(
            "trex_unsafe_blocks_replaced", "Blocks given up because of L1", registry=registry
        )
        self.reorgs = Counter("trex_l1_reorgs", "Rollbacks for an L1 reorg", registry=registry)
        self.troubles = Counter(
            "trex_derivation_troubles", "Times that derivation had to wait", registry=registry
        )
        self.unposted = Gauge(
            "trex_unposted_bytes", "Bytes of batches that blocks above the safe head take", registry=registry
        )
        self.most_unposted = Gauge(
            "trex_unposted_most_bytes", "Bytes of batches that they may take (PST-024)", registry=registry
        )

    def stands(self, unposted: Unposted) -> None:
        """Note what L1 has yet to carry."""
        self.unposted.set(unposted.bytes)
        self.most_unposted.set(unposted.most_bytes)


class Progress:
    """Tells of a long way every few seconds."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self.blob_bytes = 0
        """Bytes of blobs read since the start."""
        self.blocks = 0
        """Blocks derived since the start."""
        self._from = self._to = 0
        self._started = self._told = time.monotonic()
        self._before = (0, 0)

    def begin(self, l1_from: int, l1_to: int, _: int) -> None:
        """Take note of a way to go."""
        self._from, self._to = l1_from, l1_to
        self._started = self._told = time.monotonic()
        self._before = self.blob_bytes, self.blocks

    def read(self, blob_bytes: int, blocks: int) -> None:
        """Count a batch."""
        self.blob_bytes += blob_bytes
        self.blocks += blocks

    def at(self, l1_number: int, safe: int) -> None:
        """Tell how far it is, if it is time."""
        now = time.monotonic()
        if now - self._told < TELL_S:
            return
        self._told = now
        seconds = now - self._started
        done, total = l1_number - self._from, self._to - self._from
        left_s = seconds * (total - done) / done if done else 0.0
        log.info(
            "L1 block %s of %s (%.1f %%), block %s is safe, %.0f blocks/s, %.2f MB/s of blobs, %.0f s left",
            f"{l1_number:,}",
            f"{self._to:,}",
            100 * done / total if total else 100.0,
            f"{safe:,}",
            (self.blocks - self._before[1]) / seconds,
            (self.blob_bytes - self._before[0]) / seconds / 1e6,
            left_s,
        )
