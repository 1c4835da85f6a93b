"""Threads on which calls of the core run, so that the event loop never waits for one.

The core releases the GIL, so these threads really run beside the loop.
"""

import asyncio
import functools
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from trex.chain.limits import ServerLimits
from trex.chain.rpc.messages import INTERNAL_ERROR, TIMED_OUT, over_limit
from trex.types.errors import CoreError, RpcError

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def guarded(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the core; a panic in it, which Python does not count among exceptions, becomes a CoreError."""
    try:
        return work(*args, **kwargs)
    except Exception:
        raise
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise CoreError("internal", f"panic: {panic}") from panic


def as_rpc_error(error: BaseException, doing: str) -> RpcError:
    """Translate whatever a call raised into an answer; what nobody expected is logged under a trace id."""
    if isinstance(error, RpcError):
        # The frames it came through hold the request, and often the error itself: such a ring would stay in
        # memory, with requests of any size, until the collector of cycles comes by.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return error
    trace = secrets.token_hex(6)
    if isinstance(error, CoreError) and error.code != "internal":
        log.error("%s: %s", doing, error, extra={"trace": trace})
        return RpcError(INTERNAL_ERROR, f"node fault: {error.code} (trace {trace} in the node's log)")
    log.error("%s failed", doing, exc_info=error, extra={"trace": trace})
    return RpcError(INTERNAL_ERROR, f"internal error (trace {trace} in the node's log)")


class Workers:
    """Pools for heavy reads (bounded, with a queue), for transactions and notices, and for bodies."""

    def __init__(self, limits: ServerLimits) -> None:
        """Start no thread yet: pools start them on demand."""
        self.limits = limits
        self.waiting = 0
        """Heavy calls running or waiting for their turn."""
        self._heavy = ThreadPoolExecutor(limits.heavy_calls, "heavy")
        self._quick = ThreadPoolExecutor(4, "quick")
        self._bodies = ThreadPoolExecutor(2, "bodies")

    async def heavy(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a heavy call when its turn comes.

        Raises:
            RpcError: too many wait already, or it took too long.
        """
        limits = self.limits
        if self.waiting >= limits.heavy_calls + limits.heavy_queue:
            raise over_limit("too many heavy calls waiting", "heavy_queue", limits.heavy_queue)
        self.waiting += 1
        loop = asyncio.get_running_loop()
        future: Future[T] = self._heavy.submit(functools.partial(guarded, work, *args, **kwargs))
        future.add_done_callback(functools.partial(self._done, loop))
        try:
            async with asyncio.timeout(limits.call_timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise RpcError(
                TIMED_OUT, f"request timed out: limit call_timeout_s={limits.call_timeout_s:g}"
            ) from None

    def _done(self, loop: asyncio.AbstractEventLoop, _: Future[T]) -> None:
        try:
            loop.call_soon_threadsafe(self._leave)
        except RuntimeError:  # the loop closed before the call came to its end
            return

    def _leave(self) -> None:
        self.waiting -= 1

    async def quick(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that waits for nobody else's heavy calls: transactions, notices, filters' small reads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._quick, functools.partial(guarded, work, *args, **kwargs))

    async def body(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Pack or unpack what somebody sends or is sent: never beside what the node does for itself."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._bodies, functools.partial(work, *args, **kwargs))

    def close(self) -> None:
        """Drop what has not begun and wait for what has: the core may close after this."""
        self._heavy.shutdown(wait=True, cancel_futures=True)
        self._quick.shutdown(wait=True, cancel_futures=True)
        self._bodies.shutdown(wait=True, cancel_futures=True)
