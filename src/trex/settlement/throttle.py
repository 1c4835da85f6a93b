"""How much may stand above the safe head: what L1 carries before its windows close (PST-024)."""

from dataclasses import dataclass
from typing import NamedTuple

from trex.settlement.spans import BLOB_DATA_BYTES
from trex.settlement.target import L1_SLOT_S
from trex.types.network import L1Settlement

BLOBS_PER_L1_BLOCK = 3.0
"""What a batcher is counted on to bring to L1, with one transaction of six blobs in flight."""
LEAST_BLOBS = 2
"""Room for the largest transaction that the mempool takes."""


class Moment(NamedTuple):
    """An L1 block's place and time."""

    number: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Unposted:
    """What stands above the safe head, and how much may."""

    blocks: int
    transactions: int
    """Ordinary ones."""
    bytes: int
    """That they take in batches at most (BAT-043)."""
    most_bytes: int
    """How much they may take."""
    blobs_per_l1_block: float
    """What L1 is counted on to carry."""

    @property
    def is_full(self) -> bool:
        """Whether there is little room left: transactions wait for L1."""
        return self.bytes > 0.9 * self.most_bytes


def most_bytes(
    settlement: L1Settlement,
    head: Moment,
    oldest: Moment | None,
    blobs_per_l1_block: float = BLOBS_PER_L1_BLOCK,
) -> int:
    """Return how many bytes of batches may stand above the safe head.

    So many as L1 carries in an eighth of the window that closes first, and in what is left of it but for an
    eighth. So they are there before it closes though L1 carries but half of what it is counted on, or the
    batcher waits for a lower price; the older they are, the less may be added. While the window is open there
    is room for the largest transaction.

    Args:
        settlement: the network's windows (INB-011, DRV-023).
        head: the newest L1 block that was read.
        oldest: the origin of the oldest block with transactions; None without any.
        blobs_per_l1_block: what L1 is counted on to carry.
    """
    lag = settlement.parameters.get("maxOriginLagL1Blocks")
    window_s = settlement.sequencing_window_s
    oldest = oldest or head
    windows = [(window_s / L1_SLOT_S, (oldest.timestamp + window_s - head.timestamp) / L1_SLOT_S)]
    if lag is not None:
        windows.append((lag, oldest.number + lag - head.number))
    blocks = min(min(whole / 8, left - whole / 8) for whole, left in windows)
    if blocks <= 0:
        return 0
    return int(max(blocks * blobs_per_l1_block, LEAST_BLOBS) * BLOB_DATA_BYTES)
