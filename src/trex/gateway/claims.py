"""zkTLS claims of passports: the message handed out, the judging, and the answers to a policy's checks."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.gateway import challenges
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.people import AccountOf, LinkedAccount
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import claims
from trex.passport.keys import Key
from trex.types.primitives import Hash32
from trex.validators.zktls.disclosure import DisclosedClaim
from trex.validators.zktls.provider import Provider, ProviderError, provider_by_id
from trex.validators.zktls.template import binding_message
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.web import audit

BINDING_S = 3_600
"""How long a message that was handed out counts."""
_ASKED = "zktls"


@dataclass(frozen=True, slots=True)
class Proved:
    """What a passport's claims answer."""

    observations: dict[Hash32, Observation]
    """By check."""
    accounts: list[AccountOf]
    """Accounts that the claims are about."""
    ids: tuple[Hash32, ...]
    """Identifiers of the claims."""


def provider_of(name: str) -> Provider:
    """Return a provider.

    Raises:
        GatewayError: there is none of that name.
    """
    try:
        return provider_by_id(name)
    except ProviderError as error:
        raise GatewayError(Fault.NOT_FOUND, str(error)) from error


async def ask(gateway: Gateway, passport: int, provider: str) -> str:
    """Hand out the message that a claim of this passport for this provider must carry (ZKT-041)."""
    provider_of(provider)
    contracts = gateway.settings.contracts
    number = Hash32(passport.to_bytes(32))
    drawn = Hash32(secrets.token_bytes(32))
    message = binding_message(contracts.chain_id, contracts.passport, number, provider, drawn)
    payload = {"passport": passport, "provider": provider, "message": message, "issuedAtS": gateway.now_s}
    payload["nonce"] = drawn.hex()
    async with gateway.database.transaction() as tx:
        await challenges.hand_out(
            tx, _ASKED, payload, gateway.now_s, BINDING_S, name=message.rpartition(":")[2].removeprefix("0x")
        )
    return message


async def take(
    gateway: Gateway,
    signer: Key,
    passport: int,
    provider_name: str,
    message: str,
    proof: dict[str, Any],
    known: list[LinkedAccount],
) -> Verdict:
    """Judge a claim and keep it sealed if it is accepted.

    Raises:
        GatewayError: the message was not handed out for this, or was used; or the claim is not accepted.
    """
    provider = provider_of(provider_name)
    name = message.rpartition(":")[2].removeprefix("0x")
    async with gateway.database.transaction() as tx:
        asked = await challenges.take(tx, _ASKED, name, gateway.now_s)
    if (asked["passport"], asked["provider"], asked["message"]) != (passport, provider_name, message):
        raise GatewayError(Fault.EXPIRED, "that message was handed out for something else")
    account = _named(known, provider)
    nonce = Hash32(bytes.fromhex(asked["nonce"]))
    told = DisclosedClaim(provider_name, proof, nonce, asked["issuedAtS"], account, gateway.now_s)
    verdict, _ = told.judge(gateway.settings.trusted_attestors, gateway.settings.contracts, passport)
    if verdict.word is not VerdictWord.ACCEPTED or verdict.identifier is None:
        why = next((one for one in verdict.reasons if one.outcome != "granted"), None)
        fault = Fault.REFUSED if verdict.word is VerdictWord.REFUSED else Fault.UNDECIDED
        raise GatewayError(fault, f"{why.rule} {why.code}" if why else "no value")
    kept = {"proof": proof, "nonce": nonce.hex(), "issuedAtS": asked["issuedAtS"], "account": account}
    sealed = gateway.sealer.seal(orjson.dumps(kept), "claim")
    mine = (claims.c.passport == passport, claims.c.provider == provider_name)
    async with gateway.database.transaction() as tx:
        # The newest counts: of two within a second, the one that came later.
        before = (await tx.execute(select(func.max(claims.c.judged_s)).where(*mine))).scalar_one()
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        stored = dialect.insert(claims).values(
            identifier=verdict.identifier,
            passport=passport,
            provider=provider_name,
            sealed=sealed,
            judged_s=max(gateway.now_s, (before or 0) + 1),
        )
        new = stored.on_conflict_do_nothing().returning(claims.c.identifier)
        if (await tx.execute(new)).scalar_one_or_none() is None:
            raise GatewayError(Fault.CONFLICT, "this claim has served already")
        subject = f"passport {passport} {provider_name}"
        await audit.record(tx, gateway.now_s, key_name(signer), "claim", subject, "accepted")
    return verdict


async def observations_of(
    gateway: Gateway, passport: int, checks: Collection[CheckCondition], known: list[LinkedAccount]
) -> Proved:
    """Answer the `zktls.` checks of a policy from the newest claims of a passport, judged anew."""
    found: dict[Hash32, Observation] = {}
    about: list[AccountOf] = []
    ids: list[Hash32] = []
    for name in sorted({one.parameters["provider"] for one in checks if one.validator.startswith("zktls.")}):
        mine = (claims.c.passport == passport, claims.c.provider == name)
        asked = select(claims).where(*mine).order_by(claims.c.judged_s.desc()).limit(1)
        async with gateway.database.transaction() as tx:
            row = (await tx.execute(asked)).one_or_none()
        if row is None:
            continue
        if (told := _disclosed(gateway, row, known)) is None:
            continue
        verdict, observed = told.judge(
            gateway.settings.trusted_attestors, gateway.settings.contracts, passport
        )
        found |= observed
        ids.append(Hash32(bytes(row.identifier)))
        if verdict.value is not None and verdict.value.account:
            about.extend(_about(provider_of(name), verdict.value.account, known))
    return Proved(found, about, tuple(ids))


async def disclosed(
    gateway: Gateway, passport: int, ids: Collection[Hash32], known: list[LinkedAccount]
) -> list[DisclosedClaim]:
    """Return claims of a passport by identifier, as their holder may show them; some may be gone."""
    asked = select(claims).where(
        claims.c.passport == passport, claims.c.identifier.in_(list(map(bytes, ids)))
    )
    async with gateway.database.transaction() as tx:
        rows = (await tx.execute(asked)).all()
    return [one for row in rows if (one := _disclosed(gateway, row, known)) is not None]


def _disclosed(gateway: Gateway, row: Any, known: list[LinkedAccount]) -> DisclosedClaim | None:
    """Open a claim; None for one that was taken without its nonce: nobody can tell whose it is (ZKT-041)."""
    kept = orjson.loads(gateway.sealer.open(bytes(row.sealed), "claim"))
    if "nonce" not in kept:
        return None
    account = _named(known, provider_of(row.provider)) or kept["account"]
    # As of when it was taken: a policy's own `maxAgeS` says how old it may be.
    nonce = Hash32(bytes.fromhex(kept["nonce"]))
    return DisclosedClaim(row.provider, kept["proof"], nonce, kept["issuedAtS"], account, int(row.judged_s))


def _about(provider: Provider, account: str, known: list[LinkedAccount]) -> list[AccountOf]:
    """Whose nullifier a claim's badge rests on (ZKT-043)."""
    if provider.account.linked or not provider.names_account:
        return [one.account for one in known if one.account.platform == provider.platform][:1]
    # Of its own scope: a session's claim is no sign-in, and says nothing about `social.linked`.
    return [AccountOf(f"zktls-{provider.platform}", account, "")]


def _named(known: list[LinkedAccount], provider: Provider) -> str | None:
    """The linked account as the provider's pages name it."""
    found = next((one.account for one in known if one.account.platform == provider.platform), None)
    if found is None:
        return None
    return found.id if provider.account.by_id else found.handle
