"""Policies: JSON documents that say what a badge asks, read strictly and known by a hash."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, NoReturn

from trex.badges.catalogue import CATALOGUE, EvidenceClass, ValueKind
from trex.badges.observation import check_key
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import StrictJsonError, canonical_json, parse_strict_json

MAX_POLICY_BYTES = 65_536
"""Longest policy document (POL-001)."""
MAX_DEPTH = 16
"""Deepest nesting of conditions (POL-010)."""
MAX_CONDITIONS = 256
"""Most conditions of a policy, checks counted (POL-010)."""
MAX_LEVELS = 32
"""Most levels of a policy (POL-005)."""
MAX_TIME_S = 2**40
"""Latest time that a policy may name, in Unix seconds."""

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,77})(\.[0-9]{1,36})?")


class PolicyError(ValueError):
    """A document is no policy."""

    def __init__(self, path: str, rule: str, reason: str) -> None:
        """Make an error.

        Args:
            path: where, as in `levels[0].when.all[1]`; empty for the whole.
            rule: of specs/policy.md.
            reason: what is wrong, with what is expected.
        """
        super().__init__(f"{rule} {path}: {reason}" if path else f"{rule}: {reason}")
        self.path = path
        self.rule = rule
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a check's answer must be; every part that is there must hold (POL-012)."""

    at_least: Decimal | None = None
    """For numbers."""
    at_most: Decimal | None = None
    """For numbers."""
    one_of: tuple[str, ...] = ()
    """For words."""
    is_true: bool | None = None
    """For flags: what the flag must be."""


@dataclass(frozen=True, slots=True)
class CheckCondition:
    """A question to a validator and what its answer must be."""

    validator: str
    """Name in the catalogue."""
    parameters: Mapping[str, Any]
    """As the catalogue wants them."""
    bounds: Bounds
    """What the answer must be."""
    max_age_s: int | None
    """How old the observation may be, in seconds; None for any age (POL-013)."""
    key: Hash32
    """Of the question alone (POL-004)."""


@dataclass(frozen=True, slots=True)
class GroupCondition:
    """AND, OR, or at least so many of several (POL-011)."""

    word: Literal["all", "any", "count"]
    """How the parts go together."""
    least: int
    """For `count`: how many must hold. Of `all` the number of parts, of `any` 1."""
    parts: tuple["Condition", ...]
    """At least one."""


@dataclass(frozen=True, slots=True)
class NotCondition:
    """NOT (POL-011)."""

    part: "Condition"
    """What must not hold."""


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """The evaluation happens in a window of time (POL-014)."""

    from_s: int | None
    """First second, Unix time; None for no beginning."""
    until_s: int | None
    """First second that is too late; None for no end."""


Condition = CheckCondition | GroupCondition | NotCondition | TimeCondition
"""What must hold for a level."""


@dataclass(frozen=True, slots=True)
class PolicyLevel:
    """One level of a badge."""

    level: int
    """From 1."""
    name: str
    """For people."""
    points: int
    """What the badge is worth at this level."""
    when: Condition
    """What it takes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a badge asks."""

    name: str
    """For people."""
    description: str
    """For people."""
    evidence_class: EvidenceClass
    """Public only if every check's evidence is."""
    levels: tuple[PolicyLevel, ...]
    """Rising."""
    expiry_s: int | None
    """How long a grant lasts, in seconds; None for ever."""
    recheck_s: int | None
    """After how long it is looked at anew, in seconds; None for never."""
    document: bytes
    """The canonical form (RFC 8785)."""

    @property
    def document_hash(self) -> Hash32:
        """Keccak-256 of the canonical form (POL-002)."""
        return keccak256(self.document)

    def policy_id(self, publisher: Address) -> Hash32:
        """How the contract knows it (BDG-001)."""
        return keccak256(bytes(12) + publisher + self.document_hash)

    def checks(self) -> tuple[CheckCondition, ...]:
        """Every question it asks, each once, in order."""
        found: dict[Hash32, CheckCondition] = {}
        for level in self.levels:
            for check in checks_of(level.when):
                found.setdefault(check.key, check)
        return tuple(found.values())


def checks_of(condition: Condition) -> tuple[CheckCondition, ...]:
    """The checks of a condition, in order."""
    if isinstance(condition, CheckCondition):
        return (condition,)
    if isinstance(condition, GroupCondition):
        return tuple(check for part in condition.parts for check in checks_of(part))
    return checks_of(condition.part) if isinstance(condition, NotCondition) else ()


def read_policy(document: bytes) -> Policy:
    """Read a policy document.

    Raises:
        PolicyError: it breaks a rule of specs/policy.md.
    """
    try:
        root = parse_strict_json(document, max_bytes=MAX_POLICY_BYTES, max_depth=2 * MAX_DEPTH + 8)
        canonical = canonical_json(root)
    except StrictJsonError as error:
        raise PolicyError("", "POL-001", str(error)) from error
    fields = _object(root, "", "POL-003", ("version", "name", "evidenceClass", "levels"), _OPTIONAL)
    if fields["version"] != 1 or isinstance(fields["version"], bool):
        raise PolicyError("version", "POL-003", "must be 1")
    policy = Policy(
        name=_string(fields["name"], "name", 64),
        description=_string(fields.get("description", " "), "description", 1024).strip(),
        evidence_class=_evidence_class(fields["evidenceClass"]),
        levels=_levels(fields["levels"]),
        expiry_s=_seconds(fields.get("expiryS"), "expiryS", 60),
        recheck_s=_seconds(fields.get("recheckS"), "recheckS", 60),
        document=canonical,
    )
    _check_whole(policy)
    return policy


_OPTIONAL = ("description", "expiryS", "recheckS")


def _check_whole(policy: Policy) -> None:
    if policy.expiry_s and policy.recheck_s and policy.recheck_s > policy.expiry_s:
        raise PolicyError("recheckS", "POL-006", "must not be longer than expiryS")
    private = [
        check.validator
        for check in policy.checks()
        if CATALOGUE[check.validator].evidence is EvidenceClass.PRIVATE
    ]
    if private and policy.evidence_class is EvidenceClass.PUBLIC:
        raise PolicyError("evidenceClass", "POL-007", f"public, but {private[0]} has private evidence")
    if not policy.checks():
        raise PolicyError("levels", "POL-005", "no level asks a validator anything")


def _fault(path: str, rule: str, reason: str) -> NoReturn:
    raise PolicyError(path, rule, reason)


def _object(
    value: Any, path: str, rule: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(path, rule, "must be an object")
    if missing := [key for key in required if key not in value]:
        raise PolicyError(path, rule, f"lacks {', '.join(missing)}")
    if unknown := sorted(value.keys() - set(required) - set(optional)):
        raise PolicyError(path, rule, f"has an unknown key {unknown[0][:64]!r}")
    return value


def _string(value: Any, path: str, longest: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= longest or not value.isprintable():
        raise PolicyError(path, "POL-003", f"must be a printable text of 1 to {longest} bytes")
    return value


def _evidence_class(value: Any) -> EvidenceClass:
    if value not in ("public", "private"):
        raise PolicyError("evidenceClass", "POL-003", "must be public or private")
    return EvidenceClass(value)


def _whole(value: Any, path: str, rule: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise PolicyError(path, rule, f"must be a whole number from {least} to {most}")
    return value


def _seconds(value: Any, path: str, least: int) -> int | None:
    return None if value is None else _whole(value, path, "POL-006", least, 2**32)


def _levels(value: Any) -> tuple[PolicyLevel, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LEVELS:
        raise PolicyError("levels", "POL-005", f"must be a list of 1 to {MAX_LEVELS}")
    budget, levels = _Budget(), []
    for at, entry in enumerate(value):
        path = f"levels[{at}]"
        fields = _object(entry, path, "POL-005", ("level", "name", "points", "when"))
        if fields["level"] != at + 1 or isinstance(fields["level"], bool):
            raise PolicyError(f"{path}.level", "POL-005", f"must be {at + 1}: levels count from 1")
        levels.append(
            PolicyLevel(
                level=at + 1,
                name=_string(fields["name"], f"{path}.name", 64),
                points=_whole(fields["points"], f"{path}.points", "POL-005", 0, 2**32 - 1),
                when=_condition(fields["when"], f"{path}.when", budget, 1),
            )
        )
    if any(later.points < earlier.points for earlier, later in pairwise(levels)):
        raise PolicyError("levels", "POL-005", "a higher level must not be worth fewer points")
    return tuple(levels)


class _Budget:
    """Counts conditions."""

    def __init__(self) -> None:
        self.left = MAX_CONDITIONS

    def take(self, path: str, depth: int) -> None:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise PolicyError(
                path, "POL-010", f"more than {MAX_CONDITIONS} conditions, or nested over {MAX_DEPTH}"
            )


_WORDS = ("all", "any", "not", "count", "check", "time")


def _condition(value: Any, path: str, budget: _Budget, depth: int) -> Condition:
    budget.take(path, depth)
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in _WORDS:
        raise PolicyError(path, "POL-010", f"must be an object with one key of {', '.join(_WORDS)}")
    word, inner = next(iter(value.items()))
    path = f"{path}.{word}"
    if word == "not":
        return NotCondition(_condition(inner, path, budget, depth + 1))
    if word == "check":
        return _check(inner, path)
    if word == "time":
        return _time(inner, path)
    if word == "count":
        fields = _object(inner, path, "POL-011", ("atLeast", "of"))
        parts = _parts(fields["of"], f"{path}.of", budget, depth)
        least = _whole(fields["atLeast"], f"{path}.atLeast", "POL-011", 1, len(parts))
        return GroupCondition("count", least, parts)
    parts = _parts(inner, path, budget, depth)
    return GroupCondition("all", len(parts), parts) if word == "all" else GroupCondition("any", 1, parts)


def _parts(value: Any, path: str, budget: _Budget, depth: int) -> tuple[Condition, ...]:
    if not isinstance(value, list) or not value:
        raise PolicyError(path, "POL-011", "must be a list of conditions, at least one")
    return tuple(_condition(part, f"{path}[{at}]", budget, depth + 1) for at, part in enumerate(value))


def _check(value: Any, path: str) -> CheckCondition:
    fields = _object(value, path, "POL-012", ("validator", "parameters", "is"), ("maxAgeS",))
    name = fields["validator"]
    kind = CATALOGUE.get(name) if isinstance(name, str) else None
    if kind is None:
        _fault(f"{path}.validator", "POL-020", f"no such check; there are {', '.join(CATALOGUE)}")
    required = tuple(key for key, field in kind.fields.items() if field.required)
    optional = tuple(key for key, field in kind.fields.items() if not field.required)
    parameters = _object(fields["parameters"], f"{path}.parameters", "POL-020", required, optional)
    for key, found in parameters.items():
        if not kind.fields[key].accepts(found):
            raise PolicyError(f"{path}.parameters.{key}", "POL-020", f"must be {kind.fields[key].expected}")
    return CheckCondition(
        validator=name,
        parameters=parameters,
        bounds=_bounds(fields["is"], f"{path}.is", kind.answers),
        max_age_s=_seconds(fields.get("maxAgeS"), f"{path}.maxAgeS", 1),
        key=check_key(name, parameters),
    )


_KEYS = {
    ValueKind.NUMBER: ("atLeast", "atMost"),
    ValueKind.WORD: ("oneOf",),
    ValueKind.FLAG: ("isTrue",),
}


def _bounds(value: Any, path: str, kind: ValueKind) -> Bounds:
    fields = _object(value, path, "POL-012", (), _KEYS[kind])
    if not fields:
        raise PolicyError(path, "POL-012", f"must say {' or '.join(_KEYS[kind])}")
    least, most = _decimal(fields.get("atLeast"), path), _decimal(fields.get("atMost"), path)
    if least is not None and most is not None and least > most:
        raise PolicyError(path, "POL-012", "atLeast is above atMost: nothing is both")
    words = fields.get("oneOf", [])
    if not isinstance(words, list) or ("oneOf" in fields and not words):
        raise PolicyError(f"{path}.oneOf", "POL-012", "must be a list of names, at least one")
    if not all(isinstance(word, str) and 0 < len(word) <= 64 for word in words) or len(set(words)) != len(
        words
    ):
        raise PolicyError(f"{path}.oneOf", "POL-012", "must hold different names of up to 64 characters")
    flag = fields.get("isTrue")
    if "isTrue" in fields and not isinstance(flag, bool):
        raise PolicyError(f"{path}.isTrue", "POL-012", "must be true or false")
    return Bounds(least, most, tuple(words), flag)


def _decimal(value: Any, path: str) -> Decimal | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise PolicyError(
            path, "POL-012", 'bounds are decimal numbers written as text, such as "1000" or "0.5"'
        )
    return Decimal(value)


def _time(value: Any, path: str) -> TimeCondition:
    fields = _object(value, path, "POL-014", (), ("fromS", "untilS"))
    if not fields:
        raise PolicyError(path, "POL-014", "must say fromS or untilS")
    start, end = (
        None if fields.get(key) is None else _whole(fields[key], f"{path}.{key}", "POL-014", 0, MAX_TIME_S)
        for key in ("fromS", "untilS")
    )
    if start is not None and end is not None and start >= end:
        raise PolicyError(path, "POL-014", "untilS must be after fromS")
    return TimeCondition(start, end)
