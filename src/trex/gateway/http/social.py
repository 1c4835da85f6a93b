"""Routes of linking accounts at platforms."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import Field, StringConstraints

from trex.gateway import people, social
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import Slug, passport_of
from trex.gateway.http.models import Body

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


class PlatformBody(Body):
    """A platform whose accounts can be linked."""

    id: str
    title: str
    protocol: str


class Started(Body):
    """Where the person's browser goes."""

    url: str


class LinkedBody(Body):
    """What linking came to."""

    job: int
    moving: bool
    """Another passport holds the account: it comes here after 45 days without objection (PAS-043)."""


class AccountBody(Body):
    """An account of yours; nobody else sees it."""

    platform: str
    handle: str
    nullifier: str
    checked_at_s: int


class TelegramBody(Body):
    """What Telegram's login widget gives."""

    fields: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=512)]], Field(min_length=3, max_length=8)
    ]


@router.get("/platforms")
async def platforms(gateway: TheGateway) -> list[PlatformBody]:
    """Platforms whose accounts can be linked here."""
    found = [one.platform for one in gateway.settings.platforms.values()]
    return [PlatformBody(id=one.id, title=one.title, protocol=one.protocol) for one in found]


@router.get("")
async def mine(session: SignedIn, gateway: TheGateway) -> list[AccountBody]:
    """Your linked accounts."""
    found = await people.linked(gateway, await passport_of(session, gateway))
    return [
        AccountBody(
            platform=one.account.platform,
            handle=one.account.handle,
            nullifier=f"0x{one.nullifier.hex()}",
            checked_at_s=one.checked_s,
        )
        for one in found
    ]


@router.post("/telegram", status_code=202, dependencies=[Costly])
async def telegram(body: TelegramBody, session: SignedIn, gateway: TheGateway) -> LinkedBody:
    """Link a Telegram account."""
    passport = await passport_of(session, gateway)
    found = await social.link_telegram(gateway, session.key, passport, body.fields)
    return LinkedBody(job=found.job, moving=found.moving)


@router.post("/{platform}/start", dependencies=[Costly])
async def start(platform: Slug, session: SignedIn, gateway: TheGateway) -> Started:
    """Begin linking: send the person's browser to this address."""
    passport = await passport_of(session, gateway)
    return Started(url=await social.start(gateway, session.key, passport, platform))


@router.get("/{platform}/callback", dependencies=[Costly], response_model=LinkedBody)
async def callback(
    platform: Slug, request: Request, session: SignedIn, gateway: TheGateway
) -> LinkedBody | Response:
    """Where a platform sends the browser back to; the sign-in must be the one that began."""
    found = await social.finish(gateway, session.key, platform, dict(request.query_params))
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/passport", 303)
    return LinkedBody(job=found.job, moving=found.moving)
