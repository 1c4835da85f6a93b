"""Attacks on the audit log, by whoever has database and relayer's key."""

from tests.adversarial.chain import Chain, text
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack

from trex.gateway.anchors import AT_ONCE, MARK, anchors_of, fault_of
from trex.gateway.service import Gateway
from trex.web import audit
from trex.web.database import audit as lines


@attack(
    who="the thief of a gateway, with its database and the relayer's key",
    gain="what they did is in no log, and the log is whole",
    why="anchors are looked for among all of the account's transactions",
    guard=Guard(
        "src/trex/gateway/anchors.py",
        "for last in range(count, 0, -AT_ONCE):",
        "GTW-034",
        "for last in range(count, count - AT_ONCE, -AT_ONCE):",
    ),
    refusal="a tail was cut off",
)
async def test_anchors_pushed_out_of_sight(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """The end of the log is cut off after a hundred transactions of no meaning."""
    account = text(gateway.relayer.account)
    async with gateway.database.transaction() as tx:
        for number in range(3):
            await audit.record(tx, gateway.now_s, "somebody", "act", f"{number}", "done")
        found = await audit.head(tx)
    assert found is not None
    chain.transact(account, MARK + found[0].to_bytes(8) + found[1], by=account)
    for _ in range(AT_ONCE):
        chain.transact(account, b"", by=account)
    async with gateway.database.transaction() as tx:
        if not honest:
            await tx.execute(lines.delete().where(lines.c.number == found[0]))
        fault = await fault_of(tx, await anchors_of(gateway.client, gateway.relayer.account))
    if fault:
        raise Refused(fault)
