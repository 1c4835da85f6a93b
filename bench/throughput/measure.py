"""What is measured: inclusion under load, latency at shares of it, single reads."""

from __future__ import annotations

import json
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wire import Connection, call, request
from workload import batches

if TYPE_CHECKING:
    from systems import Running

POLL_S = 0.02
LATENCY_POLL_S = 0.005
INCLUSION_TIMEOUT_S = 120.0
REQUESTS_PER_S = 50
"""How often one connection sends at most when it is paced."""
BATCH_MAX = 100
READS = 1500
RESULT = b'"result":"0x'


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
    """From when a transaction was due to be sent until a block with it can be read, in milliseconds."""

    rate_per_s: float
    p50_ms: float
    p99_ms: float


class Senders:
    """Threads that send prepared requests, one for each connection, and keep what was answered."""

    def __init__(self, port: int, lanes: list[list[bytes]], pause_s: float = 0.0) -> None:
        """Connect.

        Args:
            port: of the server.
            lanes: requests, by connection.
            pause_s: time from one request of a connection to its next; 0 sends as fast as answers come.
        """
        self.faults: list[str] = []
        self.answers: list[list[bytes]] = [[] for _ in lanes]
        self._connections = [Connection(port) for _ in lanes]
        self._pause_s = pause_s
        self._start = 0.0
        self._threads = [
            threading.Thread(target=self._send, args=(index, lane), daemon=True)
            for index, lane in enumerate(lanes)
        ]

    def start(self) -> float:
        """Send; return when the first requests were due, as time.perf_counter has it."""
        self._start = time.perf_counter()
        for thread in self._threads:
            thread.start()
        return self._start

    def join(self) -> None:
        """Wait for the last answer."""
        for thread, connection in zip(self._threads, self._connections, strict=True):
            thread.join()
            connection.close()

    def _send(self, index: int, lane: list[bytes]) -> None:
        exchange, answers = self._connections[index].exchange, self.answers[index]
        try:
            for turn, prepared in enumerate(lane):
                if (
                    self._pause_s
                    and (early_s := self._start + turn * self._pause_s - time.perf_counter()) > 0
                ):
                    time.sleep(early_s)
                answer = exchange(prepared)
                answers.append(answer)
                if b'"error"' in answer:
                    self.faults.append(answer[answer.index(b'"error"') :][:200].decode())
                    return
        except OSError as fault:
            self.faults.append(str(fault))


class Head:
    """Follows a chain's newest block."""

    def __init__(self, running: Running) -> None:
        """Start at the newest block of now."""
        self._running = running
        self._number = int(running.connection.rpc("eth_blockNumber"), 16)
        self._deadline = time.perf_counter() + INCLUSION_TIMEOUT_S

    def news(self, faults: list[str]) -> list[int]:
        """Return the numbers of the blocks made since the last time.

        Raises:
            RuntimeError: a transaction was refused, or time is up.
        """
        name = self._running.system.name
        if faults:
            raise RuntimeError(f"{name} refused: {faults[0]}")
        if time.perf_counter() > self._deadline:
            raise RuntimeError(f"{name}: transactions were not included in time")
        newest = int(self._running.connection.rpc("eth_blockNumber"), 16)
        known, self._number = self._number, newest
        return list(range(known + 1, newest + 1))


def throughput(running: Running, lanes: list[list[bytes]], count: int) -> Throughput:
    """Send every request, one connection a lane, and wait until all transactions are in blocks.

    Raises:
        RuntimeError: a transaction was refused, or was not included in time.
    """
    head, sending = Head(running), Senders(running.port, lanes)
    cpu_s = running.cpu_s()
    started = sending.start()
    included, blocks = 0, 0
    while included < count:
        for height in head.news(sending.faults):
            here = int(running.connection.rpc("eth_getBlockTransactionCountByNumber", hex(height)), 16)
            included += here
            blocks += here > 0
        if included < count:
            time.sleep(POLL_S)
    seconds = time.perf_counter() - started
    cpu_s = running.cpu_s() - cpu_s
    sending.join()
    hashes = sum(answer.replace(b" ", b"").count(RESULT) for lane in sending.answers for answer in lane)
    if hashes != count:
        raise RuntimeError(f"{running.system.name} answered {hashes} hashes to {count} transactions")
    return Throughput(count / seconds, cpu_s / count * 1e6, blocks)


def latency(running: Running, lanes: list[list[str]], rate_per_s: float) -> Latency:
    """Send at a fixed rate, whatever still waits, and look when blocks with the transactions can be read.

    Raises:
        RuntimeError: a transaction was refused, or was not included in time.
    """
    count = sum(map(len, lanes))
    size = min(BATCH_MAX, max(1, round(rate_per_s / len(lanes) / REQUESTS_PER_S)))
    pause_s = size * len(lanes) / rate_per_s
    sending = Senders(running.port, [batches(lane, size) for lane in lanes], pause_s)
    head = Head(running)
    seen: list[tuple[float, bytes]] = []
    included = 0
    started = sending.start()
    while included < count:
        for height in head.news(sending.faults):
            asked = json.dumps(call("eth_getBlockByNumber", hex(height), False)).encode()
            block = running.connection.exchange(request(asked))
            seen.append((time.perf_counter(), block))
            included += len(json.loads(block)["result"]["transactions"])
        if included < count:
            time.sleep(LATENCY_POLL_S)
    sending.join()
    due = {
        answer["result"]: started + turn * pause_s
        for lane in sending.answers
        for turn, answers in enumerate(lane)
        for answer in json.loads(answers)
    }
    if len(due) != count:
        raise RuntimeError(f"{running.system.name} answered {len(due)} hashes to {count} transactions")
    waits_ms = sorted(
        (when - due[tx_hash]) * 1000
        for when, block in seen
        for tx_hash in json.loads(block)["result"]["transactions"]
        if tx_hash in due
    )
    p99 = waits_ms[min(len(waits_ms) - 1, len(waits_ms) * 99 // 100)]
    return Latency(rate_per_s, statistics.median(waits_ms), p99)


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
