"""What a sequencer's blocks take from a real L1, through drift, silence and reorgs (DRV-050 to DRV-054)."""

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.settlement.anvil_l1 import AnsweredError, Proxy, proxy
from tests.settlement.rollup import QUICK, Rollup, output_at, rollup, rpc
from tests.settlement.test_watch import elsewhere

from trex.chain.clock import SlotClock
from trex.chain.core import Sealed
from trex.chain.metrics import Metrics
from trex.chain.producer import Producer
from trex.settlement.contracts import contract
from trex.settlement.driver import Driver
from trex.settlement.kzg import make_sidecar
from trex.settlement.l1.transaction import Intent
from trex.settlement.positions import PositionsError
from trex.settlement.selection import OriginSelection
from trex.types.primitives import Address, Gas, Wei

PATIENCE_S = 300.0
WEI = 10**18
RECIPIENT = "0x" + "42" * 20
MAX_DRIFT_S = 1_800


class Sequencer:
    """Block production over a driver, as a node puts them together; it is its own host."""

    def __init__(self, chain: Any, driver_of: Callable[["Sequencer"], Driver], depth: int) -> None:
        self.chain = chain
        clock = SlotClock(chain.genesis_time_s, chain.block_time_ms)
        self.producer = Producer(chain, clock, Metrics(chain))
        self.driver = driver_of(self)
        self.producer.l1 = OriginSelection(self.driver, depth).view

    def paused(self) -> AbstractAsyncContextManager[None]:
        return self.producer.paused()

    def advanced(self, head: Sealed) -> None:
        pass

    def rewound(self, number: int) -> None:
        pass

    def origin(self) -> int:
        number: int = self.chain.origin(self.chain.head().number)[0]
        return number


@asynccontextmanager
async def sequencing(
    system: Rollup, path: Path, url: str | None = None, depth: int = 0
) -> AsyncIterator[Sequencer]:
    chain = system.open(path)

    def driver_of(host: Sequencer) -> Driver:
        return system.driver(chain, path, [url] if url else [], host=host, retries=QUICK)

    one = Sequencer(chain, driver_of, depth)
    tasks = [asyncio.create_task(service.run()) for service in (one.driver, one.producer)]
    try:
        yield one
    finally:
        one.producer.stop()
        one.driver.stop()
        await asyncio.gather(*tasks)
        chain.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def balance(chain: Any) -> int:
    return int(rpc(chain, "eth_getBalance", RECIPIENT, "latest"), 16)


def deposits(one: Sequencer) -> Sequence[tuple[bytes, int, bytes]]:
    view = one.producer.l1()
    assert view is not None
    return view.deposits


@pytest.fixture
async def system() -> AsyncIterator[Rollup]:
    async with rollup("--timestamp", str(int(time.time()) - 60)) as one:
        yield one


async def test_blocks_take_origins_and_deposits_and_derive_again(system: Rollup, tmp_path: Path) -> None:
    """DRV-051, DRV-053: what was built is what its batch says, log indices and all."""
    async with sequencing(system, tmp_path / "s") as one:
        await until(lambda: one.origin() > 2)
        await system.deposit(WEI)
        await system.deposit(WEI)
        await until(lambda: balance(one.chain) == 2 * WEI)
        await until(lambda: one.origin() == one.driver.position.mark.block.number)  # type: ignore[union-attr]
        one.producer.mining.slots = False
        last = one.chain.head().number
        batch = one.chain.batch(1, last, [index for _, index, _ in deposits(one)])
        await system.append(0, [make_sidecar(blob) for blob in batch], origin=one.origin())
        await until(lambda: bool(one.chain.l1_heads()[0] == last))
        assert one.driver.mismatch is None
        await until(lambda: not deposits(one))  # below the safe head nothing is due
        truth = output_at(one.chain, last)
    verifier = system.open(tmp_path / "v")
    driver = system.driver(verifier, tmp_path / "v")
    task = asyncio.create_task(driver.run())
    await until(lambda: driver.synced)
    driver.stop()
    await task
    assert output_at(verifier, last) == truth
    verifier.close()


async def test_deposits_named_by_another_log_index_are_named_right(system: Rollup, tmp_path: Path) -> None:
    """DRV-067, PTL-012: not even a sole endpoint's lie gets into a block that no batch can carry."""
    async with proxy(system.node.url) as liar:
        liar.fault = elsewhere
        async with sequencing(system, tmp_path / "s", liar.url) as one:
            await system.deposit(WEI)
            await until(lambda: balance(one.chain) == WEI)
            [deposit] = (await system.span()).deposits
            assert list(deposits(one)) == [(deposit.record, deposit.log_index, deposit.l1_hash)]
            names = [
                transaction["sourceHash"]
                for number in range(1, one.chain.head().number + 1)
                for transaction in rpc(one.chain, "eth_getBlockByNumber", hex(number), True)["transactions"]
            ]
            assert "0x" + deposit.source_hash.hex() in names


async def test_receipts_that_come_late_are_asked_for_again(system: Rollup, tmp_path: Path) -> None:
    """DRV-067: a deposit whose place no endpoint proves waits, and comes in without a further L1 block."""
    async with proxy(system.node.url) as way:
        refused = asyncio.Event()

        def silent(method: str, _: Any, result: Any) -> Any:
            if "Receipt" not in method:
                return result
            refused.set()
            raise AnsweredError(-32603, "not now")

        async with sequencing(system, tmp_path / "s", way.url) as one:
            way.fault = silent
            await system.deposit(WEI)
            await asyncio.wait_for(refused.wait(), PATIENCE_S)
            assert balance(one.chain) == 0
            way.fault = None
            await until(lambda: balance(one.chain) == WEI)


def refuse_receipts(way: Proxy) -> None:
    def silent(method: str, _: Any, result: Any) -> Any:
        if "Receipt" in method:
            raise AnsweredError(-32603, "not now")
        return result

    way.fault = silent


def receipts_come_late(way: Proxy) -> None:
    way.stall_s, way.stalls = 3.0, b"Receipt"


@pytest.mark.parametrize("begin", [refuse_receipts, receipts_come_late])
async def test_deposits_below_a_block_without_receipts_go_on(
    system: Rollup, tmp_path: Path, begin: Callable[[Proxy], None]
) -> None:
    """DRV-067: one L1 block whose receipts do not come holds up its own deposits, and none before it."""
    async with proxy(system.node.url) as way, sequencing(system, tmp_path / "s", way.url) as one:
        one.driver.places.patience_s = 0.2
        await until(lambda: one.origin() > 2)
        one.producer.mining.slots = False
        await system.deposit(WEI)
        await until(lambda: bool(deposits(one)))
        begin(way)
        full = (await system.deposit(WEI)).block_number
        await until(lambda: one.driver.unproven == full)
        view = one.producer.l1()
        assert view is not None
        assert (len(view.deposits), len(view.headers)) == (1, full - 1 - system.start.block.number)
        while one.origin() < full - 1:
            assert await one.producer.make() is not None
        assert balance(one.chain) == WEI
        way.fault = None
        await until(lambda: one.driver.unproven is None and len(deposits(one)) == 2)
        while one.origin() < full:
            assert await one.producer.make() is not None
        assert balance(one.chain) == 2 * WEI


async def test_view_of_a_driver_that_has_ended_is_refused_in_words(system: Rollup, tmp_path: Path) -> None:
    """What reads L1 for the next block beside it ends too, and leaves nothing behind."""
    async with proxy(system.node.url) as way:
        async with sequencing(system, tmp_path / "s", way.url) as one:
            await until(lambda: one.origin() > 2)
            way.stall_s, way.stalls = 600.0, b"Receipt"
            await system.deposit(WEI)
            await until(lambda: bool(one.driver.places._reading))
        assert not one.driver.places._reading
        with pytest.raises(PositionsError, match="has ended"):
            await one.driver.view(0)


async def test_chain_above_a_block_without_receipts_waits_for_them(system: Rollup, tmp_path: Path) -> None:
    """DRV-031, DRV-067: begun anew, it builds nothing before it knows what the newest origin left."""
    async with proxy(system.node.url) as way:
        async with sequencing(system, tmp_path / "s", way.url) as one:
            await system.deposit(WEI)
            await until(lambda: balance(one.chain) == WEI)
        refuse_receipts(way)
        async with sequencing(system, tmp_path / "s", way.url) as one:
            await until(lambda: one.driver.unproven is not None)
            assert one.producer.l1() is None
            way.fault = None
            await until(lambda: one.producer.l1() is not None and len(deposits(one)) == 1)


async def test_deposit_that_a_forced_header_brought_is_not_brought_again(
    system: Rollup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DRV-040, DRV-053: a block that waits for L1's is not built on what was due before them."""
    async with sequencing(system, tmp_path / "s") as one:
        await until(lambda: one.origin() > 2)
        one.producer.mining.slots = False
        bridge = bytes.fromhex(json.loads(system.text)["l1"]["contracts"]["l1StandardBridge"][2:])
        call = contract("L1StandardBridge").call("depositETHTo", bytes.fromhex(RECIPIENT[2:]), 200_000, b"")
        await system.sent(system.user, Intent(Address(bridge), call, Gas(1_000_000), Wei(WEI)))
        await until(lambda: bool(deposits(one)))
        assert deposits(one)[0][1] > 0, "events of the bridge stand before it: an empty header counts from 0"
        tell, waiting = one.driver._tell, []

        def told(*what: Any) -> None:
            waiting.append(asyncio.create_task(one.producer.make()))
            tell(*what)

        monkeypatch.setattr(one.driver, "_tell", told)
        await system.silence()
        await system.force()
        await until(lambda: bool(waiting) and all(task.done() for task in waiting))
        await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: one.producer.l1() is not None)
        assert await one.producer.make() is not None, "blocks go on by themselves"
        await until(lambda: one.producer.l1() is not None and not deposits(one))
        minted = [
            transaction
            for number in range(1, one.chain.head().number + 1)
            for transaction in rpc(one.chain, "eth_getBlockByNumber", hex(number), True)["transactions"]
            if int(transaction["value"], 16) == WEI
        ]
        assert len(minted) == 1


async def test_origin_stays_a_depth_below_l1(system: Rollup, tmp_path: Path) -> None:
    async with sequencing(system, tmp_path / "s", depth=4) as one:
        head = await system.head()
        await until(lambda: one.origin() == head - 4)
        await system.deposit(WEI)
        await system.node.mine(3)
        await until(lambda: one.origin() == head)
        assert balance(one.chain) == 0, "the deposit is not deep enough yet"
        await system.node.mine()
        await until(lambda: balance(one.chain) == WEI)


async def test_l1_away_blocks_go_on_until_drift_then_wait(system: Rollup, tmp_path: Path) -> None:
    """DRV-052: and go on by themselves, with nothing dropped, when L1 is back."""
    async with proxy(system.node.url) as way:
        async with sequencing(system, tmp_path / "s", way.url) as one:
            await until(lambda: one.chain.head().number > 0)
            way.status = 503
            await until(lambda: one.driver.trouble is not None)
            await system.deposit(WEI)
            before = one.chain.head().number
            await until(lambda: bool(one.chain.head().number >= before + 2))
            assert one.producer.waits is None
            one.producer.clock.offset_ms += MAX_DRIFT_S * 1000
            await until(lambda: one.producer.waits is not None)
            stopped = one.chain.head().number
            await asyncio.sleep(1)
            assert one.chain.head().number == stopped
            await system.node.call("evm_increaseTime", MAX_DRIFT_S)
            await system.node.mine()
            way.status = 200
            await until(lambda: balance(one.chain) == WEI and one.producer.waits is None)
        # Started while L1 is away, it builds nothing: what is due is not known.
        way.status = 503
        async with sequencing(system, tmp_path / "s", way.url) as one:
            one.producer.clock.offset_ms += MAX_DRIFT_S * 1000
            before = one.chain.head().number
            await until(lambda: one.producer.waits is not None)
            assert one.chain.head().number == before
            way.status = 200
            await until(lambda: bool(one.chain.head().number > before))


@pytest.mark.parametrize("depth", [1, 12])
async def test_reorg_below_the_origin_undoes_blocks_and_their_deposits_come_again(
    system: Rollup, tmp_path: Path, depth: int
) -> None:
    """DRV-050, DRV-064: a deposit that L1 has again elsewhere is on the chain once."""
    async with sequencing(system, tmp_path / "s") as one:
        await system.node.mine(12)
        await system.deposit(WEI)
        await until(lambda: balance(one.chain) == WEI)
        await system.node.reorg(depth)
        await until(lambda: balance(one.chain) == 0)
        await system.node.mine()
        await system.deposit(WEI)
        await until(lambda: balance(one.chain) == WEI)
        await system.node.mine(2)
        head = await system.head()
        await until(lambda: one.origin() == head)
        assert balance(one.chain) == WEI
        assert len(deposits(one)) == 1


async def test_reorg_to_a_lower_l1_undoes_blocks_with_origins_that_are_gone(
    system: Rollup, tmp_path: Path
) -> None:
    """DRV-064: an origin that L1 is too low for says nothing of those below it."""
    async with sequencing(system, tmp_path / "s") as one:
        for _ in range(5):
            await system.node.mine()
            head = await system.head()
            await until(functools.partial(lambda number: one.origin() == number, head))
        await system.node.call("anvil_rollback", 4)
        await system.node.call("evm_increaseTime", 1)
        await system.node.mine()
        await until(lambda: one.origin() <= head - 3)


async def test_verifier_asks_for_no_receipts(system: Rollup, tmp_path: Path) -> None:
    """DRV-067: however many L1 blocks have deposits."""
    await system.deposit(WEI)
    await system.deposit(WEI)
    async with proxy(system.node.url) as way:
        verifier = system.open(tmp_path / "v")
        driver = system.driver(verifier, tmp_path / "v", [way.url])
        task = asyncio.create_task(driver.run())
        await until(lambda: driver.synced)
        driver.stop()
        await task
        verifier.close()
        assert "eth_getLogs" in way.asked
        assert not [method for method in way.asked if "Receipt" in method]
