"""Draws queries of every form that the language has."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from trex.engine.lake.catalogue import catalogue
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

LETTERS = st.characters(categories=["L", "N", "P"], exclude_characters="'\"\u2018\u2019\u201c\u201d")
AMOUNTS = st.decimals(min_value=0, max_value=10**12, places=4, allow_nan=False).map(
    lambda value: Decimal(f"{value:f}".rstrip("0").rstrip(".") or "0")
)


NAMES = st.text(LETTERS, min_size=1, max_size=20)


@dataclass(frozen=True)
class Queries:
    """What queries speak of."""

    features: Sequence[str] = tuple(sorted(catalogue()))
    badges: st.SearchStrategy[str] = NAMES
    amounts: st.SearchStrategy[Decimal] = AMOUNTS

    def any(self) -> st.SearchStrategy[Query]:
        """A query."""
        wishes = st.lists(self._preference(), max_size=3).map(tuple)
        query = st.builds(Query, st.none() | self.expression(), wishes)
        return query.filter(lambda query: query.where is not None or bool(query.prefer))

    def expression(self) -> st.SearchStrategy[Expression]:
        """Who is in."""

        def deeper(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
            several = st.lists(parts, min_size=2, max_size=4)
            # A list inside a list of the same kind is one list.
            every = several.map(lambda all_: AllOf(tuple(p for p in all_ if not isinstance(p, AllOf))))
            some = several.map(lambda any_: AnyOf(tuple(p for p in any_ if not isinstance(p, AnyOf))))
            return st.one_of(
                every.filter(lambda one: len(one.parts) > 1),
                some.filter(lambda one: len(one.parts) > 1),
                parts.map(Not),
            )

        return st.recursive(self._criterion(), deeper, max_leaves=12)

    def _criterion(self) -> st.SearchStrategy[Criterion]:
        return st.one_of(self._about(windows=True), self._badge())

    def _about(self, *, windows: bool) -> st.SearchStrategy[Has | Compare | InLevel]:
        @st.composite
        def draw_one(draw: st.DrawFn) -> Has | Compare | InLevel:
            feature = catalogue()[draw(st.sampled_from(self.features))]
            days = draw(st.sampled_from([None, *feature.windows])) if windows else None
            kind = draw(st.sampled_from([Has] if feature.is_flag else [Has, Compare, InLevel]))
            if kind is Has:
                return Has(feature.id, days)
            if kind is InLevel:
                return InLevel(feature.id, draw(st.sampled_from(list(Level))), days)
            comparison = draw(st.sampled_from(list(Comparison)))
            return Compare(feature.id, comparison, draw(self.amounts), days)

        return draw_one()

    def _badge(self) -> st.SearchStrategy[HoldsBadge]:
        level = st.tuples(st.sampled_from(list(Comparison)), st.integers(0, 1_000) | st.integers(0, 4))
        # A window inside a badge's question is not in the language.
        return st.builds(HoldsBadge, self.badges, st.none() | level, st.none() | self._about(windows=False))

    def _preference(self) -> st.SearchStrategy[Preference]:
        @st.composite
        def draw_one(draw: st.DrawFn) -> Preference:
            weight, inverted = Decimal(draw(st.integers(1, 1_000_000))) / 1000, draw(st.booleans())
            wish = draw(self._criterion())
            if not isinstance(wish, Has) or catalogue()[wish.feature].is_flag:
                return Preference(wish, Scale.BINARY, None, inverted, weight)
            low, more = draw(st.integers(0, 10**6)), draw(st.integers(1, 10**6) | st.integers(1, 10))
            bounds = draw(st.sampled_from([None, (Decimal(low), Decimal(low + more))]))
            scale = draw(st.sampled_from([Scale.SCALED, Scale.LOG]))
            return Preference(wish, scale, bounds, inverted, weight)

        return draw_one()
