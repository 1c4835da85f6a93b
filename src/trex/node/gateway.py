"""`trex gateway`: the persona service."""

import asyncio
import time
from pathlib import Path

import aiohttp
import click
from sqlalchemy.exc import SQLAlchemyError

from trex.gateway import anchors, reversals
from trex.gateway.attestor.ceremony import CeremonyError
from trex.gateway.attestor.group import Group
from trex.gateway.attestor.remote import RemoteAttestor, make_group
from trex.gateway.config import Config, ConfigError, read_config
from trex.gateway.http.app import make_app
from trex.gateway.keys import account_of
from trex.gateway.service import RPC_S, Gateway
from trex.node.logs import LEVELS, set_up
from trex.passport.client import PersonaClient
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import EndpointError
from trex.web import audit
from trex.web.serve import serve


@click.group()
def gateway() -> None:
    """The persona service: sign in, link, evaluate, grant."""


CONFIG = click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the operator decides, as TOML; docs/gateway.md lists the keys.",
)


@gateway.command()
@CONFIG
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-json", is_flag=True, help="One JSON object a line.")
def run(config_file: Path, log_level: str, log_json: bool) -> None:
    """Serve until SIGINT or SIGTERM."""
    set_up(log_level, log_json)
    config = read(config_file)

    def started(host: str, port: int) -> None:
        click.echo(f"gateway on http://{host}:{port}, documents at /docs and /openapi.json")

    if config.keys.nullifier is None:
        message = "keys.nullifier is missing: draw 32 bytes, or have the attestors make it by share-key"
        raise click.ClickException(message)
    if not serve(make_app(Gateway(config.settings, config.keys)), config.host, config.port, started):
        raise SystemExit(1)


@gateway.command()
@CONFIG
@click.argument("entries", metavar="ENTRY...", nargs=-1, required=True, type=click.IntRange(1, 2**63))
@click.option("--reason", required=True, help="Why; its hash stands on the chain, the text in the audit log.")
def reverse(config_file: Path, entries: tuple[int, ...], reason: str) -> None:
    """Take entries of the points ledger back (PTS-001): the running gateway attests and sends it.

    Entries that follow badges go with their badges.
    """
    config = read(config_file)
    try:
        job = asyncio.run(reversals.queue(Gateway(config.settings, config.keys), entries, reason))
    except SQLAlchemyError as error:
        raise click.ClickException("the database is not a gateway's: start the gateway first") from error
    click.echo(f"job {job} takes back {len(entries)} entries")


@gateway.command("share-key")
@CONFIG
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def share_key(config_file: Path, file: Path) -> None:
    """Have the attestors make a new k that nobody holds, and write to FILE who holds it.

    All of the validator set must answer; each keeps its share. FILE tells no secret: name it in [keys], as
    `nullifier` of a gateway that has not started yet, or as `next_nullifier` to have k rotated.
    """
    if file.exists():
        raise click.ClickException(f"{file} is there already")
    config = read(config_file)
    try:
        group = asyncio.run(_share_key(config))
    except (CeremonyError, EndpointError) as error:
        raise click.ClickException(str(error)) from error
    file.write_bytes(group.write() + b"\n")
    click.echo(f"{group.threshold} of {len(group.members)} members hold k {group.id.hex()[:16]} together")


async def _share_key(config: Config) -> Group:
    async with aiohttp.ClientSession() as http:
        client = PersonaClient(
            Endpoint(config.settings.rpc_url, http, timeout_s=RPC_S), config.settings.contracts
        )
        members = [RemoteAttestor(one, config.keys.relayer, http) for one in config.settings.members]
        return await make_group(members, await client.attestors())


@gateway.command("audit")
@CONFIG
def audit_(config_file: Path) -> None:
    """Follow the audit log from its first line, and compare it with the anchors on the chain.

    Exit code 1: a line was changed or is gone, at the end too, as far as the newest anchor tells.
    """
    config = read(config_file)
    try:
        count, newest, fault = asyncio.run(_audit(config))
    except SQLAlchemyError as error:
        raise click.ClickException("the database is not a gateway's: start the gateway first") from error
    except EndpointError as error:
        raise click.ClickException(str(error)) from error
    if fault:
        raise click.ClickException(fault)
    where = f"line {newest} stands on the chain" if newest else "none of them stands on the chain"
    click.echo(f"{count} lines, each hashed onto the one before; {where}")


async def _audit(config: Config) -> tuple[int, int, str]:
    served = Gateway(config.settings, config.keys)
    try:
        async with aiohttp.ClientSession() as http:
            endpoint = Endpoint(config.settings.rpc_url, http, timeout_s=RPC_S)
            client = PersonaClient(endpoint, config.settings.contracts)
            there = await anchors.anchors_of(client, account_of(config.keys.relayer))
        async with served.database.transaction() as tx:
            head = await audit.head(tx)
            newest = max((one.line for one in there), default=0)
            fault = await anchors.fault_of(tx, there)
            every_s = config.settings.anchor_s
            late = bool(head and every_s) and await audit.begun_s(tx) < time.time() - 2 * every_s
            if late and not fault and not there:
                fault = f"none of its lines stands on the chain, though one should every {every_s} s"
            return head[0] if head else 0, newest, fault
    finally:
        await served.database.close()


def read(file: Path) -> Config:
    """Read the operator's file."""
    try:
        return read_config(file.read_text(), file.parent)
    except ConfigError as error:
        raise click.ClickException(f"{file}: {error}") from error
