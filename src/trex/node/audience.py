"""`trex audience`: the query language, read, explained and answered."""

import time
from pathlib import Path

import click
import orjson

from trex.engine.matching.explain import explain as explained
from trex.engine.matching.json_form import from_json, to_json
from trex.engine.matching.parse import QueryError
from trex.engine.matching.parse import parse as parsed
from trex.engine.matching.query import Query, canonical

QUERY = click.argument("query", metavar="QUERY")
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.group()
def audience() -> None:
    """Find people by a sentence (specs/query.md)."""


@audience.command()
@QUERY
@JSON
def parse(query: str, as_json: bool) -> None:
    """Read QUERY (a sentence, or its JSON form) and print the one form that means the same."""
    read = _read(query, as_json)
    answer = {"canonical": canonical(read), "query": to_json(read)}
    click.echo(orjson.dumps(answer).decode() if as_json else answer["canonical"])


@audience.command()
@QUERY
@JSON
def explain(query: str, as_json: bool) -> None:
    """Say in words what QUERY asks, and where each answer comes from."""
    read = _read(query, as_json)
    lines = list(explained(read))
    if as_json:
        click.echo(orjson.dumps({"canonical": canonical(read), "text": lines}).decode())
    else:
        click.echo("\n".join(lines))


@audience.command()
@QUERY
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("engine"),
    show_default=True,
    help="Of the engine: its lake is read, its audiences are kept below it.",
)
@click.option(
    "--project",
    default="*",
    metavar="NAME",
    help="Who asks; without it, only who agreed to every project is found.",
)
@click.option("--limit", default=20, show_default=True, help="Most people of a page, up to 1000.")
@click.option("--page", metavar="PAGE", help="The page that the answer before named.")
@JSON
def run(query: str, folder: Path, project: str, limit: int, page: str | None, as_json: bool) -> None:
    """Find the people whom QUERY means, best first, each with reasons and how old their evidence is.

    Nobody is found who did not agree to it. Groups of fewer than ten are not told of, nor audiences that
    differ by fewer than ten people from one that the project was answered before.
    """
    read = _read(query, as_json)
    from trex.node import audience_run

    found = audience_run.answer(read, folder, project, limit, page)
    click.echo(audience_run.as_json(found) if as_json else audience_run.as_text(found, time.time()))


def _read(text: str, as_json: bool) -> Query:
    try:
        return from_json(orjson.loads(text)) if text.lstrip().startswith("{") else parsed(text)
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"not JSON: {error}") from error
    except QueryError as error:
        if as_json:
            fault = {
                "error": error.reason,
                "start": error.start,
                "end": error.end,
                "suggestions": list(error.suggestions),
            }
            click.echo(orjson.dumps(fault).decode())
            raise SystemExit(1) from error
        raise click.ClickException(error.shown(text)) from error
