"""The served graph: Neo4j over Bolt, where one machine is not enough."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from neo4j import READ_ACCESS, GraphDatabase, Query
from neo4j import Transaction as Neo4jTransaction
from neo4j.exceptions import DriverError, Neo4jError

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

_KEYS = (
    "CREATE CONSTRAINT thing_id IF NOT EXISTS FOR (n:Thing) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT place_part IF NOT EXISTS FOR (p:Place) REQUIRE p.part IS UNIQUE",
)
_MATCHED = "MATCH (a:Thing {id: row.source})-[e:EDGE {kind: row.kind}]->(b:Thing {id: row.target})"
_PAGE = 50_000
"""Nodes or edges of one answer of `everything`; things cleared at once."""


class Neo4jGraph:
    """A database of a Neo4j server."""

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        """Name the server; without a user it is asked without signing in.

        Raises:
            GraphError: it does not answer.
        """
        with _words():
            self._driver = GraphDatabase.driver(url, auth=(user, password) if user else None)
            try:
                with self._driver.session() as session:
                    for statement in _KEYS:
                        session.run(statement).consume()
            except BaseException:
                self._driver.close()
                raise

    @contextmanager
    def write(self) -> Iterator["_Transaction"]:
        """Change the graph in one transaction."""
        with _words(), self._driver.session() as session, session.begin_transaction() as tx:
            yield _Transaction(tx)
            tx.commit()

    def ask(self, cypher: str, parameters: Mapping[str, Any], most: int = MOST_ROWS) -> list[Row]:
        """Ask in Cypher; the server refuses to write in a session for reading."""
        with _words(), self._driver.session(default_access_mode=READ_ACCESS) as session:
            found = session.run(Query(cypher, timeout=TIMEOUT_S), dict(parameters))
            return [record.data() for record, _ in zip(found, range(most), strict=False)]

    def path(self, source: str, target: str) -> list[Row]:
        """A shortest way over live edges."""
        asked = (
            f"MATCH p = shortestPath((a:Thing {{id: $source}})-[:EDGE*1..{HOPS}]-(b:Thing {{id: $target}})) "
            "WHERE all(r IN relationships(p) WHERE r.live) UNWIND relationships(p) AS r "
            "RETURN startNode(r).id AS source, r.kind AS kind, endNode(r).id AS target"
        )
        return [] if source == target else self.ask(asked, {"source": source, "target": target})

    def everything(self) -> tuple[Iterator[NodeState], Iterator[EdgeState]]:
        """Every node and every edge."""
        every = 1 << 60
        nodes = self.ask(f"MATCH (n:Thing) RETURN {NODE_COLUMNS}", {}, every)
        edges = self.ask(f"MATCH (a:Thing)-[e:EDGE]->(b:Thing) RETURN {EDGE_COLUMNS}", {}, every)
        return map(node_of, nodes), map(edge_of, edges)

    def clear(self) -> None:
        """Take every thing and place away."""
        asked = (
            "MATCH (n) WHERE n:Thing OR n:Place WITH n LIMIT $most DETACH DELETE n RETURN count(*) AS gone"
        )
        with _words(), self._driver.session() as session:
            while session.run(asked, most=_PAGE).single(strict=True)["gone"]:
                pass

    def close(self) -> None:
        """Hang up."""
        self._driver.close()


class _Transaction:
    """A transaction of Neo4j: rows go in as a list."""

    def __init__(self, tx: Neo4jTransaction) -> None:
        self._tx = tx
        # Its lock makes writers wait for each other: what one reads of places holds until it is done.
        self._run("MERGE (p:Place {part: ''}) SET p.next = coalesce(p.next, 0) + 1")

    def _run(self, text: str, **parameters: object) -> list[Row]:
        return self._tx.run(text, parameters).data()

    def _each(self, rows: list[Row], then: str) -> list[Row]:
        return self._run(f"UNWIND $rows AS row {then}", rows=rows) if rows else []

    def places(self) -> Places:
        """How far the graph is."""
        found = self._run("MATCH (p:Place) WHERE p.part <> '' RETURN p.part AS part, p.next AS next")
        return {row["part"]: row["next"] for row in found}

    def move(self, places: Places) -> None:
        """Say how far it is now."""
        rows = [{"part": part, "next": at} for part, at in places.items()]
        self._each(rows, "MERGE (p:Place {part: row.part}) SET p.next = row.next")

    def nodes(self, ids: Sequence[str]) -> dict[str, NodeState]:
        """Those of some nodes that are there."""
        found = self._each(
            [{"id": one} for one in ids], f"MATCH (n:Thing {{id: row.id}}) RETURN {NODE_COLUMNS}"
        )
        return {row["id"]: node_of(row) for row in found}

    def edges(self, keys: Sequence[EdgeKey]) -> dict[EdgeKey, EdgeState]:
        """Those of some edges that are there."""
        found = self._each(_keys(keys), f"{_MATCHED} RETURN {EDGE_COLUMNS}")
        return {one.key: one for one in map(edge_of, found)}

    def put_nodes(self, nodes: Sequence[NodeState], new: bool) -> None:
        """Make nodes, or change some."""
        self._each(node_rows(nodes), f"{'CREATE' if new else 'MATCH'} (n:Thing {{id: row.id}}) SET n += row")

    def put_edges(self, edges: Sequence[EdgeState], new: bool) -> None:
        """Make edges, or change some."""
        create = (
            "MATCH (a:Thing {id: row.source}) MATCH (b:Thing {id: row.target}) "
            "CREATE (a)-[e:EDGE {kind: row.kind}]->(b)"
        )
        own = ("weight", "amount", "live", "first_day", "last_day", "days")
        change = "SET " + ", ".join(f"e.{name} = row.{name}" for name in own)
        self._each(edge_rows(edges), f"{create if new else _MATCHED} {change}")

    def drop_edges(self, keys: Sequence[EdgeKey]) -> None:
        """Take edges away."""
        self._each(_keys(keys), f"{_MATCHED} DELETE e")

    def drop_lonely(self, ids: Sequence[str]) -> None:
        """Take nodes away that have neither edge nor word."""
        lonely = "MATCH (n:Thing {id: row.id}) WHERE n.words = '' AND NOT (n)--() DELETE n"
        self._each([{"id": one} for one in ids], lonely)


def _keys(keys: Sequence[EdgeKey]) -> list[Row]:
    return [{"source": source, "kind": kind, "target": target} for source, kind, target in keys]


@contextmanager
def _words() -> Iterator[None]:
    try:
        yield
    except (Neo4jError, DriverError, OSError) as error:
        raise GraphError(f"Neo4j: {error}") from error
