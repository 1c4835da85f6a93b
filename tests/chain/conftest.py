"""A node over a small chain, and a client that speaks JSON-RPC to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
import uvloop
from tests.chain.small_chain import SmallChain, SmallSigner

from trex.chain.assembly import Node, NodeSettings


class Client:
    """Speaks JSON-RPC, well or badly."""

    def __init__(self, node: Node, chain: SmallChain, http: aiohttp.ClientSession) -> None:
        self.node = node
        self.chain = chain
        self.http = http
        self.url = f"http://127.0.0.1:{node.server.port}"

    async def raw(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        sent = {"Content-Type": "application/json", **headers}
        async with self.http.post(self.url, data=body, headers=sent) as answer:
            return answer.status, await answer.read()

    async def send(self, message: Any) -> Any:
        status, body = await self.raw(orjson.dumps(message))
        assert status == 200, body
        return orjson.loads(body) if body else None

    async def answer(self, method: str, *params: Any) -> dict[str, Any]:
        answer = await self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        assert isinstance(answer, dict)
        return answer

    async def call(self, method: str, *params: Any) -> Any:
        answer = await self.answer(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, *params: Any) -> dict[str, Any]:
        answer = await self.answer(method, *params)
        assert "result" not in answer, answer
        error = answer["error"]
        assert isinstance(error, dict)
        return error

    async def by_hand(self) -> None:
        """Let blocks be made on request only, from now on: none is in the making any more."""
        await self.call("evm_setAutomine", False)
        async with self.node.producer.paused():
            pass

    def websocket(self, **options: Any) -> Any:
        return self.http.ws_connect(self.url, **options)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the node runs on: its transports are not asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


PATIENCE_S = 180.0
"""For a machine that is busy with other things."""


async def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


Start = Callable[..., Awaitable[Client]]


@asynccontextmanager
async def serving(chain: SmallChain, dev: bool, **settings: Any) -> AsyncIterator[Client]:
    node = Node(chain, NodeSettings(port=0, **settings), dev=(chain, SmallSigner()) if dev else None)
    started = asyncio.Event()
    task = asyncio.create_task(node.run(started.set))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    try:
        async with aiohttp.ClientSession() as http:
            yield Client(node, chain, http)
    finally:
        node.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def make(chain: SmallChain | None = None, *, dev: bool = False, **settings: Any) -> Client:
            return await stack.enter_async_context(serving(chain or SmallChain(), dev, **settings))

        yield make


@pytest.fixture
async def client(start: Start) -> Client:
    return await start()


@pytest.fixture
async def dev(start: Start) -> Client:
    return await start(dev=True)
