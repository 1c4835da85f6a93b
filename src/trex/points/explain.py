"""A task in words."""

from collections.abc import Iterator

from trex.badges.explain import explain as explain_policy
from trex.passport.texts import write_date
from trex.points.task import WALLET, Task, TaskKind

_OFTEN = {
    TaskKind.ONCE: "once for a person",
    TaskKind.DAILY: "once a day (UTC) for a person",
    TaskKind.WEEKLY: "once a week (from Monday, UTC) for a person",
    TaskKind.STREAK: "for each run of days, of which no day counts twice",
    TaskKind.REFERRAL: "for whoever brought a person, once for the person that was brought",
}


def explain(task: Task) -> Iterator[str]:
    """Yield lines that say what a task asks and how often it counts."""
    yield task.name
    if task.description:
        yield f"  {task.description}"
    yield f"  {task.points} points, {_OFTEN[task.kind]}, as far as the season's caps leave room"
    one = "one wallet" if task.person == WALLET else f"one {task.person.removeprefix('account/')} account"
    yield f"  a person is {one}: the nullifier that came to the passport first, whoever holds it later"
    for word, moment in (("from", task.from_s), ("until", task.until_s)):
        if moment is not None:
            yield f"  {word} {write_date(moment)}"
    if task.streak:
        yield f"takes {task.streak.days} days in a row of the task 0x{task.streak.of.hex()}"
    if task.policy:
        brought = "whoever was brought shows" if task.kind is TaskKind.REFERRAL else "takes"
        yield f"{brought}:"
        yield from list(explain_policy(task.policy))[4:]
