"""The embedded graph: one Ladybug database, opened for a batch or a question at a time."""

import fcntl
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ladybug
import pyarrow as pa

from trex.engine.graph.store import (
    EDGE_COLUMNS,
    HOPS,
    MOST_ROWS,
    NODE_COLUMNS,
    TIMEOUT_S,
    EdgeKey,
    EdgeState,
    GraphError,
    NodeState,
    Places,
    Row,
    edge_of,
    edge_rows,
    node_of,
    node_rows,
)

_TEXT, _NUMBER = pa.string(), pa.int64()
_NODE = pa.schema([("id", _TEXT), ("kind", _TEXT), ("name", _TEXT), ("state", _NUMBER), ("words", _TEXT)])
_EDGE = pa.schema(
    [
        ("source", _TEXT),
        ("target", _TEXT),
        ("kind", _TEXT),
        ("weight", _NUMBER),
        ("amount", _TEXT),
        ("live", pa.bool_()),
        ("first_day", _NUMBER),
        ("last_day", _NUMBER),
        ("days", _TEXT),
    ]
)
_KEY = pa.schema([("source", _TEXT), ("kind", _TEXT), ("target", _TEXT)])
_ID = pa.schema([("id", _TEXT)])
_TABLES = (
    "CREATE NODE TABLE IF NOT EXISTS Thing"
    "(id STRING, kind STRING, name STRING, state INT64, words STRING, PRIMARY KEY(id))",
    "CREATE REL TABLE IF NOT EXISTS EDGE(FROM Thing TO Thing, kind STRING, weight INT64, amount STRING, "
    "live BOOLEAN, first_day INT64, last_day INT64, days STRING)",
    "CREATE NODE TABLE IF NOT EXISTS Place(part STRING, next INT64, PRIMARY KEY(part))",
)
BUFFER_BYTES = 256 << 20
"""Memory for pages."""
LOCK_S = 60.0
"""How long to wait for others of this machine."""
_POLL_S = 0.01


class LadybugGraph:
    """A folder with one database. One writer or many readers at a time, of any processes of the machine."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when something is written."""
        self.folder = folder
        self._file, self._lock = folder / "graph.lbug", folder / "lock"

    @contextmanager
    def _held(self, how: int) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as lock:
            until = time.monotonic() + LOCK_S
            while True:
                try:
                    fcntl.flock(lock, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise GraphError(f"{self.folder} is in use by another process") from None
                    time.sleep(_POLL_S)
            yield

    @contextmanager
    def _opened(self, read_only: bool) -> Iterator[Any]:
        with self._held(fcntl.LOCK_SH if read_only else fcntl.LOCK_EX):
            try:
                database = ladybug.Database(
                    self._file,
                    read_only=read_only,
                    buffer_pool_size=BUFFER_BYTES,
                    throw_on_wal_replay_failure=True,
                )
            except RuntimeError as error:
                raise GraphError(f"{self._file} cannot be opened: {error}") from error
            connection = ladybug.Connection(database)
            try:
                yield connection
            finally:
                connection.close()
                database.close()

    @contextmanager
    def write(self) -> Iterator["_Transaction"]:
        """Change the graph in one transaction."""
        with self._opened(read_only=False) as connection:
            for statement in _TABLES:
                _run(connection, statement)
            _run(connection, "BEGIN TRANSACTION")
            try:
                yield _Transaction(connection)
            except BaseException:
                with suppress(GraphError):
                    _run(connection, "ROLLBACK")
                raise
            _run(connection, "COMMIT")

    def ask(self, cypher: str, parameters: Mapping[str, Any], most: int = MOST_ROWS) -> list[Row]:
        """Ask in Cypher, on a database opened for reading."""
        if not self._file.exists():
            return []
        with self._opened(read_only=True) as connection:
            connection.set_query_timeout(TIMEOUT_S * 1000)
            return _run(connection, cypher, dict(parameters), most)

    def path(self, source: str, target: str) -> list[Row]:
        """A shortest way over live edges."""
        asked = (
            f"MATCH p = (a:Thing {{id: $source}})-[e:EDGE* SHORTEST 1..{HOPS} (r, n | WHERE r.live)]-"
            "(b:Thing {id: $target}) RETURN nodes(p) AS nodes, rels(p) AS rels LIMIT 1"
        )
        found = self.ask(asked, {"source": source, "target": target})
        if not found:
            return []
        names = {_internal(node["_ID"]): node["id"] for node in found[0]["nodes"]}
        return [
            {
                "source": names[_internal(one["_SRC"])],
                "kind": one["kind"],
                "target": names[_internal(one["_DST"])],
            }
            for one in found[0]["rels"]
        ]

    def everything(self) -> tuple[Iterator[NodeState], Iterator[EdgeState]]:
        """Every node and every edge."""
        every = 1 << 60
        nodes = self.ask(f"MATCH (n:Thing) RETURN {NODE_COLUMNS}", {}, every)
        edges = self.ask(f"MATCH (a:Thing)-[e:EDGE]->(b:Thing) RETURN {EDGE_COLUMNS}", {}, every)
        return map(node_of, nodes), map(edge_of, edges)

    def clear(self) -> None:
        """Take the files away."""
        with self._held(fcntl.LOCK_EX):
            for file in self.folder.iterdir():
                if file != self._lock:
                    shutil.rmtree(file) if file.is_dir() else file.unlink()

    def close(self) -> None:
        """Nothing is held between calls."""


class _Transaction:
    """A transaction of Ladybug: rows go in and out as Arrow tables."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def _each(self, schema: pa.Schema, rows: list[Row], then: str) -> list[Row]:
        """Run `then` for every row, whose columns it names."""
        if not rows:
            return []
        table = pa.Table.from_pylist(rows, schema=schema)
        columns = ", ".join(f"{name} AS {name}_" for name in schema.names)
        return _run(self._connection, f"LOAD FROM $rows WITH {columns} {then}", {"rows": table}, 1 << 60)

    def _copy(self, table: str, schema: pa.Schema, rows: list[Row]) -> None:
        if rows:
            found = pa.Table.from_pylist(rows, schema=schema)
            _run(self._connection, f"COPY {table} FROM $rows", {"rows": found})

    def places(self) -> Places:
        """How far the graph is."""
        asked = "MATCH (p:Place) RETURN p.part AS part, p.next AS next"
        found = _run(self._connection, asked, most=MOST_ROWS)
        return {row["part"]: row["next"] for row in found}

    def move(self, places: Places) -> None:
        """Say how far it is now."""
        for part, at in places.items():
            told = {"part": part, "next": at}
            _run(self._connection, "MERGE (p:Place {part: $part}) SET p.next = $next", told)

    def nodes(self, ids: Sequence[str]) -> dict[str, NodeState]:
        """Those of some nodes that are there."""
        rows: list[Row] = [{"id": one} for one in ids]
        found = self._each(_ID, rows, f"MATCH (n:Thing {{id: id_}}) RETURN {NODE_COLUMNS}")
        return {row["id"]: node_of(row) for row in found}

    def edges(self, keys: Sequence[EdgeKey]) -> dict[EdgeKey, EdgeState]:
        """Those of some edges that are there."""
        found = self._each(_KEY, _keys(keys), f"{_MATCHED} RETURN {EDGE_COLUMNS}")
        return {one.key: one for one in map(edge_of, found)}

    def put_nodes(self, nodes: Sequence[NodeState], new: bool) -> None:
        """Make nodes, or change some."""
        if new:
            self._copy("Thing", _NODE, node_rows(nodes))
        else:
            change = "SET n.kind = kind_, n.name = name_, n.state = state_, n.words = words_"
            self._each(_NODE, node_rows(nodes), f"MATCH (n:Thing {{id: id_}}) {change}")

    def put_edges(self, edges: Sequence[EdgeState], new: bool) -> None:
        """Make edges, or change some."""
        if new:
            self._copy("EDGE", _EDGE, edge_rows(edges))
        else:
            own = ("weight", "amount", "live", "first_day", "last_day", "days")
            change = ", ".join(f"e.{name} = {name}_" for name in own)
            self._each(_EDGE, edge_rows(edges), f"{_MATCHED} SET {change}")

    def drop_edges(self, keys: Sequence[EdgeKey]) -> None:
        """Take edges away."""
        self._each(_KEY, _keys(keys), f"{_MATCHED} DELETE e")

    def drop_lonely(self, ids: Sequence[str]) -> None:
        """Take nodes away that have neither edge nor word."""
        rows: list[Row] = [{"id": one} for one in ids]
        lonely = "WHERE n.words = '' AND NOT EXISTS { MATCH (n)-[:EDGE]-(:Thing) }"
        self._each(_ID, rows, f"MATCH (n:Thing {{id: id_}}) {lonely} DELETE n")


_MATCHED = "MATCH (a:Thing {id: source_})-[e:EDGE]->(b:Thing {id: target_}) WHERE e.kind = kind_"


def _keys(keys: Sequence[EdgeKey]) -> list[Row]:
    return [{"source": source, "kind": kind, "target": target} for source, kind, target in keys]


def _internal(name: Mapping[str, int]) -> tuple[int, int]:
    return name["table"], name["offset"]


def _run(connection: Any, text: str, parameters: dict[str, Any] | None = None, most: int = 1) -> list[Row]:
    try:
        found = connection.execute(text, parameters or {})
        if isinstance(found, list):
            raise GraphError("one question at a time")
        with found:
            names = found.get_column_names()
            rows: list[Row] = []
            while found.has_next() and len(rows) < most:
                rows.append(dict(zip(names, found.get_next(), strict=True)))
            return rows
    except RuntimeError as error:
        raise GraphError(str(error)) from error
