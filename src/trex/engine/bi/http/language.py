"""Routes of the query language: read, explain, complete, answer; and the catalogue of features."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from trex.engine.bi.http.access import Body, TheAsker, TheBi
from trex.engine.bi.service import read_query
from trex.engine.lake.catalogue import catalogue
from trex.engine.matching.audience import Answer
from trex.engine.matching.complete import complete
from trex.engine.matching.explain import explain
from trex.engine.matching.json_form import to_json
from trex.engine.matching.parse import MAX_LENGTH
from trex.engine.matching.query import canonical

router = APIRouter(prefix="/bi/v1", tags=["queries"])

Text = Annotated[str, Field(max_length=MAX_LENGTH)]
"""A sentence of the query language (specs/query.md); empty for everybody who agreed."""


class QueryBody(Body):
    """A sentence."""

    query: Text


class RunBody(QueryBody):
    """A sentence, and how much of its answer."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = 20
    page: Annotated[str, Field(max_length=200)] | None = None
    """`next` of the page before."""


class CompleteBody(QueryBody):
    """What somebody has typed so far."""

    cursor: Annotated[int, Field(ge=0, le=MAX_LENGTH)] | None = None
    """Place of the cursor; None for the end."""


class FeatureBody(Body):
    """A feature of personas."""

    id: str
    names: list[str]
    dimension: str
    unit: str
    source: str
    freshness: str
    meaning: str
    windows: list[int]


@router.get("/features")
async def features(_: TheAsker) -> list[FeatureBody]:
    """What is known of a persona."""
    return [
        FeatureBody(**asdict(one) | {"names": list(one.names), "windows": list(one.windows)})
        for one in catalogue().values()
    ]


@router.post("/queries/parse")
async def parsed(body: QueryBody, _: TheAsker) -> dict[str, Any]:
    """Read a sentence: its one form as text and as JSON, or where it is wrong."""
    query = read_query(body.query)
    return {"canonical": canonical(query), "query": to_json(query)}


@router.post("/queries/explain")
async def explained(body: QueryBody, _: TheAsker) -> dict[str, Any]:
    """Say in words what a sentence asks, and where each answer comes from."""
    query = read_query(body.query)
    return {"canonical": canonical(query), "text": list(explain(query))}


@router.post("/queries/complete")
async def completed(body: CompleteBody, _: TheAsker) -> list[dict[str, Any]]:
    """What may come next at the cursor, likeliest first."""
    return [asdict(one) for one in complete(body.query, body.cursor)]


@router.post("/queries/run")
async def run(body: RunBody, asker: TheAsker, bi: TheBi) -> dict[str, Any]:
    """People who fit, best first, each with reasons and how old their evidence is."""
    found = await bi.ask(asker.project, read_query(body.query), body.limit, body.page)
    await bi.note(asker.actor, "query", f"{asker.project}: {found.canonical}")
    return answer_body(found)


def answer_body(found: Answer) -> dict[str, Any]:
    """Write an answer; counts are as a project is told them."""
    return asdict(found)
