"""The kernel's columns, kept up with the lake: built once, then only what changed (PMS-043)."""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import numpy as np
import orjson

from trex._core import People
from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.tables import FEATURES, HELD_BADGES, SILVER
from trex.engine.matching.cells import cells
from trex.engine.matching.plan import BADGE, MOST, Every, Filter, Plan, Range, filter_json
from trex.types.errors import CoreError

SOURCES = (FEATURES.name, HELD_BADGES.name, SILVER["consents"].name)
"""Tables that columns are made of."""
NOTHING = "nothing"
"""A column that is known of nobody: what a query asks that the lake does not have."""
UNKNOWN = -(2**63)
"""What stands in a column where nothing is known."""
CHUNK = 1_000_000
"""Cells of one change of the columns."""
MOST_JOURNAL = 256 << 20
"""Bytes of the journal above which columns are written anew."""


class Columns:
    """Columns below a folder that follow a lake; for many threads."""

    def __init__(self, folder: Path, lake: Lake) -> None:
        """Open what is there, and bring it up with the lake.

        Where another process keeps these columns up, they are as they are at this moment.

        Raises:
            LakeError, CoreError: they cannot be read or made.
        """
        self._folder, self._lake, self._lock = folder, lake, Lock()
        self._threads = os.cpu_count() or 1
        self._people: People | None = None
        self._follows = True
        self._shares: dict[tuple[int, str, Filter, int], int | None] = {}
        self._open()
        self.refresh()

    def _open(self) -> None:
        path = str(self._folder / "columns")
        try:
            self._people = People.open(path, [NOTHING])
        except CoreError as error:
            if error.code == "pms_update":
                self._people, self._follows = People.read(path), False
            elif error.code != "pms_corrupt":
                raise

    @property
    def people(self) -> People:
        """The kernel."""
        assert self._people is not None
        return self._people

    @property
    def versions(self) -> Mapping[str, int]:
        """Of the lake's tables that the columns hold; empty where what they hold is not known."""
        try:
            state = orjson.loads((self._folder / "state.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return state["versions"] if self._people and state["offset"] == self._people.offset else {}

    def refresh(self) -> int:
        """Bring the columns up with the lake; return how many cells and people changed, all if built anew.

        Raises:
            LakeError, CoreError: the columns are as they were, or will be made anew by the next call.
        """
        with self._lock:
            now = {name: self._lake.version(name) for name in SOURCES}
            before = self.versions
            if not self._follows or before == now:
                return 0
            return self._change(before, now) if before else self._build(now)

    def _build(self, now: Mapping[str, int]) -> int:
        offset = self._people.offset + 1 if self._people else 1
        self._people = None  # lets go of the folder
        con = cells(self._lake, now, "now")
        names = [NOTHING, *(row[0] for row in con.sql("SELECT DISTINCT name FROM now ORDER BY 1").fetchall())]
        con.execute(
            "CREATE TEMP TABLE places AS SELECT passport, row_number() OVER (ORDER BY passport) - 1 AS place "
            "FROM people_now ORDER BY passport"
        )
        who = [row[0] for row in con.sql("SELECT passport FROM places ORDER BY place").fetchall()]

        def column(place: int) -> tuple[bytes, bytes]:
            values = np.full(len(who), _default(names[place]), np.int64)
            times = np.zeros(len(who), np.uint32)
            asked = "SELECT place, value, seen FROM now JOIN places USING (passport) WHERE name = ?"
            found = con.execute(asked, [names[place]]).fetchnumpy()
            values[found["place"]], times[found["place"]] = found["value"], found["seen"]
            return values.tobytes(), times.tobytes()

        path = str(self._folder / "columns")
        People.create(path, names, b"".join(map(passport_bytes, who)), offset, column)
        self._people = People.open(path, [])
        self._remember(now)
        return len(who) * (len(names) - 1)

    def _change(self, before: Mapping[str, int], now: Mapping[str, int]) -> int:
        """Take what differs between two states of the lake, or all of it where the older one is gone."""
        try:
            con = cells(self._lake, before, "before")
        except LakeError:
            return self._build(now)
        cells(self._lake, now, "now", con)
        places = {name: place for place, name in enumerate(self.people.names)}
        names = {row[0] for row in con.sql("SELECT DISTINCT name FROM now").fetchall()}
        if any(name.startswith(BADGE) for name in names - places.keys()):
            return self._build(now)  # of everybody it is known whether they hold it
        if names - places.keys():
            self._people = None
            self._people = People.open(str(self._folder / "columns"), sorted(names))
            places = {name: place for place, name in enumerate(self.people.names)}
        gone = con.sql("FROM people_before ANTI JOIN people_now USING (passport)").fetchall()
        con.execute(_CHANGED)
        changed = con.sql("SELECT passport, name, value, seen FROM changed").fetchall()
        if new := con.sql("FROM people_now ANTI JOIN people_before USING (passport)").fetchall():
            badges = [name for name in places if name.startswith(BADGE)]
            changed = [(who, name, None, 0) for (who,) in new for name in badges] + changed
        removed = b"".join(passport_bytes(who) for (who,) in gone)
        for first in range(0, max(len(changed), 1), CHUNK):
            part = changed[first : first + CHUNK]
            values = [_default(name) if value is None else value for _, name, value, _ in part]
            update = (
                b"".join(passport_bytes(who) for who, *_ in part),
                np.array([places[name] for _, name, _, _ in part], np.uint32).tobytes(),
                np.array(values, np.int64).tobytes(),
                np.array([seen for *_, seen in part], np.uint32).tobytes(),
            )
            self.people.update(self.people.offset + 1, update, removed)
        self._remember(now)
        if self.people.journal_bytes > MOST_JOURNAL:
            self.people.compact()
        return len(changed) + len(gone)

    def _remember(self, versions: Mapping[str, int]) -> None:
        """Say what the columns hold. Cut off before this, they are made anew: their offset is another."""
        beside = self._folder / "state.part"
        beside.write_bytes(orjson.dumps({"versions": dict(versions), "offset": self.people.offset}))
        beside.replace(self._folder / "state.json")

    def place(self, column: str) -> int:
        """The place of a column; that of `NOTHING` where the lake has no such column."""
        names = self.people.names
        return names.index(column if column in names else NOTHING)

    def top(
        self, plan: Plan, limit: int, after: tuple[int, bytes] | None = None
    ) -> list[tuple[bytes, int, int]]:
        """The best: passport, sum, score (PMS-030)."""
        return self.people.top(orjson.dumps(plan.json(self.place)), limit, after, self._threads)

    def count(self, filter_: Filter) -> int:
        """How many people a filter is true of."""
        return self.people.count(self._json(filter_), self._threads)

    def percentile(self, column: str, filter_: Filter, share: int, least: int) -> int | None:
        """A percentile of those in a filter (PMS-012), computed once for as long as nothing changes.

        None where the feature is more than 0 of fewer than `least` of them (PRV-006).
        """
        key = (self.people.offset, column, filter_, share)
        if key not in self._shares:
            if any(offset != key[0] for offset, *_ in self._shares):
                self._shares.clear()
            known = self.count(Every((Range(column, 1, MOST), filter_)))
            place = self.place(column)
            found = self.people.percentile(place, self._json(filter_), share) if known >= least else None
            self._shares[key] = found
        return self._shares[key]

    def holds(self, filter_: Filter, passport: bytes) -> bool | None:
        """What a filter says of somebody; None where it is not known."""
        told = self.people.explain(orjson.dumps({"filter": filter_json(filter_, self.place)}), passport)
        return told[0] if told else None

    def points(self, plan: Plan, passport: bytes) -> list[int]:
        """Points of each term, in millionths (PMS-032)."""
        told = self.people.explain(orjson.dumps(plan.json(self.place)), passport)
        return [points for points, _ in told[3]] if told else []

    def cell(self, column: str, passport: bytes) -> tuple[int | None, int]:
        """A value, None where it is not known, and when it was seen."""
        return self.people.cell(passport, self.place(column)) or (None, 0)

    def _json(self, filter_: Filter) -> bytes:
        return orjson.dumps(filter_json(filter_, self.place))


_CHANGED = """
CREATE TEMP TABLE changed AS
SELECT passport, name, now.value, coalesce(now.seen, 0) AS seen
FROM now FULL JOIN before USING (passport, name) SEMI JOIN people_now USING (passport)
WHERE now.value IS DISTINCT FROM before.value OR now.seen IS DISTINCT FROM before.seen
"""


def passport_bytes(passport: str) -> bytes:
    """A passport's number as the kernel orders it."""
    return int(passport).to_bytes(32, "big")


def _default(name: str) -> int:
    """What stands in a column of whom the lake says nothing: who holds no badge holds none."""
    return 0 if name.startswith(BADGE) else UNKNOWN
