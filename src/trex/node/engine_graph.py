"""`trex engine graph`: the persona graph, asked and made anew."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from trex.engine.graph import questions
from trex.engine.graph.model import passport
from trex.engine.graph.stage import digest as digest_of
from trex.engine.graph.stage import rebuild as made_anew
from trex.engine.graph.store import Graph, GraphError
from trex.engine.lake.consent import Purpose, consented
from trex.engine.lake.erasure import Erased
from trex.engine.matching.privacy import LEAST, shown
from trex.engine.pipeline.log import LogError
from trex.engine.run import EngineSettings, open_graph, open_lake, open_log
from trex.node.engine_run import FOLDER, GRAPH, LOG

JSON = click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
MOST = click.option(
    "--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Lines of the answer."
)
PROJECT = click.option(
    "--project",
    metavar="NAME",
    help="Tell of people who agreed to be found by this project, and of no others.",
)


@click.group()
def graph() -> None:
    """Ask the persona graph.

    Things are called by id (passport/1962/7), by address, or by name. What is told without --project is for
    the operator: it is of everybody.
    """


@contextmanager
def _opened(folder: Path, kept: str) -> Iterator[Graph]:
    try:
        found = open_graph(EngineSettings(folder, graph=kept))
        try:
            yield found
        finally:
            found.close()
    except (GraphError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def _told(rows: list[dict[str, Any]], as_json: bool, nothing: str = "nothing") -> None:
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row, default=str))
        return
    if not rows:
        click.echo(nothing)
        return
    lines = [list(rows[0]), *([_short(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return "".join(one if one.isprintable() else "?" for one in text)


def _among(folder: Path, project: str | None) -> set[str] | None:
    """Passports that agreed to be found by a project, on any chain's words; None without one (CON-003)."""
    if project is None:
        return None
    words = open_lake(EngineSettings(folder)).session().table("silver_consents")
    found = (
        words.select("passport", "chain")
        .distinct()
        .inner_join(consented(words, Purpose.MATCHING, project), "passport")
    )
    return {passport(row["chain"], row["passport"]).id for row in found.to_pyarrow().to_pylist()}


@graph.command()
@click.argument("cypher")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="Value of $NAME in the question."
)
@MOST
@FOLDER
@GRAPH
@JSON
def query(cypher: str, params: tuple[str, ...], most: int, folder: Path, graph: str, as_json: bool) -> None:
    """Ask in Cypher; nothing is changed, whatever is asked.

    (:Thing {id, kind, name, state})-[:EDGE {kind, weight, amount, live, first_day, last_day}]->(:Thing)

    A value that is JSON is taken as such, any other as text.
    """
    values = {}
    for one in params:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{one!r}: expected NAME=VALUE", param_hint="--param")
        try:
            values[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            values[name] = value
    with _opened(folder, graph) as found:
        _told(found.ask(cypher, values, most), as_json)


@graph.command()
@click.argument("thing")
@MOST
@FOLDER
@GRAPH
@JSON
def neighbours(thing: str, most: int, folder: Path, graph: str, as_json: bool) -> None:
    """What is one edge away from THING, with time and weight."""
    with _opened(folder, graph) as found:
        _told(questions.neighbours(found, questions.resolve(found, thing), most), as_json)


@graph.command()
@click.argument("source")
@click.argument("target")
@FOLDER
@GRAPH
@JSON
def path(source: str, target: str, folder: Path, graph: str, as_json: bool) -> None:
    """A shortest way from SOURCE to TARGET, edge by edge."""
    with _opened(folder, graph) as found:
        ends = [questions.resolve(found, one) for one in (source, target)]
        _told(found.path(*ends), as_json, "no way of at most 8 edges")


@graph.command()
@click.argument("person")
@PROJECT
@MOST
@FOLDER
@GRAPH
@JSON
def similar(person: str, project: str | None, most: int, folder: Path, graph: str, as_json: bool) -> None:
    """Who shares most with the passport PERSON, and what; the rarer, the more it counts."""
    with _opened(folder, graph) as found:
        among = _among(folder, project)
        alike = questions.similar(found, questions.resolve(found, person), most, among)
        _told([asdict(one) for one in alike], as_json, "nobody")


@graph.command()
@click.argument("thing")
@PROJECT
@MOST
@FOLDER
@GRAPH
@JSON
def holders(thing: str, project: str | None, most: int, folder: Path, graph: str, as_json: bool) -> None:
    """What those who hold, use or earned THING have too, and how many of them."""
    with _opened(folder, graph) as found:
        among, least = _among(folder, project), 1 if project is None else LEAST
        having = questions.held_too(found, questions.resolve(found, thing), most, among, least)
        rows = [asdict(one) for one in having]
        if project is not None:  # Rounded: no difference of two answers tells of one person (PRV-001).
            rows = [row | {"people": shown(row["people"]), "share": None} for row in rows]
        _told(rows, as_json)


@graph.command()
@click.argument("person", required=False)
@PROJECT
@MOST
@FOLDER
@GRAPH
@JSON
def community(
    person: str | None, project: str | None, most: int, folder: Path, graph: str, as_json: bool
) -> None:
    """Communities by size, or the members of PERSON's."""
    with _opened(folder, graph) as found:
        labels = questions.communities(found, _among(folder, project))
        if person is not None:
            mine = labels.get(questions.resolve(found, person))
            members = [one for one in sorted(labels) if mine is not None and labels[one] == mine]
            _told([{"person": one} for one in members[:most]], as_json, "nobody")
            return
    sizes = Counter(labels.values())
    if project is not None:
        sizes = Counter({one: told for one, count in sizes.items() if (told := shown(count))})
    ranked = sorted(sizes, key=lambda one: (-sizes[one], one))[:most]
    _told([{"community": one, "people": sizes[one]} for one in ranked], as_json)


@graph.command()
@FOLDER
@GRAPH
def digest(folder: Path, graph: str) -> None:
    """A hash of every thing and edge: the same for the same graph."""
    with _opened(folder, graph) as found:
        click.echo(digest_of(found))


@graph.command()
@FOLDER
@LOG
@GRAPH
def rebuild(folder: Path, log: str, graph: str) -> None:
    """Make the graph anew from the log, which must reach back to its beginning."""
    try:
        events = open_log(EngineSettings(folder, log=log))
    except (ValueError, LogError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--log") from None
    try:
        with _opened(folder, graph) as found:
            made_anew(events, found, Erased(open_lake(EngineSettings(folder))).facts)
            click.echo(digest_of(found))
    except LogError as error:
        raise click.ClickException(str(error)) from None
    finally:
        events.close()
