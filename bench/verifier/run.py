"""Rebuild a chain from L1 with a fresh verifier, beside `geth import` of the same transactions.

`python bench/verifier/run.py` posts a chain's batches to anvil, starts a verifier with an empty data
directory and waits until its last block is safe there. Figures are for reading, never asserted by a test.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "throughput"))

from run import processor, row, say
from systems import ROOT, geth, output, trex
from tests.settlement.anvil_l1 import Proxy, proxy
from tests.settlement.process import NodeProcess, node_process
from tests.settlement.rollup import Rollup, output_at, rollup
from tests.settlement.test_deploy import ACCOUNTS, DEVNET, TIMING
from workload import senders, transfers

from trex.settlement.deployment import ORDER, address_at, deployer_address, salt_of
from trex.settlement.kzg import make_sidecar
from trex.types.errors import CoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

HERE = Path(__file__).resolve()
L1_BLOBS = 6
"""That one transaction of L1 carries."""
SLOTS_BETWEEN = 5
SUBMIT = 2_000
LOOK_S = 0.2
GOAL = 2
BALANCE = hex(10**24)


class Memory(NamedTuple):
    """What a process has resident, bytes."""

    own: int
    """Anonymous pages."""
    files: int
    """Pages of files: programs and libraries."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What rebuilding took."""

    seconds: float
    cpu_s: float
    memory: tuple[Memory, ...]
    """Resident, at each tenth of the way."""
    blobs: int
    batches: int
    blocks: int


def beside() -> ModuleType:
    """Return the benchmark of imports, which makes the transactions with geth."""
    spec = importlib.util.spec_from_file_location("import_bench", HERE.parents[1] / "import" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["import_bench"] = module
    spec.loader.exec_module(module)
    return module


def own_transactions(count: int) -> tuple[dict[str, Any], list[list[str]]]:
    """Return a network's document and blocks of transfers, where there is no geth to make any."""
    document = json.loads((ROOT / "networks" / "devnet.json").read_bytes())
    accounts = senders()
    for account in accounts:
        document["alloc"]["0x" + account.address.removeprefix("0x").lower()] = {"balance": BALANCE}
    lanes = transfers(accounts, document["chainId"], count)
    raws = [raw for lane in lanes for raw in lane]
    return document, [raws[at : at + SUBMIT] for at in range(0, len(raws), SUBMIT)]


def build(chain: Any, blocks: Iterable[list[str]]) -> int:
    """Build blocks of transactions on a chain above L1; return how many transactions they hold.

    Raises:
        RuntimeError: one was refused or left out.
    """
    total = 0
    for raws in blocks:
        for at in range(0, len(raws), SUBMIT):
            refused = [each for each in chain.submit(raws[at : at + SUBMIT]) if not isinstance(each, str)]
            if refused:
                raise RuntimeError(f"a transaction was refused: {refused[0]}")
        total += len(raws)
        while chain.pool_len()[0]:
            if chain.build(chain.head().slot + SLOTS_BETWEEN, allow_empty=False, budget_ms=600_000) is None:
                raise RuntimeError("transactions were left out")
    return total


async def post(system: Rollup, chain: Any, beacon: Proxy) -> tuple[int, int]:
    """Post a chain's blocks in batches; return how many batches and blobs.

    The beacon endpoint gets what anvil lacks of one: blocks that name the commitments of their blobs.
    """
    first, batches, count = 1, 0, 0
    newest = chain.head().number
    while first <= newest:
        last, blobs = first, chain.batch(first, first, [])
        while last < newest and len(blobs) < L1_BLOBS:
            try:
                more = chain.batch(first, last + 1, [])
            except CoreError:  # more than any batch may have
                break
            if len(more) > L1_BLOBS:
                break
            last, blobs = last + 1, more
        sidecars = [await asyncio.to_thread(make_sidecar, blob) for blob in blobs]
        included = await system.append(batches, sidecars, origin=2)
        body = {"blob_kzg_commitments": ["0x" + one.commitment.hex() for one in sidecars]}
        page = f"/eth/v1/beacon/blinded_blocks/{included.block_number}"
        beacon.pages[page] = {"data": {"message": {"body": body}}}
        batches, count, first = batches + 1, count + len(blobs), last + 1
        say(f"posted up to block {last} of {newest} in {count} blobs")
    return batches, count


async def rebuild(
    system: Rollup, beacon: Proxy, folder: Path, chain: Any, batches: int, blobs: int, cache_mb: int
) -> Rebuilt:
    """Time a fresh verifier.

    Raises:
        RuntimeError: it came to another chain.
    """
    network, newest = folder / "network.json", chain.head().number
    network.write_bytes(system.text)
    options = ("--role", "verifier", "--l1", system.node.url, "--beacon", beacon.url)
    options += ("--cache-mb", str(cache_mb))
    memory: list[Memory] = []
    started = time.perf_counter()
    async with node_process(system.session, network, folder / "verifier", *options) as node:
        while (safe := await safe_of(node)) < newest:
            while len(memory) < 10 * safe // newest:
                memory.append(resident(node.process.pid))
            await asyncio.sleep(LOOK_S)
        seconds = time.perf_counter() - started
        memory.append(resident(node.process.pid))
        cpu_s = processor_s(node.process.pid)
        block = await node.call("eth_getBlockByNumber", "safe", False)
    if (block["hash"], block["stateRoot"]) != output_at(chain, newest):
        raise RuntimeError(f"the verifier has another block {newest}")
    return Rebuilt(seconds, cpu_s, tuple(memory), blobs, batches, newest)


async def safe_of(node: NodeProcess) -> int:
    """Return a node's safe head."""
    return int((await node.call("eth_getBlockByNumber", "safe", False))["number"], 16)


def processor_s(pid: int) -> float:
    """Return a process's user and system time."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> Memory:
    """Return a process's resident memory."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    kib = {words[0]: int(words[1]) for words in lines if words[0] in {"RssAnon:", "RssFile:"}}
    return Memory(kib["RssAnon:"] << 10, kib["RssFile:"] << 10)


def on_l1(document: dict[str, Any]) -> dict[str, Any]:
    """Return the devnet's document with another chain id as if genesis had been made for it (PTL-082)."""

    def places(network: dict[str, Any]) -> list[str]:
        deployer = deployer_address(salt_of(network["name"], network["chainId"]), ACCOUNTS.operator)
        return [address_at(deployer, place + 1).hex() for place in range(len(ORDER))]

    text = json.dumps(document)
    for known, own in zip(places(DEVNET), places(document), strict=True):
        text = text.replace(known, own)
    moved: dict[str, Any] = json.loads(text)
    return moved


async def measure(
    document: dict[str, Any], blocks: Iterable[list[str]], folder: Path, cache_mb: int
) -> tuple[Rebuilt, int]:
    """Build, post, rebuild; return what rebuilding took, and how many transactions."""
    timing = replace(TIMING, max_origin_lag_l1_blocks=3_600, timelock_delay_s=30 * 86_400)
    async with rollup("--disable-block-gas-limit", document=document, timing=timing) as system:
        chain = system.open(folder / "built")
        count = build(chain, blocks)
        say(f"built {count:,} transactions in {chain.head().number:,} blocks")
        async with proxy(system.node.url) as beacon:
            batches, blobs = await post(system, chain, beacon)
            rebuilt = await rebuild(system, beacon, folder, chain, batches, blobs, cache_mb)
        chain.close()
    return rebuilt, count


def report(ours: Rebuilt, theirs: Any, count: int, load: tuple[float, ...]) -> str:
    """Return the results as Markdown."""
    rate = count / ours.seconds
    lines = [
        "# Rebuilding a chain from L1 beside geth import",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/verifier/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {processor()}, {os.cpu_count()} cores",
        f"- {count:,} transactions in {ours.blocks:,} blocks, {ours.batches} batches, {ours.blobs} blobs",
        f"- load average when it began: {', '.join(f'{value:.1f}' for value in load)}",
        f"- T-Rex: {trex().version}",
        "",
        row(["", "trex, from blobs to root", "geth import", "T-Rex / geth"]),
        row(["---", "---:", "---:", "---:"]),
    ]
    if theirs is None:
        lines.append(row(["transactions/s", f"{rate:,.0f}", "not measured", ""]))
        lines.append(row(["CPU us a transaction", f"{ours.cpu_s / count * 1e6:,.1f}", "not measured", ""]))
    else:
        peer, cpu = count / theirs.seconds, theirs.cpu_s / count * 1e6
        mine = ours.cpu_s / count * 1e6
        lines.append(row(["transactions/s", f"{rate:,.0f}", f"{peer:,.0f}", f"{rate / peer:.2f}x"]))
        lines.append(row(["CPU us a transaction", f"{mine:,.1f}", f"{cpu:,.1f}", f"{cpu / mine:.2f}x less"]))
        lines.append(f"\nGoal, {GOAL} times geth: {'reached' if rate >= GOAL * peer else 'not reached'}.")
    own, files = (
        ", ".join(f"{size / 2**20:,.0f}" for size in column) for column in zip(*ours.memory, strict=True)
    )
    lines.append("\nMemory of the verifier at each tenth of the way, MiB, resident:")
    lines.append(f"its own (RssAnon): {own};")
    lines.append(f"pages of programs and libraries (RssFile): {files}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the chain, rebuild it, import it with geth, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=100_000, help="in the chain")
    parser.add_argument("--cache-mb", type=int, default=512, help="of the verifier's store")
    parser.add_argument("--chains", type=Path, help="folder that keeps geth's chain for a next run")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    system = geth()
    with tempfile.TemporaryDirectory(prefix="trex-verifier-") as scratch:
        if system is None:
            document, blocks = own_transactions(options.transactions)
            ours, count = asyncio.run(measure(document, blocks, Path(scratch), options.cache_mb))
            theirs = None
        else:
            imports = beside()
            made = imports.prepared(system, options.transactions, options.chains or Path(scratch))
            document = on_l1(json.loads(Path(made["network"]).read_bytes()))
            read = imports.blocks_of(Path(made["trex"]))
            ours, count = asyncio.run(measure(document, read, Path(scratch), options.cache_mb))
            with tempfile.TemporaryDirectory(prefix="trex-verifier-", dir=scratch) as place:
                theirs = imports.import_geth(
                    system.command[0], Path(made["geth"]), Path(made["genesis"]), Path(place)
                )
            say(f"geth: {output(system.command[0], '--version')}")
    text = report(ours, theirs, count, load)
    say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
