"""`trex badge quarantine open|list|close`: what is distrusted, and exactly what it touched (BDG-030)."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from trex.badges.chain.contract import HeldBadge
from trex.badges.chain.quarantine import FOREVER, Distrust, subject_of, touched_by
from trex.bridge.layer import Layer
from trex.gateway import cases
from trex.gateway.service import Gateway
from trex.node.badge_files import JSON, json_of
from trex.node.gateway import read
from trex.node.keys import key_options
from trex.node.persona import NODE, opened, run
from trex.passport.client import Case, CaseKind
from trex.passport.contracts import OPEN_CASE
from trex.types.evm import checksum_address, read_address
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

PATH = click.Path(exists=True, dir_okay=False, path_type=Path)


class Moment(click.ParamType[int]):
    """Unix seconds, or a date and time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        try:
            if value.isdigit():
                return int(value)
            told = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither Unix seconds nor such as 2026-01-31T12:00:00Z", param, ctx)
        if told.tzinfo is None:
            self.fail(f"{value!r} has no zone: end it with Z", param, ctx)
        return int(told.timestamp())


MOMENT = Moment()


@click.group()
def quarantine() -> None:
    """What is distrusted: an attestor or a version of the validators; touched badges are suspended."""


@quarantine.command("open")
@click.option("--attestor", help="Distrust what this member of validator sets signed.")
@click.option("--version", help="Distrust what this version of the validators' code decided.")
@click.option("--since", type=MOMENT, required=True, help="First second recorded that is distrusted.")
@click.option("--until", type=MOMENT, default=FOREVER, help="Last one; default is for ever.")
@click.option("--reason", required=True, help="Why; its hash stands on the chain.")
@click.option("--config", type=PATH, help="By attestation, at this gateway; else by the steward's key.")
@NODE
@key_options
@JSON
def open_(
    attestor: str | None,
    version: str | None,
    since: int,
    until: int,
    reason: str,
    config: Path | None,
    node_url: str,
    account: int | None,
    keystore: Path | None,
    as_json: bool,
) -> None:
    """Open a case: every badge that it touches is suspended from the next block on, and no other.

    Exactly those recorded in that time that bear the attestor's signature, or that the version decided.
    Signed by the steward, or with --config attested by the others of the validator set.
    """
    distrust = Distrust(*_subject(attestor, version), since, until, Hash32(keccak256(reason.encode())))
    if config is not None:
        _queued(lambda gateway: cases.queue_opening(gateway, distrust, reason), config, as_json)
        return

    async def work() -> str:
        async with opened(node_url, "") as place:
            client, who = place.client, place.account(account, keystore)
            chain = Layer("the chain", client.rpc, client.contracts.chain_id, who)
            sent = await chain.send(client.contracts.quarantine, OPEN_CASE.call(distrust.tuple, 0, b""))
            return f"0x{sent.transaction.hex()}"

    found = run(work)
    click.echo(json_of({"transaction": found}) if as_json else f"opened in {found}")


@quarantine.command("list")
@NODE
@JSON
def list_(node_url: str, as_json: bool) -> None:
    """List open cases, each with every badge that it touches, as the badges themselves tell."""

    async def work() -> tuple[list[Case], dict[int, list[HeldBadge]]]:
        async with opened(node_url, "") as place:
            there = await place.client.cases()
            return there, await touched_by(place.client, there)

    there, touched = run(work)
    if as_json:
        click.echo(json_of([_case(one, touched[one.number]) for one in there]))
        return
    if not there:
        click.echo("no case is open")
    for one in there:
        until = "for ever" if one.until_s == FOREVER else f"until {one.until_s}"
        held = touched[one.number]
        click.echo(f"case {one.number}: {one.kind.name.lower()} {_named(one)}, from {one.since_s} {until}")
        numbers = ", ".join(str(badge.token_id) for badge in held)
        click.echo(f"  touches {len(held)} badges{': ' if held else ''}{numbers}")


@quarantine.command()
@click.argument("case", type=click.IntRange(1, 2**63))
@click.option("--reason", required=True, help="Why the distrust was unfounded; goes to the audit log.")
@click.option("--config", type=PATH, required=True, help="The gateway's file.")
@JSON
def close(case: int, reason: str, config: Path, as_json: bool) -> None:
    """Close CASE by attestation of the validator set: what it touched counts again.

    Members that an open case names do not sign.
    """
    _queued(lambda gateway: cases.queue_closing(gateway, case, reason), config, as_json)


def _subject(attestor: str | None, version: str | None) -> tuple[CaseKind, Hash32]:
    if (attestor is None) == (version is None):
        raise click.UsageError("either --attestor or --version")
    try:
        if attestor is not None:
            return CaseKind.ATTESTOR, subject_of(read_address(attestor))
        code = bytes.fromhex((version or "").removeprefix("0x"))
        if len(code) != 32:
            raise ValueError(f"a version has 32 bytes, this has {len(code)}")
        return CaseKind.VERSION, Hash32(code)
    except ValueError as error:
        raise click.UsageError(f"not what a case names: {error}") from error


def _queued(queue: Any, config: Path, as_json: bool) -> None:
    told = read(config)
    try:
        job = asyncio.run(queue(Gateway(told.settings, told.keys)))
    except SQLAlchemyError as error:
        raise click.ClickException("the database is not a gateway's: start the gateway first") from error
    click.echo(json_of({"job": job}) if as_json else f"job {job}: the running gateway has it attested")


def _named(case: Case) -> str:
    if case.kind is CaseKind.ATTESTOR:
        return checksum_address(Address(bytes(case.subject[12:])))
    return f"0x{case.subject.hex()}"


def _case(case: Case, held: list[HeldBadge]) -> dict[str, Any]:
    return {
        "case": case.number,
        "kind": case.kind.name.lower(),
        "subject": _named(case),
        "sinceS": case.since_s,
        "untilS": None if case.until_s == FOREVER else case.until_s,
        "badges": [
            {"tokenId": one.token_id, "passport": one.passport, "state": one.state.value} for one in held
        ],
    }
