"""Students by academic sign-in: an ID token of an institution that is on the list (ECO-020)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from trex.types.decision import Decision, Outcome, Reason

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures that count; never `none`, never one with a shared secret."""
CLOCK_SKEW_S = 300
"""How far clocks may differ, in seconds."""
MAX_TOKEN_BYTES = 16_384
"""Longest token that is read."""


@dataclass(frozen=True, slots=True)
class Institution:
    """Who may say that somebody is a student."""

    issuer: str
    """Its `iss`, to the last character."""
    scope: str
    """Its name behind the @ of affiliations, for example `example.edu`."""
    keys: KeySet
    """Its public keys, as fetched from its JWKS."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What an ID token is compared with."""

    client_id: str
    """Ours at the institution."""
    nonce: str
    """Handed out for this passport and this sign-in."""
    now_s: int
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class StudentDecision:
    """What is said of an ID token."""

    decision: Decision
    """The answer."""
    issuer: str
    """Who signed in the person; empty if refused."""
    subject: str
    """Whom, at that institution: what a nullifier is made of. Empty if refused."""
    signed_in_s: int
    """When, Unix time in seconds: it proves it for a year from then (ECO-022). 0 if refused."""


def judge_student(token: str, institutions: Mapping[str, Institution], sign_in: SignIn) -> StudentDecision:
    """Judge an ID token (OpenID Connect Core, 3.1.3.7).

    Args:
        token: as the institution gave it.
        institutions: the list, by issuer.
        sign_in: what the token is compared with.
    """
    claims, fault = _verified(token, institutions)
    if claims is None:
        return _refused(Reason("token", Outcome.REFUSED, fault, "ECO-020"))
    institution = institutions[claims["iss"]]
    reasons = (*_time_and_place(claims, sign_in), _affiliation(claims, institution))
    if any(reason.outcome is Outcome.REFUSED for reason in reasons):
        return _refused(*reasons)
    decision = Decision(Outcome.GRANTED, reasons)
    return StudentDecision(decision, institution.issuer, claims["sub"], claims["iat"])


def _refused(*reasons: Reason) -> StudentDecision:
    return StudentDecision(Decision(Outcome.REFUSED, reasons), "", "", 0)


def _verified(token: str, institutions: Mapping[str, Institution]) -> tuple[dict[str, Any] | None, str]:
    """The claims, signed by the institution that they name; else why not."""
    if len(token) > MAX_TOKEN_BYTES:
        return None, "a token without bound"
    for institution in institutions.values():
        try:
            found = jwt.decode(token, institution.keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, KeyError, TypeError):
            continue
        if found.get("iss") == institution.issuer:
            return (found, "") if _has_form(found) else (None, "claims of another form")
    return None, "not signed by an institution on the list, under its own name"


def _has_form(claims: dict[str, Any]) -> bool:
    times = all(type(claims.get(name)) is int for name in ("iat", "exp"))
    return times and isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255


def _time_and_place(claims: dict[str, Any], sign_in: SignIn) -> tuple[Reason, ...]:
    def step(held: bool, name: str, message: str) -> Reason:
        return Reason(name, Outcome.GRANTED if held else Outcome.REFUSED, message, "ECO-020")

    audience = claims.get("aud")
    for_us = audience == sign_in.client_id or audience == [sign_in.client_id]
    nonce = bool(sign_in.nonce) and claims.get("nonce") == sign_in.nonce
    issued, ends, now = claims["iat"], claims["exp"], sign_in.now_s
    return (
        step(for_us, "audience", "made for us alone"),
        step(nonce, "nonce", "made for this sign-in"),
        step(
            issued <= now + CLOCK_SKEW_S and now < ends + CLOCK_SKEW_S, "time", f"from {issued} before {ends}"
        ),
    )


def _affiliation(claims: dict[str, Any], institution: Institution) -> Reason:
    """Only what the institution says of its own people counts (ECO-021)."""
    said = claims.get("eduperson_scoped_affiliation", [])
    said = said if isinstance(said, list) else [said]
    wanted = f"student@{institution.scope}".casefold()
    held = any(isinstance(one, str) and one.casefold() == wanted for one in said)
    outcome = Outcome.GRANTED if held else Outcome.REFUSED
    return Reason("affiliation", outcome, f"{wanted} among {len(said)} affiliations", "ECO-021")
