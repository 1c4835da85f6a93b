"""Academic sign-in: whose token, for whom, when, and what it says."""

from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from trex.types.decision import Outcome
from trex.validators.ecosystem.student import Institution, SignIn, judge_student

NOW_S = 1_800_000_000
KEY, OTHER = ECKey.generate_key("P-256", {"kid": "a"}), ECKey.generate_key("P-256", {"kid": "a"})
EXAMPLE = Institution("https://idp.example.edu", "example.edu", KeySet([KEY]))
MALLORY = Institution("https://idp.mallory.edu", "mallory.edu", KeySet([OTHER]))
LIST = {one.issuer: one for one in (EXAMPLE, MALLORY)}
SIGN_IN = SignIn("trex", "n-1", NOW_S)
CLAIMS: dict[str, Any] = {
    "iss": EXAMPLE.issuer,
    "sub": "person-7",
    "aud": "trex",
    "nonce": "n-1",
    "iat": NOW_S - 10,
    "exp": NOW_S + 290,
    "eduperson_scoped_affiliation": ["member@example.edu", "student@example.edu"],
}


def token(key: Any = KEY, algorithm: str = "ES256", **changed: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": "a"}, claims, key, algorithms=[algorithm])


def broken(text: str, sign_in: SignIn = SIGN_IN) -> set[str]:
    found = judge_student(text, LIST, sign_in)
    codes = {reason.code for reason in found.decision.reasons if reason.outcome is Outcome.REFUSED}
    assert (found.decision.outcome is Outcome.REFUSED) == bool(codes)
    assert bool(found.subject) != bool(codes)
    return codes


def test_student_of_an_institution_on_the_list_is_one() -> None:
    """ECO-020, ECO-021."""
    found = judge_student(token(), LIST, SIGN_IN)
    assert found.decision.outcome is Outcome.GRANTED
    assert (found.issuer, found.subject, found.signed_in_s) == (EXAMPLE.issuer, "person-7", NOW_S - 10)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"aud": "another"}, "audience"),
        ({"aud": ["trex", "another"]}, "audience"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": NOW_S - 301}, "time"),
        ({"iat": NOW_S + 301}, "time"),
        ({"eduperson_scoped_affiliation": ["student@mallory.edu"]}, "affiliation"),
        ({"eduperson_scoped_affiliation": ["staff@example.edu"]}, "affiliation"),
        ({"eduperson_scoped_affiliation": None}, "affiliation"),
        ({"iss": "https://idp.unknown.edu"}, "token"),
        ({"iss": MALLORY.issuer}, "token"),
        ({"sub": None}, "token"),
        ({"sub": ""}, "token"),
        ({"iat": "1800000000"}, "token"),
    ],
)
def test_token_that_says_another_thing_is_refused(changed: dict[str, Any], code: str) -> None:
    assert code in broken(token(**changed))


def test_token_by_another_key_or_of_no_signature_is_refused() -> None:
    """ECO-020: one institution cannot sign for another, and nobody by a public key as a secret."""
    assert broken(token(OTHER)) == {"token"}
    assert broken(token(RSAKey.generate_key(2048, {"kid": "a"}), "RS256")) == {"token"}
    secret = OctKey.import_key(str(KEY.as_dict(private=False)))
    assert broken(token(secret, "HS256")) == {"token"}
    head, body, _ = token().split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    for text in (f"{unsigned}.{body}.", f"{head}.{body}.", "", "a.b.c", "x" * 20_000, f"{head}.{body}.AAAA"):
        assert broken(text) == {"token"}


def test_token_that_was_not_asked_for_is_refused() -> None:
    assert broken(token(nonce=""), replace(SIGN_IN, nonce="")) == {"nonce"}


def test_institution_of_mallory_proves_its_own_students_only() -> None:
    """ECO-021."""
    own = token(OTHER, iss=MALLORY.issuer, eduperson_scoped_affiliation="student@mallory.edu")
    assert judge_student(own, LIST, SIGN_IN).issuer == MALLORY.issuer
    foreign = token(OTHER, iss=MALLORY.issuer)
    assert broken(foreign) == {"affiliation"}
