"""Finding a claim to prove by on a real L1, however many were rejected."""

from collections.abc import Iterator
from dataclasses import replace

from eth_abi.abi import encode
from eth_hash.auto import keccak
from tests.settlement.anvil_l1 import CHAIN_ID
from tests.settlement.rollup import Rollup, rollup
from tests.settlement.test_deploy import ACCOUNTS, MULTICALL3, TIMING

from trex.bridge.layer import Layer
from trex.bridge.withdrawals import CLAIMS_AT_ONCE, MOST_SKIPPED, Exit, Withdrawal
from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.l1.transaction import Intent
from trex.types.primitives import Address, Gas

REJECTED = CLAIMS_AT_ONCE + MOST_SKIPPED + 30
"""More than one search passes over."""
AT_ONCE = 30


async def several(system: Rollup, calls: list[bytes]) -> None:
    """Have Multicall3, which proposes and disputes here, call the claims contract."""
    claims = system.network.l1.contracts["outputClaims"]  # type: ignore[union-attr]
    data = encode(["(address,bool,bytes)[]"], [[("0x" + claims.hex(), False, call) for call in calls]])
    aggregate = keccak(b"aggregate3((address,bool,bytes)[])")[:4] + data
    await system.sent(system.user, Intent(MULTICALL3, aggregate, Gas(16_000_000)))


def claims_about(system: Rollup, accumulator: bytes, blocks: range) -> Iterator[bytes]:
    kind = contract("MaturingClaims")
    for block in blocks:
        yield kind.call("propose", keccak(block.to_bytes(8, "big")), block, 1, accumulator)


async def test_claim_below_more_than_a_thousand_rejected_ones_is_found() -> None:
    """PTL-050: one search passes over a thousand, so it takes several."""
    everyone = replace(ACCOUNTS, proposer=MULTICALL3, disputer=MULTICALL3)
    async with rollup(accounts=everyone, timing=replace(TIMING, dispute_window_s=600)) as system:
        await system.append(0)
        accumulator = (await system.span()).mark.accumulator
        await several(system, list(claims_about(system, accumulator, range(100, 102))))
        reject = contract("MaturingClaims")
        for first in range(2, REJECTED + 2, AT_ONCE):
            ids = range(first, min(first + AT_ONCE, REJECTED + 2))
            made = claims_about(system, accumulator, range(first + 100, first + 100 + len(ids)))
            await several(system, [*made, *(reject.call("reject", each) for each in ids)])
        layer = Layer("L1", Endpoint(system.node.url, system.session, timeout_s=300), CHAIN_ID)
        assert system.network.l1 is not None
        exit_ = Exit(layer, layer, system.network.l1)
        nobody = Address(bytes(20))
        for l2_block, index in ((99, 0), (100, 0), (101, 1), (102, None)):
            claim, outlook = await exit_.claim_for(Withdrawal(0, nobody, nobody, 0, 0, b"", l2_block))
            assert (None if claim is None else claim.index) == index
            assert outlook.l2_block == 101
