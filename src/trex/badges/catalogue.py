"""The checks that a policy can name: what each takes and what it answers (POL-020)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ValueKind(StrEnum):
    """What a check answers, and so what it can be compared with."""

    NUMBER = "number"
    """A count, an amount in the unit that the check says, or seconds."""
    WORD = "word"
    """One of several names."""
    FLAG = "flag"
    """Yes or no."""


class EvidenceClass(StrEnum):
    """Who can look at the evidence again (BDG-003)."""

    PUBLIC = "public"
    """Anyone: it is on a chain."""
    PRIVATE = "private"
    """Whoever the holder shows it to, and the attestors."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter of a check."""

    accepts: Callable[[Any], bool]
    """Tells whether a JSON value will do."""
    expected: str
    """What will do, for people."""
    required: bool = True
    """It must be there."""


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of question."""

    answers: ValueKind
    """What comes back."""
    evidence: EvidenceClass
    """Who can look again."""
    unit: str
    """Of the number, or what the word or flag means; for people."""
    fields: Mapping[str, Field]
    """Its parameters."""


def _text(pattern: str, expected: str, required: bool = True) -> Field:
    form = re.compile(pattern)
    return Field(lambda value: isinstance(value, str) and bool(form.fullmatch(value)), expected, required)


PROVIDER = _text(r"[a-z0-9]+(-[a-z0-9]+)*", "the id of a provider, as `trex zktls providers` lists them")

CATALOGUE: Mapping[str, Check] = {
    "zktls.level": Check(
        ValueKind.NUMBER, EvidenceClass.PRIVATE, "level by the provider's own steps", {"provider": PROVIDER}
    ),
    "zktls.number": Check(
        ValueKind.NUMBER, EvidenceClass.PRIVATE, "in the provider's unit", {"provider": PROVIDER}
    ),
    "zktls.word": Check(
        ValueKind.WORD,
        EvidenceClass.PRIVATE,
        "plan by the provider's table, or yes or no",
        {"provider": PROVIDER},
    ),
}
"""Every check, by name."""
