"""The engine's HTTP service over a lake of forty people, asked as projects ask it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from tests.engine.lake.book import NOW, Book, check

from trex.engine.bi import state
from trex.engine.bi.http.app import make_app
from trex.engine.bi.service import QUOTA, Bi, BiSettings
from trex.engine.lake.gold import refresh
from trex.engine.lake.lake import Lake
from trex.web.limits import Rate

PLENTY = Rate(100_000, 100_000.0)


def fill(folder: Path) -> Lake:
    """Forty people with wallets; all but the last four agreed to be found, the first thirty to be exported.

    Passport `n` called a pool `n` times, today, and swapped once eight days ago if it is even.
    """
    lake = Lake(folder / "lake")
    with Book(lake) as book:
        vip = [check("zktls.level", "okx-vip-level", atLeast=str(level)) for level in (2, 3)]
        exchange = book.policy(1, "Whale", vip)
        for number in range(1, 41):
            name, wallet = str(number), f"0x{number:02x}"
            book.link(100, name, wallet, "created")
            book.badge(5, name, exchange, level=2 if number > 15 else 1)
            if number <= 36:
                book.consent(3, name)
            if number <= 30:
                told = {"passport": name, "purpose": "export", "project": "*", "given": True}
                book.write("consents", 3, **told)
            for _ in range(number):
                book.called(0, wallet, "0xdef1", "swap", "defi")
            if number % 2 == 0:
                book.called(8, wallet, "0xdef1", "mint", "nft")
    refresh(lake, NOW)
    return lake


@dataclass
class Asker:
    """A project's client."""

    bi: Bi
    http: aiohttp.ClientSession
    key: str

    async def ask(self, method: str, path: str, body: Any = None, expect: int = 200, **options: Any) -> Any:
        """Ask; return the answer's JSON, or its bytes."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        async with self.http.request(method, f"/bi/v1{path}", json=body, headers=headers, **options) as found:
            raw = await found.read()
            assert found.status == expect, (found.status, raw)
            return await found.json(content_type=None) if found.content_type.endswith("json") else raw


@dataclass
class Served:
    """A service that runs."""

    bi: Bi
    http: aiohttp.ClientSession

    async def project(self, name: str, quota: int = QUOTA) -> Asker:
        """Make a key of a project."""
        async with self.bi.database.transaction() as tx:
            key = await state.new_key(tx, name, "test", quota, NOW)
        return Asker(self.bi, self.http, key)


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[Served]:
    """Run a service over a folder's lake; its clock stands at the lake's newest fact."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://localhost:{listener.getsockname()[1]}"
    bi = Bi(BiSettings(folder, url, requests=PLENTY, **options), clock=lambda: NOW)
    server = uvicorn.Server(uvicorn.Config(make_app(bi), log_config=None, lifespan="on"))
    running = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            assert not running.done(), "it did not start"
            await asyncio.sleep(0.01)
        async with aiohttp.ClientSession(url) as http:
            yield Served(bi, http)
    finally:
        server.should_exit = True
        await running
        listener.close()
