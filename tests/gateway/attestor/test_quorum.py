"""What becomes of jobs when members refuse, are absent, or a grant lacks what it rests on."""

from collections.abc import Sequence

import pytest
from tests.adversarial.chain import Chain
from tests.adversarial.conftest import chain, codes, cores, gateway
from tests.adversarial.people import VERSION, Person, human, policy
from tests.gateway.conftest import KEYS

from trex.badges.chain.contract import Grant
from trex.gateway import outbox
from trex.gateway.attest import (
    AbsentError,
    Attestor,
    AttestorError,
    LocalAttestor,
    NoQuorumError,
    NotAttestedError,
    RefusedByError,
    Showable,
    quorum,
)
from trex.gateway.calls import payload_of
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.outbox import Job, JobKind, JobState, job_of
from trex.gateway.service import Gateway
from trex.gateway.store.schema import jobs
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

__all__ = ["chain", "codes", "cores", "gateway"]

MISSING = keccak256(b"not kept here")


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((RefusedByError, AbsentError), NoQuorumError),
        ((AbsentError, AbsentError), NoQuorumError),
        ((RefusedByError, RefusedByError), NotAttestedError),
    ],
)
async def test_what_waits_goes_on_waiting_while_enough_may_still_sign(
    failures: tuple[type[AttestorError], ...], expected: type[NoQuorumError]
) -> None:
    """ATT-040: a refusal is final where those who did not refuse are too few."""
    members = [LocalAttestor(one) for one in KEYS.attestors]
    fails = {one.address: kind for one, kind in zip(members, failures, strict=False)}

    async def ask(member: Attestor) -> bytes:
        if (kind := fails.get(member.address)) is not None:
            raise kind(member.address, "because")
        return b"signed"

    with pytest.raises(NoQuorumError) as found:
        await quorum(members, 2, ask)
    assert type(found.value) is expected


async def _queued(gateway: Gateway, whose: Person, nullifier: bytes, number: bytes, evidence: Hash32) -> int:
    wanted = Grant(
        passport=whose.passport,
        policy=Hash32(number),
        nullifiers=(Hash32(nullifier),),
        evidence=evidence,
        validatorVersion=VERSION,
        attestedAt=whose.chain.now_s,
        expiresAt=0,
        deadline=0,
        level=1,
        points=10,
        evidenceClass=1,
    )
    async with gateway.database.transaction() as tx:
        return await outbox.enqueue(
            tx,
            JobKind.GRANT,
            payload_of(wanted),
            passport=whose.passport,
            owner=Hash32(bytes(32)),
            now_s=gateway.now_s,
        )


async def _idle(gateway: Gateway) -> None:
    """Nobody works on the queue but the test."""
    gateway.relayer.stop()
    await gateway._work


async def _jobs(gateway: Gateway, numbers: Sequence[int]) -> list[Job]:
    async with gateway.database.transaction() as tx:
        rows = await tx.execute(jobs.select().where(jobs.c.number.in_(numbers)).order_by(jobs.c.number))
        return [job_of(row) for row in rows]


async def test_a_grant_without_its_evidence_does_not_spoil_the_others(chain: Chain, gateway: Gateway) -> None:
    """GTW-023: what a batch lacks for one of its grants is that grant's fault alone."""
    await _idle(gateway)
    number = policy(chain)
    queued = []
    for name, evidence in (("first", keccak256(b"kept")), ("second", MISSING), ("third", keccak256(b"too"))):
        whose, nullifier = human(chain, name)
        queued.append(await _queued(gateway, whose, nullifier, number, evidence))

    async def show(group: Sequence[Job]) -> Sequence[Showable]:
        if any(one.payload["evidence"] == MISSING.hex() for one in group):
            raise GatewayError(Fault.NOT_FOUND, "the evidence of a grant is not kept here")
        return ()

    gateway.relayer._show = show
    await gateway.relayer._send(await _jobs(gateway, queued))
    first, second, third = await _jobs(gateway, queued)
    assert {first.state, third.state} <= {JobState.SENT, JobState.DONE}
    assert (second.state, second.attempts) == (JobState.QUEUED, 1)


async def test_an_outage_of_members_uses_no_attempt_up(chain: Chain, gateway: Gateway) -> None:
    """ATT-040: what was late for want of members has all its attempts when they are back."""
    await _idle(gateway)
    whose, nullifier = human(chain, "owner")
    (job,) = await _jobs(gateway, [await _queued(gateway, whose, nullifier, policy(chain), MISSING)])
    gateway.relayer.attestors = gateway.relayer.attestors[:1]
    for _ in range(3):
        await gateway.relayer._send([job])
    (job,) = await _jobs(gateway, [job.number])
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
