"""`trex batch explain` over vectors/batch.json, and the codec as Python sees it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from trex.chain.batches import BLOB_BYTES, encode_batch, explain_batch
from trex.node.cli import main
from trex.types.errors import CoreError

VECTORS = Path(__file__).parents[2] / "vectors" / "batch.json"
DOCUMENT: dict[str, Any] = json.loads(VECTORS.read_text())
CASES: list[dict[str, Any]] = DOCUMENT["cases"]
CHAIN_ID: int = DOCUMENT["chainId"]


def blobs(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(blob[2:]).ljust(BLOB_BYTES, b"\0") for blob in case["blobs"]]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_explain_case_gives_content_or_reason(case: dict[str, Any]) -> None:
    """BAT-050: each reason has its code and name."""
    answer = json.loads(explain_batch(blobs(case), CHAIN_ID))
    if reason := case.get("reason"):
        assert {key: answer["reason"][key] for key in ("code", "name")} == reason
        return
    content, expected = answer["batch"], case["batch"]
    assert content["parent_output"] == expected["parentOutput"]
    assert content["log_indices"] == expected["logIndices"]
    assert [
        {"slotDelta": b["slot_delta"], "originDelta": b["origin_delta"], "transactions": b["transactions"]}
        for b in content["blocks"]
    ] == expected["blocks"]


def test_encode_batch_of_content_gives_its_blobs() -> None:
    """BAT-014: one form."""
    for case in CASES:
        if "reason" in case:
            continue
        batch = case["batch"]
        blocks = [
            (b["slotDelta"], b["originDelta"], [bytes.fromhex(tx[2:]) for tx in b["transactions"]])
            for b in batch["blocks"]
        ]
        parent = bytes.fromhex(batch["parentOutput"][2:])
        assert encode_batch(CHAIN_ID, parent, blocks, batch["logIndices"]) == blobs(case)


def test_encode_batch_without_transaction_names_the_reason() -> None:
    with pytest.raises(CoreError) as caught:
        encode_batch(CHAIN_ID, bytes(32), [(1, 0, [b"\x02"])], [])
    assert caught.value.code == "bad_batch"


def test_explain_command_shows_content_and_reason(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad.hex"
    good.write_bytes(b"".join(blobs(CASES[0])))
    bad.write_text("0x" + "2a" * 40 + "\n")
    shown = CliRunner().invoke(main, ["batch", "explain", str(good)])
    assert shown.exit_code == 0, shown.output
    assert "3 blocks, 5 transactions" in shown.output
    refused = CliRunner().invoke(main, ["batch", "explain", "--json", str(bad)])
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["reason"]["name"] == "version"
