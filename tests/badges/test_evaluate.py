"""Decisions: three truth values, levels, freshness."""

import ast
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from trex.badges import evaluate as evaluating
from trex.badges.evaluate import PolicyDecision, evaluate
from trex.badges.observation import Observation, check_key
from trex.badges.policy import read_policy
from trex.types.decision import Outcome, all_of, any_of

NOW_S = 1_800_000_000
YES, NO, UNKNOWN = Outcome.GRANTED, Outcome.REFUSED, Outcome.UNDECIDED


def number(provider: str, least: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "check": {
            "validator": "zktls.number",
            "parameters": {"provider": provider},
            "is": {"atLeast": least},
            **more,
        }
    }


def seen(provider: str, value: Decimal | str | bool | None, at_s: int = NOW_S) -> dict[Any, Observation]:
    key = check_key("zktls.number", {"provider": provider})
    return {key: Observation(value, at_s, "test", "said so")}


def decide(*conditions: Any, facts: dict[Any, Observation]) -> PolicyDecision:
    levels = [
        {"level": at, "name": f"L{at}", "points": 10 * at, "when": condition}
        for at, condition in enumerate(conditions, 1)
    ]
    document = {
        "version": 1,
        "name": "n",
        "evidenceClass": "private",
        "levels": levels,
        "expiryS": 100,
        "recheckS": 60,
    }
    return evaluate(read_policy(json.dumps(document).encode()), facts, NOW_S)


def outcome(condition: Any, facts: dict[Any, Observation]) -> Outcome:
    return decide(condition, facts=facts).outcome


VALUES = {YES: Decimal(1), NO: Decimal(0), UNKNOWN: None}


@pytest.mark.parametrize("truths", list(itertools.product(VALUES, repeat=3)))
def test_evaluate_groups_follow_kleene(truths: tuple[Outcome, ...]) -> None:
    """POL-031, for every combination of three parts."""
    facts: dict[Any, Observation] = {}
    for name, truth in zip("abc", truths, strict=True):
        facts |= seen(name, VALUES[truth])
    parts = [number(name) for name in "abc"]
    assert outcome({"all": parts}, facts) is all_of(truths)
    assert outcome({"any": parts}, facts) is any_of(truths)
    possible = [
        sum(choice)
        for choice in itertools.product(*({YES: (1,), NO: (0,), UNKNOWN: (0, 1)}[truth] for truth in truths))
    ]
    for least in (1, 2, 3):
        held = {count >= least for count in possible}
        expected = UNKNOWN if len(held) == 2 else YES if held == {True} else NO
        assert outcome({"count": {"atLeast": least, "of": parts}}, facts) is expected
    assert outcome({"not": parts[0]}, facts) is ~truths[0]


def test_evaluate_check_that_nobody_observed_is_undecided() -> None:
    assert outcome(number("a"), {}) is UNKNOWN
    assert outcome({"not": number("a")}, {}) is UNKNOWN


def test_what_decides_reads_no_clock_disk_or_network() -> None:
    """POL-030: the package imports nothing that could tell it anything but its arguments."""
    pure = {"abc", "collections", "dataclasses", "decimal", "enum", "functools", "itertools", "json", "math"}
    pure |= {"operator", "re", "types", "typing", "unicodedata", "rfc8785", "trex"}
    for path in Path(evaluating.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                assert name.partition(".")[0] in pure, f"{path.name} imports {name}"
                assert not name.startswith("trex.") or name.startswith(("trex.badges", "trex.types")), name


def test_evaluate_compares_exactly() -> None:
    """POL-012: a bound that a double cannot hold is still a bound."""
    bound = "1" + "0" * 30 + ".000000000000000001"
    assert outcome(number("a", bound), seen("a", Decimal("1" + "0" * 30))) is NO
    assert outcome(number("a", bound), seen("a", Decimal(bound))) is YES


def test_evaluate_old_or_future_observation_is_undecided() -> None:
    """POL-013."""
    check = number("a", maxAgeS=3600)
    assert outcome(check, seen("a", Decimal(1), NOW_S - 3600)) is YES
    assert outcome(check, seen("a", Decimal(1), NOW_S - 3601)) is UNKNOWN
    assert outcome(check, seen("a", Decimal(0), NOW_S - 3601)) is UNKNOWN
    assert outcome(number("a"), seen("a", Decimal(1), NOW_S + 900)) is YES
    assert outcome(number("a"), seen("a", Decimal(1), NOW_S + 901)) is UNKNOWN


@pytest.mark.parametrize("value", ["1", True, Decimal("NaN"), Decimal("Infinity")])
def test_evaluate_answer_of_another_kind_is_undecided(value: Decimal | str | bool) -> None:
    assert outcome(number("a"), seen("a", value)) is UNKNOWN


def test_evaluate_time_window_is_half_open() -> None:
    """POL-014."""
    facts = seen("a", Decimal(1))
    for window, expected in (
        ({"fromS": NOW_S}, YES),
        ({"fromS": NOW_S + 1}, NO),
        ({"untilS": NOW_S}, NO),
        ({"untilS": NOW_S + 1}, YES),
    ):
        assert outcome({"all": [number("a"), {"time": window}]}, facts) is expected


def test_evaluate_level_is_the_highest_proved_and_the_possible_one_is_told() -> None:
    """POL-032: a source that is down takes nobody's level away."""
    facts = {**seen("a", Decimal(5)), **seen("b", None)}
    decision = decide(number("a"), number("b"), number("a", "100"), facts=facts)
    assert (decision.outcome, decision.level, decision.possible_level, decision.points) == (YES, 1, 2, 10)
    assert (decision.expires_at_s, decision.recheck_at_s) == (NOW_S + 100, NOW_S + 60)
    nothing = decide(number("b"), number("a", "100"), facts=facts)
    assert (nothing.outcome, nothing.level, nothing.possible_level, nothing.points) == (UNKNOWN, 0, 1, 0)
    assert nothing.expires_at_s is None
    refused = decide(number("a", "9"), facts=facts)
    assert (refused.outcome, refused.possible_level) == (NO, 0)


def test_answer_that_lasts_a_year_ends_the_grant_with_it() -> None:
    """POL-015: a grant on an answer of last month ends eleven months from now; an older one is not known."""
    year, key = 31_536_000, check_key("student.enrolled", {})
    student = {"check": {"validator": "student.enrolled", "parameters": {}, "is": {"isTrue": True}}}
    policy = {"version": 1, "name": "n", "evidenceClass": "private", "expiryS": year}
    policy["levels"] = [{"level": 1, "name": "L", "points": 1, "when": {"any": [student, number("a")]}}]

    def decided(signed_in_s: int, facts: dict[Any, Observation]) -> tuple[Outcome, int | None]:
        shown = {key: Observation(True, signed_in_s, "test", "said so"), **facts}
        found = evaluate(read_policy(json.dumps(policy).encode()), shown, NOW_S)
        return found.outcome, found.expires_at_s

    assert decided(NOW_S - 86_400, {}) == (YES, NOW_S - 86_400 + year)
    assert decided(NOW_S - year, {}) == (YES, NOW_S + year)
    assert decided(NOW_S - year - 1, {}) == (UNKNOWN, None)
    assert decided(NOW_S - year - 1, seen("a", Decimal(1))) == (YES, NOW_S + year)
