"""viem's clients against T-Rex and anvil."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Scenario, script


@pytest.mark.parametrize("name", ["uniswap-v2", "uniswap-v4", "permit2", "account-abstraction", "erc6551"])
def test_viem_scenario_same_on_anvil(name: str, same: Callable[[Scenario], Any], contracts: Path) -> None:
    assert contracts.exists()
    same(script(f"viem/{name}.mjs"))
