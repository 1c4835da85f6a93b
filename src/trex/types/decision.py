"""What a validator says: yes, no or not known, and why.

"Not known" is a value of its own. A source that is down, contradicts itself or was not asked never turns
into a yes or a no (Kleene's strong three-valued logic).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Three truth values, in the words of badges."""

    GRANTED = "granted"
    """The evidence meets the condition."""
    REFUSED = "refused"
    """The evidence is complete and does not meet the condition."""
    UNDECIDED = "undecided"
    """The evidence at hand allows no answer."""

    def __invert__(self) -> "Outcome":
        """NOT: what is not known stays so."""
        return _INVERSE[self]


_INVERSE = {
    Outcome.GRANTED: Outcome.REFUSED,
    Outcome.REFUSED: Outcome.GRANTED,
    Outcome.UNDECIDED: Outcome.UNDECIDED,
}


def all_of(outcomes: Iterable[Outcome]) -> Outcome:
    """AND: one refusal decides, whatever is not known beside it."""
    found = set(outcomes)
    if Outcome.REFUSED in found:
        return Outcome.REFUSED
    return Outcome.UNDECIDED if Outcome.UNDECIDED in found else Outcome.GRANTED


def any_of(outcomes: Iterable[Outcome]) -> Outcome:
    """OR: one grant decides, whatever is not known beside it."""
    found = set(outcomes)
    if Outcome.GRANTED in found:
        return Outcome.GRANTED
    return Outcome.UNDECIDED if Outcome.UNDECIDED in found else Outcome.REFUSED


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of a decision, for people and programs."""

    code: str
    """Stable name, lower case with underscores."""
    outcome: Outcome
    """What this step says by itself."""
    message: str
    """For people, with expected and actual."""
    rule: str = ""
    """Number of the rule in specs/, empty where there is none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a validator says of evidence under a policy."""

    outcome: Outcome
    """The answer."""
    reasons: tuple[Reason, ...]
    """Every step, in the order in which it was looked at."""
