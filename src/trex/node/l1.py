"""`trex l1`: the contracts of a network on L1."""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click

from trex.node.files import network_file
from trex.node.roles import read_key
from trex.rpc.endpoint import Endpoint
from trex.settlement.deploy import Finding, deploy, plan, section, verify, with_origin
from trex.settlement.deployment import Accounts, Timing
from trex.settlement.l1.errors import L1Error
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Pricing, Sender
from trex.types.network_file import NetworkFileError, read_network
from trex.types.primitives import Address

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
URL = click.option(
    "--l1", "url", envvar="TREX_L1", show_envvar=True, required=True, help="JSON-RPC endpoint of L1."
)
NORMAL = Timing()
POLL_S = 0.2


def _address(_: click.Context, parameter: click.Parameter, text: str | None) -> Address | None:
    """Read an address: 0x and 40 hex digits."""
    if text is None:
        return None
    if not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        raise click.BadParameter(f"{text!r} is not an address", param=parameter)
    return Address(bytes.fromhex(text[2:]))


def _numbers(_: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, int]:
    """Read NAME=NUMBER pairs."""
    found = {}
    for text in texts:
        pair = re.fullmatch("([a-z][A-Za-z0-9]*)=([0-9]+)", text, re.ASCII)
        if pair is None:
            raise click.BadParameter(f"{text!r} is not NAME=NUMBER", param=parameter)
        found[pair[1]] = int(pair[2])
    return found


def _who(name: str, part: str) -> Callable[[F], F]:
    """An option for who has a part."""
    return click.option(
        name, callback=_address, metavar="ADDRESS", help=f"{part}; the operator when none is given."
    )


def _number(name: str, variable: str, normal: int, what: str) -> Callable[[F], F]:
    """An option for one of the contracts' numbers."""
    return click.option(name, variable, type=int, default=normal, show_default=True, help=what)


@click.group()
def l1() -> None:
    """Bring the contracts of a network to L1, and check that they stand there."""


@l1.command("deploy")
@URL
@click.option(
    "--network",
    type=FILE,
    default=network_file("devnet"),
    show_default="the devnet's",
    help="Network file to start from; its genesis gets the L1 origin.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where it goes.")
@click.option("--key", type=FILE, required=True, help="File with the operator's private key, in hex.")
@click.option("--origin", type=int, help="L1 block that genesis starts from; the newest when none is given.")
@_who("--sequencer", "Appends batches")
@_who("--proposer", "Claims outputs")
@_who("--disputer", "May reject claims")
@_who("--governor", "Proposes changes to the timelock")
@_number("--max-origin-lag", "lag", NORMAL.max_origin_lag_l1_blocks, "L1 blocks a batch's origin may lag.")
@_number("--silence", "silence", NORMAL.silence_s, "Seconds without a batch until anyone includes.")
@_number("--dispute-window", "window", NORMAL.dispute_window_s, "Seconds in which a claim can be rejected.")
@_number("--finality-delay", "finality", NORMAL.finality_delay_s, "Seconds after a claim has won.")
@_number("--proof-maturity", "maturity", NORMAL.proof_maturity_s, "Seconds between proof and withdrawal.")
@_number("--timelock-delay", "delay", NORMAL.timelock_delay_s, "Seconds that a change waits.")
@click.option(
    "--parameter",
    "extra",
    callback=_numbers,
    multiple=True,
    metavar="NAME=NUMBER",
    help="Another number of settlement for the file; repeatable.",
)
def deploy_(
    url: str,
    network: Path,
    out: Path,
    key: Path,
    origin: int | None,
    sequencer: Address | None,
    proposer: Address | None,
    disputer: Address | None,
    governor: Address | None,
    lag: int,
    silence: int,
    window: int,
    finality: int,
    maturity: int,
    delay: int,
    extra: dict[str, int],
) -> None:
    """Deploy a network's contracts, verify them, and write the network file.

    Addresses follow from the operator, the network's name and its chain id. May be run again after an
    interruption: with the origin of the first run, it goes on where that one stopped.
    """
    account = read_key(key)
    operator = Address(bytes.fromhex(account.address[2:]))
    accounts = Accounts(
        operator, sequencer or operator, proposer or operator, disputer or operator, governor or operator
    )
    timing = Timing(lag, silence, window, finality, maturity, delay)
    try:
        timing.check()
        document = json.loads(network.read_bytes())
        read_network(network.read_bytes())

        async def work() -> str:
            async with _reader(url) as reader:
                number = (await reader.heads()).latest.number if origin is None else origin
                started = await with_origin(reader, document, number)
                click.echo(f"L1 origin {number}", err=True)
                deployment = plan(started, accounts, timing, extra)
                sender = Sender(reader, account, pricing=Pricing(poll_s=POLL_S))
                made = await deploy(sender, deployment, say=lambda step: click.echo(step, err=True))
                text = json.dumps({**started, "l1": section(made)}, indent=1) + "\n"
                findings = await verify(reader, read_network(text), text.encode())
                if wrong := [_told(finding) for finding in findings if not finding.ok]:  # PTL-083
                    raise ValueError(f"{out} is not written: L1 has something else: {'; '.join(wrong)}")
                return text

        text = asyncio.run(work())
    except (ValueError, L1Error) as error:
        raise click.ClickException(str(error)) from error
    out.write_text(text)
    click.echo(f"{out}: hash 0x{read_network(text).hash.hex()}")


@l1.command("verify")
@URL
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def verify_(url: str, file: Path, as_json: bool) -> None:
    """Compute again what FILE says of L1: addresses, code and parameters; exit code 1 if anything differs."""
    text = file.read_bytes()

    async def work() -> list[Finding]:
        async with _reader(url) as reader:
            return await verify(reader, read_network(text), text)

    try:
        findings = asyncio.run(work())
    except (NetworkFileError, ValueError, L1Error) as error:
        raise click.ClickException(f"{file}: {error}") from error
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            click.echo(_told(finding, width))
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


def _told(finding: Finding, width: int = 0) -> str:
    """Tell a finding in a line."""
    word = "ok" if finding.ok else f"WRONG, expected {finding.expected}"
    return f"{finding.what:{width}}  {finding.actual}  {word}"


@asynccontextmanager
async def _reader(url: str) -> AsyncIterator[L1Reader]:
    """L1 by one endpoint, whatever chain it serves."""
    async with aiohttp.ClientSession() as session:
        endpoint = Endpoint(url, session)
        chain_id = int(str(await endpoint.call("eth_chainId")), 16)
        yield L1Reader([endpoint], chain_id)
