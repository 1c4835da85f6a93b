"""Writes silver facts into a lake, so that features can be counted by hand."""

import json
from typing import Any, Self

from trex.engine.lake.features import DAY_S
from trex.engine.lake.lake import Lake, Placed
from trex.engine.lake.proved import keep_policy
from trex.engine.lake.tables import SILVER

NOW = 1_700_000_000
"""The moment at which features are taken."""
ETHER = 10**18
NOBODY = "0x" + "0" * 40


class Book:
    """Writes facts into a lake as the silver sink does: each at once, or all when a `with` block is left."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.offset = lake, 0
        self.held: dict[str, list[Placed]] | None = None

    def __enter__(self) -> Self:
        self.held = {}
        return self

    def __exit__(self, *_: object) -> None:
        for table, rows in (self.held or {}).items():
            self.lake.append(SILVER[table], rows, {"enriched/0": self.offset + 1})
        self.held = None

    def write(self, table: str, days_ago: float, **columns: Any) -> None:
        self.offset += 1
        time_s = NOW - int(days_ago * DAY_S)
        shared = {
            "id": f"{self.offset}",
            "weight": 1,
            "source": "evm:1962",
            "chain": 1962,
            "block_number": time_s,
            "block_hash": "0x",
            "transaction_index": 0,
            "log_index": self.offset,
            "time_s": time_s,
            "month": "none",
        }
        row = ("enriched/0", self.offset, {**shared, **columns})
        if self.held is None:
            self.lake.append(SILVER[table], [row], {"enriched/0": self.offset + 1})
        else:
            self.held.setdefault(table, []).append(row)

    def link(self, days_ago: float, passport: str, account: str, way: str = "added") -> None:
        kept = None if way == "removed" else account
        self.write("links", days_ago, passport=passport, key=account, way=way, role=1, kind=1, account=kept)

    def sent(self, days_ago: float, sender: str, to: str | None, **columns: Any) -> None:
        told = {"sender": sender, "recipient": to, "fee": str(ETHER // 100), "status": 1, "type": 2}
        self.write("transactions", days_ago, **told | columns)

    def called(self, days_ago: float, sender: str, to: str, action: str, category: str) -> None:
        self.sent(days_ago, sender, to)
        self.write("calls", days_ago, sender=sender, contract=to, action=action, category=category)

    def moved(
        self, days_ago: float, kind: str, sender: str, to: str, amount: int, token: str | None = None
    ) -> None:
        way = "mint" if sender == NOBODY else "move"
        told = {"kind": kind, "asset": f"0x{kind}", "token_id": token, "amount": str(amount)}
        ends = {"sender": sender, "recipient": to, "value": float(amount), "way": way}
        self.write("transfers", days_ago, **told, **ends)

    def policy(self, number: int, name: str, levels: list[dict[str, Any]], *, kept: bool = True) -> str:
        """Publish a policy whose levels ask these; return its id."""
        policy = f"0x{number:064x}"
        document = {"version": 1, "name": name, "evidenceClass": "private", "levels": []}
        document["levels"] = [
            {"level": place, "name": f"Level {place}", "points": place, "when": when}
            for place, when in enumerate(levels, 1)
        ]
        hashed = keep_policy(self.lake.root, json.dumps(document).encode()) if kept else f"0x{1:064x}"
        self.write("policies", 90, policy=policy, document=hashed, levels=len(levels), name=name, uri="")
        return policy

    def badge(self, days_ago: float, passport: str, policy: str, level: int = 1, expires_s: int = 0) -> None:
        told = {"token": f"{passport} {policy}", "passport": passport, "policy": policy, "level": level}
        self.write("badges", days_ago, **told, points=10, state=1, expires_s=expires_s)

    def consent(self, days_ago: float, passport: str, project: str = "*", given: bool = True) -> None:
        told = {"passport": passport, "purpose": "matching", "project": project, "given": given}
        self.write("consents", days_ago, **told)


def check(validator: str, provider: str, **bounds: Any) -> dict[str, Any]:
    """A check of a policy."""
    return {"check": {"validator": validator, "parameters": {"provider": provider}, "is": bounds}}
