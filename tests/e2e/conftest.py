"""Both networks, and running a scenario on each to compare them."""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.comparison import differences, transactions, without
from tests.e2e.network import HERE, ROOT, Network, anvil, devnet, program

Scenario = Callable[[Network], dict[str, Any]]
TIMEOUT_S = 1200


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, Network]]:
    """Return T-Rex and anvil, both fresh."""
    folder = tmp_path_factory.mktemp("networks")
    with devnet(folder) as trex, anvil(folder) as peer:
        yield trex, peer


@pytest.fixture
def pair(networks: tuple[Network, Network]) -> Iterator[tuple[Network, Network]]:
    """Return both networks as they were at genesis; what a test does is undone."""
    snapshots = [network.call("evm_snapshot") for network in networks]
    yield networks
    for network, snapshot in zip(networks, snapshots, strict=True):
        assert network.call("evm_revert", snapshot) is True


@pytest.fixture
def same(pair: tuple[Network, Network]) -> Callable[[Scenario], list[dict[str, Any]]]:
    """Return what runs a scenario on both networks and fails where they differ.

    A scenario returns a record: values under `seen`, and under `volatile` words that depend on the clock.
    Beside the record, every transaction that reached the chain is compared. Both records are returned.
    """

    def observe(network: Network, scenario: Scenario) -> tuple[dict[str, Any], dict[str, Any]]:
        first = network.head() + 1
        seen = scenario(network)
        record = {"seen": seen["seen"], "transactions": transactions(network, first)}
        return seen, without(record, seen.get("volatile", {}))

    def run(scenario: Scenario) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(2) as pool:
            (ours, left), (theirs, right) = pool.map(lambda network: observe(network, scenario), pair)
        found = list(differences(left, right))
        listed = "\n".join(found[:40])
        assert not found, f"{pair[0].name} != {pair[1].name} in {len(found)} places:\n{listed}"
        assert left["transactions"], "a scenario that sends nothing compares nothing"
        return [ours, theirs]

    return run


def command(*words: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program to its end and return what it printed; a failure shows all of it."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def script(path: str) -> Scenario:
    """Return the scenario that a JavaScript file of this folder is."""
    return lambda network: json.loads(command("node", str(HERE / path), network.url))


@pytest.fixture(scope="session")
def contracts() -> Path:
    """Return the folder in which forge has built the contracts of foundry/src.

    One process builds, whoever comes second finds it done: the folder belongs to all test files.
    """
    cache = HERE / "foundry" / "cache"
    cache.mkdir(exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command(program("forge"), "build", FOUNDRY_PROFILE="e2e")
    return HERE / "foundry" / "out"
