"""Events: their ids, their schemas over time, and what is none."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trex.engine.ingest import schemas
from trex.engine.ingest.events import CHUNK, Block, Event, decode, encode
from trex.engine.ingest.schemas import COUNT, REGISTRY, Schema, SchemaError, check, register, upgrade
from trex.engine.pipeline.clean import clean
from trex.engine.pipeline.stages import STAGES

BLOCK = Block("evm:1", 1, 7, "0x" + "ab" * 32, 1_700_000_000)


def log(**changes: Any) -> dict[str, Any]:
    return {
        "transaction": "0x" + "11" * 32,
        "address": "0x" + "22" * 20,
        "topics": [],
        "data": "0x",
        **changes,
    }


def test_id_names_source_block_kind_and_position_and_nothing_else() -> None:
    """EVT-001."""
    event = Event(BLOCK, "evm.log", (3, 5), log())
    same = Event(BLOCK, "evm.log", (3, 5), log(data="0x00"), weight=-1)
    assert event.id == same.id
    others = [
        Event(BLOCK, "evm.log", (3, 6), log()),
        Event(BLOCK, "evm.transaction", (3, 5), log()),
        Event(Block("evm:2", 1, 7, BLOCK.hash, None), "evm.log", (3, 5), log()),
        Event(Block("evm:1", 1, 7, "0x" + "ac" * 32, None), "evm.log", (3, 5), log()),
    ]
    assert len({event.id, *(other.id for other in others)}) == 5


def test_records_hold_the_same_events_in_pieces() -> None:
    events = [Event(BLOCK, "evm.log", (0, number), log(), weight=-1) for number in range(CHUNK + 1)]
    records = encode(events)
    assert len(records) == 2
    assert [event for record in records for event in decode(record)] == events
    assert encode([]) == []


def test_an_older_payload_is_read_in_the_newest_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """EVT-005."""
    monkeypatch.setattr(schemas, "REGISTRY", dict(REGISTRY))
    register(Schema("test.thing", 1, {"seconds": COUNT}))
    with pytest.raises(SchemaError, match="the next version is 2"):
        register(Schema("test.thing", 3, {"ms": COUNT}, lambda old: old))
    with pytest.raises(SchemaError, match="the next version is 2"):
        register(Schema("test.thing", 2, {"ms": COUNT}))
    old = encode([Event(BLOCK, "test.thing", (0, -1), {"seconds": 2})])
    register(Schema("test.thing", 2, {"ms": COUNT}, lambda was: {"ms": was["seconds"] * 1000}))
    (read,) = decode(old[0])
    assert (read.version, read.payload) == (2, {"ms": 2000})
    check("test.thing", 2, read.payload)
    for kind, version in (("test.thing", 3), ("test.thing", 0), ("nothing", 1), ("test.thing", True)):
        with pytest.raises(SchemaError, match="no schema"):
            upgrade(kind, version, {})


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        log(more=1),
        log(topics="0x"),
        log(topics=["0x" + "11" * 32] * 5),
        log(address="0x" + "2G" * 20),
        log(data="0x1"),
        {**log(), "transaction": None},
    ],
)
def test_a_payload_that_is_not_of_its_schema_is_refused(payload: Any) -> None:
    with pytest.raises(SchemaError):
        check("evm.log", 1, payload)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
PART = st.dictionaries(st.sampled_from(["hash", "from", "to", "address", "topics", "data"]), JSON, max_size=6)
RAW = st.fixed_dictionaries(
    {
        "source": JSON | st.just("evm:1"),
        "chain": JSON | st.just(1),
        "block": JSON
        | st.fixed_dictionaries(
            {
                "number": st.just("0x1") | JSON,
                "hash": st.just("0x" + "ab" * 32) | JSON,
                "timestamp": st.just("0x5") | JSON,
                "transactions": JSON
                | st.lists(st.dictionaries(st.sampled_from(["hash", "from", "to"]), JSON)),
            }
        ),
        "receipts": JSON,
        "logs": JSON | st.lists(PART, max_size=3),
    }
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | RAW.map(orjson.dumps))
def test_no_record_stops_a_stage(value: bytes) -> None:
    """EVT-006: whatever is in the log, every stage makes something of it, if only a dead letter."""
    for stage in STAGES:
        made = stage.make(value)
        for reason, part in made.dead:
            assert reason
            again = stage.make(part)  # A letter holds what was refused, and nothing that was not.
            assert again.dead
            assert not again.values
    done = clean(value)
    assert all(decode(record) for record in encode(done.events))
