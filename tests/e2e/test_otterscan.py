"""Otterscan's searches by address on T-Rex and anvil: who took part in a transaction, inside it too."""

import time
from collections.abc import Callable
from typing import Any

from tests.e2e.conftest import Scenario
from tests.e2e.network import Network
from tests.e2e.web3_session import ACCOUNTS

OUTER, LENDER, INNER, TARGET = ("0x" + f"{0xC0DE00 + i:040x}" for i in range(4))


def call(to: str, *, delegate: bool = False) -> str:
    """Return code that calls an address with nothing, in its own name or by the other's code."""
    zeros, opcode = ("6000" * 4, "f4") if delegate else ("6000" * 5, "f1")
    return f"{zeros}73{to[2:]}5a{opcode}50"


def mined(network: Network, tx_hash: str) -> None:
    """Wait until a transaction is in a block."""
    deadline = time.monotonic() + 300
    while network.call("eth_getTransactionReceipt", tx_hash) is None:
        assert time.monotonic() < deadline, f"{tx_hash} is not mined"
        time.sleep(0.05)


def searched(network: Network) -> dict[str, Any]:
    """A call that runs another's code, which calls a contract that calls an account and fails."""
    sender = ACCOUNTS[0].address
    for address, code in (
        (OUTER, call(LENDER, delegate=True) + "00"),
        (LENDER, call(INNER) + "00"),
        (INNER, call(TARGET) + "60006000fd"),
    ):
        network.call("anvil_setCode", address, "0x" + code)
    for to in (OUTER, TARGET, OUTER):
        transaction = {"from": sender, "to": to, "gas": hex(200_000)}
        mined(network, network.call("eth_sendTransaction", transaction))
    head = network.head()
    seen = []
    for address in (OUTER, LENDER, INNER, TARGET, sender, "0x" + "77" * 20):
        for method, block in (("ots_searchTransactionsBefore", head + 1), ("ots_searchTransactionsAfter", 0)):
            page = network.call(method, address, block, 25)
            found = [(tx["from"], tx["nonce"], tx["to"]) for tx in page["txs"]]
            seen.append([method, address, found, [receipt["status"] for receipt in page["receipts"]]])
    return {"seen": seen}


def test_searches_find_the_same_transactions(same: Callable[[Scenario], list[dict[str, Any]]]) -> None:
    ours, _ = same(searched)
    found = {address: len(txs) for method, address, txs, _ in ours["seen"] if method.endswith("Before")}
    assert [found[address] for address in (OUTER, LENDER, INNER, TARGET)] == [2, 2, 2, 3]
