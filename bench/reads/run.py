"""Read logs, proofs and state of the same contents from T-Rex, anvil and geth, one after another.

`python bench/reads/run.py` fills each system by the same transactions, one in each block, and counts how many
calls a second one connection gets. Figures are for reading, never asserted by a test.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "throughput"))

from marks import compiled
from run import processor, row, say
from systems import Running, System, anvil, geth, trex
from wire import call, request
from workload import DEPLOY_GAS, Sender, senders, word

KINDS = 1000
"""Distinct values of the second topic."""
LOGS_EACH = 1000
"""Logs in one transaction, and so in one block."""
SLOTS_EACH, SLOTS = 500, 10_000
ACCOUNTS_EACH, ACCOUNTS = 300, 6_000
WINDOW = 10
"""Blocks whose every log is asked for at once."""
PROVED_SLOTS = 20
BUSY_S = 3.0
"""How long each kind of call is repeated."""
START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Filled:
    """Where a system has what is read."""

    contract: str
    log_blocks: list[int]
    """Those with logs, ascending."""
    logs: int
    seconds: float


def one_by_one(system: System) -> System:
    """Return the system as it makes a block for each transaction at once."""
    command = list(system.command)
    for flag, value in (("--block-time", None), ("--dev.period", "0")):
        if flag in command:
            at = command.index(flag)
            command[at : at + 2] = [] if value is None else [flag, value]
    if system.name == "T-Rex":
        command += ["--mining", "instant"]
    if "--http" in command:
        command += ["--rpc.txfeecap", "0"]
    return replace(system, command=tuple(command))


def include(running: Running, raw: str) -> dict[str, str]:
    """Send a transaction and wait for its receipt.

    Raises:
        RuntimeError: it failed, or was not included in time.
    """
    tx_hash = running.connection.rpc("eth_sendRawTransaction", raw)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            receipt: dict[str, str] | None = running.connection.rpc("eth_getTransactionReceipt", tx_hash)
        except RuntimeError:  # geth says for a moment that its index is not there yet
            receipt = None
        if receipt is not None:
            if receipt["status"] != "0x1":
                raise RuntimeError(f"{running.system.name}: {tx_hash} failed")
            return receipt
        time.sleep(0.001)
    raise RuntimeError(f"{running.system.name}: {tx_hash} was not included in time")


def fill(running: Running, sender: Sender, logs: int, code: str, selectors: dict[str, str]) -> Filled:
    """Deploy the contract and have it make logs, slots and accounts."""
    chain_id, started = running.chain_id, time.perf_counter()
    contract = include(running, sender.sign(chain_id, None, 0, DEPLOY_GAS // 4, "0x" + code))[
        "contractAddress"
    ]

    def act(name: str, start: int, count: int, value: int = 0) -> int:
        data = "0x" + selectors[name] + word(start) + word(count)
        receipt = include(running, sender.sign(chain_id, contract, value, DEPLOY_GAS, data))
        return int(receipt["blockNumber"], 16)

    for at in range(0, SLOTS, SLOTS_EACH):
        act("store", at, SLOTS_EACH)
    for at in range(0, ACCOUNTS, ACCOUNTS_EACH):
        act("fund", at, ACCOUNTS_EACH, ACCOUNTS_EACH)
    blocks = [act("log", at, LOGS_EACH) for at in range(0, logs, LOGS_EACH)]
    return Filled(contract, blocks, logs, time.perf_counter() - started)


def calls(filled: Filled, selectors: dict[str, str], holder: str) -> dict[str, tuple[str, list[object], int]]:
    """Return each kind of call by what it is: method, parameters, and how many logs its answer must have."""
    first, last = filled.log_blocks[0], filled.log_blocks[-1]
    middle = filled.log_blocks[len(filled.log_blocks) // 2 :][:WINDOW]
    everywhere = {"address": filled.contract, "fromBlock": hex(first), "toBlock": hex(last)}
    one = ["0x" + word(filled.logs // 3)]
    kind = ["0x" + word(77)]
    window = {"address": filled.contract, "fromBlock": hex(middle[0]), "toBlock": hex(middle[-1])}
    value = {"to": filled.contract, "data": "0x" + selectors["values"] + word(SLOTS // 2)}
    slots = ["0x" + word(slot) for slot in range(PROVED_SLOTS)]
    return {
        "eth_getLogs, 1 of all logs by its topic": (
            "eth_getLogs",
            [{**everywhere, "topics": [None, one]}],
            1,
        ),
        f"eth_getLogs, every {KINDS}th of all logs by topic": (
            "eth_getLogs",
            [{**everywhere, "topics": [None, None, kind]}],
            filled.logs // KINDS,
        ),
        f"eth_getLogs, all {WINDOW * LOGS_EACH:,} of {WINDOW} blocks": (
            "eth_getLogs",
            [window],
            WINDOW * LOGS_EACH,
        ),
        "eth_getProof, an account": ("eth_getProof", [holder, [], "latest"], 0),
        f"eth_getProof, a contract and {PROVED_SLOTS} slots": (
            "eth_getProof",
            [filled.contract, slots, "latest"],
            0,
        ),
        "eth_call, a view of one slot": ("eth_call", [value, "latest"], 0),
    }


def rate(running: Running, method: str, params: list[object], logs: int) -> float:
    """Return how many of a call one connection gets a second, one after another.

    Raises:
        RuntimeError: the call fails, or its answer has another number of logs.
    """
    answer = running.connection.rpc(method, *params)
    if method == "eth_getLogs" and len(answer) != logs:
        raise RuntimeError(f"{running.system.name}: {len(answer)} logs instead of {logs}")
    prepared = request(json.dumps(call(method, *params)).encode())
    count, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < BUSY_S:
        running.connection.exchange(prepared)
        count += 1
    return count / spent


def measure(system: System, logs: int, code: str, selectors: dict[str, str]) -> dict[str, float]:
    """Start a system, fill it, read from it, stop it."""
    with Running(one_by_one(system)) as running:
        sender = senders()[0]
        running.fund([sender.address])
        filled = fill(running, sender, logs, code, selectors)
        say(f"{system.name}: filled in {filled.seconds:.0f} s")
        rates = {}
        for what, (method, params, expected) in calls(filled, selectors, sender.address).items():
            rates[what] = rate(running, method, params, expected)
            say(f"{system.name}: {what}: {rates[what]:,.1f}/s")
        return rates


def report(results: dict[System, dict[str, float]], logs: int, load: tuple[float, ...]) -> str:
    """Return the results as Markdown."""
    ours, *peers = results.values()
    lines = [
        "# Reads beside anvil and geth",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/reads/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {processor()}, {os.cpu_count()} cores",
        f"- {logs:,} logs in {logs // LOGS_EACH:,} blocks, {SLOTS:,} slots, {ACCOUNTS:,} accounts;"
        " calls one after another on one connection",
        f"- load average when it began: {', '.join(f'{value:.1f}' for value in load)}",
        *(f"- {system.name}: {system.version}" for system in results),
        "",
        row(["calls/s", *(system.name for system in results), "T-Rex / best peer"]),
        row(["---", *("---:" for _ in results), "---:"]),
    ]
    for what, mine in ours.items():
        theirs = [peer[what] for peer in peers]
        ratio = f"{mine / max(theirs):.2f}x" if theirs else "no peer"
        lines.append(row([what, *(f"{rates[what]:,.1f}" for rates in results.values()), ratio]))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", type=int, default=1_000_000, help="in the chain, a thousand in each block")
    parser.add_argument("--only", help="systems to measure, comma between them: trex,anvil,geth")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    load = os.getloadavg()
    makers = {"trex": trex, "anvil": anvil, "geth": geth}
    chosen = options.only.split(",") if options.only else list(makers)
    if unknown := set(chosen) - set(makers):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    code, selectors = compiled()
    found = [system for name, make in makers.items() if name in chosen and (system := make()) is not None]
    results = {system: measure(system, options.logs, code, selectors) for system in found}
    text = report(results, options.logs, load)
    say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
