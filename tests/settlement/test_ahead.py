"""Reading ahead of derivation, whatever one L1 block holds."""

from dataclasses import replace
from pathlib import Path

from tests.settlement.anvil_l1 import CHAIN_ID
from tests.settlement.following import running, synced
from tests.settlement.rollup import FOLLOWING, Rollup, build, output_at, rollup

from trex.settlement.ahead import Reading
from trex.settlement.contracts import contract
from trex.settlement.kzg import make_sidecar
from trex.settlement.l1.sender import MOST
from trex.settlement.l1.transaction import Intent, sign
from trex.types.primitives import Gas


async def append_together(system: Rollup, batches: list[list[bytes]]) -> None:
    """Append batches in one L1 block."""
    account = system.sequencer.account
    nonce = int(await system.node.call("eth_getTransactionCount", account.address, "latest"), 16)
    await system.node.call("evm_setAutomine", False)
    sent = []
    for at, blobs in enumerate(batches):
        call = contract("Inbox").call("appendBatch", at, 2)
        sidecars = [make_sidecar(blob) for blob in blobs]
        intent = Intent(system.contracts.inbox, call, Gas(300_000), sidecars=sidecars)
        raw = sign(intent, account, CHAIN_ID, nonce + at, MOST).raw
        sent.append(await system.node.call("eth_sendRawTransaction", "0x" + raw.hex()))
    await system.node.mine()
    await system.node.call("evm_setAutomine", True)
    receipts = [await system.node.call("eth_getTransactionReceipt", one) for one in sent]
    assert {receipt["status"] for receipt in receipts} == {"0x1"}
    assert len({receipt["blockNumber"] for receipt in receipts}) == 1


async def test_one_l1_block_with_more_blobs_than_are_read_ahead_is_derived(tmp_path: Path) -> None:
    """DRV-060: what is read ahead is bounded, and the bound stops nobody."""
    async with rollup() as system:
        sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
        batches = []
        for first in (1, 3, 5):
            build(sequencer, 2)
            batches.append(sequencer.batch(first, first + 1, []))
        await append_together(system, batches)
        following = replace(FOLLOWING, reading=Reading(blobs_ahead=1))
        async with running(system.driver(verifier, tmp_path / "v", following=following)) as driver:
            await synced(driver, await system.head())
        assert output_at(verifier, 6) == output_at(sequencer, 6)
        for chain in (sequencer, verifier):
            chain.close()
