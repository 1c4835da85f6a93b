"""What genesis comes to: hash and roots of block 0, made by the core from the network file."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trex.chain.opening import open_chain
from trex.types.primitives import Hash32

CACHE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class GenesisRoots:
    """Block 0 as an output names it (PTL-032)."""

    hash: Hash32
    state_root: Hash32
    message_passer_root: Hash32
    """Storage root of the message passer, which block 0 has as its `withdrawalsRoot` (NET-031)."""


def genesis_roots(network: bytes) -> GenesisRoots:
    """Make block 0 of a network in a folder that is thrown away.

    Raises:
        CoreError: `bad_network`.
    """
    with TemporaryDirectory(prefix="trex-genesis-") as folder:
        chain = open_chain(Path(folder), network, cache_bytes=CACHE_BYTES)
        try:
            block = json.loads(chain.rpc("eth_getBlockByNumber", b'["0x0",false]'))
        finally:
            chain.close()
    return GenesisRoots(*(_word(block[key]) for key in ("hash", "stateRoot", "withdrawalsRoot")))


def _word(text: str) -> Hash32:
    return Hash32(bytes.fromhex(text[2:]))
