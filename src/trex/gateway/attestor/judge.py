"""What a member signs, and what it sees for itself before it does (ATT-020 to ATT-024)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.messages import encode_typed_data

from trex.badges.chain.contract import BadgeState, HeldBadge, badges
from trex.badges.chain.evidence import EvidenceError
from trex.badges.chain.statement import OUTCOMES
from trex.badges.policy import Policy, PolicyError, read_policy
from trex.gateway.attestor.approvals import Approvals
from trex.gateway.attestor.deed import judge_deed, read_shown_deed
from trex.gateway.attestor.epoch import Computations, judge_epoch, read_shown_terms
from trex.gateway.attestor.refusal import Refusal, UndecidedError
from trex.gateway.code_version import validator_version
from trex.passport.client import PersonaClient
from trex.passport.private_link import read_private_link
from trex.types.decision import Outcome
from trex.types.evm import read_address
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.validators.reexecute import Opened, Sources, reexecute
from trex.validators.zktls.disclosure import read_claim

log = logging.getLogger(__name__)

GRANT_BATCH = (
    "GrantBatch(Grant[] grants)Grant(uint256 passport,bytes32 policy,bytes32[] nullifiers,bytes32 evidence,"
    "bytes32 validatorVersion,uint64 attestedAt,uint64 expiresAt,uint64 deadline,uint16 level,uint32 points,"
    "uint8 evidenceClass)"
)
POINTS = (
    "PointsBatch(PointsItem[] items,uint64 deadline)PointsItem(uint256 passport,uint32 season,uint32 amount,"
    "bytes32 kind,bytes32 source)"
)
STATEMENT = (
    "ReExecution(uint256 tokenId,bytes32 evidence,bytes32 validatorVersion,uint16 level,uint8 outcome,"
    "uint64 at)"
)
BIND = (
    "BindNullifier(uint256 passport,bytes32 nullifier,bytes32 scope,bytes32 commitment,uint64 keyEpoch,"
    "uint64 attestedAt,uint64 deadline)"
)
MAP = "MapNullifiers(uint64 keyEpoch,bytes32[] from,bytes32[] to)"
OPEN = "OpenKeyEpoch(uint64 keyEpoch)"
EPOCH = (
    "EpochRewards(uint256 epoch,bytes32 root,uint256 total,address token,uint64 claimUntil,bytes32 formula)"
)
SEASON = (
    "OpenSeason(uint32 season,uint64 start,uint64 end,uint64 passportCap,bytes32[] kinds,uint64[] kindCaps)"
)
REVERSAL = "Reversal(uint256[] entries,bytes32 reason,uint64 deadline)"
CASE = (
    "Case(uint8 kind,bytes32 subject,uint64 since,uint64 until,bytes32 reason,uint256 number,uint64 deadline)"
)
CLOSE = "CloseCase(uint256 caseId)"
SIGNED = {
    GRANT_BATCH: "badges",
    STATEMENT: "badges",
    BIND: "nullifiers",
    MAP: "nullifiers",
    OPEN: "nullifiers",
    POINTS: "points",
    SEASON: "points",
    REVERSAL: "points",
    EPOCH: "rewards",
    CASE: "quarantine",
    CLOSE: "quarantine",
}
"""Structs that a member signs, as EIP-712 writes their types, and the contract that takes each (ATT-020)."""
APPROVED = frozenset({EPOCH, SEASON, REVERSAL, CASE, CLOSE, OPEN, MAP})
"""Operators' acts: signed if the member's own operator wants them (ATT-023)."""
DEADLINE_S = 7_200
"""An attestation counts no longer than that from now (ATT-021)."""
AGE_S = 86_400
"""Nothing older is attested: what waits so long is to be decided anew (ATT-021)."""
LATE_S = 600
"""A statement of re-execution is of the last ten minutes (ATT-025)."""
AHEAD_S = 60
"""That much later than the newest block a time may be: gateway and member may see different ones."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a grant rests on, as the gateway shows it to the members (ATT-022)."""

    publisher: str
    """Account that published the policy."""
    policy: bytes
    """The policy's document."""
    opened: Opened
    """Evidence, salt and claims."""

    def write(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "publisher": self.publisher,
            "policy": self.policy.decode(),
            "document": self.opened.document.decode(),
            "salt": self.opened.salt.hex(),
            "claims": [one.write() for one in self.opened.claims],
            "links": [one.write() for one in self.opened.links],
        }


def read_shown(told: Mapping[str, Any]) -> Shown:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        claims = tuple(read_claim(one) for one in told["claims"])
        links = tuple(read_private_link(one) for one in told["links"])
        opened = Opened(told["document"].encode(), bytes.fromhex(told["salt"]), claims, links)
        return Shown(str(told["publisher"]), told["policy"].encode(), opened)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not the evidence of a grant") from error


def digest_of(client: PersonaClient, document: Mapping[str, Any]) -> tuple[str, Hash32]:
    """Return type and digest of what is asked to be signed (EIP-712).

    Raises:
        Refusal: no contract of this chain takes it from the validator set.
    """
    try:
        kinds = {name: members for name, members in document["types"].items() if name != "EIP712Domain"}
        primary = document["primaryType"]
        others = sorted(kinds.keys() - {primary})
        written = "".join(_written(name, kinds[name]) for name in (primary, *others))
        if (contract := SIGNED.get(written)) is None:
            raise Refusal("unknown", f"the validator set does not sign {written[:200]}")
        domain = getattr(client.contracts, f"{contract}_domain")
        place = {
            "name": domain.name,
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": f"0x{domain.contract.hex()}",
        }
        encoded = encode_typed_data(place, kinds, document["message"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refusal("malformed", f"not typed data: {type(error).__name__}") from error
    return written, keccak256(b"\x19" + encoded.version + encoded.header + encoded.body)


def _written(name: str, members: list[dict[str, str]]) -> str:
    return f"{name}({','.join(one['type'] + ' ' + one['name'] for one in members)})"


def act_of(client: PersonaClient, document: Mapping[str, Any]) -> Hash32:
    """Name an operator's act (ATT-023): its digest with 0 for a deadline, so that it stays the same.

    Forms of nullifiers under another k go by the name of that k's coming into force.

    Raises:
        Refusal: it is nothing that is signed.
    """
    told = dict(document["message"])
    if document["primaryType"] == "MapNullifiers":
        opening = {"types": {"OpenKeyEpoch": _KEY_EPOCH}, "primaryType": "OpenKeyEpoch"}
        return digest_of(client, opening | {"message": {"keyEpoch": told["keyEpoch"]}})[1]
    if "deadline" in told:
        told["deadline"] = "0"
    return digest_of(client, {**document, "message": told})[1]


_KEY_EPOCH = [{"type": "uint64", "name": "keyEpoch"}]


@dataclass(frozen=True, slots=True)
class Judge:
    """What a member judges by."""

    client: PersonaClient
    """Of the member's own endpoint."""
    sources: Sources
    """Of the member's own."""
    approvals: Approvals
    """Of its operator."""
    computed: Computations
    """Epochs of rewards."""

    async def judge(self, written: str, document: Mapping[str, Any], shown: Sequence[Any]) -> None:
        """See for itself, as far as it can be seen (ATT-021 to ATT-024).

        Args:
            written: type of what is to be signed.
            document: typed data, numbers as decimal text.
            shown: what it rests on, as JSON.

        Raises:
            Refusal: something is not as the message says.
            UndecidedError: it cannot be seen now, or the operator has not approved it.
            EndpointError: the chain does not answer.
        """
        message = document["message"]
        _, now_s = await self.client.latest()
        told = message["grants"] if written == GRANT_BATCH else [message]
        for one in told:
            _timely(one, now_s)
        if written in (BIND, MAP, OPEN):
            epoch, asked = await self.client.key_epoch(), int(message["keyEpoch"])
            if asked != epoch + (written != BIND):
                raise Refusal("key_epoch", f"epoch {epoch} of k is in force, this is for {asked}")
        if written == GRANT_BATCH:
            if len(shown) != len(told):
                raise Refusal("evidence", f"{len(told)} grants, evidence of {len(shown)}")
            for one, evidence in zip(told, map(read_shown, shown), strict=True):
                await _justified(self.client, self.sources, one, evidence)
        if written == POINTS:
            items = message["items"]
            if len(shown) != len(items):
                raise Refusal("evidence", f"{len(items)} deeds, evidence of {len(shown)}")
            for one, deed in zip(items, map(read_shown_deed, shown), strict=True):
                await judge_deed(self.client, self.sources, self.approvals, one, deed, now_s)
        if written == STATEMENT:
            if len(shown) != 1:
                raise Refusal("evidence", "a statement is shown with the evidence of its grant")
            await _came_to_the_same(self.client, self.sources, message, read_shown(shown[0]), now_s)
        if written in APPROVED:
            self._require_approval(document, shown)
        if written == EPOCH:
            if len(shown) != 1:
                raise Refusal("terms", "an epoch is shown with its terms")
            await judge_epoch(self.client, self.computed, message, read_shown_terms(shown[0]))

    def _require_approval(self, document: Mapping[str, Any], shown: Sequence[Any]) -> None:
        """ATT-023."""
        name = act_of(self.client, document)
        if self.approvals.has(name):
            return
        kept = self.approvals.wait(name, {document["primaryType"]: document["message"], "shown": list(shown)})
        log.warning("waits for approval", extra={"act": name.hex(), "is_listed": kept})
        raise UndecidedError(f"the member's operator has not approved 0x{name.hex()}")


def _timely(message: Mapping[str, Any], now_s: int) -> None:
    """ATT-021."""
    if "deadline" in message and not now_s - AHEAD_S < int(message["deadline"]) <= now_s + DEADLINE_S:
        raise Refusal("deadline", f"{message['deadline']}, it is {now_s} here")
    if "attestedAt" in message and not now_s - AGE_S <= int(message["attestedAt"]) <= now_s + AHEAD_S:
        raise Refusal("attested_at", f"{message['attestedAt']}, it is {now_s} here")


def _policy(shown: Shown) -> tuple[Policy, Hash32]:
    """Read a policy that is shown, and number it."""
    try:
        policy = read_policy(shown.policy)
        return policy, policy.policy_id(read_address(shown.publisher))
    except (PolicyError, ValueError) as error:
        raise Refusal("policy", str(error)) from error


async def _came_to_the_same(
    client: PersonaClient, sources: Sources, said: Mapping[str, Any], shown: Shown, now_s: int
) -> None:
    """Re-execute a badge before saying what comes of it (ATT-025)."""
    if said["validatorVersion"] != f"0x{validator_version().hex()}":
        raise Refusal("validator_version", "re-executed by other code than this member runs")
    if not now_s - LATE_S <= int(said["at"]) <= now_s + AHEAD_S:
        raise Refusal("at", f"{said['at']}, it is {now_s} here")
    (badge,) = await badges(client, [int(said["tokenId"])])
    policy, number = _policy(shown)
    if badge.policy != number:
        raise Refusal("policy", "the badge is under another policy")
    if said["evidence"] != f"0x{badge.evidence.hex()}":
        raise Refusal("evidence", "the badge's newest grant rests on other evidence")
    try:
        found = await reexecute(client, badge, policy, shown.opened, sources)
    except EvidenceError as error:
        raise Refusal("evidence", str(error)) from error
    level = 0 if found.decision is None else found.decision.level
    here, there = (OUTCOMES.index(found.outcome) + 1, level), (int(said["outcome"]), int(said["level"]))
    if here == there:
        return
    if found.outcome is Outcome.UNDECIDED:
        raise UndecidedError(next(one.code for one in found.steps if one.outcome is Outcome.UNDECIDED))
    raise Refusal("outcome", f"{found.outcome}, level {level} follows here")


async def _justified(client: PersonaClient, sources: Sources, grant: Mapping[str, Any], shown: Shown) -> None:
    """Re-execute a grant before it is one (ATT-022): the same evidence, by this member's code and sources."""
    if grant["validatorVersion"] != f"0x{validator_version().hex()}":
        raise Refusal("validator_version", "decided by other code than this member runs")
    policy, number = _policy(shown)
    if grant["policy"] != f"0x{number.hex()}":
        raise Refusal("policy", "the grant is under another policy")
    public = int(grant["evidenceClass"]) == 1
    if public != (policy.evidence_class.value == "public"):
        raise Refusal("evidence_class", "the policy says otherwise")
    would_be = HeldBadge(
        token_id=0,
        passport=int(grant["passport"]),
        policy=number,
        name=policy.name,
        document=policy.document_hash,
        level=int(grant["level"]),
        points=int(grant["points"]),
        state=BadgeState.NONE,
        evidence=Hash32(bytes.fromhex(grant["evidence"][2:])),
        is_public=public,
        validator_version=validator_version(),
        attested_s=int(grant["attestedAt"]),
        expires_s=int(grant["expiresAt"]),
        recorded_s=0,
        set_epoch=0,
        signers=0,
    )
    try:
        found = await reexecute(client, would_be, policy, shown.opened, sources)
    except EvidenceError as error:
        raise Refusal("evidence", str(error)) from error
    if found.outcome is Outcome.UNDECIDED:
        raise UndecidedError(next(one.code for one in found.steps if one.outcome is Outcome.UNDECIDED))
    if found.outcome is not Outcome.GRANTED:
        step = next(one for one in found.steps if one.outcome is Outcome.REFUSED)
        raise Refusal(step.code, f"not the same when it is asked again ({step.rule})")  # GTW-031
