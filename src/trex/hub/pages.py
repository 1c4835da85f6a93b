"""What all pages share: templates, who looks, forms that are their own."""

import hmac
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from trex.engine.bi import state
from trex.engine.bi.service import Bi
from trex.hub.signed_in import Person, SignIns
from trex.web.browser import require_same_origin
from trex.web.errors import Fault, RefusalError


def _day(moment_s: int | None) -> str:
    return "" if moment_s is None else datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%d")


def _people(count: int) -> str:
    """A count that a project is told, in words (PRV-001)."""
    return f"{count:,} or more" if count else "fewer than 10"


_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(default=True, default_for_string=True),
    trim_blocks=True,
)
_PAGES.filters |= {"day": _day, "people": _people}


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page; whatever it shows is text, never markup (HUB-003)."""
    return HTMLResponse(_PAGES.get_template(name).render(**values), status)


def bi_of(request: Request) -> Bi:
    """Return the service behind a request."""
    found = request.app.state.bi
    assert isinstance(found, Bi)
    return found


def sign_ins_of(request: Request) -> SignIns:
    """Return what knows who is signed in."""
    found = request.app.state.sign_ins
    assert isinstance(found, SignIns)
    return found


class NobodyError(Exception):
    """Nobody is signed in: the page is a way in."""


async def person_of(request: Request) -> Person:
    """Return who looks.

    Raises:
        NobodyError: nobody is signed in with a key that acts for a passport.
    """
    found = await sign_ins_of(request).person(request)
    if found is None:
        raise NobodyError
    return found


TheBi = Annotated[Bi, Depends(bi_of)]
TheSignIns = Annotated[SignIns, Depends(sign_ins_of)]
ThePerson = Annotated[Person, Depends(person_of)]


async def project_of(project: str, person: ThePerson, bi: TheBi) -> str:
    """Return the project of a page that a person may see (HUB-002).

    Raises:
        RefusalError: they may not; whether there is one does not show.
    """
    async with bi.database.transaction() as tx:
        mine = await state.projects_of(tx, person.passport)
    if project not in mine:
        raise RefusalError(Fault.NOT_FOUND, "you have no project of that name")
    return project


TheProject = Annotated[str, Depends(project_of)]


async def form_of(request: Request, person: ThePerson, bi: TheBi) -> dict[str, str]:
    """Read a form and see that it is this sign-in's own (HUB-004).

    Raises:
        RefusalError: another site's page sent it.
    """
    require_same_origin(request, bi.settings.public_url)
    sent = (await request.body()).decode("utf-8", "replace")
    form = dict(parse_qsl(sent, keep_blank_values=True, max_num_fields=32))
    if not hmac.compare_digest(person.form_token.encode(), form.get("form_token", "").encode()):
        raise RefusalError(Fault.FORBIDDEN, "this form is not of this sign-in")
    return form


TheForm = Annotated[dict[str, str], Depends(form_of)]
