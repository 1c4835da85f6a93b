"""Badges of students: signed in for real at a certified provider that speaks as a university does."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.e2e.network import free_port
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import evm_person
from tests.gateway.test_grants import policy
from tests.gateway.test_social import authorized, begun, link, provider_of
from tests.node.conftest import Devnet

from trex.badges.chain.contract import badges
from trex.gateway import holdings, people
from trex.gateway.evaluation import evaluate_for
from trex.gateway.keys import SecretText
from trex.gateway.settings import SocialClient
from trex.types.decision import Outcome
from trex.validators.social.platform import Platform, PlatformError, read_platform

YEAR_S = 31_536_000


def institution(name: str, scope: str) -> dict[str, object]:
    site = f"https://idp.{scope}"
    return {
        "id": name,
        "title": name,
        "protocol": "oidc",
        "affiliation": scope,
        "issuer": site,
        "authorizeUrl": f"{site}/{name}/authorize",
        "tokenUrl": f"{site}/{name}/token",
        "jwksUrl": f"{site}/{name}/jwks",
        "scopes": ["openid", "eduperson"],
        "sources": [f"{site}/.well-known/openid-configuration"],
    }


EXAMPLE = read_platform(json.dumps(institution("example-university", "example.edu")))
FAMOUS = read_platform(json.dumps(institution("famous-university", "famous.edu")))


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def provider(port: int) -> Iterator[str]:
    with provider_of([EXAMPLE, FAMOUS], port) as origin:
        yield origin


@pytest.fixture
async def campus(
    devnet: Devnet, database_url: str, provider: str, port: int, tmp_path: Path
) -> AsyncIterator[Served]:
    folder = tmp_path / "policies"
    folder.mkdir()
    for name, parameters in (
        ("any", {}),
        ("here", {"institutions": ["example.edu"]}),
        ("there", {"institutions": ["famous.edu"]}),
    ):
        check = {"check": {"validator": "student.enrolled", "parameters": parameters, "is": {"isTrue": True}}}
        document = policy(f"{name} {tmp_path.name}"[-60:], check, "private", expiryS=YEAR_S)
        (folder / f"{name}.json").write_text(json.dumps(document))

    def client(one: Platform) -> SocialClient:
        return SocialClient(one.at(provider), f"client-{one.id}", SecretText(f"secret of {one.id}"))

    platforms = {one.id: client(one) for one in (EXAMPLE, FAMOUS)}
    settings = settings_for(devnet, database_url, platforms=platforms, policies=folder)
    async with serving(settings, port=port) as served:
        yield served


async def test_student_has_the_badge_for_a_year_and_once(campus: Served) -> None:
    """GTW-102, POL-050, POL-015, ECO-022; a second passport of the same student gets nothing (PAS-043)."""
    ada = await evm_person(campus).create()
    assert (await ada.post("/v1/evaluations", {"policy": "any"}))["outcome"] == "undecided"
    before = campus.gateway.now_s
    await ada.finished({"number": (await link(ada, "example-university", "student-1815"))["job"]})
    (held,) = await ada.get("/v1/accounts")
    assert (held["platform"], held["handle"]) == ("student", "example.edu")
    outcomes = [
        (await ada.post("/v1/evaluations", {"policy": one}))["outcome"] for one in ("any", "here", "there")
    ]
    assert outcomes == ["granted", "granted", "undecided"]
    await ada.finished({"number": (await ada.post("/v1/grants", {"policy": "here"}, 202))["job"]})
    (badge,) = await holdings.badges_of(campus.gateway, ada.passport)
    (told,) = await badges(campus.gateway.client, [badge.token_id])
    assert before - 60 <= told.expires_s - YEAR_S <= campus.gateway.now_s
    (kept,) = [
        one for one in await people.linked(campus.gateway, ada.passport) if one.account.platform == "student"
    ]
    assert kept.tokens.keys() == {"signed_in_s"}, "no token of the institution is kept"
    grace = await evm_person(campus).create()
    moved = await link(grace, "example-university", "student-1815")
    assert moved["moving"] is True
    await grace.finished({"number": moved["job"]})
    assert (await grace.post("/v1/evaluations", {"policy": "any"}))["outcome"] == "undecided"
    # What leaves the operator's list counts no more; and a year later nothing is known.
    listed = campus.gateway.settings
    campus.gateway.settings = replace(listed, platforms={})
    assert (await ada.post("/v1/evaluations", {"policy": "here"}))["outcome"] == "undecided"
    campus.gateway.settings, now = listed, campus.gateway.clock
    campus.gateway.clock = lambda: now() + YEAR_S + 60
    later = await evaluate_for(campus.gateway, ada.passport, campus.gateway.offers["here"].policy)
    assert later.decision.outcome is Outcome.UNDECIDED


async def test_staff_and_students_of_somewhere_else_are_refused(campus: Served) -> None:
    """ECO-020, ECO-021: by the institution's own word, for its own people, for this sign-in."""
    alice, mallory = await evm_person(campus).create(), await evm_person(campus).create()
    refused = await link(alice, "example-university", "professor-1", expect=409)
    assert refused["detail"].startswith("ECO-021 affiliation")
    refused = await link(alice, "famous-university", "student-1", expect=409)
    assert refused["detail"].startswith("ECO-021 affiliation"), "it says student@example.edu"
    back = await authorized(campus, await begun(alice, "example-university"), "student-2")
    await mallory.get(f"/v1/accounts/example-university/callback?{urlencode(back)}", 403)
    assert await alice.get("/v1/accounts") == []


@pytest.mark.parametrize(
    "change", [{"affiliation": "Example.edu"}, {"affiliation": "edu"}, {"protocol": "oauth2"}]
)
def test_institution_without_a_domain_or_openid_is_refused(change: dict[str, str]) -> None:
    """GTW-102."""
    with pytest.raises(PlatformError):
        read_platform(json.dumps({**institution("example-university", "example.edu"), **change}))
