"""Following a feed: each block is checked, executed, and told on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import orjson
from prometheus_client import CollectorRegistry, Counter

from trex.chain.core import FAULTS, SettledCore
from trex.chain.service import Service
from trex.chain.workers import guarded
from trex.rpc.errors import EndpointError
from trex.settlement.feed.message import MAX_MESSAGE_BYTES, FeedError, Signatures, Told, decode, signer_of
from trex.settlement.feed.server import FORKED
from trex.settlement.host import Host
from trex.types.errors import CoreError
from trex.types.primitives import Address

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
SIGNER_S = 10.0
"""How often at most L1 is asked who the sequencer is, when a signature is another's."""

AskSigner = Callable[[], Awaitable[Address]]
"""Tells who the sequencer is, as L1 has it (FED-004)."""


class FeedReader(Service):
    """Takes blocks from one or several nodes."""

    name = "feed-reader"

    def __init__(
        self,
        core: SettledCore,
        host: Host,
        urls: Sequence[str],
        session: aiohttp.ClientSession,
        signatures: Signatures,
        ask_signer: AskSigner,
        *,
        registry: CollectorRegistry | None = None,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        """Put a reader together; nothing is asked yet.

        Args:
            core: the chain that blocks go to.
            host: who serves it.
            urls: nodes, http or ws.
            session: for connections; closing it is the caller's.
            signatures: where those of blocks taken are kept, to be told on.
            ask_signer: who must have signed.
            registry: where to count.
            longest_wait_s: between tries.
        """
        super().__init__()
        self.core = core
        self.host = host
        self.urls = list(urls)
        self.session = session
        self.signatures = signatures
        self.longest_wait_s = longest_wait_s
        registry = registry or CollectorRegistry()
        self.taken = Counter("trex_feed_blocks", "Blocks taken from the feed", registry=registry)
        self.refused = Counter(
            "trex_feed_refused", "Messages of the feed refused, by reason", ["reason"], registry=registry
        )
        self.blocks = 0
        """How many were taken."""
        self.standing: dict[str, str] = dict.fromkeys(self.urls, "not connected")
        """How each node's feed stands, for people."""
        self._ask_signer = ask_signer
        self._signer: Address | None = None
        self._asked_s = -SIGNER_S

    def status(self) -> dict[str, Any]:
        """Return how the feeds stand, for trex_info."""
        return dict(self.standing)

    async def work(self) -> None:
        """Follow every feed until asked to stop."""
        tasks = [asyncio.create_task(self._follow(url), name="feed-reader") for url in self.urls]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, url: str) -> None:
        wait_s = FIRST_WAIT_S
        while not self.stopping and self.fault is None:
            before = self.blocks
            try:
                reason = await self._read(url)
            except FeedError as error:
                self.refused.labels(error.code).inc()
                log.error("the feed of %s: %s [%s]", url, error, error.code)
                reason = f"refused: {error} [{error.code}]"
            except (aiohttp.ClientError, OSError, TimeoutError, EndpointError) as error:
                reason = f"not connected: {error}"
            except CoreError as error:
                self.fault = str(error)
                log.critical("the feed cannot be followed: %s", error)
                return
            except Exception as error:
                # Nobody foresaw it: one message must not end the following of a feed.
                reason = f"failed: {type(error).__name__}: {str(error)[:200]}"
                if self.standing[url] != reason:
                    log.exception("the feed of %s", url)
            if self.standing[url] != reason:
                log.info("the feed of %s: %s", url, reason)
            self.standing[url] = reason
            wait_s = FIRST_WAIT_S if self.blocks > before else min(2 * wait_s, self.longest_wait_s)
            await asyncio.sleep(wait_s)

    async def _read(self, url: str) -> str:
        """Read one connection to its end; return why it ended."""
        head = self.core.head()
        address = url.rstrip("/").replace("ws", "http", 1) if url.startswith("ws") else url.rstrip("/")
        asked = f"{address}/feed?from={head.number + 1}&parent={head.hash}"
        async with self.session.ws_connect(
            asked, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=20.0, compress=0
        ) as socket:
            self.standing[url] = "connected"
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    raise FeedError("malformed", "a message that is not binary")
                if not await self._take(message.data):
                    await socket.close()
                    return "a gap: asking again"
            if socket.close_code == FORKED:
                self.refused.labels("fork").inc()
                return f"a fork: block {head.number} is 0x{head.hash[2:]} here and another there"
            return f"closed by the node: {socket.close_code}"

    async def _take(self, data: bytes) -> bool:
        """Take one block; false when blocks before it are missing."""
        told = decode(data)
        await self._check_signer(told)
        async with self.host.paused():
            head = self.core.head()
            if told.number > head.number + 1:
                return False  # FED-022
            if told.number <= head.number:
                if self._own(told.number) != "0x" + told.hash.hex():
                    raise FeedError("fork", f"block {told.number} is another here: L1 will decide")
                self.signatures.keep(told.hash, told.signature)
                return True
            if "0x" + told.parent.hex() != head.hash:
                raise FeedError("fork", f"block {told.number} does not follow block {head.number} here")
            job = asyncio.get_running_loop().run_in_executor(None, guarded, self.core.insert, told.block)
            try:
                new = await asyncio.shield(job)
            except asyncio.CancelledError:
                await asyncio.wait({job})
                raise
            except CoreError as error:
                if error.code in FAULTS:
                    raise
                raise FeedError("invalid", f"block {told.number}: {error.message}") from error
            self.signatures.keep(told.hash, told.signature)
            self.blocks += 1
            self.taken.inc()
            self.host.advanced(new)
        return True

    def _own(self, number: int) -> str:
        header = orjson.loads(self.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])))
        return str(header["hash"])

    async def _check_signer(self, told: Told) -> None:
        """Refuse what the sequencer did not sign (FED-020); L1 is asked again when it may have changed."""
        signer = signer_of(self.signatures.chain_id, told)
        if signer == self._signer:
            return
        now = asyncio.get_running_loop().time()
        if self._signer is None or now - self._asked_s > SIGNER_S:
            self._asked_s = now
            self._signer = await self._ask_signer()
        if signer != self._signer:
            raise FeedError(
                "signature", f"block {told.number} is signed by 0x{signer.hex()}, not the sequencer"
            )
