"""`trex eligibility`: allow-lists of stages of mints, and who may take how much."""

from pathlib import Path

import click

from trex.node.badge_files import EXIT_CODES, JSON, json_of
from trex.node.options import FILE
from trex.node.persona import NODE, opened, run
from trex.types.decision import Outcome
from trex.types.evm import read_address
from trex.validators.ecosystem.allowlist import AllowList, read_list
from trex.validators.ecosystem.stages import Eligibility, StageName
from trex.validators.ecosystem.stages import eligibility as eligibility_of

LIST = click.argument("list_file", metavar="LIST", type=FILE)
PASSPORT = click.argument("passport", metavar="PASSPORT", type=click.IntRange(1, 2**96 - 1))


@click.group()
def eligibility() -> None:
    """Stages of mints: allow-lists, and who may take what."""


def _list_of(file: Path) -> AllowList:
    try:
        return read_list(file.read_text())
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{file}: {error}") from error


@eligibility.command()
@LIST
@JSON
def root(list_file: Path, as_json: bool) -> None:
    """Compute the root of LIST, for `setStage`: a line for each place, PASSPORT,QUOTA."""
    found = _list_of(list_file)
    told = {
        "root": f"0x{found.root.hex()}",
        "places": len(found.quotas),
        "pieces": sum(found.quotas.values()),
    }
    click.echo(json_of(told) if as_json else told["root"])


@eligibility.command()
@LIST
@PASSPORT
@JSON
def proof(list_file: Path, passport: int, as_json: bool) -> None:
    """Show the place of PASSPORT on LIST with its proof; exit code 1 if it has none."""
    found = _list_of(list_file).place(passport)
    told = {"passport": passport, "quota": found.quota if found else 0}
    siblings = [f"0x{one.hex()}" for one in found.proof] if found else []
    if as_json:
        click.echo(json_of({**told, "proof": siblings}))
    elif found:
        click.echo("\n".join([f"quota {found.quota}", *siblings]))
    else:
        click.echo(f"passport {passport} is not on the list")
    if found is None:
        raise SystemExit(1)


@eligibility.command()
@click.argument("collection")
@click.argument("stage", type=click.IntRange(0, 2**53 - 1))
@PASSPORT
@click.option("--list", "list_file", type=FILE, help="The stage's allow-list, if it has one.")
@NODE
@JSON
def show(
    collection: str, stage: int, passport: int, list_file: Path | None, node_url: str, as_json: bool
) -> None:
    """Ask the chain what STAGE of COLLECTION is for PASSPORT; exit code 0 yes, 1 no, 3 not known."""
    try:
        name = StageName(read_address(collection), stage)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="COLLECTION") from error
    known = [_list_of(list_file)] if list_file else []

    async def work() -> Eligibility | None:
        async with opened(node_url, "") as place:
            block, _ = await place.client.latest()
            lists = {one.root: one for one in known}
            return await eligibility_of(place.client, name, passport, lists, int(block, 16))

    found = run(work)
    if found is None:
        raise click.ClickException("that collection has no such stage")
    outcome = found.found.decision.outcome if found.list_known else Outcome.UNDECIDED
    if as_json:
        reasons = [
            {"code": one.code, "outcome": one.outcome.value, "reason": one.message}
            for one in found.found.decision.reasons
        ]
        told = {"outcome": outcome.value, "pieces": found.found.pieces, "reasons": reasons}
        click.echo(json_of({**told, "opensAtS": found.stage.opens_s, "closesAtS": found.stage.closes_s}))
    elif not found.list_known:
        click.echo("the stage has another list: name it by --list")
    else:
        click.echo(f"{found.found.pieces} pieces")
        for one in found.found.decision.reasons:
            click.echo(f"  {one.outcome.value:9} {one.code}: {one.message}")
    raise SystemExit(EXIT_CODES[outcome])
