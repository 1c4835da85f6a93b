"""What batches cost on L1, read from their transactions' receipts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from trex.settlement.inbox import Carrier, PostedBatch
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Included, receipt_of
from trex.types.primitives import Hash32, Wei

AT_ONCE = 16
"""Receipts asked for together."""


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What one batch cost its poster."""

    index: int
    """Its place in the inbox."""
    l1_number: int
    """L1 block of the transaction."""
    l1_transaction: Hash32
    l1_gas: int
    gas_cost_wei: Wei
    blobs: int
    blob_gas: int
    blob_cost_wei: Wei

    @property
    def cost_wei(self) -> Wei:
        """Gas and blob gas."""
        return Wei(self.gas_cost_wei + self.blob_cost_wei)

    def wei_each(self, transactions: int) -> float:
        """Return what each of so many transactions had of it."""
        return self.cost_wei / transactions if transactions else 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Several batches together."""

    batches: tuple[BatchCost, ...]

    @property
    def l1_gas(self) -> int:
        """L1 gas of all."""
        return sum(batch.l1_gas for batch in self.batches)

    @property
    def blob_gas(self) -> int:
        """Blob gas of all."""
        return sum(batch.blob_gas for batch in self.batches)

    @property
    def cost_wei(self) -> Wei:
        """What all of them cost."""
        return Wei(sum(batch.cost_wei for batch in self.batches))


def cost_of(index: int, blobs: int, included: Included) -> BatchCost:
    """Return what a batch cost, by the receipt of its transaction."""
    return BatchCost(
        index=index,
        l1_number=included.block_number,
        l1_transaction=included.hash,
        l1_gas=included.gas_used,
        gas_cost_wei=included.gas_cost_wei,
        blobs=blobs,
        blob_gas=included.blob_gas_used,
        blob_cost_wei=included.blob_cost_wei,
    )


async def batch_costs(reader: L1Reader, batches: Sequence[PostedBatch]) -> Costs:
    """Return what batches cost; forced ones, which cost someone else, are left out.

    Where one L1 transaction appended several batches, each is given all of its cost.

    Raises:
        L1UnavailableError: a receipt is not to be had from a majority.
    """
    ours = [batch for batch in batches if batch.header.carrier is not Carrier.NONE]
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(batch: PostedBatch) -> BatchCost:
        async with room:
            included = await reader.retries.run(lambda: receipt_of(reader, batch.transaction_hash))
            return cost_of(batch.header.index, len(batch.header.blob_hashes), included)

    return Costs(tuple(await asyncio.gather(*map(ask, ours))))
