"""Batches and deposits read off a real L1, whatever an endpoint leaves out or makes up."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from tests.settlement.anvil_l1 import CHAIN_ID, proxy
from tests.settlement.rollup import QUICK, Rollup, rollup

from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.inbox import ZERO, Carrier
from trex.settlement.kzg import make_sidecar
from trex.settlement.l1.errors import L1RefusedError, L1ReorgedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.transaction import Intent
from trex.settlement.places import Places
from trex.settlement.watch import read_span, still_holds
from trex.types.primitives import Gas


@pytest.fixture
async def system() -> AsyncIterator[Rollup]:
    async with rollup() as one:
        yield one


async def test_batches_and_deposits_are_read_whole_and_in_order(system: Rollup) -> None:
    await system.deposit(1)
    first = await system.append(0)
    await system.deposit(2)
    await system.deposit(3)
    await system.append(1)
    await system.silence()
    await system.force()
    span = await system.span()
    assert [batch.header.index for batch in span.batches] == [0, 1, 2]
    assert [batch.header.carrier for batch in span.batches] == [Carrier.BLOBS, Carrier.BLOBS, Carrier.NONE]
    assert span.batches[0].l1_number == first.block_number
    assert [int.from_bytes(deposit.opaque_data[32:64], "big") for deposit in span.deposits] == [1, 2, 3]
    assert [batch.header.deposit_count for batch in span.batches] == [1, 3, 3]
    assert span.batches[-1].header.deposit_accumulator == span.mark.deposit_accumulator
    # In two parts it is the same, and a part without anything of ours is empty.
    middle = [block for block in span.blocks if block.number <= first.block_number]
    one = await read_span(system.reader, system.contracts, system.start, middle)
    two = await system.span(one.mark)
    assert one.batches + two.batches == span.batches
    assert one.deposits + two.deposits == span.deposits
    await system.node.mine(2)
    nothing = await system.span(two.mark)
    assert (nothing.batches, nothing.deposits) == ((), ())


@pytest.mark.parametrize("topic", [0, 1])
async def test_endpoint_that_hides_or_invents_events_is_not_believed(system: Rollup, topic: int) -> None:
    await system.deposit(1)
    await system.append(0)
    await system.deposit(2)
    truth = await system.span()

    def hide(method: str, params: Any, result: Any) -> Any:
        return result[:-1] if method == "eth_getLogs" else result

    def invent(method: str, params: Any, result: Any) -> Any:
        return result + result[-1:] if method == "eth_getLogs" else result

    async with aiohttp.ClientSession() as session, proxy(system.node.url) as liar:
        liar.fault = (hide, invent)[topic]
        alone = L1Reader([Endpoint(liar.url, session, timeout_s=300)], CHAIN_ID, retries=QUICK)
        with pytest.raises(L1UnavailableError, match=r"not all up to|does not follow"):
            await system.span(reader=alone)
        both = L1Reader(
            [Endpoint(url, session, timeout_s=300) for url in (liar.url, system.node.url)],
            CHAIN_ID,
            retries=QUICK,
        )
        assert await system.span(reader=both) == truth


def elsewhere(method: str, params: Any, result: Any) -> Any:
    """Say of every log that it stands three places further on."""
    if method == "eth_getLogs":
        return [{**one, "logIndex": hex(int(one["logIndex"], 16) + 3)} for one in result]
    return result


def hushed(method: str, params: Any, result: Any) -> Any:
    """Say the same, and give no receipts that would tell."""
    return [] if method.endswith("Receipts") else elsewhere(method, params, result)


async def test_endpoint_that_says_other_log_indices_is_corrected_or_not_believed(system: Rollup) -> None:
    """DRV-067: the queue's accumulator does not hold log indices, the headers' receipts roots do."""
    sender, portal = (await system.node.call("eth_accounts"))[0], "0x" + system.contracts.portal.hex()
    await system.node.call("evm_setAutomine", False)
    for _ in range(2):
        wish = {"from": sender, "to": portal, "value": "0x1", "gas": hex(1_000_000)}
        await system.node.call("eth_sendTransaction", wish)
    await system.node.mine()
    await system.node.call("evm_setAutomine", True)
    await system.deposit(3)
    truth = await system.span()
    blocks = {block.number: block for block in truth.blocks}
    assert [one.log_index for one in truth.deposits] == [0, 1, 0]
    async with aiohttp.ClientSession() as session, proxy(system.node.url) as liar:
        alone = L1Reader([Endpoint(liar.url, session, timeout_s=300)], CHAIN_ID, retries=QUICK)
        liar.fault = elsewhere
        told = (await system.span(reader=alone)).deposits
        assert [one.log_index for one in told] == [3, 4, 3], "who only follows takes them from batches"
        places = Places(alone, system.contracts.portal)
        assert await places.prove(blocks, told) == list(truth.deposits)
        liar.fault = hushed
        assert await places.prove(blocks, told) == list(truth.deposits), "proven once"
        with pytest.raises(L1UnavailableError, match="the receipts of block"):
            await Places(alone, system.contracts.portal).prove(blocks, told)
        endpoints = [Endpoint(url, session, timeout_s=300) for url in (liar.url, system.node.url)]
        both = L1Reader(endpoints, CHAIN_ID, retries=QUICK)
        assert await Places(both, system.contracts.portal).prove(blocks, told) == list(truth.deposits)


async def test_batch_that_a_reorg_removed_is_gone_and_can_be_sent_again(system: Rollup) -> None:
    await system.node.mine(2)
    before = (await system.span()).mark
    await system.append(0)
    after = await system.span(before)
    assert len(after.batches) == 1
    await system.node.reorg(1)
    await system.node.mine(2)
    with pytest.raises(L1ReorgedError):
        await system.span(after.mark)
    assert (await system.span(before)).batches == ()
    await system.append(0)
    again = await system.span(before)
    assert [batch.header.index for batch in again.batches] == [0]


async def test_batch_sent_twice_has_effect_once(system: Rollup) -> None:
    """INB-006."""
    await system.append(0)
    sidecar = make_sidecar(bytes(131_072))
    call = contract("Inbox").call("appendBatch", 0, system.start.block.number)
    intent = Intent(system.contracts.inbox, call, Gas(200_000), sidecars=[sidecar])
    included = await system.sequencer.send(intent)
    assert included is not None
    assert not included.succeeded
    assert len((await system.span()).batches) == 1


async def test_blocks_whose_state_no_endpoint_keeps_are_read_by_what_the_contracts_keep() -> None:
    """A full node has the state of some 128 blocks: whoever begins later reads the rest as surely."""
    async with rollup("--prune-history", "4") as system:
        await system.deposit(1)
        first = await system.append(0)
        await system.deposit(2)
        await system.append(1)
        await system.node.mine(20)
        old = await system.reader.block(first.block_number)
        with pytest.raises(L1RefusedError):
            await system.reader.code(system.contracts.inbox, old)
        blocks = await system.reader.chain_between(system.start.block, old)
        span = await read_span(system.reader, system.contracts, system.start, blocks)
        assert [batch.header.index for batch in span.batches] == [0]
        assert [deposit.l1_number < first.block_number for deposit in span.deposits] == [True]
        assert (span.mark.batch_count, span.mark.deposit_count) == (1, 1)
        assert await still_holds(system.reader, system.contracts, span.mark)
        for other in (replace(span.mark, accumulator=ZERO), replace(span.mark, deposit_count=0)):
            assert not await still_holds(system.reader, system.contracts, other)
        rest = await system.span(span.mark)
        assert [batch.header.index for batch in rest.batches] == [1]
        assert (await system.span()).mark == rest.mark

        def hidden(method: str, _: Any, result: Any) -> Any:
            return [] if method == "eth_getLogs" else result

        async with proxy(system.node.url) as liar, aiohttp.ClientSession() as session:
            liar.fault = hidden
            urls = [liar.url, system.node.url, system.node.url]
            endpoints = [Endpoint(url, session, timeout_s=300) for url in urls]
            reader = L1Reader(endpoints, CHAIN_ID, retries=QUICK)
            assert await read_span(reader, system.contracts, system.start, blocks) == span
