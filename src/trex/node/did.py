"""`trex did`: passports as decentralized identifiers."""

import asyncio

import aiohttp
import click
import orjson

from trex.passport.client import PersonaClient
from trex.passport.contracts import contracts_of
from trex.passport.did import DidError, Resolution, TrexDid, read_did
from trex.passport.did import resolve as resolve_at
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import EndpointError


@click.group()
def did() -> None:
    """Passports as decentralized identifiers (did:trex)."""


@did.command()
@click.argument("identifier", metavar="DID")
@click.option("--rpc", required=True, metavar="URL", help="JSON-RPC of the DID's network.")
@click.option("--block", type=click.IntRange(min=0), help="As of this block; default is the newest.")
def resolve(identifier: str, rpc: str, block: int | None) -> None:
    """Print the DID document of DID, as the chain has it; exit code 1 if there is none."""
    try:
        wanted = read_did(identifier)
        found = asyncio.run(_resolve(wanted, rpc, block))
    except (DidError, EndpointError) as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        raise click.ClickException(f"{wanted}: not found")
    click.echo(orjson.dumps(found.document, option=orjson.OPT_INDENT_2).decode())


async def _resolve(wanted: TrexDid, url: str, block: int | None) -> Resolution | None:
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url, session)
        told = int(await endpoint.call("eth_chainId"), 16)
        if told != wanted.chain_id:
            raise DidError(f"the endpoint is of chain {told}")
        client = PersonaClient(endpoint, contracts_of(wanted.chain_id))
        return await resolve_at(client, wanted, block=block)
