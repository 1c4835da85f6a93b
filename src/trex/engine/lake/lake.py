"""The lake on disk: Delta tables that remember how far of the log is in them (specs/engine.md, LAK)."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError

from trex.engine.lake.tables import TABLES, LakeTable, arrow

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.backends import BaseBackend
    from ibis.backends.duckdb import Backend
    from ibis.expr.types import Table


Placed = tuple[str, int, dict[str, object]]
"""A row with the part of the log that it is from, `topic/partition`, and its offset there."""


class LakeError(Exception):
    """The lake could not do its work."""


class Lake:
    """Tables below one folder: `layer/table`."""

    def __init__(self, root: Path) -> None:
        """Name a folder; tables are made when something is written to them."""
        self.root = root

    def path(self, name: str) -> Path:
        """Where a table is."""
        return self.root.joinpath(*name.split("."))

    def table(self, name: str) -> DeltaTable | None:
        """A table as it is now; None before its first row.

        Raises:
            LakeError: its log is damaged.
        """
        path = self.path(name)
        with _words(name):
            return DeltaTable(path) if DeltaTable.is_deltatable(str(path)) else None

    def version(self, name: str) -> int:
        """How often a table was committed to; -1 before its first row."""
        table = self.table(name)
        return -1 if table is None else int(table.version())

    def append(self, table: LakeTable, rows: Sequence[Placed], positions: Mapping[str, int]) -> int:
        """Add rows that are not there yet and how far of the log the table is then, in one commit (LAK-001).

        Args:
            table: which.
            rows: with where in the log they are from.
            positions: next offset of each part of the log that was read.

        Returns:
            How many rows were added.

        Raises:
            LakeError: nothing was added; another writer may have been quicker.
        """
        with _words(table.name):
            there = self.table(table.name)
            if there is None:
                there = DeltaTable.create(
                    self.path(table.name), table.schema, partition_by=["month"], mode="ignore"
                )
            # The write is based on the version that is asked here: a second writer of the same part fails.
            known = {reader: there.transaction_version(reader) or 0 for reader in positions}
            new = [row for reader, at, row in rows if at >= known[reader]]
            ahead = {reader: at for reader, at in positions.items() if at > known[reader]}
            if new:
                write_deltalake(
                    there,
                    arrow(table, new),
                    mode="append",
                    schema_mode="merge",
                    commit_properties=CommitProperties(
                        app_transactions=[Transaction(reader, at) for reader, at in ahead.items()]
                    ),
                )
        return len(new)

    def overwrite(self, name: str, rows: "pa.Table") -> None:
        """Put a whole table in the place of what was there, in one commit."""
        with _words(name):
            write_deltalake(self.path(name), rows, mode="overwrite", schema_mode="overwrite")

    def compact(self, name: str) -> int:
        """Bring many small files into few; return how many went (LAK-005)."""
        table = self.table(name)
        if table is None:
            return 0
        with _words(name):
            return int(table.optimize.compact()["numFilesRemoved"])

    def session(self, at: Mapping[str, int] | None = None) -> "Backend":
        """Return DuckDB with every table there is as `layer_table`, facts as they hold now (LAK-003).

        Args:
            at: versions of tables, for time travel, -1 before the first row; the newest of others.

        Raises:
            LakeError: a version is gone, or a table is damaged.
        """
        found = ibis.duckdb.connect(threads=os.cpu_count() or 1)

        def read(name: str, path: Path, version: int | None) -> "Table":
            with _words(name):
                found.con.register(name, DeltaTable(path, version=version).to_pyarrow_dataset())
            return found.table(name)

        self.name_tables(found, read, at)
        return found

    def name_tables(
        self,
        session: "BaseBackend",
        read: Callable[[str, Path, int | None], "Table"],
        at: Mapping[str, int] | None = None,
    ) -> None:
        """Give a session of any engine that Ibis knows the tables by their names, as `session` says.

        Args:
            session: of the engine.
            read: gives it a Delta table: name there, folder, version or None for the newest.
            at: versions of tables.
        """
        for name, kind in TABLES.items():
            flat = _flat(name) if kind.derived else f"all_{_flat(name)}"
            version = (at or {}).get(name)
            if self.table(name) is None or (version is not None and version < 0):
                rows = session.create_table(flat, schema=ibis.schema(kind.schema))
            else:
                rows = read(flat, self.path(name), version)
            if not kind.derived:
                session.create_view(_flat(name), standing(rows))


def standing(rows: "Table") -> "Table":
    """Facts whose weights add up to more than nothing, each once: what was not taken back (LAK-002)."""
    others = {name: rows[name].arbitrary() for name in rows.columns if name not in ("id", "weight")}
    return rows.group_by("id").having(rows.weight.sum() > 0).agg(**others)


def _flat(name: str) -> str:
    return name.replace(".", "_")


@contextmanager
def _words(name: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError) as error:
        said, *_frames = str(error).splitlines() or [type(error).__name__]
        raise LakeError(f"{name}: {said}") from error
