"""`trex audience`: the query language, read and explained."""

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
