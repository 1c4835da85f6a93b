"""The badge contracts from outside: what a badge stores, what attestors sign for it (BDG-010, BDG-014)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts, Method
from trex.types.eip712 import Fields, TypedMessage
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

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
_BADGE = (
    "(uint256,bytes32,bytes32[],bytes32,bytes32,uint64,uint64,uint64,"
    "uint16,uint32,uint8,uint8,uint64,uint256)"
)

GRANT = Method("grant", (f"({','.join(kind for kind, _ in _GRANT)})[]", "uint64", "bytes"))
PUBLISH = Method("publish", ("bytes32", "uint16", "uint8", "string", "string"), ("bytes32",))
BADGE_OF = Method("badgeOf", ("uint256",), (_BADGE,))
TOKEN_OF = Method("tokenOf", ("bytes32", "uint256"), ("uint256",))
POLICY_OF = Method("policyOf", ("bytes32",), ("(address,uint16,uint8,bool,bytes32,string,string)",))
BADGE_GRANTED = keccak256(
    b"BadgeGranted(uint256,uint256,bytes32,uint16,uint32,uint64,bytes32,bytes32,uint256)"
)
"""Topic of the event by which a badge is granted or renewed."""
BADGE_STATE = keccak256(b"BadgeState(uint256,uint8,bytes32)")
"""Topic of the event by which a badge is suspended, reinstated, revoked or given up."""
MAX_URI_BYTES = 256
"""Longest URI that the policy contract keeps."""


class BadgeState(StrEnum):
    """States of a badge (BDG-020), in the order in which the contract numbers them."""

    NONE = "none"
    GRANTED = "granted"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


_STATES = tuple(BadgeState)


@dataclass(frozen=True, slots=True)
class Grant:
    """A badge for a passport (BDG-010)."""

    passport: int
    policy: Hash32
    nullifiers: tuple[Hash32, ...]
    evidence: Hash32
    validatorVersion: Hash32  # noqa: N815 - as the contract has it
    attestedAt: int  # noqa: N815
    expiresAt: int  # noqa: N815
    deadline: int
    level: int
    points: int
    evidenceClass: int  # noqa: N815


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """A policy as the chain knows it (BDG-001)."""

    id: Hash32
    """On the chain."""
    publisher: Address
    """Who published it, and may close it."""
    max_level: int
    """Highest level."""
    is_public: bool
    """Whether anyone may re-execute its grants."""
    active: bool
    """Whether it grants still."""
    document: Hash32
    """Hash of its document (POL-002)."""
    name: str
    """As published; a stranger's text."""
    uri: str
    """Where its document is; a stranger's text."""


@dataclass(frozen=True, slots=True)
class HeldBadge:
    """One badge as it is now (BDG-014)."""

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
    recorded_s: int
    """Time of the block that took its attestation, Unix seconds."""
    set_epoch: int
    """Validator set that attested."""
    signers: int
    """Who of that set signed: bit n for member n, from 0."""


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


def _values(item: Grant) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(item).items()}


async def badges(client: PersonaClient, token_ids: Sequence[int]) -> list[HeldBadge]:
    """Return badges by number; numbers without a badge are left out."""
    at = client.contracts
    told = await client.ask(*((at.badges, BADGE_OF, (one,)) for one in token_ids))
    there = [(number, one) for number, one in zip(token_ids, told, strict=True) if one is not None]
    policies = await client.ask(*((at.policies, POLICY_OF, (one[1],)) for _, one in there))
    return [_badge(number, one, policy) for (number, one), policy in zip(there, policies, strict=True)]


def _badge(number: int, told: tuple[Any, ...], policy: tuple[Any, ...]) -> HeldBadge:
    passport, policy_number, _, evidence, version, attested, expires, recorded = told[:8]
    level, points, class_, state, set_epoch, signers = told[8:]
    return HeldBadge(
        token_id=number,
        passport=passport,
        policy=Hash32(policy_number),
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
        recorded_s=recorded,
        set_epoch=set_epoch,
        signers=signers,
    )


async def published_policy(client: PersonaClient, policy: Hash32) -> PublishedPolicy | None:
    """Return a policy as the chain knows it; None if it knows none of that number."""
    (told,) = await client.ask((client.contracts.policies, POLICY_OF, (policy,)))
    if told is None:
        return None
    publisher, max_level, class_, active, document, name, uri = told
    at = Address(bytes.fromhex(publisher[2:]))
    return PublishedPolicy(policy, at, max_level, class_ == 1, active, Hash32(document), name, uri)


async def token_of(client: PersonaClient, policy: Hash32, passport: int) -> int:
    """Return the number of a passport's badge under a policy; 0 for none."""
    (found,) = await client.ask((client.contracts.badges, TOKEN_OF, (policy, passport)))
    return int(found)
