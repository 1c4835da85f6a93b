"""Tasks: JSON documents that say which deed is worth points, how often, and who counts as one person."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trex.badges.policy import MAX_POLICY_BYTES, MAX_TIME_S, Condition, Policy, PolicyError, read_policy
from trex.points.cost import acts, costs
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.types.strict_json import StrictJsonError, canonical_json, parse_strict_json

MAX_TASK_BYTES = MAX_POLICY_BYTES
"""Longest task document (TSK-001)."""
MAX_STREAK = 366
"""Longest streak, in days (TSK-003)."""
MAX_POINTS = 1_000_000
"""Most points of one deed (TSK-003)."""
WALLET = "wallet"
"""Scope of nullifiers that cost nothing to have (TSK-004)."""

_SCOPE = re.compile(r"wallet|account/[a-z0-9]+(-[a-z0-9]+)*")
_HASH = re.compile(r"0x[0-9a-f]{64}")
_CONDITION = "levels[0]."


class TaskKind(StrEnum):
    """How often a deed counts."""

    ONCE = "once"
    """Once for a person, for ever."""
    DAILY = "daily"
    """Once a day of UTC."""
    WEEKLY = "weekly"
    """Once a week, from Monday, UTC."""
    STREAK = "streak"
    """For so many days in a row of another task."""
    REFERRAL = "referral"
    """For the one who brought a person, once that person has done what it asks."""

    @property
    def ledger_kind(self) -> Hash32:
        """How the ledger and a season's caps call it (TSK-010)."""
        return keccak256(f"task/{self.value}".encode())


class TaskError(ValueError):
    """A document is no task."""

    def __init__(self, path: str, rule: str, reason: str) -> None:
        """Make an error.

        Args:
            path: where, as in `when.all[1]`; empty for the whole.
            rule: of specs/tasks.md or specs/policy.md.
            reason: what is wrong, with what is expected.
        """
        super().__init__(f"{rule} {path}: {reason}" if path else f"{rule}: {reason}")
        self.path, self.rule, self.reason = path, rule, reason


@dataclass(frozen=True, slots=True)
class Streak:
    """Days in a row."""

    of: Hash32
    """Document hash of the daily task whose deeds make it."""
    days: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Task:
    """A deed that is worth points."""

    kind: TaskKind
    """How often it counts."""
    name: str
    """For people."""
    description: str
    """For people; empty for none."""
    points: int
    """Of each deed, before caps."""
    person: str
    """Scope of the nullifier that counts as a person."""
    from_s: int | None
    """First second, Unix time; None for no beginning."""
    until_s: int | None
    """First second that is too late; None for no end."""
    policy: Policy | None
    """What the doer, or of a referral the one who was brought, must show; as a policy of one level. None for
    a streak."""
    streak: Streak | None
    """Of a streak alone."""
    document: bytes
    """The canonical form (RFC 8785)."""

    @property
    def document_hash(self) -> Hash32:
        """Keccak-256 of the canonical form (TSK-002)."""
        return keccak256(self.document)

    @property
    def when(self) -> Condition | None:
        """The condition; None for a streak."""
        return self.policy.levels[0].when if self.policy else None

    def is_open(self, now_s: int) -> bool:
        """Whether deeds count at a time (TSK-007)."""
        begun = self.from_s is None or now_s >= self.from_s
        return begun and (self.until_s is None or now_s < self.until_s)


_KEYS = ("version", "kind", "name", "points", "person")
_OPTIONAL = ("description", "fromS", "untilS", "when", "streak")


def read_task(document: bytes) -> Task:
    """Read a task document.

    Raises:
        TaskError: it breaks a rule of specs/tasks.md.
    """
    try:
        root = parse_strict_json(document, max_bytes=MAX_TASK_BYTES, max_depth=40)
        canonical = canonical_json(root)
    except StrictJsonError as error:
        raise TaskError("", "TSK-001", str(error)) from error
    fields = _object(root, "", _KEYS, _OPTIONAL)
    if fields["version"] != 1 or isinstance(fields["version"], bool):
        raise TaskError("version", "TSK-001", "must be 1")
    if fields["kind"] not in tuple(TaskKind):
        raise TaskError("kind", "TSK-003", f"must be one of {', '.join(TaskKind)}")
    kind = TaskKind(fields["kind"])
    is_streak = kind is TaskKind.STREAK
    if ("streak" in fields) != is_streak:
        raise TaskError("streak", "TSK-003", "belongs to tasks of kind streak, and to those alone")
    if ("when" in fields) == is_streak:
        raise TaskError("when", "TSK-003", "says what must hold, in every task but a streak")
    points = _whole(fields["points"], "points", 1, MAX_POINTS)
    start, end = (
        None if fields.get(key) is None else _whole(fields[key], key, 0, MAX_TIME_S)
        for key in ("fromS", "untilS")
    )
    if start is not None and end is not None and start >= end:
        raise TaskError("untilS", "TSK-007", "must be after fromS")
    policy = None if is_streak else _condition(fields, points)
    task = Task(
        kind=kind,
        name=_text(fields["name"], "name", 64),
        description=_text(fields.get("description", " "), "description", 1024).strip(),
        points=points,
        person=_scope(fields["person"]),
        from_s=start,
        until_s=end,
        policy=policy,
        streak=_streak(fields["streak"]) if is_streak else None,
        document=canonical,
    )
    _require_cost(task)
    return task


def _require_cost(task: Task) -> None:
    """TSK-004, TSK-006, TSK-008: no points for existing, none for persons who cost nothing."""
    costly = task.when is not None and costs(task.when)
    if task.kind is TaskKind.REFERRAL and not costly:
        raise TaskError("when", "TSK-006", f"what is brought must cost something: {_WHAT_COSTS}")
    if task.person == WALLET and task.kind is not TaskKind.STREAK and not costly:
        reason = f"wallets cost nothing: count persons by an account, or ask what costs: {_WHAT_COSTS}"
        raise TaskError("person", "TSK-004", reason)
    if task.kind in (TaskKind.DAILY, TaskKind.WEEKLY) and not (task.when is not None and acts(task.when)):
        reason = "is paid each time, so it must ask what is done each time: web3. activity, social.posts"
        raise TaskError("when", "TSK-008", reason)


_WHAT_COSTS = "a holding over time (token.average, token.held, nft.held) or a zkTLS claim (TSK-005)"


def _condition(fields: Mapping[str, Any], points: int) -> Policy:
    """Read what must hold by the rules of policies (POL-010 to POL-027)."""
    level = {"level": 1, "name": "Done", "points": points, "when": fields["when"]}
    policy = {"version": 1, "name": "Task", "evidenceClass": "private", "levels": [level]}
    try:
        return read_policy(canonical_json(policy))
    except PolicyError as error:
        path = error.path.removeprefix(_CONDITION)
        raise TaskError("when" if path == "levels" else path, error.rule, error.reason) from error


def _object(
    value: Any, path: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TaskError(path, "TSK-001", "must be an object")
    if missing := [key for key in required if key not in value]:
        raise TaskError(path, "TSK-001", f"lacks {', '.join(missing)}")
    if unknown := sorted(value.keys() - set(required) - set(optional)):
        raise TaskError(path, "TSK-001", f"has an unknown key {unknown[0][:64]!r}")
    return value


def _text(value: Any, path: str, longest: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= longest or not value.isprintable():
        raise TaskError(path, "TSK-001", f"must be a printable text of 1 to {longest} bytes")
    return value


def _whole(value: Any, path: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise TaskError(path, "TSK-003", f"must be a whole number from {least} to {most}")
    return value


def _scope(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 64 or not _SCOPE.fullmatch(value):
        raise TaskError("person", "TSK-004", "must be wallet, or account/ and a platform")
    return value


def _streak(value: Any) -> Streak:
    fields = _object(value, "streak", ("of", "days"))
    if not isinstance(fields["of"], str) or not _HASH.fullmatch(fields["of"]):
        raise TaskError(
            "streak.of", "TSK-003", "must be the hash of a daily task, as `trex task lint` says it"
        )
    days = _whole(fields["days"], "streak.days", 2, MAX_STREAK)
    return Streak(Hash32(bytes.fromhex(fields["of"][2:])), days)
