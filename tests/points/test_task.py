"""Tasks: the document, its rules, which deed is which."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rfc8785
from click.testing import CliRunner
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource

from trex.node.cli import main
from trex.points.deeds import DAY_S, period_of, source_of, streak_end, streak_period, week_of
from trex.points.explain import explain
from trex.points.task import TaskError, TaskKind, read_task
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "src/trex/gateway/example_tasks").glob("*.json"))
POLICIES = Resource.from_contents(json.loads((ROOT / "specs/policy.schema.json").read_text()))
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "specs/task.schema.json").read_text()),
    registry=Registry().with_resource("https://trex.example/specs/policy.schema.json", POLICIES),
)
LINKED = {"check": {"validator": "social.linked", "parameters": {"platform": "x"}, "is": {"isTrue": True}}}
STARS = {
    "check": {"validator": "zktls.level", "parameters": {"provider": "github-stars"}, "is": {"atLeast": "1"}}
}
NO_STARS = {
    "check": {"validator": "zktls.level", "parameters": {"provider": "github-stars"}, "is": {"atLeast": "0"}}
}
POSTS = {
    "check": {
        "validator": "social.posts",
        "parameters": {"platform": "x", "fromS": 0},
        "is": {"atLeast": "1"},
    }
}
GOOD: dict[str, Any] = {
    "version": 1,
    "kind": "once",
    "name": "Name",
    "points": 5,
    "person": "account/x",
    "when": LINKED,
}
STREAK = {"of": "0x" + "11" * 32, "days": 7}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    change(document)
    return document


def streak(**more: Any) -> dict[str, Any]:
    return changed(lambda d: (d.pop("when"), d.update(kind="streak", streak=STREAK, **more)))


def read(document: dict[str, Any]) -> Any:
    return read_task(json.dumps(document).encode())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_read_task_example_fits_the_published_schema(path: Path) -> None:
    SCHEMA.validate(json.loads(path.read_text()))
    task = read_task(path.read_bytes())
    assert next(iter(explain(task))) == task.name


def test_examples_are_one_of_each_kind_and_lint_together() -> None:
    """TSK-016."""
    kinds = {read_task(path.read_bytes()).kind for path in EXAMPLES}
    assert kinds == set(TaskKind)
    result = CliRunner().invoke(main, ["task", "lint", *map(str, EXAMPLES), "--json"])
    assert (result.exit_code, {one["valid"] for one in json.loads(result.stdout)}) == (0, {True})


def test_read_task_hash_is_of_the_canonical_form() -> None:
    """TSK-002."""
    task = read_task(json.dumps(dict(reversed(GOOD.items())), indent=3).encode())
    assert task.document_hash == keccak256(rfc8785.dumps(GOOD))
    assert read(changed(lambda d: d.update(points=6))).document_hash != task.document_hash


WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("TSK-001", "", changed(lambda d: d.update(extra=1))),
    ("TSK-001", "", changed(lambda d: d.pop("points"))),
    ("TSK-001", "version", changed(lambda d: d.update(version=True))),
    ("TSK-001", "name", changed(lambda d: d.update(name=""))),
    ("TSK-001", "description", changed(lambda d: d.update(description="a\nb"))),
    ("TSK-003", "kind", changed(lambda d: d.update(kind="hourly"))),
    ("TSK-003", "kind", changed(lambda d: d.update(kind=["once"]))),
    ("TSK-003", "points", changed(lambda d: d.update(points=0))),
    ("TSK-003", "points", changed(lambda d: d.update(points=True))),
    ("TSK-003", "when", changed(lambda d: d.pop("when"))),
    ("TSK-003", "streak", changed(lambda d: d.update(streak=STREAK))),
    ("TSK-003", "when", changed(lambda d: d.update(kind="streak", streak=STREAK))),
    ("TSK-003", "streak.days", streak() | {"streak": {**STREAK, "days": 1}}),
    ("TSK-003", "streak.of", streak() | {"streak": {**STREAK, "of": "0x11"}}),
    ("TSK-004", "person", changed(lambda d: d.update(person="account/"))),
    ("TSK-004", "person", changed(lambda d: d.update(person="wallet"))),
    ("TSK-004", "person", changed(lambda d: d.update(person="wallet", when={"any": [STARS, LINKED]}))),
    ("TSK-004", "person", changed(lambda d: d.update(person="wallet", when=NO_STARS))),
    ("TSK-006", "when", changed(lambda d: d.update(kind="referral"))),
    ("TSK-006", "when", changed(lambda d: d.update(kind="referral", when={"not": STARS}))),
    (
        "TSK-006",
        "when",
        changed(lambda d: d.update(kind="referral", when={"count": {"atLeast": 1, "of": [STARS, LINKED]}})),
    ),
    ("TSK-007", "untilS", changed(lambda d: d.update(fromS=5, untilS=5))),
    ("TSK-008", "when", changed(lambda d: d.update(kind="daily"))),
    ("TSK-008", "when", changed(lambda d: d.update(kind="weekly", when={"any": [POSTS, LINKED]}))),
    ("POL-020", "when.check.validator", changed(lambda d: d["when"]["check"].update(validator="x.y"))),
    ("POL-010", "when", changed(lambda d: d.update(when={}))),
]


@pytest.mark.parametrize(("rule", "path", "document"), WRONG)
def test_read_task_wrong_names_rule_and_place(rule: str, path: str, document: dict[str, Any]) -> None:
    with pytest.raises(TaskError) as caught:
        read(document)
    assert (caught.value.rule, caught.value.path) == (rule, path)


RIGHT = [
    changed(lambda d: d.update(person="wallet", when=STARS)),
    changed(lambda d: d.update(person="wallet", when={"all": [STARS, LINKED]})),
    changed(lambda d: d.update(kind="referral", when={"any": [STARS, STARS]})),
    changed(lambda d: d.update(kind="referral", when={"count": {"atLeast": 2, "of": [STARS, LINKED]}})),
    changed(lambda d: d.update(kind="daily", when={"all": [POSTS, LINKED]})),
    streak(person="wallet"),
]


@pytest.mark.parametrize("document", RIGHT)
def test_read_task_right_fits_the_schema(document: dict[str, Any]) -> None:
    """TSK-004, TSK-005, TSK-006, TSK-008: the controls to what is refused above."""
    SCHEMA.validate(document)
    read(document)


def test_lint_streak_of_nothing_known_and_of_another_person(tmp_path: Path) -> None:
    """TSK-016."""
    daily = changed(lambda d: d.update(kind="daily", when=POSTS))
    once = changed(lambda d: d.update(name="Other"))
    files = []
    for name, document in {
        "daily": daily,
        "once": once,
        "lost": streak(),
        "not-daily": streak() | {"streak": {"of": f"0x{read(once).document_hash.hex()}", "days": 3}},
        "stranger": streak(person="account/github")
        | {"streak": {"of": f"0x{read(daily).document_hash.hex()}", "days": 3}},
        "good": streak() | {"streak": {"of": f"0x{read(daily).document_hash.hex()}", "days": 3}},
    }.items():
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(document))
    result = CliRunner().invoke(main, ["task", "lint", *map(str, files), "--json"])
    found = {Path(one["file"]).stem: one.get("rule", "") for one in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert found == {
        "daily": "",
        "once": "",
        "lost": "TSK-016",
        "not-daily": "TSK-016",
        "stranger": "TSK-016",
        "good": "",
    }


def test_source_is_of_task_person_and_period() -> None:
    """TSK-010: and what the contract and a stranger compute is the same."""
    task, person = Hash32(b"\x01" * 32), Hash32(b"\x02" * 32)
    assert source_of(task, person, 7) == keccak256(b"\x01" * 32 + b"\x02" * 32 + (7).to_bytes(32))
    assert TaskKind.DAILY.ledger_kind == keccak256(b"task/daily")
    assert source_of(task, person, 7) == keccak256(encode(["bytes32"] * 2 + ["uint256"], [task, person, 7]))


def test_periods_begin_at_midnight_and_on_mondays() -> None:
    """TSK-011."""
    monday = 1_795_392_000  # 2026-11-23
    assert period_of(TaskKind.DAILY, monday) == period_of(TaskKind.DAILY, monday - 1) + 1
    assert period_of(TaskKind.WEEKLY, monday) == period_of(TaskKind.WEEKLY, monday - 1) + 1
    assert {week_of(monday + day * DAY_S) for day in range(7)} == {week_of(monday)}
    assert week_of(0) == 0
    assert week_of(4 * DAY_S) == 1
    assert period_of(TaskKind.ONCE, monday) == period_of(TaskKind.REFERRAL, monday) == 0
    assert streak_period(3, 2) == 3 * 2**32 + 2


@given(st.sets(st.integers(0, 40)), st.integers(2, 9), st.integers(-1, 40), st.integers(0, 40))
def test_streak_end_is_a_run_of_days_none_of_which_served(
    done: set[int], days: int, after: int, today: int
) -> None:
    """TSK-015."""
    last = streak_end(done.__contains__, today, days, after)
    runs = [
        end
        for end in (today, today - 1)
        if all(day in done and day > after for day in range(end - days + 1, end + 1))
    ]
    assert last == (runs[0] if runs else None)


def test_streaks_of_one_run_do_not_overlap() -> None:
    """TSK-015: twenty days in a row are two streaks of seven, not fourteen."""
    after, counted = -1, 0
    for today in range(20):
        if streak_end(lambda day: 0 <= day <= today, today, 7, after) is not None:  # noqa: B023
            counted, after = counted + 1, today
    assert counted == 2
