"""Import the same transactions with `trex import` and `geth import`, one after the other.

`python bench/import/run.py` makes a chain with `geth --dev`, exports it, makes a T-Rex chain of the very same
transactions in the same blocks, exports that, and then times each program reading its file into an empty
data directory. Figures are for reading, never asserted by a test.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "throughput"))

from measure import throughput
from run import processor, row, say
from systems import ROOT, Running, System, geth, output, trex
from workload import (
    Sender,
    batches,
    compile_token,
    deploy_token,
    senders,
    token_transfers,
    transfers,
)

from trex import _core  # noqa: TID251  (a million transactions a call at a time would take longer than what is timed)

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 50_000
"""Transactions that are signed, sent and waited for together."""
SUBMIT = 2_000
STOP_TIMEOUT_S = 120.0
SLOTS_BETWEEN = 5
"""Between blocks of the T-Rex chain: geth's stand a second apart, ours have slots of 200 ms."""
RICH_WEI = 10**24
UNCAPPED = ("--rpc.txfeecap", "0")
"""geth asks whether one really means to pay more than an ether: deploying the token may."""
GOAL = 2


class Kept(Running):
    """A system whose data stays when it has ended, until `remove`."""

    def __exit__(self, *_: object) -> None:
        """End it cleanly, so that its database is whole."""
        self.connection.close()
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(STOP_TIMEOUT_S)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return Path(self._folder.name) / "data"

    def remove(self) -> None:
        """Remove its data."""
        self._folder.cleanup()


@dataclass(frozen=True, slots=True)
class Imported:
    """What one import took."""

    seconds: float
    cpu_s: float
    memory_bytes: int
    disk_bytes: int
    file_bytes: int


def timed(command: list[str], data: Path, file: Path) -> Imported:
    """Run an import and measure the process that does it.

    Raises:
        RuntimeError: it failed.
    """
    log = data.parent / "import.log"
    started = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {log.read_text(errors='replace')[-2000:]}")
    return Imported(
        seconds, used.ru_utime + used.ru_stime, used.ru_maxrss << 10, disk_bytes(data), file.stat().st_size
    )


def disk_bytes(folder: Path) -> int:
    """Return what a folder takes of the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def make_with_geth(system: System, count: int, folder: Path) -> tuple[Path, Path]:
    """Have geth's development mode include all transactions; return its exported chain and its genesis."""
    running = Kept(system)
    with running:
        accounts = senders()
        running.fund([account.address for account in accounts])
        token = deploy_token(running, accounts, compile_token())
        for at in range(0, count, CHUNK):
            here = min(CHUNK, count - at)
            lanes = [batches(lane) for lane in mixed(accounts, running.chain_id, here, token, at)]
            made = throughput(running, lanes, here)
            say(f"geth --dev: {at + here:,} of {count:,} in blocks, {made.transactions_per_s:,.0f} tx/s")
    program = system.command[0]
    genesis, chain = folder / "geth-genesis.json", folder / "geth-chain.rlp"
    with genesis.open("wb") as out:
        subprocess.run(
            [program, "--datadir", str(running.data), "--verbosity", "1", "dumpgenesis"],
            stdout=out,
            check=True,
        )
    subprocess.run(
        [program, "--datadir", str(running.data), "--verbosity", "1", "export", str(chain)], check=True
    )
    running.remove()
    return chain, genesis


def mixed(accounts: list[Sender], chain_id: int, count: int, token: str, seed: int) -> list[list[str]]:
    """Sign as many transfers to new accounts as ERC-20 transfers, by connection and in sending order."""
    half = count // 2
    first = transfers(accounts, chain_id, half + count % 2)
    second = token_transfers(accounts, chain_id, half, token)
    return [[*plain, *tokens] for plain, tokens in zip(first, second, strict=True)]


def items(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Walk RLP items: where each begins, where its payload does, where it ends (Yellow Paper, appendix B)."""
    while start < end:
        first = data[start]
        if first < 0x80:
            yield start, start, start + 1
            start += 1
            continue
        base = 0x80 if first < 0xC0 else 0xC0
        size = first - base
        payload = start + 1
        if size > 55:
            payload += size - 55
            size = int.from_bytes(data[start + 1 : payload], "big")
        yield start, payload, payload + size
        start = payload + size


def blocks_of(file: Path) -> Iterator[list[str]]:
    """Yield the raw transactions of each block of an exported chain as hex; empty blocks are left out."""
    data = memoryview(file.read_bytes())
    for _, block, end in items(data, 0, len(data)):
        _header, (_, first, last), *_rest = items(data, block, end)
        raws = []
        for at, payload, stop in items(data, first, last):
            raws.append("0x" + bytes(data[at if data[at] >= 0xC0 else payload : stop]).hex())
        if raws:
            yield raws


def make_with_trex(geth_chain: Path, geth_genesis: Path, folder: Path) -> tuple[Path, Path, int]:
    """Build a T-Rex chain of geth's transactions in its blocks; return the export, the network and how many.

    Raises:
        RuntimeError: a transaction was refused or left out.
    """
    document = json.loads((ROOT / "networks" / "devnet.json").read_bytes())
    theirs = json.loads(geth_genesis.read_bytes())
    document["chainId"] = theirs["config"]["chainId"]
    document["genesis"]["baseFeeWei"] = "0x1"
    for address, account in theirs["alloc"].items():
        if int(account["balance"], 0) > RICH_WEI:
            document["alloc"]["0x" + address.removeprefix("0x")] = {"balance": hex(2**250)}
    network = folder / "network.json"
    network.write_text(json.dumps(document))
    chain = _core.Chain.open(
        str(folder / "built"), network.read_bytes(), history_blocks=None, cache_bytes=512 << 20, limits=b"{}"
    )
    total = 0
    for raws in blocks_of(geth_chain):
        for at in range(0, len(raws), SUBMIT):
            for outcome in chain.submit(raws[at : at + SUBMIT]):
                if not isinstance(outcome, str):
                    raise RuntimeError(f"T-Rex refused a transaction of geth's chain: {outcome}")
        slot = chain.head().slot + SLOTS_BETWEEN
        head = chain.build(slot, allow_empty=False, budget_ms=600_000)
        if head is None or head.transactions != len(raws):
            raise RuntimeError(f"T-Rex left out transactions of a block of {len(raws)}: {head}")
        total += len(raws)
    file = folder / "trex-chain.rlp"
    chain.export_file(str(file), 1, chain.head().number, lambda done, of: True)
    chain.close()
    return file, network, total


def prepared(system: System, count: int, chains: Path) -> dict[str, Any]:
    """Make both chains, unless the folder keeps them; return where they are, and how many transactions."""
    folder = chains / str(count)
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "ready.json"
    if not ready.exists():
        chain, genesis = make_with_geth(replace(system, command=(*system.command, *UNCAPPED)), count, folder)
        file, network, total = make_with_trex(chain, genesis, folder)
        places = {"geth": str(chain), "genesis": str(genesis), "trex": str(file), "network": str(network)}
        ready.write_text(json.dumps({**places, "count": total}))
    made: dict[str, Any] = json.loads(ready.read_text())
    return made


def import_trex(file: Path, network: Path, folder: Path) -> Imported:
    """Time `trex import` into an empty data directory, in its defaults."""
    data = folder / "data"
    start = "import sys; from trex.node.cli import main; main()"
    options = ("--network", str(network), "--datadir", str(data), "--json")
    return timed([sys.executable, "-c", start, "import", str(file), *options], data, file)


def import_geth(program: str, file: Path, genesis: Path, folder: Path) -> Imported:
    """Time `geth import` into a data directory that has only the genesis, in its defaults."""
    data = folder / "data"
    quiet = ("--verbosity", "1")
    subprocess.run([program, "--datadir", str(data), *quiet, "init", str(genesis)], check=True)
    return timed([program, "--datadir", str(data), "import", str(file)], data, file)


def report(
    ours: Imported, theirs: Imported | None, count: int, blocks: int, rounds: int, load: tuple[float, ...]
) -> str:
    """Return the results as Markdown."""
    cores = os.cpu_count() or 1
    found = geth()
    lines = [
        "# Import beside geth",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/import/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {processor()}, {cores} cores",
        f"- {count:,} transactions in {blocks:,} blocks, half of them transfers to new accounts, half ERC-20"
        f" transfers; best of {rounds} round{'s' if rounds > 1 else ''}",
        f"- load average when it began: {', '.join(f'{value:.1f}' for value in load)}",
        f"- T-Rex: {trex().version}",
        f"- geth: {output(found.command[0], '--version') if found else 'not on this machine'}",
        "",
        row(["", "trex import", "geth import", "T-Rex / geth"]),
        row(["---", "---:", "---:", "---:"]),
    ]

    def line(label: str, mine: float, peer: float | None, digits: int, less: bool) -> str:
        if peer is None:
            return row([label, f"{mine:,.{digits}f}", "not measured", ""])
        ratio = f"{peer / mine:.2f}x less" if less else f"{mine / peer:.2f}x"
        return row([label, f"{mine:,.{digits}f}", f"{peer:,.{digits}f}", ratio])

    for label, of, digits, less in (
        ("transactions/s", lambda it: count / it.seconds, 0, False),
        ("CPU us a transaction", lambda it: it.cpu_s / count * 1e6, 1, True),
        ("memory at most, MiB", lambda it: it.memory_bytes / 2**20, 0, True),
        ("disk afterwards, MiB", lambda it: it.disk_bytes / 2**20, 0, True),
        ("file, MiB", lambda it: it.file_bytes / 2**20, 0, True),
    ):
        lines.append(line(label, of(ours), of(theirs) if theirs else None, digits, less))
    if theirs:
        ratio = theirs.seconds / ours.seconds
        lines.append(f"\nGoal, {GOAL} times geth: {'reached' if ratio >= GOAL else 'not reached'}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make both chains, import both, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=100_000, help="in the chain")
    parser.add_argument("--rounds", type=int, default=1, help="of importing; the quickest counts")
    parser.add_argument("--chains", type=Path, help="folder that keeps both chains for a next run")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    system = geth()
    if system is None:
        parser.error("geth makes the transactions and is not on this machine: scripts/setup bench")
    with tempfile.TemporaryDirectory(prefix="trex-import-") as scratch:
        made = prepared(system, options.transactions, options.chains or Path(scratch))
        blocks = sum(1 for _ in blocks_of(Path(made["trex"])))
        ours, theirs = [], []
        for turn in range(options.rounds):
            with tempfile.TemporaryDirectory(prefix="trex-import-", dir=scratch) as place:
                ours.append(import_trex(Path(made["trex"]), Path(made["network"]), Path(place)))
            say(f"round {turn + 1}: T-Rex {made['count'] / ours[-1].seconds:,.0f} tx/s")
            with tempfile.TemporaryDirectory(prefix="trex-import-", dir=scratch) as place:
                theirs.append(
                    import_geth(system.command[0], Path(made["geth"]), Path(made["genesis"]), Path(place))
                )
            say(f"round {turn + 1}: geth {made['count'] / theirs[-1].seconds:,.0f} tx/s")
    best = [min(some, key=lambda it: it.seconds) for some in (ours, theirs)]
    text = report(best[0], best[1], made["count"], blocks, options.rounds, load)
    say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
