"""Attacks on tasks: persons that cost nothing, deeds that were not done, days that count twice."""

import json
from typing import Any

from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack

from trex.points.deeds import streak_end, streak_fault
from trex.points.task import Task, read_task

TASK = "src/trex/points/task.py"
COST = "src/trex/points/cost.py"
DEEDS = "src/trex/points/deeds.py"


def check(validator: str, parameters: dict[str, Any], **is_: Any) -> dict[str, Any]:
    return {"check": {"validator": validator, "parameters": parameters, "is": is_}}


LINKED = check("social.linked", {"platform": "x"}, isTrue=True)
STARS = check("zktls.level", {"provider": "github-stars"}, atLeast="1")
NO_STARS = check("zktls.level", {"provider": "github-stars"}, atLeast="0")
POSTS = check("social.posts", {"platform": "x", "fromS": 0}, atLeast="1")


def task(kind: str = "once", person: str = "account/x", **more: Any) -> Task:
    told = {"version": 1, "kind": kind, "name": "Task", "points": 5, "person": person, **more}
    return read_task(json.dumps(told).encode())


@attack(
    who="a farm of a thousand wallets in a thousand passports",
    gain="a thousand deeds",
    why="wallets count as persons only where each must hold or have bought something",
    guard=Guard(
        TASK,
        "if task.person == WALLET and task.kind is not TaskKind.STREAK and not costly:",
        "TSK-004",
        "if False:",
    ),
    refusal="wallets cost nothing",
)
def test_wallets_as_persons(honest: bool) -> None:
    """A task whose persons are wallets asks for a linked account, of which anybody has one for all."""
    task(person="wallet", when=STARS if honest else LINKED)


@attack(
    who="a farm that brings empty accounts",
    gain="a referral for each",
    why="who is brought must show something that costs",
    guard=Guard(TASK, "if task.kind is TaskKind.REFERRAL and not costly:", "TSK-006", "if False:"),
    refusal="what is brought must cost something",
)
def test_empty_accounts_brought(honest: bool) -> None:
    """A referral counts for whoever has linked an account."""
    task("referral", when=STARS if honest else LINKED)


@attack(
    who="anybody",
    gain="points every day for having done something once",
    why="what is paid each day asks for what is done each day",
    guard=Guard(
        TASK,
        """if task.kind in (TaskKind.DAILY, TaskKind.WEEKLY) and not (task.when is not None and
        acts(task.when)):""",
        "TSK-008",
        "if False:",
    ),
    refusal="is paid each time",
)
def test_paid_daily_for_nothing(honest: bool) -> None:
    """A daily task asks for a linked account, linked once."""
    task("daily", when=POSTS if honest else LINKED)


@attack(
    who="the author of a task who is paid by a farm",
    gain="a condition that looks dear and holds for everybody",
    why="at least nothing is no cost",
    guard=Guard(
        COST,
        "return condition.validator in checks and (bool(bounds.at_least) or bool(bounds.one_of))",
        "TSK-005",
        "return condition.validator in checks and bounds is not None",
    ),
    refusal="what is brought must cost something",
)
def test_cost_of_nothing(honest: bool) -> None:
    """A referral asks for a level of at least 0."""
    task("referral", when=STARS if honest else NO_STARS)


@attack(
    who="the author of a task who is paid by a farm",
    gain="a condition with a dear way and a free one",
    why="a condition costs only if it cannot hold without what costs",
    guard=Guard(
        COST,
        "return sum(not _needs(part, checks) for part in condition.parts) < condition.least",
        "TSK-005",
        "return any(_needs(part, checks) for part in condition.parts)",
    ),
    refusal="what is brought must cost something",
)
def test_free_way_beside_a_dear_one(honest: bool) -> None:
    """Any of two: stars, or a linked account."""
    task("referral", when={"all" if honest else "any": [STARS, LINKED]})


@attack(
    who="a person who did something on seven days, once",
    gain="a streak of seven days on each day after",
    why="a day serves one streak",
    guard=Guard(DEEDS, "if last - days >= after and all(", "TSK-015", "if all("),
    refusal="no new run",
)
def test_days_of_a_streak_again(honest: bool) -> None:
    """Days 1 to 8 are done; the streak up to day 7 was recorded on day 7."""
    done = range(1, 15 if honest else 9)
    if streak_end(lambda day: day in done, 14 if honest else 8, 7, after=7) is None:
        raise Refused("no new run")


@attack(
    who="a person with two accounts",
    gain="one streak out of the days of both",
    why="a streak counts its persons as its days do",
    guard=Guard(
        DEEDS,
        """if daily.person != task.person:
        return f"its days are of {daily.person}, its persons of {task.person}\"""",
        "TSK-016",
    ),
    refusal="its days are of",
)
def test_streak_of_other_persons(honest: bool) -> None:
    """Days are counted by accounts at one platform, the streak by those at another."""
    daily = task("daily", when=POSTS)
    streak = {"of": f"0x{daily.document_hash.hex()}", "days": 7}
    fault = streak_fault(task("streak", "account/x" if honest else "account/github", streak=streak), daily)
    if fault:
        raise Refused(fault)
