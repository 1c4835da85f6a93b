"""Kill an import at random moments: what it told is there, and the same command goes on to the same chain."""

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.faults.child import environment, transfer

from trex.chain.dev.accounts import ACCOUNTS
from trex.chain.opening import open_chain
from trex.node.files import network_file

SENDERS = 8
CACHE_BYTES = 64 << 20
IMPORT = """
import sys
from pathlib import Path
from trex.chain.opening import open_chain
from trex.node.files import network_file

data, file = map(Path, sys.argv[1:])
chain = open_chain(data, network_file("devnet").read_bytes(), cache_bytes=64 << 20)
chain.import_file(str(file), lambda done, of, head: print(head.number, flush=True) or bool(input() or True))
"""
"""Imports as `trex import` does; prints each block number that it is told, and goes on when told to."""


def make_chain(folder: Path, transactions: int, a_block: int) -> tuple[Path, int, str]:
    """Build a chain of transfers to new accounts; return its export, its height and its newest hash."""
    chain = open_chain(folder / "made", network_file("devnet").read_bytes(), cache_bytes=CACHE_BYTES)
    made = 0
    while made < transactions:
        raws = [
            transfer(index % SENDERS, index // SENDERS, f"0x{0xABC0000000 + index:040x}", 1)
            for index in range(made, made + a_block)
        ]
        assert all(isinstance(outcome, str) for outcome in chain.submit(raws))
        head = chain.build(chain.head().slot + 2, allow_empty=False, budget_ms=60_000)
        assert head is not None
        assert head.transactions == a_block
        made += a_block
    head = chain.head()
    file = folder / "blocks"
    chain.export_file(str(file), 1, head.number, lambda done, of: True)
    chain.close()
    return file, head.number, head.hash


def import_until(data: Path, file: Path, before: int, seconds: float | None) -> tuple[int, bool]:
    """Import, killed so long after the first block above `before` was told.

    Returns the last block number told, and whether the import came to its end.
    """
    told = [before]
    with subprocess.Popen(
        [sys.executable, "-c", IMPORT, str(data), str(file)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        timer = None if seconds is None else threading.Timer(seconds, process.kill)
        for line in process.stdout:
            told.append(int(line))
            if timer is not None and timer.ident is None and told[-1] > before:
                timer.start()
                if seconds == 0.0:
                    continue  # it waits for a word, and is killed: it cannot have come to its end
            with suppress(BrokenPipeError):
                process.stdin.write("\n")
                process.stdin.flush()
        code = process.wait()
        if timer is not None and timer.ident is not None:
            timer.join()
    assert told == sorted(told)
    return told[-1], code == 0


def kill_rounds(folder: Path, transactions: int, kills: int, longest_s: float) -> None:
    seed = int(os.environ.get("TREX_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed} (set TREX_FAULT_SEED to run the same moments again)")  # noqa: T201
    chance = random.Random(seed)
    file, height, newest = make_chain(folder, transactions, 200 if transactions < 100_000 else 2000)
    network, data = network_file("devnet").read_bytes(), folder / "data"
    before = killed = 0
    for turn in range(kills):
        # The first time at once: there is certainly something left to do.
        told, ended = import_until(data, file, before, chance.uniform(0.0, longest_s) if turn else 0.0)
        killed += not ended
        began = time.monotonic()
        chain = open_chain(data, network, cache_bytes=CACHE_BYTES)
        number = chain.head().number
        print(f"told {told}, there {number} of {height}, open in {time.monotonic() - began:.2f} s")  # noqa: T201
        chain.close()
        assert number >= told, "a block that was told is not there"
        assert number >= before, "a block that was there is gone"
        before = number
    assert killed or kills == 0, (
        "no import was killed before its end: the chain is too short for this machine"
    )
    assert import_until(data, file, before, None)[1]
    chain = open_chain(data, network, cache_bytes=CACHE_BYTES)
    assert (chain.head().number, chain.head().hash) == (height, newest)
    assert b'"ok":true' in chain.verify(lambda done, of, what: True).replace(b" ", b"")
    chain.close()


def test_import_killed_at_any_moment_goes_on(tmp_path: Path) -> None:
    assert len(ACCOUNTS) >= SENDERS
    kill_rounds(tmp_path, 20_000, 3, 0.2)


@pytest.mark.long
def test_import_of_a_million_transactions_killed_at_any_moment_goes_on(tmp_path: Path) -> None:
    kill_rounds(tmp_path, int(os.environ.get("TREX_SOAK") or 1_000_000), 20, 5.0)
