"""Routes of consent: what the engine may do with a person's data, switched by the person (GTW-036)."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import StringConstraints

from trex.gateway import consents
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import Body

router = APIRouter(prefix="/v1/consents", tags=["consent"])


class WordBody(Body):
    """What somebody agrees to, or withdraws from."""

    purpose: Literal["matching", "models", "export"]
    """Be found in audiences; be learned from; be named in what leaves the engine."""
    project: Annotated[str, StringConstraints(pattern=r"^(\*|[\w.-]{1,64})$")] = "*"
    """A project's name; `*` for every project."""
    given: bool


class SaidBody(WordBody):
    """A word, and when it was said."""

    at_s: int


@router.get("")
async def mine(session: SignedIn, gateway: TheGateway) -> list[SaidBody]:
    """Your newest words; where there is none, you have not consented."""
    found = await consents.words(gateway, await passport_of(session, gateway))
    return [_body(one) for one in found]


@router.post("", dependencies=[Costly])
async def say(body: WordBody, session: SignedIn, gateway: TheGateway) -> SaidBody:
    """Agree to a purpose for a project, or withdraw; the engine heeds it within seconds."""
    passport = await passport_of(session, gateway)
    said = await consents.say(gateway, session.key, passport, body.purpose, body.project, body.given)
    return _body(said)


def _body(word: consents.Word) -> SaidBody:
    return SaidBody.model_validate(
        {"purpose": word.purpose, "project": word.project, "given": word.given, "at_s": word.at_s}
    )
