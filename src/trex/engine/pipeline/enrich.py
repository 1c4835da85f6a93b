"""Enrich: a fact -> the same fact with what is known of its method and contract (specs/engine.md, FCT)."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files

from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.normalise import NOBODY
from trex.types.network_file import keccak256


@cache
def methods() -> Mapping[str, tuple[str, str]]:
    """Action and category by selector."""
    text = files("trex.engine.pipeline").joinpath("methods.toml").read_text(encoding="utf-8")
    return {
        "0x" + keccak256(method.encode())[:4].hex(): (row["name"], row["category"])
        for row in tomllib.loads(text)["action"]
        for method in row["methods"]
    }


def enrich(fact: Fact) -> Fact:
    """Add what is known: of calls their action and category, of transfers whether they mint or burn."""
    row = fact.row
    if fact.table == "calls":
        action, category = methods().get(row["selector"], ("", ""))
        return replace(fact, row={**row, "action": action, "category": category})
    if fact.table == "transfers":
        way = "mint" if row["sender"] == NOBODY else "burn" if row["recipient"] == NOBODY else "move"
        return replace(fact, row={**row, "way": way})
    return fact
