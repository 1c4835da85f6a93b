"""Every way in which the bridges refuse has words."""

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from trex.bridge.reverts import WORDS, explain, names


def test_every_error_of_the_contracts_has_words_and_no_other() -> None:
    assert names() == WORDS.keys()


@pytest.mark.parametrize(
    ("error", "types", "values", "said"),
    [
        ("OptimismPortal_Unproven()", [], [], "prove it first"),
        ("OptimismPortal_DepositGasSoldOut(uint64,uint64)", ["uint64"] * 2, [7, 5], "gasLimit 7, left 5"),
        ("Error(string)", ["string"], ["no more"], "no more"),
        ("Panic(uint256)", ["uint256"], [0x11], "panic 0x11"),
    ],
)
def test_revert_data_is_said_in_words(error: str, types: list[str], values: list[object], said: str) -> None:
    text = explain("0x" + (keccak(error.encode())[:4] + encode(types, values)).hex())
    assert text is not None
    assert said in text


@pytest.mark.parametrize("data", [None, "", "0x", "0x01", "0xdeadbeef", "0x08c379a0ff", "nonsense"])
def test_unknown_or_malformed_revert_data_is_nobodys_guess(data: str | None) -> None:
    assert explain(data) is None
