"""The feature catalogue: what is known of a persona, by name, unit, source and freshness."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Dimension(StrEnum):
    """The five dimensions of a persona."""

    ASSETS = "assets"
    BEHAVIOUR = "behaviour"
    SOCIAL = "social"
    DIGITAL_LIFE = "digital_life"
    ENGAGEMENT = "engagement"


@dataclass(frozen=True, slots=True)
class Feature:
    """One number known of each person, or not known."""

    id: str
    """How tables and canonical queries call it."""
    dimension: Dimension
    """Where it belongs."""
    unit: str
    """Of its value; `yes or no` is 1 or 0."""
    source: str
    """The table of the lake it is made from."""
    freshness: str
    """How far it may lag behind what happened."""
    meaning: str
    """What it counts, for people."""
    names: tuple[str, ...]
    """What people call it; the first is shown."""
    windows: tuple[int, ...] = ()
    """Days over which it is kept, beside its value over all time."""

    @property
    def is_flag(self) -> bool:
        """It is yes or no."""
        return self.unit == "yes or no"


@cache
def catalogue() -> Mapping[str, Feature]:
    """Every feature by its id."""
    text = files("trex.engine.lake").joinpath("features.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)["feature"]
    return {
        row["id"]: Feature(
            **row
            | {
                "dimension": Dimension(row["dimension"]),
                "names": tuple(row["names"]),
                "windows": tuple(row.get("windows", ())),
            }
        )
        for row in rows
    }
