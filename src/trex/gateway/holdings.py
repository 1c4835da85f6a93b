"""What the chain says a passport has: badges and points."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trex.gateway.attestations import BADGE_GRANTED
from trex.gateway.service import Gateway
from trex.passport.contracts import Method
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

_BADGE = (
    "(uint256,bytes32,bytes32[],bytes32,bytes32,uint64,uint64,uint64,"
    "uint16,uint32,uint8,uint8,uint64,uint256)"
)
BADGE_OF = Method("badgeOf", ("uint256",), (_BADGE,))
TOKEN_URI = Method("tokenURI", ("uint256",), ("string",))
POLICY_OF = Method("policyOf", ("bytes32",), ("(address,uint16,uint8,bool,bytes32,string,string)",))
TOTAL_OF = Method("totalOf", ("uint256",), ("uint256",))
SEASON_COUNT = Method("seasonCount", (), ("uint32",))
SEASON_TOTAL_OF = Method("seasonTotalOf", ("uint32", "uint256"), ("uint256",))
ENTRY_OF = Method("entryOf", ("uint256",), ("(uint96,int64,uint64,uint32,bytes32,bytes32,uint256)",))
POINTS_RECORDED = keccak256(b"PointsRecorded(uint256,uint256,uint32,int64,bytes32,bytes32,uint256)")


class BadgeState(StrEnum):
    """States of a badge (BDG-020), as the contract numbers them."""

    NONE = "none"
    GRANTED = "granted"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


_STATES = tuple(BadgeState)


@dataclass(frozen=True, slots=True)
class HeldBadge:
    """One badge as it is now."""

    token_id: int
    """Number in the badge contract."""
    passport: int
    """Whose."""
    policy: Hash32
    """Under which policy."""
    name: str
    """Of the policy, as published."""
    document: Hash32
    """Hash of the policy's document."""
    level: int
    """From 1."""
    points: int
    """Worth."""
    state: BadgeState
    """Now."""
    evidence: Hash32
    """Digest."""
    is_public: bool
    """Whether anyone may re-execute it."""
    validator_version: Hash32
    """Code that decided."""
    attested_s: int
    """When it was decided, Unix time in seconds."""
    expires_s: int
    """Unix time in seconds; 0 for never."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the points ledger (PTS-001)."""

    number: int
    """Counted from 1."""
    amount: int
    """Negative for a reversal."""
    season: int
    """0 for badges."""
    kind: Hash32
    """Of deed."""
    source: Hash32
    """What identifies it."""
    recorded_s: int
    """Unix time in seconds."""


async def _numbers(gateway: Gateway, contract: bytes, topics: Sequence[str | None]) -> list[int]:
    query = {
        "address": f"0x{contract.hex()}",
        "topics": list(topics),
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    logs = await gateway.client.rpc.call("eth_getLogs", query)
    return sorted({int(log["topics"][1], 16) for log in logs})


async def badge(gateway: Gateway, token_id: int) -> HeldBadge | None:
    """Return a badge; None if there is none of that number."""
    found = await badges(gateway, [token_id])
    return found[0] if found else None


async def badges(gateway: Gateway, token_ids: Sequence[int]) -> list[HeldBadge]:
    """Return badges by number; numbers without a badge are left out."""
    at = gateway.settings.contracts
    told = await gateway.client.ask(*((at.badges, BADGE_OF, (one,)) for one in token_ids))
    there = [(number, one) for number, one in zip(token_ids, told, strict=True) if one is not None]
    policies = await gateway.client.ask(*((at.policies, POLICY_OF, (one[1],)) for _, one in there))
    return [_badge(number, one, policy) for (number, one), policy in zip(there, policies, strict=True)]


def _badge(number: int, told: tuple[Any, ...], policy: tuple[Any, ...]) -> HeldBadge:
    (passport, policy_id, _, evidence, version, attested, expires, _, level, points, class_, state, _, _) = (
        told
    )
    return HeldBadge(
        token_id=number,
        passport=passport,
        policy=Hash32(policy_id),
        name=policy[5],
        document=Hash32(policy[4]),
        level=level,
        points=points,
        state=_STATES[state],
        evidence=Hash32(evidence),
        is_public=class_ == 1,
        validator_version=Hash32(version),
        attested_s=attested,
        expires_s=expires,
    )


async def badges_of(gateway: Gateway, passport: int) -> list[HeldBadge]:
    """Every badge of a passport, in the order in which they were first granted."""
    topics = [f"0x{BADGE_GRANTED.hex()}", None, f"0x{passport:064x}"]
    return await badges(gateway, await _numbers(gateway, gateway.settings.contracts.badges, topics))


async def points_of(gateway: Gateway, passport: int) -> int:
    """Points of a passport, all seasons and badges."""
    (found,) = await gateway.client.ask((gateway.settings.contracts.points, TOTAL_OF, (passport,)))
    return int(found)


async def entries_of(gateway: Gateway, passport: int, most: int = 100) -> list[Entry]:
    """The newest lines of a passport's ledger, oldest first."""
    at = gateway.settings.contracts.points
    topics = [f"0x{POINTS_RECORDED.hex()}", None, f"0x{passport:064x}"]
    numbers = (await _numbers(gateway, at, topics))[-most:]
    told = await gateway.client.ask(*((at, ENTRY_OF, (one,)) for one in numbers))
    return [
        Entry(number, amount, season, Hash32(kind), Hash32(source), recorded)
        for number, (_, amount, recorded, season, kind, source, _) in zip(numbers, told, strict=True)
    ]
