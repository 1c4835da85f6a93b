"""Listen to a chain: woken by its websocket, and by the clock where that is silent."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import orjson
from prometheus_client import CollectorRegistry, Gauge

from trex.engine.ingest.evm import EvmReader, Heads
from trex.engine.ingest.follow import Follower
from trex.engine.ingest.topics import RAW
from trex.engine.pipeline.log import Log, LogError, backlog
from trex.rpc.errors import EndpointError

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Wait after a fault."""
HIGH_WATER = 2_000
"""Unread raw blocks ahead of which listening waits (LOG-008)."""


@dataclass(frozen=True, slots=True)
class EvmSource:
    """One EVM chain to listen to."""

    name: str
    """What its events are said to be from, `evm:1962`."""
    chain: int
    """By EIP-155."""
    rpc: tuple[str, ...]
    """HTTP endpoints, the first preferred."""
    websocket: str | None = None
    """Where new heads are announced; None polls only."""
    first: int = 0
    """First block of interest."""
    poll_s: float = 1.0
    """Longest wait between two looks."""


@dataclass(slots=True)
class SourceMetrics:
    """What is told of sources (LOG-009)."""

    behind: Gauge
    """Blocks between the chain's newest and what was read."""
    fill_left: Gauge
    """Blocks still to be filled back."""
    finalized: Gauge
    """Newest final block."""
    failures: Gauge
    """1 while no endpoint answers well."""

    @classmethod
    def on(cls, registry: CollectorRegistry) -> "SourceMetrics":
        """Make them on a registry."""

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"trex_engine_source_{name}", text, ["source"], registry=registry)

        return cls(
            gauge("behind", "Blocks not yet read"),
            gauge("fill_left", "Blocks still to be filled back"),
            gauge("finalized", "Newest final block"),
            gauge("failing", "1 while no endpoint answers well"),
        )


async def listen(
    source: EvmSource,
    events: Log,
    metrics: SourceMetrics,
    *,
    readers: tuple[str, ...] = (),
    until_idle: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Listen until cancelled; after a fault, from the last commit on.

    Args:
        source: which chain.
        events: the log.
        metrics: filled in.
        readers: groups that read raw blocks: listening waits for the slowest of them.
        until_idle: stop when the chain's head has been read and nothing is left to fill back.
        progress: told how many blocks are filled back, and how many there are.

    Raises:
        ReplacedError: a final block was replaced; the source must be read anew.
    """
    async with aiohttp.ClientSession() as session:
        reader = EvmReader(source.name, source.chain, source.rpc, session)
        while True:
            follower = await asyncio.to_thread(
                Follower, reader, events, source.first, saw=_saw(source.name, metrics)
            )
            try:
                await follower.start()
                async with asyncio.TaskGroup() as group:
                    woken = asyncio.Event()
                    bell = group.create_task(_bell(source, session, woken))
                    filling = group.create_task(_fill(source, follower, metrics, progress))
                    await _follow(source, follower, events, metrics, woken, readers, until_idle)
                    await filling
                    bell.cancel()
                return
            except* (LogError, EndpointError) as faults:
                metrics.failures.labels(source.name).set(1)
                log.warning("%s: starting again: %s", source.name, faults.exceptions[0])
                await asyncio.sleep(PAUSE_S)
            finally:
                follower.close()


async def _follow(
    source: EvmSource,
    follower: Follower,
    events: Log,
    metrics: SourceMetrics,
    woken: asyncio.Event,
    readers: tuple[str, ...],
    until_idle: bool,
) -> None:
    while True:
        woken.clear()
        while await follower.step():
            metrics.failures.labels(source.name).set(0)
            while await asyncio.to_thread(backlog, events, readers, RAW.name) > HIGH_WATER:  # noqa: ASYNC110
                await asyncio.sleep(source.poll_s)
        metrics.failures.labels(source.name).set(0)
        if until_idle:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), source.poll_s)


async def _fill(
    source: EvmSource,
    follower: Follower,
    metrics: SourceMetrics,
    progress: Callable[[int, int], None] | None,
) -> None:
    started_s, before = time.monotonic(), follower.left

    def told(done: int, total: int) -> None:
        metrics.fill_left.labels(source.name).set(total - done)
        spent_s = time.monotonic() - started_s
        filled = before - (total - done)
        left_s = spent_s / max(1, filled) * (total - done)
        log.info("%s: filled back %d of %d blocks, %.0f s left", source.name, done, total, left_s)
        if progress:
            progress(done, total)

    metrics.fill_left.labels(source.name).set(before)
    await follower.fill(told)


async def _bell(source: EvmSource, session: aiohttp.ClientSession, woken: asyncio.Event) -> None:
    """Ring at each new head that the websocket announces; what it says of it is not used."""
    if source.websocket is None:
        return
    ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
    while True:
        try:
            async with session.ws_connect(source.websocket, heartbeat=20, max_msg_size=1 << 20) as socket:
                await socket.send_bytes(orjson.dumps(ask))
                async for _ in socket:
                    woken.set()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("%s: no websocket, polling: %s", source.name, type(error).__name__)
        await asyncio.sleep(PAUSE_S)


def _saw(name: str, metrics: SourceMetrics) -> Callable[[Heads, int], None]:
    def saw(heads: Heads, following: int) -> None:
        metrics.behind.labels(name).set(max(0, heads.latest.number + 1 - following))
        if heads.finalized is not None:
            metrics.finalized.labels(name).set(heads.finalized.number)

    return saw
