"""Tables of the lake: bronze events as they came, silver facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_SHARED = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("weight", pa.int8(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("chain", pa.int64(), nullable=False),
    pa.field("block_number", pa.int64(), nullable=False),
    pa.field("block_hash", pa.string(), nullable=False),
    pa.field("transaction_index", pa.int32(), nullable=False),
    pa.field("log_index", pa.int32(), nullable=False),
    pa.field("time_s", pa.int64()),
    pa.field("month", pa.string(), nullable=False),
]
"""What every row says: which, whether it holds, where and when; `month`, the partition, may be `none`."""


@dataclass(frozen=True, slots=True)
class LakeTable:
    """One Delta table."""

    name: str
    """`layer.table`."""
    own: tuple[tuple[str, pa.DataType], ...]
    """Columns beside those that all events' rows share."""
    derived: bool = False
    """Made from other tables, not from the log: rows have no events, and all hold."""

    @property
    def schema(self) -> pa.Schema:
        """All columns."""
        own = [pa.field(name, kind) for name, kind in self.own]
        return pa.schema(own if self.derived else [*_SHARED, *own])


_TEXT, _NUMBER, _REAL = pa.string(), pa.int64(), pa.float64()

BRONZE = LakeTable("bronze.events", (("kind", _TEXT), ("version", _NUMBER), ("payload", _TEXT)))
"""Events as they came, their payload as JSON."""

SILVER: Mapping[str, LakeTable] = {
    table.name.partition(".")[2]: table
    for table in (
        LakeTable(
            "silver.transactions",
            (
                ("hash", _TEXT),
                ("type", _NUMBER),
                ("sender", _TEXT),
                ("recipient", _TEXT),
                ("value", _TEXT),
                ("fee", _TEXT),
                ("status", _NUMBER),
                ("selector", _TEXT),
                ("created", _TEXT),
            ),
        ),
        LakeTable(
            "silver.transfers",
            (
                ("kind", _TEXT),
                ("asset", _TEXT),
                ("token_id", _TEXT),
                ("sender", _TEXT),
                ("recipient", _TEXT),
                ("amount", _TEXT),
                ("value", _REAL),
                ("way", _TEXT),
            ),
        ),
        LakeTable(
            "silver.calls",
            (
                ("sender", _TEXT),
                ("contract", _TEXT),
                ("selector", _TEXT),
                ("action", _TEXT),
                ("category", _TEXT),
            ),
        ),
        LakeTable(
            "silver.badges",
            (
                ("token", _TEXT),
                ("passport", _TEXT),
                ("policy", _TEXT),
                ("level", _NUMBER),
                ("points", _NUMBER),
                ("expires_s", _NUMBER),
                ("state", _NUMBER),
                ("evidence", _TEXT),
                ("validator_version", _TEXT),
            ),
        ),
        LakeTable(
            "silver.policies",
            (
                ("policy", _TEXT),
                ("document", _TEXT),
                ("levels", _NUMBER),
                ("is_public", pa.bool_()),
                ("name", _TEXT),
                ("uri", _TEXT),
                ("publisher", _TEXT),
            ),
        ),
        LakeTable(
            "silver.points",
            (
                ("entry", _TEXT),
                ("passport", _TEXT),
                ("season", _NUMBER),
                ("amount", _NUMBER),
                ("deed", _TEXT),
                ("origin", _TEXT),
            ),
        ),
        LakeTable(
            "silver.links",
            (
                ("passport", _TEXT),
                ("key", _TEXT),
                ("way", _TEXT),
                ("role", _NUMBER),
                ("kind", _NUMBER),
                ("account", _TEXT),
            ),
        ),
        LakeTable(
            "silver.acts",
            (("actor", _TEXT), ("action", _TEXT), ("subject", _TEXT), ("outcome", _TEXT)),
        ),
        LakeTable(
            "silver.consents",
            (("passport", _TEXT), ("purpose", _TEXT), ("project", _TEXT), ("given", pa.bool_())),
        ),
        LakeTable(
            "silver.rewards",
            (
                ("passport", _TEXT),
                ("epoch", _TEXT),
                ("amount", _TEXT),
                ("value", _REAL),
                ("payout", _TEXT),
            ),
        ),
    )
}
"""Facts by the name that normalising gives their table."""


HOLDINGS = LakeTable(
    "silver.holdings",
    (
        ("account", _TEXT),
        ("chain", _NUMBER),
        ("kind", _TEXT),
        ("asset", _TEXT),
        ("token_id", _TEXT),
        ("from_s", _NUMBER),
        ("until_s", _NUMBER),
        ("amount", _TEXT),
        ("value", _REAL),
    ),
    derived=True,
)
"""Who held what, from when until when."""
FEATURES = LakeTable(
    "gold.features",
    (
        ("passport", _TEXT),
        ("feature", _TEXT),
        ("window_days", _NUMBER),
        ("value", _REAL),
        ("seen_s", _NUMBER),
        ("as_of_s", _NUMBER),
    ),
    derived=True,
)
"""Features of passports by the catalogue's ids; a window of 0 days is all time; `seen_s`: newest evidence."""
HELD_BADGES = LakeTable(
    "gold.badges",
    (
        ("passport", _TEXT),
        ("policy", _TEXT),
        ("level", _NUMBER),
        ("seen_s", _NUMBER),
        ("as_of_s", _NUMBER),
    ),
    derived=True,
)
"""Badges that passports hold granted: of each policy the highest level, and when it was granted."""
INTERESTS = LakeTable(
    "gold.interests",
    (("passport", _TEXT), ("kind", _TEXT), ("item", _TEXT), ("score", _REAL), ("place", _NUMBER)),
    derived=True,
)
"""What a passport is likely to want, best first: kind `item` or `category`; none while no model is used."""
LIKELIHOODS = LakeTable(
    "gold.likelihoods",
    (("passport", _TEXT), ("model", _TEXT), ("value", _REAL), ("reasons", _TEXT)),
    derived=True,
)
"""How likely a passport is what a model asks (`churn`, `sybil`), 0 to 1; reasons as JSON."""
TABLES: Mapping[str, LakeTable] = {
    table.name: table
    for table in (BRONZE, *SILVER.values(), HOLDINGS, FEATURES, HELD_BADGES, INTERESTS, LIKELIHOODS)
}
"""Every table of the lake."""


def arrow(table: LakeTable, rows: list[dict[str, Any]]) -> pa.Table:
    """Bring rows into a table's form; a column that a row does not have is null."""
    return pa.Table.from_pylist(rows, schema=table.schema)
