"""`trex engine experiment|campaign|cohorts|funnel`: what a project asks about its people."""

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from trex.engine.bi.campaigns import Campaign
from trex.engine.bi.campaigns import outcome as outcome_of
from trex.engine.bi.cohorts import By, Cohort, CohortError, Step, retention
from trex.engine.bi.cohorts import funnel as funnel_of
from trex.engine.bi.deeds import Deed
from trex.engine.bi.experiments import Effect, Experiment, ExperimentError, Reading, measured
from trex.engine.bi.experiments import power as power_of
from trex.engine.bi.experiments import read as read_of
from trex.engine.bi.lake import View, view
from trex.engine.lake.lake import LakeError
from trex.engine.matching.privacy import in_words
from trex.engine.run import EngineSettings, open_lake
from trex.node.engine_run import FOLDER
from trex.node.options import FILE, option

if TYPE_CHECKING:
    from ibis.expr.types import Table

AS_OF = option(
    "--as-of",
    type=click.IntRange(0),
    metavar="SECONDS",
    help="The moment asked about; by default that of the newest fact.",
)
MET = option(
    "--met",
    required=True,
    type=FILE,
    help="CSV with a heading: passport, and met_s, when it first met it or would have.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
T = TypeVar("T")


def _document(path: Path, kind: Any) -> Any:
    """Read a JSON document; say where it is wrong."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise click.BadParameter(f"{path}: {place + ': ' if place else ''}{first['msg']}") from None


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (ExperimentError, CohortError, LakeError) as error:
        raise click.ClickException(str(error)) from error


def _seen(folder: Path, project: str, as_of: int | None) -> View:
    return _asked(lambda: view(open_lake(EngineSettings(folder)), project, as_of))


def _people(one: Experiment, met: Path, folder: Path, as_of: int | None) -> "Table":
    """What those who met an experiment did, as far as they may be counted."""
    seen = _seen(folder, one.project, as_of)
    return measured(seen.facts, one, seen.meeting(one, _met(met)))


@click.group()
def experiment() -> None:
    """Deal variants, read what came of them, plan them."""


@experiment.command()
@click.argument("file", type=FILE)
@click.argument("passports", nargs=-1, required=True)
@AS_JSON
def assign(file: Path, passports: tuple[str, ...], as_json: bool) -> None:
    """Say which variant each of PASSPORTS gets: for ever the same."""
    one: Experiment = _document(file, Experiment)
    _deal(one, passports, as_json)


def _deal(one: Experiment, passports: tuple[str, ...], as_json: bool) -> None:
    dealt = {passport: one.variant(passport) for passport in passports}
    click.echo(orjson.dumps(dealt).decode() if as_json else "\n".join(f"{p}\t{v}" for p, v in dealt.items()))


@experiment.command()
@click.argument("file", type=FILE)
@MET
@FOLDER
@AS_OF
@AS_JSON
def read(file: Path, met: Path, folder: Path, as_of: int | None, as_json: bool) -> None:
    """Read what came of the experiment in FILE.

    Counted are those who agreed to it and whose window is over. Beside the interval for one look at the end
    stands, for a measure with a planned effect, one that holds however often it is looked at.
    """
    one: Experiment = _document(file, Experiment)
    found = _asked(lambda: read_of(one, _people(one, met, folder, as_of)))
    if as_json:
        click.echo(orjson.dumps(asdict(found) | {"is_skewed": found.is_skewed}).decode())
    else:
        _show(one, found)


def _met(path: Path) -> dict[str, int]:
    """Who met an experiment when; the first time counts."""
    found: dict[str, int] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            passport, at = row.get("passport"), row.get("met_s") or ""
            if not passport or not at.isascii() or not at.isdigit() or len(at) > 12:
                raise click.BadParameter(
                    f"{path}, line {number}: not a passport and a second", param_hint="--met"
                )
            found[passport] = min(int(at), found.get(passport, int(at)))
    return found


def _show(one: Experiment, found: Reading) -> None:
    shares = ", ".join(f"{name} {count:,}" for name, count in found.people.items())
    click.echo(f"{one.project}/{one.name}: {shares} people")
    if found.is_skewed:
        warning = (
            f"variants do not have the shares they should (p = {found.ratio_p:.2g}): believe nothing below"
        )
        click.secho(warning, fg="red", bold=True)
    click.echo(
        f"{'measure':20}{'variant':14}{one.control[:11]:>12}{'variant':>12}{'effect':>10}"
        "  95 %, one look; p; 95 %, any time"
    )
    for each in found.effects:
        click.echo(_row(each))


def _row(each: Effect) -> str:
    relative = f"{each.relative:+.1%}" if each.relative is not None else "-"
    any_time = f"{each.any_time[0]:+.3g} .. {each.any_time[1]:+.3g}" if each.any_time else "no planned effect"
    return (
        f"{each.measure[:19]:20}{each.variant[:13]:14}{each.control:>12.4g}{each.treatment:>12.4g}{relative:>10}"
        f"  {each.interval[0]:+.3g} .. {each.interval[1]:+.3g}  {each.p_value:.2g}  {any_time}"
    )


@experiment.command()
@click.argument("file", type=FILE)
@option(
    "--effect",
    "effects",
    multiple=True,
    type=click.FloatRange(0, 10, min_open=True),
    default=(0.05, 0.1, 0.2),
    show_default=True,
    help="Least effect to find, over the mean.",
)
@option(
    "--chance",
    type=click.FloatRange(0.5, 0.99),
    default=0.8,
    show_default=True,
    help="That an effect of this size is found.",
)
@FOLDER
@AS_OF
@AS_JSON
def power(
    file: Path, effects: tuple[float, ...], chance: float, folder: Path, as_of: int | None, as_json: bool
) -> None:
    """Say how many people it takes to find effects of some sizes, by what people do now."""
    one: Experiment = _document(file, Experiment)
    seen = _seen(folder, one.project, as_of)
    people = measured(seen.facts, one, seen.before(one))
    plan = _asked(lambda: power_of(one, people, relative_effects=list(effects), chance=chance))
    if as_json:
        click.echo(orjson.dumps([asdict(row) for row in plan]).decode())
        return
    for row in plan:
        click.echo(f"{row.measure}: mean {row.mean:.4g}, {row.relative_effect:+.1%}: {row.people:,} people")


@click.group()
def campaign() -> None:
    """Deal who is reached and who is held out, and read what it brought."""


@campaign.command()
@click.argument("file", type=FILE)
@click.argument("passports", nargs=-1, required=True)
@AS_JSON
def deal(file: Path, passports: tuple[str, ...], as_json: bool) -> None:
    """Say which of PASSPORTS are reached and which held out: for ever the same."""
    one: Campaign = _document(file, Campaign)
    _deal(one.experiment(), passports, as_json)


@campaign.command("read")
@click.argument("file", type=FILE)
@MET
@FOLDER
@AS_OF
@AS_JSON
def outcome(file: Path, met: Path, folder: Path, as_of: int | None, as_json: bool) -> None:
    """Read what the campaign in FILE brought, beside those held out, and what each cost.

    Counted are those who agreed to it and whose window is over.
    """
    one: Campaign = _document(file, Campaign)
    asked = one.experiment()
    found = _asked(lambda: outcome_of(one, _people(asked, met, folder, as_of)))
    if as_json:
        click.echo(orjson.dumps(asdict(found) | {"is_skewed": found.reading.is_skewed}).decode())
        return
    _show(asked, found.reading)
    low, high = found.brought_interval
    click.echo(f"brought {found.brought:,.0f} people ({low:,.0f} .. {high:,.0f})")
    for what, cost in (("action", found.cost_per_action), ("person brought", found.cost_per_brought)):
        click.echo(
            f"cost per {what}: {f'{cost:,.2f} {found.currency}' if cost is not None else 'not known yet'}"
        )


class Retention(BaseModel):
    """What `trex engine cohorts` is asked."""

    model_config = {"extra": "forbid"}

    project: str
    deed: Deed
    by: By = "time"
    period_days: int = 7
    periods: int = 8


@click.command()
@click.argument("file", type=FILE)
@FOLDER
@AS_OF
@AS_JSON
def cohorts(file: Path, folder: Path, as_of: int | None, as_json: bool) -> None:
    """Say who came back, by cohorts: of when they first came, of a badge, or of what they did first.

    FILE: {"project": ..., "deed": {"facts": "calls", "where": {...}}, "by": "time", "period_days": 7,
    "periods": 8}
    """
    asked: Retention = _document(file, Retention)
    seen = _seen(folder, asked.project, as_of)
    span = {"period_days": asked.period_days, "periods": asked.periods}
    made = _asked(lambda: retention(seen.facts, seen.people, asked.deed, by=asked.by, **span))
    found = [each.told() for each in made]
    if as_json:
        click.echo(orjson.dumps([asdict(each) for each in found]).decode())
        return
    for each in found:
        click.echo(_shares(each))


def _shares(each: Cohort) -> str:
    shares = "".join(f"{count / each.people:>7.0%}" for count in each.returned) if each.people else ""
    return f"{each.name[:24]:26}{in_words(each.people):>16}{shares}"


class Funnel(BaseModel):
    """What `trex engine funnel` is asked."""

    model_config = {"extra": "forbid"}

    project: str
    steps: dict[str, Deed]
    within_days: int = 30


@click.command()
@click.argument("file", type=FILE)
@FOLDER
@AS_OF
@AS_JSON
def funnel(file: Path, folder: Path, as_of: int | None, as_json: bool) -> None:
    """Say how far people went, step by step.

    FILE: {"project": ..., "steps": {"minted": {"facts": "transfers", ...}, "staked": {...}},
    "within_days": 30}
    """
    asked: Funnel = _document(file, Funnel)
    seen = _seen(folder, asked.project, as_of)
    steps = list(asked.steps.items())
    made = _asked(lambda: funnel_of(seen.facts, seen.people, steps, within_days=asked.within_days))
    found = [each.told() for each in made]
    if as_json:
        click.echo(orjson.dumps([asdict(each) for each in found]).decode())
        return
    for each in found:
        click.echo(_bar(each, found[0].people))


def _bar(each: Step, whole: int) -> str:
    share = each.people / whole if whole else 0.0
    after = f", {each.seconds:,.0f} s after" if each.seconds is not None else ""
    return f"{each.name[:20]:22}{in_words(each.people):>16} {share:>6.0%} {'#' * round(40 * share)}{after}"
