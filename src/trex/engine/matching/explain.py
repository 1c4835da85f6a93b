"""What a query asks, in words, with where each answer comes from."""

from collections.abc import Iterator

from trex.engine.lake.catalogue import catalogue
from trex.engine.matching.query import (
    AllOf,
    AnyOf,
    Compare,
    Expression,
    Has,
    HoldsBadge,
    InLevel,
    Level,
    Not,
    Preference,
    Query,
    Scale,
    number,
)

PERCENTILES = {
    Level.HIGH: "at or above the 80th percentile",
    Level.MEDIUM: "from the 40th to below the 80th percentile",
    Level.LOW: "below the 40th percentile",
}
"""QRY-020: of the people who consented and of whom the feature is more than zero."""


def explain(query: Query) -> Iterator[str]:
    """Say what is asked, one line a thought; deeper parts are indented."""
    if query.where is None:
        yield "Everybody who consented."
    else:
        yield "People of whom this holds:"
        yield from _lines(query.where, 1)
    for preference in query.prefer:
        yield from _preferred(preference)
    if not query.prefer:
        yield "In order of their passports: nothing is preferred."


def _lines(expression: Expression, depth: int) -> Iterator[str]:
    margin = "  " * depth
    match expression:
        case AllOf(parts) | AnyOf(parts):
            yield f"{margin}{'all' if isinstance(expression, AllOf) else 'at least one'} of:"
            for part in parts:
                yield from _lines(part, depth + 1)
        case Not(part):
            yield f"{margin}not (and known not to be):"
            yield from _lines(part, depth + 1)
        case HoldsBadge(name, level, about):
            asked = f" of level {level[0]} {level[1]}" if level else ""
            yield f"{margin}a badge `{name}`{asked}, granted now" + (", that asks about:" if about else "")
            if about:
                yield from _lines(about, depth + 1)
        case _:
            yield margin + _asked(expression)


def _asked(about: Has | Compare | InLevel) -> str:
    feature = catalogue()[about.feature]
    window = f" in the last {about.days} days" if about.days else ""
    if isinstance(about, Compare):
        asked = f"{about.comparison} {number(about.value)} {feature.unit}"
    elif isinstance(about, InLevel):
        asked = f"{about.level}: {PERCENTILES[about.level]}"
    else:
        asked = "yes" if feature.is_flag else "more than 0"
    return (
        f"{feature.names[0]}{window} {asked}. {feature.meaning} From {feature.source}; {feature.freshness}."
    )


def _preferred(preference: Preference) -> Iterator[str]:
    low, high = preference.bounds or (None, None)
    between = (
        f"from {number(low)} to {number(high)}"
        if low is not None and high is not None
        else ("between the 5th and the 95th percentile")
    )
    order = ", the lower the better" if preference.inverted else ""
    how = {
        Scale.BINARY: "0 or 1",
        Scale.SCALED: f"0 to 100, linear {between}",
        Scale.LOG: f"0 to 100, by the logarithm {between}",
    }[preference.scale]
    yield f"First those who score by ({how}{order}), weight {number(preference.weight)}:"
    yield from _lines(preference.wish, 1)
