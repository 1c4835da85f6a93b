"""The lake on Spark: its tables under the same names, for the expressions that DuckDB runs too (LAK-012)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ibis
from ibis.backends.pyspark import Backend
from ibis.expr.types import Table
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from trex.engine.lake.lake import Lake, LakeError

JARS = "TREX_SPARK_JARS"
"""Names a folder with the jars of delta-spark, where the cluster does not bring them."""
PARTITIONS = 2
"""Of a shuffle and of a table's log, for a cluster of few; `options` say more for a larger one."""


class SparkTables(Backend):  # type: ignore[misc]  # Ibis says no types
    """Ibis on a Spark session; what passes between here and there is Arrow, so that null stays null."""

    def create_table(self, name: str, /, obj: Any = None, *, schema: Any = None, **_: Any) -> Table:
        """Name a table for this session: an expression is computed once, rows are given to the cluster."""
        if isinstance(obj, Table):
            self._run_pre_execute_hooks(obj)
            frame = self._session.sql(self.compile(obj)).cache()
        else:
            rows = obj if obj is not None else ibis.schema(schema).to_pyarrow().empty_table()
            frame = self._session.createDataFrame(rows)
        frame.createOrReplaceTempView(name)
        return self.table(name)

    def to_pyarrow(self, expr: Any, /, **_: Any) -> Any:
        """Bring what an expression says here."""
        asked = expr.as_table()
        self._run_pre_execute_hooks(asked)
        found = self._session.sql(self.compile(asked)).toArrow()
        return expr.__pyarrow_result__(found.cast(asked.schema().to_pyarrow()))

    def _register_in_memory_table(self, op: Any) -> None:
        rows = op.data.to_pyarrow(op.schema)
        self._session.createDataFrame(rows).createOrReplaceTempView(op.name)


@contextmanager
def spark(
    master: str, name: str = "trex", options: Mapping[str, str] | None = None
) -> Iterator[SparkSession]:
    """Be a driver of a Spark cluster; one at a time in a process.

    Args:
        master: `spark://HOST:PORT`.
        name: what the cluster calls it.
        options: of Spark, beside ours.

    Raises:
        LakeError: the cluster cannot be reached.
        ValueError: this is no master.
    """
    if urlsplit(master).scheme != "spark" or not urlsplit(master).netloc:
        raise ValueError(f"{master!r} is not spark://HOST:PORT")
    told = SparkSession.builder.master(master).appName(name)
    settings = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(PARTITIONS),
        "spark.databricks.delta.snapshotPartitions": str(PARTITIONS),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **_jars(),
        **(options or {}),
    }
    for key, value in settings.items():
        told = told.config(key, value)
    try:
        session = told.getOrCreate()
    except (PySparkException, OSError) as error:
        raise LakeError(f"{master}: {error}") from error
    try:
        yield session
    finally:
        session.stop()


def tables(lake: Lake, session: SparkSession, at: Mapping[str, int] | None = None) -> SparkTables:
    """Return every table of the lake as `layer_table`, as `Lake.session` does, read by the cluster.

    Args:
        lake: in a folder that every worker sees.
        session: of the cluster.
        at: versions of tables, for time travel.

    Raises:
        LakeError: a version is gone, or the cluster cannot read a table.
    """
    _ = ibis.pyspark  # Ibis learns this engine's options by it
    session = session.newSession()  # names of its own, on the same cluster
    found = SparkTables()
    found.do_connect(session)

    def read(name: str, path: Path, version: int | None) -> Table:
        reader = session.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        try:
            reader.load(str(path)).createOrReplaceTempView(name)
        except PySparkException as error:
            told = str(error).partition("\n")[0]
            raise LakeError(f"{path.parent.name}.{path.name}: {told}") from error
        return found.table(name)

    lake.name_tables(found, read, at)
    return found


def _jars() -> dict[str, str]:
    folder = os.environ.get(JARS)
    return {} if folder is None else {"spark.jars": ",".join(map(str, sorted(Path(folder).glob("*.jar"))))}
