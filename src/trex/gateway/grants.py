"""Grants badges: evidence sealed, bindings and grant queued in one transaction (BDG-010, GTW-043)."""

import secrets
from dataclasses import dataclass

import orjson
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trex.badges.chain.contract import Grant
from trex.badges.chain.evidence import MAX_NULLIFIERS, digest_of
from trex.gateway import outbox, people
from trex.gateway.calls import payload_of
from trex.gateway.code_version import validator_version
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.evaluation import Evaluation, evaluate_for
from trex.gateway.nullify import ask_first, nullifier_of
from trex.gateway.outbox import JobKind
from trex.gateway.policies import Offer
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import evidence
from trex.passport import contracts as abi
from trex.passport.keys import Key
from trex.types.decision import Outcome
from trex.types.primitives import Hash32
from trex.web import audit


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that is on its way."""

    job: int
    """Number of its job."""
    evaluation: Evaluation
    """What it rests on."""
    evidence: Hash32
    """Digest that the chain will have."""


async def grant(gateway: Gateway, signer: Key, passport: int, offer: Offer) -> Granted:
    """Evaluate and, if a level is proved, queue the grant behind the bindings that it needs.

    Raises:
        GatewayError: nothing is proved, an account belongs to another passport, or the budget is used up.
    """
    found = await evaluate_for(gateway, passport, offer.policy)
    decision = found.decision
    if decision.outcome is not Outcome.GRANTED:
        fault = Fault.REFUSED if decision.outcome is Outcome.REFUSED else Fault.UNDECIDED
        raise GatewayError(fault, f"{offer.slug}: no level is proved; GET the evaluation for the reasons")
    if not found.accounts:
        raise GatewayError(
            Fault.REFUSED, "this passport has no wallet or account that a badge could stand on"
        )
    if (count := len(found.accounts)) > MAX_NULLIFIERS:
        raise GatewayError(
            Fault.REFUSED,
            f"this rests on {count} wallets and accounts; a badge names {MAX_NULLIFIERS} (BDG-011)",
        )
    _, chain_now = await gateway.client.latest()
    epoch = await gateway.client.key_epoch()
    document = found.evidence.write(offer.policy)
    salt = b"" if offer.evidence_class == 1 else secrets.token_bytes(32)  # BDG-003
    digest = digest_of(document, salt)
    await ask_first(gateway.key_holder, *((one.platform, one.id, one.scope) for one in found.accounts))
    async with gateway.database.transaction() as tx:
        nullifiers = [
            await nullifier_of(tx, gateway.key_holder, gateway.sealer, one.platform, one.id, one.scope)
            for one in found.accounts
        ]
    holders = await gateway.client.ask(
        *((gateway.settings.contracts.nullifiers, abi.HOLDER_OF, (one,)) for one in nullifiers)
    )
    if any(holder not in (0, passport) for holder in holders):
        raise GatewayError(
            Fault.CONFLICT, "an account that this rests on belongs to another passport still: move it first"
        )
    async with gateway.database.transaction() as tx:
        await outbox.spend(tx, f"grant {signer.id.hex()}", gateway.settings.acts_a_day, gateway.now_s)
        after: int | None = None
        for account, holder in zip(found.accounts, holders, strict=True):
            if holder == 0:
                _, after = await people.bind(
                    tx,
                    gateway,
                    passport,
                    account,
                    signer.id,
                    attested_s=chain_now,
                    epoch=epoch,
                    after=after,
                )
        kept = {"document": document.decode(), "salt": salt.hex(), "policy": offer.slug}
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        await tx.execute(
            dialect.insert(evidence)
            .values(
                digest=digest,
                passport=passport,
                policy=offer.id,
                public=int(offer.evidence_class == 1),
                sealed=gateway.sealer.seal(orjson.dumps(kept), "evidence"),
                at_s=gateway.now_s,
            )
            .on_conflict_do_nothing()
        )
        wanted = Grant(
            passport=passport,
            policy=offer.id,
            nullifiers=tuple(nullifiers),
            evidence=digest,
            validatorVersion=validator_version(),
            attestedAt=chain_now,
            expiresAt=decision.expires_at_s or 0,
            deadline=0,
            level=decision.level,
            points=decision.points,
            evidenceClass=offer.evidence_class,
        )
        job = await outbox.enqueue(
            tx,
            JobKind.GRANT,
            payload_of(wanted),
            passport=passport,
            owner=signer.id,
            now_s=gateway.now_s,
            once=f"grant {passport} {offer.id.hex()} {chain_now}",
            after=after,
        )
        subject = f"passport {passport} {offer.slug}"
        await audit.record(tx, gateway.now_s, key_name(signer), "grant", subject, f"level {decision.level}")
    gateway.relayer.wake()
    return Granted(job, found, digest)


@dataclass(frozen=True, slots=True)
class Kept:
    """Evidence of a grant as it is kept here."""

    document: bytes
    """Byte for byte (BDG-050)."""
    salt: bytes
    """Of private evidence; empty for public."""
    slug: str
    """Of the policy."""
    passport: int
    """Whose."""
    is_public: bool
    """Whether anyone may have it."""


async def kept_evidence(gateway: Gateway, digest: Hash32) -> Kept | None:
    """Return the evidence behind a digest; None if it is not kept here. It may be private."""
    async with gateway.database.transaction() as tx:
        row = (await tx.execute(select(evidence).where(evidence.c.digest == digest))).one_or_none()
    if row is None:
        return None
    kept = orjson.loads(gateway.sealer.open(bytes(row.sealed), "evidence"))
    salt = bytes.fromhex(kept["salt"])
    return Kept(kept["document"].encode(), salt, kept["policy"], int(row.passport), bool(row.public))


async def evidence_of(gateway: Gateway, digest: Hash32, passports: tuple[int, ...]) -> Kept:
    """Return what a grant rests on: public evidence to anyone, private evidence to its holder alone.

    Raises:
        GatewayError: it is not kept here, or not for who asks.
    """
    kept = await kept_evidence(gateway, digest)
    if kept is None or not (kept.is_public or kept.passport in passports):
        raise GatewayError(Fault.NOT_FOUND, "no such evidence, or it is private")
    return kept
