"""Cohorts and funnels beside a count by hand, and beside plain Python over random deeds."""

import random
from collections import defaultdict
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.bi.facts import NOW, facts
from tests.engine.lake.book import Book

from trex.engine.bi.cohorts import Cohort, CohortError, funnel, retention
from trex.engine.bi.deeds import Deed
from trex.engine.bi.lake import view
from trex.engine.lake.features import DAY_S
from trex.engine.lake.lake import Lake

SWAP, VOTE, MINT = (Deed(facts="calls", where={"action": name}) for name in ("swap", "vote", "mint"))
ANY = Deed(facts="calls")
ANN = "0xa1"
WEEK_S = 7 * DAY_S
START = NOW // WEEK_S * WEEK_S - 10 * WEEK_S
"""The first second of a period of weeks, ten before the newest."""


def everyone(people: int, *but: int) -> ibis.Table:
    """Who may be counted."""
    names = [f"p{number}" for number in range(people) if number not in but]
    return ibis.memtable(pa.table({"passport": names}))


def test_who_came_back_by_the_week_they_came() -> None:
    """COH-001: two cohorts of weeks; who did not agree is in none."""
    calls = [
        ("p0", START, "swap"),
        ("p0", START + WEEK_S, "swap"),
        ("p0", START + WEEK_S + 1, "swap"),
        ("p1", START + WEEK_S - 1, "swap"),
        ("p1", START + 3 * WEEK_S - 1, "swap"),
        ("p2", START + WEEK_S, "swap"),
        ("p3", START, "swap"),
    ]
    found = retention(facts(calls, 4), everyone(4, 3), SWAP, periods=3)
    assert found == [Cohort(str(START), 2, [2, 1, 1]), Cohort(str(START + WEEK_S), 1, [1, 0, 0])]


def test_cohorts_by_what_people_did_first() -> None:
    """COH-002: the first action names the cohort, whatever the deed that is asked about."""
    calls = [
        ("p0", START, "mint"),
        ("p0", START + 1, "swap"),
        ("p0", START + 8 * DAY_S, "swap"),
        ("p1", START + 5, "swap"),
        ("p2", START + 6, "mint"),
    ]
    found = retention(facts(calls, 3), everyone(3), SWAP, periods=2, by="first_action")
    assert found == [Cohort("mint", 1, [1, 1]), Cohort("swap", 1, [1, 0])]


def test_cohorts_by_badge() -> None:
    """COH-002: a badge that is held now; who holds two is in both."""
    calls = [("p0", START, "swap"), ("p1", START, "swap"), ("p1", START + WEEK_S, "swap")]
    badges = [("p0", "0xaa"), ("p1", "0xaa"), ("p1", "0xbb"), ("p2", "0xbb")]
    found = retention(facts(calls, 3, badges), everyone(3), SWAP, periods=2, by="badge")
    assert found == [Cohort("0xaa", 2, [2, 1]), Cohort("0xbb", 1, [1, 1])]


def test_how_far_people_went() -> None:
    """COH-003: in order, within the time, one deed never two steps."""
    calls = [
        ("p0", START, "mint"),
        ("p0", START + 10, "swap"),
        ("p0", START + 30, "vote"),
        ("p1", START, "swap"),
        ("p1", START + 5, "mint"),
        ("p2", START, "mint"),
        ("p2", START + 40, "swap"),
        ("p2", START + 31 * DAY_S, "vote"),
        ("p3", START, "mint"),
        ("p3", START, "swap"),
    ]
    steps = [("minted", MINT), ("swapped", SWAP), ("voted", VOTE)]
    found = funnel(facts(calls, 4), everyone(4), steps)
    assert [(step.name, step.people, step.seconds) for step in found] == [
        ("minted", 4, None),
        ("swapped", 3, 10.0),
        ("voted", 1, 20.0),
    ]
    once = facts([("p0", START, "swap")], 1)
    assert [step.people for step in funnel(once, everyone(1), [("a", SWAP), ("b", SWAP), ("c", ANY)])] == [
        1,
        0,
        0,
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_the_same_as_plain_python(seed: int) -> None:
    """COH-001, COH-003."""
    dice = random.Random(seed)
    moments = dice.sample(range(START, START + 40 * DAY_S), 60)
    calls = [(f"p{dice.randrange(6)}", at, dice.choice(["swap", "vote"])) for at in moments]
    them, people = facts(calls, 6), everyone(6)
    mine = defaultdict(list)
    for name, at, action in sorted(calls, key=lambda call: call[1]):
        mine[name].append((at, action))
    cohorts: dict[int, list[int]] = {}
    went = [0, 0]
    for deeds in mine.values():
        first = deeds[0][0]
        row = cohorts.setdefault(first // WEEK_S * WEEK_S, [0] * 4)
        for period in {(at - first) // WEEK_S for at, _ in deeds}:
            if period < 4:
                row[period] += 1
        swaps = [at for at, action in deeds if action == "swap"]
        went[0] += bool(swaps)
        went[1] += bool(swaps) and any(
            swaps[0] < at <= swaps[0] + 10 * DAY_S for at, action in deeds if action == "vote"
        )
    assert retention(them, people, ANY, periods=4) == [
        Cohort(str(start), row[0], row) for start, row in sorted(cohorts.items())
    ]
    steps = funnel(them, people, [("swap", SWAP), ("vote", VOTE)], within_days=10)
    assert [step.people for step in steps] == went


def test_what_makes_no_sense_is_refused() -> None:
    """COH-004."""
    them = facts([], 1)
    with pytest.raises(CohortError, match="1 to 366 days"):
        retention(them, everyone(1), ANY, period_days=0)
    with pytest.raises(CohortError, match="2 to 20 steps"):
        funnel(them, everyone(1), [("one", ANY)])


def test_what_was_taken_back_is_no_deed(tmp_path: Path) -> None:
    """DED-003: the second swap is in a block that a reorganisation replaced."""
    with Book(Lake(tmp_path)) as book:
        book.link(100, "1", ANN, "created")
        book.write("consents", 50, passport="1", purpose="matching", project="*", given=True)
        swap = {"sender": ANN, "contract": "0xp", "action": "swap", "category": "defi"}
        book.write("calls", 20, **swap)
        for weight in (1, -1):
            book.write("calls", 10, **swap, id="gone", weight=weight)
    seen = view(Lake(tmp_path), "shop")
    (cohort,) = retention(seen.facts, seen.people, SWAP, periods=3)
    assert cohort.returned == [1, 0, 0]
