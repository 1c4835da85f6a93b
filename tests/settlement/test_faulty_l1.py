"""L1 endpoints that lie, stall, lag and withhold, and posters who mean harm: never a wrong safe head."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.settlement.anvil_l1 import CHAIN_ID, Proxy, proxy
from tests.settlement.following import PATIENCE_S, running, synced
from tests.settlement.rollup import PATIENT, QUICK, Rollup, build, output_at, output_root_at, rollup, rpc
from tests.settlement.sequencing import sequencing
from tests.settlement.test_watch import elsewhere, hushed

from trex.chain.batches import encode_batch
from trex.rpc.endpoint import Endpoint
from trex.settlement.driver import Driver
from trex.settlement.l1.reader import L1Reader, Retries

if TYPE_CHECKING:
    from trex.settlement.kzg import Sidecar

QUICK_TIMEOUT_S = 1.5
"""Of endpoints in tests that have them stall."""
BRIEF = Retries(budget_s=0.2, first_wait_s=0.02)
"""Of a driver that has nobody else to ask: what it does then is to be seen, not how long it tries."""
LATE_S = 0.2
"""How long an answer takes that is late, and still an answer."""


@pytest.fixture
async def system() -> AsyncIterator[Rollup]:
    async with rollup() as one:
        yield one


def hide_events(method: str, params: Any, result: Any) -> Any:
    return [] if method == "eth_getLogs" else result


def invent_events(method: str, params: Any, result: Any) -> Any:
    return result + result[-1:] if method == "eth_getLogs" else result


def alter_headers(method: str, params: Any, result: Any) -> Any:
    if method.startswith("eth_getBlock") and result is not None:
        result["timestamp"] = hex(int(result["timestamp"], 16) + 1)
    return result


def deny_blocks(method: str, params: Any, result: Any) -> Any:
    return None if method.startswith("eth_getBlock") else result


def nonsense(method: str, params: Any, result: Any) -> Any:
    return {"a": [1]}


class AnyType:
    """Answers by each type that JSON has, one after another, whole or in every field."""

    def __init__(self) -> None:
        self.values: Iterator[Any] = cycle([7, None, [], True, {}, -1.5, "", "0x", "-0x1", "0x" + "ff" * 40])

    def __call__(self, method: str, params: Any, result: Any) -> Any:
        value = next(self.values)
        if isinstance(result, dict) and value in (7, True):
            return dict.fromkeys(result, value)
        if isinstance(result, list) and value == 7:
            return [dict.fromkeys(one, value) for one in result]
        return value


def claim_huge_lengths(method: str, params: Any, result: Any) -> Any:
    """Say of events' data that it is longer than anything."""
    huge = f"0x{32:064x}{2**255:064x}"
    return [{**one, "data": huge} for one in result] if method == "eth_getLogs" else result


def forget_everything(method: str, params: Any, result: Any) -> Any:
    """Tell of contracts without any batch or deposit, and leave the events out: alone, it is believed."""
    if method == "eth_getLogs":
        return []
    return "0x" + "00" * 64 if method == "eth_call" else result


def lose_blobs(method: str, params: Any, result: Any) -> Any:
    return {"data": []} if "/blob" in method else result


class MistakenBlobs:
    """Says of blobs what is no list, and in lists what is no blob."""

    def __init__(self) -> None:
        self.values: Iterator[Any] = cycle(
            [{}, 5, True, "0x", [5], [None], [{"blob": 5}], [{"kzg_commitment": []}]]
        )

    def __call__(self, method: str, params: Any, result: Any) -> Any:
        return {"data": next(self.values)} if "/blob" in method else result


def swap_blobs(method: str, params: Any, result: Any) -> Any:
    if "/blob" in method:
        result["data"] = ["0x" + "01" * 131_072 for _ in result["data"]]
    return result


class WanderingHead:
    """Takes, at every second question for L1's heads, blocks for them that are five below."""

    def __init__(self) -> None:
        self.newest, self.asked, self.went_back = 0, 0, 0

    def question(self, method: str, params: Any) -> Any:
        if method != "eth_getBlockByNumber" or params[0] not in {"latest", "safe", "finalized"}:
            return params
        self.asked += params[0] == "latest"
        if self.asked % 2 or self.newest < 6:
            return params
        self.went_back += 1
        return [hex(self.newest - 5), *params[1:]]

    def answer(self, method: str, params: Any, result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[0] == "latest":
            self.newest = int(result["number"], 16)
        return result

    def __call__(self, liar: Proxy) -> None:
        liar.fault, liar.question = self.answer, self.question


def answer_late(liar: Proxy) -> None:
    liar.stall_s = LATE_S


def stall(liar: Proxy) -> None:
    liar.stall_s = 3 * QUICK_TIMEOUT_S


def refuse(liar: Proxy) -> None:
    liar.status = 503


def saying(fault: Callable[[str, Any, Any], Any]) -> Callable[[Proxy], None]:
    def set_(liar: Proxy) -> None:
        liar.fault = fault

    return set_


def mend(liar: Proxy) -> None:
    liar.fault, liar.question, liar.stall_s, liar.status = None, None, 0.0, 200


Begin = Callable[[Proxy], None]
FAULTS: dict[str, Begin] = {
    "hides events": saying(hide_events),
    "invents events": saying(invent_events),
    "alters headers": saying(alter_headers),
    "denies blocks": saying(deny_blocks),
    "talks nonsense": saying(nonsense),
    "mistakes types": saying(AnyType()),
    "claims huge lengths": saying(claim_huge_lengths),
    "forgets everything": saying(forget_everything),
    "loses blobs": saying(lose_blobs),
    "swaps blobs": saying(swap_blobs),
    "mistakes blobs": saying(MistakenBlobs()),
    "says other log indices": saying(elsewhere),
    "hides receipts": saying(hushed),
    "answers late": answer_late,
    "stalls": stall,
    "refuses": refuse,
}


async def turns(driver: Driver, count: int) -> None:
    """Let a driver try some times, whatever comes of it."""
    troubles = driver.metrics.troubles._value.get
    start, settled, done = troubles(), driver.settled, 0
    async with asyncio.timeout(PATIENCE_S):
        while done + troubles() - start < count:
            await asyncio.sleep(0.02)
            if driver.settled is not settled:
                settled, done = driver.settled, done + 1


class Posting:
    """What L1 gets while an endpoint is at fault: a deposit and a batch."""

    def __init__(self, system: Rollup, sequencer: Any, verifier: Any) -> None:
        self.system, self.sequencer, self.verifier = system, sequencer, verifier
        self.batches, self.deposits = 0, 0

    async def one(self) -> None:
        """Bring one of each to L1."""
        await self.system.deposit(1)
        self.deposits += 1
        first = self.sequencer.head().number + 1
        build(self.sequencer, 2)
        blobs = self.sequencer.batch(first, first + 1, [])
        await self.system.append(self.batches, blobs, origin=2)
        self.batches += 1

    def is_right(self) -> bool:
        """Tell whether the safe head is what the batches up to there say."""
        safe = self.verifier.l1_heads()[0]
        return safe <= self.sequencer.head().number and output_at(self.verifier, safe) == output_at(
            self.sequencer, safe
        )

    async def end(self, driver: Driver) -> None:
        """Let all deposits in, and see them arrive."""
        assert self.verifier.l1_heads()[0] == self.sequencer.head().number
        await self.system.silence()
        await self.system.force()
        await synced(driver, await self.system.head())
        assert rpc(self.verifier, "eth_getBalance", "0x" + "42" * 20, "safe") == hex(self.deposits)
        assert driver.mismatch is None


async def test_sole_endpoint_at_fault_stops_the_safe_head_and_no_more(system: Rollup, tmp_path: Path) -> None:
    """DRV-066: with each fault the safe head stays or is right, and afterwards all goes on without hands."""
    wandering = WanderingHead()
    faults: dict[str, Begin] = {**FAULTS, "head wanders": wandering}
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    posting = Posting(system, sequencer, verifier)
    async with proxy(system.node.url) as liar:
        driver = system.driver(verifier, tmp_path / "v", [liar.url], retries=BRIEF, timeout_s=QUICK_TIMEOUT_S)
        reached: list[int] = []
        driver.listeners.append(lambda position: reached.append(position.mark.block.number))
        async with running(driver):
            for name, begin in faults.items():
                reached.clear()
                begin(liar)
                await posting.one()
                await turns(driver, 6 if begin is wandering else 2)
                assert driver.fault is None, name
                assert posting.is_right(), name
                mend(liar)
                # Who told of no batch at all is believed alone, until what L1 has next shows it.
                await system.node.mine()
                await synced(driver, await system.head())
                assert verifier.l1_heads()[0] == sequencer.head().number, name
                assert posting.is_right(), name
                # An L1 that seems shorter for a moment takes nothing back.
                assert begin is not wandering or reached == sorted(reached)
            await posting.end(driver)
    assert wandering.went_back > 1
    for chain in (sequencer, verifier):
        chain.close()


async def test_driver_that_hears_nothing_but_nonsense_from_the_start_goes_on_by_itself(
    system: Rollup, tmp_path: Path
) -> None:
    """DRV-066: not even all endpoints together end a node; when they are well, derivation is too."""
    verifier = system.open(tmp_path / "v")
    async with proxy(system.node.url) as liar:
        liar.fault = AnyType()
        driver = system.driver(verifier, tmp_path / "v", [liar.url] * 3, retries=QUICK)
        await system.deposit(1)
        await system.silence()
        await system.force()
        async with running(driver):
            await turns(driver, 2)
            assert (driver.fault, driver.settled) == (None, None)
            assert driver.trouble is not None
            mend(liar)
            await synced(driver, await system.head())
            assert driver.trouble is None
            # The answer to a call that all agree on, and that is none: what nobody foresees does not end it.
            liar.fault = lambda method, params, result: "0x01" if method == "eth_call" else result
            await system.deposit(1)
            await turns(driver, 2)
            assert driver.trouble is not None
            assert "a fault that nobody foresaw: InsufficientDataBytes" in driver.trouble
            mend(liar)
            await system.force()
            await synced(driver, await system.head())
            assert rpc(verifier, "eth_getBalance", "0x" + "42" * 20, "safe") == hex(2)
    verifier.close()


async def test_one_endpoint_of_three_at_fault_is_outvoted(system: Rollup, tmp_path: Path) -> None:
    """DRV-066: while a majority is honest, a fault does not even cost the safe head its time."""
    faults: dict[str, Begin] = {**FAULTS, "head wanders": WanderingHead()}
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    posting = Posting(system, sequencer, verifier)
    async with proxy(system.node.url) as liar:
        urls = [liar.url, system.node.url, system.node.url]
        driver = system.driver(verifier, tmp_path / "v", urls, timeout_s=QUICK_TIMEOUT_S)
        driver.ahead.blobs.slow_s = 60.0  # the liar is asked first, however busy the machine is
        async with running(driver):
            for name, begin in faults.items():
                begin(liar)
                liar.asked.clear()
                await posting.one()
                await synced(driver, await system.head())
                assert posting.is_right(), name
                assert any("/blobs/" in one for one in liar.asked), name
                mend(liar)
            await posting.end(driver)
    for chain in (sequencer, verifier):
        chain.close()


async def test_endpoint_that_stalls_for_ever_is_not_waited_for(system: Rollup, tmp_path: Path) -> None:
    """DRV-066: longer than this test takes, for L1 and for blobs, and with the waits that a node has."""
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    posting = Posting(system, sequencer, verifier)
    async with proxy(system.node.url) as staller:
        staller.stall_s = 10 * PATIENCE_S
        urls = [staller.url, system.node.url, system.node.url]
        driver = system.driver(verifier, tmp_path / "v", urls, timeout_s=10 * PATIENCE_S)
        async with running(driver):
            for _ in range(2):
                await posting.one()
                await synced(driver, await system.head())
            assert posting.is_right()
            assert any("/blobs/" in one for one in staller.asked)
            await posting.end(driver)
    for chain in (sequencer, verifier):
        chain.close()


async def test_sequencer_with_one_endpoint_of_three_at_fault_builds_what_is_posted(tmp_path: Path) -> None:
    """DRV-066, DRV-067, PST-011: with each fault deposits arrive, and every block can be posted and is."""
    async with sequencing(tmp_path, of_three=True) as one:
        urls = (one.liar.url, one.l1.url, one.l1.url)
        endpoints = [Endpoint(url, one.session, timeout_s=QUICK_TIMEOUT_S) for url in urls]
        batcher = one.batcher(reader=L1Reader(endpoints, CHAIN_ID, retries=PATIENT))
        for name, begin in FAULTS.items():
            begin(one.liar)
            await one.deposit()
            await one.followed()
            assert await one.block(1) == one.chain.head().number, name
            await one.post_all(batcher)
            mend(one.liar)
        back = await one.all_on_l1()
        assert back.deposits == len(FAULTS)
        assert await one.balance(b"\x42" * 20) == 5 * back.deposits
        assert one.driver.mismatch is None


def field_elements(seed: int) -> bytes:
    """A blob of random bytes that L1 takes."""
    noise = random.Random(seed).randbytes(131_072)
    return b"".join(bytes([noise[at] & 0x3F]) + noise[at + 1 : at + 32] for at in range(0, 131_072, 32))


async def test_garbage_in_the_inbox_delays_nobody(system: Rollup, tmp_path: Path) -> None:
    """BAT-050, DRV-020 to DRV-024, DRV-040: each reads as empty for its reason, the rest goes on."""
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    build(sequencer, 2)
    parent = output_root_at(sequencer, 0)
    chain_id, slot_end = sequencer.chain_id, 2**62 + 5
    noise: list[bytes | Sidecar] = [field_elements(1)]
    cases: list[tuple[str, list[bytes | Sidecar]]] = [
        ("blob_encoding", [(b"\x41" + bytes(31)) * 4096]),
        ("parent", list(encode_batch(chain_id, b"\x07" * 32, [(1, 0, [])], []))),
        ("drift", list(encode_batch(chain_id, parent, [(10**6, 0, [])], []))),
        ("slot", list(encode_batch(chain_id, parent, [(slot_end, 0, [])], []))),
        ("origin", list(encode_batch(chain_id, parent, [(1, 7, [])], []))),
        ("deposit_count", list(encode_batch(chain_id, parent, [(1, 0, [])], [5]))),
    ]
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await system.append(0, noise, origin=2)
        for at, (_, blobs) in enumerate(cases, 1):
            await system.append(at, blobs, origin=2)
        await system.append(len(cases) + 1, sequencer.batch(1, 2, []), origin=2)
        await synced(driver, await system.head())
        read = [one.outcome for one in reversed(driver.batches())]
        assert read[1:] == [*(reason for reason, _ in cases), "batch"]
        assert read[0] in {"blob_encoding", "version", "truncated", "field", "not_canonical"}
        assert output_at(verifier, 2) == output_at(sequencer, 2)
        # A deposit is not held up by garbage either: the header's origin brings it in.
        await system.deposit(9)
        await system.append(len(cases) + 2, noise)
        await synced(driver, await system.head())
        assert rpc(verifier, "eth_getBalance", "0x" + "42" * 20, "safe") == hex(9)
        assert verifier.l1_heads()[0] == verifier.head().number
    for chain in (sequencer, verifier):
        chain.close()
