"""The batcher where L1 goes back, lies, stalls or is dear, its account is used elsewhere, or it is killed."""

import asyncio
import itertools
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
from tests.e2e.network import free_port
from tests.settlement.anvil_l1 import ALL_STATES, CHAIN_ID, KEYS, Proxy, proxy
from tests.settlement.process import command
from tests.settlement.sequencing import (
    PRICING,
    QUICK,
    RECIPIENT,
    TIMING,
    WAIT_S,
    Sequencing,
    later,
    sequencing,
    until,
)

from trex.rpc.endpoint import Endpoint
from trex.settlement.carrier import BatchCarrier
from trex.settlement.contracts import contract
from trex.settlement.l1.errors import L1Error
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Included, Sender, always
from trex.settlement.l1.transaction import Fees, Intent, account_of, sign
from trex.settlement.posting import Policy
from trex.types.primitives import Address, Gas, Wei

ELSEWHERE = Address(b"\x77" * 20)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Sequencing]:
    async with sequencing(tmp_path) as one:
        yield one


@asynccontextmanager
async def three_endpoints(system: Sequencing, **options: Any) -> AsyncIterator[tuple[L1Reader, Proxy]]:
    """L1 by two honest endpoints and one that does what it is told to."""
    async with proxy(system.l1.url) as liar, proxy(system.l1.url) as honest:
        urls = (liar.url, system.l1.url, honest.url)
        endpoints = [Endpoint(url, system.session, **{"timeout_s": 300.0, **options}) for url in urls]
        yield L1Reader(endpoints, CHAIN_ID, retries=QUICK), liar


# L1 goes back.


async def reorged(system: Sequencing, depths: list[int], chance: random.Random) -> None:
    """Post, reorganise L1, and go on, for each depth; L1 must have everything in the end."""
    await system.l1.mine(max(depths) + 2)
    await system.followed()
    batcher = system.batcher()
    for depth in depths:
        for _ in range(chance.randrange(1, 4)):
            await system.block(chance.randrange(3))
            if chance.random() < 0.3:
                await system.deposit()
                await system.followed()
            if chance.random() < 0.7:
                await attempt(batcher.step)
        await system.l1.reorg(depth)
        # Sometimes before the node has noticed, sometimes after.
        if chance.random() < 0.5:
            await attempt(batcher.step)
        await system.followed()
    await system.block(0)
    await system.post_all(batcher)
    back = await system.all_on_l1()
    assert await system.balance(b"\x42" * 20) == 5 * back.deposits, "those that L1 still has, each once"


async def attempt(act: Callable[[], Any]) -> None:
    """Do what may be impossible at this moment."""
    try:
        await act()
    except L1Error:
        await asyncio.sleep(0.05)


async def test_batches_that_a_reorg_dropped_are_posted_anew(system: Sequencing) -> None:
    """PST-003."""
    await reorged(system, [1, 3, 2, 17], random.Random(7))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
async def test_reorgs_of_1_to_64_blocks(tmp_path: Path, seed: int) -> None:
    """PST-003."""
    chance = random.Random(seed)
    depths = list(range(1, 65))
    chance.shuffle(depths)
    async with sequencing(tmp_path, anvil_options=ALL_STATES) as system:
        await reorged(system, depths, chance)


class UnderWay:
    """A carrier under whose append L1 goes back, unnoticed by who asks whether it is still wanted."""

    def __init__(self, carrier: BatchCarrier, go_back: Callable[[], Awaitable[None]]) -> None:
        self.carrier, self.go_back = carrier, go_back

    async def price_wei(self) -> Wei:
        return await self.carrier.price_wei()

    async def append(self, *arguments: Any, **options: Any) -> Included | None:
        await self.go_back()
        return await self.carrier.append(*arguments, **{**options, "wanted": always})


async def test_batch_whose_origin_goes_while_it_is_under_way_is_not_taken_for_its_blocks(
    system: Sequencing,
) -> None:
    """PST-001: the inbox then leads to blocks of another origin, which only the node can tell."""
    await system.l1.mine(5)
    await system.followed()
    await system.block(2)
    batcher = system.batcher()
    truth = batcher.carrier

    async def go_back() -> None:
        await system.l1.call("anvil_setCoinbase", "0x" + "77" * 20)  # or the new blocks might be the old ones
        await system.l1.reorg(4)
        await system.l1.mine(1)

    batcher.carrier = UnderWay(truth, go_back)
    assert await batcher.step() is not None
    assert not batcher.backlog._led_to
    batcher.carrier = truth
    await system.followed()
    await system.block(1)
    await system.post_all(batcher)
    # What was posted names another parent's origin: it reads as empty, and nothing of it is lost.
    await system.all_on_l1("parent", "origin", "deposit_count", "no_data", "drift")


# L1 lies.


def liar_of(kind: str) -> Callable[[str, Any, Any], Any]:
    """What a lying endpoint says."""

    def lie(method: str, params: Any, result: Any) -> Any:
        if kind == "calls" and method == "eth_call" and result != "0x":
            return "0x" + f"{int(result[2:] or '0', 16) + 1:064x}"[-64:] if len(result) == 66 else result
        if kind == "nonces" and method == "eth_getTransactionCount":
            return "0x3e8"
        if kind == "prices" and method in {"eth_blobBaseFee", "eth_maxPriorityFeePerGas"}:
            return hex(10**15)
        if kind == "receipts" and method == "eth_getTransactionReceipt":
            return None if result is not None else {"status": "0x1"}
        if kind == "failures" and method == "eth_getTransactionReceipt" and result is not None:
            return {**result, "status": "0x0"}
        if kind == "heads" and method == "eth_getBlockByNumber" and params[0] in {"latest", "safe"}:
            return {**result, "number": hex(int(result["number"], 16) + 50)}
        if kind == "nonsense" and method != "eth_sendRawTransaction":
            return {"zz": method}
        if kind == "sending" and method == "eth_sendRawTransaction":
            return "0x" + "11" * 32
        return result

    return lie


LIES = ("calls", "nonces", "prices", "receipts", "failures", "heads", "nonsense", "sending")


async def test_lying_endpoint_changes_nothing(system: Sequencing) -> None:
    """PST-032."""
    async with three_endpoints(system) as (reader, liar):
        batcher = system.batcher(reader=reader)
        for lie in LIES:
            liar.fault = liar_of(lie)
            first = await system.block(2)
            posted = await batcher.step()
            assert posted is not None, lie
            assert (posted.first, posted.last) == (first, first), lie
            assert posted.cost.cost_wei < 10**16, "one endpoint's price is not paid"
        await system.followed()
        assert len((await system.all_on_l1()).outcomes) == len(LIES)


async def test_endpoint_that_stalls_or_fails_holds_nothing_up(system: Sequencing) -> None:
    async with three_endpoints(system, timeout_s=3.0) as (reader, broken):
        batcher = system.batcher(reader=reader)
        for stall_s, status in ((0.0, 503), (30.0, 200), (0.3, 200)):
            broken.stall_s, broken.status = stall_s, status
            await system.block(1)
            await system.post_all(batcher)
        await system.all_on_l1()


async def test_l1_that_is_gone_for_a_while_is_waited_for(system: Sequencing) -> None:
    async with proxy(system.l1.url) as only:
        reader = L1Reader([Endpoint(only.url, system.session, timeout_s=300)], CHAIN_ID, retries=QUICK)
        batcher = system.batcher(reader=reader)
        stop = asyncio.Event()
        running = asyncio.create_task(batcher.run(stop))
        only.status = 503
        await system.block(3)
        await until(lambda: batcher.state.trouble is not None)
        only.status = 200
        await until(lambda: batcher.state.posted == 1 and batcher.state.trouble is None)
        stop.set()
        await asyncio.wait_for(running, WAIT_S)
    await system.all_on_l1()


# L1 is dear.


async def test_batcher_waits_when_blobs_are_dear_but_not_for_ever(system: Sequencing) -> None:
    """PST-021, PST-022."""
    price, moment = 10**12, later()

    def dear(method: str, _: Any, result: Any) -> Any:
        return hex(price) if method == "eth_blobBaseFee" else result

    async with proxy(system.l1.url) as market:
        market.fault = dear
        reader = L1Reader([Endpoint(market.url, system.session, timeout_s=300)], CHAIN_ID, retries=QUICK)
        policy = Policy(
            target_age_s=0.0, max_age_s=20_000.0, usual_blob_fee_wei=Wei(10**9), patience_s=1000.0
        )
        batcher = system.batcher(policy, reader, now=lambda: moment)
        await system.block(1)
        assert await batcher.step() is None
        assert batcher.state.why == "dear"
        price = 10**9
        posted = await batcher.step()
        assert posted is not None, "cheap again"
        price = 10**12
        await system.block(1)
        assert await batcher.step() is None
        moment += 10_000  # 2 ** 10 times the usual price is accepted by now
        assert await batcher.step() is not None
        price = 10**30
        await system.block(1)
        assert await batcher.step() is None
        moment += 20_000
        assert await batcher.step() is not None, "at the greatest age the price does not matter"
    await system.followed()
    await system.all_on_l1()


def options_of(system: Sequencing, l1_url: str) -> tuple[str, ...]:
    """What a batcher in its own process is told of a system."""
    network, key = system.folder / "network.json", system.folder / "key"
    network.write_bytes(system.text)
    key.write_text(KEYS[1].hex())
    return "--network", str(network), "--l1", l1_url, "--node", system.url, "--key", str(key)


async def test_highest_blob_fee_holds_at_the_greatest_age_too(system: Sequencing) -> None:
    """PST-022: it is not passed; what was offered waits until L1 is no dearer."""
    await system.l1.call("evm_setAutomine", False)
    await system.block(1)
    limits = ("--max-blob-fee", "7", "--target-age", "0", "--max-age", "0", "--replace-after", "0.5")
    async with proxy(system.l1.url) as market:
        market.fault = lambda method, _, result: hex(10**12) if method == "eth_blobBaseFee" else result
        process = await asyncio.create_subprocess_exec(
            *command("batcher", "run", *options_of(system, market.url), *limits, "--poll", "0.2"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=sys.stderr,
        )
        try:
            waiting: list[dict[str, str]] = []
            async with asyncio.timeout(WAIT_S):
                while not waiting:
                    await asyncio.sleep(2.0)  # time to offer more, if it did
                    content = await system.l1.call("txpool_content")
                    waiting = [one for nonces in content["pending"].values() for one in nonces.values()]
            assert [int(one["maxFeePerBlobGas"], 16) for one in waiting] == [7 * 10**9]
        finally:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), WAIT_S) == 0
    await system.l1.mine()
    await system.followed()
    await system.all_on_l1()


async def test_replacement_offers_double_and_is_included_once(system: Sequencing) -> None:
    """PST-030."""
    await system.l1.call("evm_setAutomine", False)
    batcher = system.batcher(pricing=replace(PRICING, longest_wait_s=1.0))
    await system.block(1)
    posting = asyncio.create_task(batcher.step())
    seen: list[int] = []
    async with asyncio.timeout(WAIT_S):
        while len(seen) < 3:
            content = await system.l1.call("txpool_content")
            waiting = [one for nonces in content["pending"].values() for one in nonces.values()]
            for one in waiting:
                fee = int(one["maxFeePerBlobGas"], 16)
                if fee not in seen:
                    seen.append(fee)
            assert len(waiting) <= 1
            await asyncio.sleep(0.1)
        assert all(dearer >= 2 * fee for fee, dearer in itertools.pairwise(seen))
        await system.l1.mine()
        posted = await posting
    assert posted is not None
    await system.l1.mine()
    await system.followed()
    assert len((await system.all_on_l1()).outcomes) == 1


# The account is used elsewhere.


async def test_account_used_elsewhere_costs_time_only(system: Sequencing) -> None:
    """PST-031."""
    account = account_of(KEYS[1])
    other = Sender(system.reader, account, pricing=PRICING)
    stop = asyncio.Event()

    async def use() -> None:
        while not stop.is_set():
            await attempt(lambda: other.send(Intent(ELSEWHERE, b"", Gas(21_000), Wei(1))))

    using = asyncio.create_task(use())
    batcher = system.batcher()
    for _ in range(5):
        await system.block(2)
        await attempt(batcher.step)
    stop.set()
    await using
    # A transaction with the same nonce lies in the pool and is dearer; one with a gap never comes.
    await system.l1.call("evm_setAutomine", False)
    nonce = int(await system.l1.call("eth_getTransactionCount", account.address, "latest"), 16)
    for which, fee in ((nonce, 10**11), (nonce + 7, 10**10)):
        foreign = sign(
            Intent(ELSEWHERE, b"", Gas(21_000)), account, CHAIN_ID, which, Fees(Wei(fee), Wei(fee))
        )
        await system.l1.call("eth_sendRawTransaction", "0x" + foreign.raw.hex())
    await system.block(1)
    posting = asyncio.create_task(system.post_all(batcher))
    await asyncio.sleep(0.5)
    await system.l1.call("evm_setAutomine", True)
    await system.l1.mine()
    await posting
    await system.all_on_l1()


async def test_header_that_is_forced_in_between_skips_nothing(tmp_path: Path) -> None:
    """PST-004, INB-024: a header forced in before a batch makes it read as empty; the chain goes on."""
    async with sequencing(tmp_path, timing=replace(TIMING, silence_s=60)) as system:
        batcher = system.batcher()
        await system.block(1)
        await system.post_all(batcher)
        await system.block(2)
        await system.l1.call("evm_increaseTime", 100)
        await system.l1.mine()
        head = int(await system.l1.call("eth_blockNumber"), 16)
        call = contract("Inbox").call("forceInclude", head)
        forced = await system.user.send(Intent(system.contracts.inbox, call, Gas(200_000)))
        assert forced is not None
        assert forced.succeeded
        await system.followed()
        await system.block(1)
        await system.post_all(batcher)
        back = await system.all_on_l1("no_data", "parent")
        assert back.outcomes.count("no_data") == 1


async def test_blocks_outside_every_window_are_given_up_and_the_chain_goes_on(tmp_path: Path) -> None:
    """PST-023."""
    timing = replace(TIMING, max_origin_lag_l1_blocks=20, timelock_delay_s=100_000)
    async with sequencing(tmp_path, timing=timing, extra={"sequencingWindowS": 10}) as system:
        batcher = system.batcher()
        await system.block(2)
        lost = system.chain.head().hash
        await system.l1.mine(60)
        await system.followed()
        await batcher.step()
        await system.followed()
        assert system.chain.head().hash != lost
        # Its transactions came back to the mempool, and go into a block that can be posted.
        await system.block(0)
        await system.post_all(batcher)
        back = await system.all_on_l1("blob_encoding")
        assert back.outcomes[0] == "blob_encoding"
        assert await system.balance(RECIPIENT) == 1 + 2


# It is killed.


async def killed_at_random(system: Sequencing, kills: int, chance: random.Random) -> None:
    """Kill a batcher in its own process again and again while blocks are made; then let it finish."""
    where = options_of(system, system.l1.url)
    await system.l1.call("evm_setIntervalMining", 1)
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            await system.block(chance.randrange(1, 20))
            await asyncio.sleep(chance.uniform(0.05, 0.5))

    loading = asyncio.create_task(load())
    port = free_port()
    pace = ("--target-age", "0", "--poll", "0.2", "--replace-after", "4")
    options = (*pace, "--log-level", "warning", "--metrics-port", str(port), "--log-json")
    for life in range(kills + 1):
        process = await asyncio.create_subprocess_exec(
            *command("batcher", "run", *where, *options), stdin=DEVNULL, stdout=DEVNULL, stderr=sys.stderr
        )
        try:
            if life < kills:
                # From before it has begun to after it has posted.
                await asyncio.sleep(chance.uniform(1.5, 9.0))
                process.kill()
                assert await process.wait() == -9
                continue
            stop.set()
            await loading
            await system.block(1)  # which only this life can post: when it has, it listens
            await until(lambda: system.chain.l1_heads()[0] == system.chain.head().number)
            async with system.session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                told = await answer.text()
            for name in ("waiting_blocks", "replaced", "l1_disagreements", "last_cost_wei"):
                assert f"trex_batcher_{name} " in told
            async with system.session.get(f"http://127.0.0.1:{port}/health") as answer:
                health = await answer.json()
                assert answer.status == (200 if health["trouble"] is None else 503)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), WAIT_S) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    await system.l1.call("evm_setIntervalMining", 0)
    await system.followed()
    back = await system.all_on_l1()
    assert len(back.outcomes) >= 1


async def test_killed_at_random_moments_posts_each_block_once(system: Sequencing) -> None:
    """PST-001, PST-002."""
    await killed_at_random(system, 3, random.Random(11))


@pytest.mark.long
async def test_killed_forty_times_posts_each_block_once(system: Sequencing) -> None:
    await killed_at_random(system, 40, random.Random(12))


async def test_two_batchers_with_one_key_post_each_block_once(system: Sequencing) -> None:
    """PST-002: of two batches for one place one has effect."""
    batchers = [system.batcher(), system.batcher()]
    for _ in range(4):
        await system.block(2)
        await asyncio.gather(*(attempt(batcher.step) for batcher in batchers))
        await system.followed()
    await system.post_all(batchers[0])
    await system.all_on_l1()
