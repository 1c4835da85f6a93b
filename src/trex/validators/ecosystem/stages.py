"""Stages of mints, as the chain has them, and what they are for a passport (ECO-011, ECO-012)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from trex.badges.observation import Observation
from trex.passport.client import PersonaClient
from trex.passport.contracts import Method
from trex.passport.keys import KeyKind
from trex.types.decision import Outcome
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.ecosystem.allowlist import (
    AllowList,
    Place,
    Stage,
    StageDecision,
    Standing,
    judge_stage,
)

STAGE = "(uint64,uint64,uint32,uint32,bytes32,bytes32,uint16,bytes32)"
"""ABI type of a stage: start, end, quota, personQuota, allowRoot, policy, minLevel, scope."""
REQUEST = "(address,bytes32,uint32,uint32,bytes32[])"
"""ABI type of a request: account, nullifier, quantity, allowance, proof."""
STAGE_OF = Method("stageOf", ("address", "uint256"), (STAGE,))
AVAILABLE = Method("available", ("address", "uint256", REQUEST), ("uint256", "uint256"))
LEVEL_OF = Method("levelOf", ("bytes32", "uint256"), ("uint16",))
WALLET_SCOPE = keccak256(b"wallet")
"""Of nullifiers of wallets: a grant binds them, so that a person may lack one until then."""
_NONE = bytes(32)


@dataclass(frozen=True, slots=True)
class StageName:
    """Which stage."""

    collection: Address
    """NFT contract that set it."""
    number: int
    """As it counts its stages."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an NFT contract is called with (`MintRequest`), but for the quantity."""

    account: Address
    """Living key of the passport."""
    nullifier: Hash32
    """Account of the human that pieces are counted under."""
    place: Place | None
    """On the stage's list."""


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a stage is for a passport at one block."""

    stage: Stage
    """Its terms."""
    found: StageDecision
    """How much, and why."""
    request: Request | None
    """How to ask for it; None if it cannot be had now."""
    list_known: bool
    """Whether the stage's list, if it has one, is among those that were given."""
    block: int
    """Where the chain was looked at."""
    at_s: int
    """Time of that block, Unix seconds."""


async def eligibility(
    client: PersonaClient, name: StageName, passport: int, lists: Mapping[Hash32, AllowList], block: int
) -> Eligibility | None:
    """Say what a passport may take of a stage; None if there is no such stage.

    Args:
        client: of the chain with the stages.
        name: which stage.
        passport: whose.
        lists: allow-lists that are known, by root.
        block: at which the chain is looked at.

    Raises:
        EndpointError: the chain does not answer.
    """
    at = hex(block)
    contracts = client.contracts
    where = (bytes(name.collection), name.number)
    head = await client.rpc.call("eth_getBlockByNumber", at, False)
    at_s = int(head["timestamp"], 16)
    (terms,) = await client.ask((contracts.mint_stages, STAGE_OF, where), block=at)
    opens_s, closes_s, supply, quota, root, policy, min_level, scope = terms
    if not closes_s:
        return None
    stage = Stage(None if root == _NONE else Hash32(root), opens_s, closes_s, quota, supply, min_level)
    level = 0
    if min_level:
        (level,) = await client.ask((contracts.badges, LEVEL_OF, (policy, passport)), block=at)
    known = lists.get(stage.root) if stage.root is not None else None
    place = known.place(passport) if known else None
    keys = [one.key for one in await client.keys(passport, at) if one.key.kind is KeyKind.EVM]
    held = [one.canonical for one in await client.nullifiers(passport) if scope in (_NONE, one.scope)]
    left, best = None, None
    if opens_s <= at_s < closes_s:
        left = 0
        for nullifier in held if keys else ():
            request = Request(keys[0].address, nullifier, place)
            ((_, more),) = await _available(client, name, request, at)
            if more > left:
                left, best = more, request
    has_account = bool(held) or (left is None and scope in (_NONE, WALLET_SCOPE))
    found = judge_stage(stage, passport, Standing(place, level, has_account, left), at_s)
    list_known = stage.root is None or known is not None
    return Eligibility(stage, found, best if found.pieces else None, list_known, block, at_s)


async def _available(
    client: PersonaClient, name: StageName, request: Request, at: str
) -> list[tuple[int, int]]:
    """What the contract says; (0, 0) where it refuses."""
    place = request.place or Place(0, ())
    asked = (bytes(request.account), request.nullifier, 1, min(place.quota, 2**32 - 1), list(place.proof))
    found = await client.ask(
        (client.contracts.mint_stages, AVAILABLE, (bytes(name.collection), name.number, asked)), block=at
    )
    return [one or (0, 0) for one in found]


def observed(chain_id: int, name: StageName, found: Eligibility | None, now_s: int) -> Observation:
    """Answer `eligibility.stage` (POL-051)."""
    what = f"stage {name.number} of 0x{name.collection.hex()}"
    if found is None:
        return Observation(None, now_s, what, "there is no such stage")
    source = f"{what}, chain {chain_id} block {found.block}"
    if not found.list_known:
        return Observation(None, found.at_s, source, "the list of this stage is not known here")
    refused = [one for one in found.found.decision.reasons if one.outcome is not Outcome.GRANTED]
    reason = f"{refused[0].code}: {refused[0].message}" if refused else f"{found.found.pieces} pieces"
    return Observation(Decimal(found.found.pieces), found.at_s, source, reason)
