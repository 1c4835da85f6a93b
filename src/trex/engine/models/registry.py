"""Versions of models: what each was made from, how it did, and whether it may be used (MOD-002, MOD-003)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from typing import TYPE_CHECKING

import orjson

from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import SILVER

if TYPE_CHECKING:
    from pathlib import Path

DRIFTED = 0.25
"""A population stability index above this means that people do other things than those it learned from."""


class ModelError(Exception):
    """A model cannot be made or read."""


@dataclass(frozen=True, slots=True)
class Version:
    """One fit of a model."""

    model: str
    """`interests`, `churn` or `audience`."""
    number: int
    """From 1."""
    as_of_s: int
    """The moment of the facts it learned from."""
    snapshot: Mapping[str, int]
    """Versions of the lake's tables that it learned from: they can be read again."""
    people: int
    """Who agreed and had something to learn from."""
    examples: int
    """Interactions or cases."""
    measures: Mapping[str, Mapping[str, float]]
    """What was measured of each candidate, the baseline among them."""
    baseline: str
    """What must be beaten."""
    chosen: str
    """The best candidate; the baseline where none beat it."""
    shares: Mapping[str, float]
    """How what it learned from is distributed: what drift is measured against."""

    @property
    def is_used(self) -> bool:
        """It beat its baseline; another is not used (MOD-003)."""
        return self.chosen != self.baseline


def snapshot(lake: Lake) -> dict[str, int]:
    """Versions of silver tables as they are."""
    return {table.name: lake.version(table.name) for table in SILVER.values()}


def save(lake: Lake, version: Version) -> Version:
    """Keep a version; its number is the next."""
    folder = lake.root / "models" / version.model
    folder.mkdir(parents=True, exist_ok=True)
    numbered = asdict(version) | {"number": len(versions(lake, version.model)) + 1}
    path = folder / f"{numbered['number']:06d}.json"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(numbered, option=orjson.OPT_SORT_KEYS))
    fresh.rename(path)
    return Version(**numbered)


def versions(lake: Lake, model: str) -> list[Version]:
    """Every version of a model, oldest first.

    Raises:
        ModelError: a file of it cannot be read.
    """
    found = []
    for path in sorted((lake.root / "models" / model).glob("*.json")):
        try:
            found.append(Version(**orjson.loads(path.read_bytes())))
        except (OSError, orjson.JSONDecodeError, TypeError) as error:
            raise ModelError(f"{path}: {error}") from error
    return found


def names(lake: Lake) -> list[str]:
    """Models that were ever fitted."""
    folder: Path = lake.root / "models"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []


def chosen_by(measures: Mapping[str, Mapping[str, float]], baseline: str) -> str:
    """The candidate that is best by its first measure, if it beats the baseline by every one (MOD-003)."""
    best = max(measures, key=lambda name: (next(iter(measures[name].values())), name == baseline))
    if all(measures[best][what] > value for what, value in measures[baseline].items()):
        return best
    return baseline


def drift(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Population stability index of two distributions: 0 for the same, above `DRIFTED` another world."""
    least = 1e-4
    pairs = [(max(before.get(name, 0.0), least), max(now.get(name, 0.0), least)) for name in {*before, *now}]
    return sum((new - old) * log(new / old) for old, new in pairs)
