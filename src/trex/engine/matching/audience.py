"""From a query to ranked people with reasons, for a project, and no more than it may know."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.consent import ALL
from trex.engine.lake.gold import policies
from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import SILVER
from trex.engine.matching.kernel import Columns
from trex.engine.matching.parse import parse
from trex.engine.matching.plan import (
    BADGE,
    MOST,
    ONE,
    AudienceError,
    Compiler,
    Every,
    Filter,
    Plan,
    Points,
    Range,
    column_of,
    columns,
    consent_column,
)
from trex.engine.matching.privacy import LEAST, Told, TooNearError, shown
from trex.engine.matching.query import Criterion, HoldsBadge, InLevel, Query, canonical, criteria, number

MOST_ROWS = 1_000
"""Most people of a page."""
MOST_BATCH = 10_000
"""People taken from the columns at a time."""
BOUNDS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000, 100_000, 1_000_000)
"""Of a spread: the same of every audience, so that they tell nothing of its people (PRV-007)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one criterion or preference says of a person (PMS-032)."""

    text: str
    """The criterion in its canonical form."""
    holds: bool | None
    """Whether it is true of them; None where that is not known."""
    value: str | None
    """What is known, decimal, in `unit`; None where nothing is."""
    unit: str
    """Of the value."""
    seen_s: int | None
    """When the newest evidence was seen, Unix time in seconds; None where there is none."""
    points: float | None = None
    """Of a preference: 0 to 100."""
    weight: float | None = None
    """Of a preference."""


@dataclass(frozen=True, slots=True)
class Match:
    """One person of an audience."""

    rank: int
    """From 1, over all pages; of a later page, from the page's beginning."""
    passport: str
    """The passport's number."""
    score: float
    """Normalised: 0 to 100."""
    raw: float
    """Points times weights, added up."""
    reasons: tuple[Reason, ...]
    """Criteria, then preferences, in the order of the query."""


@dataclass(frozen=True, slots=True)
class Answer:
    """People who fit a query."""

    canonical: str
    """The query."""
    project: str
    """Who is told."""
    count: int
    """How many there are, as a project is told it (PRV-001)."""
    people: tuple[Match, ...]
    """This page of them, best first."""
    next: str | None
    """Names the page behind this one; None where there is none."""
    notes: tuple[str, ...]
    """What somebody should know to read it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """People of an audience of whom a feature lies within bounds."""

    above: int | None
    """Their values are greater, in the feature's unit; None: however small."""
    upto: int | None
    """Their values are at most this; None: however great."""
    people: int
    """How many, as a project is told it (PRV-001)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a feature is spread over an audience."""

    feature: str
    """By its id."""
    unit: str
    """Of its values."""
    count: int
    """Of the audience, as a project is told it."""
    known: int
    """Of them, those of whom the feature is known."""
    bars: tuple[Bar, ...]
    """From the least to the greatest, without those at the ends that have nobody to tell of."""


class Audiences:
    """Answers projects' queries from a lake; for many threads."""

    def __init__(self, lake: Lake, folder: Path, clock: Callable[[], float]) -> None:
        """Open the columns below a folder, made from the lake.

        Args:
            lake: what is known of people.
            folder: where columns are, and what projects were told; made if need be.
            clock: Unix time, seconds.

        Raises:
            LakeError, CoreError: as `Columns`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lake, self._clock = lake, clock
        self.columns = Columns(folder, lake)
        self._told = Told(folder / "told.sqlite")
        self._policies: tuple[int, list[Any]] = (-2, [])

    def ask(self, query: Query, project: str = ALL, limit: int = 20, page: str | None = None) -> Answer:
        """Return who fits, best first.

        Args:
            query: whom is asked for.
            project: who asks: only people who agreed to be found by it are in the answer (PRV-002).
            limit: most people of the page.
            page: `next` of the page before.

        Raises:
            AudienceError: the query has no answer, or not for this project.
            LakeError, CoreError: the lake or the columns cannot be read.
        """
        if not 1 <= limit <= MOST_ROWS:
            raise AudienceError(f"{limit} people a page; from 1 to {MOST_ROWS}")
        after = self._after(page, query, project)
        compiler, plan, count = self._admitted(query, project)
        notes = list(self._notes(query, compiler, plan))
        if count < LEAST:
            told = f"fewer than {LEAST} people: none is named"
            return Answer(canonical(query), project, shown(count), (), None, (told, *notes))
        best = self.columns.top(plan, limit, after and (after[0], after[1]))
        first = after[2] if after else 0
        people = tuple(
            Match(
                first + place,
                str(int.from_bytes(passport)),
                score / ONE,
                total / ONE / 1000,
                tuple(self._reasons(query, compiler, plan, passport)),
            )
            for place, (passport, total, score) in enumerate(best, 1)
        )
        more = len(best) == limit and first + limit < count
        following = self._page(query, project, best[-1], first + limit) if more else None
        return Answer(canonical(query), project, shown(count), people, following, tuple(notes))

    def everyone(self, query: Query, project: str = ALL) -> Iterator[str]:
        """Passports of all who fit, best first; of few, nobody (PRV-003).

        Raises:
            AudienceError, LakeError, CoreError: as `ask`.
        """
        _, plan, count = self._admitted(query, project)
        after, left = None, count if count >= LEAST else 0
        while left > 0 and (best := self.columns.top(plan, min(MOST_BATCH, left), after)):
            yield from (str(int.from_bytes(passport)) for passport, _, _ in best)
            after, left = (best[-1][1], best[-1][0]), left - len(best)

    def why(self, query: Query, project: str, passport: str) -> tuple[Reason, ...] | None:
        """What a query says of somebody whom it finds for a project; None of anybody else (PMS-032).

        For the person alone: nothing of it is told to the project.

        Raises:
            AudienceError, LakeError, CoreError: as `ask`.
        """
        self.columns.refresh()
        compiler, plan = self.plan(query, project)
        number = int(passport).to_bytes(32)
        if not self.columns.holds(plan.filter, number) or self.columns.count(plan.filter) < LEAST:
            return None
        return tuple(self._reasons(query, compiler, plan, number))

    def spread(self, query: Query, project: str, feature: str, days: int | None = None) -> Spread:
        """How a feature is spread over an audience, in counts as a project is told them (PRV-001, PRV-007).

        Raises:
            AudienceError, LakeError, CoreError: as `ask`; or the feature is not kept so.
        """
        known = catalogue().get(feature)
        if known is None or (days is not None and days not in known.windows):
            raise AudienceError(f"no feature {feature!r}" + (f" of the last {days} days" if days else ""))
        _, plan, count = self._admitted(query, project)
        column = column_of(feature, days)

        def within(low: int, high: int) -> int:
            return shown(self.columns.count(Every((plan.filter, Range(column, low, high)))))

        if count < LEAST:
            return Spread(feature, known.unit, 0, 0, ())
        bounds = (0, 1) if known.is_flag else BOUNDS
        bars = [Bar(None, bounds[0], within(-MOST, bounds[0] * ONE))]
        for low, high in zip(bounds, (*bounds[1:], None), strict=True):
            bars.append(Bar(low, high, within(low * ONE + 1, MOST if high is None else high * ONE)))
        told = [place for place, bar in enumerate(bars) if bar.people]
        kept = tuple(bars[told[0] : told[-1] + 1]) if told else ()
        return Spread(feature, known.unit, shown(count), within(-MOST, MOST), kept)

    def _admitted(self, query: Query, project: str) -> tuple[Compiler, Plan, int]:
        """What a query asks for a project and how many fit, once the project may be told of them."""
        self.columns.refresh()
        compiler, plan = self.plan(query, project)
        count = self.columns.count(plan.filter)
        if count >= LEAST:
            self._admit(query, project, compiler, plan.filter, count)
        return compiler, plan, count

    def plan(self, query: Query, project: str = ALL) -> tuple[Compiler, Plan]:
        """Return what engines compute for a query, consent included, and what its levels are.

        Raises:
            AudienceError: the query has no answer.
        """
        compiler = self._compiler(project)
        return compiler, self._for(project, compiler.plan(query))

    def _compiler(self, project: str) -> Compiler:
        version = self._lake.version(SILVER["policies"].name)
        if self._policies[0] != version:
            self._policies = version, policies(self._lake, self._lake.session())
        agreed = self._agreed(project)

        return Compiler(
            self._policies[1], lambda column, share: self.columns.percentile(column, agreed, share, LEAST)
        )

    def _agreed(self, project: str) -> Filter:
        """Those who agreed to be found by a project: no column of its own says more than that of all."""
        column = consent_column(project)
        return Range(column if column in self.columns.people.names else consent_column(ALL), ONE, ONE)

    def _for(self, project: str, plan: Plan) -> Plan:
        return Plan(Every((self._agreed(project), plan.filter)), plan.terms)

    def _admit(self, query: Query, project: str, compiler: Compiler, filter_: Filter, count: int) -> None:
        """PRV-004, PRV-005."""

        def near(known: Iterable[str]) -> str | None:
            for text in known:
                try:
                    other = self._for(project, compiler.plan(parse(text) if text else Query())).filter
                except AudienceError:
                    continue  # what it asked has no answer any more
                there = self.columns.count(other)
                both = self.columns.count(Every((filter_, other)))
                if any(0 < alone < LEAST for alone in (count - both, there - both)) and there >= LEAST:
                    return text or "everybody"
            return None

        try:
            self._told.admit(project, canonical(Query(query.where)), int(self._clock()), near)
        except TooNearError as error:
            raise AudienceError(str(error)) from error

    def _reasons(self, query: Query, compiler: Compiler, plan: Plan, passport: bytes) -> Iterator[Reason]:
        for criterion in criteria(query.where):
            yield self._reason(criterion, compiler.filter(criterion), passport)
        points = self.columns.points(plan, passport)
        for wish, term, of_term in zip(query.prefer, plan.terms, points, strict=True):
            filter_ = Range(term.scale.column, 1, 1) if isinstance(term.scale, Points) else term.scale
            told = self._reason(wish.wish, filter_, passport)
            text = canonical(Query(None, (wish,))).removeprefix("PREFER ")
            holds = None if isinstance(term.scale, Points) else told.holds
            yield Reason(text, holds, told.value, told.unit, told.seen_s, of_term / ONE, float(wish.weight))

    def _reason(self, criterion: Criterion, filter_: Filter, passport: bytes) -> Reason:
        cells = [self.columns.cell(column, passport) for column in columns(filter_)]
        if isinstance(criterion, HoldsBadge):
            held = (name for name in columns(filter_) if name.startswith(BADGE))
            cells = [self.columns.cell(column, passport) for column in held]
        value, seen_s = max(cells, key=lambda cell: (cell[0] or 0, cell[1]), default=(None, 0))
        return Reason(
            canonical(Query(criterion)),
            self.columns.holds(filter_, passport),
            None if value is None else _decimal(value),
            _unit(criterion),
            seen_s or None,
        )

    def _notes(self, query: Query, compiler: Compiler, plan: Plan) -> Iterator[str]:
        """What levels and missing columns mean for this answer."""
        for column in sorted(plan.columns()):
            if column not in self.columns.people.names and not column.startswith(BADGE):
                name = catalogue()[column.partition("@")[0]].names[0]
                yield f"{name} is not known of anybody yet"
        levels = [one for one in criteria(query.where) if isinstance(one, InLevel)]
        for level in [*levels, *(wish.wish for wish in query.prefer if isinstance(wish.wish, InLevel))]:
            asked = compiler.filter(level)
            assert isinstance(asked, Range)
            upper = "or more" if asked.high == MOST else f"to {_decimal(asked.high)}"
            unit = catalogue()[level.feature].unit
            yield f"{canonical(Query(level))}: {_decimal(asked.low)} {upper} {unit}"
        for wish, term in zip(query.prefer, plan.terms, strict=True):
            if isinstance(term.scale, Points) and wish.bounds is None:
                low, high = _decimal(term.scale.low), _decimal(term.scale.high)
                yield f"{term.scale.column}: 0 points at {low}, 100 at {high} {_unit(wish.wish)}"

    def _page(self, query: Query, project: str, last: tuple[bytes, int, int], rank: int) -> str:
        return f"{_asker(query, project)}-{rank}-{last[1]}-{int.from_bytes(last[0])}"

    def _after(self, page: str | None, query: Query, project: str) -> tuple[int, bytes, int] | None:
        """PMS-031."""
        if page is None:
            return None
        parts = page.split("-")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
            raise AudienceError("this names no page")
        if parts[0] != _asker(query, project):
            raise AudienceError("this page is another query's")
        rank, total, passport = map(int, parts[1:])
        if total >= 2**63 or passport >= 2**256:
            raise AudienceError("this names no page")
        return total, passport.to_bytes(32), rank


def _unit(criterion: Criterion) -> str:
    return "level" if isinstance(criterion, HoldsBadge) else catalogue()[criterion.feature].unit


def _asker(query: Query, project: str) -> str:
    return sha256(f"{project}\n{canonical(query)}".encode()).hexdigest()[:16]


def _decimal(value: int) -> str:
    return number(Decimal(value).scaleb(-6))
