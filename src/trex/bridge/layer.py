"""One layer as a user's client sees it: an endpoint, and an account that sends."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from trex.bridge.errors import BridgeError
from trex.bridge.reverts import explain
from trex.rpc.endpoint import Endpoint
from trex.settlement.l1.errors import L1RefusedError
from trex.settlement.l1.reader import L1Reader, Log, read_log
from trex.settlement.l1.sender import Pricing, Sender
from trex.settlement.l1.transaction import Intent
from trex.types.primitives import Address, Gas, Hash32, Wei

GAS_MARGIN_PERCENT = 25
"""Above the estimate: what is estimated may run in another block."""
MOST_GAS = 1 << 24
"""Of one transaction (EIP-7825)."""
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction."""

    transaction: Hash32
    block_number: int
    block_hash: Hash32
    succeeded: bool
    logs: tuple[Log, ...]


class Layer:
    """A chain behind one endpoint of the user's own choice."""

    def __init__(
        self, name: str, endpoint: Endpoint, chain_id: int, account: LocalAccount | None = None
    ) -> None:
        """Name a chain; nothing is sent yet.

        Args:
            name: for people.
            endpoint: answers for it.
            chain_id: that it must have.
            account: signs and pays; without one nothing is sent.
        """
        self.name = name
        self.endpoint = endpoint
        self.chain_id = chain_id
        self.account = account
        self.reader = L1Reader([endpoint], chain_id)

    @property
    def address(self) -> Address:
        """Who sends.

        Raises:
            BridgeError: `bad_request`: nobody was named.
        """
        if self.account is None:
            raise BridgeError("bad_request", "this needs an account that signs")
        return Address(bytes.fromhex(self.account.address[2:]))

    async def ask(self, method: str, *params: Any) -> Any:
        """Return a method's result. Raises L1UnavailableError, L1RefusedError."""
        return await self.reader.retries.run(lambda: self.endpoint.call(method, *params))

    async def call(
        self, to: Address, function: str, arguments: Sequence[Any] = (), returns: Sequence[str] = ()
    ) -> tuple[Any, ...]:
        """Return what a contract answers now.

        Args:
            to: the contract.
            function: with its types, such as `balanceOf(address)`.
            arguments: of the function.
            returns: types of the answer.

        Raises:
            BridgeError: `reverted`, in words; `not_found`: nothing answers there.
        """
        request = {"to": _hex(to), "data": _hex(calldata(function, *arguments))}
        try:
            answer = await self.ask("eth_call", request, "latest")
        except L1RefusedError as error:
            raise self._reverted(error) from error
        raw = bytes.fromhex(str(answer)[2:])
        if returns and not raw:
            raise BridgeError("not_found", f"{self.name}: nothing at {_hex(to)} answers {function}")
        return tuple(decode(returns, raw))

    async def send(
        self, to: Address, data: bytes, value_wei: int = 0, margin_percent: int = GAS_MARGIN_PERCENT
    ) -> Receipt:
        """Send a transaction and wait until it is included.

        Raises:
            BridgeError: `reverted`: it would fail, or it did.
        """
        request = {
            "from": _hex(self.address),
            "to": _hex(to),
            "data": _hex(data),
            "value": hex(value_wei),
        }
        try:
            estimate = int(str(await self.ask("eth_estimateGas", request)), 16)
        except L1RefusedError as error:
            raise self._reverted(error) from error
        gas = Gas(min(estimate + estimate * margin_percent // 100, MOST_GAS))
        assert self.account is not None
        sender = Sender(self.reader, self.account, pricing=Pricing(poll_s=POLL_S))
        included = await sender.send(Intent(to, data, gas, Wei(value_wei)))
        if included is None:
            raise BridgeError(
                "reverted", f"{self.name}: another transaction of {_hex(self.address)} came in between: look"
            )
        receipt = await self.receipt(included.hash)
        if receipt is None:
            raise BridgeError("not_found", f"{self.name}: {_hex(included.hash)} fell out of the chain again")
        if not receipt.succeeded:
            why = await self._why(request, gas)
            raise BridgeError("reverted", f"{self.name}: transaction {_hex(included.hash)} failed: {why}")
        return receipt

    async def receipt(self, transaction: Hash32) -> Receipt | None:
        """Return what became of a transaction; None while nobody knows it."""
        answer = await self.ask("eth_getTransactionReceipt", _hex(transaction))
        if answer is None:
            return None
        return Receipt(
            transaction=transaction,
            block_number=int(answer["blockNumber"], 16),
            block_hash=Hash32(bytes.fromhex(answer["blockHash"][2:])),
            succeeded=answer["status"] == "0x1",
            logs=tuple(read_log(log) for log in answer["logs"]),
        )

    async def now(self) -> int:
        """Return the newest block's timestamp."""
        return int((await self.ask("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    async def _why(self, request: dict[str, str], gas: int) -> str:
        try:
            await self.ask("eth_call", {**request, "gas": hex(gas)}, "latest")
        except L1RefusedError as error:
            return str(self._reverted(error))
        return "out of gas, or for a reason that is gone now"

    def _reverted(self, error: L1RefusedError) -> BridgeError:
        return BridgeError("reverted", explain(error.data) or error.message)


async def pause() -> None:
    """Wait a moment before looking again."""
    await asyncio.sleep(POLL_S)


def calldata(function: str, *arguments: Any) -> bytes:
    """Return calldata of a function named with its types."""
    types = function[function.index("(") + 1 : -1]
    return bytes(keccak(function.encode())[:4]) + encode(_split(types), arguments)


def _split(types: str) -> list[str]:
    """Divide types at the commas outside tuples."""
    found, depth, start = [], 0, 0
    for at, letter in enumerate(types):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(types[start:at])
            start = at + 1
    return [*found, types[start:]] if types else []


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
