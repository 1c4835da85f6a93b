"""Routes of persons' acts: what to sign, sending it, and what became of it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, StringConstraints
from webauthn.helpers import base64url_to_bytes

from trex.gateway import acts, outbox
from trex.gateway.acts import Wish
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.models import Body, Hash, HexBytes, KeyBody, key_body
from trex.passport.keys import Key, Role
from trex.passport.proofs import Proof, passkey_signature
from trex.types.evm import read_address
from trex.types.primitives import Hash32

router = APIRouter(prefix="/v1", tags=["acts"])

Number = Annotated[int, Field(ge=1, lt=2**96)]
AddressText = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]


class CreateBody(Body):
    """Make a passport whose first key this is."""

    act: Literal["create"]
    key: KeyBody

    def wish(self) -> Wish:
        """As the packages inside know it."""
        return acts.Create(self.key.key())


class _OfPassport(Body):
    """An act on a passport."""

    passport: Number
    actor: KeyBody
    """A key that acts for it."""


class LinkBody(_OfPassport):
    """Take a key in."""

    act: Literal["link"]
    key: KeyBody
    """The key that comes; it signs too."""
    role: Literal["acting", "linked"]

    def wish(self) -> Wish:
        """As the packages inside know it."""
        return acts.Link(self.passport, self.actor.key(), self.key.key(), Role[self.role.upper()])


class RemoveBody(_OfPassport):
    """Take a key out."""

    act: Literal["remove"]
    key_id: Hash

    def wish(self) -> Wish:
        """As the packages inside know it."""
        return acts.Remove(self.passport, self.actor.key(), _hash(self.key_id))


class PayoutBody(_OfPassport):
    """Name where rewards go."""

    act: Literal["payout"]
    payout: AddressText

    def wish(self) -> Wish:
        """As the packages inside know it."""
        return acts.Payout(self.passport, self.actor.key(), read_address(self.payout))


class VetoBody(_OfPassport):
    """Stop what is pending."""

    act: Literal["veto"]
    subject: Literal["removal", "guardians", "recovery"]

    def wish(self) -> Wish:
        """As the packages inside know it."""
        number = ("removal", "guardians", "recovery").index(self.subject) + 1
        return acts.Veto(self.passport, self.actor.key(), number)


class GuardiansBody(_OfPassport):
    """Ask for other guardians."""

    act: Literal["guardians"]
    key_ids: Annotated[list[Hash], Field(max_length=16)]
    quorum: Annotated[int, Field(ge=0, le=16)]
    override_quorum: Annotated[int, Field(ge=0, le=16)]

    def wish(self) -> Wish:
        """As the packages inside know it."""
        ids = tuple(_hash(one) for one in self.key_ids)
        return acts.Guardians(self.passport, self.actor.key(), ids, self.quorum, self.override_quorum)


class ReleaseBody(_OfPassport):
    """Let an account go."""

    act: Literal["release"]
    nullifier: Hash

    def wish(self) -> Wish:
        """As the packages inside know it."""
        return acts.Release(self.passport, self.actor.key(), _hash(self.nullifier))


class RenounceBody(_OfPassport):
    """Give a badge up."""

    act: Literal["renounce"]
    token_id: Number

    def wish(self) -> Wish:
        """As the packages inside know it."""
        return acts.Renounce(self.passport, self.actor.key(), self.token_id)


AnyAct = Annotated[
    CreateBody | LinkBody | RemoveBody | PayoutBody | VetoBody | GuardiansBody | ReleaseBody | RenounceBody,
    Field(discriminator="act"),
]


class Wanted(Body):
    """What a person wants done."""

    act: AnyAct


class TextToSign(Body):
    """The same as a sign-in text, for wallets that sign only texts."""

    text: str
    issued_at_s: int
    """Goes into the proof."""


class ToSign(Body):
    """One signature that is needed."""

    by: KeyBody
    typed_data: dict[str, Any]
    """For `eth_signTypedData_v4`."""
    digest: Hash
    """A passkey's challenge."""
    text: TextToSign | None
    """None for passkeys."""


class Prepared(Body):
    """What is to be signed."""

    deadline_s: int
    """Goes into each proof."""
    signatures: list[ToSign]


class ProofBody(Body):
    """A signature: bytes, or what a browser's authenticator answered."""

    issued_at_s: Annotated[int, Field(ge=0, lt=2**64)] = 0
    """0 if the typed data were signed, else the text's."""
    signature: HexBytes | None = None
    credential: dict[str, Any] | None = None
    """As `PublicKeyCredential.toJSON` writes it."""


class Signed(Body):
    """A signed act."""

    act: AnyAct
    deadline_s: Annotated[int, Field(ge=0, lt=2**64)]
    proofs: Annotated[list[ProofBody], Field(min_length=1, max_length=2)]
    """In the order in which they were asked for."""


class JobBody(Body):
    """What became of something that is to reach the chain."""

    number: int
    kind: str
    state: Literal["queued", "sent", "done", "failed"]
    error: str
    passport: int


def _hash(text: str) -> Hash32:
    return Hash32(bytes.fromhex(text[2:]))


def _wish(body: AnyAct) -> Wish:
    try:
        return body.wish()
    except ValueError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error


@router.post("/acts/prepare", dependencies=[Costly])
async def prepare(body: Wanted, session: SignedIn, gateway: TheGateway) -> Prepared:
    """Say what must be signed, by whom, for an act on a passport."""
    wish = _wish(body.act)
    _, now = await gateway.client.latest()
    deadline = now + acts.SIGNED_S
    domain, uri = await gateway.client.sign_in_place()

    def text_of(key: Key, act: Any) -> dict[str, Any] | None:
        if not acts.signs_texts(key):
            return None
        return {"text": act.text(key, domain, uri, now).write(), "issued_at_s": now}

    return Prepared.model_validate(
        {
            "deadline_s": deadline,
            "signatures": [
                {
                    "by": key_body(one.key),
                    "typed_data": one.act.message.document(),
                    "digest": f"0x{one.act.message.digest().hex()}",
                    "text": text_of(one.key, one.act),
                }
                for one in await acts.demands(gateway, wish, deadline)
            ],
        }
    )


@router.post("/acts", status_code=202, dependencies=[Costly])
async def submit(body: Signed, session: SignedIn, gateway: TheGateway) -> JobBody:
    """Send a signed act to the chain at the gateway's cost."""
    proofs = [Proof(body.deadline_s, one.issued_at_s, _signature(one)) for one in body.proofs]
    number = await acts.submit(gateway, session.key, _wish(body.act), proofs)
    return await job(number, session, gateway)


@router.get("/jobs/{number}")
async def job(number: int, session: SignedIn, gateway: TheGateway) -> JobBody:
    """What became of a job of yours."""
    async with gateway.database.transaction() as tx:
        found = await outbox.find(tx, number, session.key.id)
    if found is None:
        raise GatewayError(Fault.NOT_FOUND, "you have no such job")
    return JobBody.model_validate(
        {
            "number": found.number,
            "kind": found.kind.value,
            "state": found.state.value,
            "error": found.error,
            "passport": found.passport,
        }
    )


def _signature(proof: ProofBody) -> bytes:
    if (proof.signature is None) == (proof.credential is None):
        raise GatewayError(Fault.MALFORMED, "a proof has a signature or a credential")
    if proof.signature is not None:
        return bytes.fromhex(proof.signature[2:])
    assert proof.credential is not None
    try:
        answer = proof.credential["response"]
        parts = [
            base64url_to_bytes(answer[name]) for name in ("authenticatorData", "clientDataJSON", "signature")
        ]
        return passkey_signature(*parts)
    except (KeyError, TypeError, ValueError) as error:
        raise GatewayError(Fault.MALFORMED, "not a browser's answer") from error
