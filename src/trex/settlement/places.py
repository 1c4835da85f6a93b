"""Places of deposits among the logs of their L1 blocks: they name them on L2 (PTL-012, DRV-067).

The queue does not hash log indices, so an endpoint could say others. Whoever builds blocks or posts them asks
for the receipts, which the L1 block's header commits to. A verifier never does: a batch brings its indices.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from trex.settlement.deposits import TRANSACTION_DEPOSITED, Deposit
from trex.settlement.l1.errors import L1Error, L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import L1Reader
from trex.types.primitives import Address, Hash32

log = logging.getLogger(__name__)

AT_ONCE = 8
"""L1 blocks whose receipts are asked for side by side."""
PATIENCE_S = 3.0
"""How long receipts are waited for before what is proven goes on without the rest."""


class Places:
    """Asks for the receipts of each L1 block once, as long as its deposits are asked for."""

    def __init__(self, reader: L1Reader, portal: Address) -> None:
        """Name L1, and whose events deposits are; nothing is asked yet."""
        self.reader = reader
        self.portal = portal
        self.patience_s = PATIENCE_S
        self._proven: dict[Hash32, tuple[int, ...]] = {}
        """Places of the portal's deposits among a block's logs, by its hash."""
        self._reading: dict[Hash32, asyncio.Task[None]] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def prove(self, blocks: Mapping[int, L1Block], deposits: Sequence[Deposit]) -> list[Deposit]:
        """Return deposits with the log indices that receipts prove.

        Args:
            blocks: by number, at least those that have the deposits.
            deposits: all of each of their blocks, in the queue's order.

        Raises:
            L1UnavailableError: no endpoint has the receipts of a block. What was proven is kept.
        """
        failures = await self._ask(_of(blocks, deposits), None)
        for failure in failures.values():
            raise failure
        return self._placed(deposits, [block.hash for block in _of(blocks, deposits)])

    async def prove_first(
        self, blocks: Mapping[int, L1Block], deposits: Sequence[Deposit]
    ) -> tuple[list[Deposit], int | None]:
        """Return those of the first deposits whose places can be proven soon, and where the rest begins.

        Receipts that have not come by then come while others are used: ask again.

        Args:
            blocks: by number, at least those that have the deposits.
            deposits: all of each of their blocks, in the queue's order.

        Returns:
            Deposits below the first L1 block that has no proof yet, and its number, or None.

        Raises:
            L1UnavailableError: receipts prove other deposits.
        """
        wanted = _of(blocks, deposits)
        failures = await self._ask(wanted, self.patience_s)
        unproven = next((block for block in wanted if block.hash not in self._proven), None)
        if unproven is None:
            return self._placed(deposits, [block.hash for block in wanted]), None
        why = failures.get(unproven.hash, f"they have not come in {self.patience_s} s")
        log.warning("deposits of L1 block %d wait for its receipts: %s", unproven.number, why)
        below = [one for one in deposits if one.l1_number < unproven.number]
        return self._placed(below, [block.hash for block in _of(blocks, below)]), unproven.number

    async def close(self) -> None:
        """Ask for nothing any more."""
        reading, self._reading = self._reading, {}
        await _end(reading.values())

    async def _ask(self, wanted: Sequence[L1Block], patience_s: float | None) -> dict[Hash32, L1Error]:
        """Ask for receipts of blocks, and those of no others; return what failed in this time.

        Raises:
            Exception: what nobody foresaw in reading them.
        """
        hashes = {block.hash for block in wanted}
        self._proven = {hash_: places for hash_, places in self._proven.items() if hash_ in hashes}
        await _end([self._reading.pop(hash_) for hash_ in list(self._reading) if hash_ not in hashes])
        for block in wanted:
            if block.hash not in self._proven and block.hash not in self._reading:
                self._reading[block.hash] = asyncio.create_task(self._read(block), name="receipts")
        if not self._reading:
            return {}
        try:
            done, _ = await asyncio.wait(self._reading.values(), timeout=patience_s)
        except asyncio.CancelledError:
            await self.close()
            raise
        failures: dict[Hash32, L1Error] = {}
        for hash_ in [hash_ for hash_, task in self._reading.items() if task in done]:
            try:
                await self._reading.pop(hash_)
            except L1Error as error:
                failures[hash_] = error
        return failures

    async def _read(self, block: L1Block) -> None:
        async with self._at_once:
            logs = await self.reader.proven_logs(block)
        topic = (TRANSACTION_DEPOSITED,)
        self._proven[block.hash] = tuple(
            at for at, log in enumerate(logs) if log.address == self.portal and log.topics[:1] == topic
        )

    def _placed(self, deposits: Sequence[Deposit], blocks: Sequence[Hash32]) -> list[Deposit]:
        """Return deposits, all of these blocks', in the places that are proven."""
        found = [place for hash_ in blocks for place in self._proven[hash_]]
        if len(found) != len(deposits):
            raise L1UnavailableError(
                "bad_answer", f"{len(deposits)} deposits, and {len(found)} proven by receipts"
            )
        return [replace(one, log_index=at) for one, at in zip(deposits, found, strict=True)]


def _of(blocks: Mapping[int, L1Block], deposits: Sequence[Deposit]) -> list[L1Block]:
    """Return the blocks that have deposits, in their order."""
    return [blocks[number] for number in dict.fromkeys(one.l1_number for one in deposits)]


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in (tasks := list(tasks)):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
