"""What the validator set signs besides grants, and the calls that bring it there (PAS-040, PTS-001)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trex.passport.contracts import Contracts, Method
from trex.types.eip712 import Fields, TypedMessage
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
_ITEM: Fields = (
    ("uint256", "passport"),
    ("uint32", "season"),
    ("uint32", "amount"),
    ("bytes32", "kind"),
    ("bytes32", "source"),
)
_REVERSAL: Fields = (("uint256[]", "entries"), ("bytes32", "reason"), ("uint64", "deadline"))
_MAPPING: Fields = (("uint64", "keyEpoch"), ("bytes32[]", "from"), ("bytes32[]", "to"))
_OPENING: Fields = (("uint64", "keyEpoch"),)
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
RECORD = Method("record", (f"{_tuple(_ITEM)}[]", "uint64", "uint64", "bytes"))
OPEN_SEASON = Method("openSeason", ("(uint64,uint64,uint64,bytes32[],uint64[])", "uint64", "bytes"))
REVERSE = Method("reverse", ("uint256[]", "bytes32", "uint64", "uint64", "bytes"))
MAP = Method("map", ("bytes32[]", "bytes32[]", "uint64", "bytes"))
OPEN_KEY_EPOCH = Method("openKeyEpoch", ("uint64", "bytes"))
SYNC_BADGES = Method("syncBadges", ("uint256[]",))


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


def mapping_message(
    contracts: Contracts, key_epoch: int, before: Sequence[Hash32], after: Sequence[Hash32]
) -> TypedMessage:
    """What is signed to give nullifiers forms under the next k (PAS-044)."""
    value = {"keyEpoch": key_epoch, "from": list(before), "to": list(after)}
    return TypedMessage(contracts.nullifiers_domain, "MapNullifiers", {"MapNullifiers": _MAPPING}, value)


def opening_message(contracts: Contracts, key_epoch: int) -> TypedMessage:
    """What is signed to put the next k in force (PAS-044)."""
    value = {"keyEpoch": key_epoch}
    return TypedMessage(contracts.nullifiers_domain, "OpenKeyEpoch", {"OpenKeyEpoch": _OPENING}, value)
