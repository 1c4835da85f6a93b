"""Transactions on their way in: into the mempool in groups, and waiting for their receipt (EIP-7966)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import orjson

from trex.chain.core import Core
from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.messages import INVALID_PARAMS, over_limit
from trex.chain.workers import Workers
from trex.types.errors import CoreError, RpcError

if TYPE_CHECKING:
    from trex.chain.rpc.dispatch import Session

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

GROUP_MAX = 2000
"""Transactions that go to the core in one call."""
IN_FLIGHT = 2
"""Such calls at once."""
NOT_IN_TIME = 4
"""EIP-7966: accepted, but not included in time; data is the hash."""
NONCE_GAP = 6
"""EIP-7966: accepted, but an earlier nonce is missing; data is that nonce."""


BATCH_GROUP_BYTES = 1 << 20
"""Whole batches that go to the core in one call, together at most, unless one alone is longer."""

Relay = Callable[[list[str]], Awaitable[list[str | RpcError]]]
"""Sends raw transactions elsewhere; hash or reason for each."""
Answered = tuple[bytes, int, int]
"""The answer to a batch, how many of its transactions the mempool took, and how many it refused."""


class Transactions:
    """The way into the mempool.

    What arrives while the core is busy waits and goes in together: the cost of writing the
    mempool's journal is shared by all who are waiting, whether they came in one batch or not.
    """

    def __init__(self, core: Core, workers: Workers, limits: ServerLimits, metrics: Metrics) -> None:
        """Make the way in for one chain."""
        self.core = core
        self.workers = workers
        self.limits = limits
        self.metrics = metrics
        self.after: list[Callable[[], Awaitable[None] | None]] = []
        """Called after transactions went in: subscriptions and block production listen."""
        self.failed: Callable[[CoreError], None] = lambda _: None
        """Called when the core could not take transactions in."""
        self.relay: Relay | None = None
        """Where transactions go instead of the mempool, on a node that makes no blocks."""
        self._queue: list[tuple[list[str], asyncio.Future[list[str | RpcError]]]] = []
        self._batches: list[tuple[bytes, asyncio.Future[Answered | None]]] = []
        self._turn = True
        """Whether whole batches go next, where both wait."""
        self._jobs: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, list[asyncio.Future[bytes]]] = {}
        self._waiters = 0

    async def submit(self, raws: list[str]) -> list[str | RpcError]:
        """Put raw transactions into the mempool, in order; answer each with its hash or the reason.

        Raises:
            CoreError: the journal cannot be written.
        """
        if self.relay is not None:
            return await self.relay(raws)
        future: asyncio.Future[list[str | RpcError]] = asyncio.get_running_loop().create_future()
        self._queue.append((raws, future))
        self._start()
        return await future

    async def submit_batch(self, body: bytes) -> Answered | None:
        """Answer a batch of eth_sendRawTransaction; None where it holds anything else, and nothing was done.

        Raises:
            CoreError: the core has a fault.
        """
        if self.relay is not None:
            return None
        future: asyncio.Future[Answered | None] = asyncio.get_running_loop().create_future()
        self._batches.append((body, future))
        self._start()
        return await future

    def _start(self) -> None:
        if (self._queue or self._batches) and len(self._jobs) < IN_FLIGHT:
            # In turn: neither may keep the other waiting for more than one call.
            batches = self._batches and (self._turn or not self._queue)
            self._turn = not batches
            work = self._run_batches() if batches else self._run()
            job = asyncio.create_task(work, name="submit")
            self._jobs.add(job)
            job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._start()

    async def _run(self) -> None:
        """Take what waits, as one call."""
        group: list[tuple[list[str], asyncio.Future[list[str | RpcError]]]] = []
        raws: list[str] = []
        while self._queue and (not group or len(raws) + len(self._queue[0][0]) <= GROUP_MAX):
            group.append(self._queue.pop(0))
            raws += group[-1][0]
        if not group:
            return
        futures = [future for _, future in group]
        outcomes = await self._submitted(futures, self.core.submit, raws)
        if outcomes is None:
            return
        at = 0
        for some, future in group:
            if not future.done():
                future.set_result(outcomes[at : at + len(some)])
            at += len(some)

    async def _run_batches(self) -> None:
        """Take the whole batches that wait, as one call."""
        group: list[tuple[bytes, asyncio.Future[Answered | None]]] = []
        size = 0
        while self._batches and (not group or size + len(self._batches[0][0]) <= BATCH_GROUP_BYTES):
            group.append(self._batches.pop(0))
            size += len(group[-1][0])
        if not group:
            return
        futures = [future for _, future in group]
        bodies = [body for body, _ in group]
        answers = await self._submitted(futures, self.core.submit_batches, bodies, self.limits.batch_requests)
        for future, answer in zip(futures, answers or (), strict=False):
            if not future.done():
                future.set_result(answer)

    async def _submitted(
        self,
        futures: Sequence[asyncio.Future[Any]],
        submit: Callable[P, list[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> list[T] | None:
        """Call the core on a thread and tell who listens; None after a fault, which the futures get."""
        try:
            outcomes = await self.workers.quick(submit, *args, **kwargs)
        except BaseException as error:
            if isinstance(error, CoreError):
                self.failed(error)
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return None
        for told in self.after:
            try:
                if (wait := told()) is not None:
                    await wait
            except Exception:
                # The transactions are in, and their senders hear that.
                log.exception("telling of new transactions failed")
        return outcomes

    async def send_sync(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_sendRawTransactionSync (EIP-7966): put in, and wait for the receipt."""
        if not params or type(params[0]) is not str:
            raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
        if len(params) > 2:
            raise RpcError(INVALID_PARAMS, "too many arguments, want at most 2")
        timeout_ms = self._timeout_ms(params[1] if len(params) > 1 else None)
        (outcome,) = await self.submit([params[0]])
        if isinstance(outcome, RpcError):
            raise outcome
        if (expected := await self.workers.quick(self._missing_nonce, outcome)) is not None:
            raise RpcError(
                NONCE_GAP,
                f"transaction is queued: an earlier nonce is missing, next is {expected}",
                hex(expected),
            )
        receipt = await self.wait_for(outcome, timeout_ms / 1000)
        if receipt is None:
            raise RpcError(
                NOT_IN_TIME, f"transaction is in the mempool but was not included in {timeout_ms} ms", outcome
            )
        return receipt

    def _timeout_ms(self, value: Any) -> int:
        """Return how long to wait; what is no positive number up to the limit counts as not given."""
        default = self.limits.sync_timeout_ms
        if type(value) is str:
            try:
                value = int(value, 16)
            except ValueError:
                return default
        if type(value) is not int or not 0 < value <= self.limits.sync_timeout_max_ms:
            return default
        return value

    def _missing_nonce(self, tx_hash: str) -> int | None:
        """Return the nonce that an account lacks before this transaction can run, None if it lacks none."""
        transaction = orjson.loads(self.core.rpc("eth_getTransactionByHash", orjson.dumps([tx_hash])))
        if transaction is None or transaction.get("blockNumber") is not None:
            return None
        params = orjson.dumps([transaction["from"], "pending"])
        following = int(orjson.loads(self.core.rpc("eth_getTransactionCount", params)), 16)
        return following if int(transaction["nonce"], 16) > following else None

    async def wait_for(self, tx_hash: str, timeout_s: float) -> bytes | None:
        """Wait until a transaction is in a block and return its receipt as JSON; None when time is up.

        Raises:
            RpcError: too many wait already.
        """
        if self._waiters >= self.limits.sync_waiters:
            raise over_limit("too many calls wait for inclusion", "sync_waiters", self.limits.sync_waiters)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tx_hash, []).append(future)
        self._waiters += 1
        self.metrics.sync_waiters.set(self._waiters)
        try:
            async with asyncio.timeout(timeout_s):
                # It may have been included before anybody listened.
                found = await self.workers.quick(self.receipts, [tx_hash])
                return found[tx_hash] if found else await future
        except TimeoutError:
            return None
        finally:
            self._waiters -= 1
            self.metrics.sync_waiters.set(self._waiters)
            mine = self._waiting[tx_hash]
            mine.remove(future)
            if not mine:
                del self._waiting[tx_hash]

    @property
    def awaited(self) -> list[str]:
        """Hashes that somebody waits for."""
        return list(self._waiting)

    def receipts(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Return the receipts of those that are in a block, as JSON."""
        found = {}
        for tx_hash in hashes:
            receipt = self.core.rpc("eth_getTransactionReceipt", orjson.dumps([tx_hash]))
            if receipt != b"null":
                found[tx_hash] = receipt
        return found

    def included(self, number: int, hashes: list[str]) -> dict[str, bytes]:
        """Return receipts of those hashes that a block just made holds."""
        if len(hashes) > 64:  # one look at the block costs less than a look-up for each
            block = orjson.loads(self.core.rpc("eth_getBlockByNumber", orjson.dumps([hex(number), False])))
            hashes = list(set(hashes) & set(block["transactions"]))
        return self.receipts(hashes)

    def wake(self, receipts: dict[str, bytes]) -> None:
        """Give receipts to those who wait for them."""
        for tx_hash, receipt in receipts.items():
            for future in self._waiting.get(tx_hash, ()):
                if not future.done():
                    future.set_result(receipt)
