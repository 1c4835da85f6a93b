"""What the chain says of its own blocks: their hashes and the L1 blocks they refer to."""

from dataclasses import dataclass

import orjson

from trex.chain.core import Core
from trex.settlement.positions import Place
from trex.types.primitives import Hash32

L1_BLOCK = "0x4200000000000000000000000000000000000015"
NUMBER_SLOT, HASH_SLOT, SEQUENCE_SLOT = "0x0", "0x2", "0x3"
"""Slots of the L1Block predeploy (NET-021)."""


@dataclass(frozen=True, slots=True)
class OriginAt:
    """The L1 block that an L2 block refers to."""

    number: int
    hash: Hash32


def origin_of(core: Core, number: int) -> OriginAt:
    """Return the origin of a block.

    Raises:
        RpcError: there is no such block, or its state is not kept.
    """
    return OriginAt(_slot(core, NUMBER_SLOT, number) & 2**64 - 1, _word(_slot(core, HASH_SLOT, number)))


def holds(core: Core, place: Place) -> bool:
    """Tell whether the chain has a block."""
    header = orjson.loads(core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(place.number)])))
    return header is not None and header["hash"] == "0x" + place.hash.hex()


def _slot(core: Core, slot: str, number: int) -> int:
    return int(orjson.loads(core.rpc("eth_getStorageAt", orjson.dumps([L1_BLOCK, slot, hex(number)]))), 16)


def _word(value: int) -> Hash32:
    return Hash32(value.to_bytes(32, "big"))
