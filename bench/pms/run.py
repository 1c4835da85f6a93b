"""The exact best hundred of many people: T-Rex's kernel beside DuckDB, Polars and chDB on the same queries.

`python bench/pms/run.py` draws people (heavy-tailed values, rows in random order) and queries anew each time.
Figures are for reading, never asserted by a test. The example `scan` of `crates/pms` measures, in the
kernel's own language, what a pass over the same bytes costs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trex._core import PROFILE, People

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
CRITERIA = 5
BEST = 100
SIZES = (10_000, 100_000, 1_000_000)
LONG_SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SHARES = {"everybody": 1.0, "a tenth": 0.1, "a thousandth": 0.001}
UNDER_LOAD_S = 10.0
READERS = 4
ROWS_A_SECOND = 10_000
BATCHES_A_SECOND = 10
Arrays = list[np.ndarray]
Plan = dict
Times = list[float]


def drawn(people: int, random: np.random.Generator) -> Arrays:
    """Log-normal values of sigma 2, median 100 units, in millionths."""
    return [(np.exp(random.normal(0, 2, people)) * 1e8).astype(np.int64) for _ in range(CRITERIA)]


def query(columns: Arrays, share: float, random: np.random.Generator) -> Plan:
    """A query with terms of all columns, whose filter so many are in."""
    terms = []
    for place, column in enumerate(columns):
        sample = column[:100_000]
        low, high = (int(np.quantile(sample, at)) for at in (0.05, 0.95))
        points = {"column": place, "low": low, "high": high * int(random.integers(1, 40))}
        scale = {"linear" if random.random() < 1 / 3 else "log": points}
        weight, inverted = int(random.integers(1, 10_000)), bool(random.random() < 0.25)
        terms.append({"scale": scale, "weight": weight, "inverted": inverted})
    filter_: Plan = {"all": []}
    if share < 1:
        place = int(random.integers(CRITERIA))
        low = int(np.quantile(columns[place], 1 - share))
        filter_ = {"range": {"column": place, "low": low, "high": 2**63 - 1}}
    return {"filter": filter_, "terms": terms}


def expression(plan: Plan, least: str, greatest: str) -> tuple[str, str]:
    """Score and filter as SQL, in doubles."""
    parts = []
    for term in plan["terms"]:
        (kind, told), *_ = term["scale"].items()
        value, low, high = f"c{told['column']}", float(told["low"]), float(told["high"])
        if kind == "log":
            value, low, high = f"log2({value} + 1.0)", float(np.log2(low + 1)), float(np.log2(high + 1))
        share = f"{least}({greatest}(({value} - {low!r}) / {high - low!r}, 0.0), 1.0)"
        share = f"(1.0 - {share})" if term["inverted"] else share
        parts.append(f"{term['weight']} * {share}")
    asked = plan["filter"].get("range")
    where = f"WHERE c{asked['column']} >= {asked['low']}" if asked else ""
    return " + ".join(parts), where


def timed(work: Callable[[Plan], object], plans: list[Plan]) -> Times:
    """How long each query takes, ms."""
    times = []
    for plan in plans:
        began = time.perf_counter()
        work(plan)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def told(times: Times) -> str:
    """Median and p99, ms."""
    return f"{np.quantile(times, 0.5):,.1f} / {np.quantile(times, 0.99):,.1f}"


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def kernel(folder: Path, columns: Arrays) -> tuple[People, bytes]:
    """Write the columns and open them; return them with everybody's passport."""
    count = len(columns[0])
    ids = np.random.default_rng(1).bytes(32 * count)
    seen = bytes(4 * count)
    names = [f"c{place}" for place in range(CRITERIA)]
    People.create(str(folder), names, ids, 1, lambda place: (columns[place].tobytes(), seen))
    return People.open(str(folder), names), ids


def duckdb(columns: Arrays) -> Callable[[Plan], object]:
    """A table in DuckDB's memory."""
    import duckdb

    con = duckdb.connect(config={"threads": os.cpu_count() or 1})
    given = {f"c{place}": column for place, column in enumerate(columns)}
    given["id"] = np.arange(len(columns[0]))
    con.register("given", given)
    con.execute("CREATE TABLE people AS FROM given")

    def ask(plan: Plan) -> object:
        score, where = expression(plan, "least", "greatest")
        asked = f"SELECT id, {score} AS score FROM people {where} ORDER BY score DESC, id LIMIT {BEST}"
        return [row[0] for row in con.execute(asked).fetchall()]

    return ask


def polars(columns: Arrays) -> Callable[[Plan], object]:
    """A frame, asked lazily."""
    import polars as pl

    people = pl.DataFrame({f"c{place}": column for place, column in enumerate(columns)})
    people = people.with_row_index("id")

    def ask(plan: Plan) -> object:
        total = pl.lit(0.0)
        for term in plan["terms"]:
            (kind, told), *_ = term["scale"].items()
            value, low, high = pl.col(f"c{told['column']}").cast(pl.Float64), told["low"], told["high"]
            if kind == "log":
                value, low, high = (value + 1).log(2), np.log2(low + 1), np.log2(high + 1)
            share = ((value - low) / (high - low)).clip(0, 1)
            total = total + term["weight"] * (1 - share if term["inverted"] else share)
        asked = plan["filter"].get("range")
        rows = people.lazy()
        if asked:
            rows = rows.filter(pl.col(f"c{asked['column']}") >= asked["low"])
        best = rows.select("id", total.alias("score")).top_k(BEST, by=["score", -pl.col("id").cast(pl.Int64)])
        return best.collect()["id"].to_list()

    return ask


def chdb(columns: Arrays) -> Callable[[Plan], object]:
    """A table of ClickHouse's engine Memory, in this process."""
    import pyarrow as pa
    from chdb import session

    known = {f"c{place}": column for place, column in enumerate(columns)}
    given = pa.table(known | {"id": np.arange(len(columns[0]))})
    engine = session.Session()
    engine.query("CREATE DATABASE bench ENGINE = Atomic")
    engine.query("CREATE TABLE bench.people ENGINE = Memory AS SELECT * FROM Python(given)")

    def ask(plan: Plan) -> object:
        score, where = expression(plan, "least", "greatest")
        asked = f"SELECT id, {score} AS score FROM bench.people {where} ORDER BY score DESC, id LIMIT {BEST}"
        return [int(line.split(",")[0]) for line in str(engine.query(asked, "CSV")).splitlines()]

    assert given.num_rows  # the query above reads it by its name
    return ask


PEERS = {"DuckDB, in memory": duckdb, "Polars": polars, "chDB, in memory": chdb}


def under_load(people: People, ids: bytes, columns: Arrays, plans: list[Plan]) -> tuple[Times, float]:
    """Ask from several threads while rows change; return times of the questions, ms, and rows a second."""
    done, times, changed = threading.Event(), [], [0]
    count, questions = len(columns[0]), [json.dumps(plan).encode() for plan in plans]

    def change() -> None:
        random = np.random.default_rng(2)
        while not done.wait(1 / BATCHES_A_SECOND):
            # Those that have come since the last batch.
            rows = int((time.monotonic() - began) * ROWS_A_SECOND) - changed[0]
            chosen = random.integers(0, count, rows)
            who = b"".join(ids[32 * row : 32 * row + 32] * CRITERIA for row in chosen)
            places = np.tile(np.arange(CRITERIA, dtype=np.uint32), rows)
            values = (np.exp(random.normal(0, 2, rows * CRITERIA)) * 1e8).astype(np.int64)
            cells = (who, places.tobytes(), values.tobytes(), bytes(4 * len(values)))
            people.update(people.offset + 1, cells, b"")
            changed[0] += rows

    def ask(first: int) -> None:
        for place in range(first, 10**9):
            if done.is_set():
                return
            began = time.perf_counter()
            people.top(questions[place % len(questions)], BEST)
            times.append((time.perf_counter() - began) * 1e3)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(READERS)]
    threads.append(threading.Thread(target=change))
    began = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(UNDER_LOAD_S)
    done.set()
    for thread in threads:
        thread.join()
    return times, changed[0] / (time.monotonic() - began)


def one_pass(people: int, queries: int) -> dict[str, object]:
    """The kernel beside one pass over the bytes it reads, both in Rust."""
    command = ["cargo", "run", "--release", "--quiet", "-p", "trex-pms", "--example", "scan"]
    command += ["--", str(people), str(queries)]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def measure(people: int, queries: int, say: Callable[[str], None]) -> dict[str, str]:
    """One size: the kernel, what it takes, and its peers."""
    random = np.random.default_rng()
    columns = drawn(people, random)
    plans = {name: [query(columns, share, random) for _ in range(queries)] for name, share in SHARES.items()}
    row: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        before = resident_mib()
        opened, ids = kernel(Path(folder), columns)
        place = {ids[32 * row : 32 * row + 32]: row for row in range(people)} if people <= 10**6 else {}
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        threads = os.cpu_count() or 1

        def ask(plan: Plan) -> list[bytes]:
            return [who for who, *_ in opened.top(json.dumps(plan).encode(), BEST, None, threads)]

        for name, asked in plans.items():
            row[f"T-Rex, {name}"] = told(timed(ask, asked))
        row["memory, MiB"] = f"{resident_mib() - before:,.0f}"
        row["disk, MiB"] = f"{disk / 2**20:,.0f}"
        for peer, make in PEERS.items():
            work = make(columns)
            # A sample of the same queries: the slowest of them takes seconds.
            few = max(5, queries // 5)
            for name, asked in plans.items():
                row[f"{peer}, {name}"] = told(timed(work, asked[:few]))
            same = [
                len({place[who] for who in ask(plan)} & set(work(plan)))
                for plan in plans["everybody"][:5]
                if place
            ]
            row[f"{peer}: of our hundred"] = f"{min(same)} or more" if same else "-"
            say(f"{people:,} people, {peer}: done")
        times, rate = under_load(opened, ids, columns, plans["everybody"])
        row[f"T-Rex, {READERS} readers beside {rate:,.0f} rows/s changing"] = told(times)
    return row


def load() -> str:
    """The machine's load averages."""
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


def main() -> None:
    """Measure every size and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="up to ten million people, a hundred queries")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sizes, queries = (LONG_SIZES, 100) if arguments.long else (SIZES, 25)
    before = load()
    head = ("people", "one pass", "everybody", "a tenth", "a hundredth", "a thousandth")
    head += ("everybody, beside updates", "updates/s")
    lines = [
        "# Ranking people",
        "",
        f"The exact best {BEST} by {CRITERIA} criteria, on {os.cpu_count()} cores; ms, median / p99 of",
        f"{queries} queries drawn at run time (peers: a fifth of them). Values are log-normal, sigma 2;",
        "rows are in random order. Peers compute in doubles, T-Rex in whole numbers.",
        "",
        "## Beside one pass over the same bytes",
        "Both in Rust, release profile: four bytes a criterion are read by either.",
        "",
        f"| {' | '.join(head)} |",
        "|---:" * len(head) + "|",
    ]
    for people in sizes:
        found = one_pass(people, queries)
        cells = [
            " / ".join(f"{one:,.1f}" for one in found[f"{name}_ms"])
            for name in ("pass", "all", "tenth", "hundredth", "thousandth", "all_beside_updates")
        ]
        lines.append(f"| {people:,} | {' | '.join(cells)} | {found['updates_per_s']:,} |")
        print(lines[-1], flush=True)
    rows = {people: measure(people, queries, print) for people in sizes}
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines += [
        "",
        "## Beside others",
        "",
        f"From Python; the extension in its {PROFILE} profile.",
        "",
        f"| | {' | '.join(f'{people:,}' for people in sizes)} |",
    ]
    lines += ["|---|" + "---:|" * len(sizes)]
    lines += [f"| {name} | {' | '.join(row.get(name, '') for row in rows.values())} |" for name in names]
    lines += ["", f"Load of the machine before: {before}; after: {load()}."]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
