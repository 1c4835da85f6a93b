"""How a batch's data gets to L1: the seam, and Ethereum's blobs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.kzg import make_sidecar
from trex.settlement.l1.reader import L1Reader, quantity
from trex.settlement.l1.sender import Included, Sender
from trex.settlement.l1.transaction import Fees, Intent
from trex.types.primitives import Address, Gas, Wei

APPEND_GAS = Gas(200_000)
"""For appendBatch with any number of blobs: it takes some 70,000 (contracts/snapshots/Inbox.json)."""


class BatchCarrier(Protocol):
    """Brings a batch's data where others find it, and its header into the inbox."""

    async def price_wei(self) -> Wei:
        """Return what a unit of data costs now: for Ethereum, the blob base fee."""
        ...

    async def append(
        self,
        sequence: int,
        origin_number: int,
        blobs: Sequence[bytes],
        *,
        wanted: Callable[[], Awaitable[bool]],
        most_wei: Callable[[], Wei | None],
    ) -> Included | None:
        """Append a batch; errors and None as `Sender.send`.

        Args:
            sequence: how many sequenced headers the inbox has (INB-006).
            origin_number: the last L1 block that the batch refers to.
            blobs: its data.
            wanted: asked while it is under way; when false, it is given up.
            most_wei: the highest price at this moment; None for whatever it takes.
        """
        ...


class EthereumBlobs:
    """Data in blobs of the transaction that appends the header."""

    def __init__(self, sender: Sender, inbox: Address) -> None:
        """Name who sends to which inbox."""
        self.sender = sender
        self.inbox = inbox

    @property
    def reader(self) -> L1Reader:
        """L1."""
        return self.sender.reader

    async def price_wei(self) -> Wei:
        """Return L1's blob base fee, the middle of what its endpoints say."""

        async def ask(endpoint: Endpoint) -> int:
            return quantity(await endpoint.call("eth_blobBaseFee"))

        return Wei(await self.reader.middle(ask))

    async def append(
        self,
        sequence: int,
        origin_number: int,
        blobs: Sequence[bytes],
        *,
        wanted: Callable[[], Awaitable[bool]],
        most_wei: Callable[[], Wei | None],
    ) -> Included | None:
        """Append a batch by one transaction."""
        sidecars = await asyncio.gather(*(asyncio.to_thread(make_sidecar, blob) for blob in blobs))
        call = contract("Inbox").call("appendBatch", sequence, origin_number)
        most = self.sender.pricing.most

        def fees() -> Fees:
            limit = most_wei()
            return most if limit is None else Fees(most.max_fee_wei, most.priority_fee_wei, limit)

        intent = Intent(self.inbox, call, APPEND_GAS, sidecars=sidecars)
        return await self.sender.send(intent, wanted=wanted, most=fees)
