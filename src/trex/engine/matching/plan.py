"""A query as every engine takes it: columns by name, whole numbers, percentiles filled in.

The kernel reads it as JSON, Ibis as an expression. Both say the same of everybody, to the last place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from difflib import get_close_matches
from typing import Any, TypeAlias

from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.proved import KnownPolicy
from trex.engine.matching.query import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Criterion,
    Expression,
    Has,
    HoldsBadge,
    InLevel,
    Level,
    Not,
    Preference,
    Query,
    Scale,
)

ONE = 1_000_000
"""Of a feature's unit in a column (PMS-001)."""
MOST = 90_000_000_000 * ONE
"""Greatest value of a column, and least with its sign changed: what is beyond is told as this (PMS-001)."""
HIGH, MEDIUM = 800, 400
"""Thousandths at which levels begin (QRY-020)."""
LEAST_POINTS, MOST_POINTS = 50, 950
"""Thousandths between which a preference without bounds scores (QRY-050)."""
BADGE, CONSENT = "badge:", "consent:"
"""What columns of badges and of consent begin with, whose rest is a policy, or a project."""


class AudienceError(Exception):
    """A query that is well formed and cannot be answered, with the reason for whoever asked."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every part holds; of no parts, true."""

    parts: tuple["Filter", ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """Some part holds; of no parts, false."""

    parts: tuple["Filter", ...] = ()


@dataclass(frozen=True, slots=True)
class Opposite:
    """The part does not hold."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class Range:
    """The value is known and within both bounds, themselves included."""

    column: str
    low: int
    high: int


Filter: TypeAlias = Every | Some | Opposite | Range


@dataclass(frozen=True, slots=True)
class Points:
    """A value's way from `low` to `high` (PMS-021), or its logarithm's (PMS-022)."""

    column: str
    low: int
    high: int
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the score."""

    scale: Points | Filter
    """A filter scores all or nothing (PMS-023)."""
    inverted: bool
    weight: int
    """Thousandths."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is in, and who comes first."""

    filter: Filter
    terms: tuple[Term, ...] = ()

    @property
    def weights(self) -> int:
        """What a sum is divided by to be a score (PMS-020)."""
        return sum(term.weight for term in self.terms) or 1

    def columns(self) -> set[str]:
        """Every column that is read."""
        filters = [self.filter, *(term.scale for term in self.terms if not isinstance(term.scale, Points))]
        points = {term.scale.column for term in self.terms if isinstance(term.scale, Points)}
        return points.union(*(set(columns(filter_)) for filter_ in filters))

    def json(self, place: Callable[[str], int]) -> dict[str, Any]:
        """Write it as the kernel reads it, columns by their place."""
        return {
            "filter": filter_json(self.filter, place),
            "terms": [
                {"scale": _scale(term.scale, place), "inverted": term.inverted, "weight": term.weight}
                for term in self.terms
            ],
        }


def columns(filter_: Filter) -> Iterator[str]:
    """Every column that a filter reads."""
    match filter_:
        case Every(parts) | Some(parts):
            for part in parts:
                yield from columns(part)
        case Opposite(part):
            yield from columns(part)
        case Range(column):
            yield column


def filter_json(filter_: Filter, place: Callable[[str], int]) -> dict[str, Any]:
    """Write a filter as the kernel reads it."""
    match filter_:
        case Every(parts):
            return {"all": [filter_json(part, place) for part in parts]}
        case Some(parts):
            return {"any": [filter_json(part, place) for part in parts]}
        case Opposite(part):
            return {"not": filter_json(part, place)}
        case Range(column, low, high):
            return {"range": {"column": place(column), "low": low, "high": high}}


def _scale(scale: Points | Filter, place: Callable[[str], int]) -> dict[str, Any]:
    if not isinstance(scale, Points):
        return {"binary": filter_json(scale, place)}
    told = {"column": place(scale.column), "low": scale.low, "high": scale.high}
    return {"log" if scale.is_log else "linear": told}


def column_of(feature: str, days: int | None) -> str:
    """Name the column of a feature, over all time or so many days."""
    return f"{feature}@{days}" if days else feature


def consent_column(project: str) -> str:
    """Name the column that says who agreed to be found by a project."""
    return f"{CONSENT}{project}"


class Compiler:
    """Fills in what a query leaves to the lake: percentiles, and which policies a badge's name means."""

    def __init__(self, policies: Sequence[KnownPolicy], percentile: Callable[[str, int], int | None]) -> None:
        """Say what is known.

        Args:
            policies: that the chain names.
            percentile: of a column at so many thousandths (PMS-012); None where it may not be told.
        """
        self._policies, self._percentile = policies, percentile

    def plan(self, query: Query) -> Plan:
        """Return the plan of a query.

        Raises:
            AudienceError: a badge that nobody publishes, or a percentile that may not be told.
        """
        where = Every() if query.where is None else self.filter(query.where)
        return Plan(where, tuple(self._term(wish) for wish in query.prefer))

    def filter(self, expression: Expression) -> Filter:
        """Return the filter of an expression.

        Raises:
            AudienceError: as of `plan`.
        """
        match expression:
            case AllOf(parts):
                return Every(tuple(map(self.filter, parts)))
            case AnyOf(parts):
                return Some(tuple(map(self.filter, parts)))
            case Not(part):
                return Opposite(self.filter(part))
            case _:
                return self._criterion(expression)

    def _criterion(self, criterion: Criterion) -> Filter:
        match criterion:
            case Has(feature, days):
                return Range(column_of(feature, days), 1, MOST)
            case Compare(feature, comparison, value, days):
                return _compared(column_of(feature, days), comparison, value)
            case InLevel(feature, level, days):
                return self._level(column_of(feature, days), level)
            case HoldsBadge():
                return self._badge(criterion)

    def _level(self, column: str, level: Level) -> Filter:
        """QRY-020."""
        match level:
            case Level.HIGH:
                return Range(column, self._share(column, HIGH), MOST)
            case Level.MEDIUM:
                return Range(column, self._share(column, MEDIUM), self._share(column, HIGH) - 1)
            case Level.LOW:
                return Range(column, 1, self._share(column, MEDIUM) - 1)

    def _share(self, column: str, share: int) -> int:
        value = self._percentile(column, share)
        if value is None:
            name = catalogue()[column.partition("@")[0]].names[0]
            raise AudienceError(
                f"{name} is known of too few people to say what is high or low: give numbers instead"
            )
        return value

    def _badge(self, asked: HoldsBadge) -> Filter:
        """QRY-011."""
        meant = self.meant(asked)
        low, high = (1 * ONE, MOST)
        if asked.level is None:
            held: Filter = Some(tuple(Range(BADGE + policy.id, low, high) for policy in meant))
        else:
            comparison, level = asked.level
            held = Some(
                tuple(
                    Every((Range(column, low, high), _compared(column, comparison, Decimal(level))))
                    for column in (BADGE + policy.id for policy in meant)
                )
            )
        return held if asked.about is None else Every((held, self._criterion(asked.about)))

    def meant(self, asked: HoldsBadge) -> list[KnownPolicy]:
        """Policies that a badge's name means: their own, or a validator's; those that ask about the feature.

        Raises:
            AudienceError: none is called so, or none of them asks about it.
        """
        wanted = asked.name.lower()
        called: Mapping[str, str] = {
            name.lower(): name for policy in self._policies for name in (policy.name, *policy.validators)
        }
        if wanted not in called:
            near = [called[name] for name in get_close_matches(wanted, called, 3, 0.6)]
            hint = f"; did you mean: {', '.join(near)}?" if near else ""
            raise AudienceError(f"no badge and no validator is called {asked.name!r}{hint}")
        found = [
            policy
            for policy in self._policies
            if wanted in (policy.name.lower(), *(name.lower() for name in policy.validators))
        ]
        if asked.about is not None:
            feature = asked.about.feature
            found = [policy for policy in found if feature in policy.features]
            if not found:
                name = catalogue()[feature].names[0]
                raise AudienceError(
                    f"no {asked.name!r} badge asks about {name}, as far as policies are known"
                )
        return found

    def _term(self, wish: Preference) -> Term:
        """QRY-050."""
        weight = int(wish.weight * 1000)
        if wish.scale is Scale.BINARY or not isinstance(wish.wish, Has):
            return Term(self._criterion(wish.wish), wish.inverted, weight)
        column = column_of(wish.wish.feature, wish.wish.days)
        if wish.bounds:
            low, high = (_within(_floor(bound)) for bound in wish.bounds)
        else:
            low, high = self._share(column, LEAST_POINTS), self._share(column, MOST_POINTS)
        return Term(Points(column, low, high, wish.scale is Scale.LOG), wish.inverted, weight)


def _compared(column: str, comparison: Comparison, value: Decimal) -> Filter:
    """The whole numbers that stand so to a decimal number; what is not known stays so (QRY-030)."""
    below, above = _floor(value), int((value * ONE).to_integral_value(ROUND_CEILING))
    low, high = -MOST, MOST
    match comparison:
        case Comparison.MORE:
            low = below + 1
        case Comparison.AT_LEAST:
            low = above
        case Comparison.LESS:
            high = above - 1
        case Comparison.AT_MOST:
            high = below
        case Comparison.EQUAL | Comparison.OTHER:
            # Between two neighbours lies no value: then the range is empty.
            low, high = above, below
    # One beyond what a value can be is as good as any number there.
    found = Range(column, _within(low, MOST + 1), _within(high, MOST + 1))
    return Opposite(found) if comparison is Comparison.OTHER else found


def _floor(value: Decimal) -> int:
    return int((value * ONE).to_integral_value(ROUND_FLOOR))


def _within(value: int, most: int = MOST) -> int:
    return min(max(value, -most), most)
