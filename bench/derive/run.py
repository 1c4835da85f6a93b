"""Rebuild a chain from blobs, beside importing the same blocks with `trex import` and `geth import`.

`python bench/derive/run.py` takes the chains of `bench/import/run.py` (`--chains` of both: the same folder),
posts T-Rex's blocks as batches in blobs, and times from the blobs to the last root. Figures are for reading,
never asserted by a test.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trex import _core  # noqa: TID251  (the core alone is measured)
from trex.types.errors import CoreError

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
BLOBS = 6
"""Of one L1 transaction."""
GOAL = 2


def load_import() -> ModuleType:
    """Return `bench/import/run.py`, which has the name of other modules."""
    path = ROOT / "bench" / "import" / "run.py"
    spec = importlib.util.spec_from_file_location("import_bench", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["import_bench"] = module
    spec.loader.exec_module(module)
    return module


importing = load_import()


def fitting(chain: _core.Chain, first: int, last: int) -> list[bytes] | None:
    """Return the blobs of a batch; None when an L1 transaction does not carry it."""
    try:
        blobs = chain.batch(first, last, [])
    except CoreError:
        return None
    return blobs if len(blobs) <= BLOBS else None


def post(chain_file: Path, network: Path, folder: Path) -> tuple[int, int, str]:
    """Write a chain's blocks as batches, a folder of blobs each; return how many of both, and the root.

    Raises:
        RuntimeError: a block alone takes more than an L1 transaction carries.
    """
    with tempfile.TemporaryDirectory(prefix="trex-post-") as place:
        chain = _core.Chain.open(
            place, network.read_bytes(), history_blocks=None, cache_bytes=512 << 20, limits=b"{}"
        )
        chain.import_file(str(chain_file), lambda done, of, head: True)
        head = chain.head()
        first, batches, blobs = 1, 0, 0
        while first <= head.number:
            last = first
            best = fitting(chain, first, last)
            if best is None:
                raise RuntimeError(f"block {first} takes more than {BLOBS} blobs")
            while last < head.number and (longer := fitting(chain, first, last + 1)):
                last, best = last + 1, longer
            here = folder / f"{batches:06}"
            here.mkdir(parents=True)
            for at, blob in enumerate(best):
                (here / f"{at}.blob").write_bytes(blob)
            first, batches, blobs = last + 1, batches + 1, blobs + len(best)
        chain.close()
        return blobs, batches, head.hash


def rebuild(network: Path, folder: Path, place: Path) -> tuple[Any, str]:
    """Time a rebuild from blobs into an empty data directory; return what it took and its last block."""
    data = place / "data"
    command = [
        sys.executable,
        str(ROOT / "bench" / "derive" / "rebuild.py"),
        str(network),
        str(data),
        str(folder),
    ]
    some_blob = next(folder.rglob("*.blob"))
    took = importing.timed(command, data, some_blob)
    size = sum(path.stat().st_size for path in folder.rglob("*.blob"))
    return replace(took, file_bytes=size), (place / "import.log").read_text().split()[-1]


def report(
    columns: dict[str, Any], made: dict[str, Any], blobs: int, batches: int, load: tuple[float, ...]
) -> str:
    """Return the results as Markdown."""
    count = made["count"]
    lines = [
        "# Rebuild from blobs, beside importing the same blocks",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/derive/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {importing.processor()},"
        f" {os.cpu_count()} cores",
        f"- {count:,} transactions, half of them transfers to new accounts, half ERC-20 transfers;"
        f" {batches} batches, {blobs} blobs",
        f"- load average when it began: {', '.join(f'{value:.1f}' for value in load)}",
        f"- T-Rex: {importing.trex().version}",
        "",
        importing.row(["", *columns]),
        importing.row(["---", *["---:"] * len(columns)]),
    ]
    for label, of, digits in (
        ("transactions/s", lambda it: count / it.seconds, 0),
        ("CPU us a transaction", lambda it: it.cpu_s / count * 1e6, 1),
        ("memory at most, MiB", lambda it: it.memory_bytes / 2**20, 0),
        ("read, MiB", lambda it: it.file_bytes / 2**20, 0),
    ):
        lines.append(importing.row([label, *[f"{of(it):,.{digits}f}" for it in columns.values()]]))
    ours = columns["from blobs"].seconds
    for name, it in columns.items():
        if name != "from blobs":
            lines.append(f"\n{it.seconds / ours:.2f} times the speed of `{name}`.")
    if "geth import" in columns:
        reached = columns["geth import"].seconds / ours >= GOAL
        lines.append(f"\nGoal, {GOAL} times geth import: {'reached' if reached else 'not reached'}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Post, rebuild, import, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=100_000, help="in the chain")
    parser.add_argument("--rounds", type=int, default=1, help="of each; the quickest counts")
    parser.add_argument("--chains", type=Path, help="folder that keeps the chains for a next run")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    system = importing.geth()
    with tempfile.TemporaryDirectory(prefix="trex-derive-") as scratch:
        folder = (options.chains or Path(scratch)) / str(options.transactions)
        folder.mkdir(parents=True, exist_ok=True)
        ready = folder / "ready.json"
        if not ready.exists():
            if system is None:
                parser.error("geth makes the transactions and is not on this machine: scripts/setup bench")
            uncapped = replace(system, command=(*system.command, *importing.UNCAPPED))
            chain, genesis = importing.make_with_geth(uncapped, options.transactions, folder)
            file, network, total = importing.make_with_trex(chain, genesis, folder)
            places = {"geth": str(chain), "genesis": str(genesis), "trex": str(file), "network": str(network)}
            ready.write_text(json.dumps({**places, "count": total}))
        made = json.loads(ready.read_text())
        network = Path(made["network"])
        posted = Path(scratch) / "batches"
        blobs, batches, expected = post(Path(made["trex"]), network, posted)
        importing.say(f"{batches} batches, {blobs} blobs")
        took: dict[str, list[Any]] = {}
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory(dir=scratch) as place:
                it, last = rebuild(network, posted, Path(place))
                if last != expected:
                    raise RuntimeError(f"rebuilt {last}, not {expected}")
                took.setdefault("from blobs", []).append(it)
            with tempfile.TemporaryDirectory(dir=scratch) as place:
                it = importing.import_trex(Path(made["trex"]), network, Path(place))
                took.setdefault("trex import", []).append(it)
            if system is not None:
                with tempfile.TemporaryDirectory(dir=scratch) as place:
                    it = importing.import_geth(
                        system.command[0], Path(made["geth"]), Path(made["genesis"]), Path(place)
                    )
                    took.setdefault("geth import", []).append(it)
    columns = {name: min(some, key=lambda it: it.seconds) for name, some in took.items()}
    text = report(columns, made, blobs, batches, load)
    importing.say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
