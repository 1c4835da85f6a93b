"""A devnet with its L1, in processes of its own, as a user starts it."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.network import Network
from tests.node.conftest import ALICE, Devnet

from trex.node.anvil import Anvil
from trex.settlement.contracts import contract

PATIENCE_S = 300.0
ETHER = 10**18
QUICK = (
    *("--l1-port", "0", "--verifier-port", "0", "--l1-block-time", "1", "--batch-interval", "1"),
    *("--claim-interval", "2", "--dispute-window", "2", "--proof-maturity", "1"),
)
RECIPIENT = "0x" + "57" * 20


class Rollup:
    """A devnet and what stands beside it."""

    def __init__(self, datadir: Path) -> None:
        self.devnet = Devnet(datadir, *QUICK)
        self.l1 = Anvil(datadir, int(self._found(r"L1 +http://127\.0\.0\.1:(\d+)")))
        self.verifier = Network("verifier", self._found(r"Verifier +(http://127\.0\.0\.1:\d+)"))
        self.portal = self._found(r"Portal +(0x\w+)")

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.devnet.page)
        assert found is not None, self.devnet.page
        return found[1]

    def deposit(self, wei: int) -> None:
        call = contract("Portal").call("depositTransaction", RECIPIENT, wei, 100_000, False, b"")
        request = {"from": ALICE.address, "to": self.portal, "value": hex(wei), "data": "0x" + call.hex()}
        request["gas"] = hex(500_000)  # what a deposit burns depends on the base fee of its block
        self.l1.call("eth_sendTransaction", request)

    def balance(self) -> int:
        return int(self.devnet.call("eth_getBalance", RECIPIENT, "latest"), 16)

    def status(self) -> dict[str, Any]:
        status = self.devnet.call("optimism_syncStatus")
        assert isinstance(status, dict)
        return status

    def agree(self, number: int) -> bool:
        """Tell whether the verifier has the sequencer's block."""
        theirs, ours = (
            node.call("eth_getBlockByNumber", hex(number), False) for node in (self.verifier, self.devnet)
        )
        return theirs is not None and bool(theirs["hash"] == ours["hash"])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)
