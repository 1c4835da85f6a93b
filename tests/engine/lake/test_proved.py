"""What badges prove: by the document of their policy, the least that a level cannot do without."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.engine.lake.book import NOW, Book, check

from trex.badges.catalogue import CATALOGUE
from trex.badges.policy import PolicyError, read_policy
from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.gold import refresh
from trex.engine.lake.lake import Lake
from trex.engine.lake.proved import FEATURES, VALIDATORS, keep_policy, proves
from trex.node.cli import main
from trex.validators.zktls.provider import all_providers

TWITCH = check("zktls.number", "twitch-followers", atLeast="10001")
STEAM = check("zktls.number", "steam-game-count", atLeast="500")
STARS = check("zktls.level", "github-stars", atLeast="2")


def values(lake: Lake, passport: str) -> dict[str, float]:
    asked = "SELECT feature, value FROM gold_features WHERE passport = ? AND value > 0 AND window_days = 0"
    rows = lake.session().con.execute(asked, [passport]).fetchall()
    return {name: value for name, value in rows if name in {*FEATURES.values(), "membership_count"}}


@pytest.mark.parametrize(
    ("when", "proved"),
    [
        (TWITCH, {"twitch_followers": 10_001}),
        (STARS, {"github_stars": 100}),
        ({"all": [TWITCH, STEAM]}, {"twitch_followers": 10_001, "steam_games": 500}),
        ({"any": [TWITCH, STEAM]}, {}),
        ({"any": [TWITCH, check("zktls.number", "twitch-followers", atLeast="7")]}, {"twitch_followers": 7}),
        ({"not": TWITCH}, {}),
        ({"count": {"atLeast": 2, "of": [TWITCH, TWITCH, STEAM]}}, {"twitch_followers": 10_001}),
        ({"count": {"atLeast": 1, "of": [TWITCH, TWITCH, STEAM]}}, {}),
        (check("zktls.number", "twitch-followers", atMost="5"), {}),
        (check("zktls.word", "netflix-plan", oneOf=["premium", "standard"]), {"netflix_membership": 2}),
        (check("zktls.word", "netflix-plan", oneOf=["premium", "none"]), {}),
        (check("zktls.level", "okx-vip-level", atLeast="3"), {"cex_vip_level": 5}),
        (check("zktls.level", "binance-vip-level", atLeast="4"), {"cex_vip_level": 7}),
        (check("zktls.number", "binance-total-assets", atLeast="2"), {}),  # in BTC, and no dollars
        (check("zktls.number", "okx-total-assets", atLeast="2000.5"), {"cex_total_assets": 2000.5}),
    ],
)
def test_badge_proves_what_its_level_cannot_do_without(
    when: dict[str, Any], proved: dict[str, float]
) -> None:
    """LAK-009."""
    document = {"version": 1, "name": "Some", "evidenceClass": "private"}
    levels = [{"level": 1, "name": "One", "points": 1, "when": when}]
    policy = read_policy(json.dumps(document | {"levels": levels}).encode())
    assert {name: float(value) for name, value in proves(policy)[1].items()} == proved


def test_badge_that_does_not_hold_proves_nothing_and_the_highest_level_counts(tmp_path: Path) -> None:
    """LAK-009: of another's document, of none, and after it expired, nothing is proved."""
    lake = Lake(tmp_path)
    book = Book(lake)
    members = [check("zktls.word", name, oneOf=["premium"]) for name in ("netflix-plan", "spotify-plan")]
    levels: list[dict[str, Any]] = [check("zktls.number", "twitch-followers", atLeast="1000")]
    levels.append({"all": [check("zktls.number", "twitch-followers", atLeast="10001"), *members]})
    twitch = book.policy(1, "Streamer", levels)
    lost = book.policy(2, "Streamer", levels, kept=False)
    for number in "123":
        book.link(50, number, f"0x{number}", "created")
    book.badge(9, "1", twitch, level=2)
    book.badge(9, "2", twitch, level=2, expires_s=NOW - 1)
    book.badge(9, "3", lost, level=2)
    book.write(
        "badges", 8, token=f"1 {lost}", passport="1", policy=lost, level=1, points=1, state=1, expires_s=0
    )
    refresh(lake, NOW)
    told = {
        "twitch_followers": 10_001,
        "netflix_membership": 3,
        "spotify_membership": 1,
        "membership_count": 2,
    }
    assert [values(lake, number) for number in "123"] == [told, {}, {}]
    held = lake.session().con.sql("SELECT passport, policy, level, seen_s FROM gold_badges").fetchall()
    assert sorted(held) == [
        ("1", twitch, 2, NOW - 9 * 86_400),
        ("1", lost, 1, NOW - 8 * 86_400),
        ("3", lost, 2, NOW - 9 * 86_400),
    ]


def test_what_is_no_policy_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        keep_policy(tmp_path, b'{"version": 1}')
    assert not list(tmp_path.rglob("*.json"))


def test_command_takes_documents_and_refuses_what_is_none(tmp_path: Path) -> None:
    good = Path(__file__).parents[3] / "vectors" / "policies" / "github-maintainer.json"
    bad = tmp_path / "bad.json"
    bad.write_text("{}")

    def run(*files: Path) -> Result:
        arguments = ["engine", "policies", *map(str, files), "--folder", str(tmp_path)]
        return CliRunner().invoke(main, arguments)

    taken = run(good)
    assert taken.exit_code == 0, taken.output
    (kept,) = (tmp_path / "lake" / "policies").iterdir()
    assert taken.stdout.split()[0] == kept.stem == f"0x{read_policy(good.read_bytes()).document_hash.hex()}"
    refused = run(bad)
    assert refused.exit_code == 1
    assert "bad.json" in refused.output


def test_every_provider_speaks_of_a_feature_and_every_level_says_a_number() -> None:
    assert set(FEATURES) == set(all_providers())
    assert set(FEATURES.values()) <= catalogue().keys()
    assert all(Decimal(level.level) > 0 for one in all_providers().values() for level in one.levels)


def test_every_check_that_a_policy_may_ask_has_its_validator() -> None:
    """LAK-009: a policy with a check that is new here does not stop the engine."""
    assert {name.partition(".")[0] for name in CATALOGUE} <= VALIDATORS.keys()
