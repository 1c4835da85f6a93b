"""What the validator set signs, and the calls that bring it to the chain (PAS-040, BDG-010, PTS-001)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trex.passport.contracts import Contracts, Method
from trex.types.eip712 import Fields, TypedMessage
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

_BINDING: Fields = (
    ("uint256", "passport"),
    ("bytes32", "nullifier"),
    ("bytes32", "scope"),
    ("bytes32", "commitment"),
    ("uint64", "keyEpoch"),
    ("uint64", "attestedAt"),
    ("uint64", "deadline"),
)
_GRANT: Fields = (
    ("uint256", "passport"),
    ("bytes32", "policy"),
    ("bytes32[]", "nullifiers"),
    ("bytes32", "evidence"),
    ("bytes32", "validatorVersion"),
    ("uint64", "attestedAt"),
    ("uint64", "expiresAt"),
    ("uint64", "deadline"),
    ("uint16", "level"),
    ("uint32", "points"),
    ("uint8", "evidenceClass"),
)
_ITEM: Fields = (
    ("uint256", "passport"),
    ("uint32", "season"),
    ("uint32", "amount"),
    ("bytes32", "kind"),
    ("bytes32", "source"),
)
_REVERSAL: Fields = (("uint256[]", "entries"), ("bytes32", "reason"), ("uint64", "deadline"))
_SEASON: Fields = (
    ("uint32", "season"),
    ("uint64", "start"),
    ("uint64", "end"),
    ("uint64", "passportCap"),
    ("bytes32[]", "kinds"),
    ("uint64[]", "kindCaps"),
)


def _tuple(fields: Fields) -> str:
    return f"({','.join(kind for kind, _ in fields)})"


BIND = Method("bind", (_tuple(_BINDING), "uint64", "bytes"))
GRANT = Method("grant", (f"{_tuple(_GRANT)}[]", "uint64", "bytes"))
RECORD = Method("record", (f"{_tuple(_ITEM)}[]", "uint64", "uint64", "bytes"))
OPEN_SEASON = Method("openSeason", ("(uint64,uint64,uint64,bytes32[],uint64[])", "uint64", "bytes"))
PUBLISH = Method("publish", ("bytes32", "uint16", "uint8", "string", "string"), ("bytes32",))
REVERSE = Method("reverse", ("uint256[]", "bytes32", "uint64", "uint64", "bytes"))
SYNC_BADGES = Method("syncBadges", ("uint256[]",))
BADGE_GRANTED = keccak256(
    b"BadgeGranted(uint256,uint256,bytes32,uint16,uint32,uint64,bytes32,bytes32,uint256)"
)
"""Topic of the event by which a badge is granted or renewed."""
BADGE_STATE = keccak256(b"BadgeState(uint256,uint8,bytes32)")
"""Topic of the event by which a badge is suspended, reinstated, revoked or given up."""


@dataclass(frozen=True, slots=True)
class Binding:
    """This account of this human belongs to that passport (PAS-040)."""

    passport: int
    nullifier: Hash32
    scope: Hash32
    commitment: Hash32
    keyEpoch: int  # noqa: N815 - as the contract has it
    attestedAt: int  # noqa: N815
    deadline: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A badge for a passport (BDG-010)."""

    passport: int
    policy: Hash32
    nullifiers: tuple[Hash32, ...]
    evidence: Hash32
    validatorVersion: Hash32  # noqa: N815
    attestedAt: int  # noqa: N815
    expiresAt: int  # noqa: N815
    deadline: int
    level: int
    points: int
    evidenceClass: int  # noqa: N815


@dataclass(frozen=True, slots=True)
class PointsItem:
    """Points for a deed (PTS-001)."""

    passport: int
    season: int
    amount: int
    kind: Hash32
    source: Hash32


@dataclass(frozen=True, slots=True)
class Season:
    """Terms of a season (PTS-003)."""

    start: int
    end: int
    passportCap: int  # noqa: N815
    kinds: tuple[Hash32, ...]
    kindCaps: tuple[int, ...]  # noqa: N815


def _values(item: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(item).items()}


def binding_message(contracts: Contracts, binding: Binding) -> TypedMessage:
    """What is signed for a binding."""
    return TypedMessage(
        contracts.nullifiers_domain, "BindNullifier", {"BindNullifier": _BINDING}, _values(binding)
    )


def bind_call(binding: Binding, epoch: int, signatures: bytes) -> bytes:
    """Calldata of a binding."""
    return BIND.call(tuple(_values(binding).values()), epoch, signatures)


def grants_message(contracts: Contracts, grants: Sequence[Grant]) -> TypedMessage:
    """What is signed for a batch of grants."""
    return TypedMessage(
        contracts.badges_domain,
        "GrantBatch",
        {"GrantBatch": (("Grant[]", "grants"),), "Grant": _GRANT},
        {"grants": [_values(one) for one in grants]},
    )


def grant_call(grants: Sequence[Grant], epoch: int, signatures: bytes) -> bytes:
    """Calldata of a batch of grants."""
    return GRANT.call([tuple(_values(one).values()) for one in grants], epoch, signatures)


def points_message(contracts: Contracts, items: Sequence[PointsItem], deadline_s: int) -> TypedMessage:
    """What is signed for a batch of deeds."""
    return TypedMessage(
        contracts.points_domain,
        "PointsBatch",
        {"PointsBatch": (("PointsItem[]", "items"), ("uint64", "deadline")), "PointsItem": _ITEM},
        {"items": [_values(one) for one in items], "deadline": deadline_s},
    )


def record_call(items: Sequence[PointsItem], deadline_s: int, epoch: int, signatures: bytes) -> bytes:
    """Calldata of a batch of deeds."""
    return RECORD.call([tuple(_values(one).values()) for one in items], deadline_s, epoch, signatures)


def season_message(contracts: Contracts, number: int, season: Season) -> TypedMessage:
    """What is signed for a season."""
    value = {"season": number, **_values(season)}
    return TypedMessage(contracts.points_domain, "OpenSeason", {"OpenSeason": _SEASON}, value)


def season_call(season: Season, epoch: int, signatures: bytes) -> bytes:
    """Calldata of a season."""
    return OPEN_SEASON.call(tuple(_values(season).values()), epoch, signatures)


def reversal_message(
    contracts: Contracts, entries: Sequence[int], reason: Hash32, deadline_s: int
) -> TypedMessage:
    """What is signed to take entries back (PTS-001)."""
    value = {"entries": list(entries), "reason": reason, "deadline": deadline_s}
    return TypedMessage(contracts.points_domain, "Reversal", {"Reversal": _REVERSAL}, value)


def reverse_call(
    entries: Sequence[int], reason: Hash32, deadline_s: int, epoch: int, signatures: bytes
) -> bytes:
    """Calldata that takes entries back."""
    return REVERSE.call(list(entries), reason, deadline_s, epoch, signatures)
