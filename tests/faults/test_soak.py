"""A million transactions through JSON-RPC: memory stays bounded, executed again they give the same roots."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from tests.faults.child import COMMAND, Client, Devnet, environment, transfer

from trex.chain.dev.accounts import ACCOUNTS

BATCH = 250
MEMORY_BYTES = 3 << 30
"""What the node may have at any time: its cache, the mempool's limits and the trie's together."""
ALL_IN_S = 120


@pytest.mark.long
def test_soak_a_million_transactions_give_the_roots_of_an_uninterrupted_run(tmp_path: Path) -> None:
    count = int(os.environ.get("TREX_SOAK") or 1_000_000)
    data = tmp_path / "data"
    with Devnet(data, tmp_path / "log", "--cache-mb", "256") as node:
        client = node.connect()
        try:
            send_all(node, client, count)
        finally:
            client.close()
        wait_for_empty(node)
        assert node.stop() == 0
    again(tmp_path, data)


def send_all(node: Devnet, client: Client, count: int) -> None:
    """Send transfers to new accounts, as fast as answers come."""
    sent = most = 0
    while sent < count:
        nonce, sender = divmod(sent // BATCH, len(ACCOUNTS))
        raws = [
            transfer(sender, nonce * BATCH + index, f"0x{0x50AC000000 + sent + index:040x}", 1)
            for index in range(BATCH)
        ]
        for answer in client.batch([("eth_sendRawTransaction", [raw]) for raw in raws]):
            assert "error" not in answer, answer
        sent += BATCH
        if sent % (BATCH * 40) == 0:
            most = max(most, node.memory_bytes())
            assert most < MEMORY_BYTES, f"{most} bytes after {sent} transactions"
    print(f"{sent} transactions, {most >> 20} MiB at most")  # noqa: T201


def wait_for_empty(node: Devnet) -> None:
    """Wait until the mempool has nothing left."""
    deadline = time.monotonic() + ALL_IN_S
    while time.monotonic() < deadline:
        status = node.call("txpool_status", [])
        if int(status["pending"], 16) + int(status["queued"], 16) == 0:
            return
        time.sleep(0.2)
    raise AssertionError("transactions are left in the mempool")


def again(folder: Path, data: Path) -> None:
    """Execute the chain again from its genesis: every header, and so every root, must be the same."""
    blocks, second = folder / "blocks", folder / "second"
    run("export", blocks, "--datadir", data)
    run("import", blocks, "--datadir", second)
    run("export", folder / "again", "--datadir", second)
    assert (folder / "again").read_bytes() == blocks.read_bytes()
    assert json.loads(run("db", "verify", "--datadir", second, "--json"))["ok"]


def run(*arguments: str | Path) -> str:
    """Run a command of `trex` as long as it takes, and return what it printed."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
