"""Batch headers and deposits by the golden cases that the contracts read as well."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from trex.settlement import deposits, inbox
from trex.settlement.l1.errors import L1UnavailableError
from trex.settlement.l1.reader import Log
from trex.types.primitives import Address, Hash32

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
WHERE = Address(b"\x01" * 20)


def vector(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def bytes_argument(data: bytes) -> bytes:
    padding = bytes(-len(data) % 32)
    return (32).to_bytes(32, "big") + len(data).to_bytes(32, "big") + data + padding


def event(topics: list[bytes], data: bytes, block: int, block_hash: bytes, index: int) -> Log:
    hashes = tuple(Hash32(topic) for topic in topics)
    return Log(WHERE, hashes, data, block, Hash32(block_hash), Hash32(bytes(32)), index)


@pytest.mark.parametrize("length", [2**32, 2**63, 2**64, 2**255, 2**256 - 1])
def test_event_of_a_length_that_cannot_be_is_a_bad_answer(length: int) -> None:
    for offset in (32, length):
        data = offset.to_bytes(32, "big") + length.to_bytes(32, "big")
        batch = event([inbox.BATCH_APPENDED, bytes(32), bytes(32)], data, 1, bytes(32), 0)
        deposit = event(
            [deposits.TRANSACTION_DEPOSITED, bytes(32), bytes(32), bytes(32)], data, 1, bytes(32), 0
        )
        with pytest.raises(L1UnavailableError) as caught:
            inbox.read_batches([batch], 0, inbox.ZERO)
        assert caught.value.code == "bad_answer"
        with pytest.raises(L1UnavailableError) as caught:
            deposits.read_deposits([deposit])
        assert caught.value.code == "bad_answer"


def batch_events() -> list[Log]:
    events = []
    for index, case in enumerate(vector("inbox.json")["batches"]):
        topics = [inbox.BATCH_APPENDED, index.to_bytes(32, "big"), unhex(case["accumulator"])]
        events.append(event(topics, bytes_argument(unhex(case["header"])), 10 + index, b"\x07" * 32, 0))
    return events


def test_headers_agree_with_the_contract() -> None:
    """INB-001, INB-002."""
    cases = vector("inbox.json")["batches"]
    batches = inbox.read_batches(batch_events(), 0, inbox.ZERO)
    assert len(batches) == len(cases) > 3
    for case, batch in zip(cases, batches, strict=True):
        header = batch.header
        assert (header.carrier == inbox.Carrier.NONE) == case["forced"]
        assert header.origin_number == case["originNumber"]
        assert header.origin_hash == unhex(case["originHash"])
        assert header.deposit_count == case["depositCount"]
        assert header.deposit_accumulator == unhex(case["depositAccumulator"])
        assert header.sequencer_set == unhex(case["sequencerSet"])
        assert list(header.blob_hashes) == [unhex(name) for name in case["blobHashes"]]
        assert keccak(header.encoded) == unhex(case["headerHash"])
        assert batch.accumulator == unhex(case["accumulator"])


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_missing_batch_event_is_noticed(missing: int) -> None:
    events = batch_events()
    del events[missing]
    with pytest.raises(L1UnavailableError, match="does not follow"):
        inbox.read_batches(events, 0, inbox.ZERO)


def test_doubled_and_made_up_batch_events_are_noticed() -> None:
    events = batch_events()
    with pytest.raises(L1UnavailableError, match="does not follow"):
        inbox.read_batches([events[0], *events], 0, inbox.ZERO)
    with pytest.raises(L1UnavailableError, match="does not follow"):
        inbox.read_batches(events, 0, Hash32(b"\x01" * 32))
    for size in (0, 63, 64, 100):
        cut = event(list(events[0].topics), events[0].data[:size], 10, b"\x07" * 32, 0)
        with pytest.raises(L1UnavailableError, match="no batch header"):
            inbox.read_batches([cut], 0, inbox.ZERO)


def test_deposits_agree_with_the_contract() -> None:
    """PTL-001, PTL-002, PTL-010, PTL-012."""
    accumulator = inbox.ZERO
    cases = vector("deposits.json")["deposits"]
    for case in cases:
        sender, to = (bytes(12) + unhex(case[name]) for name in ("from", "to"))
        topics = [deposits.TRANSACTION_DEPOSITED, sender, to, bytes(32)]
        data = bytes_argument(unhex(case["opaqueData"]))
        log = event(topics, data, case["l1BlockNumber"], unhex(case["l1BlockHash"]), case["logIndex"])
        [deposit] = deposits.read_deposits([log])
        assert deposit.record == unhex(case["record"])
        assert deposit.source_hash == unhex(case["sourceHash"])
        accumulator = deposits.accumulate([deposit], accumulator)
        assert accumulator == unhex(case["accumulator"])
    assert len(cases) > 3


def test_deposit_event_of_another_form_is_refused() -> None:
    topics = [deposits.TRANSACTION_DEPOSITED, bytes(32), bytes(32), bytes(32)]
    good = bytes_argument(bytes(73))
    assert deposits.read_deposits([event(topics, good, 1, bytes(32), 0)])
    for bad_topics, data in (
        (topics[:3], good),
        ([*topics[:3], b"\x01" * 32], good),
        (topics, good[:100]),
        (topics, bytes_argument(bytes(72))),
    ):
        with pytest.raises(L1UnavailableError):
            deposits.read_deposits([event(bad_topics, data, 1, bytes(32), 0)])
