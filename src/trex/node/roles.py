"""What the commands of settlement's roles share: their options, their life in a process, their health."""

import asyncio
import dataclasses
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click
import orjson
import uvloop
from aiohttp import web
from eth_account.signers.local import LocalAccount
from prometheus_client import CollectorRegistry, generate_latest

from trex.node.options import FILE, option
from trex.rpc.endpoint import Endpoint
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.transaction import account_of
from trex.types.network import Network
from trex.types.network_file import NetworkFileError, read_network
from trex.types.primitives import Wei

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
GWEI = 10**9
L1_TIMEOUT_S = 20.0
NODE_TIMEOUT_S = 60.0


class GweiAmount(click.ParamType[Wei]):
    """A price in gwei, with decimals."""

    name = "gwei"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Wei:
        """Read it."""
        if isinstance(value, int):
            return Wei(value)
        try:
            wei = int(float(value) * GWEI)
        except (OverflowError, ValueError):
            self.fail(f"{value!r} is no amount of gwei", param, ctx)
        if wei < 1:
            self.fail("at least one wei", param, ctx)
        return Wei(wei)


def role_options(command: F) -> F:
    """Add the options that every role has."""
    for add in reversed(
        (
            option("--network", required=True, type=FILE, help="The network file, with its section l1."),
            option(
                "--l1",
                "l1_urls",
                multiple=True,
                required=True,
                metavar="URL",
                help="JSON-RPC endpoint of L1; repeat it for several, of which a majority is believed.",
            ),
            option(
                "--node",
                "node_urls",
                multiple=True,
                default=("http://127.0.0.1:9545",),
                show_default=True,
                metavar="URL",
                help="JSON-RPC endpoint of this chain's node.",
            ),
            option("--key", required=True, type=FILE, help="File with the account's private key, in hex."),
            option(
                "--metrics-port",
                type=click.IntRange(0, 65535),
                help="Port of /metrics and /health on 127.0.0.1: 0 takes a free one; none by default.",
            ),
            option(
                "--max-fee",
                type=GweiAmount(),
                default="500",
                show_default=True,
                help="Offer at most this for L1 gas, in gwei.",
            ),
            option("--log-json", is_flag=True, help="One JSON object a line."),
        )
    ):
        command = add(command)
    return command


def read_role_network(path: Path) -> Network:
    """Read a network file as a role needs it.

    Raises:
        click.ClickException: it is malformed, or has no section l1.
    """
    try:
        network = read_network(path.read_bytes())
    except NetworkFileError as error:
        raise click.ClickException(f"{path}: {error}") from error
    if network.l1 is None:
        raise click.ClickException(f"{path} has no section l1: `trex l1 deploy` writes one")
    return network


def read_key(path: Path) -> LocalAccount:
    """Read the account of a key in a file.

    Raises:
        click.ClickException: it holds no key; the file's content is not shown.
    """
    try:
        return account_of(bytes.fromhex(path.read_text().strip().removeprefix("0x")))
    except Exception as error:  # the library raises what it likes
        raise click.ClickException(f"{path}: not a private key of 32 bytes in hex") from error


@asynccontextmanager
async def endpoints(l1_urls: tuple[str, ...], network: Network) -> AsyncIterator[tuple[L1Reader, Any]]:
    """L1 by its endpoints, and what makes endpoints of nodes."""
    assert network.l1 is not None
    async with aiohttp.ClientSession() as session:
        reader = L1Reader(
            [Endpoint(url, session, timeout_s=L1_TIMEOUT_S) for url in l1_urls], network.l1.chain_id
        )
        yield reader, lambda url: Endpoint(url, session, timeout_s=NODE_TIMEOUT_S)


def live(
    work: Callable[[asyncio.Event], Awaitable[None]],
    *,
    metrics_port: int | None,
    registry: CollectorRegistry,
    state: Callable[[], Any],
) -> None:
    """Run a role until SIGINT or SIGTERM.

    Args:
        work: the role; returns when the event is set.
        metrics_port: of /metrics and /health; None for none.
        registry: what /metrics shows.
        state: what /health shows: a dataclass with `trouble`.

    Raises:
        click.ClickException: the port is taken.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if metrics_port is None:
            await work(stop)
            return
        async with _watched(metrics_port, registry, state):
            await work(stop)

    try:
        uvloop.run(main())
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on 127.0.0.1:{metrics_port}: {error.strerror or error}"
        ) from error


@asynccontextmanager
async def _watched(port: int, registry: CollectorRegistry, state: Callable[[], Any]) -> AsyncIterator[None]:
    """Serve /metrics and /health on the loopback."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), content_type="text/plain", charset="utf-8")

    async def health(_: web.Request) -> web.Response:
        now = state()
        body = orjson.dumps(dataclasses.asdict(now), default=lambda value: "0x" + bytes(value).hex())
        return web.Response(
            body=body, status=200 if now.trouble is None else 503, content_type="application/json"
        )

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/health", health)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        log.info("metrics on http://127.0.0.1:%d/metrics", runner.addresses[0][1])
        yield
    finally:
        await runner.cleanup()
