"""What L1 says about this chain, block by block: batches and deposits, complete and in order.

Completeness does not rest on an endpoint's list of events: the contracts keep a hash chain of each, and a
list that does not hash to what a majority of endpoints reads from the contracts is refused.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.deposits import TRANSACTION_DEPOSITED, Deposit, accumulate, read_deposits
from trex.settlement.inbox import BATCH_APPENDED, ZERO, PostedBatch, read_batches
from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import L1Reader, Log
from trex.types.network import L1Settlement, Network
from trex.types.primitives import Address, Hash32


@dataclass(frozen=True, slots=True)
class Contracts:
    """The network's contracts that derivation reads."""

    inbox: Address
    portal: Address


def settlement_of(network: Network) -> tuple[L1Settlement, Contracts]:
    """Return where a network settles.

    Raises:
        ValueError: its file names no L1, or not the contracts that derivation reads.
    """
    if network.l1 is None:
        raise ValueError("the network file has no section l1: `trex l1 deploy` writes one")
    try:
        return network.l1, Contracts(network.l1.contracts["inbox"], network.l1.contracts["portal"])
    except KeyError as missing:
        raise ValueError(f"the section l1 of the network file lacks {missing}") from None


async def genesis_origin(reader: L1Reader, network: Network) -> L1Block:
    """Return the L1 block that a network's genesis refers to.

    Raises:
        L1RefusedError: `wrong_chain`: this L1 has another in its place, as an anvil that began anew has.
        L1UnavailableError: no majority of the endpoints has one.
    """
    origin = network.genesis.l1_origin
    block = await reader.block(origin.number)
    if block.hash != origin.hash:
        raise L1RefusedError(
            "wrong_chain",
            f"this L1 is not the network's: its block {origin.number} is 0x{block.hash.hex()}, "
            f"the network file says 0x{origin.hash.hex()}",
        )
    return block


@dataclass(frozen=True, slots=True)
class Mark:
    """What L1 had of this chain at the end of a block."""

    block: L1Block
    batch_count: int = 0
    accumulator: Hash32 = ZERO
    """Of batch headers."""
    deposit_count: int = 0
    deposit_accumulator: Hash32 = ZERO


@dataclass(frozen=True, slots=True)
class Span:
    """What consecutive L1 blocks added."""

    blocks: tuple[L1Block, ...]
    batches: tuple[PostedBatch, ...]
    deposits: tuple[Deposit, ...]
    mark: Mark
    """At the end of the last of the blocks."""


@dataclass(frozen=True, slots=True)
class InboxState:
    """What the inbox says of itself at the end of an L1 block."""

    block: L1Block
    batch_count: int
    accumulator: Hash32
    sequenced_count: int
    """Headers that the sequencer set appended: what the next append must name (INB-006)."""
    last_origin: int
    """Origin of the last header, the L2 genesis' before the first."""
    last_sequenced_at: int
    """L1 timestamp of the set's last append; silence counts from here (INB-020)."""


async def inbox_state(reader: L1Reader, inbox: Address, block: L1Block) -> InboxState:
    """Return what the inbox says of itself at the end of a block, as a majority says.

    Raises:
        L1UnavailableError: no majority.
        L1RefusedError: there is no inbox at this address.
    """
    kind = contract("Inbox")

    async def ask(function: str, *arguments: object) -> Any:
        answer = await reader.call(inbox, kind.call(function, *arguments), block)
        if not answer:
            raise L1RefusedError("refused", f"L1 has no inbox at 0x{inbox.hex()} in block {block.number}")
        return kind.result(function, answer)[0]

    names = ("batchCount", "accumulator", "sequencedCount", "lastOrigin", "lastSequencedAt")
    count, accumulator, sequenced, origin, at = await asyncio.gather(*map(ask, names))
    return InboxState(block, count, Hash32(accumulator), sequenced, origin, at)


async def read_span(reader: L1Reader, contracts: Contracts, mark: Mark, blocks: Sequence[L1Block]) -> Span:
    """Read what the blocks after `mark` added.

    Args:
        reader: L1.
        contracts: whose events and accumulators.
        mark: at the end of the first block's parent.
        blocks: at least one, consecutive.

    Raises:
        L1UnavailableError: no endpoint gives events that hash to what the contracts say.
    """
    last = blocks[-1]
    end = await _mark_at(reader, contracts, mark, blocks)
    batch_count, accumulator = end.batch_count, end.accumulator

    def batches_of(logs: list[Log]) -> list[PostedBatch]:
        batches = read_batches(logs, mark.batch_count, mark.accumulator)
        reached = batches[-1].accumulator if batches else mark.accumulator
        if mark.batch_count + len(batches) != batch_count or reached != accumulator:
            raise L1UnavailableError(
                "bad_answer", f"{len(batches)} batch events are not all up to {last.number}"
            )
        return batches

    batches: list[PostedBatch] = []
    if batch_count != mark.batch_count:
        batches = await reader.logs(contracts.inbox, [BATCH_APPENDED], blocks, batches_of)
    deposits = await read_queue(
        reader,
        contracts.portal,
        blocks,
        (mark.deposit_count, mark.deposit_accumulator),
        (end.deposit_count, end.deposit_accumulator),
    )
    return Span(tuple(blocks), tuple(batches), tuple(deposits), end)


async def read_queue(
    reader: L1Reader,
    portal: Address,
    blocks: Sequence[L1Block],
    before: tuple[int, Hash32],
    after: tuple[int, Hash32],
) -> list[Deposit]:
    """Return the deposits of consecutive L1 blocks, complete by the queue's accumulator.

    Their log indices are what an endpoint says (`places.Places` proves them).

    Args:
        reader: L1.
        portal: whose events.
        blocks: at least those that have the deposits.
        before: count and accumulator of the queue before the blocks.
        after: the same at the end of the last one.

    Raises:
        L1UnavailableError: no endpoint gives events that hash to this.
    """
    if before == after:
        return []

    def all_of(logs: list[Log]) -> list[Deposit]:
        deposits = read_deposits(logs)
        if (before[0] + len(deposits), accumulate(deposits, before[1])) != after:
            raise L1UnavailableError(
                "bad_answer", f"{len(deposits)} deposit events are not all up to {blocks[-1].number}"
            )
        return deposits

    return await reader.logs(portal, [TRANSACTION_DEPOSITED], blocks, all_of)


async def _mark_at(reader: L1Reader, contracts: Contracts, mark: Mark, blocks: Sequence[L1Block]) -> Mark:
    """Return what L1 had at the end of the last of these blocks.

    Endpoints that are no archives keep the state of some 128 blocks. For older ones the contracts are asked
    now, which keep every accumulator; how many batches there were then, a majority says by its events.
    """
    last = blocks[-1]
    try:
        batch_count, accumulator = await inbox_at(reader, contracts.inbox, last)
        deposits = await deposits_at(reader, contracts.portal, last)
    except L1RefusedError as error:
        newest = (await reader.heads()).latest
        if error.code != "refused" or newest.number == last.number:
            raise
        batch_count, accumulator = await _inbox_by_events(reader, contracts.inbox, mark, blocks, newest)
        deposits = await deposits_at(reader, contracts.portal, last, newest)
    return Mark(last, batch_count, accumulator, *deposits)


async def still_holds(reader: L1Reader, contracts: Contracts, mark: Mark) -> bool:
    """Tell whether L1 says the same of a block, which is on its chain, as when it was read.

    Where no endpoint keeps the block's state the contracts are asked now: what was read must then be a part
    of what they have.
    """
    newest = (await reader.heads()).latest
    try:
        batches = await inbox_at(reader, contracts.inbox, mark.block)
    except L1RefusedError as error:
        if error.code != "refused":
            raise
        batches = mark.batch_count, await _accumulator_at(reader, contracts.inbox, mark.batch_count, newest)
    deposits = await deposits_at(reader, contracts.portal, mark.block, newest)
    return (*batches, *deposits) == (
        mark.batch_count,
        mark.accumulator,
        mark.deposit_count,
        mark.deposit_accumulator,
    )


async def _inbox_by_events(
    reader: L1Reader, inbox: Address, mark: Mark, blocks: Sequence[L1Block], newest: L1Block
) -> tuple[int, Hash32]:
    """Return count and accumulator of the inbox after these blocks, without their state."""
    topics = ["0x" + BATCH_APPENDED.hex()]
    bounds = {"fromBlock": hex(blocks[0].number), "toBlock": hex(blocks[-1].number)}
    query = {"address": "0x" + inbox.hex(), "topics": topics, **bounds}

    async def ask(endpoint: Endpoint) -> int:
        found = await endpoint.call("eth_getLogs", query)
        if not isinstance(found, list):
            raise L1UnavailableError("bad_answer", f"{endpoint.name}: no list of logs")
        return len(found)

    count = mark.batch_count + await reader.retries.run(lambda: reader.agreed(ask))
    return count, await _accumulator_at(reader, inbox, count, newest)


async def _accumulator_at(reader: L1Reader, inbox: Address, count: int, newest: L1Block) -> Hash32:
    """Return what the inbox's first headers hash to, by its newest state."""
    kind = contract("Inbox")
    answer = await reader.call(inbox, kind.call("accumulatorAt", count), newest)
    if not answer:
        return ZERO  # there is no inbox yet
    (accumulator,) = kind.result("accumulatorAt", answer)
    return Hash32(accumulator)


async def inbox_at(reader: L1Reader, inbox: Address, block: L1Block) -> tuple[int, Hash32]:
    """Return how many batch headers the inbox had at the end of a block, and what they hash to."""
    if not await reader.code(inbox, block):  # genesis may be older than its contracts
        return 0, ZERO
    kind = contract("Inbox")
    (count,) = kind.result("batchCount", await reader.call(inbox, kind.call("batchCount"), block))
    return count, await _accumulator_at(reader, inbox, count, block)


async def deposits_at(
    reader: L1Reader, portal: Address, block: L1Block, seen_from: L1Block | None = None
) -> tuple[int, Hash32]:
    """Return how many deposits there were at the end of a block, and what they hash to.

    Args:
        reader: L1.
        portal: its address.
        block: at whose end.
        seen_from: a block above it to ask at, as endpoints may not keep older state; by default itself.
    """
    seen_from = seen_from or block
    if not await reader.code(portal, seen_from):
        return 0, ZERO
    kind = contract("Portal")
    answer = await reader.call(portal, kind.call("depositsAt", block.number), seen_from)
    count, accumulator = kind.result("depositsAt", answer)
    return count, Hash32(accumulator)


async def sequencer_at(reader: L1Reader, inbox: Address, block: L1Block) -> Address:
    """Return the account that may append at the end of a block: the sequencer set's id (INB-031)."""
    kind, set_ = contract("Inbox"), contract("SoleSequencer")
    (at,) = kind.result("sequencerSet", await reader.call(inbox, kind.call("sequencerSet"), block))
    address = Address(bytes.fromhex(at[2:]))
    (name,) = set_.result("id", await reader.call(address, set_.call("id"), block))
    return Address(name[12:])
