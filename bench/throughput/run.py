"""Put T-Rex and its peers under the same load, one after another, and write what came of it.

`python bench/throughput/run.py` (or `make bench`) measures every system that it finds on this machine;
specs of the load are in README.md beside this file. Figures are for reading, never asserted by a test.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import Latency, Throughput, latency, reads, throughput
from systems import ROOT, Running, System, anvil, geth, hardhat, trex
from workload import (
    BALANCE_SELECTOR,
    BATCH,
    CONNECTIONS,
    SENDERS,
    batches,
    compile_token,
    deploy_token,
    senders,
    token_transfers,
    transfers,
    word,
)

from trex import _core  # noqa: TID251  (the bound is that of the core alone)

LATENCY_SHARES = {0.1: "a tenth", 0.5: "half", 0.9: "nine tenths"}
LATENCY_S = 3.0
SETTLE_S = 1.5
IDLE_S = 3.0
"""Before reads: by then the newest block is an empty one everywhere, so that all answer the same."""
GOAL = 3
DEVNET_CHAIN_ID = 1962
RECOVERY_GROUP = 2000
"""Transactions in one call of the mempool, as many as the server puts in at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one system did in one round."""

    plain: Throughput
    token: Throughput
    latency: dict[float, Latency]
    """By share of the rate of plain transfers; one that the system did not keep up with is missing."""
    call_per_s: float
    block_per_s: float


def measure(system: System, code: str, count: int) -> Figures:
    """Start a system, run every load on it, stop it."""
    count = int(count * system.share)
    with Running(system) as running:
        accounts = senders()
        running.fund([account.address for account in accounts])
        token = deploy_token(running, accounts, code)
        lanes = [batches(lane) for lane in transfers(accounts, running.chain_id, count)]
        plain = throughput(running, lanes, count)
        say(f"{system.name}: plain {plain.transactions_per_s:,.0f} tx/s, {plain.cpu_us:.0f} us of CPU each")
        lanes = [batches(lane) for lane in token_transfers(accounts, running.chain_id, count, token)]
        time.sleep(SETTLE_S)
        tokens = throughput(running, lanes, count)
        say(f"{system.name}: token {tokens.transactions_per_s:,.0f} tx/s, {tokens.cpu_us:.0f} us of CPU each")
        time.sleep(SETTLE_S)
        waits = {}
        for share, words in LATENCY_SHARES.items():
            rate = plain.transactions_per_s * share
            lanes = transfers(accounts, running.chain_id, max(1, int(rate * LATENCY_S)))
            try:
                waits[share] = latency(running, lanes, rate)
            except RuntimeError as refusal:
                say(f"{system.name}: no latency at {words} of its peak: {refusal}")
                continue
            say(
                f"{system.name}: at {words} of its peak included within {waits[share].p50_ms:.0f} ms,"
                f" p99 {waits[share].p99_ms:.0f} ms"
            )
            time.sleep(SETTLE_S)
        time.sleep(IDLE_S)
        balance = {"to": token, "data": "0x" + BALANCE_SELECTOR + word(accounts[1].address)}
        call_per_s = reads(running, "eth_call", balance, "latest")
        block_per_s = reads(running, "eth_getBlockByNumber", "latest", False)
        say(f"{system.name}: eth_call {call_per_s:,.0f}/s, eth_getBlockByNumber {block_per_s:,.0f}/s")
        return Figures(plain, tokens, waits, call_per_s, block_per_s)


def recovery_per_s(count: int) -> float:
    """Return how many transactions a second this machine decodes and recovers the sender of, all cores busy.

    By the mempool itself, from accounts without ether: each is refused once its sender is known, so nothing
    is journaled or executed.
    """
    raws = [raw for lane in transfers(senders(), DEVNET_CHAIN_ID, count) for raw in lane]
    with tempfile.TemporaryDirectory(prefix="trex-bench-") as folder:
        network = (ROOT / "networks" / "devnet.json").read_bytes()
        chain = _core.Chain.open(folder, network, history_blocks=None, cache_bytes=64 << 20, limits=b"{}")
        started = time.perf_counter()
        for at in range(0, count, RECOVERY_GROUP):
            outcomes = chain.submit(raws[at : at + RECOVERY_GROUP])
            assert not any(isinstance(outcome, str) for outcome in outcomes)
        seconds = time.perf_counter() - started
        chain.close()
    return count / seconds


def processor() -> str:
    """Return the model of this machine's processor."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor()


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, flush=True)


def best(rounds: list[Figures]) -> Figures:
    """Return the best of each figure: what else runs on the machine can only make one worse."""
    return Figures(
        plain=max((figures.plain for figures in rounds), key=lambda load: load.transactions_per_s),
        token=max((figures.token for figures in rounds), key=lambda load: load.transactions_per_s),
        latency={
            share: min(waits, key=lambda wait: wait.p50_ms)
            for share in LATENCY_SHARES
            if (waits := [figures.latency[share] for figures in rounds if share in figures.latency])
        },
        call_per_s=max(figures.call_per_s for figures in rounds),
        block_per_s=max(figures.block_per_s for figures in rounds),
    )


def row(cells: list[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def report(
    results: dict[System, Figures],
    bound_per_s: float | None,
    count: int,
    rounds: int,
    load: tuple[float, ...],
) -> str:
    """Return the results as Markdown."""
    ours, *peers = results.values()
    cores = os.cpu_count() or 1
    lines = [
        "# Throughput beside peers",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/throughput/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {processor()}, {cores} cores;"
        f" {platform.system()} {platform.release()}; Python {platform.python_version()}",
        f"- {count:,} transactions of {SENDERS} accounts, {CONNECTIONS} connections, batches of {BATCH};"
        f" best of {rounds} round{'s' if rounds > 1 else ''}; the driver on the same cores",
        f"- load average when it began: {', '.join(f'{value:.1f}' for value in load)}"
        + (
            f". **Other work had the {cores} cores too: wall-clock figures are too low,"
            " CPU time for each transaction is the steadier comparison.**"
            if load[0] > cores / 4
            else ""
        ),
        *(
            f"- {system.name}: {system.version}, blocks of {system.block_time_ms} ms"
            + (f"; {count * system.share:,.0f} transactions, one round" if system.share < 1 else "")
            for system in results
        ),
        "",
        row(["", *(system.name for system in results), "T-Rex / best peer"]),
        row(["---", *("---:" for _ in results), "---:"]),
    ]

    def ratio(mine: float, theirs: list[float], less: bool = False) -> str:
        if not theirs:
            return "no peer"
        return f"{min(theirs) / mine:.2f}x less" if less else f"{mine / max(theirs):.2f}x"

    for label, plain in (("plain transfers to new accounts", True), ("ERC-20 transfers", False)):
        loads = [figures.plain if plain else figures.token for figures in results.values()]
        rates = [load.transactions_per_s for load in loads]
        costs = [load.cpu_us for load in loads]
        lines.append(row([f"{label}, tx/s", *(f"{rate:,.0f}" for rate in rates), ratio(rates[0], rates[1:])]))
        used = ratio(costs[0], costs[1:], less=True)
        lines.append(row([f"{label}, CPU us of the server each", *(f"{cost:,.0f}" for cost in costs), used]))
    for share, words in LATENCY_SHARES.items():
        waits = [figures.latency.get(share) for figures in results.values()]
        shown = [
            f"{wait.p50_ms:,.0f} / {wait.p99_ms:,.0f} at {wait.rate_per_s:,.0f} tx/s"
            if wait
            else "not kept up"
            for wait in waits
        ]
        others = [wait.p50_ms for wait in waits[1:] if wait]
        quicker = ratio(waits[0].p50_ms, others, less=True) if waits[0] else "not measured"
        lines.append(row([f"send to inclusion at {words} of its peak, ms p50 / p99", *shown, quicker]))
    for label, values in (
        ("eth_call (ERC-20 balanceOf), one connection, calls/s", [f.call_per_s for f in results.values()]),
        ("eth_getBlockByNumber, one connection, calls/s", [f.block_per_s for f in results.values()]),
    ):
        lines.append(row([label, *(f"{value:,.0f}" for value in values), ratio(values[0], values[1:])]))
    lines.append("")
    if bound_per_s is None:
        lines.append("Share of the signature-recovery bound: not measured.")
    else:
        lines.append(
            f"Signature-recovery bound: {bound_per_s:,.0f} tx/s (decoding and recovering alone, all cores)."
            f" T-Rex reaches {ours.plain.transactions_per_s / bound_per_s:.0%} of it with plain transfers,"
            f" {ours.token.transactions_per_s / bound_per_s:.0%} with ERC-20 transfers."
        )
    if peers:
        met = [
            mine >= GOAL * max(theirs)
            for mine, theirs in (
                (ours.plain.transactions_per_s, [peer.plain.transactions_per_s for peer in peers]),
                (ours.token.transactions_per_s, [peer.token.transactions_per_s for peer in peers]),
            )
        ]
        words = ["reached" if here else "not reached" for here in met]
        lines.append(f"\nGoal, {GOAL} times the best peer: plain {words[0]}, ERC-20 {words[1]}.")
    missing = {"anvil", "geth --dev", "Hardhat"} - {system.name for system in results}
    if missing:
        why = "not on this machine, or failed as was printed"
        lines.append(f"\nNot measured ({why}): {', '.join(sorted(missing))}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=20_000, help="in each load")
    parser.add_argument("--rounds", type=int, default=2, help="the best of each figure counts")
    parser.add_argument("--only", help="systems to measure, comma between them: trex,anvil,geth,hardhat")
    parser.add_argument("--no-bound", action="store_true", help="leave the signature-recovery bound out")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    say(f"load average {', '.join(f'{value:.1f}' for value in load)}, {os.cpu_count()} cores")
    makers = {"trex": trex, "anvil": anvil, "geth": geth, "hardhat": hardhat}
    chosen = options.only.split(",") if options.only else list(makers)
    if unknown := set(chosen) - set(makers):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    found = [system for name, make in makers.items() if name in chosen and (system := make()) is not None]
    code = compile_token()
    rounds: dict[System, list[Figures]] = {system: [] for system in found}
    for turn in range(options.rounds):
        for system in found:
            if turn and system.share < 1:
                continue
            try:
                rounds[system].append(measure(system, code, options.transactions))
            except (OSError, RuntimeError) as fault:
                if system is found[0]:
                    raise
                say(f"{system.name}: left out of this round: {fault}")
    bound = None if options.no_bound else recovery_per_s(options.transactions)
    text = report(
        {system: best(some) for system, some in rounds.items() if some},
        bound,
        options.transactions,
        options.rounds,
        load,
    )
    say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
