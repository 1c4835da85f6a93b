"""L1 through several endpoints: what they must agree on, what a hash proves, what is tried again.

A block asked for by hash proves itself. Where only an endpoint's word stands (which block has a number,
which is newest, what a contract answers) a majority of all configured endpoints must say the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Endpoints
from trex.rpc.endpoints import Retries as Retries
from trex.settlement.l1.errors import L1RefusedError, L1ReorgedError, L1UnavailableError
from trex.settlement.l1.header import L1Block, read_block
from trex.settlement.l1.receipts import ProvenLog, proven_logs
from trex.types.primitives import Address, Hash32, Wei

T = TypeVar("T")

BATCH = 100
"""Requests in one, as providers take them."""
RECEIPTS_S = 60.0
"""How long a block's receipts may take: full of events they are some 70 MB."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The three tags of L1, each at least as new as a majority of the endpoints says."""

    latest: L1Block
    safe: L1Block
    finalized: L1Block


@dataclass(frozen=True, slots=True)
class Log:
    """One event, with where it stands."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes
    block_number: int
    block_hash: Hash32
    transaction_hash: Hash32
    index: int
    """Position among the block's logs, as the endpoint says (`L1Reader.proven_logs` proves it)."""


class L1Reader(Endpoints):
    """Reads L1 through endpoints of which a minority may lie, stall or lag."""

    def __init__(
        self, endpoints: Sequence[Endpoint], chain_id: int, *, retries: Retries | None = None
    ) -> None:
        """Name the endpoints.

        Args:
            endpoints: at least one; a majority must agree where nothing else proves an answer.
            chain_id: that every endpoint must have.
            retries: for each read.
        """
        super().__init__(endpoints, retries=retries)
        self.chain_id = chain_id

    async def check_chain(self) -> None:
        """Ask every endpoint which chain it serves; who stalls is not waited for.

        Raises:
            L1RefusedError: `wrong_chain`, naming the endpoint.
            L1UnavailableError: fewer than a majority answered.
        """

        async def ask(endpoint: Endpoint) -> tuple[str, int]:
            return endpoint.name, quantity(await endpoint.call("eth_chainId"))

        for name, chain_id in await self.majority(ask):
            if chain_id != self.chain_id:
                raise L1RefusedError("wrong_chain", f"{name} serves chain {chain_id}, not {self.chain_id}")

    async def block(self, which: int | Hash32) -> L1Block:
        """Return a block by number, as a majority names it, or by hash, which proves it.

        Raises:
            L1UnavailableError: nobody has it (yet), or no majority names the same.
        """
        if isinstance(which, int):
            return await self._agreed_block(hex(which))
        wanted = which

        async def ask(endpoint: Endpoint) -> L1Block:
            answer = await endpoint.call("eth_getBlockByHash", "0x" + wanted.hex(), False)
            if answer is None:
                raise L1UnavailableError("not_found", f"{endpoint.name}: no block 0x{wanted.hex()}")
            block = read_block(answer)
            if block.hash != wanted:
                raise L1UnavailableError("bad_answer", f"{endpoint.name}: another block than was asked for")
            return block

        return await self.retries.run(lambda: self.first(ask))

    async def heads(self) -> Heads:
        """Return latest, safe and finalized.

        Endpoints differ by a block or two at any moment, so no majority need name the same newest block.
        The head is the highest block that a majority has reached, by that majority's word for its number.
        """

        async def ask(endpoint: Endpoint) -> tuple[int, int, int]:
            tags = ("latest", "safe", "finalized")
            answers = await endpoint.batch("eth_getBlockByNumber", [(tag, False) for tag in tags])
            numbers = [read_block(answer).number for answer in answers if answer is not None]
            if len(numbers) != len(tags):
                raise L1UnavailableError("not_found", f"{endpoint.name}: no safe or finalized block yet")
            latest, safe, finalized = numbers
            return latest, safe, finalized

        async def once() -> Heads:
            answers = await self.majority(ask)
            numbers = [self.reached(column) for column in zip(*answers, strict=True)]
            latest, safe, finalized = [await self._agreed_once(hex(number)) for number in numbers]
            return Heads(latest, safe, finalized)

        return await self.retries.run(once)

    async def chain_between(self, ancestor: L1Block, last: L1Block) -> list[L1Block]:
        """Return the blocks after `ancestor` up to `last`, oldest first, each its successor's parent.

        Raises:
            L1ReorgedError: `ancestor` is not below `last`.
        """
        blocks = [last]
        while blocks[-1].number > ancestor.number + 1:
            missing = blocks[-1].number - ancestor.number - 1
            blocks.extend(await self._parents(blocks[-1], min(missing, 64)))
        if blocks[-1].parent_hash != ancestor.hash:
            raise L1ReorgedError(
                "reorged",
                f"block {ancestor.number} is no longer 0x{ancestor.hash.hex()} on the way to {last.number}",
            )
        return blocks[::-1]

    async def _parents(self, block: L1Block, count: int) -> list[L1Block]:
        """Return up to `count` blocks below `block`, newest first, by the hash that each child names."""

        async def ask(endpoint: Endpoint) -> list[L1Block]:
            numbers = [(hex(block.number - back), False) for back in range(1, count + 1)]
            answers = await endpoint.batch("eth_getBlockByNumber", numbers)
            parents: list[L1Block] = []
            for answer in answers:
                parent = read_block(answer or {})
                if parent.hash != (parents[-1] if parents else block).parent_hash:
                    break  # This endpoint has gone over to another branch meanwhile.
                parents.append(parent)
            if not parents:
                raise L1UnavailableError("not_found", f"{endpoint.name}: block {block.number - 1} is another")
            return parents

        try:
            return await self.retries.run(lambda: self.first(ask))
        except L1UnavailableError:
            # The branch may live on only by its hashes.
            return [await self.block(block.parent_hash)]

    async def logs(
        self,
        address: Address,
        topics: Sequence[Hash32 | None],
        blocks: Sequence[L1Block],
        check: Callable[[list[Log]], T],
    ) -> T:
        """Return what `check` makes of a contract's events in consecutive blocks, in their order.

        Every event is of one of these very blocks. That none is missing or made up is for `check` to say,
        by the accumulator that the contract keeps (INB-002, PTL-002): it raises L1UnavailableError, and the
        next endpoint is asked.

        Raises:
            L1UnavailableError: no endpoint has these blocks or passes the check.
        """
        hashes = {block.number: block.hash for block in blocks}
        wanted = [None if topic is None else "0x" + topic.hex() for topic in topics]

        async def fetch(endpoint: Endpoint, first: int, last: int) -> list[Log]:
            bounds = {"fromBlock": hex(first), "toBlock": hex(last)}
            query = {"address": "0x" + address.hex(), "topics": wanted, **bounds}
            try:
                found = await endpoint.call("eth_getLogs", query)
                if not isinstance(found, list):
                    raise L1UnavailableError("bad_answer", f"{endpoint.name}: no list of logs")
            except (L1RefusedError, L1UnavailableError):
                # Endpoints bound what they return: ask for halves.
                if first == last:
                    raise
                middle = (first + last) // 2
                return await fetch(endpoint, first, middle) + await fetch(endpoint, middle + 1, last)
            logs = [read_log(answer) for answer in found]
            for event in logs:
                if hashes.get(event.block_number) != event.block_hash or event.address != address:
                    raise L1UnavailableError(
                        "bad_answer", f"{endpoint.name}: another block's or contract's log"
                    )
            return sorted(logs, key=lambda event: (event.block_number, event.index))

        async def ask(endpoint: Endpoint) -> T:
            return check(await fetch(endpoint, blocks[0].number, blocks[-1].number) if blocks else [])

        return await self.retries.run(lambda: self.first(ask))

    async def proven_logs(self, block: L1Block) -> list[ProvenLog]:
        """Return all logs of a block, each in its place, which the header's receipts root proves.

        Raises:
            L1UnavailableError: no endpoint has the receipts.
            L1RefusedError: no endpoint gives receipts.
        """

        async def ask(endpoint: Endpoint) -> list[ProvenLog]:
            return await asyncio.to_thread(proven_logs, await _receipts(endpoint, block), block)

        return await self.retries.run(lambda: self.first(ask))

    async def call(self, to: Address, data: bytes, block: L1Block) -> bytes:
        """Return what a contract answers at a block, as a majority says.

        Raises:
            L1RefusedError: it reverted.
            L1UnavailableError: no majority.
        """
        request = {"to": "0x" + to.hex(), "data": "0x" + data.hex()}
        at = {"blockHash": "0x" + block.hash.hex(), "requireCanonical": False}

        async def ask(endpoint: Endpoint) -> bytes:
            return _bytes(await endpoint.call("eth_call", request, at))

        return await self.retries.run(lambda: self.agreed(ask))

    async def code(self, at: Address, block: L1Block) -> bytes:
        """Return an account's code at a block, as a majority says."""
        which = {"blockHash": "0x" + block.hash.hex(), "requireCanonical": False}

        async def ask(endpoint: Endpoint) -> bytes:
            return _bytes(await endpoint.call("eth_getCode", "0x" + at.hex(), which))

        return await self.retries.run(lambda: self.agreed(ask))

    async def balance(self, at: Address, block: L1Block) -> Wei:
        """Return an account's balance at a block, as a majority says."""
        which = {"blockHash": "0x" + block.hash.hex(), "requireCanonical": False}

        async def ask(endpoint: Endpoint) -> Wei:
            return Wei(quantity(await endpoint.call("eth_getBalance", "0x" + at.hex(), which)))

        return await self.retries.run(lambda: self.agreed(ask))

    async def _agreed_block(self, number: str) -> L1Block:
        return await self.retries.run(lambda: self._agreed_once(number))

    async def _agreed_once(self, number: str) -> L1Block:
        async def ask(endpoint: Endpoint) -> L1Block:
            answer = await endpoint.call("eth_getBlockByNumber", number, False)
            if answer is None:
                raise L1UnavailableError("not_found", f"{endpoint.name}: no block {number}")
            block = read_block(answer)
            if block.number != int(number, 16):
                raise L1UnavailableError("bad_answer", f"{endpoint.name}: block {block.number} for {number}")
            return block

        return await self.agreed(ask)

    def reached(self, numbers: Sequence[int]) -> int:
        """Return the highest number that a majority of all endpoints has reached."""
        return sorted(numbers, reverse=True)[self.quorum - 1]


async def _receipts(endpoint: Endpoint, block: L1Block) -> Any:
    """Return a block's receipts: at once, or in parts, as not every provider gives all, or in time."""
    hash_, patient = "0x" + block.hash.hex(), endpoint.patient(RECEIPTS_S)
    try:
        return await patient.call("eth_getBlockReceipts", hash_)
    except (L1RefusedError, L1UnavailableError):
        told = await endpoint.call("eth_getBlockByHash", hash_, False)
    hashes = [(one,) for one in (told or {}).get("transactions", ())]
    found: list[Any] = []
    for first in range(0, len(hashes), BATCH):
        part = hashes[first : first + BATCH]
        try:
            found += await patient.batch("eth_getTransactionReceipt", part)
        except (L1RefusedError, L1UnavailableError):
            found += [await patient.call("eth_getTransactionReceipt", *one) for one in part]
    return found


def read_log(answer: Any) -> Log:
    """Read an event as eth_getLogs gives it.

    Raises:
        L1UnavailableError: `bad_answer`.
    """
    try:
        if answer.get("removed"):
            raise ValueError("a removed log")
        index = int(answer["logIndex"], 16)
        if not 0 <= index < 1 << 32:
            raise ValueError(f"log {answer['logIndex'][:20]} of a block")
        return Log(
            address=Address(_bytes(answer["address"])),
            topics=tuple(Hash32(_bytes(topic)) for topic in answer["topics"]),
            data=_bytes(answer["data"]),
            block_number=int(answer["blockNumber"], 16),
            block_hash=Hash32(_bytes(answer["blockHash"])),
            transaction_hash=Hash32(_bytes(answer["transactionHash"])),
            index=index,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise L1UnavailableError("bad_answer", f"not a log: {error}") from error


def quantity(text: Any) -> int:
    """Read a number as JSON-RPC gives it.

    Raises:
        L1UnavailableError: `bad_answer`.
    """
    try:
        number = int(text, 16)
        if not 0 <= number < 1 << 256:
            raise ValueError("below zero or above 256 bits")
        return number
    except (TypeError, ValueError) as error:
        raise L1UnavailableError("bad_answer", f"not a quantity: {str(text)[:40]!r}") from error


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise L1UnavailableError("bad_answer", f"not 0x-prefixed hex: {str(text)[:40]!r}")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise L1UnavailableError("bad_answer", f"not hex: {text[:40]!r}") from error
