"""Silver facts in memory: a few people and what they did."""

from typing import Any

import ibis
import pyarrow as pa

from trex.engine.lake.features import Facts
from trex.engine.lake.tables import SILVER

NOW = 1_700_000_000
"""The moment at which facts are asked, seconds."""


def facts(
    calls: list[tuple[str, int, str]], people: int, badges: list[tuple[str, str]] | None = None
) -> Facts:
    """Return what p0, p1, ... with a wallet each did: passport, when, action; and their badges' policies."""
    session = ibis.duckdb.connect()
    shared = {
        "source": "evm:1",
        "chain": 1,
        "block_hash": "0x",
        "transaction_index": 0,
        "month": "none",
        "weight": 1,
    }

    def table(name: str, rows: list[dict[str, Any]]) -> ibis.Table:
        placed = [
            {**shared, "id": f"{name}{at}", "block_number": at, "log_index": 0, **row}
            for at, row in enumerate(rows)
        ]
        schema = pa.schema([field.with_nullable(True) for field in SILVER[name].schema])
        session.con.register(name, pa.Table.from_pylist(placed, schema=schema))
        return session.table(name)

    links = [
        {"time_s": 1, "passport": f"p{n}", "key": f"k{n}", "account": f"0xa{n}", "way": "created", "role": 1}
        for n in range(people)
    ]
    made = [
        {"time_s": time_s, "sender": "0xa" + passport[1:], "contract": "0xPOOL".lower(), "action": action}
        for passport, time_s, action in calls
    ]
    held = [
        {
            "time_s": NOW - 1,
            "token": f"t{n}",
            "passport": passport,
            "policy": policy,
            "state": 1,
            "expires_s": 0,
        }
        for n, (passport, policy) in enumerate(badges or [])
    ]
    tables = {"links": table("links", links), "calls": table("calls", made), "badges": table("badges", held)}
    return Facts(
        tables.__getitem__,
        NOW,
        lambda made: session.create_table(ibis.util.gen_name("kept"), made, temp=True),
    )
