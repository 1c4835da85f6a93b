"""What genesis comes to: hash and roots of block 0, made by the core from the network file."""

from dataclasses import dataclass

from trex import _core
from trex.types.primitives import Hash32


@dataclass(frozen=True, slots=True)
class GenesisRoots:
    """Block 0 as an output names it (PTL-032)."""

    hash: Hash32
    state_root: Hash32
    message_passer_root: Hash32
    """Storage root of the message passer, which block 0 has as its `withdrawalsRoot` (NET-031)."""


def genesis_roots(network: bytes) -> GenesisRoots:
    """Make block 0 of a network.

    Raises:
        CoreError: `bad_network`.
    """
    return GenesisRoots(*map(Hash32, _core.genesis(network)))
