"""Routes of what people did within the ecosystem: events and their codes."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import StringConstraints

from trex.gateway import attendance
from trex.gateway.attendance import Attendance
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import Body
from trex.types.evm import checksum_address

router = APIRouter(prefix="/v1", tags=["ecosystem"])


class CodeBody(Body):
    """A code of an event, as it was typed or scanned."""

    code: Annotated[str, StringConstraints(max_length=1024)]


class AttendanceBody(Body):
    """An event that you came to; nobody else sees it."""

    event: str
    place: Literal["on-site", "remote"]
    organiser: str
    """Who signed the code."""
    at_s: int
    """When it was redeemed."""


def _body(found: Attendance) -> AttendanceBody:
    return AttendanceBody(
        event=found.event,
        place="on-site" if found.kind.place == "on-site" else "remote",
        organiser=checksum_address(found.organiser),
        at_s=found.at_s,
    )


@router.post("/events/codes", dependencies=[Costly])
async def redeem(body: CodeBody, session: SignedIn, gateway: TheGateway) -> AttendanceBody:
    """Redeem a code of an event: it is used up, and counts for badges of the event from now on."""
    passport = await passport_of(session, gateway)
    return _body(await attendance.redeem(gateway, session.key, passport, body.code))


@router.get("/events")
async def mine(session: SignedIn, gateway: TheGateway) -> list[AttendanceBody]:
    """Events that you came to."""
    return [_body(one) for one in await attendance.of(gateway, await passport_of(session, gateway))]
