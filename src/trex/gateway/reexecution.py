"""Re-execution of grants by the attestors, on sealed evidence (BDG-054)."""

from collections.abc import Sequence
from dataclasses import dataclass

from trex.badges.chain.evidence import read_evidence
from trex.badges.chain.statement import OUTCOMES, ReExecution, statement_message
from trex.gateway import claims, holdings, people, publishing, tasks
from trex.gateway.attest import NoQuorumError, Showable, attest
from trex.gateway.attestor.deed import ShownDeed
from trex.gateway.attestor.judge import Shown
from trex.gateway.code_version import validator_version
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.evaluation import evm_sources, metadata_of
from trex.gateway.grants import Kept, kept_evidence
from trex.gateway.outbox import Job, JobKind
from trex.gateway.policies import Offer
from trex.gateway.service import Gateway
from trex.types.evm import checksum_address
from trex.types.primitives import Hash32
from trex.validators.reexecute import Opened, Sources, reexecute


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement of the attestors."""

    said: ReExecution
    """What they say."""
    set_epoch: int
    """Validator set in force."""
    signatures: bytes
    """65 bytes each, ascending by signer."""


async def opened(gateway: Gateway, passport: int, document: bytes, salt: bytes) -> Opened:
    """Return evidence with the zkTLS claims behind it and what opens the private links of its wallets."""
    known = await people.linked(gateway, passport)
    evidence = read_evidence(document)
    behind = await claims.disclosed(gateway, passport, evidence.claim_ids, known)
    named = {one.id for one in evidence.wallets}
    links = [one for one in await people.private_links(gateway, known) if one.key_id in named]
    return Opened(document, salt, tuple(behind), tuple(links))


async def _shown(gateway: Gateway, kept: Kept, offer: Offer) -> Shown:
    there = await opened(gateway, kept.passport, kept.document, kept.salt)
    return Shown(checksum_address(offer.publisher), offer.document, there)


async def _deed(gateway: Gateway, job: Job) -> ShownDeed:
    passport, kept = await tasks.kept_deed(gateway, Hash32(bytes.fromhex(job.payload["source"])))
    document = kept["document"].encode()
    there = await opened(gateway, passport, document, b"") if document else Opened(b"", b"")
    return ShownDeed(tasks.task_of(gateway, kept["task"]).document, passport, kept["period"], there)


async def shown_for(gateway: Gateway, jobs: Sequence[Job]) -> Sequence[Showable]:
    """Return what grants or deeds rest on, for members that see for themselves (ATT-022, ATT-026).

    Raises:
        GatewayError: evidence or policy of one is not here.
    """
    if jobs[0].kind is JobKind.POINTS:
        return [await _deed(gateway, job) for job in jobs]
    found = []
    for job in jobs:
        digest = Hash32(bytes.fromhex(job.payload["evidence"]))
        if (kept := await kept_evidence(gateway, digest)) is None:
            raise GatewayError(Fault.NOT_FOUND, "the evidence of a grant is not kept here")
        offer = await publishing.offer_of_id(gateway, Hash32(bytes.fromhex(job.payload["policy"])))
        found.append(await _shown(gateway, kept, offer))
    return found


async def reexecute_sealed(gateway: Gateway, token_id: int) -> Signed:
    """Re-execute a badge's newest grant and have the outcome signed; it tells nothing else of the evidence.

    Raises:
        GatewayError: there is no such badge, its evidence is not here, or too few attestors are.
    """
    badge = await holdings.badge(gateway, token_id)
    if badge is None:
        raise GatewayError(Fault.NOT_FOUND, f"there is no badge {token_id}")
    kept = await kept_evidence(gateway, badge.evidence)
    if kept is None:
        raise GatewayError(Fault.NOT_FOUND, "its evidence is not kept here")
    offer = await publishing.offer_of_id(gateway, badge.policy)
    shown = await _shown(gateway, kept, offer)
    trusted = gateway.settings.trusted_attestors
    sources = Sources(evm_sources(gateway), metadata_of(gateway), trusted, take_recorded=True)
    found = await reexecute(gateway.client, badge, offer.policy, shown.opened, sources)
    _, now_s = await gateway.client.latest()
    level = 0 if found.decision is None else found.decision.level
    outcome = OUTCOMES.index(found.outcome) + 1
    said = ReExecution(token_id, badge.evidence, validator_version(), level, outcome, now_s)
    in_force = await gateway.client.attestors()
    try:
        message = statement_message(gateway.settings.contracts, said)
        signatures = await attest(gateway.attestors, in_force, message, [shown])
    except NoQuorumError as error:
        raise GatewayError(Fault.UNAVAILABLE, f"too few attestors come to the same: {error}") from error
    return Signed(said, in_force.epoch, signatures)
