"""A real L1 to test against, anvil, and a proxy before it that lies, stalls and forgets when told to."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from subprocess import DEVNULL
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from tests.e2e.network import free_port, program

CHAIN_ID = 31337
KEYS = (
    bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
)
"""Of anvil's first accounts."""
START_S = 180.0
ALL_STATES = ("--prune-history", "5000")
"""For many reorgs: anvil does not find its way back to states that it has put away after 500 blocks."""

Fault = Callable[[str, Any, Any], Any]
"""Given method, parameters and the true result, returns what the proxy says; may raise `AnsweredError`."""


Question = Callable[[str, Any], Any]
"""Given method and parameters, returns those that the node is asked in their place."""


class AnsweredError(Exception):
    """What a fault raises to have a request refused: JSON-RPC code and message."""


@dataclass(slots=True)
class Anvil:
    """A running anvil."""

    url: str
    session: aiohttp.ClientSession

    async def call(self, method: str, *params: Any) -> Any:
        """Return a result; errors of the node fail the test."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.url, json=body) as response:
            answer = await response.json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    async def mine(self, blocks: int = 1) -> None:
        """Make blocks, one second after another."""
        await self.call("anvil_mine", hex(blocks), hex(1))

    async def reorg(self, depth: int) -> None:
        """Put as many empty blocks in the place of the newest ones."""
        await self.call("anvil_reorg", depth, [])


@asynccontextmanager
async def anvil(*options: str) -> AsyncIterator[Anvil]:
    """Run anvil with a block for each transaction."""
    port = free_port()
    command = [program("anvil"), "--silent", "--port", str(port), "--hardfork", "osaka", *options]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with aiohttp.ClientSession() as session:
            node = Anvil(f"http://127.0.0.1:{port}", session)
            async with asyncio.timeout(START_S):
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        await node.call("eth_chainId")
                        break
                    await asyncio.sleep(0.05)
            yield node
    finally:
        process.terminate()
        await process.wait()


@dataclass(slots=True)
class Proxy:
    """Hands requests on to a node; `fault` may change each answer, `question` what is asked."""

    target: str
    url: str = ""
    fault: Fault | None = None
    question: Question | None = None
    stall_s: float = 0.0
    stalls: bytes = b""
    """Only requests with this in path or body take `stall_s`."""
    status: int = 200
    asked: list[str] = field(default_factory=list)
    session: aiohttp.ClientSession | None = None
    pages: dict[str, Any] = field(default_factory=dict)
    """What to answer to GET by path, without asking the node."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request."""
        if request.method == "GET":
            self.asked.append(request.path)  # before it is answered: who asked may go on without the answer
        if self.stall_s and self.stalls in request.path_qs.encode() + await request.read():
            await asyncio.sleep(self.stall_s)
        if self.status != 200:
            return web.Response(status=self.status)
        if request.method == "GET" and request.path in self.pages:
            return web.json_response(self.pages[request.path])
        assert self.session is not None
        body = self._asked_for(await request.read())
        url = self.target + request.path_qs
        json = {"content-type": "application/json"}
        async with self.session.request(request.method, url, data=body, headers=json) as answer:
            raw, status = await answer.read(), answer.status
        if request.method == "GET":
            if self.fault is not None and status == 200:
                changed = self.fault(request.path, None, orjson.loads(raw))
                raw = orjson.dumps(changed)
            return web.Response(body=raw, status=status, content_type="application/json")
        asked, told = orjson.loads(body), orjson.loads(raw)
        pairs = zip(asked, told, strict=True) if isinstance(asked, list) else [(asked, told)]
        for question, result in pairs:
            self.asked.append(question["method"])
            if self.fault is not None and "result" in result:
                truth = copy.deepcopy(result["result"])
                try:
                    result["result"] = self.fault(question["method"], question["params"], truth)
                except AnsweredError as error:
                    del result["result"]
                    result["error"] = dict(zip(("code", "message"), error.args, strict=True))
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    def _asked_for(self, body: bytes) -> bytes:
        if self.question is None or not body:
            return body
        asked = orjson.loads(body)
        for one in asked if isinstance(asked, list) else [asked]:
            one["params"] = self.question(one["method"], one["params"])
        return orjson.dumps(asked)


@asynccontextmanager
async def proxy(target: str) -> AsyncIterator[Proxy]:
    """Run a proxy before a node."""
    one = Proxy(target)
    application = web.Application(client_max_size=1 << 26)
    application.router.add_route("*", "/{path:.*}", one.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        one.session = session
        try:
            yield one
        finally:
            await runner.cleanup()
