"""From facts to features: holdings and gold tables made anew when facts have changed."""

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from threading import Event as Flag
from typing import TYPE_CHECKING, TypeAlias, cast

import ibis
import pyarrow as pa
from ibis import _

from trex.engine.lake.features import Facts, features, held_badges
from trex.engine.lake.holdings import Moved, holdings
from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.proved import KnownPolicy, kept_policies, known_policy
from trex.engine.lake.tables import FEATURES, HELD_BADGES, HOLDINGS, SILVER, LakeTable

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between looks whether facts have changed."""
Session: TypeAlias = "Callable[[Lake], BaseBackend]"
"""Opens the lake for an engine that Ibis knows (LAK-012)."""
_MOVED = ("chain", "kind", "asset", "token_id", "time_s", "sender", "recipient", "amount")
_ORDER = ("chain", "block_number", "transaction_index", "log_index", "id")


def refresh(lake: Lake, as_of_s: int | None = None, session: "BaseBackend | None" = None) -> int:
    """Make holdings and features from the facts as they are now; return how many features were made.

    Args:
        lake: read and written.
        as_of_s: the moment at which features are taken; by default that of the newest fact.
        session: an engine that has the lake's tables (LAK-012); DuckDB by default.

    Raises:
        LakeError: nothing was changed, or holdings alone.
    """
    session = session or lake.session()
    held = pa.Table.from_pylist(list(holdings(_moved(session))), schema=HOLDINGS.schema)
    lake.overwrite(HOLDINGS.name, held)
    if as_of_s is None:
        as_of_s = newest_s(session)
    badges, made = features_now(session, held, as_of_s, policies(lake, session))
    lake.overwrite(HELD_BADGES.name, badges)
    lake.overwrite(FEATURES.name, made)
    return int(made.num_rows)


def policies(lake: Lake, session: "BaseBackend") -> list[KnownPolicy]:
    """Every policy that the chain names, with its document where the lake has it."""
    rows = session.table("silver_policies")
    told = rows.group_by("policy").agg(name=rows.name.arbitrary(), document=rows.document.arbitrary())
    return [
        known_policy(lake.root, row["policy"], row["name"], row["document"])
        for row in told.order_by("policy").to_pyarrow().to_pylist()
    ]


def features_now(
    session: "BaseBackend", held: pa.Table, as_of_s: int, known_policies: Sequence[KnownPolicy]
) -> tuple[pa.Table, pa.Table]:
    """Badges held and features, by the session's silver tables and holdings that were just made."""
    now = session.create_table("held_now", ibis.memtable(held), temp=True)
    facts = facts_of(session, as_of_s, known_policies, holdings=now)

    def taken(rows: "Table", table: LakeTable) -> pa.Table:
        found = rows.to_pyarrow()
        times = pa.array([as_of_s] * found.num_rows, pa.int64())
        return found.append_column("as_of_s", times).select(table.schema.names).cast(table.schema)

    return taken(held_badges(facts), HELD_BADGES), taken(features(facts), FEATURES)


def facts_of(
    session: "BaseBackend", as_of_s: int, known_policies: Sequence[KnownPolicy] = (), **others: "Table"
) -> Facts:
    """Facts of a session's silver tables at a moment; others stand for those of their names."""
    number = itertools.count()

    def cache(expression: "Table") -> "Table":
        return session.create_table(f"kept_{next(number)}", expression, temp=True)

    known = {name: session.table(f"silver_{name}") for name in (*SILVER, "holdings")} | others
    return Facts(known.__getitem__, as_of_s, cache, known_policies)


def newest_s(session: "BaseBackend") -> int:
    """When the newest fact happened, seconds; 0 without any."""
    times = [session.table(f"silver_{name}").time_s for name in SILVER]
    newest = ibis.union(*(time.max().name("t").as_table() for time in times))
    return int(newest.t.max().to_pyarrow().as_py() or 0)


def _moved(session: "BaseBackend") -> Iterator[Moved]:
    # Native coin is not among them: fees, and what contracts send, are no transfers.
    rows = session.table("silver_transfers").filter(_.kind != "native").order_by(*_ORDER).select(*_MOVED)
    for batch in rows.to_pyarrow().to_batches(50_000):
        columns = [column.to_pylist() for column in batch.columns]
        yield from cast("Iterator[Moved]", zip(*columns, strict=True))


def run_features(
    lake: Lake, stop: Flag, session: Session = Lake.session, *, until_idle: bool = False
) -> None:
    """Keep holdings and features up with the facts until told to stop (LAK-008).

    Args:
        lake: read and written.
        stop: set from elsewhere.
        session: opens the lake for the engine that computes.
        until_idle: stop when they are up.
    """
    before: dict[str, int] | None = None
    while not stop.is_set():
        try:
            now = {table.name: lake.version(table.name) for table in SILVER.values()}
            now["policies"] = kept_policies(lake.root)
            if now != before:
                refresh(lake, session=session(lake))
                before = now
                continue
        except LakeError as error:
            log.warning("features: %s", error)
        if until_idle:
            return
        stop.wait(PAUSE_S)
