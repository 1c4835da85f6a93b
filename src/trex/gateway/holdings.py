"""What the chain says a passport has: badges."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trex.gateway.attestations import BADGE_GRANTED
from trex.gateway.service import Gateway
from trex.passport.contracts import Method
from trex.types.primitives import Hash32

_BADGE = (
    "(uint256,bytes32,bytes32[],bytes32,bytes32,uint64,uint64,uint64,"
    "uint16,uint32,uint8,uint8,uint64,uint256)"
)
BADGE_OF = Method("badgeOf", ("uint256",), (_BADGE,))
TOKEN_URI = Method("tokenURI", ("uint256",), ("string",))
POLICY_OF = Method("policyOf", ("bytes32",), ("(address,uint16,uint8,bool,bytes32,string,string)",))


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
