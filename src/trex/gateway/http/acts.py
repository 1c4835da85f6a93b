"""Routes of persons' acts: what to sign, sending it, and what became of it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, StringConstraints
from webauthn.helpers import base64url_to_bytes

from trex.gateway import acts, outbox, private_links
from trex.gateway.acts import Wish
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import Body, Hash, HexBytes, KeyBody, key_body
from trex.passport.acts import Act
from trex.passport.keys import Key, Role
from trex.passport.proofs import Proof, passkey_signature
from trex.passport.texts import read_account
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
    key_ids: Annotated[list[Hash], Field(max_length=16)] = Field(default_factory=list)
    accounts: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=16)] = Field(
        default_factory=list
    )
    """The same as people write them: addresses of EVM or Solana."""
    quorum: Annotated[int, Field(ge=0, le=16)]
    override_quorum: Annotated[int, Field(ge=0, le=16)]

    def wish(self) -> Wish:
        """As the packages inside know it."""
        named = [_hash(one) for one in self.key_ids]
        ids = tuple(sorted({*named, *(read_account(one).id for one in self.accounts)}))
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

    found = [
        to_sign(one.key, one.act, domain, uri, now) for one in await acts.demands(gateway, wish, deadline)
    ]
    return Prepared.model_validate({"deadline_s": deadline, "signatures": found})


@router.post("/acts", status_code=202, dependencies=[Costly])
async def submit(body: Signed, session: SignedIn, gateway: TheGateway) -> JobBody:
    """Send a signed act to the chain at the gateway's cost."""
    proofs = [Proof(body.deadline_s, one.issued_at_s, signature_of(one)) for one in body.proofs]
    number = await acts.submit(gateway, session.key, _wish(body.act), proofs)
    return await job(number, session, gateway)


class PrivateWanted(Body):
    """A wallet to be linked privately."""

    key: KeyBody


class PrivatePrepared(Prepared):
    """What both sides sign; the chain never sees it."""

    nonce: str
    """Goes back with the proofs."""


class PrivateSigned(Body):
    """A private link, signed by who is signed in and by the wallet."""

    key: KeyBody
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    proofs: Annotated[list[ProofBody], Field(min_length=2, max_length=2)]


@router.post("/private-links/prepare", dependencies=[Costly])
async def prepare_private(body: PrivateWanted, session: SignedIn, gateway: TheGateway) -> PrivatePrepared:
    """Say what you and a wallet must sign to link it so that nobody else sees it."""
    passport, key = await passport_of(session, gateway), _key(body.key)
    nonce, deadline = await private_links.begin(gateway, session.key, passport, key)
    act = private_links.act_of(gateway, passport, key, nonce, deadline)
    domain, uri = await gateway.client.sign_in_place()
    found = [to_sign(who, act, domain, uri, gateway.now_s) for who in (session.key, key)]
    return PrivatePrepared.model_validate({"deadline_s": deadline, "signatures": found, "nonce": nonce})


@router.post("/private-links", status_code=202, dependencies=[Costly])
async def link_private(body: PrivateSigned, session: SignedIn, gateway: TheGateway) -> JobBody:
    """Link a wallet privately: the chain gets a nullifier and a hiding commitment."""
    passport = await passport_of(session, gateway)
    first, second = (Proof(0, one.issued_at_s, signature_of(one)) for one in body.proofs)
    number = await private_links.link(
        gateway, session.key, passport, _key(body.key), body.nonce, (first, second)
    )
    return await job(number, session, gateway)


def _key(body: KeyBody) -> Key:
    try:
        return body.key()
    except ValueError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error


def to_sign(key: Key, act: Act, domain: str, uri: str, now_s: int) -> dict[str, Any]:
    """Write what a key signs, as `ToSign` has it."""
    text = None
    if acts.signs_texts(key):
        text = {"text": act.text(key, domain, uri, now_s).write(), "issued_at_s": now_s}
    return {
        "by": key_body(key),
        "typed_data": act.message.document(),
        "digest": f"0x{act.message.digest().hex()}",
        "text": text,
    }


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


def signature_of(proof: ProofBody) -> bytes:
    """Return the signature of a proof, in the form that the key verifier takes.

    Raises:
        GatewayError: it has neither bytes nor what a browser answered, or both.
    """
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
