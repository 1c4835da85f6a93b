"""A policy in words."""

from collections.abc import Iterator

from trex.badges.catalogue import CATALOGUE
from trex.badges.policy import (
    Bounds,
    CheckCondition,
    Condition,
    GroupCondition,
    NotCondition,
    Policy,
    TimeCondition,
)


def explain(policy: Policy) -> Iterator[str]:
    """Yield lines that say what a policy asks."""
    yield policy.name
    if policy.description:
        yield f"  {policy.description}"
    yield f"  evidence: {policy.evidence_class}"
    lasts, anew = _span(policy.expiry_s, "for ever"), _after(policy.recheck_s)
    yield f"  a grant lasts {lasts}, and is looked at anew {anew}"
    for level in policy.levels:
        yield f"level {level.level}, {level.name}, {level.points} points:"
        yield from _lines(level.when, 1)


def _lines(condition: Condition, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(condition, CheckCondition):
        yield f"{indent}{_check(condition)}"
    elif isinstance(condition, TimeCondition):
        yield f"{indent}the time is {_window(condition)}"
    elif isinstance(condition, NotCondition):
        yield f"{indent}not:"
        yield from _lines(condition.part, depth + 1)
    else:
        yield f"{indent}{_group(condition)}:"
        for part in condition.parts:
            yield from _lines(part, depth + 1)


def _group(condition: GroupCondition) -> str:
    if condition.word == "count":
        return f"at least {condition.least} of {len(condition.parts)}"
    return "all of" if condition.word == "all" else "any of"


def _check(condition: CheckCondition) -> str:
    parameters = ", ".join(f"{key} {value}" for key, value in sorted(condition.parameters.items()))
    age = f", observed at most {condition.max_age_s} s ago" if condition.max_age_s else ""
    kind = CATALOGUE[condition.validator]
    return f"{condition.validator} ({parameters}) is {_bounds(condition.bounds)}, {kind.unit}{age}"


def _bounds(bounds: Bounds) -> str:
    if bounds.one_of:
        return f"one of {', '.join(bounds.one_of)}"
    if bounds.is_true is not None:
        return "true" if bounds.is_true else "false"
    parts = [
        f"{word} {bound:f}"
        for word, bound in (("at least", bounds.at_least), ("at most", bounds.at_most))
        if bound is not None
    ]
    return " and ".join(parts)


def _window(condition: TimeCondition) -> str:
    start = "" if condition.from_s is None else f"from {condition.from_s}"
    end = "" if condition.until_s is None else f"before {condition.until_s}"
    return " and ".join(part for part in (start, end) if part)


def _span(seconds: int | None, never: str) -> str:
    return never if seconds is None else f"{seconds} s"


def _after(seconds: int | None) -> str:
    return "never" if seconds is None else f"after {seconds} s"
