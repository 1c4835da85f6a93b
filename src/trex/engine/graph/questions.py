"""What is asked of the graph: neighbours, co-holding, similar people, communities (GRA-004, GRA-005)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import log1p

from trex.engine.graph.model import wallet
from trex.engine.graph.store import Graph, GraphError, Row

HAS = ("holds", "uses", "likes")
"""Edges from a wallet to what tells something of its person."""
POPULAR = 5_000
"""What more have than that says little of any two of them, and is left out of similarity."""
ROUNDS = 20
"""Most rounds of the search for communities."""
GRANTED = 1
"""State of a badge that counts."""
People = Collection[str] | None
"""Ids of passports that may be told of; None: of all."""

_OUT = (
    "MATCH (a:Thing {id: $id})-[e:EDGE]->(b:Thing) WHERE e.live "
    "RETURN 'out' AS way, e.kind AS edge, b.id AS id, b.kind AS kind, b.name AS name, b.state AS state, "
    "e.weight AS weight, e.amount AS amount, e.first_day AS first_day, e.last_day AS last_day "
    "ORDER BY weight DESC, id LIMIT $most"
)
_IN = _OUT.replace("'out'", "'in'").replace("-[e:EDGE]->", "<-[e:EDGE]-")
_HAVE = (
    "MATCH (p:Thing)-[o:EDGE]->(k:Thing)-[e:EDGE]->(x:Thing) "
    "WHERE {which} AND o.kind = 'owns' AND o.live AND e.kind IN $kinds AND e.live "
    "RETURN DISTINCT p.id AS person, x.id AS thing, x.name AS name"
)
_EARNED = (
    "MATCH (p:Thing)-[o:EDGE]->(b:Thing)-[e:EDGE]->(x:Thing) "
    "WHERE {which} AND o.kind = 'earned' AND o.live AND e.kind = 'of' AND e.live AND b.state = $granted "
    "RETURN DISTINCT p.id AS person, x.id AS thing, x.name AS name"
)
_ALL_ROWS = 1 << 60


@dataclass(frozen=True, slots=True)
class Alike:
    """Somebody who is like somebody."""

    person: str
    """Id of a passport."""
    score: float
    """Sum over what they share of 1 / ln(1 + who has it): the rarer, the more it says (Adamic and Adar)."""
    shared: tuple[str, ...]
    """What they share, rarest first."""


@dataclass(frozen=True, slots=True)
class HeldToo:
    """What those who have something have too."""

    thing: str
    name: str
    people: int
    """Who have both."""
    share: float
    """Of those who have the first."""


def resolve(graph: Graph, text: str) -> str:
    """The id of what somebody calls by id, address, number of a passport or name.

    Raises:
        GraphError: nothing is called so, or several things are.
    """
    if text[:2] in ("0x", "0X") and len(text) == 42:
        text = text.lower()
    asked = "MATCH (n:Thing) WHERE n.id = $text OR n.name = $text RETURN n.id AS id ORDER BY id LIMIT 10"
    found = [row["id"] for row in graph.ask(asked, {"text": text})]
    if not found:
        raise GraphError(f"nothing in the graph is called {text!r:.80}")
    if len(found) > 1 and text not in found:
        if text[:2] == "0x" and len(text) == 42 and (mine := wallet(text).id) in found:
            return mine
        raise GraphError(f"{text!r:.80} may be {', '.join(found)}: say which")
    return text if text in found else str(found[0])


def neighbours(graph: Graph, thing: str, most: int = 100) -> list[Row]:
    """What is one live edge away, either way."""
    parameters = {"id": thing, "most": most}
    return [*graph.ask(_OUT, parameters, most), *graph.ask(_IN, parameters, most)]


def similar(graph: Graph, person: str, most: int = 20, among: People = None) -> list[Alike]:
    """Who shares most with a passport: badges, holdings, contracts and interests."""
    mine = {row["thing"] for row in _have(graph, "p.id = $id", {"id": person})}
    parameters: dict[str, object] = {"things": sorted(mine)}
    counts = Counter(
        {
            row["thing"]: row["people"]
            for row in graph.ask(
                "MATCH (x:Thing)<-[e:EDGE]-(k:Thing) WHERE x.id IN $things AND e.live "
                "RETURN x.id AS thing, count(k) AS people",
                parameters,
                _ALL_ROWS,
            )
        }
    )
    parameters["things"] = sorted(thing for thing in mine if counts[thing] <= POPULAR)
    shared: dict[str, set[str]] = defaultdict(set)
    people: dict[str, set[str]] = defaultdict(set)
    for row in _have(graph, "x.id IN $things", parameters):
        if row["person"] == person or among is None or row["person"] in among:
            shared[row["person"]].add(row["thing"])
            people[row["thing"]].add(row["person"])
    worth = {thing: 1 / log1p(len(them)) for thing, them in people.items()}
    found = [
        Alike(
            other,
            sum(worth[thing] for thing in sorted(things)),
            tuple(sorted(things, key=lambda thing: (-worth[thing], thing))),
        )
        for other, things in shared.items()
        if other != person
    ]
    return sorted(found, key=lambda one: (-one.score, one.person))[:most]


def held_too(graph: Graph, thing: str, most: int = 20, among: People = None, least: int = 1) -> list[HeldToo]:
    """What those who have something have too, by how many.

    Args:
        graph: asked.
        thing: a collection, token, contract, policy or interest.
        most: of the answer.
        among: whose having counts.
        least: of what fewer have than that nothing is told.
    """
    them = {row["person"] for row in _have(graph, "x.id = $id", {"id": thing})}
    if among is not None:
        them &= set(among)
    if len(them) < least:
        return []
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for row in _have(graph, "p.id IN $people", {"people": sorted(them)}):
        if row["thing"] != thing:
            counts[row["thing"]] += 1
            names[row["thing"]] = row["name"]
    ranked = sorted(counts, key=lambda one: (-counts[one], one))
    return [
        HeldToo(one, names[one], counts[one], counts[one] / len(them))
        for one in ranked
        if counts[one] >= least
    ][:most]


def communities(graph: Graph, among: People = None) -> dict[str, str]:
    """Which community each passport is of, named by a member: label propagation over what they share.

    Passports take in turn, by id, the label that weighs most among those who share something with them, the
    lesser of equals, until none changes; what `POPULAR` have is left out. The same graph gives the same.
    """
    having = defaultdict(set)
    for row in _have(graph, "p.kind = 'passport'", {}):
        if among is None or row["person"] in among:
            having[row["thing"]].add(row["person"])
    things: dict[str, list[str]] = defaultdict(list)
    for thing in sorted(having):
        for person in having[thing] if 1 < len(having[thing]) <= POPULAR else ():
            things[person].append(thing)
    labels = {person: person for person in sorted(set().union(*having.values()))}
    # Each thing keeps the count of its people's labels: a round takes as long as there are edges.
    tallies = {thing: Counter(people) for thing, people in having.items()}
    for _ in range(ROUNDS):
        moved = False
        for person, label in list(labels.items()):
            votes: dict[str, float] = defaultdict(float)
            for thing in things[person]:
                worth = 1 / log1p(len(having[thing]))
                for other, count in tallies[thing].items():
                    count -= other == label
                    if count:
                        votes[other] += worth * count
            best = min(votes, key=lambda one: (-votes[one], one), default=label)
            if best != label and votes[best] > votes.get(label, 0.0):
                moved, labels[person] = True, best
                for thing in things[person]:
                    tallies[thing][label] -= 1
                    tallies[thing][best] += 1
                    if not tallies[thing][label]:
                        del tallies[thing][label]
        if not moved:
            break
    return _named(labels.items())


def _named(labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Communities by their first member."""
    members: dict[str, list[str]] = defaultdict(list)
    for person, label in labels:
        members[label].append(person)
    return {person: min(them) for them in members.values() for person in them}


def _have(graph: Graph, which: str, parameters: dict[str, object]) -> list[Row]:
    """Which passports have what; `which` is one of this module's own conditions."""
    held = graph.ask(_HAVE.format(which=which), parameters | {"kinds": list(HAS)}, _ALL_ROWS)
    return [*held, *graph.ask(_EARNED.format(which=which), parameters | {"granted": GRANTED}, _ALL_ROWS)]
