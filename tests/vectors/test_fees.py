import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors.fastlz import fastlz_length

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "fees.json").read_text())


LENGTHS = {case["name"]: case for case in VECTORS["lengths"]}


@pytest.mark.parametrize("case", VECTORS["lengths"], ids=lambda case: case["name"])
def test_fastlz_length_golden_case(case: dict[str, Any]) -> None:
    """FEE-001."""
    assert fastlz_length(bytes.fromhex(case["data"][2:])) == case["fastlzLength"]


def test_fastlz_length_values_of_the_op_stack() -> None:
    known = {case["name"]: case["fastlzLength"] for case in VECTORS["lengths"][:5]}
    assert list(known.values()) == [0, 21, 21, 31, 202]


@pytest.mark.parametrize("case", VECTORS["fees"])
def test_fee_golden_case(case: dict[str, Any]) -> None:
    """FEE-002, FEE-003."""
    assert LENGTHS[case["name"]]["fastlzLength"] == case["fastlzLength"]
    size = max(100_000_000, 836_500 * case["fastlzLength"] - 42_585_600)
    price = 16 * case["baseFeeScalar"] * int(case["l1BaseFeeWei"], 16)
    price += case["blobBaseFeeScalar"] * int(case["l1BlobBaseFeeWei"], 16)
    assert int(case["l1FeeWei"], 16) == size * price // 10**12
    assert case["l1GasUsed"] == size * 16 // 10**6


PIECES = st.sampled_from([b"abc", bytes(20), b"xyzw", b"\x01\x02"]) | st.binary(max_size=40)


@given(st.lists(PIECES, max_size=60).map(b"".join))
def test_fastlz_length_is_at_most_all_literals(data: bytes) -> None:
    """FEE-011."""
    assert fastlz_length(data) <= len(data) + -(-len(data) // 32)
