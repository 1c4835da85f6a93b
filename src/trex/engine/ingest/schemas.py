"""The registry of event schemas: what each kind's payload holds, by version, and how older ones are read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class SchemaError(ValueError):
    """What was read does not have the form it claims."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a field may hold."""

    name: str
    """For messages and listings."""
    holds: Callable[[Any], bool]
    """Whether a value has it."""
    needed: bool = True
    """Whether the field may be missing."""


def _text(pattern: str) -> Callable[[Any], bool]:
    match = re.compile(pattern).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


HASH = Form("hash", _text("0x[0-9a-f]{64}"))
ADDRESS = Form("address", _text("0x[0-9a-f]{40}"))
RECIPIENT = Form("address, or null for a creation", lambda v: v is None or ADDRESS.holds(v))
BYTES = Form("bytes", _text("0x(?:[0-9a-f]{2})*"))
AMOUNT = Form("256-bit number as decimal text", _text("[0-9]{1,78}"))
COUNT = Form("count", _count)
KNOWN_COUNT = Form("count, or null where not known", lambda v: v is None or _count(v))
KNOWN_AMOUNT = Form("amount, or null where not known", lambda v: v is None or AMOUNT.holds(v))
TOPICS = Form("up to four hashes", lambda v: isinstance(v, list) and len(v) < 5 and all(map(HASH.holds, v)))
WORD = Form("text", lambda v: isinstance(v, str) and len(v) <= 4096)

Fields = Mapping[str, Form]
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a kind's payload."""

    kind: str
    """Which events have it."""
    version: int
    """From 1; a change of meaning is a new version."""
    fields: Fields
    """What a payload holds, no more."""
    upgrade: Upgrade | None = None
    """Makes a payload of the version before one of this; None for the first."""


REGISTRY: dict[str, list[Schema]] = {}
"""Versions of each kind, oldest first."""


def register(schema: Schema) -> None:
    """Add the next version of a kind.

    Raises:
        SchemaError: a version is missing between, or the older cannot be read as the newer.
    """
    versions = REGISTRY.setdefault(schema.kind, [])
    if schema.version != len(versions) + 1 or (schema.upgrade is None) != (not versions):
        raise SchemaError(f"{schema.kind} {schema.version}: the next version is {len(versions) + 1}")
    versions.append(schema)


def check(kind: str, version: int, payload: Any) -> None:
    """Make sure that a payload has its schema's form.

    Raises:
        SchemaError: with the field and what was expected.
    """
    schema = _schema(kind, version)
    if not isinstance(payload, dict):
        raise SchemaError(f"{kind}: an object was expected")
    if payload.keys() - schema.fields.keys():
        raise SchemaError(f"{kind}: unknown field {min(payload.keys() - schema.fields.keys())!r:.80}")
    for name, form in schema.fields.items():
        if not form.holds(payload.get(name)):
            raise SchemaError(f"{kind}: {name}: expected {form.name}, got {str(payload.get(name))[:80]!r}")


def upgrade(kind: str, version: int, payload: Any) -> tuple[int, dict[str, Any]]:
    """Return the newest version and the payload in its form (EVT-005).

    Raises:
        SchemaError: kind or version is not registered.
    """
    _schema(kind, version)
    for schema in REGISTRY[kind][version:]:
        assert schema.upgrade is not None
        payload = schema.upgrade(dict(payload))
    return len(REGISTRY[kind]), payload


def _schema(kind: str, version: int) -> Schema:
    versions = REGISTRY.get(kind)
    if versions is None or type(version) is not int or not 1 <= version <= len(versions):
        raise SchemaError(f"no schema {kind!r:.80} of version {version!r:.20}")
    return versions[version - 1]


register(
    Schema(
        "evm.transaction",
        1,
        {
            "hash": HASH,
            "type": COUNT,
            "from": ADDRESS,
            "to": RECIPIENT,
            "value": KNOWN_AMOUNT,
            "input": Form("bytes, or null where not known", lambda v: v is None or BYTES.holds(v)),
            "status": KNOWN_COUNT,
            "fee": KNOWN_AMOUNT,
            "created": RECIPIENT,
        },
    )
)
register(Schema("evm.log", 1, {"transaction": HASH, "address": ADDRESS, "topics": TOPICS, "data": BYTES}))
register(Schema("gateway.act", 1, {"actor": WORD, "action": WORD, "subject": WORD, "outcome": WORD}))
