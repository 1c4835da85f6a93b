"""Blocks of this chain as a node has them: what is posted to L1, and how far L1 has carried the chain.

The seam is `BlockSource`. Its implementation asks a node by RPC for whole blocks, and everything that follows
from them (hashes, output roots, deposits, origins) is computed here: a service runs in a process of its own
beside the one that holds the store, compresses without taking time from block production, and can be given
any node.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import rlp
from eth_hash.auto import keccak

from trex.rpc.endpoint import Endpoint
from trex.settlement.deployment import output_root
from trex.settlement.l1.errors import L1UnavailableError
from trex.types.primitives import Hash32

L1_BLOCK = bytes.fromhex("4200000000000000000000000000000000000015")
ANNOUNCER = bytes.fromhex("deaddeaddeaddeaddeaddeaddeaddeaddead0001")
"""Sender of the L1 attributes deposit (STF-005)."""
SET_VALUES = bytes.fromhex("440a5e20")
SET_VALUES_BYTES = 164
"""Length of its data (FEE-020)."""
DEPOSIT = 0x7E
"""Type byte of deposits."""
AT_ONCE = 32
"""Blocks asked for in one request."""


@dataclass(frozen=True, slots=True)
class BlockId:
    """A block of either layer."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True)
class Origin:
    """An L1 block as L2 blocks name it."""

    number: int
    hash: Hash32
    timestamp: int
    """Seconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class L2Block:
    """A block of this chain, as far as batches and claims need it; its hash was computed here."""

    number: int
    hash: Hash32
    parent_hash: Hash32
    slot: int
    timestamp: int
    """Seconds since the Unix epoch."""
    output_root: Hash32
    announced: Origin | None
    """The L1 origin that it begins (STF-005); None where it keeps its parent's."""
    deposits: tuple[Hash32, ...]
    """Source hashes of its deposits (PTL-012)."""
    transactions: tuple[bytes, ...]
    """EIP-2718 bytes of its ordinary transactions."""

    @property
    def transaction_bytes(self) -> int:
        """Length of all its ordinary transactions."""
        return sum(map(len, self.transactions))


@dataclass(frozen=True, slots=True)
class Derived:
    """How far a node has derived the chain."""

    l1: BlockId
    """The last L1 block that was read whole."""
    batch_count: int
    """Of the inbox at its end."""
    accumulator: Hash32
    """Of those batches."""
    block: BlockId
    """The block that they lead to."""


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """What a node says of its derivation."""

    safe: Derived
    """As far as it got."""
    final: Derived | None
    """As far as L1 is finalized; None while that is not known."""
    blobs_per_l1_block: float | None = None
    """What it counts on L1 to take from the batcher (PST-024); None where it builds nothing."""


class BlockSource(Protocol):
    """Where blocks come from. Errors are `L1UnavailableError`."""

    async def id(self, number: int | None = None) -> BlockId:
        """Return a block by number, or the newest one, whatever L1 knows of it."""
        ...

    async def status(self) -> SyncStatus:
        """Return how far L1 carries the chain."""
        ...

    async def blocks(self, first: int, last: int) -> list[L2Block]:
        """Return blocks by number, both ends included, each the parent of the next."""
        ...

    async def origin(self, block: L2Block) -> Origin:
        """Return a block's L1 origin."""
        ...


class NodeBlocks:
    """Blocks of a node, by its RPC."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Name the node.

        Args:
            endpoint: of the node.
        """
        self.endpoint = endpoint

    async def id(self, number: int | None = None) -> BlockId:
        """Return a block by number, or the newest one; its header proves its hash."""
        which = "latest" if number is None else hex(number)
        answer = await self.endpoint.call("debug_getRawHeader", which)
        try:
            encoded = bytes.fromhex(answer[2:])
            found = BlockId(int.from_bytes(rlp.decode(encoded)[8], "big"), Hash32(keccak(encoded)))
        except (rlp.exceptions.RLPException, IndexError, TypeError, ValueError) as error:
            raise self._bad(f"no header of block {which}: {error}") from error
        if number not in {None, found.number}:
            raise self._bad(f"block {found.number} for block {number}")
        return found

    async def status(self) -> SyncStatus:
        """Return how far L1 carries the chain.

        Raises:
            L1UnavailableError: no answer.
            L1RefusedError: the node does not derive its chain from L1.
        """
        answer = await self.endpoint.call("optimism_syncStatus")
        try:
            derivation = answer["trex"]
            safe, final = (_derived(derivation[name]) for name in ("derived", "final"))
            counted = (derivation.get("unposted") or {}).get("blobsPerL1Block")
        except (KeyError, TypeError, ValueError) as error:
            raise self._bad(f"no sync status: {error}") from error
        if safe is None:
            raise L1UnavailableError("behind", f"{self.endpoint.name}: derivation has not begun")
        return SyncStatus(safe, final, None if counted is None else float(counted))

    async def blocks(self, first: int, last: int) -> list[L2Block]:
        """Return blocks by number, both ends included, each the parent of the next."""
        found: list[L2Block] = []
        for start in range(first, last + 1, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, last + 1))
            answers = await self.endpoint.batch("debug_getRawBlock", [(hex(number),) for number in numbers])
            found += await asyncio.to_thread(self._read, numbers, answers)
        if any(one.hash != two.parent_hash for one, two in itertools.pairwise(found)):
            raise self._bad("the chain changed while it was read")
        return found

    async def origin(self, block: L2Block) -> Origin:
        """Return a block's L1 origin: what L1Block says in the state after it."""
        if block.announced is not None:
            return block.announced
        at = {"blockHash": "0x" + block.hash.hex()}
        to = "0x" + L1_BLOCK.hex()
        calls = [
            ({"to": to, "data": "0x" + keccak(getter)[:4].hex()}, at)
            for getter in (b"number()", b"hash()", b"timestamp()")
        ]
        answers = await self.endpoint.batch("eth_call", [*calls])
        try:
            number, hash_, timestamp = (bytes.fromhex(answer[2:]) for answer in answers)
            if not len(number) == len(hash_) == len(timestamp) == 32:
                raise ValueError("an answer that is no word")
        except (TypeError, ValueError) as error:
            raise self._bad(f"no origin of block {block.number}: {error}") from error
        return Origin(int.from_bytes(number, "big"), Hash32(hash_), int.from_bytes(timestamp, "big"))

    def _read(self, numbers: Sequence[int], answers: Sequence[Any]) -> list[L2Block]:
        try:
            blocks = [read_block(bytes.fromhex(answer[2:])) for answer in answers]
        except (rlp.exceptions.RLPException, IndexError, TypeError, ValueError) as error:
            raise self._bad(f"no raw block: {error}") from error
        if [block.number for block in blocks] != list(numbers):
            raise self._bad("other blocks than were asked for")
        return blocks

    def _bad(self, message: str) -> L1UnavailableError:
        return L1UnavailableError("bad_answer", f"{self.endpoint.name}: {message}")


def read_block(encoded: bytes) -> L2Block:
    """Read a block as `debug_getRawBlock` gives it.

    Raises:
        ValueError: not a block of this chain.
    """
    header, items, *_ = rlp.decode(encoded)
    extra = header[12]
    if len(header) < 17 or len(extra) != 9 or extra[0] != 1:
        raise ValueError("a header that names no slot (STF-002)")
    announced: Origin | None = None
    deposits: list[Hash32] = []
    transactions: list[bytes] = []
    for item in items:
        raw = item if isinstance(item, bytes) else rlp.encode(item)
        if raw[0] != DEPOSIT:
            transactions.append(raw)
            continue
        source, sender, to, *_, data = rlp.decode(raw[1:])
        if sender == ANNOUNCER and to == L1_BLOCK and data[:4] == SET_VALUES:
            announced = _announced(data)
        else:
            deposits.append(Hash32(source))
    hash_ = Hash32(keccak(rlp.encode(header)))
    return L2Block(
        number=int.from_bytes(header[8], "big"),
        hash=hash_,
        parent_hash=Hash32(header[0]),
        slot=int.from_bytes(extra[1:], "big"),
        timestamp=int.from_bytes(header[11], "big"),
        output_root=output_root(Hash32(header[3]), Hash32(header[16]), hash_),
        announced=announced,
        deposits=tuple(deposits),
        transactions=tuple(transactions),
    )


def _announced(data: bytes) -> Origin:
    """Read the L1 attributes deposit's data (FEE-020)."""
    if len(data) != SET_VALUES_BYTES:
        raise ValueError(f"L1 attributes of {len(data)} bytes")
    return Origin(
        number=int.from_bytes(data[28:36], "big"),
        hash=Hash32(data[100:132]),
        timestamp=int.from_bytes(data[20:28], "big"),
    )


def _derived(answer: Any) -> Derived | None:
    if answer is None:
        return None
    l1, block = (
        BlockId(int(answer[name]["number"]), Hash32(bytes.fromhex(answer[name]["hash"][2:])))
        for name in ("l1", "block")
    )
    accumulator = Hash32(bytes.fromhex(answer["accumulator"][2:]))
    return Derived(l1, int(answer["batches"]), accumulator, block)
