"""What a project may be told about groups of people: nothing about few (specs/matching.md, PRV)."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

LEAST = 10
"""K: fewer people than this are told of as nobody."""
MOST_AUDIENCES = 200
"""Different audiences that a project is told of while they are remembered (PRV-005)."""
REMEMBERED_S = 7 * 86_400
"""How long an audience that was told is held against others, seconds, since it was last asked."""


def shown(count: int) -> int:
    """Return a count as a project is told it: 0 below `LEAST`, else rounded down to a multiple (PRV-001).

    So one person more or less seldom shows in a count, and nobody can tell few from none.
    """
    return count // LEAST * LEAST


def in_words(count: int) -> str:
    """Say a count of people for people to read (PRV-001)."""
    told = shown(count)
    return f"{told:,} or more" if told else f"fewer than {LEAST}"


class TooNearError(Exception):
    """An audience that would tell of few people, beside one that was told before (PRV-004, PRV-005)."""


class Told:
    """Which audiences projects were told of, so that no difference of two tells of few."""

    def __init__(self, path: Path) -> None:
        """Keep them in a file, made if need be."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as table:
            table.execute("CREATE TABLE IF NOT EXISTS told (project TEXT, audience TEXT, at_s INTEGER)")
            table.execute("CREATE UNIQUE INDEX IF NOT EXISTS once ON told (project, audience)")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def admit(
        self, project: str, audience: str, now_s: int, differ: Callable[[Iterable[str]], str | None]
    ) -> None:
        """Let an audience be told, and remember it.

        Args:
            project: who is told.
            audience: what it is, in its one canonical text.
            now_s: Unix time, seconds.
            differ: the first of some audiences from which this one differs by few people, or None.

        Raises:
            TooNearError: it may not be told.
        """
        with self._open() as table:
            table.execute("BEGIN IMMEDIATE")  # one at a time: two at once would not know of each other
            table.execute("DELETE FROM told WHERE at_s <= ?", [now_s - REMEMBERED_S])
            known = [
                row[0] for row in table.execute("SELECT audience FROM told WHERE project = ?", [project])
            ]
            if audience not in known:
                if len(known) >= MOST_AUDIENCES:
                    raise TooNearError(
                        f"{len(known)} different audiences in {REMEMBERED_S // 86_400} days; at most "
                        f"{MOST_AUDIENCES}: ask one of them again, or come back later"
                    )
                if (near := differ(known)) is not None:
                    raise TooNearError(
                        f"fewer than {LEAST} people are in one of this audience and one that was answered "
                        f"before, and not in the other: {near}"
                    )
            table.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", [project, audience, now_s])
