"""forge's own flows against T-Rex and anvil: scripts that broadcast, tests on a fork, single contracts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Scenario, command
from tests.e2e.network import ROOT, Network, program
from tests.e2e.web3_session import ACCOUNTS

KEYS = [f"0x{bytes(account.key).hex()}" for account in ACCOUNTS]


def forge(*words: str, **environment: str) -> str:
    return command(program("forge"), *words, cwd=ROOT, FOUNDRY_PROFILE="e2e", **environment)


def documents(output: str) -> list[Any]:
    """Return the JSON documents among lines of output."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def broadcast(tmp_path: Path) -> Scenario:
    def run(network: Network) -> dict[str, Any]:
        folder = tmp_path / network.name
        printed = forge(
            *("script", "tests/e2e/foundry/script/Deploy.s.sol", "--broadcast", "--json"),
            *("--rpc-url", network.url),
            FIRST_KEY=KEYS[0],
            SECOND_KEY=KEYS[1],
            FOUNDRY_BROADCAST=str(folder),
        )
        (kept,) = folder.rglob("run-latest.json")
        run = json.loads(kept.read_text())
        receipts = [
            [each["status"], each["gasUsed"], each.get("contractAddress")] for each in run["receipts"]
        ]
        names = [[each["transactionType"], each["contractName"]] for each in run["transactions"]]
        returned = [each["returns"] for each in documents(printed) if "returns" in each]
        assert len(receipts) == len(names) > 7
        return {"seen": [["receipts", receipts], ["transactions", names], ["returns", returned]]}

    return run


def create(network: Network) -> dict[str, Any]:
    """One contract by `forge create`, with arguments of its constructor."""
    arguments = ("--constructor-args", "Coin", "COIN", "1000")
    printed = forge(
        *("create", "tests/e2e/foundry/src/Tokens.sol:Coin", "--broadcast", "--json"),
        *("--rpc-url", network.url, "--private-key", KEYS[0], *arguments),
    )
    made = json.loads(printed)
    return {"seen": [["created", [made["deployer"], made["deployedTo"]]]]}


def test_forge_script_broadcast_same_on_anvil(
    same: Callable[[Scenario], Any], contracts: Path, tmp_path: Path
) -> None:
    assert contracts.exists()
    same(broadcast(tmp_path))


def test_forge_create_same_on_anvil(same: Callable[[Scenario], Any], contracts: Path) -> None:
    assert contracts.exists()
    same(create)


def test_forge_test_on_fork_same_gas(pair: tuple[Network, Network], contracts: Path) -> None:
    assert contracts.exists()
    results = []
    for network in pair:
        words = ("test", "--fork-url", network.url, "--fuzz-seed", "1962", "--json", "--no-storage-caching")
        (suite,) = documents(forge(*words))
        (tests,) = (each["test_results"] for each in suite.values())
        assert [name for name, each in tests.items() if each["status"] != "Success"] == []
        assert len(tests) == 4
        results.append({name: each["kind"] for name, each in tests.items() if "Unit" in each["kind"]})
    assert results[0] == results[1]
