"""Delta tables written from the log: once, by one writer at a time, and smaller after compaction."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from trex.engine.ingest.events import Block
from trex.engine.lake import sink
from trex.engine.lake.gold import run_features
from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.tables import SILVER
from trex.engine.pipeline import facts
from trex.engine.pipeline.log import Message
from trex.engine.pipeline.stage import Metrics
from trex.engine.run import EngineSettings, open_lake, open_log

CALLS = SILVER["calls"]


def row(name: str, weight: int = 1) -> dict[str, Any]:
    return {
        "id": name,
        "weight": weight,
        "source": "evm:1",
        "chain": 1,
        "block_number": 1,
        "block_hash": "0x",
        "transaction_index": 0,
        "log_index": -1,
        "time_s": 1,
        "month": "1970-01",
        "sender": f"0x{name}",
    }


def ids(lake: Lake, table: str = "silver_calls") -> list[str]:
    return sorted(lake.session().table(table).to_pyarrow().column("id").to_pylist())


def test_what_is_in_a_table_is_not_added_again(tmp_path: Path) -> None:
    """LAK-001: after a kill the same records come again, with others."""
    lake = Lake(tmp_path)
    assert ids(lake) == []
    assert lake.append(CALLS, [("t/0", 0, row("a")), ("t/1", 7, row("b"))], {"t/0": 1, "t/1": 8}) == 2
    again = [("t/0", 0, row("a")), ("t/0", 1, row("c")), ("t/1", 7, row("b"))]
    assert lake.append(CALLS, again, {"t/0": 2, "t/1": 8}) == 1
    assert lake.append(CALLS, again, {"t/0": 2, "t/1": 8}) == 0
    assert ids(lake, "all_silver_calls") == ["a", "b", "c"]


def test_a_sink_compacts_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LAK-005."""
    monkeypatch.setattr(sink, "COMPACT", 3)
    monkeypatch.setattr(sink, "MOST", 1)
    settings = EngineSettings(tmp_path)
    log = open_log(settings)
    block = Block("evm:1", 1, 1, "0x" + "00" * 32, 1)
    made = [facts.Fact("calls", str(n), block, (0, n), 1, {"sender": f"0x{n}"}) for n in range(7)]
    log.producer("p").commit([Message("enriched", b"k", facts.encode([one])[0]) for one in made])
    lake = open_lake(settings)
    sink.run_sink("silver", log, lake, threading.Event(), Metrics.on(CollectorRegistry()), until_idle=True)
    log.close()
    assert ids(lake) == [str(n) for n in range(7)]
    table = lake.table(CALLS.name)
    assert table is not None
    assert len(table.file_uris()) < 4


def test_of_two_writers_of_one_part_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LAK-001: a stage that was put out and does not know it adds nothing."""
    lake = Lake(tmp_path)
    lake.append(CALLS, [("t/0", 0, row("a"))], {"t/0": 1})
    stale = lake.table(CALLS.name)
    lake.append(CALLS, [("t/0", 1, row("b"))], {"t/0": 2})
    monkeypatch.setattr(lake, "table", lambda _: stale)
    with pytest.raises(LakeError, match=r"silver\.calls"):
        lake.append(CALLS, [("t/0", 1, row("b"))], {"t/0": 2})
    monkeypatch.undo()
    assert ids(lake, "all_silver_calls") == ["a", "b"]


def test_damage_is_said_in_a_line(tmp_path: Path) -> None:
    """A log that cannot be read names its table, without the library's frames."""
    lake = Lake(tmp_path)
    lake.append(CALLS, [("t/0", 0, row("a"))], {"t/0": 1})
    first, *_ = sorted((lake.path(CALLS.name) / "_delta_log").glob("*.json"))
    first.write_text('{"cut')
    with pytest.raises(LakeError, match=r"^silver\.calls: .+$") as said:
        lake.session()
    assert "\n" not in str(said.value)


def test_a_row_holds_while_its_weights_add_up_to_more_than_nothing(tmp_path: Path) -> None:
    """LAK-002, LAK-003: taken back, told again, told twice."""
    lake = Lake(tmp_path)
    weights = [("gone", 1), ("gone", -1), ("back", 1), ("back", -1), ("back", 1), ("twice", 1), ("twice", 1)]
    rows = [("t/0", at, row(name, weight)) for at, (name, weight) in enumerate(weights)]
    lake.append(CALLS, rows, {"t/0": len(rows)})
    assert ids(lake) == ["back", "twice"]
    assert len(ids(lake, "all_silver_calls")) == len(weights)


def test_features_follow_when_facts_change(tmp_path: Path) -> None:
    """LAK-008."""
    lake = Lake(tmp_path)
    link = {**row("made"), "passport": "7", "way": "created"}
    link.pop("sender")
    lake.append(SILVER["links"], [("t/0", 0, link)], {"t/0": 1})
    stop = threading.Event()
    thread = threading.Thread(target=run_features, args=(lake, stop))
    thread.start()
    try:
        asked = "SELECT value FROM gold_features WHERE feature = 'points' AND window_days = 0"
        until(lambda: lake.session().con.sql(asked).fetchall() == [(0.0,)])
        points = {**row("p"), "passport": "7", "season": 0, "amount": 5}
        points.pop("sender")
        lake.append(SILVER["points"], [("t/0", 1, points)], {"t/0": 2})
        until(lambda: lake.session().con.sql(asked).fetchall() == [(5.0,)])
    finally:
        stop.set()
        thread.join(180)


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not met():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_compaction_changes_no_answer(tmp_path: Path) -> None:
    """LAK-005."""
    lake = Lake(tmp_path)
    assert lake.compact(CALLS.name) == 0
    for at in range(5):
        lake.append(CALLS, [("t/0", at, row(str(at)))], {"t/0": at + 1})
    assert lake.compact(CALLS.name) == 5
    assert ids(lake) == ["0", "1", "2", "3", "4"]
    assert lake.append(CALLS, [("t/0", 4, row("4"))], {"t/0": 5}) == 0
