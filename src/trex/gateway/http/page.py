"""The passport's page: server-rendered, for whoever is signed in by cookie (GTW-060 to GTW-062)."""

import hmac
import json
from base64 import b64decode
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape

from trex.gateway import attendance, grants, holdings, people, publishing, recoveries, social, tasks
from trex.gateway.dimensions import dimensions
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, TheGateway, token_of
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import account_name, key_body
from trex.gateway.http.points import ledger_body
from trex.gateway.recoveries import Purpose
from trex.gateway.service import Gateway
from trex.gateway.sessions import Session
from trex.passport.client import PassportState
from trex.passport.did import TrexDid
from trex.passport.keys import Role
from trex.passport.texts import TextError, read_account, write_date
from trex.web.browser import cookie_name, require_same_origin

router = APIRouter(prefix="/passport", include_in_schema=False)

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(default=True, default_for_string=True),
    trim_blocks=True,
)
_PAGES.filters["day"] = lambda moment_s: write_date(moment_s)[:10]
_PAGES.filters["moment"] = lambda moment_s: write_date(moment_s)[:16].replace("T", " ") + " UTC"
MESSAGES = {
    "asked": "Granted: the badge is on its way to the chain.",
    "counted": "Counted: the points are on their way to the ledger.",
    "redeemed": "Redeemed: the code counts for badges of its event from now on.",
    "code": "This code does not count: it is none, not of now, or of no event that is known here.",
    "refused": "Not granted: what your passport has or did does not meet it.",
    "undecided": "Not known: evidence is missing, or a source does not answer.",
    "busy": "Too many requests: try again later.",
    "conflict": "No: it is counted or used up already, or its account is another passport's.",
}
"""What the page says, by the name in its address: nothing else from an address is shown."""


ASKS = {
    Purpose.OPEN: "Recovery for a new key",
    Purpose.CONFIRM: "Recovery against a veto",
    Purpose.WITHDRAW: "Withdrawal of the recovery",
    Purpose.VETO_GUARDIANS: "Veto of other guardians",
}
"""What guardians are asked, for people."""
SHOWN = 10
"""Newest entries of the ledger on the page."""


def _page(name: str, gateway: Gateway, **values: Any) -> HTMLResponse:
    chain = gateway.settings.contracts.chain_id
    return HTMLResponse(_PAGES.get_template(name).render(chain=chain, **values))


async def _session(request: Request, gateway: Gateway) -> Session | None:
    token = token_of(request, gateway)
    return await gateway.session(token) if token else None


async def _own_form(request: Request, gateway: Gateway) -> tuple[Session, dict[str, str]]:
    """Read a form and see that it is this sign-in's own (GTW-061).

    Raises:
        GatewayError: another site's page sent it, or nobody is signed in.
    """
    require_same_origin(request, gateway.settings.public_url)
    session = await _session(request, gateway)
    if session is None:
        raise GatewayError(Fault.NOT_SIGNED_IN, "sign in first")
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=16))
    if not hmac.compare_digest(session.form_token.encode(), form.get("form_token", "").encode()):
        raise GatewayError(Fault.FORBIDDEN, "this form is not of this sign-in")
    return session, form


@router.get("")
async def passport(request: Request, gateway: TheGateway, said: str = "") -> HTMLResponse:
    """The passport of whoever is signed in, or a way in."""
    session = await _session(request, gateway)
    if session is None:
        return _page("sign_in.html", gateway)
    number, role = await gateway.client.passport_of(session.key)
    common = {"form_token": session.form_token, "account": account_name(session.key), "passport": number}
    common |= {"key": key_body(session.key), "role": role.name.lower()}
    if role is not Role.ACTING:
        return _page("create.html", gateway, **common)
    state = await gateway.client.state(number)
    assert state is not None
    common |= await _waiting(gateway, state, role)
    held = await holdings.badges_of(gateway, number)
    book = await ledger_body(gateway, number, None, SHOWN)
    points = book.total
    linked = await people.linked(gateway, number)
    keys = [
        {"name": account_name(one.key), "role": one.role.name.lower(), "body": key_body(one.key).model_dump()}
        for one in await gateway.client.keys(number)
    ]
    return _page(
        "passport.html",
        gateway,
        did=str(TrexDid(gateway.settings.contracts.chain_id, number)),
        state=state,
        badges=held,
        pictures=await _pictures(gateway, [one.token_id for one in held]),
        points=points,
        dimensions=dimensions(held, gateway.offers, sum(one.total for one in book.seasons)),
        book=book,
        tasks=gateway.tasks.items(),
        offers=list(gateway.offers.values()),
        events=await attendance.of(gateway, number),
        keys=keys,
        accounts=[one for one in linked if one.account.platform not in people.PLATFORMS.values()],
        platforms=[
            one.platform
            for one in gateway.settings.platforms.values()
            if one.platform.protocol != "telegram"
            and one.platform.id not in {two.account.platform for two in linked}
        ],
        message=MESSAGES.get(said, ""),
        **common,
    )


async def _waiting(gateway: Gateway, state: PassportState, role: Role) -> dict[str, Any]:
    """What waits for its time, and whether who looks may object."""
    _, now = await gateway.client.latest()
    waiting = bool(state.recovery_key_id or state.guardians_ready_at_s or state.removal_ready_at_s)
    return {"now_s": now, "waiting": waiting, "acting": role is Role.ACTING}


@router.get("/recovery")
async def recovery(
    request: Request, gateway: TheGateway, passport: str = "", new_key: str = "", page: str = ""
) -> Response:
    """Recovery of a passport: for a new key, for guardians, for anyone who carries out what has waited."""
    session = await _session(request, gateway)
    if session is None:
        return _page("sign_in.html", gateway)
    number = int(passport) if passport.isdecimal() and len(passport) < 25 else 0
    state = await gateway.client.state(number) if number else None
    there, role = await gateway.client.passport_of(session.key)
    values: dict[str, Any] = {"state": state, "passport": number, "role": role.name.lower()}
    try:
        wanted = read_account(new_key.strip()) if new_key else None
    except TextError:
        wanted, values["unread"] = None, True
    at = int(page) if page.isdecimal() and len(page) < 7 else 0
    if state is not None:
        is_own = role if there == number else Role.NONE
        values |= await _waiting(gateway, state, is_own)
        values["guardian"] = session.key.id in state.guardian_ids
        values["asks"] = [
            {
                "number": one.number,
                "title": ASKS[one.purpose],
                "account": account_name(one.new_key) if one.new_key else "",
                "approved": one.approved,
                "needed": one.needed,
                "job": one.job,
            }
            for one in await recoveries.open_of(gateway, number, at, wanted)
        ]
        values |= {"new_key": new_key, "at": at, "more": len(values["asks"]) == recoveries.PAGE}
    common = {"form_token": session.form_token, "account": account_name(session.key)}
    return _page("recovery.html", gateway, key=key_body(session.key), **common, **values)


async def _pictures(gateway: Gateway, numbers: list[int]) -> dict[int, str]:
    """Pictures of badges as data: URIs: SVG that the badge contract made, as an image, runs nothing."""
    at = gateway.settings.contracts.badges
    found = {}
    uris = await gateway.client.ask(*((at, holdings.TOKEN_URI, (one,)) for one in numbers))
    for number, uri in zip(numbers, uris, strict=True):
        try:
            kind, _, body = uri.partition(",")
            raw = b64decode(body, validate=True) if kind.endswith(";base64") else body.encode()
            picture = str(json.loads(raw)["image"])
        except (AttributeError, ValueError, KeyError, TypeError):
            picture = ""
        found[number] = picture if picture.startswith("data:image/svg+xml") else ""
    return found


@router.post("/ask", dependencies=[Costly])
async def ask(request: Request, gateway: TheGateway) -> Response:
    """Ask for a badge."""
    session, form = await _own_form(request, gateway)
    offer = await publishing.offer_of(gateway, form.get("policy", ""))
    passport = await passport_of(session, gateway)
    return await _said("asked", grants.grant(gateway, session.key, passport, offer))


@router.post("/do", dependencies=[Costly])
async def do(request: Request, gateway: TheGateway) -> Response:
    """Have a deed counted."""
    session, form = await _own_form(request, gateway)
    named = form.get("referrer", "").strip()
    referrer = int(named) if named.isdecimal() and len(named) < 30 else None
    passport = await passport_of(session, gateway)
    return await _said(
        "counted", tasks.perform(gateway, session.key, passport, form.get("task", ""), referrer)
    )


@router.post("/codes", dependencies=[Costly])
async def codes(request: Request, gateway: TheGateway) -> Response:
    """Redeem a code of an event."""
    session, form = await _own_form(request, gateway)
    passport = await passport_of(session, gateway)
    redeemed = attendance.redeem(gateway, session.key, passport, form.get("code", ""))
    wrong = dict.fromkeys((Fault.MALFORMED, Fault.NOT_FOUND, Fault.BAD_SIGNATURE, Fault.REFUSED), "code")
    return await _said("redeemed", redeemed, wrong)


async def _said(done: str, act: Awaitable[object], more: Mapping[Fault, str] | None = None) -> Response:
    """Carry an act out and go back to the page with what came of it."""
    try:
        await act
        said = done
    except GatewayError as error:
        names = {Fault.REFUSED: "refused", Fault.UNDECIDED: "undecided", Fault.CONFLICT: "conflict"}
        names |= {Fault.TOO_MANY: "busy", **(more or {})}
        if error.fault not in names:
            raise
        said = names[error.fault]
    return RedirectResponse(f"/passport?said={said}", 303)


@router.post("/accounts", dependencies=[Costly])
async def accounts(request: Request, gateway: TheGateway) -> Response:
    """Begin linking an account: the next page has the way to the platform."""
    session, form = await _own_form(request, gateway)
    platform = form.get("platform", "")
    url = await social.start(gateway, session.key, await passport_of(session, gateway), platform)
    title = social.client_of(gateway, platform).platform.title
    return _page("leave.html", gateway, url=url, title=title)


@router.post("/sign-out")
async def sign_out(request: Request, gateway: TheGateway) -> Response:
    """Sign out."""
    await _own_form(request, gateway)
    await gateway.sign_out(token_of(request, gateway))
    answer = RedirectResponse("/passport", 303)
    answer.delete_cookie(
        cookie_name(gateway.settings.secure),
        path="/",
        secure=gateway.settings.secure,
        httponly=True,
        samesite="lax",
    )
    return answer
