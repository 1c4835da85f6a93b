"""A chain of attacks behind JSON-RPC, for those who reach chains by HTTP alone."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from aiohttp import web
from tests.adversarial.chain import Chain

from trex.types.errors import RpcError

Lie = Callable[[str, list[Any], Any], Any]
"""What an endpoint answers in place of the truth: method, parameters, the true answer."""


@contextlib.asynccontextmanager
async def endpoint(chain: Chain, lie: Lie | None = None) -> AsyncIterator[str]:
    """Serve a chain; transactions that come in are in a block when they are answered."""

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        method, params = asked["method"], asked.get("params", [])
        told: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        try:
            if method == "eth_sendRawTransaction":
                (found,) = chain.core.submit(params)
                if isinstance(found, RpcError):
                    raise found
                chain.core.build(chain.core.head().slot + 1, allow_empty=False, budget_ms=1000)
            else:
                found = chain.rpc(method, *params)
        except RpcError as error:
            return told | {"error": {"code": error.code, "message": error.message, "data": error.data}}
        return told | {"result": found if lie is None else lie(method, params, found)}

    async def handle(request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        found = [answer(one) for one in asked] if isinstance(asked, list) else answer(asked)
        return web.Response(body=orjson.dumps(found), content_type="application/json")

    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
