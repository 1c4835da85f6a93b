"""Routes of audiences: kept, refreshed, compared, spread out, taken along."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from trex.engine.bi import exports, state
from trex.engine.bi.http.access import Body, Name, TheAsker, TheBi
from trex.engine.bi.http.language import QueryBody, answer_body
from trex.engine.bi.service import Bi, read_query
from trex.engine.lake.consent import Purpose
from trex.engine.matching.query import AllOf
from trex.engine.matching.query import Query as Asked
from trex.web.errors import Fault, RefusalError

router = APIRouter(prefix="/bi/v1/audiences", tags=["audiences"])

MOST_DAYS = 90
"""A root holds that long at most (EXT-003)."""


class AudienceBody(Body):
    """An audience that was saved."""

    name: str
    query: str
    """Its canonical text."""
    count: int
    """At the last refresh, rounded down to tens; 0: fewer than ten."""
    created_s: int
    refreshed_s: int
    """Unix time."""
    as_of_s: int
    """Of the newest fact that it was refreshed with."""
    age_s: int
    """Since then: how fresh it is."""


async def find(bi: Bi, project: str, name: str) -> state.AudienceRow:
    """Return an audience of a project.

    Raises:
        RefusalError: it has none of that name; whether another has does not show (BIA-005).
    """
    async with bi.database.transaction() as tx:
        found = await state.audience_of(tx, project, name)
    if found is None:
        raise RefusalError(Fault.NOT_FOUND, f"{project} has no audience {name!r}")
    return found


async def save(bi: Bi, project: str, actor: str, name: str, query: Asked) -> state.AudienceRow:
    """Save an audience as it is now.

    Raises:
        RefusalError: it has no answer, or there is no room for another.
    """
    told = await bi.ask(project, query, 1)
    as_of_s = await bi.as_of_s()
    async with bi.database.transaction() as tx:
        if not await state.save_audience(tx, project, name, told.canonical, told.count, as_of_s, bi.now_s):
            raise RefusalError(Fault.CONFLICT, f"{project} keeps {state.MOST_KEPT} audiences: delete one")
    await bi.note(actor, "save audience", f"{project}/{name}")
    return await find(bi, project, name)


def _body(bi: Bi, row: state.AudienceRow) -> AudienceBody:
    return AudienceBody(**asdict(row), age_s=max(0, bi.now_s - row.as_of_s))


@router.get("")
async def every(asker: TheAsker, bi: TheBi) -> list[AudienceBody]:
    """Your audiences."""
    async with bi.database.transaction() as tx:
        rows = await state.audiences_of(tx, asker.project)
    return [_body(bi, row) for row in rows]


@router.put("/{name}")
async def put(name: Name, body: QueryBody, asker: TheAsker, bi: TheBi) -> AudienceBody:
    """Save an audience, in the place of one of that name."""
    return _body(bi, await save(bi, asker.project, asker.actor, name, read_query(body.query)))


@router.get("/{name}")
async def one(name: Name, asker: TheAsker, bi: TheBi) -> AudienceBody:
    """An audience: its query, size and freshness."""
    return _body(bi, await find(bi, asker.project, name))


@router.delete("/{name}", status_code=204)
async def drop(name: Name, asker: TheAsker, bi: TheBi) -> None:
    """Forget an audience."""
    await find(bi, asker.project, name)
    async with bi.database.transaction() as tx:
        await state.drop_audience(tx, asker.project, name)
    await bi.note(asker.actor, "drop audience", f"{asker.project}/{name}")


@router.post("/{name}/refresh")
async def refresh(name: Name, asker: TheAsker, bi: TheBi) -> AudienceBody:
    """Count an audience anew. Who is in it is always as of now; this is its number and its date."""
    row = await find(bi, asker.project, name)
    return _body(bi, await save(bi, asker.project, asker.actor, name, read_query(row.query)))


@router.get("/{name}/people")
async def people(
    name: Name,
    asker: TheAsker,
    bi: TheBi,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    page: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """People of an audience as of now, best first, with reasons."""
    row = await find(bi, asker.project, name)
    found = await bi.ask(asker.project, read_query(row.query), limit, page)
    await bi.note(asker.actor, "read audience", f"{asker.project}/{name}")
    return answer_body(found)


class OverlapBody(Body):
    """Two audiences beside each other, in counts rounded down to tens."""

    first: int
    second: int
    both: int


@router.get("/{name}/overlap/{other}")
async def overlap(name: Name, other: Name, asker: TheAsker, bi: TheBi) -> OverlapBody:
    """How many people are in both of two audiences (EXT-004)."""
    queries = [read_query((await find(bi, asker.project, each)).query) for each in (name, other)]
    parts = tuple(query.where for query in queries if query.where is not None)
    both = Asked(AllOf(parts) if len(parts) > 1 else parts[0] if parts else None)
    counts = [(await bi.ask(asker.project, query, 1)).count for query in (*queries, both)]
    await bi.note(asker.actor, "overlap", f"{asker.project}/{name} {other}")
    return OverlapBody(first=counts[0], second=counts[1], both=counts[2])


@router.get("/{name}/spread/{feature}")
async def spread(
    name: Name,
    feature: Annotated[str, Field(max_length=64)],
    asker: TheAsker,
    bi: TheBi,
    days: Annotated[int | None, Query(ge=1, le=365)] = None,
) -> dict[str, Any]:
    """How a feature is spread over an audience, by bounds that are the same of every audience."""
    row = await find(bi, asker.project, name)
    return asdict(await bi.spread(asker.project, read_query(row.query), feature, days))


@router.get("/{name}/export")
async def export(
    name: Name,
    asker: TheAsker,
    bi: TheBi,
    form: Annotated[Literal["csv", "parquet", "root"], Query()] = "csv",
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 7,
) -> Response:
    """Take an audience along: passports of those who agreed to be named outside (`export`).

    `root` answers a Merkle root for contracts, with a proof for each; it holds for so many days.
    """
    row = await find(bi, asker.project, name)
    return await exported(bi, asker.project, asker.actor, row, form, days)


async def exported(
    bi: Bi, project: str, actor: str, row: state.AudienceRow, form: str, days: int
) -> Response:
    """Write an audience (EXT-001 to EXT-003)."""
    who = await bi.everyone(project, read_query(row.query), purpose=Purpose.EXPORT)
    await bi.note(actor, f"export {form}", f"{project}/{row.name}", f"{len(who) // 10 * 10} people")
    if form == "root":
        tree = exports.tree_of(who, bi.now_s + days * 86_400)
        async with bi.database.transaction() as tx:
            await state.keep_root(tx, tree.root, project, row.name, len(who), bi.now_s, tree.expires_s)
        body = {
            "root": f"0x{tree.root.hex()}",
            "expiresS": tree.expires_s,
            "leaf": "keccak256(bytes.concat(keccak256(abi.encode(passport, expiresS))))",
            "proofs": {str(one): [f"0x{each.hex()}" for each in tree.proofs[one]] for one in who},
        }
        return Response(orjson.dumps(body), media_type="application/json")
    rows = [(str(place), str(passport)) for place, passport in enumerate(who, 1)]
    header = {"content-disposition": f'attachment; filename="{row.name}.{form}"'}
    if form == "csv":
        content = exports.as_csv(("rank", "passport"), rows)
        return Response(content, headers=header, media_type="text/csv; charset=utf-8")
    content = exports.as_parquet(("rank", "passport"), rows)
    return Response(content, headers=header, media_type="application/vnd.apache.parquet")
