"""Where batches go, and how long L1 leaves to bring them there."""

from dataclasses import dataclass

from trex.settlement.spans import Span
from trex.settlement.watch import InboxState, settlement_of
from trex.types.network import Network
from trex.types.primitives import Address

L1_SLOT_S = 12
"""Between L1 blocks."""


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
        settlement, contracts = settlement_of(network)
        try:
            return cls(
                contracts.inbox,
                contracts.portal,
                network.chain_id,
                settlement.parameters["maxOriginLagL1Blocks"],
                settlement.parameters["silenceS"],
                settlement.sequencing_window_s,
                settlement.max_drift_s,
            )
        except KeyError as missing:
            raise ValueError(f"the section l1 of the network file lacks {missing}") from None

    def left_s(self, inbox: InboxState, span: Span) -> float:
        """Return how long it is until a window closes on blocks that wait.

        Args:
            inbox: at L1's newest block.
            span: the blocks.
        """
        head = inbox.block
        left = [inbox.last_sequenced_at + self.silence_s - head.timestamp]
        # The header's origin may not lag too far; a later block's may still be taken, while it exists.
        lag = head.number - span.origin.number
        left.append((self.max_origin_lag_l1_blocks - lag) * L1_SLOT_S)
        for block, origin in zip(span.blocks, span.origins, strict=True):
            if block.transactions:
                left.append(origin.timestamp + self.sequencing_window_s - head.timestamp)
                break
        return float(min(left))
