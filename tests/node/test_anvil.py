"""The L1 of a devnet, as it is kept."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.network import free_port

from trex.node.anvil import KEEP_TRIES, Anvil, AnvilError


class Growing(Anvil):
    """Makes a block while its chain is being told, some times."""

    told = 0
    grows = 0

    def call(self, method: str, *params: Any) -> Any:
        found = super().call(method, *params)
        if method == "anvil_dumpState":
            self.told += 1
            if self.told <= self.grows:
                self.mine()
        return found


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Growing]:
    one = Growing(tmp_path, free_port())
    one.start()
    yield one
    one.kill()


def test_chain_is_kept_between_its_blocks_only(anvil: Growing) -> None:
    """Of a block made meanwhile the file could have the state and not the block."""
    anvil.grows = 2
    anvil.keep()
    assert anvil.told == 3
    kept = json.loads(gzip.decompress(anvil.state.read_bytes()))
    assert int(kept["best_block_number"]) == int(anvil.call("eth_blockNumber"), 16) == 2
    anvil.keep()
    assert anvil.told == 3, "nothing new"
    anvil.mine()
    anvil.grows = 1_000
    with pytest.raises(AnvilError, match="each time"):
        anvil.keep()
    assert anvil.told == 3 + KEEP_TRIES
    assert json.loads(gzip.decompress(anvil.state.read_bytes())) == kept
