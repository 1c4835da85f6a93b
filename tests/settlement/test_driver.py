"""The derivation driver over a real L1 (specs/derivation.md, DRV-060 to DRV-066)."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.settlement.following import PATIENCE_S, running, synced
from tests.settlement.rollup import Rollup, build, output_at, rollup, rpc

from trex.chain.core import Sealed
from trex.settlement.derivation import FILE
from trex.settlement.host import Alone
from trex.settlement.kzg import make_sidecar
from trex.types.errors import CoreError


class Noting(Alone):
    """A host that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[int] = []
        self.gone: list[int] = []

    def advanced(self, head: Sealed) -> None:
        self.heads.append(head.number)

    def rewound(self, number: int) -> None:
        self.gone.append(number)


@pytest.fixture
async def system() -> AsyncIterator[Rollup]:
    async with rollup() as one:
        yield one


async def test_verifier_rebuilds_batches_and_deposits_from_l1_alone(system: Rollup, tmp_path: Path) -> None:
    """DRV-060."""
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    build(sequencer, 3)
    await system.append(0, sequencer.batch(1, 3, []), origin=2)
    await system.deposit(10**18)
    await system.silence()
    await system.force()
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await synced(driver, await system.head())
        assert driver.synced
        assert [(one.index, one.outcome) for one in driver.batches()] == [(1, "no_data"), (0, "batch")]
    assert output_at(verifier, 3) == output_at(sequencer, 3)
    assert verifier.head().number > 3
    assert rpc(verifier, "eth_getBalance", "0x" + "42" * 20, "latest") == hex(10**18)
    # The sequencer's own process: its blocks become safe, and what L1 forced is made on top of them.
    async with running(system.driver(sequencer, tmp_path / "s")) as driver:
        await synced(driver, await system.head())
        assert driver.mismatch is None
    assert output_at(sequencer, sequencer.head().number) == output_at(verifier, verifier.head().number)
    assert sequencer.l1_heads() == verifier.l1_heads() == (verifier.head().number, 0)
    for chain in (sequencer, verifier):
        chain.close()


async def test_blocks_that_l1_does_not_confirm_are_replaced_and_reported(
    system: Rollup, tmp_path: Path
) -> None:
    """DRV-065: whoever built other blocks than those on L1 has them replaced."""
    poster, other = system.open(tmp_path / "p"), system.open(tmp_path / "o")
    build(poster, 3)
    build(other, 1)
    build(other, 4, gap=2)
    first, second = output_at(other, 1), output_at(other, 2)
    assert output_at(poster, 1) == first
    await system.append(0, poster.batch(1, 3, []), origin=2)
    async with running(system.driver(other, tmp_path / "o")) as driver:
        await synced(driver, await system.head())
        assert driver.mismatch is not None
        assert (driver.mismatch.first_block, driver.mismatch.last_block) == (2, 5)
        assert "0x" + driver.mismatch.derived.hex() == output_at(poster, 2)[0] != second[0]
        count = driver.metrics.replaced._value.get()
        assert count == 4
    assert [output_at(other, number) for number in range(4)] == [output_at(poster, n) for n in range(4)]
    assert other.l1_heads()[0] == 3
    for chain in (poster, other):
        chain.close()


@pytest.mark.parametrize("depth", [1, 7, 40])
async def test_reorg_takes_batch_and_deposit_back_and_what_comes_after_counts(
    system: Rollup, tmp_path: Path, depth: int
) -> None:
    """DRV-063, DRV-064: the safe head goes back with L1, and on with what L1 then has."""
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    build(sequencer, 2)
    sidecars = [make_sidecar(blob) for blob in sequencer.batch(1, 2, [])]
    await system.node.mine(45)
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await system.append(0, sidecars, origin=2)
        await system.deposit(5)
        await system.silence()
        await system.force()
        await synced(driver, await system.head())
        assert verifier.l1_heads()[0] > 2
        gone = output_at(verifier, verifier.head().number)
        await system.node.reorg(depth)
        await system.node.mine()
        await synced(driver, await system.head())
        if depth == 1:  # the forced header alone is gone, and its blocks' origin is still there
            assert verifier.l1_heads()[0] == 2
        elif depth == 40:
            assert verifier.l1_heads()[0] == 0
            assert driver.position is not None
            assert driver.position.mark.deposit_count == 0
            assert verifier.head().number <= 2, "what was derived from lost origins is no block any more"
            await system.append(0, sidecars, origin=2)
        await system.deposit(7)
        await system.silence()
        await system.force()
        await synced(driver, await system.head())
    fresh = system.open(tmp_path / "f")
    async with running(system.driver(fresh, tmp_path / "f")) as driver:
        await synced(driver, await system.head())
    newest = fresh.head().number
    assert output_at(verifier, newest) == output_at(fresh, newest) != gone
    assert verifier.l1_heads()[0] == newest
    for chain in (sequencer, verifier, fresh):
        chain.close()


async def test_derivation_that_stops_half_way_tells_what_it_replaced(
    system: Rollup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DRV-065: though the batch is not done, who serves the chain hears that its blocks are gone."""
    poster, other = system.open(tmp_path / "p"), system.open(tmp_path / "o")
    build(poster, 3)
    build(other, 1)
    build(other, 4, gap=2)
    await system.append(0, poster.batch(1, 3, []), origin=2)
    host, overtaken = Noting(), list[int]()
    driver = system.driver(other, tmp_path / "o", host=host)
    driver.overtaken.append(lambda: overtaken.append(other.head().number))
    derive = driver.derivation.derive

    def failing(*what: Any) -> Any:
        derive(*what)
        raise CoreError("store_io", "the disk is gone")

    monkeypatch.setattr(driver.derivation, "derive", failing)
    async with asyncio.timeout(PATIENCE_S):
        await driver.run()
    assert driver.fault == "the disk is gone [store_io]"
    assert (host.gone, host.heads, overtaken) == ([0], [3], [3])
    assert driver.mismatch is not None
    assert (driver.mismatch.first_block, driver.mismatch.last_block) == (1, 5)
    # Nothing was replaced by what stops before it begins, and nobody is told of anything.
    host = Noting()
    again = system.driver(poster, tmp_path / "p", host=host)

    def refusing(*what: Any) -> Any:
        raise CoreError("store_io", "the disk is gone")

    monkeypatch.setattr(again.derivation, "derive", refusing)
    async with asyncio.timeout(PATIENCE_S):
        await again.run()
    assert (host.gone, host.heads, again.mismatch) == ([], [], None)
    for chain in (poster, other):
        chain.close()


async def test_positions_that_the_chain_or_l1_contradicts_are_not_believed(
    system: Rollup, tmp_path: Path
) -> None:
    """DRV-061: chain and positions may come from different moments, or positions be lost or damaged."""
    sequencer, verifier = system.open(tmp_path / "s"), system.open(tmp_path / "v")
    build(sequencer, 2)
    await system.append(0, sequencer.batch(1, 2, []), origin=2)
    build(sequencer, 2)
    await system.append(1, sequencer.batch(3, 4, []), origin=2)
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await synced(driver, await system.head())
    truth = output_at(verifier, 4)
    verifier.unwind(2)  # as if the chain came from an older copy
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await synced(driver, await system.head())
        assert output_at(verifier, 4) == truth
    (tmp_path / "v" / FILE).write_bytes(b"no database" * 1000)
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await synced(driver, await system.head())
        assert driver.mismatch is None, "blocks that are right stay"
    fresh = system.open(tmp_path / "f")
    (tmp_path / "f" / FILE).write_bytes((tmp_path / "v" / FILE).read_bytes())
    async with running(system.driver(fresh, tmp_path / "f")) as driver:
        await synced(driver, await system.head())
    assert output_at(fresh, 4) == truth
    assert fresh.l1_heads()[0] == 4
    for chain in (sequencer, verifier, fresh):
        chain.close()


async def test_file_that_cannot_be_written_is_waited_for(system: Rollup, tmp_path: Path) -> None:
    """DRV-061: a full disk stops derivation until there is room, and ends nothing."""
    verifier = system.open(tmp_path / "v")
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await synced(driver, await system.head())
        positions = driver.derivation.positions
        (pages,) = positions._db.execute("PRAGMA page_count").fetchone()
        positions._db.execute(f"PRAGMA max_page_count = {pages}")
        await system.node.mine(100)
        async with asyncio.timeout(PATIENCE_S):
            while driver.trouble is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert driver.trouble == f"{tmp_path / 'v' / FILE}: database or disk is full"
        assert driver.fault is None
        positions._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
        await synced(driver, await system.head())
        assert driver.trouble is None
    verifier.close()


async def test_file_that_is_damaged_while_it_is_used_stops_derivation_and_is_put_aside_at_the_next_start(
    system: Rollup, tmp_path: Path
) -> None:
    """DRV-061: with a word, not with a traceback."""
    verifier = system.open(tmp_path / "v")
    file = tmp_path / "v" / FILE
    driver = system.driver(verifier, tmp_path / "v")
    task = asyncio.create_task(driver.run())
    await synced(driver, await system.head())
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute("UPDATE sqlite_master SET rootpage = 9999 WHERE name = 'positions'")
        other.execute("PRAGMA schema_version = 4711")
        other.commit()
    await system.deposit(5)
    async with asyncio.timeout(PATIENCE_S):
        await task
    assert driver.fault is not None
    assert driver.fault.startswith(f"{file}: ")
    async with running(system.driver(verifier, tmp_path / "v")) as driver:
        await synced(driver, await system.head())
        assert driver.position is not None
        assert driver.position.mark.deposit_count == 1
    assert file.with_suffix(".unreadable").exists()
    verifier.close()


async def test_finalized_head_follows_finalized_l1_blocks_only(system: Rollup, tmp_path: Path) -> None:
    """DRV-062."""
    sequencer = system.open(tmp_path / "s")
    build(sequencer, 2)
    included = await system.append(0, sequencer.batch(1, 2, []), origin=2)
    async with running(system.driver(sequencer, tmp_path / "s")) as driver:
        await synced(driver, await system.head())
        assert sequencer.l1_heads() == (2, 0)
        assert rpc(sequencer, "eth_getHeaderByNumber", "safe")["number"] == "0x2"
        await system.node.mine(70)
        await synced(driver, await system.head())
        assert sequencer.l1_heads() == (2, 2)
        assert driver.final is not None
        assert driver.final.mark.block.number >= included.block_number
        assert driver.final.mark.accumulator == (await system.span()).mark.accumulator
    assert rpc(sequencer, "eth_getHeaderByNumber", "finalized")["number"] == "0x2"
    sequencer.close()


async def test_driver_of_another_l1_stops_and_says_so(system: Rollup, tmp_path: Path) -> None:
    chain = system.open(tmp_path / "c")
    an_hour_ago = str(int(time.time()) - 3600)  # of the same second it would be the same L1, hash for hash
    async with rollup("--timestamp", an_hour_ago) as other:
        driver = system.driver(chain, tmp_path / "c", [other.node.url])
        async with asyncio.timeout(PATIENCE_S):
            await driver.run()
    assert driver.fault is not None
    assert "this L1 is not the network's: its block 2 is 0x" in driver.fault
    assert (driver.batches(), driver.batch(0)) == ([], None), "it can be asked what is wrong"
    chain.close()
