"""The five dimensions as features, beside the gateway's own computation of them."""

from pathlib import Path

from tests.engine.lake.book import NOW, Book, check

from trex.engine.lake.features import DIMENSIONS
from trex.engine.lake.gold import refresh
from trex.engine.lake.lake import Lake
from trex.validators.dimensions import score

ASSETS = check("zktls.number", "okx-total-assets", atLeast="1")
REACH = check("zktls.number", "twitch-followers", atLeast="1")
STARS = check("zktls.number", "github-stars", atLeast="1")


def test_dimensions_follow_from_badges_and_deeds(tmp_path: Path) -> None:
    """LAK-011, GTW-063: parts of points, the rest to the first; unknown documents; what expired."""
    lake = Lake(tmp_path)
    with Book(lake) as book:
        for passport in ("1", "2"):
            book.link(100, passport, f"0xa{passport}", "created")
        both = book.policy(1, "Both", [{"all": [ASSETS, REACH, STARS]}])
        rich = book.policy(2, "Rich", [ASSETS])
        unknown = book.policy(3, "Unknown", [ASSETS], kept=False)
        for policy in (both, rich, unknown):
            book.badge(5, "1", policy)
        book.badge(5, "2", rich, expires_s=NOW - 1)
        for season, amount in ((1, 70), (2, 25), (0, 10)):
            book.write("points", 3, passport="1", season=season, amount=amount)
    refresh(lake, NOW)
    rows = lake.session().table("gold_features").to_pyarrow().to_pylist()
    found = {(row["passport"], row["feature"]): row["value"] for row in rows if row["feature"] in DIMENSIONS}
    assert {name: found["1", name] for name in DIMENSIONS} == {
        "dimension_assets": score(10 + 4),
        "dimension_behaviour": 0,
        "dimension_social": score(3),
        "dimension_digital_life": score(3),
        "dimension_engagement": score(10 + 70 + 25),
    }
    assert {found["2", name] for name in DIMENSIONS} == {0}
