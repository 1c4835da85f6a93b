"""What is measured: inclusion under load, latency at a tenth of it, single reads."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from wire import Connection, call, request

if TYPE_CHECKING:
    from systems import Running

POLL_S = 0.02
INCLUSION_TIMEOUT_S = 120.0
LATENCY_S = 5.0
READS = 1500


@dataclass(frozen=True, slots=True)
class Throughput:
    """One load, included."""

    transactions_per_s: float
    """From the first request sent to the last inclusion seen."""
    cpu_us: float
    """CPU time of the server for one transaction, in microseconds."""
    blocks: int


@dataclass(frozen=True, slots=True)
class Latency:
    """From sending a transaction to holding its receipt, in milliseconds."""

    rate_per_s: float
    p50_ms: float
    p99_ms: float


def throughput(running: Running, lanes: list[list[bytes]], count: int) -> Throughput:
    """Send every request, one connection a lane, and wait until all transactions are in blocks.

    Raises:
        RuntimeError: a transaction was refused, or was not included in time.
    """
    watch = running.connection
    number = int(watch.rpc("eth_blockNumber"), 16)
    connections = [Connection(running.port) for _ in lanes]
    faults: list[str] = []

    def send(connection: Connection, requests: list[bytes]) -> None:
        try:
            for prepared in requests:
                answer = connection.exchange(prepared)
                if b'"error"' in answer:
                    faults.append(answer[answer.index(b'"error"') :][:200].decode())
                    return
        except OSError as fault:
            faults.append(str(fault))

    threads = [
        threading.Thread(target=send, args=pair, daemon=True) for pair in zip(connections, lanes, strict=True)
    ]
    cpu_s, started = running.cpu_s(), time.perf_counter()
    for thread in threads:
        thread.start()
    included, blocks = 0, 0
    while included < count:
        head = int(watch.rpc("eth_blockNumber"), 16)
        for height in range(number + 1, head + 1):
            here = int(watch.rpc("eth_getBlockTransactionCountByNumber", hex(height)), 16)
            included += here
            blocks += here > 0
        number = head
        if faults:
            raise RuntimeError(f"{running.system.name} refused: {faults[0]}")
        if time.perf_counter() - started > INCLUSION_TIMEOUT_S:
            raise RuntimeError(f"{running.system.name}: {included} of {count} included in time")
        if included < count:
            time.sleep(POLL_S)
    seconds = time.perf_counter() - started
    cpu_s = running.cpu_s() - cpu_s
    for thread, connection in zip(threads, connections, strict=True):
        thread.join()
        connection.close()
    return Throughput(count / seconds, cpu_s / count * 1e6, blocks)


def latency(running: Running, raws: list[str], rate_per_s: float) -> Latency:
    """Send at a fixed rate by eth_sendRawTransactionSync, whatever is still waiting, and time each answer.

    Raises:
        RuntimeError: a transaction was refused.
    """
    bodies = [json.dumps(call("eth_sendRawTransactionSync", raw)).encode() for raw in raws]
    times_ms = sorted(asyncio.run(_paced(f"http://127.0.0.1:{running.port}/", bodies, rate_per_s)))
    p99 = times_ms[min(len(times_ms) - 1, len(times_ms) * 99 // 100)]
    return Latency(rate_per_s, statistics.median(times_ms), p99)


async def _paced(url: str, bodies: list[bytes], rate_per_s: float) -> list[float]:
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def send(index: int, body: bytes) -> float:
            due = start + index / rate_per_s
            await asyncio.sleep(due - loop.time())
            async with session.post(url, data=body) as response:
                answer = await response.read()
            if b'"error"' in answer:
                raise RuntimeError(f"refused: {answer[:300]!r}")
            return (loop.time() - due) * 1000

        return await asyncio.gather(*(send(index, body) for index, body in enumerate(bodies)))


def reads(running: Running, method: str, *params: object) -> float:
    """Return how many calls a second one connection gets, one after another.

    Raises:
        RuntimeError: the call fails.
    """
    running.connection.rpc(method, *params)
    prepared = request(json.dumps(call(method, *params)).encode())
    started = time.perf_counter()
    for _ in range(READS):
        running.connection.exchange(prepared)
    return READS / (time.perf_counter() - started)
