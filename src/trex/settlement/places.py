"""Places of deposits among the logs of their L1 blocks: they name them on L2 (PTL-012, DRV-067).

The queue does not hash log indices, so an endpoint could say others. Whoever builds blocks or posts them asks
for the receipts, which the L1 block's header commits to. A verifier never does: a batch brings its indices.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trex.settlement.deposits import TRANSACTION_DEPOSITED, Deposit
from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import L1Reader
from trex.types.primitives import Address, Hash32

AT_ONCE = 8
"""L1 blocks whose receipts are asked for side by side."""


class Places:
    """Asks for the receipts of each L1 block once, as long as its deposits are asked for."""

    def __init__(self, reader: L1Reader, portal: Address) -> None:
        """Name L1, and whose events deposits are; nothing is asked yet."""
        self.reader = reader
        self.portal = portal
        self._proven: dict[Hash32, tuple[int, ...]] = {}
        """Places of the portal's deposits among a block's logs, by its hash."""

    async def prove(self, blocks: Mapping[int, L1Block], deposits: Sequence[Deposit]) -> list[Deposit]:
        """Return deposits with the log indices that receipts prove.

        Args:
            blocks: by number, at least those that have the deposits.
            deposits: all of each of their blocks, in the queue's order.

        Raises:
            L1UnavailableError: no endpoint has the receipts of a block. What was proven is kept.
        """
        wanted = {block.hash: block for block in (blocks[one.l1_number] for one in deposits)}
        self._proven = {hash_: places for hash_, places in self._proven.items() if hash_ in wanted}
        at_once = asyncio.Semaphore(AT_ONCE)
        missing = [block for hash_, block in wanted.items() if hash_ not in self._proven]
        outcomes = await asyncio.gather(
            *(self._read(block, at_once) for block in missing), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        found = [place for hash_ in wanted for place in self._proven[hash_]]
        if len(found) != len(deposits):
            raise L1UnavailableError(
                "bad_answer", f"{len(deposits)} deposits, and {len(found)} proven by receipts"
            )
        return [replace(one, log_index=at) for one, at in zip(deposits, found, strict=True)]

    async def _read(self, block: L1Block, at_once: asyncio.Semaphore) -> None:
        async with at_once:
            logs = await self.reader.proven_logs(block)
        topic = (TRANSACTION_DEPOSITED,)
        self._proven[block.hash] = tuple(
            at for at, log in enumerate(logs) if log.address == self.portal and log.topics[:1] == topic
        )
