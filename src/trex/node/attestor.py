"""`trex attestor`: members of the validator set as processes of their own."""

import asyncio
import re
import signal
from pathlib import Path

import click
import orjson
import uvloop
from aiohttp import web

from trex.gateway.attestor.approvals import Approvals
from trex.gateway.attestor.config import MemberConfig, read_member_config
from trex.gateway.attestor.member import Member
from trex.gateway.config import ConfigError
from trex.node.logs import LEVELS, set_up
from trex.types.evm import checksum_address
from trex.types.primitives import Hash32

DRAIN_S = 20.0
"""Requests under way have that long to end when it is asked to stop."""


@click.group()
def attestor() -> None:
    """Members of the validator set, one a process."""


_config = click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the member's operator decides, as TOML; docs/gateway.md lists the keys.",
)


class _Name(click.ParamType[Hash32]):
    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Hash32:
        if re.fullmatch("(0x)?[0-9a-fA-F]{64}", value) is None:
            self.fail(f"{value!r} is not 32 bytes in hexadecimal digits", param, ctx)
        return Hash32(bytes.fromhex(value.removeprefix("0x")))


def _read(config_file: Path) -> MemberConfig:
    try:
        return read_member_config(config_file.read_text(), config_file.parent)
    except ConfigError as error:
        raise click.ClickException(f"{config_file}: {error}") from error


@attestor.command("list")
@_config
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_acts(config_file: Path, as_json: bool) -> None:
    """Show operators' acts that wait for approval or have it.

    Epochs of rewards, seasons, reversals, cases and new keys k are signed by this member only if its own
    operator approves them, by the names listed here: what stands beside a name is what would be signed.
    """
    acts = Approvals(_read(config_file).settings.approvals).acts()
    if as_json:
        told = [
            {"name": f"0x{one.name.hex()}", "approved": one.is_approved, "shown": one.shown} for one in acts
        ]
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    for one in acts:
        shown = "not asked for yet" if one.shown is None else orjson.dumps(one.shown).decode()
        click.echo(f"0x{one.name.hex()} {'approved' if one.is_approved else 'waits'} {shown}")


@attestor.command()
@_config
@click.argument("name", type=_Name())
def approve(config_file: Path, name: Hash32) -> None:
    """Let this member sign an operator's act, by the name that `list` shows.

    It is signed when it is asked for, now or later, and what the member can see for itself is seen first.
    """
    Approvals(_read(config_file).settings.approvals).approve(name)
    click.echo(f"approved 0x{name.hex()}")


@attestor.command()
@_config
@click.argument("name", type=_Name())
def revoke(config_file: Path, name: Hash32) -> None:
    """Take an approval back, or drop what waits for one.

    What was signed already stays signed.
    """
    if not Approvals(_read(config_file).settings.approvals).revoke(name):
        raise click.ClickException(f"0x{name.hex()} is neither approved nor waiting")
    click.echo(f"revoked 0x{name.hex()}")


@attestor.command()
@_config
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-json", is_flag=True, help="One JSON object a line.")
def run(config_file: Path, log_level: str, log_json: bool) -> None:
    """Serve one member until SIGINT or SIGTERM.

    It answers the gateways that it is told of alone, signs what the contracts take from the validator set and
    what it can see for itself, and answers under its share of k for points that tell it nothing.
    """
    set_up(log_level, log_json)
    config = _read(config_file)
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
