"""Telling blocks: from the store, one at a time, to a bounded number of readers."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

import orjson
from aiohttp import WSMsgType, web
from prometheus_client import CollectorRegistry, Counter, Gauge

from trex.chain.core import Sealed, SettledCore
from trex.chain.service import Service
from trex.chain.workers import guarded
from trex.settlement.feed.message import MAX_MESSAGE_BYTES, Signatures, encode
from trex.types.errors import CoreError, RpcError

log = logging.getLogger(__name__)

HEARTBEAT_S = 20.0
CLOSE_S = 3.0
MALFORMED, REORGED, TOO_OLD, AHEAD, FORKED, TOO_SLOW, TOO_MANY = range(4000, 4007)
"""Close codes (FED-012)."""


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Bounds of the feed (FED-010, FED-011)."""

    readers: int = 256
    history_blocks: int = 8192
    """How far back a reader may be."""
    send_s: float = 15.0
    """How long one block may take to be taken."""


class ClosedError(Exception):
    """A reader is sent away, with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        """Make an error."""
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Feed(Service):
    """Tells the chain's newest blocks to whoever asks."""

    name = "feed"

    def __init__(
        self,
        core: SettledCore,
        signatures: Signatures,
        *,
        limits: FeedLimits | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """Put a feed together.

        Args:
            core: the chain.
            signatures: of its blocks: only signed ones are told.
            limits: bounds.
            registry: where to count.
        """
        super().__init__()
        self.core = core
        self.signatures = signatures
        self.limits = limits or FeedLimits()
        registry = registry or CollectorRegistry()
        self.readers = Gauge("trex_feed_readers", "Readers of the feed", registry=registry)
        self.closed = Counter(
            "trex_feed_closed", "Readers sent away, by close code", ["code"], registry=registry
        )
        self._sockets: set[web.WebSocketResponse] = set()
        self._news = asyncio.Event()

    def sealed(self, _: Sealed) -> None:
        """Take note that the chain has changed."""
        self._news.set()
        self._news = asyncio.Event()

    async def work(self) -> None:
        """Serve until asked to stop."""
        await self._stop.wait()
        self._news.set()
        goodbyes = [socket.close(code=1001, message=b"the node is stopping") for socket in self._sockets]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*goodbyes, return_exceptions=True)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one reader (FED-001)."""
        if self.stopping:
            return web.Response(status=503, text="the node is stopping")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=1024, compress=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        self.readers.set(len(self._sockets))
        telling = asyncio.create_task(self._tell(socket, request), name="feed")
        try:
            async for message in socket:  # nothing is expected; this sees the other side close
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._sockets.discard(socket)
            self.readers.set(len(self._sockets))
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return socket

    async def _tell(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        transport = request.transport
        try:
            if len(self._sockets) > self.limits.readers:
                raise ClosedError(TOO_MANY, f"{self.limits.readers} readers are served already")
            number, parent = self._asked(request)
            while not self.stopping:
                news = self._news
                while number <= self.core.head().number:
                    message, parent = await asyncio.to_thread(self._message, number, parent)
                    try:
                        async with asyncio.timeout(self.limits.send_s):
                            await socket.send_bytes(message)
                    except TimeoutError:
                        raise ClosedError(TOO_SLOW, f"block {number} was not taken in time") from None
                    number += 1
                if self.core.head().number < number - 1:
                    raise ClosedError(REORGED, f"the chain went back to block {self.core.head().number}")
                await news.wait()
        except ClosedError as error:
            self.closed.labels(str(error.code)).inc()
            log.info("a reader of the feed is sent away: %s (%d)", error.reason, error.code)
            if transport is not None:  # a reader that takes nothing will not take this either
                asyncio.get_running_loop().call_later(CLOSE_S, transport.abort)
            with suppress(ConnectionError):
                await socket.close(code=error.code, message=error.reason.encode()[:120])
        except ConnectionError:
            return
        except (CoreError, RpcError):
            log.exception("the feed fails")
            await socket.close(code=1011, message=b"the node has a fault")

    def _asked(self, request: web.Request) -> tuple[int, str]:
        """Return the first block wanted and the hash of the one before it."""
        try:
            number, parent = int(request.query["from"]), request.query["parent"].lower()
            if not 0 < number < 2**63 or len(bytes.fromhex(parent.removeprefix("0x"))) != 32:
                raise ValueError("out of range")
        except (KeyError, ValueError):
            raise ClosedError(MALFORMED, "ask with ?from=NUMBER&parent=HASH") from None
        head = self.core.head().number
        if number > head + 1:
            raise ClosedError(AHEAD, f"this node is at block {head}")
        if number <= head - self.limits.history_blocks:
            raise ClosedError(TOO_OLD, f"block {number} is too far back: take it from L1")
        ours = self._header(number - 1)["hash"]
        if ours != parent:
            raise ClosedError(FORKED, f"block {number - 1} is {ours} here")
        return number, parent

    def _message(self, number: int, parent: str) -> tuple[bytes, str]:
        """Return a block's message and its hash (on a thread)."""
        if number <= self.core.head().number - self.limits.history_blocks:
            raise ClosedError(TOO_SLOW, f"{self.limits.history_blocks} blocks behind")
        header = self._header(number)
        if header["parentHash"] != parent:
            raise ClosedError(REORGED, f"block {number - 1} has been replaced: ask again")
        hash_ = bytes.fromhex(header["hash"][2:])
        signature = self.signatures.of(number, hash_)
        if signature is None:
            raise ClosedError(TOO_OLD, f"block {number} is not signed here: take it from L1")
        message = encode(number, hash_, signature, guarded(self.core.block_rlp, number))
        if len(message) > MAX_MESSAGE_BYTES:
            raise ClosedError(TOO_OLD, f"block {number} is too long: take it from L1")
        return message, header["hash"]

    def _header(self, number: int) -> dict[str, str]:
        header = orjson.loads(self.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])))
        if header is None:
            raise ClosedError(REORGED, f"block {number} is gone: ask again")
        return dict(header)
