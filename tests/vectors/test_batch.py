"""Batches read a second time, by the specification: golden cases, the encoder's own batches, and damage."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from tests.vectors.batch_coder import KNOTS, STRETCH, UnreadableError, squash, unpack
from tests.vectors.batch_reader import Reader

from trex.chain.batches import BLOB_BYTES, encode_batch, explain_batch

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "batch.json").read_text())
CHAIN_ID: int = DOCUMENT["chainId"]
KEY = "0x" + "11" * 32


def read(blobs: list[bytes]) -> dict[str, Any]:
    return Reader(unpack(blobs), CHAIN_ID).read()


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=[case["name"] for case in DOCUMENT["cases"]])
def test_golden_case_reads_the_same_by_the_specification(case: dict[str, Any]) -> None:
    """BAT-001..005, BAT-010..013, BAT-020..025, BAT-030..036, BAT-040..042, BAT-050."""
    blobs = [bytes.fromhex(blob[2:]).ljust(BLOB_BYTES, b"\0") for blob in case["blobs"]]
    if reason := case.get("reason"):
        with pytest.raises(UnreadableError) as caught:
            read(blobs)
        assert caught.value.reason == reason["name"]
    else:
        assert read(blobs) == case["batch"]


def test_curve_is_the_logistic_one() -> None:
    """BAT-021: its table is that of the formula, rises, and is its own inverse where it can be."""
    assert (KNOTS[0], KNOTS[16], KNOTS[32]) == (22, 32768, 65514)
    values = [squash(x) for x in range(-2047, 2048)]
    assert values == sorted(values)
    assert all(squash(x) >= 16 * p for p, x in enumerate(STRETCH) if x < 2047)
    assert all(squash(x - 1) < 16 * p for p, x in enumerate(STRETCH) if x > -2047)


def transaction(rng: random.Random, nonce: int) -> bytes:
    """Some transaction, of any type that a batch holds."""

    def word() -> bytes:
        return rng.choice([0, 7, rng.getrandbits(160), rng.getrandbits(256), 10**18]).to_bytes(32, "big")

    data = rng.choice(
        [b"", rng.randbytes(rng.randrange(90)), b"\xa9\x05\x9c\xbb" + b"".join(word() for _ in range(3))]
    )
    to = rng.choice([b"\x01" * 20, rng.randbytes(20), b""])
    request: dict[str, Any] = {
        **{"chainId": CHAIN_ID, "nonce": rng.choice([nonce, rng.getrandbits(40)]), "to": to, "data": data},
        **{"gas": rng.choice([21_000, 100_000, rng.getrandbits(30)])},
        **{"value": rng.choice([0, 10**18, rng.getrandbits(64), rng.getrandbits(200)])},
    }
    tip = rng.choice([1, 10**9, rng.getrandbits(50)])
    kind = rng.choice([0, 1, 2, 2, 4])
    if kind in (0, 1):
        request["gasPrice"] = tip
    else:
        request |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": tip + rng.choice([0, 5 * 10**9])}
    if kind:
        address, keys = "0x" + rng.choice([b"\x01" * 20, rng.randbytes(20)]).hex(), rng.randrange(3)
        slots = ["0x" + word().hex() for _ in range(keys)]
        request["accessList"] = [{"address": address, "storageKeys": slots}] * rng.randrange(3)
        request["type"] = kind
    if kind == 4:
        request["to"] = to or b"\x02" * 20
        request["authorizationList"] = [
            Account.sign_authorization(
                {"chainId": rng.choice([0, CHAIN_ID, 5]), "address": b"\x03" * 20, "nonce": nonce}, KEY
            )
            for _ in range(rng.randrange(1, 3))
        ]
    return bytes(Account.sign_transaction(request, KEY).raw_transaction)


@pytest.mark.parametrize("seed", range(8))
def test_any_batch_of_the_encoder_reads_the_same_by_the_specification(seed: int) -> None:
    """BAT-030..036: nonces, fees, values, calls and lists that repeat and that do not."""
    rng = random.Random(seed)
    blocks = [
        (
            rng.choice([1, 1, 5, 1 << 40]),
            rng.randrange(3),
            [transaction(rng, at) for at in range(rng.randrange(5))],
        )
        for _ in range(6)
    ]
    log_indices = [rng.getrandbits(rng.choice([1, 8, 32])) for _ in range(rng.randrange(4))]
    blobs = encode_batch(CHAIN_ID, rng.randbytes(32), blocks, log_indices)
    found = read(blobs)
    assert [
        (block["slotDelta"], block["originDelta"], [bytes.fromhex(raw[2:]) for raw in block["transactions"]])
        for block in found["blocks"]
    ] == blocks
    assert found["logIndices"] == log_indices


def test_content_beyond_a_blob_is_paid_for_by_the_specification() -> None:
    """BAT-041, BAT-045: a call of zeros that takes few bytes and two blobs."""
    call = {"chainId": CHAIN_ID, "nonce": 0, "to": b"\x01" * 20, "gas": 10**7, "gasPrice": 1, "value": 0}
    signed = bytes(Account.sign_transaction({**call, "data": bytes(4 + 32 * 12_192)}, KEY).raw_transaction)
    blobs = encode_batch(CHAIN_ID, bytes(32), [(1, 0, [signed])], [])
    assert len(unpack(blobs)) == 130_044 + 1
    (block,) = read(blobs)["blocks"]
    assert bytes.fromhex(block["transactions"][0][2:]) == signed


@pytest.mark.parametrize("seed", range(12))
def test_damage_reads_the_same_by_the_specification(seed: int) -> None:
    """BAT-014, BAT-050: whatever the bytes, both readers say the same, reasons included."""
    rng = random.Random(seed)
    blocks = [(1, 0, [transaction(rng, at) for at in range(2)])]
    blob = bytearray(encode_batch(CHAIN_ID, bytes(32), blocks, [3])[0])
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(200)
        blob[at] = rng.randrange(64) if at % 32 == 0 else rng.randrange(256)
    answer = json.loads(explain_batch([bytes(blob)], CHAIN_ID))
    if answer.get("reason"):
        with pytest.raises(UnreadableError) as caught:
            read([bytes(blob)])
        assert caught.value.reason == answer["reason"]["name"]
    else:
        assert read([bytes(blob)])["logIndices"] == answer["batch"]["log_indices"]
