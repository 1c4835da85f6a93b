"""Re-execution of grants by the attestors, on sealed evidence (BDG-054)."""

from collections.abc import Sequence
from dataclasses import dataclass

from trex.badges.chain.evidence import read_evidence
from trex.badges.chain.statement import OUTCOMES, ReExecution, statement_message
from trex.gateway import claims, holdings, people, publishing
from trex.gateway.attest import NoQuorumError, attest
from trex.gateway.attestor.judge import Shown
from trex.gateway.code_version import validator_version
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.evaluation import evm_sources, metadata_of
from trex.gateway.grants import Kept, kept_evidence
from trex.gateway.outbox import Job
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


async def opened(gateway: Gateway, kept: Kept) -> Opened:
    """Return evidence with the zkTLS claims behind it and what opens the private links of its wallets."""
    known = await people.linked(gateway, kept.passport)
    evidence = read_evidence(kept.document)
    behind = await claims.disclosed(gateway, kept.passport, evidence.claim_ids, known)
    named = {one.id for one in evidence.wallets}
    links = [one for one in await people.private_links(gateway, known) if one.key_id in named]
    return Opened(kept.document, kept.salt, tuple(behind), tuple(links))


async def shown_for(gateway: Gateway, jobs: Sequence[Job]) -> list[Shown]:
    """Return what grants rest on, for members that see for themselves (ATT-022).

    Raises:
        GatewayError: evidence or policy of one is not here.
    """
    found = []
    for job in jobs:
        digest = Hash32(bytes.fromhex(job.payload["evidence"]))
        if (kept := await kept_evidence(gateway, digest)) is None:
            raise GatewayError(Fault.NOT_FOUND, "the evidence of a grant is not kept here")
        offer = await publishing.offer_of_id(gateway, Hash32(bytes.fromhex(job.payload["policy"])))
        found.append(Shown(checksum_address(offer.publisher), offer.document, await opened(gateway, kept)))
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
    shown = Shown(checksum_address(offer.publisher), offer.document, await opened(gateway, kept))
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
