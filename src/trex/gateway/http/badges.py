"""Routes of policies, evaluations, grants and evidence."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field, StringConstraints

from trex.badges.answer import decision_json
from trex.badges.chain.statement import OUTCOMES
from trex.badges.explain import explain
from trex.badges.policy import MAX_POLICY_BYTES
from trex.gateway import claims, grants, people, publishing, reexecution
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.evaluation import evaluate_for
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.models import Body, Hash, HexBytes
from trex.gateway.policies import Offer
from trex.gateway.service import Gateway
from trex.gateway.sessions import Session
from trex.passport.keys import Role
from trex.types.evm import read_address
from trex.types.primitives import Hash32

router = APIRouter(prefix="/v1", tags=["badges"])

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]


class PolicyBody(Body):
    """A policy that badges can be asked under."""

    slug: str
    name: str
    description: str
    id: Hash
    """On the chain (BDG-001)."""
    document: Hash
    """Hash of its canonical form (POL-002)."""
    evidence: str
    """public or private."""
    levels: int
    text: list[str]
    """What it asks, in words."""


class PublishedBody(Body):
    """A policy that somebody has published on the chain."""

    publisher: Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
    document: Annotated[str, StringConstraints(max_length=MAX_POLICY_BYTES)]
    """The policy's file."""


class Asked(Body):
    """Which policy."""

    policy: Slug


class GrantBody(Body):
    """A grant that is on its way."""

    job: int
    evidence: Hash
    level: int
    points: int


class AskedClaim(Body):
    """Which provider a claim is for."""

    provider: Slug


class ClaimMessage(Body):
    """What a claim must carry."""

    message: str
    """Goes into `contextMessage`, to the last character."""


class ClaimBody(Body):
    """A zkTLS claim."""

    provider: Slug
    message: Annotated[str, StringConstraints(max_length=256)]
    proof: dict[str, Any]
    """As Reclaim's client gives it."""


class ClaimAnswer(Body):
    """What a claim is worth."""

    level: int
    level_name: str


class EvidenceBody(Body):
    """What a grant rests on."""

    document: dict[str, Any]
    """As `trex badge dry-run` reads it; the digest is over its canonical form behind the salt."""
    salt: Annotated[str, Field(pattern=r"^(0x[0-9a-f]{64})?$")]
    """Of private evidence; empty for public."""
    policy: str


class DisclosureBody(Body):
    """What a grant rests on, with the claims behind it."""

    document: str
    """The evidence document, byte for byte."""
    salt: Annotated[str, Field(pattern=r"^(0x[0-9a-f]{64})?$")]
    claims: list[dict[str, Any]]
    """zkTLS claims with all that judging them anew takes."""
    links: list[dict[str, Any]]
    """What opens the private links of the wallets that counted."""


class Statement(Body):
    """What the attestors say after re-executing a grant."""

    token_id: int
    evidence: Hash
    """Digest of the evidence."""
    validator_version: Hash
    """Code that re-executed."""
    level: int
    """That follows."""
    outcome: Literal["granted", "refused", "undecided"]
    """Granted: the same again."""
    at_s: int
    """Time of the newest block then, Unix seconds."""
    set_epoch: int
    """Validator set in force."""
    signatures: HexBytes
    """Over EIP-712 `ReExecution`, ascending by signer."""


async def passport_of(session: Session, gateway: Gateway) -> int:
    """Return the passport that a sign-in acts for.

    Raises:
        GatewayError: none.
    """
    passport, role = await gateway.client.passport_of(session.key)
    if role is not Role.ACTING:
        raise GatewayError(Fault.FORBIDDEN, "sign in with a key that acts for a passport")
    return passport


def _policy_body(offer: Offer) -> PolicyBody:
    return PolicyBody.model_validate(
        {
            "slug": offer.slug,
            "name": offer.policy.name,
            "description": offer.policy.description or "",
            "id": f"0x{offer.id.hex()}",
            "document": f"0x{offer.policy.document_hash.hex()}",
            "evidence": offer.policy.evidence_class.value,
            "levels": len(offer.policy.levels),
            "text": list(explain(offer.policy)),
        }
    )


@router.get("/policies")
async def policies(gateway: TheGateway) -> list[PolicyBody]:
    """Policies that badges can be asked under."""
    return [_policy_body(offer) for offer in gateway.offers.values()]


@router.post("/policies", status_code=201, dependencies=[Costly])
async def take_policy(body: PublishedBody, gateway: TheGateway) -> PolicyBody:
    """Take the document of a policy that stands on the chain, to grant under it (GTW-046)."""
    publisher = read_address(body.publisher)
    return _policy_body(await publishing.take(gateway, publisher, body.document.encode()))


@router.get("/policies/{slug}")
async def policy(slug: Slug, gateway: TheGateway) -> Response:
    """The document of a policy, byte for byte."""
    return Response((await publishing.offer_of(gateway, slug)).document, media_type="application/json")


@router.post("/evaluations", dependencies=[Costly])
async def evaluation(body: Asked, session: SignedIn, gateway: TheGateway) -> dict[str, Any]:
    """Decide a policy on what your passport has, with every reason; nothing is granted."""
    offer = await publishing.offer_of(gateway, body.policy)
    found = await evaluate_for(gateway, await passport_of(session, gateway), offer.policy)
    wallets = {"lookedAt": len(found.evidence.wallets), "leftOut": found.left_out}
    return decision_json(offer.policy, found.decision) | {"wallets": wallets}


@router.post("/grants", status_code=202, dependencies=[Costly])
async def grant(body: Asked, session: SignedIn, gateway: TheGateway) -> GrantBody:
    """Ask for a badge: evaluate, and if a level is proved, grant or renew it."""
    offer = await publishing.offer_of(gateway, body.policy)
    found = await grants.grant(gateway, session.key, await passport_of(session, gateway), offer)
    decision = found.evaluation.decision
    return GrantBody(
        job=found.job,
        evidence=f"0x{found.evidence.hex()}",
        level=decision.level,
        points=decision.points,
    )


@router.get("/evidence/{digest}")
async def public_evidence(digest: Hash, gateway: TheGateway) -> EvidenceBody:
    """What a grant rests on, where it is public: anyone may re-execute it."""
    return await _evidence(gateway, digest, ())


@router.get("/evidence/{digest}/private")
async def private_evidence(digest: Hash, session: SignedIn, gateway: TheGateway) -> EvidenceBody:
    """What a grant of yours rests on, with its salt, to disclose it to whom you like."""
    return await _evidence(gateway, digest, (await passport_of(session, gateway),))


async def _evidence(gateway: Gateway, digest: str, passports: tuple[int, ...]) -> EvidenceBody:
    kept = await grants.evidence_of(gateway, Hash32(bytes.fromhex(digest[2:])), passports)
    salt = f"0x{kept.salt.hex()}" if kept.salt else ""
    return EvidenceBody(document=orjson.loads(kept.document), salt=salt, policy=kept.slug)


@router.get("/evidence/{digest}/disclosure")
async def disclosure(digest: Hash, session: SignedIn, gateway: TheGateway) -> DisclosureBody:
    """The same with the zkTLS claims behind it: all that re-executing it takes. It names your accounts."""
    mine = (await passport_of(session, gateway),)
    kept = await grants.evidence_of(gateway, Hash32(bytes.fromhex(digest[2:])), mine)
    shown = await reexecution.opened(gateway, kept.passport, kept.document, kept.salt)
    return DisclosureBody(
        document=kept.document.decode(),
        salt=f"0x{kept.salt.hex()}" if kept.salt else "",
        claims=[one.write() for one in shown.claims],
        links=[one.write() for one in shown.links],
    )


@router.post("/badges/{token_id}/re-executions", dependencies=[Costly])
async def re_execute(token_id: Annotated[int, Field(ge=1, lt=2**96)], gateway: TheGateway) -> Statement:
    """Have the attestors re-execute a badge's grant on its sealed evidence and sign the outcome (BDG-054)."""
    found = await reexecution.reexecute_sealed(gateway, token_id)
    return Statement(
        token_id=token_id,
        evidence=f"0x{found.said.evidence.hex()}",
        validator_version=f"0x{found.said.validatorVersion.hex()}",
        level=found.said.level,
        outcome=OUTCOMES[found.said.outcome - 1].value,
        at_s=found.said.at,
        set_epoch=found.set_epoch,
        signatures=f"0x{found.signatures.hex()}",
    )


@router.post("/claims/messages", dependencies=[Costly])
async def claim_message(body: AskedClaim, session: SignedIn, gateway: TheGateway) -> ClaimMessage:
    """Hand out the message that binds a zkTLS claim to your passport (ZKT-041)."""
    passport = await passport_of(session, gateway)
    return ClaimMessage(message=await claims.ask(gateway, passport, body.provider))


@router.post("/claims", dependencies=[Costly])
async def claim(body: ClaimBody, session: SignedIn, gateway: TheGateway) -> ClaimAnswer:
    """Take a zkTLS claim in evidence: it stays private, a badge says the level."""
    passport = await passport_of(session, gateway)
    known = await people.linked(gateway, passport)
    verdict = await claims.take(
        gateway, session.key, passport, body.provider, body.message, body.proof, known
    )
    assert verdict.value is not None
    return ClaimAnswer(level=verdict.value.level, level_name=verdict.value.level_name)
