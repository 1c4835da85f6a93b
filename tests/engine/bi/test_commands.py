"""`trex engine experiment|campaign|cohorts|funnel` over a lake on disk."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.engine.lake.book import NOW, Book

from trex.engine.lake.features import DAY_S
from trex.engine.lake.lake import Lake
from trex.node.cli import main

SWAPS = {"name": "swaps", "deed": {"facts": "calls", "where": {"action": "swap"}}, "planned_effect": 1}
BANNER = {
    "project": "shop",
    "name": "banner",
    "variants": {"plain": 1, "loud": 1},
    "control": "plain",
    "measures": [SWAPS],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three times eight people who agreed to be counted, and one who swapped most and did not."""
    found = tmp_path_factory.mktemp("engine")
    with Book(Lake(found / "lake")) as book:
        for number in range(27):
            kind = number % 9
            book.link(100, f"{number}", f"0xa{number}", "created")
            book.called(12, f"0xa{number}", "0xp", "swap", "defi")
            if kind % 2 == 0:
                book.called(11, f"0xa{number}", "0xp", "vote", "governance")
            for extra in range(kind):
                book.called(6 - extra / 2, f"0xa{number}", "0xp", "swap", "defi")
            book.write("consents", 9, passport=f"{number}", purpose="matching", project="*", given=kind < 8)
        book.called(0, "0xother", "0xp", "swap", "defi")
    return found


def run(folder: Path, document: object, *words: str) -> Any:
    """Run a command of `trex engine` with a document and return what it says."""
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    given = [str(file) if word == "FILE" else word for word in words]
    result = CliRunner().invoke(main, ["engine", *given])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in words else result.stdout


def refused(folder: Path, document: object, *words: str) -> str:
    """Run a command that has to refuse; return why."""
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    result = CliRunner().invoke(main, ["engine", *[str(file) if word == "FILE" else word for word in words]])
    assert result.exit_code in (1, 2), result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_assign(folder: Path) -> None:
    """EXP-001."""
    dealt = run(folder, BANNER, "experiment", "assign", "FILE", "1", "2", "--json")
    assert dealt == {"1": "loud", "2": "plain"}
    assert run(folder, BANNER, "experiment", "assign", "FILE", "1") == "1\tloud\n"


def test_read_counts_who_agreed(folder: Path) -> None:
    """EXP-002, EXP-008, CON-001: who did not agree met it too; nobody is counted twice."""
    met = folder / "met.csv"
    met.write_text("passport,met_s\n" + "".join(f"{n},{NOW - 7 * DAY_S}\n" for n in [*range(27), 0]))
    words = ("experiment", "read", "FILE", "--met", str(met), "--folder", str(folder), "--as-of", str(NOW))
    found = run(folder, BANNER, *words, "--json")
    assert found["people"] == {"plain": 10, "loud": 10}
    (effect,) = found["effects"]
    dealt = run(folder, BANNER, "experiment", "assign", "FILE", *map(str, range(27)), "--json")
    means = {
        name: [int(p) % 9 for p, variant in dealt.items() if variant == name and int(p) % 9 < 8]
        for name in ("plain", "loud")
    }
    assert effect["control"] == pytest.approx(sum(means["plain"]) / len(means["plain"]))
    assert effect["treatment"] == pytest.approx(sum(means["loud"]) / len(means["loud"]))
    assert effect["any_time"][0] < effect["effect"] < effect["any_time"][1]
    assert "swaps" in run(folder, BANNER, *words)
    few = folder / "few.csv"
    few.write_text("passport,met_s\n" + "".join(f"{n},{NOW - 7 * DAY_S}\n" for n in range(15)))
    words = ("experiment", "read", "FILE", "--met", str(few), "--folder", str(folder), "--as-of", str(NOW))
    assert "fewer than 10 people" in refused(folder, BANNER, *words)


def test_power_plans_by_what_people_do(folder: Path) -> None:
    """EXP-007."""
    words = ("experiment", "power", "FILE", "--folder", str(folder), "--as-of", str(NOW))
    (row,) = run(folder, BANNER | {"window_days": 5}, *words, "--effect", "0.5", "--json")
    # Of the days 10 to 5 before: the swaps of 6 and of 5.5 days ago.
    assert row["mean"] == pytest.approx((0 + 1 + 6 * 2) / 8)
    assert 10 < row["people"] < 100
    assert refused(folder, BANNER | {"window_days": 1}, *words).startswith("Error: swaps: nobody differs")


def test_campaign_says_what_it_brought(folder: Path) -> None:
    """CMP-001, CMP-002."""
    drop = {
        "project": "shop",
        "name": "drop",
        "conversion": SWAPS["deed"],
        "holdout_percent": 50,
        "spent": 100.0,
    }
    met = folder / "reached.csv"
    met.write_text("passport,met_s\n" + "".join(f"{n},{NOW - 7 * DAY_S}\n" for n in range(27)))
    words = ("campaign", "read", "FILE", "--met", str(met), "--folder", str(folder), "--as-of", str(NOW))
    found = run(folder, drop | {"window_days": 7}, *words, "--json")
    assert found["converted"]["effect"] == pytest.approx(
        found["converted"]["treatment"] - found["converted"]["control"]
    )
    assert "person brought" in run(folder, drop | {"window_days": 7}, *words)
    dealt = run(folder, drop, "campaign", "deal", "FILE", "1", "2", "--json")
    assert set(dealt.values()) <= {"reached", "held out"}


def test_cohorts_and_funnel(folder: Path) -> None:
    """COH-001, COH-003, COH-005, CON-001: what a project is told is in tens."""
    deed = {"facts": "calls", "where": {"action": "swap"}}
    asked = {"project": "shop", "deed": deed, "period_days": 7, "periods": 2}
    at = ("--folder", str(folder), "--as-of", str(NOW))
    (only,) = run(folder, asked, "cohorts", "FILE", *at, "--json")
    assert (only["people"], only["returned"]) == (20, [20, 10])
    assert "50%" in run(folder, asked, "cohorts", "FILE", *at)
    steps: dict[str, Any] = {
        "project": "shop",
        "steps": {"swapped": deed, "voted": {"facts": "calls", "where": {"action": "vote"}}},
    }
    found = run(folder, steps, "funnel", "FILE", *at, "--json")
    assert [(step["name"], step["people"], step["seconds"]) for step in found] == [
        ("swapped", 20, None),
        ("voted", 10, float(DAY_S)),
    ]
    assert "####" in run(folder, steps, "funnel", "FILE", *at)
    steps["steps"]["minted"] = {"facts": "calls", "where": {"action": "mint"}}
    assert "fewer than 10" in run(folder, steps, "funnel", "FILE", *at)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"control": "x"}, "control 'x' is no variant"),
        ({"measures": [{"name": "a", "deed": {"facts": "secrets"}}]}, "measures.0.deed.facts"),
        ({"variants": {"plain": 1, "loud": "many"}}, "variants.loud"),
    ],
)
def test_bad_documents_say_where_they_are_wrong(folder: Path, changes: dict[str, Any], why: str) -> None:
    """EXP-008, DED-001."""
    assert why in refused(folder, BANNER | changes, "experiment", "assign", "FILE", "1")


def test_bad_lists_of_who_met_it_say_the_line(folder: Path) -> None:
    """EXP-008."""
    met = folder / "bad.csv"
    met.write_text("passport,met_s\n1,soon\n")
    assert "line 2" in refused(
        folder, BANNER, "experiment", "read", "FILE", "--met", str(met), "--folder", str(folder)
    )
