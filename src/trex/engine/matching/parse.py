"""From text to a query; what cannot be read is shown in its place, with what would do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Transformer, Tree, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError
from lark.visitors import v_args

from trex.engine.lake.catalogue import Feature, catalogue
from trex.engine.matching.query import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Expression,
    Has,
    HoldsBadge,
    InLevel,
    Level,
    Not,
    Preference,
    Query,
    Scale,
    criteria,
)

MAX_LENGTH = 4_096
"""Longest query, in characters (QRY-002)."""
MAX_NESTING = 64
"""Most opening parentheses and NOTs together (QRY-002)."""
MAX_CRITERIA = 64
"""Most criteria and preferences together (QRY-002)."""
MAX_WEIGHT = 1_000
MAX_DIGITS = 30
"""Most digits of a number."""

WORDS: Mapping[str, Comparison] = {
    "==": Comparison.EQUAL,
    "exactly": Comparison.EQUAL,
    "<>": Comparison.OTHER,
    "≠": Comparison.OTHER,
    "≥": Comparison.AT_LEAST,
    "at least": Comparison.AT_LEAST,
    "≤": Comparison.AT_MOST,
    "at most": Comparison.AT_MOST,
    "more than": Comparison.MORE,
    "over": Comparison.MORE,
    "above": Comparison.MORE,
    "less than": Comparison.LESS,
    "under": Comparison.LESS,
    "below": Comparison.LESS,
}
"""Other writings of comparisons."""
SUFFIXES = {"k": Decimal(10) ** 3, "m": Decimal(10) ** 6, "b": Decimal(10) ** 9, "bn": Decimal(10) ** 9}
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP"}
UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
"""QRY-006."""
NUMBER = re.compile(r"([$€£]?)([\d,]+(?:\.\d+)?)\s?(k|m|bn|b|%)?", re.IGNORECASE)
WINDOW = re.compile(r"(\d+)?\s*(day|week|month|quarter|year)s?$", re.IGNORECASE)
EXPECTED = {
    "WORD": "a feature",
    "LEVEL": "high, medium or low",
    "CMP": "a comparison",
    "NUMBER": "a number",
    "STRING": "a name in quotes",
    "_AND": "AND",
    "_OR": "OR",
    "_NOT": "NOT",
    "LPAR": "(",
    "RPAR": ")",
    "_PREFER": "PREFER",
    "BADGE": "a badge",
    "WINDOW": "in the last ... days",
    "_WEIGHT": "WEIGHT",
    "SCALE": "binary, scaled or log",
    "_FOR": "FOR",
    "COMMA": ",",
    "$END": "the end",
}
"""What a token is called when it was expected; those not here are not worth a mention."""


class QueryError(Exception):
    """A query that says nothing, or nothing that can be answered (QRY-007)."""

    def __init__(self, reason: str, start: int, end: int, suggestions: Sequence[str] = ()) -> None:
        """Say what is wrong from character `start` to before `end`, and what would do instead."""
        super().__init__(reason)
        self.reason, self.start, self.end = reason, start, max(end, start + 1)
        self.suggestions = tuple(suggestions)

    def shown(self, text: str) -> str:
        """The line of the query with the place marked below it, the reason and the suggestions."""
        first = text.rfind("\n", 0, self.start) + 1
        last = text.find("\n", self.start)
        line = text[first : last if last >= 0 else len(text)]
        mark = " " * (self.start - first) + "^" * max(1, min(self.end, first + len(line)) - self.start)
        hint = f"\ndid you mean: {', '.join(self.suggestions)}?" if self.suggestions else ""
        return f"{line}\n{mark}\n{self.reason}{hint}"


@dataclass(frozen=True, slots=True)
class _Span:
    """A feature with its place, for errors that only show later."""

    feature: Feature
    start: int
    end: int


@cache
def grammar() -> Lark:
    """The parser of `query.lark`, made once."""
    text = files("trex.engine.matching").joinpath("query.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


@cache
def feature_names() -> Mapping[str, Feature]:
    """Features by everything they may be called, in lower case (QRY-003)."""
    names: dict[str, Feature] = {}
    for feature in catalogue().values():
        for name in (feature.id, *feature.names):
            names[name.lower()] = feature
    return names


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        QueryError: with the place, the reason and, where something is near, what may have been meant.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH, len(text))
    if not text.strip():
        raise QueryError("nothing is asked", 0, 1)
    _check_nesting(text)
    try:
        query = _Reader(text).transform(grammar().parse(text))
    except UnexpectedInput as error:
        raise _unexpected(text, error) from error
    except VisitError as error:
        if isinstance(error.orig_exc, QueryError):
            raise error.orig_exc from None
        raise
    assert isinstance(query, Query)
    count = len(list(criteria(query.where))) + len(query.prefer)
    if count > MAX_CRITERIA:
        raise QueryError(f"{count} criteria; at most {MAX_CRITERIA} go together", 0, len(text))
    return query


def _check_nesting(text: str) -> None:
    """Refuse what could nest deeper than a reader, or a stack, can follow."""
    bare = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", "", text)
    count = len(re.findall(r"\(|!|\bnot\b|\bwithout\b", bare, re.IGNORECASE))
    if count > MAX_NESTING:
        raise QueryError(f"{count} parentheses and NOTs; at most {MAX_NESTING} are read", 0, len(text))


def _unexpected(text: str, error: UnexpectedInput) -> QueryError:
    start: int = getattr(error, "pos_in_stream", None) or 0
    allowed: Iterable[str] = getattr(error, "allowed", ())
    if isinstance(error, UnexpectedToken):
        allowed = error.accepts
        start = len(text.rstrip()) if error.token.type == "$END" else start
    word = re.match(r"\S+", text[start:])
    end = start + len(word[0]) if word else start + 1
    expected = [EXPECTED[name] for name in EXPECTED if name in allowed]
    found = f"`{text[start:end]}` does not fit here" if word else "the query ends too early"
    near = get_close_matches(text[start:end].upper(), ["AND", "OR", "NOT", "PREFER", "WEIGHT"], 1)
    return QueryError(f"{found}; expected {_listed(expected)}", start, end, near)


def _listed(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


class _Reader(Transformer[Token, Query]):
    """Builds the query bottom-up; every method is a rule of the grammar."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def phrase(self, words: list[Token]) -> _Span:
        start, end = words[0].start_pos or 0, words[-1].end_pos or 0
        said = " ".join(words)
        names = feature_names()
        feature = names.get(said.lower()) or names.get(said.lower().removesuffix("s"))
        if feature is None:
            near = get_close_matches(said.lower(), names, 3, 0.6)
            shown = list(dict.fromkeys(names[name].names[0] for name in near))
            raise QueryError(f"`{said}` is no feature", start, end, shown)
        return _Span(feature, start, end)

    def window(self, tokens: list[Token]) -> int:
        found = WINDOW.search(tokens[0])
        assert found
        return int(found[1] or 1) * UNIT_DAYS[found[2].lower()]

    @v_args(tree=True)
    def quantity(self, tree: Tree[Token]) -> tuple[Decimal, str | None, int, int]:
        number, *unit = tree.children
        assert isinstance(number, Token)
        value, currency = _number(number)
        return value, str(unit[0]) if unit else currency, tree.meta.start_pos, tree.meta.end_pos

    def has(self, parts: list[_Span | int]) -> Has:
        span, *days = parts
        assert isinstance(span, _Span)
        return Has(span.feature.id, self._days(span, days))

    def compare(self, parts: list[object]) -> Compare:
        span, comparison, quantity, *days = parts
        assert isinstance(span, _Span)
        assert isinstance(comparison, Token)
        value = self._value(span, quantity)
        return Compare(span.feature.id, _comparison(comparison), value, self._days(span, days))

    def between(self, parts: list[object]) -> AllOf:
        span, low, high, *days = parts
        assert isinstance(span, _Span)
        bounds = self._value(span, low), self._value(span, high)
        if bounds[0] > bounds[1]:
            raise QueryError(f"nothing lies between {bounds[0]} and {bounds[1]}", span.start, span.end)
        window = self._days(span, days)
        return AllOf(
            (
                Compare(span.feature.id, Comparison.AT_LEAST, bounds[0], window),
                Compare(span.feature.id, Comparison.AT_MOST, bounds[1], window),
            )
        )

    def level(self, parts: list[object]) -> InLevel:
        level, span, *days = parts
        assert isinstance(span, _Span)
        if span.feature.is_flag:
            raise QueryError(f"{span.feature.names[0]} is yes or no: it has no levels", span.start, span.end)
        return InLevel(span.feature.id, Level(str(level).lower()), self._days(span, days))

    def badge_level(self, parts: list[Token]) -> tuple[Comparison, int]:
        comparison, number = parts
        value, _ = _number(number)
        if value != value.to_integral_value() or value > 1_000:
            raise QueryError(
                "a badge's level is a small whole number", number.start_pos or 0, number.end_pos or 0
            )
        return _comparison(comparison), int(value)

    def badge(self, parts: list[object]) -> HoldsBadge:
        name = next(part for part in parts if isinstance(part, Token) and part.type == "STRING")
        level = next((part for part in parts if isinstance(part, tuple)), None)
        about = next((part for part in parts if isinstance(part, Has | Compare | InLevel)), None)
        said = name[1:-1].strip()
        if not said or not said.isprintable():
            raise QueryError("a badge has a name", name.start_pos or 0, name.end_pos or 0)
        return HoldsBadge(said, level, about)

    def all(self, parts: list[Expression]) -> Expression:
        return _joined(AllOf, parts)

    def any(self, parts: list[Expression]) -> Expression:
        return _joined(AnyOf, parts)

    def not_(self, parts: list[Expression]) -> Not:
        return Not(parts[0])

    def scale(self, tokens: list[Token]) -> Scale:
        word = tokens[0].lower()
        return Scale.LOG if word.startswith("log") else Scale(word)

    def range(self, parts: list[tuple[Decimal, str | None, int, int]]) -> tuple[str, Decimal, Decimal]:
        low, high = parts[0][0], parts[1][0]
        if low >= high:
            raise QueryError("the first bound is not below the second", parts[0][2], parts[1][3])
        return "range", low, high

    def weight(self, tokens: list[Token]) -> tuple[str, Decimal]:
        token = tokens[0]
        value, _ = _number(token)
        if not 0 < value <= MAX_WEIGHT or value != round(value, 3):
            raise QueryError(
                f"a weight is above 0, at most {MAX_WEIGHT}, and has at most three decimals",
                token.start_pos or 0,
                token.end_pos or 0,
            )
        return "weight", value

    @v_args(tree=True)
    def wish(self, tree: Tree[Token]) -> Preference:
        wished, *rest = tree.children
        place = tree.meta.start_pos, tree.meta.end_pos
        if isinstance(wished, AllOf):
            raise QueryError("prefer a value, not a range: FROM ... TO ... sets its bounds", *place)
        assert isinstance(wished, Has | Compare | InLevel | HoldsBadge)
        scales: list[Scale] = [part for part in rest if isinstance(part, Scale)]
        pairs = {part[0]: part[1:] for part in rest if isinstance(part, tuple)}
        binary = not isinstance(wished, Has) or catalogue()[wished.feature].is_flag
        if binary and (scales not in ([], [Scale.BINARY]) or "range" in pairs):
            raise QueryError("what is yes or no scores 0 or 1: it has no scale", *place)
        bounds = pairs.get("range")
        scale = scales[0] if scales else Scale.BINARY if binary else Scale.SCALED
        if bounds and (scale is Scale.BINARY or (scale is Scale.LOG and bounds[0] < 0)):
            raise QueryError("these bounds do not fit the scale", *place)
        inverted = any(isinstance(part, Token) and part.type == "INVERTED" for part in rest)
        return Preference(wished, scale, bounds, inverted, pairs.get("weight", (Decimal(1),))[0])

    def preference(self, wishes: list[Preference]) -> list[Preference]:
        return wishes

    def start(self, parts: list[object]) -> Query:
        parts = [part for part in parts if not isinstance(part, Token)]
        prefer = [wish for part in parts if isinstance(part, list) for wish in part]
        where = next((part for part in parts if not isinstance(part, list)), None)
        if where is None and not prefer:
            raise QueryError("nothing is asked", 0, len(self.text))
        return Query(where, tuple(prefer))  # type: ignore[arg-type]

    def _days(self, span: _Span, days: Sequence[object]) -> int | None:
        if not days:
            return None
        asked, feature = days[0], span.feature
        assert isinstance(asked, int)
        if asked not in feature.windows:
            kept = [f"in the last {window} days" for window in feature.windows]
            reason = f"{feature.names[0]} is not kept over {asked} days"
            raise QueryError(reason if kept else f"{reason}, only over all time", span.start, span.end, kept)
        return asked

    def _value(self, span: _Span, quantity: object) -> Decimal:
        assert isinstance(quantity, tuple)
        value, unit, start, end = quantity
        assert isinstance(value, Decimal)
        feature = span.feature
        fits = unit is None or unit.lower().rstrip("s") == feature.unit.lower().rstrip("s")
        if not fits:
            near = get_close_matches(str(unit).upper(), ["AND", "OR"], 1)
            raise QueryError(f"{feature.names[0]} is counted in {feature.unit}, not {unit}", start, end, near)
        if feature.is_flag and value not in (0, 1):
            raise QueryError(f"{feature.names[0]} is 1 or 0: yes or no", start, end)
        return value


# `not` is a word of Python's own, and the grammar's rule is called so.
setattr(_Reader, "not", _Reader.not_)


def _joined(kind: type[AllOf] | type[AnyOf], parts: Sequence[Expression]) -> Expression:
    """One part stands for itself; parts of the same kind are one list (QRY-041)."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _comparison(token: Token) -> Comparison:
    word = " ".join(token.lower().removeprefix("is ").split())
    return WORDS.get(word) or Comparison(word)


def _number(token: Token) -> tuple[Decimal, str | None]:
    """A number and the unit that its sign names (QRY-004)."""
    found = NUMBER.fullmatch(token)
    assert found
    currency, digits, suffix = found.groups()
    value = Decimal(digits.replace(",", ""))
    if len(value.as_tuple().digits) > MAX_DIGITS:
        raise QueryError(f"more than {MAX_DIGITS} digits", token.start_pos or 0, token.end_pos or 0)
    if suffix and suffix != "%":
        value *= SUFFIXES[suffix.lower()]
    return value, "%" if suffix == "%" else CURRENCIES.get(currency)
