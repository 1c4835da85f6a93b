"""Delta tables written from the log: once, by one writer at a time, and smaller after compaction."""

from pathlib import Path
from typing import Any

import pytest

from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.tables import SILVER

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


def test_a_row_holds_while_its_weights_add_up_to_more_than_nothing(tmp_path: Path) -> None:
    """LAK-002, LAK-003: taken back, told again, told twice."""
    lake = Lake(tmp_path)
    weights = [("gone", 1), ("gone", -1), ("back", 1), ("back", -1), ("back", 1), ("twice", 1), ("twice", 1)]
    rows = [("t/0", at, row(name, weight)) for at, (name, weight) in enumerate(weights)]
    lake.append(CALLS, rows, {"t/0": len(rows)})
    assert ids(lake) == ["back", "twice"]
    assert len(ids(lake, "all_silver_calls")) == len(weights)


def test_compaction_changes_no_answer(tmp_path: Path) -> None:
    """LAK-005."""
    lake = Lake(tmp_path)
    assert lake.compact(CALLS.name) == 0
    for at in range(5):
        lake.append(CALLS, [("t/0", at, row(str(at)))], {"t/0": at + 1})
    assert lake.compact(CALLS.name) == 5
    assert ids(lake) == ["0", "1", "2", "3", "4"]
    assert lake.append(CALLS, [("t/0", 4, row("4"))], {"t/0": 5}) == 0
