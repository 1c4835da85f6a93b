"""The HTTP face: JSON-RPC by POST and WebSocket on one port, /metrics and /health."""

import asyncio
import logging
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

import orjson
from aiohttp import WSCloseCode, web

from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.access import Access
from trex.chain.rpc.dispatch import Dispatcher, Session
from trex.chain.rpc.front import (
    BODY_S,
    KEEP_ALIVE_S,
    LONG_BYTES,
    PACK_ASIDE_BYTES,
    PACK_FROM_BYTES,
    Front,
    close,
)
from trex.chain.rpc.head import CONTENT_TYPES, Head, takes_gzip
from trex.chain.rpc.messages import INVALID_REQUEST, NULL, encode_error, over_limit
from trex.chain.rpc.subscriptions import Subscriptions
from trex.chain.rpc.websocket import Backlog, Connection
from trex.chain.service import Service
from trex.chain.workers import as_rpc_error
from trex.types.errors import RpcError

log = logging.getLogger(__name__)

DRAIN_S = 5.0
"""Answers under way when the server stops have this long."""

Health = Callable[[], tuple[bool, dict[str, Any]]]
"""Whether all is well, and what stands how."""
Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BusyError(Exception):
    """More bytes of requests are in memory than the limit allows."""


class Server(Service):
    """Serves one dispatcher."""

    name = "server"

    def __init__(
        self,
        dispatcher: Dispatcher,
        subscriptions: Subscriptions,
        limits: ServerLimits,
        metrics: Metrics,
        access: Access,
        health: Health,
        *,
        host: str,
        port: int,
    ) -> None:
        """Make a server; port 0 takes a free one."""
        super().__init__()
        self.dispatcher = dispatcher
        self.subscriptions = subscriptions
        self.limits = limits
        self.metrics = metrics
        self.access = access
        self.health = health
        self.host = host
        self.port = port
        self._connections: set[Connection] = set()
        self.requests = 0
        """HTTP requests being answered."""
        self.body_bytes = 0
        """Bytes of their bodies and of those being read, and of WebSocket messages being answered."""
        self.answer_bytes = 0
        """Bytes of long answers being sent."""
        self.fronts: set[Front] = set()
        """Connections that have asked for nothing but plain requests."""
        self.routes: dict[str, Respond] = {}
        """Further paths that answer GET; to be set before the server opens."""
        self.heads: dict[bytes, Head] = {}
        """Heads of requests that came before."""
        self._backlog = Backlog()
        self._listener: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=self.limits.body_bytes, middlewares=[self._guard])
        app.router.add_post("/", self._post)
        app.router.add_get("/", self._get)
        app.router.add_options("/", self._options)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        for path, respond in self.routes.items():
            app.router.add_get(path, respond)
        app.on_response_prepare.append(self._allow_origin)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=DRAIN_S,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, self.host, self.port, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _accept(self) -> asyncio.BaseProtocol:
        """Take a connection, or refuse it when there are too many."""
        assert self._runner is not None
        assert self._runner.server is not None
        if len(self._runner.server.connections) + len(self.fronts) >= self.limits.connections:
            busy = over_limit("too many connections", "connections", self.limits.connections)
            return Refusal(encode_error(NULL, busy))
        front = Front(self)
        self.fronts.add(front)
        return front

    def handler(self) -> asyncio.Protocol:
        """Return aiohttp's protocol for a connection that it is to have."""
        assert self._runner is not None
        assert self._runner.server is not None
        return self._runner.server()

    def slow_reader(self, transport: asyncio.Transport | None) -> None:
        """End a connection whose client does not read its answer."""
        self.metrics.slow_readers.inc()
        if transport is not None:
            log.warning(
                "%s does not read its answer: connection closed", transport.get_extra_info("peername")
            )
            transport.abort()

    async def work(self) -> None:
        """Serve until asked to stop, then finish what is being answered."""
        await self._stop.wait()
        for connection in list(self._connections):
            connection.close(WSCloseCode.GOING_AWAY, "the node is stopping")
        if self._listener is not None:
            self._listener.close()
        await self._drain()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _drain(self) -> None:
        """Close what is silent, and let answers under way come to their end."""
        for front in list(self.fronts):
            front.close()
        under_way = [front.busy for front in self.fronts if front.busy is not None]
        if under_way:
            await asyncio.wait(under_way, timeout=DRAIN_S)
        for front in list(self.fronts):
            front.abort()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Respond) -> web.StreamResponse:
        """Check host and origin, and let nothing that nobody expected out as a 500."""
        if not self.access.allows_host(request.headers.get("Host")):
            return web.Response(status=HTTPStatus.FORBIDDEN, text="invalid host specified\n")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n", headers=error.headers)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            response = self._json(encode_error(NULL, as_rpc_error(error, f"{request.method} {request.path}")))
        return await self._send(request, response) if isinstance(response, web.Response) else response

    async def _allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say to a browser that the page may read the answer, if it may."""
        origin = request.headers.get("Origin")
        if origin is not None and self.access.allows_origin(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"

    @staticmethod
    def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        return web.Response(
            body=body, status=status, content_type="application/json", zlib_executor_size=PACK_ASIDE_BYTES
        )

    def _refuse(self, status: HTTPStatus, error: RpcError) -> web.Response:
        return self._json(encode_error(NULL, error), status)

    async def _options(self, request: web.Request) -> web.Response:
        origin = request.headers.get("Origin")
        if origin is None or not self.access.allows_origin(origin):
            return web.Response(status=HTTPStatus.FORBIDDEN, text="origin not allowed\n")
        return web.Response(
            status=HTTPStatus.NO_CONTENT,
            headers={
                "Access-Control-Allow-Methods": "POST, GET, OPTIONS",
                # As geth: whoever may read answers may send what headers their library adds.
                "Access-Control-Allow-Headers": request.headers.get(
                    "Access-Control-Request-Headers", "Content-Type, Authorization"
                ),
                "Access-Control-Max-Age": "600",
                # Chromium asks for this before a public page may reach a private network.
                "Access-Control-Allow-Private-Network": "true",
            },
        )

    async def _post(self, request: web.Request) -> web.StreamResponse:
        limits = self.limits
        if request.content_type not in CONTENT_TYPES:
            return web.Response(
                status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                text="invalid content type, only application/json is supported\n",
            )
        try:
            admin = self.access.admits(request.headers.get("Authorization"), time.time())
        except PermissionError as error:
            return web.Response(status=HTTPStatus.UNAUTHORIZED, text=f"{error}\n")
        if self.requests >= limits.http_requests:
            busy = over_limit("too many requests at once", "http_requests", limits.http_requests)
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, busy)
        if (request.content_length or 0) > limits.body_bytes:
            return self._too_large()
        self.requests += 1
        self.metrics.http_requests.inc()
        held: list[int] = []
        try:
            async with asyncio.timeout(BODY_S):
                body = await self._body(request, held)
            if coding := request.headers.get("Content-Encoding"):
                self._hold(limits.body_bytes, held)  # a packed body may turn out as long
                body = await self.dispatcher.workers.body(unpack, body, coding, limits.body_bytes)
            answer = await self.dispatcher.answer(body, Session(None, admin))
        except BusyError:
            busy = over_limit("too many request bytes at once", "inflight_bytes", limits.inflight_bytes)
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, busy)
        except TimeoutError:
            return web.Response(status=HTTPStatus.REQUEST_TIMEOUT, text="request body came too slowly\n")
        except (web.HTTPRequestEntityTooLarge, OverflowError):
            return self._too_large()
        except ValueError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, RpcError(INVALID_REQUEST, str(error)))
        finally:
            self.requests -= 1
            self.body_bytes -= sum(held)
            self.metrics.http_requests.dec()
        response = self._json(answer or b"")
        is_long = answer is not None and len(answer) >= PACK_FROM_BYTES
        if is_long and takes_gzip(request.headers.get("Accept-Encoding", "")):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async def _body(self, request: web.Request, held: list[int]) -> bytes:
        """Read a body; what has arrived counts, not what was announced."""
        parts, size = [], 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > self.limits.body_bytes:
                raise OverflowError
            self._hold(len(part), held)
            parts.append(part)
        return b"".join(parts)

    def _hold(self, size: int, held: list[int]) -> None:
        """Count bytes of a body.

        Raises:
            BusyError: there are too many.
        """
        if self.body_bytes + size > self.limits.inflight_bytes:
            raise BusyError
        self.body_bytes += size
        held.append(size)

    async def _send(self, request: web.Request, response: web.Response) -> web.Response:
        """Send an answer here, where what slow readers leave in memory is counted and timed."""
        length = len(response.body) if isinstance(response.body, bytes) else 0
        size = length if length >= LONG_BYTES else 0
        limit = self.limits.inflight_bytes
        if self.answer_bytes + size > limit:
            busy = over_limit("too many answer bytes at once", "inflight_bytes", limit)
            response, size = self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, busy), 0
        self.answer_bytes += size
        try:
            async with asyncio.timeout(BODY_S):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            self.slow_reader(request.transport)
        except ConnectionError:
            log.debug("connection closed before its answer")
        finally:
            self.answer_bytes -= size
        return response

    def _too_large(self) -> web.Response:
        error = over_limit("request body too large", "body_bytes", self.limits.body_bytes)
        return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, RpcError(INVALID_REQUEST, error.message))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(text="T-Rex: JSON-RPC by POST or WebSocket on this address\n")
        origin = request.headers.get("Origin")
        if origin is not None and not self.access.allows_origin(origin):
            return web.Response(status=HTTPStatus.FORBIDDEN, text="origin not allowed\n")
        try:
            admin = self.access.admits(request.headers.get("Authorization"), time.time())
        except PermissionError as error:
            return web.Response(status=HTTPStatus.UNAUTHORIZED, text=f"{error}\n")
        limit = self.limits.ws_connections
        if len(self._connections) >= limit:
            busy = over_limit("too many WebSocket connections", "ws_connections", limit)
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, busy)
        connection = Connection(
            request,
            self.dispatcher,
            self.subscriptions,
            self.limits,
            self.metrics,
            self._backlog,
            self,
            admin,
        )
        self._connections.add(connection)
        self.metrics.ws_connections.set(len(self._connections))
        try:
            with suppress(ConnectionError):
                return await connection.serve()
            return connection.socket
        finally:
            self._connections.discard(connection)
            self.metrics.ws_connections.set(len(self._connections))

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _health(self, _: web.Request) -> web.Response:
        well, report = self.health()
        return self._json(
            orjson.dumps(report) + b"\n", HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        )


class Refusal(asyncio.Protocol):
    """Answers a connection that there is no room for, and ends it."""

    def __init__(self, body: bytes) -> None:
        """Take what to say."""
        self.body = body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it and close."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(self.body), self.body)
        )
        close(transport)


def unpack(body: bytes, coding: str, limit_bytes: int) -> bytes:
    """Decompress a body, and no more of it than the limit.

    Raises:
        OverflowError: it is longer.
        ValueError: it is not what its Content-Encoding says.
    """
    if coding.strip().lower() not in ("gzip", "deflate"):
        raise ValueError("content encoding: expected gzip or deflate")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflate.decompress(body, limit_bytes)
    except zlib.error:
        raise ValueError(f"body is not {coding.strip().lower()}") from None
    if inflate.unconsumed_tail:
        raise OverflowError
    if not inflate.eof:
        raise ValueError(f"body is not {coding.strip().lower()}")
    return plain
