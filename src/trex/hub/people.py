"""A person's own page: what is known of them, who matches them and why, what they agreed to (PSN)."""

import asyncio
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from trex.engine.bi import state
from trex.engine.bi.person import known, matched
from trex.engine.bi.service import Bi, answered
from trex.engine.lake.consent import ALL, Purpose
from trex.hub.pages import TheBi, TheForm, ThePerson, TheSignIns, page
from trex.hub.signed_in import Person, SignIns
from trex.web.errors import Fault, RefusalError

router = APIRouter(prefix="/hub", include_in_schema=False)

PURPOSES = {
    Purpose.MATCHING.value: "Be found and counted in audiences",
    Purpose.MODELS.value: "Be learned from, and be recommended things",
    Purpose.EXPORT.value: "Be named in files and roots that leave the engine",
}
"""What a person is asked, in words."""


@router.get("")
async def front(person: ThePerson, bi: TheBi) -> HTMLResponse:
    """Where somebody may go."""
    async with bi.database.transaction() as tx:
        mine = await state.projects_of(tx, person.passport)
    return page("front.html", person=person, projects=mine)


@router.get("/me")
async def me(person: ThePerson, bi: TheBi, sign_ins: TheSignIns) -> HTMLResponse:
    """Who somebody is here."""
    with answered():
        found = await asyncio.to_thread(known, bi.lake, person.passport)
    words = await sign_ins.consents(person)
    given = {(one["purpose"], one["project"]): one["given"] for one in words}
    async with bi.database.transaction() as tx:
        asked = (await state.wished(tx)).get(person.passport)
    switches = [
        {"purpose": purpose, "words": text, "project": project, "given": given.get((purpose, project), False)}
        for purpose, text in PURPOSES.items()
        for project in sorted({ALL, *(name for of, name in given if of == purpose)})
    ]
    return page(
        "me.html",
        person=person,
        known=found,
        switches=switches,
        matched=await matched(bi, person.passport),
        asked_s=asked,
        now_s=bi.now_s,
    )


@router.post("/me/consent")
async def consent(person: ThePerson, form: TheForm, sign_ins: TheSignIns, bi: TheBi) -> Response:
    """Agree, or withdraw; the engine heeds it within seconds."""
    purpose, project = form.get("purpose", ""), form.get("project", "").strip() or ALL
    if purpose not in PURPOSES:
        raise RefusalError(Fault.MALFORMED, "there is no such purpose")
    await sign_ins.consent(person, purpose, project, form.get("given") == "yes")
    return RedirectResponse("/hub/me#consent", 303)


@router.get("/me/export")
async def export(person: ThePerson, bi: TheBi, sign_ins: TheSignIns) -> Response:
    """Everything that is known of a person, as JSON."""
    return Response(
        orjson.dumps(await _everything(bi, sign_ins, person), option=orjson.OPT_INDENT_2, default=str),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="passport-{int(person.passport)}.json"'},
    )


async def _everything(bi: Bi, sign_ins: SignIns, person: Person) -> dict[str, Any]:
    with answered():
        found = await asyncio.to_thread(known, bi.lake, person.passport, None)
    met = state.met
    async with bi.database.transaction() as tx:
        asked = met.select().where(met.c.passport == person.passport)
        rows = [
            {"project": row.project, "kind": row.kind, "name": row.name, "met_s": row.met_s}
            for row in await tx.execute(asked)
        ]
    told = {"consents_at_gateway": await sign_ins.consents(person), "met": rows}
    audiences = [asdict(one) for one in await matched(bi, person.passport)]
    return asdict(found) | told | {"audiences": audiences}


@router.post("/me/erase")
async def erase(person: ThePerson, form: TheForm, sign_ins: TheSignIns, bi: TheBi) -> Response:
    """Ask to be erased: out of every audience at once, and out of everything by the operator (PSN-003)."""
    if form.get("sure") != person.passport:
        raise RefusalError(Fault.MALFORMED, "write your passport's number to be erased")
    projects = {(one["purpose"], one["project"]) for one in await sign_ins.consents(person) if one["given"]}
    for purpose, project in sorted(projects | {(purpose, ALL) for purpose in PURPOSES}):
        await sign_ins.consent(person, purpose, project, given=False)
    async with bi.database.transaction() as tx:
        await state.wish(tx, person.passport, bi.now_s)
    await bi.note(person.actor, "ask to be erased", person.passport)
    return RedirectResponse("/hub/me#erase", 303)
