"""Routes of what people did and may do within the ecosystem: events and their codes, stages of mints."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse
from pydantic import StringConstraints

from trex.gateway import attendance, stages
from trex.gateway.attendance import Attendance
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import Body, Hash
from trex.types.decision import Outcome
from trex.types.evm import checksum_address, read_address
from trex.types.primitives import Hash32
from trex.validators.ecosystem.stages import StageName

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


class MintRequestBody(Body):
    """What an NFT contract passes on as `MintRequest`, but for the quantity."""

    account: str
    nullifier: Hash
    allowance: int
    proof: list[Hash]


class StageBody(Body):
    """What a stage of a mint is for you."""

    opens_at_s: int
    closes_at_s: int
    pieces: int
    """That you may take."""
    refused: list[str]
    """What stands against it: time, list, badge, account, quota."""
    list_known: bool
    """Whether this gateway has the stage's list; without it nobody's place is known here."""
    request: MintRequestBody | None
    """How to ask for them; null while the stage is not open or not for you."""


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


@router.get("/stages/{collection}/{stage}", dependencies=[Costly])
async def stage_of(
    collection: Annotated[str, Path(pattern=r"^0x[0-9a-fA-F]{40}$")],
    stage: Annotated[int, Path(ge=0, le=2**53 - 1)],
    session: SignedIn,
    gateway: TheGateway,
) -> StageBody:
    """Tell what a stage of a mint is for you, with what the NFT contract must be called with."""
    try:
        name = StageName(read_address(collection), stage)
    except ValueError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error
    found = await stages.of(gateway, await passport_of(session, gateway), name)
    if found is None:
        raise GatewayError(Fault.NOT_FOUND, "that collection has no such stage")
    request = found.request
    place = request.place if request else None
    return StageBody(
        opens_at_s=found.stage.opens_s,
        closes_at_s=found.stage.closes_s,
        pieces=found.found.pieces,
        refused=[one.code for one in found.found.decision.reasons if one.outcome is not Outcome.GRANTED],
        list_known=found.list_known,
        request=None
        if request is None
        else MintRequestBody(
            account=checksum_address(request.account),
            nullifier=f"0x{request.nullifier.hex()}",
            allowance=place.quota if place else 0,
            proof=[f"0x{one.hex()}" for one in place.proof] if place else [],
        ),
    )


@router.get("/lists/{root}", response_class=PlainTextResponse)
async def list_of(root: Hash, gateway: TheGateway) -> str:
    """The allow-list of a root: a passport and its quota a line; anyone may check the root and any place."""
    found = gateway.lists.get(Hash32(bytes.fromhex(root[2:])))
    if found is None:
        raise GatewayError(Fault.NOT_FOUND, "no list of that root is known here")
    return found.write()
