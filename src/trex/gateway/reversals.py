"""Takes entries of the points ledger back: queued by the operator, sent by the running gateway."""

from collections.abc import Sequence

from trex.gateway import outbox
from trex.gateway.outbox import JobKind
from trex.gateway.service import Gateway
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.web import audit

OPERATOR = Hash32(bytes(32))
"""Owner of jobs that no person asked for."""


async def queue(gateway: Gateway, entries: Sequence[int], reason: str) -> int:
    """Queue a reversal and return its job; the same entries for the same reason are one job (PTS-001).

    Args:
        gateway: whose database; it need not be running here.
        entries: numbers in the ledger.
        reason: its hash goes to the chain, its beginning to the audit log.
    """
    numbers = sorted(set(entries))
    named = ",".join(map(str, numbers))
    hashed = keccak256(reason.encode())
    try:
        async with gateway.database.transaction() as tx:
            job = await outbox.enqueue(
                tx,
                JobKind.REVERSE,
                {"entries": numbers, "reason": hashed.hex()},
                passport=0,
                owner=OPERATOR,
                now_s=gateway.now_s,
                once=f"reverse {keccak256(named.encode() + hashed).hex()}",
            )
            await audit.record(tx, gateway.now_s, "operator", "reverse", f"entries {named}", reason)
    finally:
        await gateway.database.close()
    return job
