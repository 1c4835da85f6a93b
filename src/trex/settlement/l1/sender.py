"""Getting a transaction onto L1: nonce, price, replacement when it lies too long, recovery after a kill.

Nothing is kept on disk: which nonce is next, the chain tells. An intent therefore must be safe to be sent
twice, as a batch is, whose place the inbox checks (INB-006): of two transactions with one nonce only one is
included, and of two with one place only one has an effect.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from trex.rpc.endpoint import Endpoint
from trex.settlement.l1.errors import L1Error, L1RefusedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader, quantity
from trex.settlement.l1.transaction import Fees, Intent, Signed, sign
from trex.types.primitives import Address, Hash32, Wei

log = logging.getLogger(__name__)

RAISE_PERCENT = 12
"""Pools replace a transaction for 10 % more in both of its fees; some count from their own rounding."""
BLOB_RAISE_PERCENT = 100
"""The blob pool replaces for double in all three."""
KNOWN = ("already known", "already imported", "known transaction")
"""Words by which endpoints say that they have this very transaction."""
TOO_LOW = ("nonce too low",)
"""Words by which they say that another transaction with this nonce is on the chain."""
UNDERPRICED = ("underpriced", "fee too low", "less than block", "replacement")
"""Words by which they ask for more."""
RESERVED = ("already reserved",)
"""Words by which they say that the account has transactions in the pool of the other kind."""
ROOM_TO_RAISE = 8
"""A first offer is at most this part of the highest priority fee: three doublings are left."""
FATE_POLLS = 5
"""How often receipts are asked for once the nonce is used."""
MOST = Fees(max_fee_wei=Wei(500 * 10**9), priority_fee_wei=Wei(50 * 10**9), blob_fee_wei=Wei(1000 * 10**9))
LEAST_PRIORITY_WEI = Wei(10**8)


async def always() -> bool:
    """Return true: an intent that is wanted whatever happens."""
    return True


@dataclass(frozen=True, slots=True)
class Pricing:
    """How fees are chosen."""

    longest_wait_s: float = 60.0
    """A transaction that is not included after this long is replaced by a dearer one."""
    poll_s: float = 1.0
    most: Fees = MOST
    """Never offer more than this."""
    least_priority_wei: Wei = LEAST_PRIORITY_WEI
    """Never offer proposers less than this."""


@dataclass(frozen=True, slots=True)
class Included:
    """A transaction on the chain."""

    hash: Hash32
    block_number: int
    block_hash: Hash32
    succeeded: bool
    gas_used: int
    gas_cost_wei: Wei
    """What its gas cost."""
    blob_gas_used: int
    blob_cost_wei: Wei
    """What its blob gas cost."""

    @property
    def cost_wei(self) -> Wei:
        """All that it cost: gas and blob gas."""
        return Wei(self.gas_cost_wei + self.blob_cost_wei)


class Sender:
    """Sends one account's transactions, one after another."""

    def __init__(self, reader: L1Reader, account: LocalAccount, *, pricing: Pricing | None = None) -> None:
        """Put a sender together.

        Args:
            reader: L1; transactions go to all of its endpoints.
            account: signs and pays; another user of it costs time, never a wrong effect.
            pricing: how fees are chosen.
        """
        self.reader = reader
        self.account = account
        self.pricing = pricing or Pricing()
        self.replaced = 0
        """How many transactions were replaced by dearer ones, for metrics."""
        self._one = asyncio.Lock()

    @property
    def address(self) -> Address:
        """Whose transactions these are."""
        return Address(bytes.fromhex(self.account.address[2:]))

    async def send(
        self,
        intent: Intent,
        *,
        wanted: Callable[[], Awaitable[bool]] = always,
        most: Callable[[], Fees] | None = None,
    ) -> Included | None:
        """Bring an intent onto the chain; None when it was overtaken or is no longer wanted.

        Overtaken: another transaction took the nonce, as after a kill, when one sent before it is included.
        The caller looks at the chain again and decides anew.

        Args:
            intent: what is to happen.
            wanted: asked before each further try, and while waiting; when false, `send` gives up. What was
                sent stays in the pools.
            most: the highest fees at this moment; by default those of `pricing`, which hold in any case.

        Raises:
            L1RefusedError: the endpoints will not take it, for instance for want of funds.
            L1UnavailableError: no endpoint takes it within the reader's budget.
        """
        percent = BLOB_RAISE_PERCENT if intent.sidecars else RAISE_PERCENT
        async with self._one:
            nonce = await self._nonce("latest")
            if await self._left_over(nonce, wanted):
                return None
            fees = self._capped(self._modest(await self._market(bool(intent.sidecars))), most)
            sent: list[Signed] = []
            waited = False
            while await wanted():
                signed = sign(intent, self.account, self.reader.chain_id, nonce, fees)
                outcome = await self._published(signed)
                if outcome == "too_low":
                    break
                if outcome == "sent" and all(one.hash != signed.hash for one in sent):
                    sent.append(signed)
                market = self._capped(await self._market(bool(intent.sidecars)), most)
                dearer = signed.fees.raised(percent).at_least(market)
                raising = self._capped(dearer, most) == dearer
                # What lies in the way, from an earlier life, is given its time once.
                if outcome != "underpriced" or not waited or not raising:
                    waited = True
                    included = await self._wait(sent, nonce, wanted)
                    if included is not None:
                        return included
                    if await self._nonce("latest") > nonce:
                        break
                if raising and outcome != "reserved":
                    log.info(
                        "offering more for a transaction that is not included",
                        extra={"nonce": nonce, "max_fee_wei": dearer.max_fee_wei}
                        | ({"blob_fee_wei": dearer.blob_fee_wei} if intent.sidecars else {}),
                    )
                    # PST-030
                    self.replaced += outcome == "sent"
                    fees = dearer
            return await self._fate(sent)

    async def _nonce(self, tag: str) -> int:
        address = self.account.address

        async def ask(endpoint: Endpoint) -> int:
            return quantity(await endpoint.call("eth_getTransactionCount", address, tag))

        # One endpoint's word must not make us leave a gap, which would never be filled (PST-032).
        answers = await self.reader.retries.run(lambda: self.reader.majority(ask))
        return self.reader.reached(answers)

    async def _left_over(self, nonce: int, wanted: Callable[[], Awaitable[bool]]) -> bool:
        """Give what this account has in the pools its time; return whether some was included (PST-031).

        An earlier life sent it, or it fell out of the chain with a reorganised block. Replacing the first of
        several would leave the others with effects that nobody wants any more.
        """
        if await self._nonce("pending") <= nonce:
            return False
        log.info("transactions sent before lie in the pools: waiting for them", extra={"nonce": nonce})
        deadline = asyncio.get_running_loop().time() + self.pricing.longest_wait_s
        moved = False
        while asyncio.get_running_loop().time() < deadline and await wanted():
            latest = await self._nonce("latest")
            moved = latest > nonce
            if moved and await self._nonce("pending") <= latest:
                return True
            await asyncio.sleep(self.pricing.poll_s)
        return moved

    async def _market(self, blobs: bool) -> Fees:
        """Return fees that outlast a few full blocks: the middle of what the endpoints say."""

        async def ask(endpoint: Endpoint) -> tuple[int, int, int]:
            block = await endpoint.call("eth_getBlockByNumber", "latest", False)
            try:
                tip = quantity(await endpoint.call("eth_maxPriorityFeePerGas"))
            except L1RefusedError:
                tip = 0
            blob = quantity(await endpoint.call("eth_blobBaseFee")) if blobs else 0
            try:
                return int(block["baseFeePerGas"], 16), tip, blob
            except (KeyError, TypeError, ValueError) as error:
                raise L1UnavailableError("bad_answer", f"{endpoint.name}: no base fee") from error

        answers = await self.reader.retries.run(lambda: self.reader.majority(ask))
        base, tip, blob = (sorted(column)[(len(answers) - 1) // 2] for column in zip(*answers, strict=True))
        priority = Wei(max(tip, self.pricing.least_priority_wei))
        return Fees(Wei(2 * base + priority), priority, Wei(max(1, 2 * blob)) if blobs else Wei(0))

    def _modest(self, fees: Fees) -> Fees:
        """Return a first offer whose priority fee can still be raised some times, whatever was suggested."""
        most = self.pricing.most.priority_fee_wei // ROOM_TO_RAISE
        excess = max(0, fees.priority_fee_wei - most)
        return Fees(Wei(fees.max_fee_wei - excess), Wei(fees.priority_fee_wei - excess), fees.blob_fee_wei)

    def _capped(self, fees: Fees, most: Callable[[], Fees] | None) -> Fees:
        limits = [self.pricing.most.as_tuple()] + ([most().as_tuple()] if most is not None else [])
        return Fees(*(min(offers) for offers in zip(fees.as_tuple(), *limits, strict=True)))

    async def _published(self, signed: Signed) -> str:
        """Publish, and again while no endpoint answers: one that took it says that it knows it."""
        return await self.reader.retries.run(lambda: self._publish(signed))

    async def _publish(self, signed: Signed) -> str:
        """Send to every endpoint; return `sent`, `too_low`, `reserved` or `underpriced`, the best of them."""
        raw = "0x" + signed.raw.hex()
        results: list[str] = []
        failure: L1Error | None = None

        async def send(endpoint: Endpoint) -> Any:
            return await endpoint.call("eth_sendRawTransaction", raw)

        answers = await asyncio.gather(*map(send, self.reader.endpoints), return_exceptions=True)
        for answer in answers:
            if not isinstance(answer, BaseException):
                results.append("sent")
            elif isinstance(answer, L1Error):
                text = answer.message.lower()
                if any(word in text for word in KNOWN):
                    results.append("sent")
                elif any(word in text for word in TOO_LOW):
                    results.append("too_low")
                elif any(word in text for word in RESERVED):
                    results.append("reserved")
                elif any(word in text for word in UNDERPRICED):
                    results.append("underpriced")
                else:
                    failure = answer
            else:
                raise answer
        for outcome in ("sent", "too_low", "reserved", "underpriced"):
            if outcome in results:
                return outcome
        raise failure or L1UnavailableError("unreachable", "no L1 endpoint")

    async def _wait(
        self, sent: list[Signed], nonce: int, wanted: Callable[[], Awaitable[bool]]
    ) -> Included | None:
        """Wait until one of these is included, the nonce is used, or the price should be raised."""
        deadline = asyncio.get_running_loop().time() + self.pricing.longest_wait_s
        while asyncio.get_running_loop().time() < deadline:
            included = await self._find(sent)
            if included is not None:
                return included
            if await self._nonce("latest") > nonce or not await wanted():
                return None
            await asyncio.sleep(self.pricing.poll_s)
        return None

    async def _fate(self, sent: list[Signed]) -> Included | None:
        """Return which of these took the nonce, if one did: a receipt may come a little after the nonce."""
        for _ in range(FATE_POLLS if sent else 0):
            included = await self._find(sent)
            if included is not None:
                return included
            await asyncio.sleep(self.pricing.poll_s)
        return None

    async def _find(self, sent: list[Signed]) -> Included | None:
        """Return whichever of these is on the chain, as a majority says."""
        for signed in reversed(sent):
            try:
                return await receipt_of(self.reader, signed.hash)
            except L1Error:
                continue
        return None


async def receipt_of(reader: L1Reader, transaction: Hash32) -> Included:
    """Return how a transaction was included, as a majority says.

    Raises:
        L1UnavailableError: `not_found` where no majority has it on its chain.
    """

    async def ask(endpoint: Endpoint) -> Included:
        receipt = await endpoint.call("eth_getTransactionReceipt", "0x" + transaction.hex())
        if receipt is None:
            raise L1UnavailableError("not_found", f"{endpoint.name}: no receipt of 0x{transaction.hex()}")
        return read_receipt(receipt)

    return await reader.agreed(ask)


def read_receipt(receipt: Any) -> Included:
    """Read a receipt as eth_getTransactionReceipt gives it.

    Raises:
        L1UnavailableError: `bad_answer`.
    """
    try:
        gas_used = int(receipt["gasUsed"], 16)
        blob_gas = int(receipt.get("blobGasUsed") or "0x0", 16)
        blob_price = int(receipt.get("blobGasPrice") or "0x0", 16)
        return Included(
            hash=Hash32(bytes.fromhex(receipt["transactionHash"][2:])),
            block_number=int(receipt["blockNumber"], 16),
            block_hash=Hash32(bytes.fromhex(receipt["blockHash"][2:])),
            succeeded=receipt["status"] == "0x1",
            gas_used=gas_used,
            gas_cost_wei=Wei(gas_used * int(receipt["effectiveGasPrice"], 16)),
            blob_gas_used=blob_gas,
            blob_cost_wei=Wei(blob_gas * blob_price),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise L1UnavailableError("bad_answer", f"not a receipt: {error}") from error
