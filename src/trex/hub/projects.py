"""Pages of a project: audience builder, cohorts and funnels, campaigns, experiments (HUB-005)."""

from collections.abc import Awaitable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from trex.engine.bi import state
from trex.engine.bi.campaigns import Campaign
from trex.engine.bi.deeds import COLUMNS, Deed
from trex.engine.bi.experiments import Experiment
from trex.engine.bi.http import audiences, studies
from trex.engine.bi.service import read_query
from trex.engine.lake.catalogue import catalogue
from trex.engine.matching.complete import complete
from trex.engine.matching.explain import explain
from trex.engine.matching.parse import MAX_LENGTH
from trex.hub.pages import TheBi, TheForm, ThePerson, TheProject, page
from trex.web.errors import Fault, RefusalError

router = APIRouter(prefix="/hub/p/{project}", include_in_schema=False)
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Text = Annotated[str, Query(max_length=MAX_LENGTH)]
Short = Annotated[str, Query(max_length=200)]
_SHOWN = (Fault.MALFORMED, Fault.REFUSED, Fault.TOO_COSTLY, Fault.TOO_MANY, Fault.CONFLICT, Fault.NOT_FOUND)
"""Refusals that a page shows beside what was asked."""


async def _said(asked: Awaitable[T]) -> tuple[T | None, RefusalError | None]:
    """What came of a question: an answer, or why there is none."""
    try:
        return await asked, None
    except RefusalError as error:
        if error.fault not in _SHOWN:
            raise
        return None, error


def _built(kind: type[M], document: Any) -> M:
    """Read what a form says.

    Raises:
        RefusalError: where it is wrong.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RefusalError(Fault.MALFORMED, f"{place}: {first['msg']}"[:300]) from error


def _deed(facts: str, column: str, value: str) -> dict[str, Any]:
    return {"facts": facts, "where": {column: value} if column and value else {}}


@router.get("")
async def builder(
    project: TheProject, person: ThePerson, bi: TheBi, q: Text = "", feature: Short = "", after: Short = ""
) -> HTMLResponse:
    """The audience builder: a sentence, how many it means, who they are and why."""
    async with bi.database.transaction() as tx:
        kept = await state.audiences_of(tx, project)
    values: dict[str, Any] = {"answer": None, "error": None, "spread": None, "told": ()}
    if q.strip():
        try:
            query = read_query(q)
            values["told"] = list(explain(query))
            values["answer"] = await bi.ask(project, query, 20, after or None)
            await bi.note(person.actor, "query", f"{project}: {values['answer'].canonical}")
            if feature and values["answer"].count:
                values["spread"] = await bi.spread(project, query, feature, None)
        except RefusalError as error:
            if error.fault not in _SHOWN:
                raise
            values["error"] = error
    features = sorted(catalogue().values(), key=lambda one: one.names[0].lower())
    return page(
        "audience.html",
        project=project,
        person=person,
        q=q,
        feature=feature,
        kept=kept,
        features=features,
        now_s=bi.now_s,
        **values,
    )


@router.get("/complete")
async def completion(_: TheProject, q: Text = "", cursor: int | None = None) -> JSONResponse:
    """What may come next in the query box."""
    return JSONResponse([asdict(one) for one in complete(q, cursor)])


@router.get("/count")
async def count(project: TheProject, bi: TheBi, q: Text = "") -> JSONResponse:
    """How many people a sentence means, in words; or what is wrong with it."""
    answer, error = await _said(_count(bi, project, q))
    if error is not None:
        return JSONResponse({"error": error.detail, **error.more})
    return JSONResponse({"count": answer})


async def _count(bi: TheBi, project: str, q: str) -> int:
    return (await bi.ask(project, read_query(q), 1)).count


@router.post("/audiences")
async def save(project: TheProject, person: ThePerson, form: TheForm, bi: TheBi) -> Response:
    """Save an audience."""
    name = _name(form)
    await audiences.save(bi, project, person.actor, name, read_query(form.get("q", "")))
    return RedirectResponse(f"/hub/p/{project}", 303)


def _name(form: dict[str, str]) -> str:
    name = form.get("name", "").strip()
    if not name or len(name) > state.LONGEST_NAME or not all(one.isalnum() or one in "_.-" for one in name):
        raise RefusalError(Fault.MALFORMED, "a name has letters, digits, `_`, `.`, `-`, at most 64")
    return name


@router.get("/audiences/{name}/{form}")
async def export(project: TheProject, person: ThePerson, bi: TheBi, name: str, form: str) -> Response:
    """Take an audience along, as CSV, Parquet or a Merkle root."""
    if form not in ("csv", "parquet", "root"):
        raise RefusalError(Fault.NOT_FOUND, "there are csv, parquet and root")
    row = await audiences.find(bi, project, name)
    return await audiences.exported(bi, project, person.actor, row, form, 7)


@router.get("/cohorts")
async def cohorts(
    project: TheProject,
    person: ThePerson,
    bi: TheBi,
    facts: Short = "",
    column: Short = "",
    value: Short = "",
    by: Short = "time",
    period: int = 7,
    then: Short = "",
) -> HTMLResponse:
    """Who came back, by cohorts; and how far people went from one deed to another."""
    values: dict[str, Any] = {"rows": None, "steps": None, "error": None}
    if facts:
        try:
            deed = _deed(facts, column, value)
            asked = _built(studies.CohortsBody, {"deed": deed, "by": by, "period_days": period})
            values["rows"] = await studies.cohorts_of(bi, project, person.actor, asked)
            if then:
                steps = {value or facts: deed, then: _deed(facts, column, then)}
                body = _built(studies.FunnelBody, {"steps": steps})
                values["steps"] = await studies.funnel_of(bi, project, person.actor, body)
        except RefusalError as error:
            if error.fault not in _SHOWN:
                raise
            values["error"] = error
    asked_for = {"facts": facts, "column": column, "value": value, "by": by, "period": period, "then": then}
    columns = {name: sorted(found) for name, found in COLUMNS.items()}
    return page("cohorts.html", project=project, person=person, asked=asked_for, columns=columns, **values)


@router.get("/campaigns")
async def campaigns(project: TheProject, person: ThePerson, bi: TheBi, read: Short = "") -> HTMLResponse:
    """Campaigns: whom they are for, what they brought."""
    async with bi.database.transaction() as tx:
        rows = await state.studies_of(tx, project, studies.CAMPAIGN)
        kept = await state.audiences_of(tx, project)
    found = [
        {"audience": row.audience, "campaign": Campaign.model_validate_json(row.document)} for row in rows
    ]
    told, error = None, None
    if read:
        told, error = await _said(studies.outcome_of(bi, project, person.actor, read))
    columns = {name: sorted(known) for name, known in COLUMNS.items()}
    values: dict[str, Any] = {
        "found": found,
        "kept": kept,
        "read": read,
        "told": told,
        "error": error,
        "columns": columns,
    }
    return page("campaigns.html", project=project, person=person, **values)


@router.post("/campaigns")
async def make_campaign(project: TheProject, person: ThePerson, form: TheForm, bi: TheBi) -> Response:
    """Save a campaign."""
    name = _name(form)
    document = {
        "project": project,
        "name": name,
        "conversion": _deed(form.get("facts", ""), form.get("column", ""), form.get("value", "")),
        "holdout_percent": form.get("holdout", "10"),
        "window_days": form.get("window", "14"),
        "spent": form.get("spent") or "0",
    }
    body = studies.CampaignBody(campaign=_built(Campaign, document), audience=form.get("audience", ""))
    await studies.save_campaign(bi, project, person.actor, name, body)
    return RedirectResponse(f"/hub/p/{project}/campaigns", 303)


@router.post("/campaigns/launch")
async def launch(project: TheProject, person: ThePerson, form: TheForm, bi: TheBi) -> Response:
    """Launch a campaign."""
    await studies.launched(bi, project, person.actor, _name(form))
    return RedirectResponse(f"/hub/p/{project}/campaigns", 303)


@router.get("/experiments")
async def experiments(project: TheProject, person: ThePerson, bi: TheBi, read: Short = "") -> HTMLResponse:
    """Experiments: what was dealt, and what came of it."""
    async with bi.database.transaction() as tx:
        rows = await state.studies_of(tx, project, studies.EXPERIMENT)
    found = [Experiment.model_validate_json(row.document) for row in rows]
    told, error = None, None
    if read:
        told, error = await _said(studies.reading_of(bi, project, person.actor, read))
    columns = {name: sorted(known) for name, known in COLUMNS.items()}
    values: dict[str, Any] = {"found": found, "read": read, "told": told, "error": error, "columns": columns}
    return page("experiments.html", project=project, person=person, **values)


@router.post("/experiments")
async def make_experiment(project: TheProject, person: ThePerson, form: TheForm, bi: TheBi) -> Response:
    """Save an experiment of two variants."""
    name = _name(form)
    deed = _deed(form.get("facts", ""), form.get("column", ""), form.get("value", ""))
    planned = form.get("planned", "").strip()
    document = {
        "project": project,
        "name": name,
        "variants": {form.get("control", "").strip(): 1, form.get("treatment", "").strip(): 1},
        "control": form.get("control", "").strip(),
        "window_days": form.get("window", "7"),
        "measures": [{"name": form.get("measure", ""), "deed": deed, "planned_effect": planned or None}],
    }
    await studies.keep(bi, project, person.actor, studies.EXPERIMENT, name, _built(Experiment, document))
    return RedirectResponse(f"/hub/p/{project}/experiments", 303)


def deed_words(deed: Deed) -> str:
    """A deed in words."""
    where = ", ".join(f"{column} {says}" for column, says in deed.where.items())
    return f"{deed.facts}{': ' if where else ''}{where}"
