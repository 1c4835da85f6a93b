"""Cases of distrust by attestation: queued by the operator, sent by the gateway (BDG-030, BDG-033)."""

import secrets

from trex.badges.chain.quarantine import Distrust
from trex.gateway import outbox
from trex.gateway.outbox import JobKind
from trex.gateway.reversals import OPERATOR
from trex.gateway.service import Gateway
from trex.web import audit


async def queue_opening(gateway: Gateway, distrust: Distrust, reason: str) -> int:
    """Queue the opening of a case and return its job.

    Args:
        gateway: whose database; it need not be running here.
        distrust: what is distrusted; its number is drawn here.
        reason: its beginning goes to the audit log.
    """
    payload = {
        "kind": int(distrust.kind),
        "subject": distrust.subject.hex(),
        "since": distrust.since_s,
        "until": distrust.until_s,
        "reason": distrust.reason.hex(),
        "number": secrets.randbits(63),
    }
    subject = f"{distrust.kind.name.lower()} 0x{distrust.subject.hex()}"
    return await _queue(gateway, JobKind.OPEN_CASE, payload, "open-case", subject, reason)


async def queue_closing(gateway: Gateway, case: int, reason: str) -> int:
    """Queue the closing of a case and return its job."""
    return await _queue(gateway, JobKind.CLOSE_CASE, {"case": case}, "close-case", f"case {case}", reason)


async def _queue(
    gateway: Gateway, kind: JobKind, payload: dict[str, object], act: str, subject: str, reason: str
) -> int:
    try:
        async with gateway.database.transaction() as tx:
            job = await outbox.enqueue(tx, kind, payload, passport=0, owner=OPERATOR, now_s=gateway.now_s)
            await audit.record(tx, gateway.now_s, "operator", act, subject, reason)
    finally:
        await gateway.database.close()
    return job
