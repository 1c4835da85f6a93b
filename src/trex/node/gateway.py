"""`trex gateway`: the persona service."""

import asyncio
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from trex.gateway import reversals
from trex.gateway.config import Config, ConfigError, read_config
from trex.gateway.serve import serve
from trex.gateway.service import Gateway
from trex.node.logs import LEVELS, set_up


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

    if not serve(Gateway(config.settings, config.keys), config.host, config.port, started):
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


def read(file: Path) -> Config:
    """Read the operator's file."""
    try:
        return read_config(file.read_text(), file.parent)
    except ConfigError as error:
        raise click.ClickException(f"{file}: {error}") from error
