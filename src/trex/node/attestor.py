"""`trex attestor`: members of the validator set as processes of their own."""

import asyncio
import signal
from pathlib import Path

import click
import uvloop
from aiohttp import web

from trex.gateway.attestor.config import read_member_config
from trex.gateway.attestor.member import Member
from trex.gateway.config import ConfigError
from trex.node.logs import LEVELS, set_up
from trex.types.evm import checksum_address

DRAIN_S = 20.0
"""Requests under way have that long to end when it is asked to stop."""


@click.group()
def attestor() -> None:
    """Members of the validator set, one a process."""


@attestor.command()
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the member's operator decides, as TOML; docs/gateway.md lists the keys.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-json", is_flag=True, help="One JSON object a line.")
def run(config_file: Path, log_level: str, log_json: bool) -> None:
    """Serve one member until SIGINT or SIGTERM.

    It answers the gateways that it is told of alone, signs what the contracts take from the validator set and
    what it can see for itself, and answers under its share of k for points that tell it nothing.
    """
    set_up(log_level, log_json)
    try:
        config = read_member_config(config_file.read_text(), config_file.parent)
    except ConfigError as error:
        raise click.ClickException(f"{config_file}: {error}") from error
    member = Member(config.settings)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = web.AppRunner(member.app(), access_log=None, shutdown_timeout=DRAIN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port).start()
            for address in runner.addresses:
                click.echo(f"attestor {checksum_address(member.address)} on http://{address[0]}:{address[1]}")
            await stop.wait()
        finally:
            await runner.cleanup()

    try:
        uvloop.run(main())
    except OSError as error:
        message = f"cannot listen on {config.host}:{config.port}: {error.strerror or error}"
        raise click.ClickException(message) from error
