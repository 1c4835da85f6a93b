"""Claims from finalized data, each once, and none that anyone contradicts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.settlement.anvil_l1 import CHAIN_ID, KEYS, proxy
from tests.settlement.sequencing import PRICING, QUICK, Sequencing, sequencing, until

from trex.rpc.endpoint import Endpoint
from trex.settlement.blocks import BlockSource, NodeBlocks
from trex.settlement.contracts import contract
from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Sender
from trex.settlement.l1.transaction import Intent, account_of
from trex.settlement.proposer import ClaimsTarget, DisagreesError, Proposer
from trex.types.primitives import Address, Gas

INTERVAL_S = 600
GAS = Gas(1_000_000)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Sequencing]:
    """Finality two blocks behind L1's head."""
    async with sequencing(tmp_path, anvil_options=("--slots-in-an-epoch", "1")) as one:
        yield one


def proposer(
    system: Sequencing, *more: BlockSource, first: BlockSource | None = None, reader: L1Reader | None = None
) -> Proposer:
    reader = reader or system.reader
    sender = Sender(reader, account_of(KEYS[0]), pricing=PRICING)
    sources = [first or system.source(), *more]
    target = ClaimsTarget.of(system.network)
    return Proposer(target, reader, sources, sender, interval_s=INTERVAL_S, poll_s=0.1)


async def finalize(system: Sequencing) -> None:
    """Let all that is on L1 become final, and the node notice."""
    await system.l1.mine(4)
    head = int(await system.l1.call("eth_blockNumber"), 16)
    await system.followed()
    await until(lambda: system.driver.final is not None and system.driver.final.mark.block.number >= head - 2)


async def posted(system: Sequencing) -> int:
    """Put a block on L1; return its number."""
    number = await system.block(1)
    assert await system.batcher().step() is not None
    await system.followed()
    return number


async def count(system: Sequencing) -> int:
    kind, address = contract("MaturingClaims"), ClaimsTarget.of(system.network).claims
    head = (await system.reader.heads()).latest
    (claims,) = kind.result("claimCount", await system.reader.call(address, kind.call("claimCount"), head))
    return int(claims)


async def test_claims_follow_finalized_data_at_intervals(system: Sequencing) -> None:
    """PST-040, PST-041; PTL-040 to PTL-042."""
    one = proposer(system)
    await finalize(system)
    assert await one.step() is None, "nothing is on L1"
    number = await posted(system)
    assert await one.step() is None, "nothing of it is final"
    await finalize(system)
    claim = await one.step()
    assert claim is not None
    (block,) = await system.source().blocks(number, number)
    assert (claim.id, claim.block_number, claim.batch_count) == (0, number, 1)
    assert claim.output_root == block.output_root
    answer = await system.node_call("optimism_outputAtBlock", hex(number))
    assert answer["outputRoot"] == "0x" + claim.output_root.hex()
    # Neither this life nor another claims it again, and the next one waits for its time.
    assert await one.step() is None
    assert await proposer(system).step() is None
    await posted(system)
    second = await posted(system)
    await finalize(system)
    assert await proposer(system).step() is None, "too early"
    await system.l1.call("evm_increaseTime", INTERVAL_S)
    await system.l1.mine()
    claim = await proposer(system).step()
    assert claim is not None
    assert (claim.id, claim.block_number, claim.batch_count) == (1, second, 3)
    assert await count(system) == 2


async def test_killed_while_a_claim_is_under_way_claims_once(system: Sequencing) -> None:
    await posted(system)
    await finalize(system)
    await system.l1.call("evm_setAutomine", False)
    first = asyncio.create_task(proposer(system).step())
    await system.pooled()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    again = asyncio.create_task(proposer(system).step())
    await asyncio.sleep(0.5)
    await system.l1.call("evm_setAutomine", True)
    await system.l1.mine()
    await again
    assert await count(system) == 1
    assert await proposer(system).step() is None


@pytest.mark.parametrize("depth", [1, 2])
async def test_claim_that_a_reorg_takes_back_is_made_again_once(system: Sequencing, depth: int) -> None:
    """PST-041: by the life that made it as by another; never two of one output."""
    number = await posted(system)
    await finalize(system)
    one = proposer(system)
    assert await one.step() is not None
    await system.l1.mine(depth - 1)
    await system.l1.reorg(depth)
    assert await count(system) == 0, "the reorg has taken it back"
    await system.followed()
    claim = await one.step()
    assert claim is not None
    assert (claim.id, claim.block_number) == (0, number)
    assert await one.step() is None
    assert await proposer(system).step() is None
    assert await count(system) == 1


async def test_nothing_is_claimed_that_a_node_contradicts(system: Sequencing) -> None:
    """PST-042."""
    await posted(system)
    await finalize(system)

    def other_block(method: str, _: Any, result: Any) -> Any:
        if method != "debug_getRawBlock":
            return result
        return result[:200] + ("0" if result[200] != "0" else "1") + result[201:]

    def other_batches(method: str, _: Any, result: Any) -> Any:
        if method == "optimism_syncStatus":
            result["trex"]["final"]["accumulator"] = "0x" + "12" * 32
        return result

    async with proxy(system.url) as wrong:
        there = NodeBlocks(Endpoint(wrong.url, system.session, timeout_s=300))
        wrong.fault = other_block
        with pytest.raises(DisagreesError, match="node 2 has output"):
            await proposer(system, there).step()
        with pytest.raises(DisagreesError, match="another block"):
            await proposer(system, first=there).step()
        wrong.fault = other_batches
        with pytest.raises(DisagreesError, match="batches hash to"):
            await proposer(system, first=there).step()
        wrong.fault, wrong.status = None, 503
        with pytest.raises(L1UnavailableError, match="1 of 2 nodes"):
            await proposer(system, there).step()
        assert await count(system) == 0
        # Of three, one may be away.
        assert await proposer(system, system.source(), there).step() is not None


async def test_wrong_claim_is_not_built_upon_until_it_is_rejected(system: Sequencing) -> None:
    await posted(system)
    await finalize(system)
    target, kind = ClaimsTarget.of(system.network), contract("MaturingClaims")
    final = system.driver.final
    assert final is not None
    wrong = kind.call("propose", b"\x66" * 32, final.safe.number, 1, final.mark.accumulator)
    included = await system.user.send(Intent(target.claims, wrong, GAS))
    assert included is not None
    assert included.succeeded
    await posted(system)
    await finalize(system)
    await system.l1.call("evm_increaseTime", INTERVAL_S)
    await system.l1.mine()
    one = proposer(system)
    stop = asyncio.Event()
    running = asyncio.create_task(one.run(stop))
    await until(lambda: "one of them is wrong" in (one.state.trouble or ""))
    stop.set()
    await running
    assert await count(system) == 1


async def test_claim_after_a_rejected_one(system: Sequencing) -> None:
    """PTL-042: what was rejected may be claimed again, and does not hold the next claim up."""
    await posted(system)
    await finalize(system)
    claim = await proposer(system).step()
    assert claim is not None
    assert system.network.l1 is not None
    disputer = "0x" + system.network.l1.accounts["disputer"].hex()
    await system.l1.call("anvil_impersonateAccount", disputer)
    await system.l1.call("anvil_setBalance", disputer, hex(10**18))
    call = contract("MaturingClaims").call("reject", 0)
    to: Address = ClaimsTarget.of(system.network).claims
    request = {"from": disputer, "to": "0x" + to.hex(), "data": "0x" + call.hex(), "gas": hex(200_000)}
    sent = await system.l1.call("eth_sendTransaction", request)
    assert (await system.l1.call("eth_getTransactionReceipt", sent))["status"] == "0x1"
    again = await proposer(system).step()
    assert again is not None
    assert (again.id, again.output_root) == (1, claim.output_root)


async def test_lying_l1_endpoint_is_outvoted(system: Sequencing) -> None:
    await posted(system)
    await finalize(system)

    def lie(method: str, _: Any, result: Any) -> Any:
        if method == "eth_call" and len(result) >= 66:
            return "0x" + "00" * ((len(result) - 2) // 2)
        if method in {"eth_maxPriorityFeePerGas", "eth_getTransactionReceipt"}:
            return ["nonsense"]
        return "0x1" if method == "eth_estimateGas" else result

    async with proxy(system.l1.url) as liar, proxy(system.l1.url) as honest:
        liar.fault = lie
        urls = (liar.url, system.l1.url, honest.url)
        endpoints = [Endpoint(url, system.session, timeout_s=300) for url in urls]
        one = proposer(system, reader=L1Reader(endpoints, CHAIN_ID, retries=QUICK))
        claim = await one.step()
        assert claim is not None
        assert await one.step() is None
    assert await count(system) == 1
