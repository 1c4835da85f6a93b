"""Withdrawals by themselves: their hash, and when a claim is to be expected."""

import json
from pathlib import Path

from trex.bridge.withdrawals import Claim, Outlook, Withdrawal
from trex.types.primitives import Address, Hash32

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "withdrawals.json").read_text())


def claim(l2_block: int, created_at: int) -> Claim:
    return Claim(0, Address(bytes(20)), Hash32(bytes(32)), l2_block, created_at)


def test_withdrawals_hash_as_the_golden_cases_do() -> None:
    """PTL-030."""
    assert VECTORS["withdrawals"]
    for case in VECTORS["withdrawals"]:
        made = Withdrawal(
            nonce=int(case["nonce"], 16),
            sender=Address(bytes.fromhex(case["sender"][2:])),
            target=Address(bytes.fromhex(case["target"][2:])),
            value_wei=int(case["value"], 16),
            gas_limit=case["gasLimit"],
            data=bytes.fromhex(case["data"][2:]),
            l2_block=1,
        )
        assert "0x" + made.hash.hex() == case["withdrawalHash"]


def test_next_claim_is_expected_as_the_last_ones_came() -> None:
    assert Outlook.of([], 100) == Outlook(None, None)
    assert Outlook.of([claim(7, 90)], 100) == Outlook(7, None)
    assert Outlook.of([claim(9, 90), claim(8, 60), claim(7, 30)], 100) == Outlook(9, 20)
    assert Outlook.of([claim(9, 90), claim(8, 80)], 5_000) == Outlook(9, 1)
