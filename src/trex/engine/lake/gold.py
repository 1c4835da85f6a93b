"""From facts to features: holdings and gold tables made anew when facts have changed."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from threading import Event as Flag
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from trex.engine.lake.features import Facts, features, held_badges
from trex.engine.lake.holdings import Moved, holdings
from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.proved import KnownPolicy, kept_policies, known_policy
from trex.engine.lake.tables import FEATURES, HELD_BADGES, HOLDINGS, SILVER, LakeTable

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend
    from ibis.expr.types import Table

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between looks whether facts have changed."""
_MOVED = """
SELECT chain, kind, asset, token_id, time_s, sender, recipient, amount FROM silver_transfers
WHERE kind <> 'native' ORDER BY chain, block_number, transaction_index, log_index, id
"""


def refresh(lake: Lake, as_of_s: int | None = None) -> int:
    """Make holdings and features from the facts as they are now; return how many features were made.

    Args:
        lake: read and written.
        as_of_s: the moment at which features are taken; by default that of the newest fact.

    Raises:
        LakeError: nothing was changed, or holdings alone.
    """
    session = lake.session()
    held = pa.Table.from_pylist(list(holdings(_moved(session))), schema=HOLDINGS.schema)
    lake.overwrite(HOLDINGS.name, held)
    if as_of_s is None:
        as_of_s = newest_s(session)
    badges, made = features_now(session, held, as_of_s, policies(lake, session))
    lake.overwrite(HELD_BADGES.name, badges)
    lake.overwrite(FEATURES.name, made)
    return int(made.num_rows)


def policies(lake: Lake, session: "Backend") -> list[KnownPolicy]:
    """Every policy that the chain names, with its document where the lake has it."""
    asked = (
        "SELECT policy, any_value(name), any_value(document) FROM silver_policies GROUP BY policy ORDER BY 1"
    )
    return [known_policy(lake.root, *row) for row in session.con.sql(asked).fetchall()]


def features_now(
    session: "Backend", held: pa.Table, as_of_s: int, known_policies: Sequence[KnownPolicy]
) -> tuple[pa.Table, pa.Table]:
    """Badges held and features, by the session's silver tables and holdings that were just made."""
    session.con.register("held_now", held)
    facts = facts_of(session, as_of_s, known_policies, holdings=session.table("held_now"))

    def taken(rows: "Table", table: LakeTable) -> pa.Table:
        found = rows.to_pyarrow()
        times = pa.array([as_of_s] * found.num_rows, pa.int64())
        return found.append_column("as_of_s", times).select(table.schema.names).cast(table.schema)

    return taken(held_badges(facts), HELD_BADGES), taken(features(facts), FEATURES)


def facts_of(
    session: "Backend", as_of_s: int, known_policies: Sequence[KnownPolicy] = (), **others: "Table"
) -> Facts:
    """Facts of a session's silver tables at a moment; others stand for those of their names."""
    number = itertools.count()

    def cache(expression: "Table") -> "Table":
        return session.create_table(f"kept_{next(number)}", expression, temp=True)

    known = {name: session.table(f"silver_{name}") for name in (*SILVER, "holdings")} | others
    return Facts(known.__getitem__, as_of_s, cache, known_policies)


def newest_s(session: "Backend") -> int:
    """When the newest fact happened, seconds; 0 without any."""
    every = " UNION ALL ".join(f"SELECT max(time_s) AS t FROM silver_{name}" for name in SILVER)  # noqa: S608
    return int(session.con.sql(f"SELECT coalesce(max(t), 0) FROM ({every})").fetchall()[0][0])  # noqa: S608


def _moved(session: "Backend") -> Iterator[Moved]:
    for batch in session.con.sql(_MOVED).to_arrow_reader(50_000):
        columns = [column.to_pylist() for column in batch.columns]
        yield from cast("Iterator[Moved]", zip(*columns, strict=True))


def run_features(lake: Lake, stop: Flag, *, until_idle: bool = False) -> None:
    """Keep holdings and features up with the facts until told to stop (LAK-008).

    Args:
        lake: read and written.
        stop: set from elsewhere.
        until_idle: stop when they are up.
    """
    before: dict[str, int] | None = None
    while not stop.is_set():
        try:
            now = {table.name: lake.version(table.name) for table in SILVER.values()}
            now["policies"] = kept_policies(lake.root)
            if now != before:
                refresh(lake)
                before = now
                continue
        except LakeError as error:
            log.warning("features: %s", error)
        if until_idle:
            return
        stop.wait(PAUSE_S)
