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

from measure import LATENCY_S, Latency, Throughput, latency, reads, throughput
from systems import ROOT, Running, System, anvil, geth, trex
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

LATENCY_SHARE = 0.1
SETTLE_S = 1.5
GOAL = 3
DEVNET_CHAIN_ID = 1962
RECOVERY_GROUP = 2000
"""Transactions in one call of the mempool, as many as the server puts in at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one system did in one round."""

    plain: Throughput
    token: Throughput
    latency: Latency | None
    """None where the system does not know eth_sendRawTransactionSync."""
    call_per_s: float
    block_per_s: float


def measure(system: System, code: str, count: int) -> Figures:
    """Start a system, run every load on it, stop it."""
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
        rate = plain.transactions_per_s * LATENCY_SHARE
        turns = zip(*transfers(accounts, running.chain_id, int(rate * LATENCY_S)), strict=False)
        paced = [raw for turn in turns for raw in turn]
        waited = None
        try:
            waited = latency(running, paced, rate)
            say(f"{system.name}: receipt in {waited.p50_ms:.0f} ms, p99 {waited.p99_ms:.0f} ms")
        except RuntimeError as refusal:
            say(f"{system.name}: no latency: {refusal}")
        balance = {"to": token, "data": "0x" + BALANCE_SELECTOR + word(accounts[1].address)}
        time.sleep(SETTLE_S)
        call_per_s = reads(running, "eth_call", balance, "latest")
        block_per_s = reads(running, "eth_getBlockByNumber", "latest", False)
        say(f"{system.name}: eth_call {call_per_s:,.0f}/s, eth_getBlockByNumber {block_per_s:,.0f}/s")
        return Figures(plain, tokens, waited, call_per_s, block_per_s)


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
    waits = [figures.latency for figures in rounds if figures.latency is not None]
    return Figures(
        plain=max((figures.plain for figures in rounds), key=lambda load: load.transactions_per_s),
        token=max((figures.token for figures in rounds), key=lambda load: load.transactions_per_s),
        latency=min(waits, key=lambda wait: wait.p50_ms) if waits else None,
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
        *(f"- {system.name}: {system.version}, blocks of {system.block_time_ms} ms" for system in results),
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
    waits = [figures.latency for figures in results.values()]
    shown = [
        f"{wait.p50_ms:,.0f} / {wait.p99_ms:,.0f} at {wait.rate_per_s:,.0f} tx/s" if wait else "not offered"
        for wait in waits
    ]
    others = [wait.p50_ms for wait in waits[1:] if wait]
    quicker = ratio(waits[0].p50_ms, others, less=True) if waits[0] else "not measured"
    lines.append(row(["send to receipt at a tenth of its peak, ms p50 / p99", *shown, quicker]))
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
    missing = {"anvil", "geth --dev"} - {system.name for system in results}
    if missing:
        lines.append(f"\nNot measured, because not on this machine: {', '.join(sorted(missing))}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=20_000, help="in each load")
    parser.add_argument("--rounds", type=int, default=3, help="the best of each figure counts")
    parser.add_argument("--only", help="systems to measure, comma between them: trex,anvil,geth")
    parser.add_argument("--no-bound", action="store_true", help="leave the signature-recovery bound out")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    say(f"load average {', '.join(f'{value:.1f}' for value in load)}, {os.cpu_count()} cores")
    makers = {"trex": trex, "anvil": anvil, "geth": geth}
    chosen = options.only.split(",") if options.only else list(makers)
    if unknown := set(chosen) - set(makers):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    found = [system for name, make in makers.items() if name in chosen and (system := make()) is not None]
    code = compile_token()
    rounds: dict[System, list[Figures]] = {system: [] for system in found}
    for _ in range(options.rounds):
        for system in found:
            rounds[system].append(measure(system, code, options.transactions))
    bound = None if options.no_bound else recovery_per_s(options.transactions)
    text = report(
        {system: best(some) for system, some in rounds.items()},
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
