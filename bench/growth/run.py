"""How memory, disk and block time grow with the number of accounts.

`python bench/growth/run.py` has a chain in this process make accounts, a thousand in each block, and notes
at each size what the process and the disk hold and how long a block took there. Figures are for reading,
never asserted by a test.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reads"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "throughput"))

from eth_account import Account
from marks import compiled
from run import processor, row, say
from systems import ROOT, trex
from workload import Sender, word

from trex import _core  # noqa: TID251  (what is measured is the core, without a server around it)

ACCOUNTS_A_BLOCK = 1_000
ACCOUNTS_A_TRANSACTION = 250
"""Well below EIP-7825's gas limit."""
GAS = 12_000_000
DEPLOY_GAS = 2_000_000
NOTED = 100
"""Blocks before each size whose times count."""
CACHE_BYTES = 512 << 20
SLOTS_BETWEEN = 1
BUDGET_MS = 60_000
CHAIN_ID = 1962
MNEMONIC = "test test test test test test test test test test test junk"
SIZES = (100_000, 500_000, 1_000_000)
LONG_SIZES = (100_000, 500_000, 1_000_000, 2_000_000, 5_000_000)


@dataclass(frozen=True, slots=True)
class Size:
    """What a chain with so many accounts takes."""

    accounts: int
    block_ms: float
    """Median of the last blocks, each a thousand new accounts, durable."""
    block_p99_ms: float
    cpu_ms: float
    """CPU time of the process for each block since the size before, flushing and merging tables with it."""
    memory_bytes: int
    disk_bytes: int
    tables: dict[str, int]
    open_s: float
    """Opening again, with what was in memory gone."""
    reopened_bytes: int
    """Memory right after it."""


class Grown:
    """A chain whose accounts grow."""

    def __init__(self, folder: Path) -> None:
        """Make the chain and the contract that makes accounts."""
        self._folder = folder
        self.chain = self._open()
        Account.enable_unaudited_hdwallet_features()
        key = Account.from_mnemonic(MNEMONIC)
        self._sender = Sender(key.key, key.address.lower())
        code, selectors = compiled()
        self._selector = selectors["fund"]
        self._contract = ""
        self._include([self._sender.sign(CHAIN_ID, None, 0, DEPLOY_GAS, "0x" + code)])
        (receipt,) = self._ask("eth_getBlockReceipts", "latest")
        self._contract = receipt["contractAddress"]
        self.made = 0

    def _open(self) -> _core.Chain:
        network = (ROOT / "networks" / "devnet.json").read_bytes()
        return _core.Chain.open(
            str(self._folder), network, history_blocks=None, cache_bytes=CACHE_BYTES, limits=b"{}"
        )

    def _ask(self, method: str, *params: object) -> list[dict[str, str]]:
        answer: list[dict[str, str]] = json.loads(self.chain.rpc(method, json.dumps(params).encode()))
        return answer

    def _include(self, raws: list[str]) -> float:
        """Have transactions included by one block; return the milliseconds that its making took.

        Raises:
            RuntimeError: one was refused or left out.
        """
        for outcome in self.chain.submit(raws):
            if not isinstance(outcome, str):
                raise RuntimeError(f"refused: {outcome}")
        started = time.perf_counter()
        head = self.chain.build(
            self.chain.head().slot + SLOTS_BETWEEN, allow_empty=False, budget_ms=BUDGET_MS
        )
        spent_ms = (time.perf_counter() - started) * 1000
        if head is None or head.transactions != len(raws):
            raise RuntimeError(f"left out: {head}")
        return spent_ms

    def block(self) -> float:
        """Make one block of new accounts; return the milliseconds it took."""
        raws = []
        for _ in range(0, ACCOUNTS_A_BLOCK, ACCOUNTS_A_TRANSACTION):
            data = "0x" + self._selector + word(self.made) + word(ACCOUNTS_A_TRANSACTION)
            raws.append(self._sender.sign(CHAIN_ID, self._contract, ACCOUNTS_A_TRANSACTION, GAS, data))
            self.made += ACCOUNTS_A_TRANSACTION
        return self._include(raws)

    def note(self, times_ms: list[float], cpu_ms: float) -> Size:
        """Measure what the chain takes now, and how it opens again."""
        memory = resident_bytes()
        report = json.loads(self.chain.stats())
        disk = sum(path.stat().st_blocks * 512 for path in self._folder.rglob("*") if path.is_file())
        self.chain.close()
        started = time.perf_counter()
        self.chain = self._open()
        open_s = time.perf_counter() - started
        ranked = sorted(times_ms)
        return Size(
            accounts=self.made,
            block_ms=statistics.median(ranked),
            block_p99_ms=ranked[len(ranked) * 99 // 100],
            cpu_ms=cpu_ms,
            memory_bytes=memory,
            disk_bytes=disk,
            tables=table_bytes(report),
            open_s=open_s,
            reopened_bytes=resident_bytes(),
        )


def table_bytes(report: dict[str, object]) -> dict[str, int]:
    """Return the bytes of each of the store's tables."""
    tables = report["tables"]
    assert isinstance(tables, list)
    return {table["name"]: table["bytes"] for table in tables}


def resident_bytes() -> int:
    """Return the memory that this process has."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10 if found else 0


def report(sizes: list[Size], load: tuple[float, ...]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Growth",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/growth/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {processor()}, {os.cpu_count()} cores",
        f"- blocks of {ACCOUNTS_A_BLOCK:,} new accounts, state of every block kept; cache of"
        f" {CACHE_BYTES >> 20} MiB",
        f"- load average when it began: {', '.join(f'{value:.1f}' for value in load)}",
        f"- T-Rex: {trex().version}",
        "",
        row(["accounts", *(f"{size.accounts:,}" for size in sizes)]),
        row(["---", *("---:" for _ in sizes)]),
    ]
    mebibytes = [
        ("process memory, MiB", [size.memory_bytes for size in sizes]),
        ("process memory after opening again, MiB", [size.reopened_bytes for size in sizes]),
        ("disk, MiB", [size.disk_bytes for size in sizes]),
        *((f"of it {name}, MiB", [size.tables.get(name, 0) for size in sizes]) for name in sizes[-1].tables),
    ]
    lines.append(row(["block of 1,000 new accounts, ms, median", *(f"{s.block_ms:,.1f}" for s in sizes)]))
    lines.append(row(["the same, p99", *(f"{s.block_p99_ms:,.1f}" for s in sizes)]))
    cpu = [f"{size.cpu_ms:,.1f}" for size in sizes]
    lines.append(row(["CPU time a block since the size before, ms", *cpu]))
    lines += [row([label, *(f"{value / 2**20:,.0f}" for value in values)]) for label, values in mebibytes]
    lines.append(row(["disk, bytes an account", *(f"{s.disk_bytes / s.accounts:,.0f}" for s in sizes)]))
    lines.append(row(["opening again, s", *(f"{s.open_s:,.2f}" for s in sizes)]))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Grow, note, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="to five million accounts instead of one")
    parser.add_argument("--sizes", help="accounts to note at, comma between them, ascending")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    asked = [int(size) for size in options.sizes.split(",")] if options.sizes else None
    sizes = []
    with tempfile.TemporaryDirectory(prefix="trex-growth-") as folder:
        grown = Grown(Path(folder))
        for accounts in asked or (LONG_SIZES if options.long else SIZES):
            times_ms: list[float] = []
            cpu_s = time.process_time()
            while grown.made < accounts:
                times_ms.append(grown.block())
            cpu_s = time.process_time() - cpu_s
            sizes.append(grown.note(times_ms[-NOTED:], cpu_s * 1000 / len(times_ms)))
            say(
                f"{accounts:,} accounts: {sizes[-1].block_ms:.1f} ms a block, {sizes[-1].cpu_ms:.1f} of CPU,"
                f" {sizes[-1].memory_bytes >> 20} MiB, {sizes[-1].disk_bytes >> 20} MiB on disk"
            )
        grown.chain.close()
    text = report(sizes, load)
    say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
