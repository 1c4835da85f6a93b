"""Points rest on something that one human has once."""

import json
from typing import Any

import pytest

from trex.badges.policy import Policy, read_policy
from trex.gateway.policies import fault_of
from trex.validators.standing import standing_fault
from trex.validators.zktls.provider import all_providers


def claims(provider: str) -> dict[str, Any]:
    asked = {"validator": "zktls.level", "parameters": {"provider": provider}, "is": {"atLeast": "1"}}
    return {"check": asked}


NETFLIX, PERPLEXITY, SPOTIFY = map(claims, ("netflix-plan", "perplexity-plan", "spotify-plan"))
ETHER: dict[str, Any] = {
    "check": {
        "validator": "token.balance",
        "parameters": {"chain": 1, "token": "native"},
        "is": {"atLeast": "1"},
    }
}
TIME = {"time": {"fromS": 1_790_000_000}}


def policy(when: dict[str, Any], points: int = 10) -> Policy:
    level = {"level": 1, "name": "One", "points": points, "when": when}
    document = {"version": 1, "name": "Plans", "evidenceClass": "private", "levels": [level]}
    return read_policy(json.dumps(document).encode())


@pytest.mark.parametrize(
    "when",
    [
        NETFLIX,
        {"all": [NETFLIX, TIME]},
        {"any": [SPOTIFY, NETFLIX]},
        {"count": {"atLeast": 2, "of": [SPOTIFY, NETFLIX, PERPLEXITY]}},
        {"any": [{"all": [NETFLIX, ETHER]}, {"all": [NETFLIX, {"not": SPOTIFY}]}]},
    ],
)
def test_standing_fault_points_by_claims_without_an_account(when: dict[str, Any]) -> None:
    """POL-029: refused by lint's rule and by the gateway; the same without points is not."""
    assert "netflix-plan" in standing_fault(policy(when))
    assert "names no account" in fault_of(policy(when))
    assert standing_fault(policy(when, points=0)) == ""


@pytest.mark.parametrize(
    "when",
    [
        SPOTIFY,
        {"all": [NETFLIX, SPOTIFY]},
        {"all": [NETFLIX, ETHER]},
        {"count": {"atLeast": 2, "of": [SPOTIFY, NETFLIX, ETHER]}},
        {"all": [SPOTIFY, {"not": NETFLIX}]},
    ],
)
def test_standing_fault_none_where_an_account_is_needed(when: dict[str, Any]) -> None:
    assert standing_fault(policy(when)) == ""


def test_providers_that_name_no_account_say_so() -> None:
    """ZKT-043."""
    nameless = {one.id for one in all_providers().values() if one.verified and not one.names_account}
    assert nameless == {
        "apple-music",
        "binance-total-assets",
        "binance-vip-level",
        "bybit-total-assets",
        "coinbase-vip-level",
        "grok-plan",
        "netflix-plan",
        "okx-total-assets",
        "perplexity-plan",
        "tiktok-followers",
    }
    for name in nameless:
        assert "names no" in all_providers()[name].limits or "names nobody" in all_providers()[name].limits
