"""One WebSocket connection: reads calls, writes answers and notifications, and bounds both."""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, web

from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.dispatch import Dispatcher, Session
from trex.chain.rpc.messages import NULL, encode_error, over_limit
from trex.chain.rpc.subscriptions import Subscription, Subscriptions
from trex.chain.workers import as_rpc_error

log = logging.getLogger(__name__)

CLOSE_S = 5.0
"""How long a connection that must go has to take what was sent before."""
HEARTBEAT_S = 30.0


@dataclass(slots=True)
class Backlog:
    """What waits for readers on all connections of a server."""

    bytes: int = 0


class Bodies(Protocol):
    """Who counts what clients have sent and is not answered yet."""

    body_bytes: int


class Connection:
    """One client over WebSocket."""

    def __init__(
        self,
        request: web.Request,
        dispatcher: Dispatcher,
        subscriptions: Subscriptions,
        limits: ServerLimits,
        metrics: Metrics,
        backlog: Backlog,
        bodies: Bodies,
        admin: bool,
    ) -> None:
        """Make a connection for a request that asks for one."""
        # As bytes: text with one character beyond the first plane would take four times the room.
        self.socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            max_msg_size=limits.body_bytes,
            compress=False,
            timeout=CLOSE_S,
            decode_text=False,
        )
        self.subscriptions: dict[str, Subscription] = {}
        self._request = request
        self._dispatcher = dispatcher
        self._service = subscriptions
        self._limits = limits
        self._metrics = metrics
        self._backlog = backlog
        self._bodies = bodies
        self._admin = admin
        self._held_bytes = 0
        """Of messages being answered."""
        self._answered = asyncio.Event()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._ready = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._left = False
        self._writer: asyncio.Task[None] | None = None

    async def serve(self) -> web.WebSocketResponse:
        """Serve until either side closes."""
        await self.socket.prepare(self._request)
        turns = asyncio.Semaphore(self._limits.ws_calls)
        calls: set[asyncio.Task[None]] = set()
        self._writer = asyncio.create_task(self._write(), name="ws-writer")
        try:
            async for message in self.socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    continue
                await turns.acquire()
                if not await self._hold(len(message.data)):
                    turns.release()
                    continue
                call = asyncio.create_task(self._call(message.data), name="ws-call")
                calls.add(call)
                call.add_done_callback(calls.discard)
                call.add_done_callback(lambda _: turns.release())
                call.add_done_callback(partial(self._answered_body, len(message.data)))
        finally:
            self._left = True
            self._service.leave(self)
            self._drop_queue()
            for task in (*calls, self._writer):
                task.cancel()
            await asyncio.gather(*calls, self._writer, return_exceptions=True)
            if self._closing is not None:
                await asyncio.wait({self._closing}, timeout=2 * CLOSE_S)
        return self.socket

    async def _hold(self, size: int) -> bool:
        """Count a message; one client's wait for each other, and are refused where all take too much."""
        limits = self._limits
        while self._held_bytes and self._held_bytes + size > limits.body_bytes:
            self._answered.clear()
            await self._answered.wait()
        if self._bodies.body_bytes + size > limits.inflight_bytes:
            busy = over_limit("too many request bytes at once", "inflight_bytes", limits.inflight_bytes)
            self.push(encode_error(NULL, busy))
            return False
        self._count_body(size)
        return True

    def _answered_body(self, size: int, _: asyncio.Task[None]) -> None:
        self._count_body(-size)

    def _count_body(self, more_bytes: int) -> None:
        self._held_bytes += more_bytes
        self._bodies.body_bytes += more_bytes
        self._answered.set()

    async def _call(self, body: bytes) -> None:
        session = Session(self, self._admin)
        try:
            answer = await self._dispatcher.answer(body, session)
        except Exception as error:
            answer = encode_error(NULL, as_rpc_error(error, "WebSocket"))
        if answer is not None:
            self.push(answer)
        for begin in session.after_answer:
            begin()

    def push(self, message: bytes) -> None:
        """Queue a message; a reader that lets too much pile up is cut off."""
        if self._closing is not None or self._left:
            return
        limits = self._limits
        if len(self._queue) >= limits.send_queue:
            self._cut_off("send_queue", limits.send_queue)
        elif self._queued_bytes + len(message) > limits.send_queue_bytes and self._queue:
            self._cut_off("send_queue_bytes", limits.send_queue_bytes)
        elif self._backlog.bytes + len(message) > limits.send_total_bytes and self._queue:
            self._cut_off("send_total_bytes", limits.send_total_bytes)
        else:
            self._queue.append(message)
            self._count(len(message))
            self._ready.set()

    def _count(self, more_bytes: int) -> None:
        self._queued_bytes += more_bytes
        self._backlog.bytes += more_bytes

    def _drop_queue(self) -> None:
        self._queue.clear()
        self._count(-self._queued_bytes)

    async def _write(self) -> None:
        """Write what is queued; waits where the client reads slowly."""
        with suppress(ClientConnectionError, ConnectionError):
            while True:
                await self._ready.wait()
                while self._queue:
                    message = self._queue.popleft()
                    self._count(-len(message))
                    await self.socket.send_frame(message, WSMsgType.TEXT)
                self._ready.clear()

    def _cut_off(self, limit: str, value: int) -> None:
        self._metrics.slow_readers.inc()
        reason = over_limit("reading too slowly", limit, value).message
        log.warning("connection of %s closed: %s", self._request.remote, reason)
        self.close(WSCloseCode.POLICY_VIOLATION, reason)

    def close(self, code: WSCloseCode, reason: str) -> None:
        """Begin to close: what is queued is dropped, the reason goes out behind what was sent."""
        if self._closing is None:
            self._drop_queue()
            self._service.leave(self)
            self._closing = asyncio.create_task(self._close(code, reason), name="ws-close")

    async def _close(self, code: WSCloseCode, reason: str) -> None:
        if self._writer is not None:
            self._writer.cancel()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.socket.close(code=code, message=reason.encode()[:120])
        except (TimeoutError, ClientConnectionError, ConnectionError):
            log.debug("connection of %s did not close by itself", self._request.remote)
        finally:
            transport = self._request.transport
            if transport is not None:
                transport.abort()
