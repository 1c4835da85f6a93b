"""A gateway served on this machine beside a devnet, over SQLite and over PostgreSQL."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
import uvicorn
from tests.node.conftest import PATIENCE_S, Devnet, devnet_at

from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway import service
from trex.gateway.attestor import remote
from trex.gateway.http.app import make_app
from trex.gateway.keys import Keys, Secret
from trex.gateway.service import Gateway
from trex.gateway.settings import Settings
from trex.web.limits import Rate

KEYS = Keys(
    relayer=Secret(ACCOUNTS[5].key),
    attestors=tuple(Secret(ACCOUNTS[place].key) for place in (7, 8, 9)),
    nullifier=Secret(b"\x01" * 32),
    sealing=Secret(b"\x02" * 32),
    issuer=Secret(b"\x03" * 32),
)
"""Of the devnet: its accounts 7 to 9 are the validator set."""
PLENTY = Rate(100_000, 100_000.0)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members of the validator set and the chain have all the time that a busy machine takes."""
    monkeypatch.setattr(remote, "ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(service, "RPC_S", PATIENCE_S)


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with devnet_at(tmp_path_factory.mktemp("gateway-chain") / "data") as running:
        yield running


def postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server of our own, on a socket in a folder of our own."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine")
    folder = Path(tempfile.mkdtemp(prefix="trex-pg-"))
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "postgres"
        shutil.chown(folder, user)
    name = user or pwd.getpwuid(os.geteuid()).pw_name
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", name, "--no-sync"],
        user=user,
        check=True,
        capture_output=True,
        cwd="/",
    )
    server = subprocess.Popen(
        [
            programs / "postgres",
            "-D",
            folder / "data",
            "-k",
            folder,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ],
        user=user,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    try:
        for _ in range(1_800):
            ready = subprocess.run(
                [programs / "pg_isready", "-h", folder, "-U", name], capture_output=True, check=False
            )
            if ready.returncode == 0:
                break
            time.sleep(0.1)
        yield f"postgresql://{name}@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        server.wait(180)
        shutil.rmtree(folder, ignore_errors=True)


def new_postgres_database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    return new_postgres_database(request.getfixturevalue("postgres"), f"t{os.urandom(6).hex()}")


@dataclass
class Served:
    """A gateway that listens."""

    gateway: Gateway
    url: str
    http: aiohttp.ClientSession

    async def post(self, path: str, body: Any = None, expect: int = 200, **options: Any) -> Any:
        async with self.http.post(self.url + path, json=body, **options) as answer:
            text = await answer.text()
            assert answer.status == expect, (answer.status, text)
            return await answer.json(content_type=None) if text else None

    async def get(self, path: str, expect: int = 200, **options: Any) -> Any:
        async with self.http.get(self.url + path, **options) as answer:
            text = await answer.text()
            assert answer.status == expect, (answer.status, text)
            return await answer.json(content_type=None) if answer.content_type.endswith("json") else text


def free_socket(port: int = 0) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@contextlib.asynccontextmanager
async def serving(settings: Settings, port: int = 0, **options: Any) -> AsyncIterator[Served]:
    """Serve a gateway with these settings; its public URL is where it listens."""
    listener = free_socket(port)
    url = f"http://localhost:{listener.getsockname()[1]}"
    gateway = Gateway(replace(settings, public_url=url), options.pop("keys", KEYS), **options)
    config = uvicorn.Config(
        make_app(gateway), log_config=None, access_log=False, lifespan="on", proxy_headers=False
    )
    server = uvicorn.Server(config)
    with listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if task.done():
                await task
                raise AssertionError("the gateway did not start")
            await asyncio.sleep(0.01)
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
                yield Served(gateway, url.replace("localhost", "127.0.0.1"), http)
        finally:
            server.should_exit = True
            await task


def settings_for(devnet: Devnet, database_url: str, **more: Any) -> Settings:
    found = Settings("http://localhost", database_url, devnet.url, requests=PLENTY, costly=PLENTY)
    return replace(found, **more)


@pytest.fixture
async def served(devnet: Devnet, database_url: str) -> AsyncIterator[Served]:
    async with serving(settings_for(devnet, database_url)) as running:
        yield running
