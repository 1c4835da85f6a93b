"""Cohorts and funnels: who came when and who came back; who went how far (specs/bi.md, COH)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
from ibis import _
from ibis.expr.types import Table

from trex.engine.bi.deeds import Deed, done
from trex.engine.lake.features import DAY_S, Facts
from trex.engine.matching.privacy import shown


class CohortError(Exception):
    """Cohorts cannot be made as asked."""


By = Literal["time", "badge", "first_action"]
"""What makes people one cohort: the period of their first deed, a badge they hold, or what they did first."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """People who began together."""

    name: str
    """The period's first second, a badge's policy, or an action."""
    people: int
    """How many."""
    returned: list[int]
    """Of them, who did it again, by periods after the first; the first place is the first period itself."""

    def told(self) -> "Cohort":
        """Return what a project is told of it (COH-005)."""
        return Cohort(self.name, shown(self.people), [shown(count) for count in self.returned])


def retention(
    facts: Facts, people: Table, deed: Deed, *, period_days: int = 7, periods: int = 8, by: By = "time"
) -> list[Cohort]:
    """Return who came back, by cohorts (COH-001, COH-002).

    Args:
        facts: what people did, until when.
        people: column `passport`: who may be counted.
        deed: what coming is.
        period_days: length of a period.
        periods: how many are shown.
        by: what makes a cohort.

    Raises:
        CohortError: a number is out of range.
    """
    if not (1 <= period_days <= 366 and 1 <= periods <= 120):
        raise CohortError("a period has 1 to 366 days, and 1 to 120 of them are shown")
    came = done(facts, deed).semi_join(people, "passport").select("passport", "time_s")
    first = came.group_by("passport").agg(first_s=came.time_s.min())
    span = period_days * DAY_S
    named = _named(facts, first, by, span)
    seen = (
        came.inner_join(named, "passport")
        .mutate(period=((_.time_s - _.first_s) // span).cast("int64"))
        .filter(_.period < periods)
        .select("cohort", "passport", "period")
        .distinct()
    )
    counts = seen.group_by("cohort", "period").agg(people=seen.count()).order_by("cohort", "period")
    found: dict[str, list[int]] = {}
    for row in counts.to_pyarrow().to_pylist():
        found.setdefault(str(row["cohort"]), [0] * periods)[row["period"]] = row["people"]
    return [Cohort(name, returned[0], returned) for name, returned in found.items()]


def _named(facts: Facts, first: Table, by: By, span: int) -> Table:
    """Each person's first deed and the cohorts they are in: passport, first_s, cohort."""
    if by == "time":
        return first.mutate(cohort=(first.first_s // span * span).cast("string"))
    if by == "badge":
        return first.inner_join(facts.granted.select("passport", cohort=_.policy).distinct(), "passport")
    calls = facts.own("calls").filter(_.action.notnull())
    order = ibis.window(
        group_by=calls.passport, order_by=[calls.time_s, calls.block_number, calls.log_index, calls.id]
    )
    earliest = calls.mutate(place=ibis.row_number().over(order)).filter(_.place == 0)
    return first.inner_join(earliest.select("passport", cohort=_.action), "passport")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a funnel."""

    name: str
    people: int
    """Who came as far."""
    seconds: float | None
    """Median time from the step before; None of the first, or where nobody came."""

    def told(self) -> "Step":
        """Return what a project is told of it (COH-005)."""
        people = shown(self.people)
        return Step(self.name, people, self.seconds if people else None)


def funnel(
    facts: Facts, people: Table, steps: Sequence[tuple[str, Deed]], *, within_days: int = 30
) -> list[Step]:
    """Return how far people went (COH-003).

    Args:
        facts: what people did, until when.
        people: column `passport`: who may be counted.
        steps: names and deeds, in the order in which they are taken.
        within_days: how long after the first step the last may come.

    Raises:
        CohortError: there are fewer than two steps, or more than twenty.
    """
    if not 2 <= len(steps) <= 20:
        raise CohortError("a funnel has 2 to 20 steps")
    first = done(facts, steps[0][1]).semi_join(people, "passport")
    reached = first.group_by("passport").agg(at_s=first.time_s.min(), at=first.id.argmin(first.time_s))
    reached = reached.mutate(begun_s=reached.at_s, before_s=reached.at_s)
    found = []
    for number, (name, deed) in enumerate(steps):
        if number:
            next_ = done(facts, deed).inner_join(reached, "passport")
            end_s = next_.begun_s + within_days * DAY_S
            next_ = next_.filter(next_.time_s >= next_.at_s, next_.time_s <= end_s, next_.id != next_.at)
            reached = next_.group_by("passport").agg(
                at_s=next_.time_s.min(),
                at=next_.id.argmin(next_.time_s),
                begun_s=next_.begun_s.min(),
                before_s=next_.at_s.min(),
            )
        row = (
            reached.agg(people=reached.count(), seconds=(reached.at_s - reached.before_s).median())
            .to_pyarrow()
            .to_pylist()[0]
        )
        found.append(Step(name, row["people"], float(row["seconds"]) if number and row["people"] else None))
    return found
