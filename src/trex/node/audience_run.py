"""`trex audience run`: the people who fit, from the engine's lake."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from trex.engine.lake.lake import Lake, LakeError
from trex.engine.matching.audience import Answer, Audiences, Reason
from trex.engine.matching.plan import AudienceError
from trex.engine.matching.query import Query
from trex.types.errors import CoreError

MARKS = {True: "yes", False: "no", None: "not known"}
"""What a criterion says of somebody."""


def answer(query: Query, folder: Path, project: str, limit: int, page: str | None) -> Answer:
    """Ask the lake below a folder.

    Raises:
        click.ClickException: there is no answer; it says why.
    """
    lake = Lake(folder / "lake")
    if lake.table("gold.features") is None:
        raise click.ClickException(f"{lake.root}: nobody's features are here; `trex engine run` makes them")
    try:
        return Audiences(lake, folder / "audiences", time.time).ask(query, project, limit, page)
    except (AudienceError, LakeError, CoreError) as error:
        raise click.ClickException(str(error)) from error


def as_json(found: Answer) -> str:
    """Write an answer for programs."""
    return orjson.dumps(asdict(found)).decode()


def as_text(found: Answer, now_s: float) -> str:
    """Write an answer for people."""
    lines = [found.canonical, f"{found.count:,} people or more" if found.count else ""]
    lines += [f"  {note}" for note in found.notes]
    for match in found.people:
        lines.append(f"{match.rank:>4}. passport {match.passport}: {match.score:.6f}")
        lines += [f"        {_reason(reason, now_s)}" for reason in match.reasons]
    if found.next:
        lines.append(f"more: --page {found.next}")
    return "\n".join(line for line in lines if line)


def _reason(reason: Reason, now_s: float) -> str:
    said = MARKS[reason.holds] if reason.points is None else f"{reason.points:g} points x {reason.weight:g}"
    value = "" if reason.value is None else f" ({reason.value} {reason.unit}{_age(reason.seen_s, now_s)})"
    return f"{reason.text}: {said}{value}"


def _age(seen_s: int | None, now_s: float) -> str:
    if seen_s is None:
        return ""
    when = datetime.fromtimestamp(seen_s, UTC).strftime("%Y-%m-%d")
    return f", seen {when}, {max(0, int(now_s - seen_s)) // 86_400} days ago"
