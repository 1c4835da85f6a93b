"""Verifies a badge from the chain alone: state, policy, and who signed what (BDG-055)."""

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.badges.catalogue import EvidenceClass
from trex.badges.chain.contract import (
    BADGE_GRANTED,
    GRANT,
    BadgeState,
    Grant,
    HeldBadge,
    PublishedPolicy,
    grants_message,
)
from trex.badges.policy import Policy
from trex.passport.client import PersonaClient
from trex.passport.contracts import MEMBERS_OF, THRESHOLD_OF, Method
from trex.types.decision import Outcome, Reason
from trex.types.evm import SignatureError, checksum_address, recover_digest_signer
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

TOUCHED_BY = Method("touchedBy", ("uint256",), ("uint256",))
_SIGNATURE_BYTES = 65


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who signed a badge's newest grant."""

    transaction: Hash32
    """That brought it."""
    signers: tuple[Address, ...]
    """Recovered from the signatures, ascending."""
    threshold: int
    """Signatures that the set needed."""


def state_of(badge: HeldBadge, case: int) -> Reason:
    """Whether a badge counts now."""
    if badge.state is BadgeState.GRANTED:
        until = f" until {badge.expires_s}" if badge.expires_s else ""
        return Reason("state", Outcome.GRANTED, f"granted{until}", "BDG-020")
    why = f" by case {case}" if case else ""
    return Reason("state", Outcome.REFUSED, f"{badge.state}{why}", "BDG-020")


def policy_of(badge: HeldBadge, published: PublishedPolicy, document: Policy | None) -> list[Reason]:
    """Whether the chain's policy is the badge's, and the document, if there is one, the chain's."""
    rule = "BDG-001"
    named = keccak256(bytes(12) + published.publisher + published.document)
    outcome = Outcome.GRANTED if named == badge.policy else Outcome.REFUSED
    by = f"0x{published.document.hex()} of {checksum_address(published.publisher)}"
    found = [Reason("policy", outcome, by, rule)]
    if document is None:
        return [*found, Reason("document", Outcome.UNDECIDED, "the document was not given", rule)]
    is_public = document.evidence_class is EvidenceClass.PUBLIC
    here = (document.document_hash, document.name, len(document.levels), is_public)
    there = (published.document, published.name, published.max_level, published.is_public)
    outcome = Outcome.GRANTED if here == there else Outcome.REFUSED
    said = "hash, name, levels and evidence class are the chain's"
    if here != there:
        said = f"this is 0x{document.document_hash.hex()}, {document.name!r}, {len(document.levels)} levels"
    return [*found, Reason("document", outcome, said, rule)]


async def case_of(client: PersonaClient, badge: HeldBadge) -> int:
    """Number of an open case that touches a badge; 0 for none (BDG-031)."""
    (found,) = await client.ask((client.contracts.badges, TOUCHED_BY, (badge.token_id,)))
    return int(found)


async def attestation_of(client: PersonaClient, badge: HeldBadge) -> tuple[Reason, Attestation | None]:
    """Find the transaction that granted or renewed a badge last, and recover who signed it.

    Raises:
        EndpointError: the chain does not answer.
    """
    query = {
        "address": f"0x{client.contracts.badges.hex()}",
        "topics": [f"0x{BADGE_GRANTED.hex()}", f"0x{badge.token_id:064x}"],
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    logs = await client.rpc.call("eth_getLogs", query)
    if not logs:
        return _unknown("the node has no event of its grant"), None
    hash_ = max(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
    told = await client.rpc.call("eth_getTransactionByHash", hash_["transactionHash"])
    data = bytes.fromhex(told["input"][2:])
    direct = told["to"] is not None and bytes.fromhex(told["to"][2:]) == client.contracts.badges
    if not direct or data[:4] != GRANT.call([], 0, b"")[:4]:
        return _unknown("another contract brought it: its signatures are inside that call"), None
    try:
        entries, epoch, signatures = decode(GRANT.takes, data[4:])
    except (DecodingError, OverflowError):
        return _unknown("its call cannot be read"), None
    grants = [_grant(entry) for entry in entries]
    at = client.contracts.validator_set
    members, threshold = await client.ask((at, MEMBERS_OF, (epoch,)), (at, THRESHOLD_OF, (epoch,)))
    order = [Address(bytes.fromhex(one[2:])) for one in members]
    digest = grants_message(client.contracts, grants).digest()
    try:
        signers = tuple(
            recover_digest_signer(digest, signatures[start : start + _SIGNATURE_BYTES])
            for start in range(0, len(signatures), _SIGNATURE_BYTES)
        )
    except SignatureError as error:
        return Reason("attestation", Outcome.REFUSED, str(error), "BDG-010"), None
    found = Attestation(Hash32(bytes.fromhex(told["hash"][2:])), signers, threshold)
    return _judge(badge, grants, epoch, order, found), found


def _judge(
    badge: HeldBadge, grants: list[Grant], epoch: int, members: list[Address], found: Attestation
) -> Reason:
    """Whether what was signed is what the badge says, by enough of the set that it names."""

    def no(message: str) -> Reason:
        return Reason("attestation", Outcome.REFUSED, message, "BDG-010")

    mine = [one for one in grants if (one.passport, one.policy) == (badge.passport, badge.policy)]
    stored = (badge.evidence, badge.validator_version, badge.attested_s, badge.expires_s, badge.level)
    if not mine or stored != _stored(mine[0]) or mine[0].points != badge.points:
        return no("what was signed is not what the badge says")
    if strangers := [one for one in found.signers if one not in members]:
        return no(f"{checksum_address(strangers[0])} is not of set {epoch}")
    if len(set(found.signers)) < found.threshold:
        return no(f"{len(set(found.signers))} of {found.threshold} signatures")
    bitmap = sum(1 << members.index(one) for one in set(found.signers))
    if (epoch, bitmap) != (badge.set_epoch, badge.signers):
        return no("the badge names other signers")
    said = f"{len(found.signers)} of set {epoch} signed, {found.threshold} needed"
    return Reason("attestation", Outcome.GRANTED, said, "BDG-010")


def _stored(grant: Grant) -> tuple[Hash32, Hash32, int, int, int]:
    return grant.evidence, grant.validatorVersion, grant.attestedAt, grant.expiresAt, grant.level


def _grant(entry: tuple[Any, ...]) -> Grant:
    passport, policy, nullifiers, evidence, version, *rest = entry
    return Grant(
        passport,
        Hash32(policy),
        tuple(Hash32(one) for one in nullifiers),
        Hash32(evidence),
        Hash32(version),
        *rest,
    )


def _unknown(message: str) -> Reason:
    return Reason("attestation", Outcome.UNDECIDED, message, "BDG-010")
