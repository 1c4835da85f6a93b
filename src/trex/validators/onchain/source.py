"""One EVM chain through several JSON-RPC endpoints: what enough of them say counts (ONC-001)."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import orjson

from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Endpoints, Retries, most
from trex.rpc.errors import EndpointError, NoQuorumError, RefusedError
from trex.rpc.pace import Pace
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import (
    AccountState,
    BlockRef,
    Log,
    Transaction,
    block_key,
    log_key,
    plain,
    read_block,
    read_log,
    read_sent,
    receipt_key,
    status_key,
    transaction_key,
    whole,
)
from trex.validators.onchain.seek import first_at
from trex.validators.onchain.traces import Frame, frames_by

MAX_ANSWER_BYTES = 33_554_432
"""An endpoint that sends more than this is cut off."""
BATCH = 50
"""Most calls in one JSON-RPC batch."""
LARGE_BATCH = 10
"""Most of those whose answers are large: whole blocks, traces."""
LOG_SPAN = 10_000
"""Most blocks in one question for logs, unless the operator says otherwise."""
ATTEMPTS = 3
"""How often an endpoint is asked before it counts as down."""
FIRST_PAUSE_S = 0.2
"""Pause before the second attempt; doubles."""

Code = Literal["unavailable", "contradiction", "reorged", "refused", "wrong_chain", "too_much"]
"""Why a fact could not be had."""


class SourceError(Exception):
    """A fact could not be had: neither a yes nor a no follows (ONC-003)."""

    def __init__(self, code: Code, message: str) -> None:
        """Make an error.

        Args:
            code: stable name.
            message: for people.
        """
        super().__init__(f"{code}: {message}")
        self.code = code


def source_error(error: EndpointError) -> SourceError:
    """Return what a fault of endpoints means here; refusals among the quorum's answers come first."""
    failures = error.failures if isinstance(error, NoQuorumError) else (error,)
    refusals = [failure for failure in failures if isinstance(failure, RefusedError)]
    if not refusals:
        return SourceError("unavailable", error.message[:160])
    told = next((one for one in refusals if one.code != "wrong_chain"), refusals[0])
    return SourceError("wrong_chain" if told.code == "wrong_chain" else "refused", told.message[:160])


def tries() -> Retries:
    """How often one endpoint is asked (ONC-004)."""
    return Retries(math.inf, attempts=ATTEMPTS, first_wait_s=FIRST_PAUSE_S)


@dataclass(frozen=True, slots=True)
class EvmChain:
    """A chain and who is asked about it."""

    chain_id: int
    """By EIP-155."""
    endpoints: tuple[str, ...]
    """URLs, chosen by the operator."""
    quorum: int
    """How many endpoints must say the same."""
    confirmations: int | None = None
    """How far behind the newest block evidence is taken; None for the chain's `finalized` (ONC-002)."""
    log_span: int = LOG_SPAN
    """Most blocks in one question for logs."""
    requests_per_s: float | None = None
    """How many questions each endpoint is asked a second at most, those of a batch counted; None for any."""


Requests = Sequence[tuple[str, list[Any]]]
"""Methods with their parameters."""
Told = tuple[bytes, Any]
"""What is compared of an answer, and the answer."""


class EvmSource:
    """Asks, compares, and says nothing that fewer than the quorum say."""

    def __init__(
        self,
        chain: EvmChain,
        session: aiohttp.ClientSession,
        *,
        timeout_s: float = 15.0,
        pace: Pace | None = None,
    ) -> None:
        """Name a chain; nothing is sent yet.

        Args:
            chain: whom to ask.
            session: closing it is the caller's.
            timeout_s: for a whole request.
            pace: shared by all who ask the same endpoints; None for the chain's own, of this source alone.
        """
        if pace is None and chain.requests_per_s is not None:
            pace = Pace(chain.requests_per_s)
        self.chain = chain
        self.endpoints = Endpoints(
            [
                Endpoint(url, session, timeout_s=timeout_s, max_answer_bytes=MAX_ANSWER_BYTES)
                for url in chain.endpoints
            ],
            quorum=chain.quorum,
        )
        self._tries = tries()
        self._pace = pace
        self._checked: set[str] = set()
        self._known: dict[bytes, Any] | None = None

    @property
    def asked(self) -> int:
        """Requests sent so far, batches counted once."""
        return sum(endpoint.asked for endpoint in self.endpoints.endpoints)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Ask nothing of a block twice meanwhile, as for one evaluation; `head` and `still` do ask again."""
        before = self._known
        self._known = {} if before is None else before
        try:
            yield
        finally:
            self._known = before

    async def head(self) -> BlockRef:
        """The newest block that evidence may be taken at (ONC-002).

        Raises:
            SourceError: too few endpoints answer or agree.
        """
        tag = "finalized" if self.chain.confirmations is None else "latest"
        answers = await self._told([("eth_getBlockByNumber", [tag, False])], block_key)
        told = [answer for ((key, answer),) in answers if key not in (b"", b"null")]
        heights = sorted((read_block(block).number for block in told), reverse=True)
        if len(heights) < self.chain.quorum:
            raise SourceError("unavailable", f"{len(heights)} endpoints know a {tag} block")
        number = max(0, heights[self.chain.quorum - 1] - (self.chain.confirmations or 0))
        return (await self.blocks([number]))[number]

    async def blocks(self, numbers: Sequence[int]) -> Mapping[int, BlockRef]:
        """Blocks by height.

        Raises:
            SourceError: too few endpoints answer or agree, or there is no such block.
        """
        wanted = sorted(set(numbers))
        found = await self._agreed([("eth_getBlockByNumber", [hex(n), False]) for n in wanted], block_key)
        blocks = [read_block(answer) for answer in found]
        return {block.number: block for block in blocks}

    async def still(self, block: BlockRef) -> None:
        """Make sure that a block is still there.

        Raises:
            SourceError: another one is in its place.
        """
        request = ("eth_getBlockByNumber", [hex(block.number), False])
        (answer,) = await self._agreed([request], block_key, fresh=True)
        if read_block(answer).hash != block.hash:
            raise SourceError("reorged", f"block {block.number} was replaced")

    async def first_block_at(self, timestamp_s: int, head: BlockRef) -> BlockRef:
        """The first block whose time is not before `timestamp_s`; `head` if none is."""
        return await first_at(self.blocks, timestamp_s, head)

    async def calls(self, questions: Sequence[tuple[BlockRef, Address, bytes]]) -> list[bytes | None]:
        """What contracts answer at blocks, pinned by hash (EIP-1898); None where one reverts or is silent."""
        requests = [
            (
                "eth_call",
                [
                    {"to": f"0x{to.hex()}", "data": f"0x{data.hex()}"},
                    {"blockHash": f"0x{block.hash.hex()}", "requireCanonical": True},
                ],
            )
            for block, to, data in questions
        ]
        answers = await self._agreed(requests, plain, failures=True)
        return [None if answer in (None, "0x") else bytes.fromhex(answer[2:]) for answer in answers]

    async def balances(self, questions: Sequence[tuple[BlockRef, Address]]) -> list[int]:
        """Wei of accounts at blocks, pinned by hash."""
        pins = [
            [f"0x{who.hex()}", {"blockHash": f"0x{b.hash.hex()}", "requireCanonical": True}]
            for b, who in questions
        ]
        return [
            int(answer, 16) for answer in await self._agreed([("eth_getBalance", pin) for pin in pins], plain)
        ]

    async def codes(self, questions: Sequence[tuple[BlockRef, Address]]) -> list[bytes]:
        """Code of accounts at blocks, pinned by hash."""
        pins = [
            [f"0x{who.hex()}", {"blockHash": f"0x{b.hash.hex()}", "requireCanonical": True}]
            for b, who in questions
        ]
        return [
            bytes.fromhex(one[2:]) for one in await self._agreed([("eth_getCode", p) for p in pins], plain)
        ]

    async def logs(
        self,
        first: int,
        head: BlockRef,
        address: Address | Sequence[Address] | None,
        topics: Sequence[Sequence[Hash32] | None],
    ) -> list[Log]:
        """Events of a contract, of several or of all, from block `first` to `head`, in order, each once.

        Raises:
            SourceError: too few endpoints answer or agree, or `head` was replaced meanwhile.
        """
        query: dict[str, Any] = {
            "topics": [None if t is None else [f"0x{one.hex()}" for one in t] for t in topics],
        }
        if address is not None:
            several = [address] if isinstance(address, bytes) else address
            query["address"] = [f"0x{one.hex()}" for one in several]
        found: list[Log] = []
        for start in range(first, head.number + 1, self.chain.log_span):
            found += await self._logs(query, start, min(start + self.chain.log_span - 1, head.number))
        await self.still(head)
        return found

    async def _logs(self, query: dict[str, Any], start: int, end: int) -> list[Log]:
        request = ("eth_getLogs", [{**query, "fromBlock": hex(start), "toBlock": hex(end)}])
        try:
            (answer,) = await self._agreed([request], log_key)
        except SourceError as error:
            if error.code != "refused" or start == end:
                raise
            middle = (start + end) // 2
            return [*await self._logs(query, start, middle), *await self._logs(query, middle + 1, end)]
        return sorted((read_log(entry) for entry in answer), key=lambda log: (log.block_number, log.index))

    async def transactions(self, hashes: Sequence[Hash32]) -> list[dict[str, Any]]:
        """Transactions by hash: `from`, `to`, `value` and `input` as JSON-RPC writes them."""
        requests = [("eth_getTransactionByHash", [f"0x{one.hex()}"]) for one in hashes]
        return list(await self._agreed(requests, transaction_key))

    async def receipts(self, hashes: Sequence[Hash32]) -> list[list[Log]]:
        """Events of transactions by hash, in order."""
        requests = [("eth_getTransactionReceipt", [f"0x{one.hex()}"]) for one in hashes]
        found = await self._agreed(requests, receipt_key)
        return [[read_log(entry) for entry in answer["logs"]] for answer in found]

    async def nonces(self, questions: Sequence[tuple[int, Address]]) -> list[int]:
        """How many transactions accounts had sent by ends of blocks, by height: `still` pins their head."""
        requests = [("eth_getTransactionCount", [f"0x{who.hex()}", hex(n)]) for n, who in questions]
        return [int(answer, 16) for answer in await self._agreed(requests, plain)]

    async def states(self, questions: Sequence[tuple[int, Address]]) -> list[AccountState]:
        """Accounts at the ends of blocks, by height: `still` pins their head."""
        methods = ("eth_getTransactionCount", "eth_getBalance", "eth_getCode")
        requests = [(m, [f"0x{who.hex()}", hex(n)]) for n, who in questions for m in methods]
        answers = iter(await self._agreed(requests, plain))
        return [
            AccountState(int(nonce, 16), int(balance, 16), len(code) > 2)
            for nonce, balance, code in zip(answers, answers, answers, strict=True)
        ]

    async def sent(
        self, numbers: Sequence[int], senders: Collection[Address]
    ) -> Mapping[int, list[Transaction]]:
        """Transactions in blocks that some accounts sent, or that may carry a delegation of theirs."""

        def key(answer: Any) -> Any:
            return [block_key(answer), [whole(one) for one in read_sent(answer, senders)]]

        wanted = sorted(set(numbers))
        requests = [("eth_getBlockByNumber", [hex(number), True]) for number in wanted]
        answers = await self._agreed(requests, key, at_once=LARGE_BATCH, about=senders)
        return dict(zip(wanted, (read_sent(answer, senders) for answer in answers), strict=True))

    async def traces(self, hashes: Sequence[Hash32], senders: Collection[Address]) -> list[tuple[Frame, ...]]:
        """Calls inside transactions that some accounts made, by whichever form of traces an endpoint has.

        Raises:
            SourceError: too few endpoints have traces, answer or agree.
        """
        requests = [
            ("debug_traceTransaction", [f"0x{one.hex()}", {"tracer": "callTracer"}]) for one in hashes
        ]
        instead = [("trace_transaction", [f"0x{one.hex()}"]) for one in hashes]

        def key(answer: Any) -> Any:
            return [
                [frame.sender.hex(), frame.to.hex(), frame.value_wei, frame.input.hex()]
                for frame in frames_by(answer, senders)
            ]

        answers = await self._agreed(requests, key, instead=instead, at_once=LARGE_BATCH, about=senders)
        return [frames_by(answer, senders) for answer in answers]

    async def succeeded(self, hashes: Sequence[Hash32]) -> list[bool]:
        """Whether transactions did what they were sent for."""
        requests = [("eth_getTransactionReceipt", [f"0x{one.hex()}"]) for one in hashes]
        return [int(answer["status"], 16) == 1 for answer in await self._agreed(requests, status_key)]

    async def _agreed(
        self,
        requests: Requests,
        key: Callable[[Any], Any],
        *,
        failures: bool = False,
        instead: Requests = (),
        at_once: int = BATCH,
        about: Collection[Address] = (),
        fresh: bool = False,
    ) -> list[Any]:
        """For each request the answer that the quorum gives, now or before.

        Args:
            requests: method and parameters.
            key: what is compared of an answer.
            failures: a failing call counts as None.
            instead: what an endpoint that refuses all of them is asked in their place, one for one.
            at_once: how many in a batch.
            about: accounts that `key` looks at, where it looks at some alone.
            fresh: ask again what was told before.
        """
        compared = [key.__qualname__, failures, sorted(one.hex() for one in about)]
        names = [orjson.dumps([one, compared]) for one in requests]
        known: dict[bytes, Any] = {} if fresh or self._known is None else self._known
        open_ = [place for place, name in enumerate(names) if name not in known]
        told = await self._asked(
            [requests[place] for place in open_],
            key,
            failures=failures,
            instead=[instead[place] for place in open_] if instead else (),
            at_once=at_once,
        )
        known.update(zip([names[place] for place in open_], told, strict=True))
        return [known[name] for name in names]

    async def _asked(
        self,
        requests: Requests,
        key: Callable[[Any], Any],
        *,
        failures: bool,
        instead: Requests,
        at_once: int,
    ) -> list[Any]:
        found: list[Any] = []
        quorum = self.chain.quorum
        for start in range(0, len(requests), at_once):
            part, other = requests[start : start + at_once], instead[start : start + at_once]
            answers = await self._told(part, key, failures=failures, instead=other)
            for (method, _), same in zip(part, _votes(answers), strict=True):
                if len(same) < quorum:
                    raise SourceError(
                        "contradiction", f"endpoints differ on {method}: at most {len(same)} agree"
                    )
                _, chosen = same[0]
                if chosen is None and not failures:
                    raise SourceError("unavailable", f"{method}: no such thing")
                found.append(chosen)
        return found

    async def _told(
        self,
        requests: Requests,
        key: Callable[[Any], Any],
        *,
        failures: bool = False,
        instead: Requests = (),
    ) -> list[list[Told]]:
        """For each endpoint that answers what it says to each request."""

        async def ask(endpoint: Endpoint) -> list[Told]:
            if endpoint.url not in self._checked:
                chain_id = await endpoint.call("eth_chainId")
                if chain_id != hex(self.chain.chain_id):
                    raise RefusedError("wrong_chain", f"{endpoint.name} is of chain {str(chain_id)[:40]!r}")
                self._checked.add(endpoint.url)
            told = []
            if self._pace is not None:
                await self._pace.wait(endpoint.url, len(requests))
            outcomes = await endpoint.outcomes(requests)
            if instead and all(isinstance(one, RefusedError) for one in outcomes):
                outcomes = await endpoint.outcomes(instead)
            for outcome in outcomes:
                if not isinstance(outcome, RefusedError):
                    told.append((_fingerprint(key, outcome), outcome))
                elif failures and outcome.code == "reverted":
                    told.append((_fingerprint(key, None), None))
                else:
                    raise outcome
            return told

        def enough(answers: list[list[Told]]) -> bool:
            return all(len(same) >= self.chain.quorum for same in _votes(answers))

        try:
            return await self.endpoints.majority(
                lambda endpoint: self._tries.run(lambda: ask(endpoint)), enough
            )
        except EndpointError as error:
            raise source_error(error) from error


def _votes(answers: Sequence[Sequence[Told]]) -> list[list[Told]]:
    """For each request those answers that say what most say; what has not the form of one says nothing."""
    return [
        most([one for one in column if one[0]], key=lambda one: one[0])
        for column in zip(*answers, strict=True)
    ]


def _fingerprint(key: Callable[[Any], Any], answer: Any) -> bytes:
    """What is compared of an answer; empty if it has not the form of one, which no quorum can agree on."""
    try:
        return orjson.dumps(key(answer), option=orjson.OPT_SORT_KEYS)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError):
        return b""
