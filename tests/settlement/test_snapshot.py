"""Snapshots over a real L1 (specs/snapshot.md): made, taken, gone on from, and refused with the place."""

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest
from tests.settlement.anvil_l1 import CHAIN_ID
from tests.settlement.following import PATIENCE_S, running, synced
from tests.settlement.process import command
from tests.settlement.rollup import QUICK, Rollup, output_at, output_root_at, rollup, rpc
from tests.settlement.test_deploy import ACCOUNTS, TIMING

from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader
from trex.settlement.snapshot.archive import MANIFEST, PART_BYTES, SnapshotError, read_manifest, unpack
from trex.settlement.snapshot.claims import Claims

FRIEND = "0x" + "42" * 20


@dataclass(slots=True)
class Made:
    """A chain with a claim on L1, and its snapshot."""

    system: Rollup
    network: Path
    chain: Path
    file: Path
    block: int

    async def run(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *command("node", "snapshot", *arguments, "--network", str(self.network)),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        printed, logged = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (printed if process.returncode == 0 else printed + logged).decode()

    async def taken(self, file: Path, target: Path, *options: str) -> tuple[int, str]:
        l1 = ("--l1", self.system.node.url, "--datadir", str(target))
        return await self.run("import", str(file), *l1, *options)


async def propose(system: Rollup, output: bytes, block: int) -> None:
    """Claim an output on L1 for all batches there are."""
    assert system.network.l1 is not None
    mark = (await system.span()).mark
    call = contract("MaturingClaims").call("propose", output, block, mark.batch_count, mark.accumulator)
    proposer = "0x" + ACCOUNTS.proposer.hex()
    await system.node.call("anvil_impersonateAccount", proposer)
    await system.node.call("anvil_setBalance", proposer, hex(10**18))
    claims = "0x" + system.network.l1.contracts["outputClaims"].hex()
    request = {"from": proposer, "to": claims, "data": "0x" + call.hex(), "gas": hex(1_000_000)}
    sent = await system.node.call("eth_sendTransaction", request)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            receipt = await system.node.call("eth_getTransactionReceipt", sent)
            if receipt is not None:
                break
            await asyncio.sleep(0.05)
    assert receipt["status"] == "0x1"


async def mature(system: Rollup) -> None:
    """Let windows pass and L1 blocks become final."""
    await system.node.call("evm_increaseTime", TIMING.dispute_window_s + TIMING.finality_delay_s + 2)
    await system.node.mine(70)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Made]:
    """A verifier's chain of three deposits, claimed; one more deposit is not due yet when it is claimed."""
    async with rollup() as system:
        network = tmp_path / "network.json"
        network.write_bytes(system.text)
        chain = system.open(tmp_path / "chain")
        await system.silence()
        for wei in (1, 2, 3):
            await system.deposit(wei)
            await system.force()
        origin = await system.head() - 1
        await system.deposit(10)
        async with running(system.driver(chain, tmp_path / "chain")) as driver:
            await synced(driver, await system.head())
            assert driver.position is not None
            assert driver.position.origin == origin, "a deposit came after the last header's origin"
        block = chain.head().number
        await propose(system, output_root_at(chain, block), block)
        await system.force()
        async with running(system.driver(chain, tmp_path / "chain")) as driver:
            await synced(driver, await system.head())
        assert chain.head().number > block
        chain.close()
        one = Made(system, network, tmp_path / "chain", tmp_path / "snapshot.tar", block)
        code, said = await one.run(
            "export", str(one.file), "--datadir", str(one.chain), "--l1", system.node.url
        )
        assert code == 0, said
        yield one


async def test_node_starts_from_a_claimed_snapshot_and_goes_on(made: Made, tmp_path: Path) -> None:
    """SNP-001 to SNP-003, SNP-011, SNP-020, SNP-021."""
    system, target = made.system, tmp_path / "new"
    code, said = await made.taken(made.file, target)
    assert code == 1
    assert "may still be rejected" in said
    code, said = await made.taken(made.file, target, "--unresolved")
    assert code == 1
    assert "not final yet" in said
    await mature(system)
    code, said = await made.taken(made.file, target, "--json")
    assert code == 0, said
    assert json.loads(said)["block"] == made.block
    await system.deposit(20)
    await system.silence()
    await system.force()
    chain, whole = system.open(target), system.open(made.chain)
    assert (chain.head().number, chain.l1_heads()) == (made.block, (made.block, made.block))
    for one, folder in ((chain, target), (whole, made.chain)):
        async with running(system.driver(one, folder)) as driver:
            await synced(driver, await system.head())
            assert driver.mismatch is None
    newest = whole.head().number
    assert output_at(chain, newest) == output_at(whole, newest)
    assert rpc(chain, "eth_getBalance", FRIEND, "safe") == hex(1 + 2 + 3 + 10 + 20)
    for one in (chain, whole):
        one.close()
    code, said = await made.taken(made.file, target)
    assert code == 1
    assert "is not empty" in said


def rewrite(source: Path, target: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Path:
    """Write a snapshot again with other contents."""
    with tarfile.open(source) as tar:
        contents = {}
        for entry in tar:
            extracted = tar.extractfile(entry)
            assert extracted is not None
            contents[entry.name] = extracted.read()
    with tarfile.open(target, "w") as tar:
        for name, content in change(contents).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return target


def with_manifest(**changes: Any) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(contents: dict[str, bytes]) -> dict[str, bytes]:
        document = json.loads(contents[MANIFEST]) | changes
        return contents | {MANIFEST: json.dumps(document).encode()}

    return change


async def test_damaged_foreign_and_invented_snapshots_are_refused_with_the_place(
    made: Made, tmp_path: Path
) -> None:
    """SNP-010 to SNP-015: and nothing is left of any of them."""
    await mature(made.system)
    manifest = read_manifest(made.file)
    largest = max(manifest.files, key=lambda part: part.size)
    target = tmp_path / "new"

    def flip(contents: dict[str, bytes]) -> dict[str, bytes]:
        damaged = bytearray(contents[largest.name])
        damaged[len(damaged) // 2] ^= 1
        return contents | {largest.name: bytes(damaged)}

    def drop(contents: dict[str, bytes]) -> dict[str, bytes]:
        return {name: content for name, content in contents.items() if name != largest.name}

    def further(contents: dict[str, bytes]) -> dict[str, bytes]:
        return contents | {"further": b"x"}

    def outside(contents: dict[str, bytes]) -> dict[str, bytes]:
        document = json.loads(contents[MANIFEST])
        document["files"][0]["name"] = "../outside"
        return contents | {MANIFEST: json.dumps(document).encode()}

    where = f"from byte {largest.size // 2 // PART_BYTES * PART_BYTES} on"
    cases: list[tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = [
        (flip, where),
        (drop, largest.name),
        (further, "further: is not in the manifest"),
        (outside, "no name of a file"),
        (with_manifest(format=2), "format 2"),
    ]
    for at, (change, words) in enumerate(cases):
        with pytest.raises(SnapshotError, match=words):
            unpack(rewrite(made.file, tmp_path / "bad.tar", change), tmp_path / str(at), lambda *_: True)
    assert not (tmp_path / "outside").exists()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(made.file.read_bytes()[: made.file.stat().st_size // 2])
    with pytest.raises(SnapshotError, match=r"cut off|is missing|damaged"):
        unpack(cut, tmp_path / "cut", lambda *_: True)
    (tmp_path / "text").write_text("no snapshot")
    with pytest.raises(SnapshotError, match="not a snapshot"):
        read_manifest(tmp_path / "text")
    cases = [
        (flip, where),
        (with_manifest(network="0x" + "11" * 32), "made for the network 0x1111"),
        (with_manifest(number=made.block + 1), "L1 has no claim"),
        (with_manifest(output_root="0x" + "22" * 32), "L1 has another output of it"),
        (with_manifest(hash="0x" + "33" * 32), "not the manifest's"),
    ]
    for change, words in cases:
        code, said = await made.taken(rewrite(made.file, tmp_path / "bad.tar", change), target)
        assert (code, words in said) == (1, True), (words, said)
        assert not target.exists()
        assert not (tmp_path / f".{target.name}.snapshot").exists()


async def test_store_of_another_chain_is_refused_whatever_its_manifest_says(
    made: Made, tmp_path: Path
) -> None:
    """SNP-013: hashes of parts only tell where a file is damaged; the claim tells what the store must be."""
    await mature(made.system)
    other = made.system.open(tmp_path / "other")
    for _ in range(made.block):
        other.build(other.head().slot + 1, allow_empty=True, budget_ms=10_000)
    other.close()
    block = ("--block", str(made.block))
    code, said = await made.run(
        "export", str(tmp_path / "o.tar"), "--datadir", str(tmp_path / "other"), *block
    )
    assert code == 0, said
    true = read_manifest(made.file)
    claimed = with_manifest(output_root=true.output_root)
    code, said = await made.taken(rewrite(tmp_path / "o.tar", tmp_path / "x.tar", claimed), tmp_path / "new")
    assert (code, "not the claim's" in said) == (1, True), said
    both = with_manifest(output_root=true.output_root, hash=true.hash)
    code, said = await made.taken(rewrite(tmp_path / "o.tar", tmp_path / "x.tar", both), tmp_path / "new")
    assert (code, "the store ends with block" in said) == (1, True), said


class Narrow(Endpoint):
    """An endpoint that looks through three L1 blocks at once, and no more."""

    async def call(self, method: str, *params: Any) -> Any:
        """Refuse longer ranges, as public endpoints do."""
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) > 2:
            raise L1RefusedError("refused", "query exceeds max block range 3")
        return await super().call(method, *params)


async def test_claims_batch_is_looked_for_in_ranges_that_endpoints_answer() -> None:
    """SNP-011: from the newest L1 block down, with progress; and said when there is none."""
    async with rollup() as system:
        appended = await system.append(0)
        await system.node.mine(12)
        (batch,), head = (await system.span()).batches, await system.head()
        reader = L1Reader([Narrow(system.node.url, system.session)], CHAIN_ID, retries=QUICK)
        told: list[tuple[int, int]] = []
        claims = Claims(reader, system.network, lambda done, of: told.append((done, of)))
        found = await claims._appended(0, batch.accumulator, head)
        assert found.block_number == appended.block_number
        assert told == sorted(told)
        assert len(told) >= 4
        assert {of for _, of in told} == {head + 1 - system.network.genesis.l1_origin.number}
        with pytest.raises(L1UnavailableError, match="no event of batch 1"):
            await claims._appended(1, batch.accumulator, head)
