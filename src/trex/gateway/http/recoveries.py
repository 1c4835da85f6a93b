"""Routes of recovery: guardians' approvals, what waits for its time, and moves of wallets."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from trex.gateway import people, recoveries
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.acts import JobBody, Number, Prepared, ProofBody, job, signature_of, to_sign
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import Body, KeyBody, key_body
from trex.gateway.recoveries import Asked, Purpose, Subject
from trex.gateway.service import Gateway
from trex.passport.acts import Act
from trex.passport.keys import Key
from trex.passport.proofs import Proof
from trex.passport.texts import TextError, read_account

router = APIRouter(prefix="/v1", tags=["recovery"])


class OfPassport(Body):
    """A passport."""

    passport: Number


class AskedBody(OfPassport):
    """What guardians are to approve."""

    purpose: Literal["open", "confirm", "withdraw", "veto-guardians"]
    deadline_s: Annotated[int, Query(ge=0, lt=2**64)] = 0
    """As `prepare` told it; to open."""
    proof: ProofBody | None = None
    """Of the new key, which is signed in; to open."""


class RecoveryBody(Body):
    """Something that guardians are asked to approve."""

    number: int
    passport: int
    purpose: Literal["open", "confirm", "withdraw", "veto-guardians"]
    new_key: KeyBody | None
    """Will act alone."""
    deadline_s: int
    """Last second of the approvals, Unix time."""
    approved: int
    needed: int
    job: int | None
    """Under which it went to the chain."""


class ApprovalBody(Body):
    """A guardian's signature."""

    proof: ProofBody


class ExecutionBody(OfPassport):
    """What has waited for its time."""

    subject: Literal["removal", "guardians", "recovery"]


class MoveAsked(Body):
    """A wallet of yours whose nullifier is at another passport still."""

    key: KeyBody


class MoveBody(Body):
    """How far a move is."""

    job: int
    moving: bool
    """Whether it has only begun: its holder can object until it is completed (PAS-043)."""


@router.post("/recoveries/prepare", dependencies=[Costly])
async def prepare(body: OfPassport, session: SignedIn, gateway: TheGateway) -> Prepared:
    """Say what the new key, which is signed in, must sign to take a passport over."""
    return await _prepared(gateway, session.key, await recoveries.entry(gateway, body.passport, session.key))


@router.post("/recoveries", status_code=201, dependencies=[Costly])
async def ask(body: AskedBody, session: SignedIn, gateway: TheGateway) -> RecoveryBody:
    """Ask the guardians of a passport: to open a recovery for the key that is signed in, or what follows."""
    purpose = Purpose[body.purpose.upper().replace("-", "_")]
    proof = _proof(body.proof, body.deadline_s) if body.proof else None
    return _body(await recoveries.ask(gateway, session.key, body.passport, purpose, proof))


@router.get("/recoveries", dependencies=[Costly])
async def listed(
    passport: Annotated[int, Query(ge=1, lt=2**96)],
    session: SignedIn,
    gateway: TheGateway,
    page: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    account: Annotated[str, Query(max_length=64)] = "",
) -> list[RecoveryBody]:
    """What the guardians of a passport are asked to approve, twenty a page; or for one new key, if named."""
    try:
        key = read_account(account) if account else None
    except TextError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error
    return [_body(one) for one in await recoveries.open_of(gateway, passport, page, key)]


@router.post("/recoveries/{number}/approvals/prepare", dependencies=[Costly])
async def prepare_approval(number: int, session: SignedIn, gateway: TheGateway) -> Prepared:
    """Say what a guardian must sign."""
    asked = await recoveries.find(gateway, number)
    return await _prepared(gateway, session.key, recoveries.approval(gateway, asked))


@router.post("/recoveries/{number}/approvals", dependencies=[Costly])
async def approve(number: int, body: ApprovalBody, session: SignedIn, gateway: TheGateway) -> RecoveryBody:
    """Approve as a guardian; with enough approvals it goes to the chain at once."""
    proof = _proof(body.proof, 0)
    return _body(await recoveries.approve(gateway, session.key, number, proof))


@router.post("/executions", status_code=202, dependencies=[Costly])
async def execute(body: ExecutionBody, session: SignedIn, gateway: TheGateway) -> JobBody:
    """Carry out what has waited for its time on a passport."""
    subject = Subject[body.subject.upper()]
    number = await recoveries.execute(gateway, session.key, body.passport, subject)
    return await job(number, session, gateway)


@router.post("/moves", status_code=202, dependencies=[Costly])
async def move(body: MoveAsked, session: SignedIn, gateway: TheGateway) -> MoveBody:
    """Begin, or complete, the move of a linked wallet's nullifier to your passport."""
    passport = await passport_of(session, gateway)
    try:
        key = body.key.key()
    except ValueError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error
    there, _ = await gateway.client.passport_of(key)
    if there != passport:
        raise GatewayError(Fault.FORBIDDEN, "link the wallet first: its signature shows that it is yours")
    number, moving = await people.bind_shown(
        gateway, session.key, passport, people.account_of_key(key), act="move", subject=f"passport {passport}"
    )
    return MoveBody(job=number, moving=moving)


def _proof(body: ProofBody, deadline_s: int) -> Proof:
    return Proof(deadline_s, body.issued_at_s, signature_of(body))


async def _prepared(gateway: Gateway, key: Key, act: Act) -> Prepared:
    domain, uri = await gateway.client.sign_in_place()
    _, now = await gateway.client.latest()
    found = {"deadline_s": act.deadline_s, "signatures": [to_sign(key, act, domain, uri, now)]}
    return Prepared.model_validate(found)


def _body(asked: Asked) -> RecoveryBody:
    return RecoveryBody.model_validate(
        {
            "number": asked.number,
            "passport": asked.passport,
            "purpose": asked.purpose.name.lower().replace("_", "-"),
            "new_key": key_body(asked.new_key) if asked.new_key else None,
            "deadline_s": asked.deadline_s,
            "approved": asked.approved,
            "needed": asked.needed,
            "job": asked.job,
        }
    )
