"""What derivation does to the chain and to its positions: reads and writes, nothing of which asks L1.

All of it runs on one thread of the driver's, which brings what L1 says.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from trex.chain.core import Sealed, SettledCore
from trex.chain.workers import guarded
from trex.settlement.deposits import Deposit
from trex.settlement.inbox import ZERO, PostedBatch
from trex.settlement.l1.header import L1Block
from trex.settlement.positions import Place, Position, Positions, PositionsError
from trex.settlement.throttle import BLOBS_PER_L1_BLOCK, Moment, Unposted, most_bytes
from trex.settlement.watch import Mark, settlement_of
from trex.types.network import Network
from trex.types.primitives import Hash32

log = logging.getLogger(__name__)

FILE = "derivation.sqlite"
"""Name of the positions' file in a data directory."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Blocks that this node had and L1 did not confirm."""

    l1_number: int
    """L1 block of the batch that said otherwise."""
    first_block: int
    """First L2 block that was replaced."""
    last_block: int
    """The newest block then: all up to it were given up."""
    derived: Hash32
    """Hash of the block that L1 says is in the first one's place; of its parent where none was made yet."""


class Derivation:
    """A chain, and where its derivation stands."""

    def __init__(
        self,
        core: SettledCore,
        network: Network,
        datadir: Path,
        blobs_per_l1_block: float = BLOBS_PER_L1_BLOCK,
    ) -> None:
        """Name them; nothing is read or written yet.

        Args:
            core: the chain.
            network: whose it is.
            datadir: where positions are kept, beside the chain.
            blobs_per_l1_block: that L1 is counted on to take from a batcher.
        """
        self.core = core
        self.network = network
        self.settlement, _ = settlement_of(network)
        self.blobs_per_l1_block = blobs_per_l1_block
        self.path = datadir / FILE
        self._positions: Positions | None = None

    @property
    def positions(self) -> Positions:
        """Positions on disk. Raises PositionsError: `not_open`."""
        if self._positions is None:
            raise PositionsError("not_open", "derivation has not begun")
        return self._positions

    @property
    def is_open(self) -> bool:
        """Whether positions can be read."""
        return self._positions is not None

    def open(self, block: L1Block) -> Position:
        """Return the newest position that the chain agrees with.

        Args:
            block: of L1, that genesis refers to.

        Raises:
            PositionsError: the file cannot be used.
        """
        genesis = Place(0, _hash(self.core.rpc("eth_getHeaderByNumber", b'["0x0"]')))
        start = Position(
            mark=Mark(block), safe=genesis, origin=block.number, queue_count=0, queue_accumulator=ZERO
        )
        if self._positions is None:
            self._positions = Positions(self.path, self.network.hash, start)
        position = self._positions.believed(self._holds)
        safe, finalized = self.core.l1_heads()
        if position.safe.number < safe:
            self.core.set_l1_heads(max(position.safe.number, finalized), finalized)
        return position

    def _holds(self, place: Place) -> bool:
        header = orjson.loads(self.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(place.number)])))
        return header is not None and _bytes32(header["hash"]) == place.hash

    def close(self) -> None:
        """Let go of the file."""
        if self._positions is not None:
            self._positions.close()
            self._positions = None

    def view(self, position: Position, depth: int) -> tuple[list[bytes], list[Deposit]]:
        """Return what a block on this chain may take from L1 up to `depth` blocks below a position.

        Headers, and deposits in the places that an endpoint named.
        """
        positions = self.positions
        last = positions.at(position.mark.block.number - depth)
        if last is None or last.mark.block.number < position.origin:
            return [], []
        return (
            positions.headers(position.origin + 1, last.mark.block.number),
            positions.deposits(position.queue_count, last.mark.deposit_count),
        )

    def unposted(self, position: Position) -> Unposted:
        """Return what stands above the safe head, and how much may where L1 is at a position (PST-024)."""
        stands = orjson.loads(guarded(self.core.unposted))
        block, oldest = position.mark.block, None
        head = Moment(block.number, block.timestamp)
        if (number := stands["oldestOrigin"]) is not None:
            known = self.positions.at(number)
            oldest = Moment(number, known.mark.block.timestamp if known else block.timestamp)
        most = most_bytes(self.settlement, head, oldest, self.blobs_per_l1_block)
        counts = (stands["blocks"], stands["transactions"], stands["bytes"])
        return Unposted(*counts, most, self.blobs_per_l1_block)

    def derive(
        self, position: Position, batch: PostedBatch, blobs: list[bytes], newest: int
    ) -> tuple[dict[str, Any], Position, Mismatch | None]:
        """Derive one batch; the chain is durable when this returns.

        Args:
            position: before it.
            batch: its header, and where L1 has it.
            blobs: its data.
            newest: number of the chain's newest block.

        Returns:
            What the core says of it, the position after it, and the blocks that L1 did not confirm, if any.
        """
        header, positions = batch.header, self.positions
        result = orjson.loads(
            guarded(
                self.core.derive,
                position.safe.number,
                header=header.encoded,
                queue=(position.queue_count, position.queue_accumulator),
                blobs=blobs,
                l1_headers=positions.headers(position.origin, header.origin_number),
                deposits=[
                    deposit.record
                    for deposit in positions.deposits(position.queue_count, header.deposit_count)
                ],
            )
        )
        safe, mismatch = position.safe, None
        if blocks := result["blocks"]:
            safe = Place(blocks[-1]["number"], _bytes32(blocks[-1]["hash"]))
        if (unwound := result["unwound_to"]) is not None:
            derived = next(block["hash"] for block in blocks if block["number"] == unwound + 1)
            mismatch = Mismatch(batch.l1_number, unwound + 1, newest, _bytes32(derived))
        finalized = self.core.l1_heads()[1]
        self.core.set_l1_heads(max(safe.number, finalized), finalized)
        return (
            result,
            replace(
                position,
                safe=safe,
                origin=header.origin_number,
                queue_count=header.deposit_count,
                queue_accumulator=header.deposit_accumulator,
            ),
            mismatch,
        )

    def half_way(self, position: Position, batch: PostedBatch, before: Sealed) -> Mismatch | None:
        """Return what deriving a batch had replaced when it failed, from its first block at the earliest.

        Args:
            position: before it.
            batch: what was derived.
            before: the chain's head then.
        """
        if self._holds(Place(before.number, _bytes32(before.hash))):
            return None
        first = orjson.loads(
            self.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(position.safe.number + 1)]))
        )
        derived = position.safe.hash if first is None else _bytes32(first["hash"])
        return Mismatch(batch.l1_number, position.safe.number + 1, before.number, derived)

    def go_back(self, ancestor: Position) -> None:
        """Forget what came after a position; the head first: a kill may come between."""
        self.core.set_l1_heads(ancestor.safe.number, self.core.l1_heads()[1])
        self.positions.cut(ancestor.mark.block.number)

    def newest_sound(self, position: Position) -> int:
        """Return the newest block whose origin L1 has, as far as that is known.

        Origins above what was read are none that anyone could tell of: what is below decides about them.
        """

        def is_sound(block: int) -> bool:
            number, hash_ = self.core.origin(block)
            known = self.positions.at(number)
            return known is None or known.mark.block.hash == hash_

        def is_read(block: int) -> bool:
            return self.core.origin(block)[0] <= position.mark.block.number

        safe, newest = position.safe.number, self.core.head().number
        told = _last(safe, newest, is_read)
        if is_sound(told):
            return newest
        return _last(safe, told, is_sound)

    def settle(self, position: Position, number: int, finalized: L1Block) -> Position | None:
        """Record the heads (DRV-062); return the position after the newest final L1 block."""
        final = self.positions.at(number)
        old_safe, old_final = self.core.l1_heads()
        if final is not None and number == finalized.number and final.mark.block.hash != finalized.hash:
            log.warning("L1 calls block 0x%s final, which is not on its chain", finalized.hash.hex())
            final = None
        new_final = old_final if final is None else max(old_final, final.safe.number)
        new_safe = max(position.safe.number, new_final)
        if (new_safe, new_final) != (old_safe, old_final):
            self.core.set_l1_heads(new_safe, new_final)
        if final is not None:
            self.positions.prune(final)
        return final


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the newest block of which something about its origin holds; of `low` it does.

    Origins never decrease: above a block of which it does not hold there is none.
    """
    if holds(high):
        return high
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _hash(header: bytes) -> Hash32:
    return _bytes32(orjson.loads(header)["hash"])


def _bytes32(text: str) -> Hash32:
    return Hash32(bytes.fromhex(text[2:]))
