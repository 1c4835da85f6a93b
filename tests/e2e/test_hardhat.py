"""A Hardhat 2 project, its own compiler task and test runner, against T-Rex and anvil."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Scenario, command
from tests.e2e.network import HERE, Network, program

PROJECT = HERE / "hardhat"
QUIET = {"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "CI": "true"}


@pytest.fixture(scope="session")
def compiled() -> None:
    """Compile the project's contracts."""
    command(program("hardhat"), "compile", "--quiet", cwd=PROJECT, **QUIET)


def test_hardhat_suite_same_on_anvil(same: Callable[[Scenario], Any], compiled: None, tmp_path: Path) -> None:
    def run(network: Network) -> dict[str, Any]:
        record = tmp_path / f"{network.name}.json"
        printed = command(
            *(program("hardhat"), "test", "--no-compile", "--network", "trex"),
            cwd=PROJECT,
            RPC_URL=network.url,
            RECORD=str(record),
            **QUIET,
        )
        assert "8 passing" in printed, printed
        observed: dict[str, Any] = json.loads(record.read_text())
        return observed

    same(run)
