"""What models learn from: who of those who agreed used what, and when (MOD-001)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import numpy as np
from ibis import _
from scipy.sparse import csr_matrix

from trex.engine.lake.consent import Purpose, consented
from trex.engine.lake.features import NFTS, Facts
from trex.engine.lake.gold import facts_of, newest_s

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

LATER = 0.2
"""Share of each person's items, the last ones they came to, that models are judged by."""


@dataclass(frozen=True, slots=True)
class Used:
    """A person came to an item."""

    passport: str
    item: str
    """`contract/CHAIN/ADDRESS` or `collection/CHAIN/ADDRESS`, as in the graph."""
    category: str
    """Of the calls; empty where not known."""
    first_s: int
    """When they did first; 0 where not known."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Who used what, as models want it."""

    people: tuple[str, ...]
    items: tuple[str, ...]
    used: csr_matrix
    """float32, shape (people, items), 1 where used."""


def facts_for_models(session: "Backend", as_of_s: int | None = None) -> tuple[Facts, set[str]]:
    """Facts at a moment, and the passports that agreed to be learned from (CON-003)."""
    facts = facts_of(session, newest_s(session) if as_of_s is None else as_of_s)
    agreed = consented(session.table("silver_consents"), Purpose.MODELS).to_pyarrow()
    return facts, set(agreed.column("passport").to_pylist())


def used_by(facts: Facts, agreed: set[str]) -> list[Used]:
    """Every item of everybody who agreed, in a fixed order."""
    calls = facts.own("calls")
    called = calls.group_by("passport", "chain", "contract").agg(
        first_s=_.time_s.min(), category=ibis.coalesce(_.category, "").max()
    )
    held = facts.holdings.filter(_.kind.isin(NFTS))
    owned = held.group_by("passport", "chain", "asset").agg(first_s=_.from_s.min())
    rows = [
        Used(row["passport"], f"contract/{row['chain']}/{row['contract']}", row["category"], row["first_s"])
        for row in called.to_pyarrow().to_pylist()
    ]
    rows += [
        Used(row["passport"], f"collection/{row['chain']}/{row['asset']}", "nft", row["first_s"] or 0)
        for row in owned.to_pyarrow().to_pylist()
    ]
    found = [row for row in rows if row.passport in agreed]
    return sorted(found, key=lambda row: (row.passport, row.first_s, row.item))


def matrix(rows: Sequence[Used], like: Matrix | None = None) -> Matrix:
    """People by items; over the rows and columns of another where one is given."""
    people = like.people if like else tuple(sorted({row.passport for row in rows}))
    items = like.items if like else tuple(sorted({row.item for row in rows}))
    person, item = ({name: at for at, name in enumerate(names)} for names in (people, items))
    where = ([person[row.passport] for row in rows], [item[row.item] for row in rows])
    ones = np.ones(len(rows), dtype=np.float32)
    found = csr_matrix((ones, where), shape=(len(people), len(items)))
    found.sum_duplicates()
    found.data[:] = 1.0
    return Matrix(people, items, found)


def split(rows: Sequence[Used]) -> tuple[list[Used], list[Used]]:
    """What came earlier and what came later, of each person with at least three items."""
    first: list[Used] = []
    later: list[Used] = []
    by_person: dict[str, list[Used]] = {}
    for row in rows:
        by_person.setdefault(row.passport, []).append(row)
    for own in by_person.values():
        keep = len(own) - int(max(1, len(own) * LATER)) if len(own) >= 3 else len(own)
        first += own[:keep]
        later += own[keep:]
    return first, later
