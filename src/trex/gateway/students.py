"""Students: accounts at academic institutions, and what policies ask about them (GTW-102)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.people import AccountOf, LinkedAccount
from trex.gateway.service import Gateway
from trex.gateway.settings import SocialClient
from trex.types.decision import Outcome
from trex.types.primitives import Hash32
from trex.validators.ecosystem.student import Institution, SignIn, judge_student

VALIDATOR = "student.enrolled"
"""The check that academic sign-ins answer (POL-050)."""
STUDENT = "student"
"""Platform of their accounts, whichever the institution."""
SIGNED_IN_S = "signed_in_s"
"""Under which the time of the sign-in is kept."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What an institution sent somebody back with."""

    client: SocialClient
    """The institution, and how the operator is registered there."""
    keys: Any
    """Its JWKS, as it was fetched."""
    token: Any
    """The ID token, as it came."""
    nonce: str
    """That was handed out for this sign-in."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a passport's academic sign-ins answer."""

    observations: dict[Hash32, Observation]
    """By check."""
    accounts: list[AccountOf]
    """That they are about."""


def student_of(shown: SignedIn, now_s: int) -> tuple[AccountOf, dict[str, str]]:
    """Return the account of a student, and what is kept with it.

    Raises:
        GatewayError: the institution does not say, by a token for this sign-in, that this is its student.
    """
    platform = shown.client.platform
    try:
        keys = KeySet.import_key_set(shown.keys)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise GatewayError(Fault.UNAVAILABLE, "the institution's keys are none", retry_after_s=60) from error
    institution = Institution(platform.issuer, platform.affiliation, keys)
    asked = SignIn(shown.client.client_id, shown.nonce, now_s)
    found = judge_student(str(shown.token), {institution.issuer: institution}, asked)
    for reason in found.decision.reasons:
        if reason.outcome is not Outcome.GRANTED:
            raise GatewayError(Fault.REFUSED, f"{reason.rule} {reason.code}: {reason.message}")
    account = AccountOf(STUDENT, f"{found.issuer} {found.subject}", institution.scope)
    return account, {SIGNED_IN_S: str(found.signed_in_s)}


def observations_of(
    gateway: Gateway, checks: Collection[CheckCondition], known: list[LinkedAccount]
) -> Enrolled:
    """Answer the `student.` checks of a policy by the newest sign-in that fits; without one, not known."""
    listed = {one.platform.affiliation for one in gateway.settings.platforms.values()} - {""}
    found: dict[Hash32, Observation] = {}
    used: list[AccountOf] = []
    for check in checks:
        if check.validator != VALIDATOR:
            continue
        counts = listed & set(check.parameters.get("institutions", listed))
        mine = [one for one in known if one.account.platform == STUDENT and one.account.handle in counts]
        newest = max(mine, key=_signed_in_s, default=None)
        if newest is None:
            reason = "no academic sign-in at an institution that counts"
            found[check.key] = Observation(None, gateway.now_s, "academic sign-in", reason)
            continue
        used.append(newest.account)
        source = f"academic sign-in at {newest.account.handle}"
        found[check.key] = Observation(True, _signed_in_s(newest), source, "a student")
    return Enrolled(found, used)


def _signed_in_s(one: LinkedAccount) -> int:
    return int(one.tokens.get(SIGNED_IN_S, 0))
