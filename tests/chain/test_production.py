"""Blocks: when they are made, and what happens when they cannot be."""

import asyncio
import time
from itertools import count, pairwise
from typing import Any

import pytest
from tests.chain.conftest import PATIENCE_S, Client, Start, until
from tests.chain.small_chain import SmallChain, SmallHead, sha

from trex.chain.clock import SlotClock
from trex.types.errors import CoreError


def test_clock_counts_slots_and_seconds() -> None:
    now = [1_000_000.0]
    clock = SlotClock(1_000_000, 200, lambda: int(now[0] * 1e9))
    assert clock.slot() == 0
    now[0] += 1.05
    assert clock.slot() == 5
    assert clock.until_next_s() == pytest.approx(0.15)
    assert clock.timestamp(4) == 1_000_000
    assert clock.timestamp(5) == 1_000_001
    assert clock.first_slot_at(1_000_001) == 5
    clock.set_now(2_000_000)
    assert clock.timestamp(clock.slot()) == 2_000_000
    now[0] += 1
    assert clock.timestamp(clock.slot()) == 2_000_001


def test_clock_before_genesis_stands_at_slot_zero() -> None:
    assert SlotClock(2_000_000, 200, lambda: int(1e15)).slot() == 0


async def test_block_follows_transaction(client: Client) -> None:
    receipt = await client.call("eth_sendRawTransactionSync", "0xabcd", 30_000)
    assert receipt["transactionHash"] == sha(bytes.fromhex("abcd"))


async def test_no_transactions_no_block_until_idle_limit(start: Start) -> None:
    chain = SmallChain()
    chain.max_idle_ms = 600
    await start(chain)

    def gaps() -> list[int]:
        return [after - before for before, after in pairwise(chain.builds)]

    # The chain begins long after genesis: one block at once. The next ones come when the limit is reached, at
    # the very slot where the machine is not busy, and never before.
    await until(lambda: gaps().count(3) >= 2)
    assert min(gaps()) == 3


async def test_slots_rise_and_never_overlap_under_load(start: Start) -> None:
    chain = SmallChain(block_time_ms=50)
    client = await start(chain)
    async with asyncio.timeout(PATIENCE_S):
        for i in count(1):
            await client.call("eth_sendRawTransaction", f"0x{i:04x}")
            await asyncio.sleep(0.01)
            if i >= 40 and len(chain.builds) >= 5:
                break
    assert chain.builds == sorted(set(chain.builds))


async def test_block_that_outlasts_its_slot_is_followed_at_once(start: Start) -> None:
    chain = SmallChain()
    client = await start(chain)
    make = chain.build

    def slow(slot: int, **options: Any) -> SmallHead | None:
        time.sleep(0.25)  # a slot and a quarter
        head = make(slot, **options)
        chain.submit(["0x01"])
        return head

    chain.build = slow  # type: ignore[method-assign]
    await client.call("eth_sendRawTransaction", "0x01")
    # Waiting for the next slot after each would leave one out every time.
    await until(lambda: 1 in {after - before for before, after in pairwise(chain.builds)})


async def test_sync_send_times_out_with_hash(start: Start) -> None:
    client = await start(dev=True)
    await client.by_hand()
    for timeout in (50, "0x32"):
        error = await client.error("eth_sendRawTransactionSync", "0xabcd", timeout)
        assert error["code"] == 4
        assert error["data"] == sha(bytes.fromhex("abcd"))
        assert "50 ms" in error["message"]


async def test_sync_send_names_missing_nonce(dev: Client) -> None:
    await dev.by_hand()
    error = await dev.error("eth_sendRawTransactionSync", "0x6a70")
    assert error["code"] == 6
    assert error["data"] == "0x0"


async def test_sync_send_refusal_is_passed_on(client: Client) -> None:
    assert (await client.error("eth_sendRawTransactionSync", "0x"))["code"] == -32000
    assert (await client.error("eth_sendRawTransactionSync"))["code"] == -32602


@pytest.mark.parametrize("code", ["store_disk_full", "store_corrupt", "store_io", "pool_journal"])
async def test_store_fault_stops_production_and_reads_go_on(start: Start, code: str) -> None:
    chain = SmallChain()
    client = await start(chain)
    chain.build_error = CoreError(code, "no space left on device")
    await client.call("eth_sendRawTransaction", "0x01")
    await until(lambda: client.node.producer.fault is not None)
    async with client.http.get(client.url + "/health") as answer:
        assert answer.status == 503
        report = await answer.json()
    assert code in report["faults"]["production"]
    made = len(chain.builds)
    chain.build_error = None
    await asyncio.sleep(0.5)
    assert len(chain.builds) == made
    assert await client.call("eth_blockNumber") == hex(chain.head().number)


async def test_passing_error_does_not_stop_production(start: Start) -> None:
    chain = SmallChain()
    client = await start(chain)
    chain.build_error = CoreError("internal", "once")
    await client.call("eth_sendRawTransaction", "0x01")
    await asyncio.sleep(0.3)
    chain.build_error = None
    assert (await client.call("eth_sendRawTransactionSync", "0x02", 30_000))["status"] == "0x1"


@pytest.mark.parametrize("error", [RuntimeError("deaf"), CoreError("internal", "deaf")])
async def test_fault_of_who_is_told_is_not_the_senders(
    dev: Client, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """The transaction is in and in a block: its sender gets the hash, others are told, and it is logged."""

    def deaf(*_: object) -> None:
        raise error

    told: list[int] = []
    transactions, producer = dev.node.transactions, dev.node.producer
    transactions.after.insert(0, deaf)
    producer.listeners.insert(0, deaf)
    producer.listeners.append(lambda sealed: told.append(sealed.number))
    await dev.call("evm_setAutomine", True)
    assert await dev.call("eth_sendRawTransaction", "0x01") == sha(b"\x01")
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x02"]}]
    assert (await dev.send(batch))[0]["result"] == sha(b"\x02")
    head = dev.chain.head().number
    assert told[-1] == head
    logged = {record.getMessage() for record in caplog.records if record.exc_info}
    assert {"telling of new transactions failed", f"telling of block {head} failed"} <= logged


async def test_block_that_fails_at_once_is_not_the_senders_fault(dev: Client) -> None:
    await dev.call("evm_setAutomine", True)
    dev.chain.build_error = CoreError("store_io", "no space left on device")
    assert await dev.call("eth_sendRawTransaction", "0x01") == sha(b"\x01")
    assert dev.node.producer.fault is not None


async def test_many_wait_for_one_block(dev: Client) -> None:
    await dev.by_hand()
    waiting = [
        asyncio.create_task(dev.call("eth_sendRawTransactionSync", f"0x{i + 1:04x}", 30_000))
        for i in range(90)
    ]
    await until(lambda: len(dev.chain.pool) == 90)
    await dev.call("evm_mine")
    receipts = await asyncio.gather(*waiting)
    assert {r["blockNumber"] for r in receipts} == {hex(dev.chain.head().number)}


async def test_journal_fault_stops_production(start: Start) -> None:
    chain = SmallChain()
    client = await start(chain)

    def full(_: object) -> list[str]:
        raise CoreError("pool_journal", "no space left on device")

    chain.submit = full  # type: ignore[method-assign,assignment]
    assert (await client.error("eth_sendRawTransaction", "0x01"))["code"] == -32603
    async with client.http.get(client.url + "/health") as answer:
        assert answer.status == 503
