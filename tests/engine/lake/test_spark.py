"""The lake on a Spark cluster: the expressions of DuckDB, the same answers, the same audiences in order."""

import itertools
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.engine.lake.book import NOW
from tests.engine.matching.test_audience import SENTENCE, World
from tests.engine.matching.test_engines import PHASES, TABLE, Rows, by_kernel, everybody, plans, table_of
from tests.engine.spark.cluster import START_S, WORKERS, cluster

from trex.engine.lake.features import features
from trex.engine.lake.gold import facts_of, policies, refresh
from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.on_spark import spark, tables
from trex.engine.matching.cells import of
from trex.engine.matching.on_ibis import behind, ranked
from trex.engine.matching.on_ibis import everybody as people_of
from trex.engine.matching.parse import parse
from trex.engine.matching.plan import Plan

pytestmark = [
    # The driver leaves closing its sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SMALL = {"spark.executor.memory": "512m", "spark.driver.memory": "640m", "spark.driver.host": "127.0.0.1"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def session(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A driver of a master and its workers, and the world's lake as they see it."""
    with (
        cluster(tmp_path_factory.mktemp("spark")) as master,
        spark(master, options=SMALL) as driver,
    ):
        yield SimpleNamespace(spark=driver, tables=tables(world.lake, driver), master=master)


SOME = ("defi_activity", "cex_vip_level", "dimension_engagement")
"""One of each way in which features are made."""


def test_features_on_spark_are_those_on_duckdb(world: World, session: Any) -> None:
    """LAK-012: over windows, from badges' policies, counted and divided."""
    known = policies(world.lake, session.tables)
    assert known == policies(world.lake, world.lake.session())

    def told(engine: Any) -> list[Any]:
        found = features(facts_of(engine, NOW, known), SOME).to_pyarrow().to_pylist()
        return sorted(tuple(row.values()) for row in found)

    until = time.monotonic() + START_S
    while len(executors(session)) < WORKERS + 1:  # and the driver; they register when they are up
        assert time.monotonic() < until, "a worker has no executor"
        time.sleep(0.1)
    found = told(session.tables)
    assert len(found) > 40 * len(SOME)
    assert found == told(world.lake.session())


def executors(session: Any) -> list[Any]:
    return list(session.spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos())


def rows_of(lake: Lake) -> list[Any]:
    found = lake.session().table("gold_features").to_pyarrow().to_pylist()
    return sorted((row["passport"], row["feature"], row["window_days"], *row.values()) for row in found)


@pytest.mark.long
def test_features_made_by_spark_are_those_made_by_duckdb(world: World, session: Any) -> None:
    """LAK-012: every feature and badge of everybody, made by workers from Delta tables, read back."""
    before, version = rows_of(world.lake), world.lake.version("gold.features")
    badges = world.lake.session().table("gold_badges").order_by("passport", "policy").to_pyarrow()
    assert refresh(world.lake, NOW, session.tables) == len(before)
    assert world.lake.version("gold.features") > version
    assert rows_of(world.lake) == before
    again = world.lake.session().table("gold_badges").order_by("passport", "policy").to_pyarrow()
    assert again.equals(badges)


@pytest.mark.parametrize("wish", ["", " PREFER CEX VIP level WEIGHT 2, DeFi activity AS log FROM 1 TO 40"])
def test_the_sentence_finds_the_same_people_in_the_same_order(world: World, session: Any, wish: str) -> None:
    """PMS-050: by kernel, DuckDB and Spark, from the same lake."""
    world.audiences.columns.refresh()
    _, plan = world.audiences.plan(parse(SENTENCE + wish))
    found = [(int.from_bytes(who), *rest) for who, *rest in world.audiences.columns.top(plan, 1_000)]
    assert len(found) >= 4
    for engine in (world.lake.session(), tables(world.lake, session.spark)):
        _, cells = of(engine)
        told = ranked(people_of(cells, plan), plan, TABLE).to_pyarrow().to_pylist()
        assert [(int(row["person"]), row["total"], row["score"]) for row in told] == found


numbers = itertools.count()


def by_spark(session: Any, rows: Rows, plan: Plan, k: int) -> list[tuple[str, int, int]]:
    people = session.tables.create_table(f"people_{next(numbers)}", table_of(rows))
    ranks = ranked(people, plan, TABLE)

    def read(found: Any) -> list[tuple[str, int, int]]:
        return [(row["person"], row["total"], row["score"]) for row in found.to_pyarrow().to_pylist()]

    found = read(ranks)
    if len(found) > k:
        who, total, _ = found[k - 1]
        assert read(behind(ranks, total, who)) == found[k:]
    return found


@settings(max_examples=3, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(everybody, plans, st.integers(1, 10))
def test_spark_finds_the_same_people_in_the_same_order(session: Any, rows: Rows, plan: Plan, k: int) -> None:
    """PMS-050, for any plan."""
    assert by_spark(session, rows, plan, k) == by_kernel(rows, plan, k)


@pytest.mark.long
@settings(max_examples=200, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(everybody, plans, st.integers(1, 10))
def test_spark_finds_the_same_people_two_hundred_times(session: Any, rows: Rows, plan: Plan, k: int) -> None:
    """PMS-050."""
    assert by_spark(session, rows, plan, k) == by_kernel(rows, plan, k)


def test_who_is_no_master_is_refused() -> None:
    with pytest.raises(ValueError, match="spark://HOST:PORT"), spark("local[2]"):
        pass


def test_a_version_that_is_gone_is_named(world: World, session: Any) -> None:
    """LAK-004, LAK-012."""
    older = tables(world.lake, session.spark, {"silver.links": 1}).table("silver_links")
    assert older.count().to_pyarrow().as_py() == 40
    with pytest.raises(LakeError, match=r"silver\.links"):
        tables(world.lake, session.spark, {"silver.links": 99})
