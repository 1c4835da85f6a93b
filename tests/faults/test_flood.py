"""Flood mempool, subscriptions and batches at once: memory stays bounded, and honest users are served."""

import asyncio
import io
import json
import os
import random
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.faults.child import Devnet, hash_of, transfer

from trex._core import sign_transaction  # noqa: TID251
from trex.chain.dev.accounts import ACCOUNTS

MEMORY_BYTES = 1536 << 20
INCLUSION_S = 30.0
"""The machine is also busy with the flood itself."""
HONEST = 9
TO = "0x" + "77" * 20
SOCKETS = 60
SUBSCRIPTIONS = 40


class Flood:
    """Clients of bad will, until told to end."""

    def __init__(self, node: Devnet, http: aiohttp.ClientSession) -> None:
        self.node = node
        self.http = http
        self.url = f"http://127.0.0.1:{node.port}"
        self.over = asyncio.Event()
        self.sent: dict[str, int] = {}
        self.chance = random.Random(7)

    def count(self, what: str, number: int) -> None:
        self.sent[what] = self.sent.get(what, 0) + number

    async def post(self, calls: list[dict[str, Any]]) -> list[Any] | dict[str, Any]:
        """Send a batch; being refused is as good an answer as any, but it must be JSON."""
        timeout = aiohttp.ClientTimeout(total=300)
        body, headers = io.BytesIO(json.dumps(calls).encode()), {"Content-Type": "application/json"}
        async with self.http.post(self.url, data=body, headers=headers, timeout=timeout) as response:
            assert response.status in (200, 413, 503), response.status
            answer: list[Any] | dict[str, Any] = json.loads(await response.read())
            return answer

    async def junk(self) -> None:
        """Send transactions that are no transactions, unfunded, underpriced, or wait for a nonce."""
        gap = 1_000
        while not self.over.is_set():
            raws = ["0x02" + secrets.token_hex(150) for _ in range(100)]
            raws += ["0x" + "c0" * 20_000, "0x", "0x7e" + "00" * 50]
            raws += [transfer(1, gap + number, TO, 1) for number in range(150)]
            raws += [
                transfer(2, number, TO, 1, maxFeePerGas="0x0", maxPriorityFeePerGas="0x0")
                for number in range(50)
            ]
            raws += [stranger(self.chance.randrange(1 << 20)) for _ in range(100)]
            gap += 150
            calls = [call("eth_sendRawTransaction", [raw]) for raw in raws]
            await self.post(calls)
            self.count("junk transactions", len(raws))

    async def bombs(self) -> None:
        """Send batches that are long, heavy, or both."""
        kinds = (
            [call("eth_getBlockByNumber", ["latest", True])] * 1000,
            [call("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])] * 300,
            [call("debug_traceBlockByNumber", ["latest"])] * 200,
            # An endless loop: JUMPDEST PUSH1 0 JUMP.
            [call("eth_call", [{"data": "0x5b600056", "gas": "0x1c9c380"}, "latest"])] * 20,
            [call("rpc.discover", [])] * 1000,
            [call("eth_chainId", [])] * 50_000,
            [{"not": "a call"}] * 1000,
        )
        while not self.over.is_set():
            kind = self.chance.choice(kinds)
            await self.post(kind)
            self.count("calls in batches", len(kind))

    async def subscribe(self) -> None:
        """Subscribe to everything, ever again, and read nothing of what comes."""
        kinds: list[list[Any]] = [["newHeads"], ["logs", {}], ["newPendingTransactions", True], ["syncing"]]
        while not self.over.is_set():
            with suppress(aiohttp.ClientError, ConnectionError):
                async with self.http.ws_connect(self.url.replace("http", "ws"), max_msg_size=0) as socket:
                    for number in range(SUBSCRIPTIONS):
                        params = kinds[number % len(kinds)]
                        await socket.send_str(json.dumps(call("eth_subscribe", params)))
                    self.count("subscriptions", SUBSCRIPTIONS)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.over.wait(), 5)


def call(method: str, params: list[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def stranger(number: int) -> str:
    """Return a transfer of an account that owns nothing."""
    fields = {
        "chainId": "0x7aa",
        "nonce": "0x0",
        "to": TO,
        "value": "0x1",
        "gas": "0x5208",
        "gasPrice": "0x174876e800",
    }
    return sign_transaction(json.dumps(fields).encode(), (number + 1).to_bytes(32, "big"))


async def honest(node: Devnet, http: aiohttp.ClientSession, seconds: float) -> list[float]:
    """Send one transfer after another and return how long each took to its receipt."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        raw = transfer(HONEST, len(took), TO, 1)
        began = time.monotonic()
        body = call("eth_sendRawTransactionSync", [raw, int(INCLUSION_S * 1000)])
        timeout = aiohttp.ClientTimeout(total=INCLUSION_S + 60)
        async with http.post(f"http://127.0.0.1:{node.port}", json=body, timeout=timeout) as response:
            answer = await response.json()
        assert "result" in answer, (answer, took)
        assert answer["result"]["transactionHash"] == hash_of(raw)
        assert answer["result"]["status"] == "0x1"
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.2)
    return took


async def measure(node: Devnet, over: asyncio.Event) -> int:
    """Return the most memory that the node took."""
    most = 0
    while not over.is_set():
        most = max(most, node.memory_bytes())
        assert most < MEMORY_BYTES, f"{most >> 20} MiB resident"
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.2)
    return most


async def flood(node: Devnet, seconds: float) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as bad,
        aiohttp.ClientSession() as good,
    ):
        attack = Flood(node, bad)
        async with asyncio.TaskGroup() as group:
            memory = group.create_task(measure(node, attack.over))
            for _ in range(2):
                group.create_task(attack.junk())
                group.create_task(attack.bombs())
            for _ in range(SOCKETS):
                group.create_task(attack.subscribe())
            took = await honest(node, good, seconds)
            attack.over.set()
        print(  # noqa: T201
            f"{attack.sent}; honest transfers {len(took)}, slowest {max(took):.2f} s;"
            f" most memory {memory.result() >> 20} MiB"
        )
    assert took
    assert node.alive()
    logged = node.logged()
    assert "Traceback" not in logged, logged[-3000:]
    assert "panicked" not in logged, logged[-3000:]
    assert int(node.call("eth_getTransactionCount", [ACCOUNTS[HONEST].address, "latest"]), 16) == len(took)


async def test_flood_leaves_room_for_honest_users(tmp_path: Path) -> None:
    with Devnet(tmp_path / "chain", tmp_path / "log", "--cache-mb", "64") as node:
        await flood(node, 8)


@pytest.mark.long
async def test_flood_of_minutes_leaves_room_for_honest_users(tmp_path: Path) -> None:
    with Devnet(tmp_path / "chain", tmp_path / "log", "--cache-mb", "64") as node:
        await flood(node, float(os.environ.get("TREX_FAULT_SECONDS") or 180))
