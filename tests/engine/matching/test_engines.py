"""The same plan on the kernel and on Ibis: the same people in the same order, page by page."""

import json
import tempfile
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from trex._core import People, pms_log2_table  # noqa: TID251
from trex.engine.matching.kernel import UNKNOWN
from trex.engine.matching.on_ibis import behind, logarithm, ranked
from trex.engine.matching.plan import MOST, Every, Filter, Opposite, Plan, Points, Range, Some, Term

COLUMNS = ("a", "b", "c")
TABLE = pms_log2_table()
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: each example is compiled anew."""
SPECIAL = [0, 1, -1, 2, 3, 4095, 4096, 4097, MOST, -MOST, MOST - 1, *(2**bits - 1 for bits in range(2, 57))]
values = st.one_of(
    st.none(),
    st.integers(-10, 10),
    st.integers(-MOST, MOST),
    st.sampled_from(SPECIAL),
    st.floats(0, 56).map(lambda power: int(2.0**power)),
)
bounds = st.tuples(
    values.filter(lambda value: value is not None), values.filter(lambda value: value is not None)
).map(lambda pair: tuple(sorted(pair)))
ranges = st.builds(lambda column, pair: Range(column, *pair), st.sampled_from(COLUMNS), bounds)
filters: st.SearchStrategy[Filter] = st.recursive(
    ranges,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: Every(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Some(tuple(parts))),
        inner.map(Opposite),
    ),
    max_leaves=6,
)
points = st.builds(
    lambda column, pair, is_log: Points(column, pair[0], pair[1], is_log),
    st.sampled_from(COLUMNS),
    bounds,
    st.booleans(),
)
terms = st.builds(Term, st.one_of(points, filters), st.booleans(), st.integers(1, 1_000_000))
plans = st.builds(Plan, st.one_of(st.just(Every()), filters), st.lists(terms, max_size=4).map(tuple))
Rows = list[tuple[int | None, int | None, int | None]]
everybody: st.SearchStrategy[Rows] = st.lists(st.tuples(values, values, values), min_size=1, max_size=40)


def passport(number: int) -> bytes:
    """Not in the order of rows."""
    return (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(32)


def by_kernel(rows: Rows, plan: Plan, k: int) -> list[tuple[str, int, int]]:
    def column(place: int) -> tuple[bytes, bytes]:
        known = [UNKNOWN if row[place] is None else row[place] for row in rows]
        return np.array(known, np.int64).tobytes(), bytes(4 * len(rows))

    with tempfile.TemporaryDirectory() as folder:
        ids = b"".join(passport(number) for number in range(len(rows)))
        People.create(folder, list(COLUMNS), ids, 1, column)
        people = People.read(folder)
        question = json.dumps(plan.json(COLUMNS.index)).encode()
        found = [(who.hex(), total, score) for who, total, score in people.top(question, 10_000)]
        paged: list[tuple[bytes, int, int]] = []
        while True:
            after = (paged[-1][1], paged[-1][0]) if paged else None
            page = people.top(question, k, after, threads=2)
            paged += page
            if len(page) < k:
                break
        assert [(who.hex(), total, score) for who, total, score in paged] == found
        return found


def table_of(rows: Rows) -> pa.Table:
    columns: dict[str, Any] = {"person": pa.array([passport(number).hex() for number in range(len(rows))])}
    for place, name in enumerate(COLUMNS):
        columns[name] = pa.array([row[place] for row in rows], pa.int64())
    return pa.table(columns)


def by_ibis(session: Any, rows: Rows, plan: Plan, k: int) -> list[tuple[str, int, int]]:
    ranks = ranked(ibis.memtable(table_of(rows)), plan, TABLE)

    def read(found: Any) -> list[tuple[str, int, int]]:
        told = session.to_pyarrow(found).to_pylist()
        return [(row["person"], row["total"], row["score"]) for row in told]

    found = read(ranks)
    if len(found) > k:
        _, (who, total, _) = found[0], found[k - 1]
        assert read(behind(ranks, total, who)) == found[k:]
    return found


@pytest.fixture(scope="module")
def duckdb() -> Any:
    return ibis.duckdb.connect(threads=1)


@settings(max_examples=12, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(everybody, plans, st.integers(1, 10))
@example(
    [(2**bits + off, None, 0) for bits in range(1, 56) for off in (-2, -1, 0)],
    Plan(Every(), (Term(Points("a", 0, MOST, True), False, 7), Term(Points("a", -MOST, MOST), True, 3))),
    5,
)
def test_duckdb_finds_the_same_people_in_the_same_order(duckdb: Any, rows: Rows, plan: Plan, k: int) -> None:
    """PMS-050: and so PMS-010, PMS-011, PMS-020 to PMS-024, PMS-030, PMS-031 on two engines."""
    assert by_ibis(duckdb, rows, plan, k) == by_kernel(rows, plan, k)


@pytest.mark.long
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(everybody, plans, st.integers(1, 10))
def test_duckdb_finds_the_same_people_a_thousand_times(duckdb: Any, rows: Rows, plan: Plan, k: int) -> None:
    """PMS-030."""
    assert by_ibis(duckdb, rows, plan, k) == by_kernel(rows, plan, k)


@given(st.integers(-MOST, MOST))
def test_logarithm_never_falls_and_doubles_add_one(value: int) -> None:
    """PMS-022."""
    assert logarithm(value, TABLE) <= logarithm(value + 1, TABLE)
    if value >= 0:
        assert logarithm(2 * value + 1, TABLE) == logarithm(value, TABLE) + (1 << 24)
