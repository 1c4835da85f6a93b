"""Features, badges and consent as cells: who, which column, what value, when it was seen (PMS-001)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trex.engine.lake.consent import ALL, Purpose, consented
from trex.engine.lake.lake import Lake
from trex.engine.matching.plan import BADGE, MOST, ONE, consent_column

if TYPE_CHECKING:
    import duckdb
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table


def features(rows: "Table") -> "Table":
    """Cells of `gold.features`: passport, name, value, seen. On any engine of Ibis the same whole numbers."""
    import ibis

    days = rows.window_days
    name = ibis.ifelse(days == 0, rows.feature, rows.feature.concat("@", days.cast("string")))
    limit = float(MOST // ONE)
    value = (rows.value.clip(lower=-limit, upper=limit) * float(ONE) + 0.5).floor().cast("int64")
    return rows.select("passport", name=name, value=value, seen=rows.seen_s.fill_null(0))


def badges(rows: "Table") -> "Table":
    """Cells of `gold.badges`: the level that is held."""
    import ibis

    return rows.select(
        "passport",
        name=ibis.literal(BADGE).concat(rows.policy),
        value=rows.level.cast("int64") * ONE,
        seen=rows.seen_s.fill_null(0),
    )


def consents(words: "Table", project: str) -> "Table":
    """Cells of those who agreed to be found by a project (PRV-002)."""
    import ibis

    agreed = consented(words, Purpose.MATCHING, project)
    name, one, never = ibis.literal(consent_column(project)), ibis.literal(ONE), ibis.literal(0)
    return agreed.select("passport", name=name, value=one.cast("int64"), seen=never.cast("int64"))


def of(session: "BaseBackend") -> "tuple[Table, Table]":
    """Everybody (`passport`) and their cells, of a session that has the lake's tables."""
    gold = features(session.table("gold_features"))
    words = session.table("silver_consents")
    said = words.filter(words.purpose == Purpose.MATCHING.value).select("project").distinct().to_pyarrow()
    projects = sorted({ALL, *said["project"].to_pylist()})
    others = [badges(session.table("gold_badges")), *(consents(words, project) for project in projects)]
    everybody = session.create_table("everybody", gold.select("passport").distinct(), temp=True)
    return everybody, gold.union(*(part.semi_join(everybody, "passport") for part in others))


def cells(
    lake: Lake, versions: Mapping[str, int], name: str, into: "duckdb.DuckDBPyConnection | None" = None
) -> "duckdb.DuckDBPyConnection":
    """Put the cells of a state of the lake in a table of DuckDB, and everybody in `people_` and its name.

    Args:
        lake: read.
        versions: of its tables.
        name: of the table.
        into: the database, or a new one.

    Raises:
        LakeError: a version is gone.
    """
    session = lake.session(versions)
    found = into or session.con
    everybody, rows = of(session)
    rows = rows.order_by("name")
    if found is session.con:
        session.create_table(name, rows, temp=True)
        session.create_table(f"people_{name}", everybody, temp=True)
    else:
        for table, made in ((name, rows), (f"people_{name}", everybody)):
            arrow = made.to_pyarrow()
            found.register("given", arrow)
            found.execute(f'CREATE TEMP TABLE "{table}" AS FROM given')
            found.unregister("given")
    return found
