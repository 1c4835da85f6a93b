"""What commands about personas share: chain and gateway that they talk to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiohttp
import click
from eth_account.signers.local import LocalAccount

from trex.badges.chain.contract import HeldBadge, badges
from trex.badges.chain.evidence import EvidenceError
from trex.bridge.errors import BridgeError
from trex.node.badge_files import plain
from trex.node.keys import DEVELOPMENT_CHAINS, read_account
from trex.passport.client import PersonaClient
from trex.passport.contracts import contracts_of
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import EndpointError, RefusedError
from trex.sdk.gateway import GatewayClient, PersonaGatewayError
from trex.settlement.l1.errors import L1Error

T = TypeVar("T")
TIMEOUT_S = 60.0
NODE = click.option(
    "--node",
    "node_url",
    envvar="TREX_L2",
    show_envvar=True,
    default="http://127.0.0.1:9545",
    show_default=True,
    help="JSON-RPC endpoint of this chain.",
)
GATEWAY = click.option(
    "--gateway",
    "gateway_url",
    envvar="TREX_GATEWAY",
    show_envvar=True,
    default="http://localhost:8646",
    show_default=True,
    help="Origin of the persona gateway; empty for none.",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Chain and gateway that a command talks to."""

    client: PersonaClient
    gateway: GatewayClient | None
    http: aiohttp.ClientSession
    is_devnet: bool

    def account(self, account: int | None, keystore: Path | None) -> LocalAccount:
        """Return who signs; keys that everybody knows on a devnet only."""
        chain = min(DEVELOPMENT_CHAINS) if self.is_devnet else self.client.contracts.chain_id
        return read_account(account, keystore, chain)

    def needed_gateway(self) -> GatewayClient:
        """Return the gateway.

        Raises:
            click.UsageError: none is named.
        """
        if self.gateway is None:
            raise click.UsageError("this needs a gateway: --gateway URL")
        return self.gateway

    async def badge(self, token_id: int) -> HeldBadge:
        """Return a badge.

        Raises:
            click.ClickException: there is none of that number.
        """
        found = await badges(self.client, [token_id])
        if not found:
            raise click.ClickException(f"there is no badge {token_id}")
        return found[0]


@asynccontextmanager
async def opened(node_url: str, gateway_url: str) -> AsyncIterator[Place]:
    """Name chain and gateway; only the chain is asked already."""
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(node_url, session, timeout_s=TIMEOUT_S)
        chain_id = int(await endpoint.call("eth_chainId"), 16)
        try:
            await endpoint.call("anvil_nodeInfo")
            is_devnet = True
        except RefusedError:
            is_devnet = False
        client = PersonaClient(endpoint, contracts_of(chain_id))
        gateway = GatewayClient(gateway_url, session) if gateway_url else None
        yield Place(client, gateway, session, is_devnet)


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a command; every fault is one line."""

    async def whole() -> T:
        return await work()

    try:
        return asyncio.run(whole())
    except (EndpointError, PersonaGatewayError, BridgeError, L1Error, EvidenceError) as error:
        raise click.ClickException(plain(str(error))) from error
