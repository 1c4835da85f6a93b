"""The seam of the graph: a transaction a batch, questions that only read. Two of them: Ladybug and Neo4j."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One answer: values by column."""
Places: TypeAlias = dict[str, int]
"""How far of the log the graph is: next offset by `topic/partition`."""
EdgeKey: TypeAlias = tuple[str, str, str]
"""From, kind, to."""
MOST_ROWS = 10_000
"""Rows of one answer."""
TIMEOUT_S = 30
"""Longest question."""
HOPS = 8
"""Longest path that is looked for."""


class GraphError(Exception):
    """The graph could not do its work, or was asked what it does not understand."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as it is kept."""

    id: str
    kind: str
    name: str
    state: int
    """Of a badge, by the newest word; 0 of others."""
    words: str
    """JSON of what was said of its state, by place; empty of others."""


@dataclass(frozen=True, slots=True)
class EdgeState:
    """An edge as it is kept."""

    source: str
    kind: str
    target: str
    weight: int
    """Facts."""
    amount: str
    """What they add up to, in decimal digits of any length."""
    live: bool
    """That is more than nothing."""
    first_day: int
    last_day: int
    """Days of Unix time of the first and the last fact; -1 where not known."""
    days: str
    """JSON of facts and amount by day: what it all follows from."""

    @property
    def key(self) -> EdgeKey:
        """Its name."""
        return (self.source, self.kind, self.target)


class Transaction(Protocol):
    """Reads and writes that happen together or not at all."""

    def places(self) -> Places:
        """How far the graph is."""

    def move(self, places: Places) -> None:
        """Say how far it is now."""

    def nodes(self, ids: Sequence[str]) -> dict[str, NodeState]:
        """Those of some nodes that are there."""

    def edges(self, keys: Sequence[EdgeKey]) -> dict[EdgeKey, EdgeState]:
        """Those of some edges that are there."""

    def put_nodes(self, nodes: Sequence[NodeState], new: bool) -> None:
        """Make nodes, or change some that are there."""

    def put_edges(self, edges: Sequence[EdgeState], new: bool) -> None:
        """Make edges between nodes that are there, or change some."""

    def drop_edges(self, keys: Sequence[EdgeKey]) -> None:
        """Take edges away."""

    def drop_lonely(self, ids: Sequence[str]) -> None:
        """Of some nodes, take those away that have neither edge nor word."""


class Graph(Protocol):
    """Where the graph is kept."""

    def write(self) -> AbstractContextManager[Transaction]:
        """Change it: all of it at the end, or after an exception nothing.

        Raises:
            GraphError: it cannot be opened or written.
        """

    def ask(self, cypher: str, parameters: Mapping[str, Any], most: int = MOST_ROWS) -> list[Row]:
        """Ask in Cypher; nothing is changed, whatever the text says (GRA-004).

        Args:
            cypher: the question; values stand in it as `$name` only.
            parameters: those values.
            most: rows of the answer.

        Raises:
            GraphError: the text is not understood, wants to change something, or takes too long.
        """

    def path(self, source: str, target: str) -> list[Row]:
        """A shortest way over live edges, at most `HOPS` long: rows (source, kind, target), or none."""

    def everything(self) -> tuple[Iterator[NodeState], Iterator[EdgeState]]:
        """Every node and every edge, in any order."""

    def clear(self) -> None:
        """Take everything away, and how far it was."""

    def close(self) -> None:
        """Let go of what is held."""


def node_rows(nodes: Iterable[NodeState]) -> list[Row]:
    """Nodes as parameters."""
    return [
        {"id": one.id, "kind": one.kind, "name": one.name, "state": one.state, "words": one.words}
        for one in nodes
    ]


def edge_rows(edges: Iterable[EdgeState]) -> list[Row]:
    """Edges as parameters; source and target come first."""
    return [
        {
            "source": one.source,
            "target": one.target,
            "kind": one.kind,
            "weight": one.weight,
            "amount": one.amount,
            "live": one.live,
            "first_day": one.first_day,
            "last_day": one.last_day,
            "days": one.days,
        }
        for one in edges
    ]


NODE_COLUMNS = "n.id AS id, n.kind AS kind, n.name AS name, n.state AS state, n.words AS words"
EDGE_COLUMNS = (
    "a.id AS source, e.kind AS kind, b.id AS target, e.weight AS weight, e.amount AS amount, e.live AS live, "
    "e.first_day AS first_day, e.last_day AS last_day, e.days AS days"
)
"""What states are read from."""


def node_of(row: Row) -> NodeState:
    """A node from an answer of `NODE_COLUMNS`."""
    return NodeState(**row)


def edge_of(row: Row) -> EdgeState:
    """An edge from an answer of `EDGE_COLUMNS`."""
    return EdgeState(**row)
