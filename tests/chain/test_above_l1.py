"""Block production and development methods where an L1 has a say."""

import asyncio

import pytest
from tests.chain.conftest import PATIENCE_S, Client, Start, until
from tests.chain.small_chain import SmallChain

from trex.chain.core import L1View
from trex.chain.dev.methods import DevMethods
from trex.types.errors import CoreError

STRANGER = "0x" + "55" * 20


class Clock:
    """An L1 that remembers which times it was asked to reach, and by what it was left."""

    def __init__(self, dev: DevMethods) -> None:
        self.dev = dev
        self.reached: list[tuple[int, bool]] = []
        self.left: list[str] = []

    async def reach(self, timestamp_s: int, *, gradually: bool = False) -> None:
        self.reached.append((timestamp_s, gradually))

    async def leave(self, method: str) -> None:
        self.left.append(method)
        self.dev.l1 = None


@pytest.fixture
def clock(dev: Client) -> Clock:
    assert dev.node.dev is not None
    dev.node.dev.l1 = clock = Clock(dev.node.dev)
    return clock


async def test_no_block_before_l1_is_known_and_transactions_wait(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    chain = SmallChain()
    client = await start(chain)
    producer = client.node.producer
    producer.l1 = lambda: None
    async with producer.paused():  # none is in the making any more
        made = len(chain.builds)
    await client.call("eth_sendRawTransaction", "0x01")
    await until(lambda: producer.waits is not None, PATIENCE_S)
    await asyncio.sleep(0.5)
    assert len(chain.builds) == made
    async with client.http.get(client.url + "/health") as answer:
        assert answer.status == 200, "it passes by itself"
        assert "what L1 has is not known yet" in (await answer.json())["waits"]
    assert caplog.text.count("no blocks until L1 is followed again") == 1
    producer.l1 = L1View
    await until(lambda: len(chain.pool) == 0 and producer.waits is None, PATIENCE_S)
    assert "blocks are made again" in caplog.text


@pytest.mark.parametrize("code", ["origin_time", "l1_reorg"])
async def test_what_l1_forbids_is_tried_again_and_is_no_fault(start: Start, code: str) -> None:
    chain = SmallChain()
    client = await start(chain)
    chain.build_error = CoreError(code, "too far after its origin")
    await client.call("eth_sendRawTransaction", "0x01")
    await until(lambda: client.node.producer.waits is not None, PATIENCE_S)
    assert client.node.producer.fault is None
    chain.build_error = None
    await until(lambda: client.node.producer.waits is None, PATIENCE_S)


async def test_deposits_ask_for_a_block_without_waiting_for_the_idle_limit(start: Start) -> None:
    chain = SmallChain()
    chain.max_idle_ms = 3_600_000
    client = await start(chain)
    asked: list[int] = []
    build = chain.build

    def counted(slot: int, **more: object) -> object:
        asked.append(len(more["deposits"]))  # type: ignore[arg-type]
        return build(slot, **more)  # type: ignore[arg-type]

    chain.build = counted  # type: ignore[assignment, method-assign]
    client.node.producer.l1 = lambda: L1View(deposits=[(b"record", 0, bytes(32))])
    await until(lambda: 1 in asked, PATIENCE_S)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("anvil_setBalance", [STRANGER, "0x1"]),
        ("hardhat_setStorageAt", [STRANGER, "0x0", "0x" + "00" * 32]),
        ("anvil_setNonce", [STRANGER, "0x1"]),
        ("hardhat_impersonateAccount", [STRANGER]),
        ("anvil_autoImpersonateAccount", [True]),
        ("evm_snapshot", []),
        ("anvil_revert", ["0x1"]),
        ("evm_setBlockGasLimit", ["0x1c9c380"]),
    ],
)
async def test_what_l1_cannot_derive_leaves_it_first_and_once(
    dev: Client, clock: Clock, method: str, params: list[object]
) -> None:
    await dev.call(method, *params)
    await dev.call(method, *params)
    assert clock.left == [method]


async def test_l1s_time_goes_a_second_behind(dev: Client, clock: Clock) -> None:
    head = dev.node.core.head()
    await dev.call("evm_increaseTime", 1_000)
    ((reached, gradually),) = clock.reached
    assert reached >= head.timestamp + 999
    assert not gradually
    stamp = head.timestamp + 5_000
    await dev.call("evm_setNextBlockTimestamp", stamp)
    assert clock.reached[-1] == (stamp - 1, False)
    await dev.call("evm_mine")
    assert dev.node.core.head().timestamp == stamp
    await dev.call("hardhat_mine", "0x3", "0x64")
    assert clock.reached[-1][0] >= stamp + 199
    assert clock.reached[-1][1], "blocks on the way need origins on the way"
