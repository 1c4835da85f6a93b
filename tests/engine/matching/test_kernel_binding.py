"""The Rust kernel from Python: what goes in comes out, faults have stable codes."""

import json
from pathlib import Path

import numpy as np
import pytest

from trex._core import People, pms_log2_table  # noqa: TID251
from trex.types.errors import CoreError

LEAST = -(2**63)
ALL = b'{"all": []}'


def passports(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32) for number in numbers)


def plan(low: int = 0, high: int = 100) -> bytes:
    term = {"scale": {"linear": {"column": 0, "low": low, "high": high}}, "weight": 1000}
    return json.dumps({"filter": {"all": []}, "terms": [term]}).encode()


def made(folder: Path, values: list[int]) -> People:
    def column(place: int) -> tuple[bytes, bytes]:
        assert place == 0
        return np.array(values).tobytes(), np.arange(len(values), dtype=np.uint32).tobytes()

    People.create(str(folder), ["a"], passports(*range(len(values), 0, -1)), 5, column)
    return People.open(str(folder), ["a", "b"])


def set_of(number: int, column: int, value: int, seen: int) -> tuple[bytes, bytes, bytes, bytes]:
    parts = np.array([column], np.uint32), np.array([value]), np.array([seen], np.uint32)
    columns, values, times = (part.tobytes() for part in parts)
    return passports(number), columns, values, times


def test_best_are_found_page_by_page_and_explained(tmp_path: Path) -> None:
    """PMS-030 to PMS-032."""
    people = made(tmp_path, [10, 70, 70, LEAST])
    assert (people.names, people.offset, len(people)) == (["a", "b"], 5, 4)
    order = [(2, 70), (3, 70), (4, 10), (1, 0)]
    expected = [(passports(who), points * 10**9, points * 10**6) for who, points in order]
    assert people.top(plan(), 10, threads=2) == expected
    page = people.top(plan(), 1)
    assert page + people.top(plan(), 9, (page[0][1], page[0][0])) == expected
    assert people.explain(plan(), passports(4)) == (True, 10**10, 10**7, [(10**7, (10, 0))])
    assert people.explain(plan(), passports(9)) is None
    assert people.cell(passports(1), 0) == (None, 3)
    assert people.count(b'{"range": {"column": 0, "low": 11, "high": 99}}') == 2
    assert people.percentile(0, ALL, 1) == 10
    assert people.percentile(1, ALL, 1) is None


def test_changes_count_once_and_stay(tmp_path: Path) -> None:
    """PMS-040 to PMS-042."""
    people = made(tmp_path, [10, 20])
    assert people.update(6, set_of(7, 1, 30, 99), passports(1))
    assert not people.update(6, set_of(7, 1, 31, 99), b"")
    assert (len(people), people.cell(passports(7), 1), people.cell(passports(1), 0)) == (2, (30, 99), None)
    assert people.journal_bytes
    assert People.read(str(tmp_path)).cell(passports(7), 1) == (30, 99)
    people.compact()
    assert (people.journal_bytes, people.offset, people.cell(passports(7), 1)) == (0, 6, (30, 99))


def test_faults_have_codes(tmp_path: Path) -> None:
    people = made(tmp_path, [10])
    for code, wrong in (
        ("pms_plan", lambda: people.top(b"[", 1)),
        ("pms_plan", lambda: people.top(plan(9, 1), 1)),
        ("pms_plan", lambda: people.top(plan(), 10_001)),
        ("pms_plan", lambda: people.count(b'{"range": {"column": 2, "low": 0, "high": 1}}')),
        ("pms_plan", lambda: people.explain(plan(), b"short")),
        ("pms_update", lambda: people.update(9, (b"", b"1234", b"", b""), b"")),
        ("pms_update", lambda: People.read(str(tmp_path)).update(9, set_of(1, 0, 1, 1), b"")),
        ("pms_update", lambda: People.open(str(tmp_path), [])),
        ("pms_io", lambda: People.read(str(tmp_path / "none"))),
    ):
        with pytest.raises(CoreError) as caught:
            wrong()
        assert caught.value.code == code
    assert people.offset == 5


def test_column_that_cannot_be_had_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    def refuses(place: int) -> tuple[bytes, bytes]:
        raise LookupError(place)

    with pytest.raises(LookupError):
        People.create(str(tmp_path), ["a"], passports(1), 1, refuses)
    with pytest.raises(CoreError) as caught:
        People.create(str(tmp_path), ["a"], passports(1), 1, lambda place: (b"", b""))
    assert caught.value.code == "pms_update"
    with pytest.raises(CoreError):
        People.read(str(tmp_path))


def test_table_of_logarithms_is_published_whole() -> None:
    """PMS-022."""
    table = pms_log2_table()
    assert (len(table), table[0], table[2048]) == (4096, 0, 9_814_042)
