"""What follows from observations under a policy: pure, in three truth values (POL-030)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from trex.badges.catalogue import CATALOGUE, ValueKind
from trex.badges.observation import Observation
from trex.badges.policy import (
    CheckCondition,
    Condition,
    GroupCondition,
    NotCondition,
    Policy,
    TimeCondition,
)
from trex.types.decision import Outcome, Reason
from trex.types.primitives import Hash32

FUTURE_S = 900
"""How far ahead of the evaluation an observation may be, in seconds: clocks differ (POL-013)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one condition came to, with what its parts came to."""

    outcome: Outcome
    """The answer."""
    reason: Reason
    """Why."""
    parts: tuple["Finding", ...] = ()
    """Of a condition with parts."""


@dataclass(frozen=True, slots=True)
class LevelFinding:
    """What one level came to."""

    level: int
    """From 1."""
    finding: Finding
    """Of its condition."""


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What follows under a policy."""

    outcome: Outcome
    """Granted at `level`; refused: no level is possible; or undecided: none is proved, one is possible."""
    level: int
    """Highest level that is proved; 0 if none."""
    possible_level: int
    """Highest level that is not refused: a badge that is already there must not sink below it for want of
    evidence (POL-032)."""
    points: int
    """Worth of `level`."""
    expires_at_s: int | None
    """When a grant made now would end; None for never."""
    recheck_at_s: int | None
    """When it should be looked at anew; None for never."""
    levels: tuple[LevelFinding, ...]
    """Every level, with its reasons."""


def evaluate(policy: Policy, observations: Mapping[Hash32, Observation], now_s: int) -> PolicyDecision:
    """Decide.

    Args:
        policy: what is asked.
        observations: answers by the key of their check; a check without one is not known.
        now_s: Unix time in seconds.
    """
    findings = tuple(
        LevelFinding(level.level, _find(level.when, observations, now_s)) for level in policy.levels
    )
    proved = max((f.level for f in findings if f.finding.outcome is Outcome.GRANTED), default=0)
    possible = max((f.level for f in findings if f.finding.outcome is not Outcome.REFUSED), default=0)
    outcome = Outcome.GRANTED if proved else Outcome.UNDECIDED if possible else Outcome.REFUSED
    return PolicyDecision(
        outcome=outcome,
        level=proved,
        possible_level=possible,
        points=policy.levels[proved - 1].points if proved else 0,
        expires_at_s=_end_s(policy, observations, now_s) if proved else None,
        recheck_at_s=now_s + policy.recheck_s if proved and policy.recheck_s else None,
        levels=findings,
    )


def _end_s(policy: Policy, observations: Mapping[Hash32, Observation], now_s: int) -> int | None:
    """When a grant ends: by the policy, and no later than any answer that it may rest on (POL-015)."""
    ends = [now_s + policy.expiry_s] if policy.expiry_s else []
    for check in policy.checks():
        lasts_s, found = CATALOGUE[check.validator].lasts_s, observations.get(check.key)
        if (
            lasts_s
            and found is not None
            and found.value is not None
            and found.observed_at_s + lasts_s > now_s
        ):
            ends.append(found.observed_at_s + lasts_s)
    return min(ends, default=None)


def _find(condition: Condition, observations: Mapping[Hash32, Observation], now_s: int) -> Finding:
    if isinstance(condition, CheckCondition):
        outcome, why = _check(condition, observations.get(condition.key), now_s)
        return Finding(outcome, Reason(condition.validator, outcome, why, "POL-012"))
    if isinstance(condition, TimeCondition):
        outcome = _in_time(condition, now_s)
        return Finding(outcome, Reason("time", outcome, f"now is {now_s}", "POL-014"))
    if isinstance(condition, NotCondition):
        part = _find(condition.part, observations, now_s)
        outcome = ~part.outcome
        return Finding(outcome, Reason("not", outcome, "the opposite of its part", "POL-031"), (part,))
    return _group(condition, tuple(_find(part, observations, now_s) for part in condition.parts))


def _group(condition: GroupCondition, parts: tuple[Finding, ...]) -> Finding:
    """At least `least` of the parts: decided as soon as what is not known cannot change it (POL-031)."""
    held = sum(part.outcome is Outcome.GRANTED for part in parts)
    unknown = sum(part.outcome is Outcome.UNDECIDED for part in parts)
    if held >= condition.least:
        outcome = Outcome.GRANTED
    else:
        outcome = Outcome.UNDECIDED if held + unknown >= condition.least else Outcome.REFUSED
    why = f"{held} of {len(parts)} hold, {condition.least} must"
    why += f"; {unknown} not known" if unknown else ""
    return Finding(outcome, Reason(condition.word, outcome, why, "POL-031"), parts)


def _in_time(condition: TimeCondition, now_s: int) -> Outcome:
    early = condition.from_s is not None and now_s < condition.from_s
    late = condition.until_s is not None and now_s >= condition.until_s
    return Outcome.REFUSED if early or late else Outcome.GRANTED


def _check(condition: CheckCondition, found: Observation | None, now_s: int) -> tuple[Outcome, str]:
    if found is None:
        return Outcome.UNDECIDED, "not observed"
    if found.value is None:
        return Outcome.UNDECIDED, f"{found.source}: {found.reason}"
    age = now_s - found.observed_at_s
    if age < -FUTURE_S:
        return Outcome.UNDECIDED, f"{found.source}: observed {-age} s in the future"
    check = CATALOGUE[condition.validator]
    oldest = min((one for one in (condition.max_age_s, check.lasts_s) if one), default=None)
    if oldest is not None and age > oldest:
        return Outcome.UNDECIDED, f"{found.source}: observed {age} s ago, at most {oldest} s count"
    kind = check.answers
    if not _is_kind(found.value, kind):
        return Outcome.UNDECIDED, f"{found.source}: answered {found.value!r}, a {kind} was asked"
    held = _holds(condition, found.value)
    return (Outcome.GRANTED if held else Outcome.REFUSED), f"{found.source}: {found.reason}"


def _is_kind(value: Decimal | str | bool, kind: ValueKind) -> bool:
    if kind is ValueKind.NUMBER:
        return isinstance(value, Decimal) and value.is_finite()
    return isinstance(value, str if kind is ValueKind.WORD else bool)


def _holds(condition: CheckCondition, value: Decimal | str | bool) -> bool:
    bounds = condition.bounds
    if isinstance(value, Decimal):
        return (bounds.at_least is None or value >= bounds.at_least) and (
            bounds.at_most is None or value <= bounds.at_most
        )
    return value == bounds.is_true if isinstance(value, bool) else value in bounds.one_of
