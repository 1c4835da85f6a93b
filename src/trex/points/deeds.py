"""Which deed is which: its source in the ledger, and the days that make a streak. Pure."""

from collections.abc import Callable

from eth_abi.abi import encode

from trex.points.task import Task, TaskKind
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

DAY_S = 86_400
_THURSDAY = 3
"""1970 began on a Thursday: days from Monday until then."""


def day_of(moment_s: int) -> int:
    """Number of a day of UTC, from 1970-01-01."""
    return moment_s // DAY_S


def week_of(moment_s: int) -> int:
    """Number of a week of UTC, from the Monday before 1970-01-01."""
    return (day_of(moment_s) + _THURSDAY) // 7


def period_of(kind: TaskKind, moment_s: int) -> int:
    """Period in which a deed counts once (TSK-011). A streak's follows from the ledger: `streak_period`."""
    if kind is TaskKind.DAILY:
        return day_of(moment_s)
    return week_of(moment_s) if kind is TaskKind.WEEKLY else 0


def period_start_s(kind: TaskKind, period: int) -> int | None:
    """When a day or week began, Unix seconds: what is done before does not count in it (TSK-008).

    Returns:
        None for kinds without a beginning.
    """
    if kind is TaskKind.DAILY:
        return period * DAY_S
    return (period * 7 - _THURSDAY) * DAY_S if kind is TaskKind.WEEKLY else None


def streak_period(season: int, number: int) -> int:
    """Period of the streak of that number, counted from 0, in a season (TSK-015)."""
    return season << 32 | number


def source_of(task: Hash32, canonical: Hash32, period: int) -> Hash32:
    """Return a deed's source in the ledger, `keccak256(abi.encode(task, canonical, period))` (TSK-010).

    Args:
        task: document hash.
        canonical: nullifier that stands for the person, in its first form.
        period: by `period_of`.
    """
    return keccak256(encode(["bytes32", "bytes32", "uint256"], [task, canonical, period]))


def streak_end(done: Callable[[int], bool], today: int, days: int, after: int) -> int | None:
    """Return the last day of a run of days that can be counted now; None if there is none (TSK-015).

    Args:
        done: whether the daily deed of a day stands in the ledger.
        today: number of the day.
        days: how many in a row it takes.
        after: every day of the run is later than this one.
    """
    for last in (today, today - 1):
        if last - days >= after and all(done(day) for day in range(last - days + 1, last + 1)):
            return last
    return None


def streak_fault(task: Task, daily: Task | None) -> str:
    """Say why a streak can't be made of a task, empty if it can (TSK-016)."""
    if daily is None:
        return "the task that its days are of is not known here"
    if daily.kind is not TaskKind.DAILY:
        return "the task that its days are of is not a daily one"
    if daily.person != task.person:
        return f"its days are of {daily.person}, its persons of {task.person}"
    return ""
