"""What people did, as a project names it: a table of facts, and what its columns say (specs/bi.md, DED)."""

from collections.abc import Mapping
from typing import Literal

import ibis
from ibis import _
from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trex.engine.lake.features import Facts

COLUMNS: Mapping[str, frozenset[str]] = {
    "transactions": frozenset({"chain", "recipient", "selector", "status", "type"}),
    "calls": frozenset({"chain", "contract", "selector", "action", "category"}),
    "transfers": frozenset({"chain", "kind", "asset", "token_id", "sender", "recipient", "way"}),
    "badges": frozenset({"chain", "policy", "level", "state"}),
    "points": frozenset({"chain", "season", "deed"}),
}
"""Tables of deeds, and what a deed may ask of each."""
AMOUNTS = {"transfers": "value", "points": "amount", "badges": "points"}
"""What adds up, where something does."""

Says = str | int | list[str] | list[int]
"""What a column says: this, or one of these."""


class Deed(BaseModel):
    """Facts of one table whose columns say what is asked (DED-001)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    facts: Literal["transactions", "calls", "transfers", "badges", "points"]
    """The table."""
    by: Literal["sender", "recipient"] = "sender"
    """Whose deed a transfer is: of who gave or of who received."""
    where: dict[str, Says] = Field(default_factory=dict)
    """Columns and what they say; addresses in either case."""

    @model_validator(mode="after")
    def _known(self) -> "Deed":
        if unknown := sorted(set(self.where) - COLUMNS[self.facts]):
            known = ", ".join(sorted(COLUMNS[self.facts]))
            raise ValueError(f"facts {self.facts!r} have no column {unknown[0]!r}; they have {known}")
        if self.by != "sender" and self.facts != "transfers":
            raise ValueError(f"only transfers are by a recipient, not {self.facts}")
        return self


class Measure(BaseModel):
    """A number of each person, from deeds within a stretch of time (DED-002)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    """How results call it."""
    deed: Deed
    """What counts."""
    value: Literal["count", "any", "sum", "days"] = "count"
    """How often; whether at all, as 1 or 0; how much together; on how many days."""
    planned_effect: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The difference of means that an experiment is made to find. With it, it may be looked at any time."""

    @model_validator(mode="after")
    def _adds_up(self) -> "Measure":
        if self.value == "sum" and self.deed.facts not in AMOUNTS:
            raise ValueError(f"{self.name}: {self.deed.facts} have nothing to sum; {', '.join(AMOUNTS)} have")
        return self


def done(facts: Facts, deed: Deed) -> Table:
    """Return what passports did: id, passport, time_s, amount; facts without a time are none."""
    own = deed.facts in ("badges", "points")
    rows = facts.until_now(deed.facts) if own else facts.own(deed.facts, deed.by)
    for column, says in deed.where.items():
        wanted = [each.lower() if isinstance(each, str) else each for each in _listed(says)]
        there = rows[column].lower() if rows[column].type().is_string() else rows[column]
        rows = rows.filter(there.isin(wanted))
    name = AMOUNTS.get(deed.facts)
    amount = rows[name].cast("float64") if name else ibis.literal(1.0)
    return rows.filter(_.passport.notnull()).select("id", "passport", "time_s", amount=amount)


def _listed(says: Says) -> list[str] | list[int]:
    return says if isinstance(says, list) else [says]  # type: ignore[return-value]
