"""The same plan as an Ibis expression: on DuckDB and Spark the same people in the same order as the kernel's.

Engines differ in how they divide whole numbers and how they round, so nothing here leans on that: a share is
a double's, put right by comparing decimals, and logarithms come from the published table (PMS-022).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

import ibis

from trex.engine.matching.plan import BADGE, Every, Filter, Opposite, Plan, Points, Range, Some

if TYPE_CHECKING:
    from ibis.expr.types import BooleanValue, DecimalValue, IntegerValue, Table

FULL = 100_000_000
"""The score of 100 points (PMS-020)."""
WIDE = "decimal(19, 0)"
"""Holds every value, and a product of two is exact in 38 digits (PMS-001)."""
BITS, INDEX_BITS = 24, 12
"""Behind the point of a logarithm, and those of its table's index."""


def wide(cells: "Table", names: Iterable[str]) -> "Table":
    """Everybody in one row: `person` (in hex, which orders as the number does) and columns."""
    columns = {name: cells.value.max(where=cells.name == name) for name in sorted(names)}
    # Who holds no badge is known to hold none.
    none = {name: column.fill_null(0) for name, column in columns.items() if name.startswith(BADGE)}
    return cells.group_by("person").agg(**columns | none)


def everybody(cells: "Table", plan: Plan) -> "Table":
    """People for `ranked`, of a lake's cells; a person is the passport's number in 78 digits."""
    named = cells.mutate(person=cells.passport.lpad(78, "0"))
    return wide(named.drop("passport"), plan.columns())


def ranked(people: "Table", plan: Plan, logarithms: Sequence[int]) -> "Table":
    """Those of whom the filter is true: `person`, `total` (the undivided sum) and `score`, best first.

    Args:
        people: one row each: `person`, text that orders as passports do, and columns of 64-bit whole numbers,
            null where nothing is known.
        plan: who is in, and who comes first.
        logarithms: the published table (PMS-022).
    """
    found = people.filter(holds(people, plan.filter))
    names = []
    for place, term in enumerate(plan.terms):
        names.append(f"points_{place}")
        if isinstance(term.scale, Points):
            found = _points(found, term.scale, names[-1], logarithms)
            points = found[names[-1]]
        else:
            true = holds(found, term.scale)
            points = ibis.cases((true, _whole(FULL)), (~true, _whole(0)))  # null where it is neither
        if term.inverted:
            points = FULL - points
        found = found.mutate(**{names[-1]: points.fill_null(_whole(0)) * term.weight})
    total = reduce(lambda total, name: total + found[name], names, _whole(0))
    found = found.select("person", total=total.cast("int64"))
    score = ((found.total - found.total % plan.weights) / plan.weights).round().cast("int64")
    return found.mutate(score=score).order_by(found.total.desc(), found.person)


def behind(ranks: "Table", total: int, person: str) -> "Table":
    """The page behind somebody (PMS-031)."""
    later = (ranks.total == total) & (ranks.person > person)
    return ranks.filter((ranks.total < total) | later).order_by(ranks.total.desc(), ranks.person)


def holds(people: "Table", filter_: Filter) -> "BooleanValue":
    """Three-valued truth, which is SQL's own (PMS-011)."""
    match filter_:
        case Every(parts):
            return reduce(and_, (holds(people, part) for part in parts), ibis.literal(True))
        case Some(parts):
            return reduce(or_, (holds(people, part) for part in parts), ibis.literal(False))
        case Opposite(part):
            return ~holds(people, part)
        case Range(column, low, high):
            value = people[column]
            return (value >= _whole(low)) & (value <= _whole(high))


def _whole(number: int) -> "IntegerValue":
    # A bare number has as few bits as hold it on some engines, and a product of two then does not fit.
    return ibis.literal(str(number)).cast("int64")


def _points(people: "Table", scale: Points, name: str, logarithms: Sequence[int]) -> "Table":
    """Add what a value is worth, 0 to FULL, null where it is not known (PMS-021, PMS-022)."""
    value, low, high = people[scale.column], scale.low, scale.high
    if scale.is_log:
        people = _logarithm(people, scale.column, "log_value", logarithms)
        value = people.log_value
        low, high = (logarithm(bound, logarithms) for bound in (low, high))
    if low >= high:
        reached = ibis.ifelse(value >= high, _whole(FULL), _whole(0))
        return people.mutate(**{name: ibis.ifelse(value.isnull(), ibis.null("int64"), reached)})
    whole = high - low
    way = ibis.ifelse(value <= low, _whole(0), ibis.ifelse(value >= high, _whole(whole), value - low))
    # Of a double the share may be one off; decimals say which it is.
    near = (way.cast("float64") * float(FULL) / float(whole)).floor().cast("int64")
    exact = way.cast(WIDE) * _wide(FULL)
    up = ((near + 1).cast(WIDE) * _wide(whole) <= exact).cast("int64")
    down = (near.cast(WIDE) * _wide(whole) > exact).cast("int64")
    return people.mutate(**{name: near + up - down})


def _wide(number: int) -> "DecimalValue":
    return ibis.literal(Decimal(number), type=WIDE)


def _logarithm(people: "Table", column: str, name: str, logarithms: Sequence[int]) -> "Table":
    """Add the logarithm of a column's value and 1, in units of 2^-24."""
    y = ibis.greatest(people[column], _whole(0)) + 1
    y = ibis.ifelse(people[column].isnull(), ibis.null("int64"), y)
    people = people.mutate(y=y)
    # A library's logarithm may be one off beside a power of two; comparing says which it is.
    near = people.y.cast("float64").log2().floor().cast("int64")
    people = people.mutate(near=near)
    up = (people.y >= _power(people.near + 1)).cast("int64")
    down = (people.y < _power(people.near)).cast("int64")
    people = people.mutate(exponent=people.near + up - down)
    smaller = _power(ibis.greatest(people.exponent - INDEX_BITS, _whole(0)))
    larger = _power(ibis.greatest(INDEX_BITS - people.exponent, _whole(0)))
    people = people.mutate(smaller=smaller, larger=larger)
    head = ((people.y - people.y % people.smaller) / people.smaller).round().cast("int64")
    people = people.mutate(entry=head * people.larger - (1 << INDEX_BITS))
    table = ibis.memtable(
        {"place": list(range(len(logarithms))), "fraction": list(logarithms)},
        schema={"place": "int64", "fraction": "int64"},
    )
    joined = people.left_join(table, people.entry == table.place)
    found = joined.mutate(**{name: joined.exponent * (1 << BITS) + joined.fraction})
    return found.drop("y", "near", "exponent", "smaller", "larger", "entry", "place", "fraction")


def _power(exponent: "IntegerValue") -> "IntegerValue":
    return (ibis.literal(2.0) ** exponent.cast("float64")).round().cast("int64")


def logarithm(value: int, logarithms: Sequence[int]) -> int:
    """The logarithm of a value and 1, in units of 2^-24; of a negative value 0 (PMS-022)."""
    y = max(value, 0) + 1
    exponent = y.bit_length() - 1
    index = (y << INDEX_BITS >> exponent) - (1 << INDEX_BITS)
    return (exponent << BITS) + logarithms[index]
