"""An audience as data: who is in it, and who comes first. Text and JSON are two writings of it.

Values compare exactly (decimal), levels mean published percentiles (QRY-020), and what is not known of a
person is neither true nor false (QRY-030).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias


class Comparison(StrEnum):
    """How a value is compared."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    EQUAL = "="
    OTHER = "!="


class Level(StrEnum):
    """A share of the people of whom a feature is known and not zero (QRY-020)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Scale(StrEnum):
    """How a value becomes a score."""

    BINARY = "binary"
    """0 or 1."""
    SCALED = "scaled"
    """0 to 100, linear between two bounds, clipped."""
    LOG = "log"
    """0 to 100, by the logarithm between two bounds, clipped."""


@dataclass(frozen=True, slots=True)
class Has:
    """The feature is known and more than zero."""

    feature: str
    days: int | None = None
    """Over the last so many days; None: over all time."""


@dataclass(frozen=True, slots=True)
class Compare:
    """The feature's value stands so to a number."""

    feature: str
    comparison: Comparison
    value: Decimal
    """In the feature's unit."""
    days: int | None = None


@dataclass(frozen=True, slots=True)
class InLevel:
    """The feature's value lies in the level's percentiles."""

    feature: str
    level: Level
    days: int | None = None


About: TypeAlias = Has | Compare | InLevel


@dataclass(frozen=True, slots=True)
class HoldsBadge:
    """A badge of this name, or granted by validators of this name, is held and granted."""

    name: str
    level: tuple[Comparison, int] | None = None
    """Asked of the badge's level."""
    about: About | None = None
    """The badge's policy asks about this feature, and it holds."""


Criterion: TypeAlias = About | HoldsBadge


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; what is not known stays so."""

    part: "Expression"


Expression: TypeAlias = AllOf | AnyOf | Not | Criterion


@dataclass(frozen=True, slots=True)
class Preference:
    """What brings somebody forward: one term of the Persona Matching Score."""

    wish: Criterion
    """`Has` scores by the feature's value, the others by 0 or 1."""
    scale: Scale
    bounds: tuple[Decimal, Decimal] | None = None
    """Values that score 0 and 100; None: the 5th and 95th percentile."""
    inverted: bool = False
    """The lower the better."""
    weight: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Query:
    """An audience."""

    where: Expression | None = None
    """Who is in it; None: everybody who consented."""
    prefer: tuple[Preference, ...] = ()
    """By what they are ranked; without any, by passport."""


def criteria(expression: Expression | None) -> Iterator[Criterion]:
    """Every criterion of an expression, from left to right."""
    match expression:
        case None:
            return
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from criteria(part)
        case Not(part):
            yield from criteria(part)
        case _:
            yield expression


def canonical(query: Query) -> str:
    """Write the text that means this query and no other (QRY-040)."""
    where = _written(query.where, inner=False) if query.where else ""
    prefer = ", ".join(_preference(preference) for preference in query.prefer)
    return " ".join(part for part in (where, f"PREFER {prefer}" if prefer else "") if part)


def number(value: Decimal) -> str:
    """A decimal without exponent and without zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _written(expression: Expression, *, inner: bool) -> str:
    match expression:
        case AllOf(parts) | AnyOf(parts):
            word = " AND " if isinstance(expression, AllOf) else " OR "
            text = word.join(_written(part, inner=True) for part in parts)
            return f"({text})" if inner else text
        case Not(part):
            return f"NOT {_written(part, inner=True)}"
        case HoldsBadge(name, level, about):
            quote = '"' if "'" in name else "'"
            asked = f" LEVEL {level[0]} {level[1]}" if level else ""
            return f"BADGE {quote}{name}{quote}{asked}" + (f" FOR {_about(about)}" if about else "")
        case _:
            return _about(expression)


def _about(about: About) -> str:
    window = f" IN LAST {about.days} DAYS" if about.days else ""
    match about:
        case Has(feature):
            return f"{feature}{window}"
        case Compare(feature, comparison, value):
            return f"{feature} {comparison} {number(value)}{window}"
        case InLevel(feature, level):
            return f"{level} {feature}{window}"


def _preference(preference: Preference) -> str:
    parts = [_written(preference.wish, inner=True), f"AS {preference.scale}"]
    if preference.bounds:
        parts.append(f"FROM {number(preference.bounds[0])} TO {number(preference.bounds[1])}")
    if preference.inverted:
        parts.append("INVERTED")
    return " ".join([*parts, f"WEIGHT {number(preference.weight)}"])
