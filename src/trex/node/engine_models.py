"""`trex engine models`: models fitted to the lake, their versions, and look-alike audiences."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from trex.engine.lake.lake import Lake, LakeError
from trex.engine.models.audience import audience as who_fits
from trex.engine.models.audience import fit_audience
from trex.engine.models.interests import fit_interests, shares_of
from trex.engine.models.learn import facts_for_models, used_by
from trex.engine.models.likelihoods import fit_likelihoods
from trex.engine.models.registry import DRIFTED, ModelError, Version, drift, names, versions
from trex.engine.run import EngineSettings, open_lake
from trex.node.engine_run import FOLDER

FITS: dict[str, Callable[[Lake], Version]] = {
    "interests": fit_interests,
    "audience": fit_audience,
    "churn": fit_likelihoods,
}
"""What can be fitted."""
JSON = click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")


@click.group()
def models() -> None:
    """Models fitted to the lake, of people who agreed.

    A model that does not beat its baseline is kept with its figures and not used.
    """


@models.command()
@click.argument("model", nargs=-1, type=click.Choice(list(FITS)))
@FOLDER
@JSON
def fit(model: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Fit models anew, judge them, and write what those that beat their baseline say.

    `interests` writes gold_interests; `churn` writes gold_likelihoods, signs of farms (`sybil`) with it;
    `audience` is asked by `trex engine models audience`. Without MODEL, all.
    """
    lake, failed = open_lake(EngineSettings(folder)), []
    for name in model or FITS:
        try:
            _told(FITS[name](lake), as_json)
        except (ModelError, LakeError) as error:
            failed.append(f"{name}: {error}")
    if failed:
        raise click.ClickException("; ".join(failed))


@models.command("list")
@FOLDER
@JSON
def list_(folder: Path, as_json: bool) -> None:
    """List every version of every model: what was measured, what is used."""
    lake = open_lake(EngineSettings(folder))
    try:
        for name in names(lake):
            for version in versions(lake, name):
                _told(version, as_json)
    except ModelError as error:
        raise click.ClickException(str(error)) from None


@models.command()
@click.argument("model", type=click.Choice(list(FITS)))
@FOLDER
@JSON
def show(model: str, folder: Path, as_json: bool) -> None:
    """Show the newest version of MODEL: its data, its measures, and how far people have drifted since."""
    lake = open_lake(EngineSettings(folder))
    try:
        found = versions(lake, model)
    except ModelError as error:
        raise click.ClickException(str(error)) from None
    if not found:
        raise click.ClickException(f"no version of {model}: `trex engine models fit {model}`")
    newest = found[-1]
    moved = None
    if model != "churn":
        facts, agreed = facts_for_models(lake.session())
        rows = used_by(facts, agreed)
        moved = drift(newest.shares, shares_of(rows)) if rows else None
    if as_json:
        click.echo(orjson.dumps(asdict(newest) | {"is_used": newest.is_used, "drift": moved}))
        return
    _told(newest, as_json)
    for table, version in sorted(newest.snapshot.items()):
        click.echo(f"  learned from {table} at version {version}")
    if moved is not None:
        click.echo(f"  drift {moved:.3f}" + (": fit it anew" if moved > DRIFTED else ""))


@models.command()
@click.option(
    "--user", "users", multiple=True, metavar="PASSPORT", help="One of the audience or first users."
)
@click.option("--description", default="", metavar="TEXT", help="What a new project is, in English.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Lines.")
@FOLDER
@JSON
def audience(users: tuple[str, ...], description: str, most: int, folder: Path, as_json: bool) -> None:
    """Who is like the users named, or fits a new project by its description, with reasons."""
    try:
        found = who_fits(open_lake(EngineSettings(folder)), users, description, most)
    except ModelError as error:
        raise click.ClickException(str(error)) from None
    for one in found:
        if as_json:
            click.echo(orjson.dumps(asdict(one)))
        else:
            click.echo(f"{one.passport:>12}  {one.score:.3f}  {', '.join(one.reasons)}")


def _told(version: Version, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(asdict(version) | {"is_used": version.is_used}))
        return
    when = datetime.fromtimestamp(version.as_of_s, UTC).strftime("%Y-%m-%d %H:%M")
    used = f"uses {version.chosen}" if version.is_used else f"not used: nothing beat {version.baseline}"
    click.echo(f"{version.model} {version.number}: {used} ({version.people:,} people, as of {when})")
    for name, measured in version.measures.items():
        click.echo(f"  {name:14}" + "".join(f"  {what} {value:.4f}" for what, value in measured.items()))
