"""Getting a transaction onto L1: nonce, price, replacement when it lies too long, recovery after a kill.

Nothing is kept on disk: which nonce is next, the chain tells. An intent therefore must be safe to be sent
twice, as a batch is, whose index the inbox checks (INB-004): of two transactions with one nonce only one
is included, and of two with one index only one has an effect.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from trex.rpc.endpoint import Endpoint
from trex.settlement.l1.errors import L1Error, L1RefusedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader
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
MOST = Fees(max_fee_wei=Wei(500 * 10**9), priority_fee_wei=Wei(50 * 10**9), blob_fee_wei=Wei(1000 * 10**9))
LEAST_PRIORITY_WEI = Wei(10**8)


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
    cost_wei: Wei
    """All that it cost: gas and blob gas."""


class Sender:
    """Sends one account's transactions, one after another."""

    def __init__(
        self,
        reader: L1Reader,
        account: LocalAccount,
        *,
        pricing: Pricing | None = None,
        unwanted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Put a sender together.

        Args:
            reader: L1; transactions go to all of its endpoints.
            account: signs and pays; nobody else may use it.
            pricing: how fees are chosen.
            unwanted: asked before each further try; when true, `send` gives up.
        """
        self.reader = reader
        self.account = account
        self.pricing = pricing or Pricing()
        self.unwanted = unwanted
        self._one = asyncio.Lock()

    @property
    def address(self) -> Address:
        """Whose transactions these are."""
        return Address(bytes.fromhex(self.account.address[2:]))

    async def send(self, intent: Intent) -> Included | None:
        """Bring an intent onto the chain; None when it was overtaken or became unwanted.

        Overtaken: another transaction took the nonce, as after a kill, when one sent before it is included.
        The caller looks at the chain again and decides anew.

        Raises:
            L1RefusedError: the endpoints will not take it, for instance for want of funds.
            L1UnavailableError: no endpoint takes it within the reader's budget.
        """
        async with self._one:
            nonce = await self._nonce()
            fees = await self._market(bool(intent.sidecars))
            sent: list[Signed] = []
            while not self.unwanted():
                signed = sign(intent, self.account, self.reader.chain_id, nonce, self._capped(fees))
                outcome = await self._published(signed)
                if outcome == "too_low":
                    return await self._find(sent)
                if outcome == "sent":
                    sent.append(signed)
                    included = await self._wait(sent)
                    if included is not None:
                        return included
                    if await self._nonce() > nonce:
                        return await self._find(sent)
                raised = signed.fees.raised(BLOB_RAISE_PERCENT if intent.sidecars else RAISE_PERCENT)
                fees = raised.at_least(await self._market(bool(intent.sidecars)))
                if self._capped(fees) == signed.fees:
                    # At the highest price allowed: wait for the market to come down.
                    included = await self._wait(sent or [signed])
                    if included is not None:
                        return included
            return await self._find(sent)

    async def _nonce(self) -> int:
        address = self.account.address

        async def ask(endpoint: Endpoint) -> int:
            return int(str(await endpoint.call("eth_getTransactionCount", address, "latest")), 16)

        # The highest that any endpoint knows: one that lags must not make us send twice.
        answers = await self.reader.retries.run(lambda: self.reader.majority(ask))
        return max(answers)

    async def _market(self, blobs: bool) -> Fees:
        """Return fees that outlast a few full blocks."""

        async def ask(endpoint: Endpoint) -> tuple[int, int, int]:
            block = await endpoint.call("eth_getBlockByNumber", "latest", False)
            try:
                tip = int(str(await endpoint.call("eth_maxPriorityFeePerGas")), 16)
            except L1RefusedError:
                tip = 0
            blob = int(str(await endpoint.call("eth_blobBaseFee")), 16) if blobs else 0
            return int(block["baseFeePerGas"], 16), tip, blob

        base, tip, blob = await self.reader.retries.run(lambda: self.reader.first(ask))
        priority = Wei(max(tip, self.pricing.least_priority_wei))
        return Fees(Wei(2 * base + priority), priority, Wei(2 * blob) if blobs else Wei(0))

    def _capped(self, fees: Fees) -> Fees:
        pairs = zip(fees.as_tuple(), self.pricing.most.as_tuple(), strict=True)
        return Fees(*(min(pair) for pair in pairs))

    async def _published(self, signed: Signed) -> str:
        """Publish, and again while no endpoint answers: one that took it says that it knows it."""
        return await self.reader.retries.run(lambda: self._publish(signed))

    async def _publish(self, signed: Signed) -> str:
        """Send to every endpoint; return `sent`, `too_low` or `underpriced` as the best of them says."""
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
                elif any(word in text for word in UNDERPRICED):
                    results.append("underpriced")
                else:
                    failure = answer
            else:
                raise answer
        for outcome in ("sent", "too_low", "underpriced"):
            if outcome in results:
                return outcome
        raise failure or L1UnavailableError("unreachable", "no L1 endpoint")

    async def _wait(self, sent: list[Signed]) -> Included | None:
        """Wait until one of these is included, or the price should be raised."""
        deadline = asyncio.get_running_loop().time() + self.pricing.longest_wait_s
        while asyncio.get_running_loop().time() < deadline and not self.unwanted():
            included = await self._find(sent)
            if included is not None:
                return included
            await asyncio.sleep(self.pricing.poll_s)
        return None

    async def _find(self, sent: list[Signed]) -> Included | None:
        """Return whichever of these is on the chain."""
        for signed in reversed(sent):

            async def ask(endpoint: Endpoint, signed: Signed = signed) -> Any:
                return await endpoint.call("eth_getTransactionReceipt", "0x" + signed.hash.hex())

            try:
                receipt = await self.reader.first(ask)
            except L1Error:
                continue
            if receipt is not None:
                return read_receipt(receipt)
        return None


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
            cost_wei=Wei(gas_used * int(receipt["effectiveGasPrice"], 16) + blob_gas * blob_price),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise L1UnavailableError("bad_answer", f"not a receipt: {error}") from error
