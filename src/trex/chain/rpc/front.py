"""Connections as they come in: plain requests are answered here, everything else is aiohttp's.

Nearly all requests of a node are POSTs of JSON on connections that stay open. For those a web framework
does more work than the chain: here one look at the head and one write do. A connection goes over to
aiohttp, for good, with the first request that is not plain (`head.read_head`) or that a limit refuses: so
WebSocket, packed bodies, tokens, the other paths and every refusal have one place, `server.Server`.
"""

import asyncio
import logging
import zlib
from typing import TYPE_CHECKING, cast

from trex.chain.rpc.dispatch import Session
from trex.chain.rpc.head import Head, read_head
from trex.chain.rpc.messages import NULL, encode_error, over_limit
from trex.chain.workers import as_rpc_error

if TYPE_CHECKING:
    from trex.chain.rpc.server import Server

log = logging.getLogger(__name__)

HEAD_MAX_BYTES = 32 << 10
"""Longest head of a request."""
AHEAD_MAX_BYTES = 256 << 10
"""What a client may send ahead while its request is being answered; past it nothing is read."""
AT_ONCE_MAX = 16
"""Requests of one connection that are answered in one turn of the loop."""
HEADS_KEPT = 1024
HEADS_KEPT_BYTES = 1024
"""So many heads, each up to so long, are known again when they come again, byte for byte."""
PACK_FROM_BYTES = 4096
"""Answers from here on are packed for clients that take gzip."""
PACK_ASIDE_BYTES = 1 << 15
"""Answers from here on are packed on a thread."""
LONG_BYTES = 1 << 16
"""Answers from here on may fill more than the buffers of a connection."""
FIRST_S = 30.0
"""A connection's first request may take so long."""
BODY_S = 30.0
"""A request that has begun, and the reading of a long answer, may each take so long."""
KEEP_ALIVE_S = 75.0
"""A connection may be silent so long between requests."""
CLOSE_S = 5.0
"""What is unsent when a connection is closed may take so long."""

_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
_REFUSED = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
_PACKED = b"Content-Encoding: gzip\r\n"


class Front(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: "Server") -> None:
        """Make it for one server; it counts there from the beginning."""
        self.server = server
        self.busy: asyncio.Task[None] | None = None
        """What answers the request under way."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer: bytes | bytearray = b""
        self._body_bytes = 0
        self._is_paused = False
        """Nothing more is read for now."""
        self._drained: asyncio.Future[None] | None = None
        """Done when the client has read; None while it keeps up."""
        self._turn: asyncio.Handle | None = None
        """The next turn, where what came in one piece takes several."""
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has all of it, but is no subclass
        self._wait(FIRST_S)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget it. What is being answered goes on: it may have changed the chain."""
        self._transport = None
        self._leave()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client does not read: wait."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """The client has read."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if not self._buffer:
            self._buffer = data
        else:
            if type(self._buffer) is bytes:
                self._buffer = bytearray(self._buffer)
            self._buffer += data
        if self.busy is None and self._turn is None:
            self._go_on()
        elif len(self._buffer) > AHEAD_MAX_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def close(self) -> None:
        """Close it, behind an answer that is under way."""
        if self._turn is not None:
            self._turn.cancel()
        if self.busy is None and self._transport is not None:
            close(self._transport)

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self) -> None:
        """Answer what has come whole; others get a turn after some."""
        self._turn = None
        for _ in range(AT_ONCE_MAX):
            if not self._buffer or self._transport is None or not self._next():
                break
        else:
            self._turn = self._loop.call_soon(self._go_on)
            return
        if self.busy is None:
            self._read_on()

    def _next(self) -> bool:
        """Take the next request; whether it is answered, and the one after it may be taken."""
        end = self._buffer.find(_END, 0, HEAD_MAX_BYTES + len(_END))
        if end < 0:
            if len(self._buffer) > HEAD_MAX_BYTES:
                self._refuse(b"431 Request Header Fields Too Large", b"request header too large\n")
            elif self._timer is None or self._deadline > self._loop.time() + BODY_S:
                self._wait(BODY_S)
            return False
        head = self._head(bytes(self._buffer[:end]))
        start = end + len(_END)
        if head is None or not self._has_room(head, len(self._buffer) - start):
            self._hand_over()
            return False
        stop = start + head.length
        if len(self._buffer) < stop:
            if not self._body_bytes:
                self._wait(BODY_S)
            self._count(max(len(self._buffer) - start, 1))
            return False
        self._count(0)
        body = bytes(self._buffer[start:stop])
        self._cut(stop)
        answer = self.server.dispatcher.at_once(body)
        if (
            answer is None
            or self._drained is not None
            or len(answer) >= LONG_BYTES
            or (head.packs and len(answer) >= PACK_FROM_BYTES)
        ):
            self._begin(head, body, answer)
            return False
        if self._transport is not None:
            self._transport.write(_OK % (head.fields, len(answer), answer))
        self._wait(KEEP_ALIVE_S)
        return True

    def _cut(self, stop: int) -> None:
        """Drop what has been read; the front of a bytearray goes without moving the rest."""
        if len(self._buffer) == stop:
            self._buffer = b""
            return
        rest = self._buffer if isinstance(self._buffer, bytearray) else bytearray(self._buffer)
        del rest[:stop]
        self._buffer = rest

    def _read_on(self) -> None:
        """Take from the client again, where that was stopped."""
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _head(self, text: bytes) -> Head | None:
        """Read a head, or know it again."""
        known = self.server.heads
        head = known.get(text)
        if head is None:
            head = read_head(text, self.server.access)
            if head is not None and len(text) <= HEADS_KEPT_BYTES:
                if len(known) >= HEADS_KEPT:
                    known.clear()
                known[text] = head
        return head

    def _has_room(self, head: Head, arrived: int) -> bool:
        """Whether no limit refuses the request; what is only announced takes no room."""
        server, limits = self.server, self.server.limits
        return (
            head.length <= limits.body_bytes
            and server.requests < limits.http_requests
            and server.body_bytes - self._body_bytes + min(arrived, head.length) <= limits.inflight_bytes
        )

    def _count(self, body_bytes: int) -> None:
        """Count a body that is on its way, or being answered."""
        self.server.body_bytes += body_bytes - self._body_bytes
        self._body_bytes = body_bytes

    def _begin(self, head: Head, body: bytes, answer: bytes | None) -> None:
        """Answer a request that takes its time. The next one waits for it."""
        self._deadline = float("inf")
        self._count(len(body))
        self.server.requests += 1
        self.server.metrics.http_requests.inc()
        self.busy = self._loop.create_task(self._answer(head, body, answer), name="http-answer")

    async def _answer(self, head: Head, body: bytes, answer: bytes | None) -> None:
        server = self.server
        try:
            if answer is None:
                try:
                    answer = await server.dispatcher.answer(body, Session()) or b""
                except Exception as error:
                    answer = encode_error(NULL, as_rpc_error(error, "POST /"))
            await self._send(head, answer)
        except ConnectionError:
            log.debug("connection closed before its answer")
        finally:
            self._count(0)
            server.requests -= 1
            server.metrics.http_requests.dec()
            self.busy = None
        if self._transport is None:
            return
        if server.stopping:
            close(self._transport)
            return
        self._wait(KEEP_ALIVE_S)
        self._go_on()

    async def _send(self, head: Head, answer: bytes) -> None:
        """Write an answer and wait until most of it is on its way; what slow readers leave is counted."""
        server, size = self.server, len(answer) if len(answer) >= LONG_BYTES else 0
        limit = server.limits.inflight_bytes
        if size and server.answer_bytes + size > limit:
            busy = over_limit("too many answer bytes at once", "inflight_bytes", limit)
            self._refuse(b"503 Service Unavailable", encode_error(NULL, busy), b"application/json")
            return
        server.answer_bytes += size
        try:
            fields = head.fields
            if head.packs and len(answer) >= PACK_FROM_BYTES:
                fields += _PACKED
                aside = len(answer) >= PACK_ASIDE_BYTES
                answer = await server.dispatcher.workers.body(pack, answer) if aside else pack(answer)
            if self._transport is not None:
                self._transport.write(_OK % (fields, len(answer), answer))
            if self._drained is not None:
                async with asyncio.timeout(BODY_S):
                    await self._drained
        except TimeoutError:
            server.slow_reader(self._transport)
        finally:
            server.answer_bytes -= size

    def _refuse(self, status: bytes, body: bytes, content_type: bytes = b"text/plain") -> None:
        """Say why not, and close."""
        if self._transport is not None:
            self._transport.write(_REFUSED % (status, content_type, len(body), body))
            close(self._transport)
            self._transport = None

    def _wait(self, seconds: float) -> None:
        """Give the client this long for what comes next."""
        self._deadline = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._expire)

    def _expire(self) -> None:
        """Close what has been silent too long; a timer that came too early is set again."""
        self._timer = None
        if self._transport is None:
            return
        if self._loop.time() < self._deadline:
            if self.busy is None:
                self._timer = self._loop.call_at(self._deadline, self._expire)
        elif self._buffer:
            self._refuse(b"408 Request Timeout", b"request body came too slowly\n")
        else:
            close(self._transport)

    def _leave(self) -> None:
        """Count no more."""
        if self.busy is None:
            self._count(0)
        self.server.fronts.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_over(self) -> None:
        """Let aiohttp have the connection, from the request on that has come."""
        self._read_on()
        transport, data = self._transport, bytes(self._buffer)
        self._transport, self._buffer = None, b""
        self._leave()
        if transport is not None:
            handler = self.server.handler()
            handler.connection_made(transport)
            if self._drained is not None:
                handler.pause_writing()
            transport.set_protocol(handler)
            handler.data_received(data)


def close(transport: asyncio.Transport) -> None:
    """Close a connection; a client that does not take what is unsent loses it."""
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(CLOSE_S, transport.abort)


def pack(body: bytes) -> bytes:
    """Compress by gzip."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()
