"""Blocks of an EVM chain as its endpoints tell them, ready for the log."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import orjson

from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Endpoints, Retries
from trex.rpc.errors import RefusedError, UnavailableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Head:
    """A block by height and hash."""

    number: int
    """Height."""
    hash: str
    """0x and 64 digits."""


@dataclass(frozen=True, slots=True)
class Heads:
    """How far a chain is."""

    latest: Head
    """Newest block; may be replaced."""
    safe: Head | None
    """Derived from L1, or attested to; None where the chain has no such word."""
    finalized: Head | None
    """Replaced by nobody; None where the chain has no such word."""


@dataclass(frozen=True, slots=True)
class RawBlock:
    """One block with its transactions, receipts and logs."""

    head: Head
    """Which."""
    parent: str
    """Hash of the one before."""
    record: bytes
    """What goes to the log, weight 1."""


class EvmReader:
    """Asks one chain's endpoints: the first that answers well, another where one does not (ING-001)."""

    def __init__(
        self,
        source: str,
        chain: int,
        urls: Sequence[str],
        session: aiohttp.ClientSession,
        *,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
    ) -> None:
        """Name a chain; nothing is sent yet.

        Args:
            source: what its events are said to be from.
            chain: by EIP-155; endpoints of another are not listened to.
            urls: chosen by the operator.
            session: closing it is the caller's.
            timeout_s: for a whole request.
            retries: of each read.
        """
        self.source, self.chain = source, chain
        self._retries = retries or Retries()
        self._endpoints = Endpoints([Endpoint(url, session, timeout_s=timeout_s) for url in urls], quorum=1)
        self._checked: set[str] = set()

    async def heads(self) -> Heads:
        """Tell how far the chain is.

        Raises:
            EndpointError: no endpoint says.
        """

        async def ask(endpoint: Endpoint) -> Heads:
            tags = ("latest", "safe", "finalized")
            told = await self._told(endpoint, [("eth_getBlockByNumber", [tag, False]) for tag in tags])
            latest, safe, finalized = (
                None if block is None or isinstance(block, RefusedError) else _head(block) for block in told
            )
            if latest is None:
                raise UnavailableError("bad_answer", f"{endpoint.name}: no newest block")
            return Heads(latest, safe, finalized)

        return await self._first(ask)

    async def hashes(self, numbers: Sequence[int]) -> list[str | None]:
        """Hashes of blocks by height; None where there is no block.

        Raises:
            EndpointError: no endpoint says.
        """

        async def ask(endpoint: Endpoint) -> list[str | None]:
            told = await self._told(endpoint, [("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
            return [None if block is None else _head(block).hash for block in map(_good, told)]

        return await self._first(ask)

    async def blocks(self, numbers: Sequence[int]) -> list[RawBlock]:
        """Blocks by height, in that order; ends early where the endpoint has none yet.

        Raises:
            EndpointError: no endpoint tells blocks whose receipts are their own.
        """

        async def ask(endpoint: Endpoint) -> list[RawBlock]:
            questions = [
                question
                for n in numbers
                for question in (
                    ("eth_getBlockByNumber", [hex(n), True]),
                    ("eth_getBlockReceipts", [hex(n)]),
                )
            ]
            told = list(map(_good, await self._told(endpoint, questions)))
            found: list[RawBlock] = []
            for block, receipts in zip(told[::2], told[1::2], strict=True):
                if block is None or receipts is None:
                    break
                found.append(self._raw(block, receipts))
            return found

        return await self._first(ask)

    def _raw(self, block: dict[str, Any], receipts: list[dict[str, Any]]) -> RawBlock:
        head = _head(block)
        transactions = [transaction["hash"] for transaction in block["transactions"]]
        # The two answers may be of different moments: of one block, or not used (ING-002).
        if [receipt["transactionHash"] for receipt in receipts] != transactions or any(
            receipt["blockHash"].lower() != head.hash for receipt in receipts
        ):
            raise UnavailableError("bad_answer", f"receipts are not those of block {head.number} {head.hash}")
        block.pop("logsBloom", None)
        for receipt in receipts:
            receipt.pop("logsBloom", None)
        raw = {
            "source": self.source,
            "chain": self.chain,
            "weight": 1,
            "block": block,
            "receipts": receipts,
        }
        return RawBlock(head, block["parentHash"].lower(), orjson.dumps(raw))

    async def _first(self, ask: Callable[[Endpoint], Awaitable[T]]) -> T:
        return await self._retries.run(lambda: self._endpoints.first(ask))

    async def _told(self, endpoint: Endpoint, questions: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        if endpoint.url not in self._checked:
            chain_id = await endpoint.call("eth_chainId")
            if chain_id != hex(self.chain):
                raise RefusedError("wrong_chain", f"{endpoint.name} is of chain {str(chain_id)[:40]!r}")
            self._checked.add(endpoint.url)
        return await endpoint.outcomes(questions)


def retraction(record: bytes) -> bytes:
    """Return the record that takes a block back: the same, with the other weight (EVT-003)."""
    return orjson.dumps(orjson.loads(record) | {"weight": -1})


def _head(block: Any) -> Head:
    return Head(int(block["number"], 16), block["hash"].lower())


def _good(outcome: Any) -> Any:
    if isinstance(outcome, RefusedError):
        raise outcome
    return outcome
