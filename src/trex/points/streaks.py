"""Streaks, as the ledger tells of them (TSK-015)."""

from collections.abc import Mapping, Sequence

from trex.passport.client import PersonaClient
from trex.points import ledger
from trex.points.deeds import day_of, source_of, streak_end, streak_period
from trex.points.ledger import Entry
from trex.points.task import Task
from trex.types.primitives import Hash32


async def next_streak(
    client: PersonaClient,
    task: Task,
    persons: Sequence[Hash32],
    entries: list[Entry],
    season: int,
    now_s: int,
) -> int | None:
    """Return the period of a streak that can be counted now; None if its days lack, or served already.

    Args:
        client: of the chain.
        task: a streak.
        persons: nullifiers that stand for the person.
        entries: of its passport.
        season: in which it would count.
        now_s: time of the newest block, Unix seconds.
    """
    assert task.streak is not None
    days, of = task.streak.days, task.streak.of
    taken = ledger.reversed_by(entries)
    lines = {entry.source: entry for entry in entries if entry.amount > 0}
    counted, after = 0, -1
    for before in range(1, season + 1):
        counted = 0
        while line := _first(lines, task.document_hash, persons, streak_period(before, counted)):
            (recorded_s,) = await ledger.recorded_s(client, [line.number])
            counted, after = counted + 1, max(after, day_of(recorded_s))

    def done(day: int) -> bool:
        line = _first(lines, of, persons, day)
        return line is not None and line.number not in taken

    if streak_end(done, day_of(now_s), days, after) is None:
        return None
    return streak_period(season, counted)


def _first(
    lines: Mapping[Hash32, Entry], task: Hash32, persons: Sequence[Hash32], period: int
) -> Entry | None:
    return next((found for one in persons if (found := lines.get(source_of(task, one, period)))), None)
