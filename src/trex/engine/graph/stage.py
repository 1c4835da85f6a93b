"""Keeps the graph up with the log, exactly once, and makes it anew from there (GRA-002, GRA-003)."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import chain
from threading import Event as Flag

import orjson

from trex.engine.graph.model import Change, Node, read
from trex.engine.graph.store import EdgeKey, EdgeState, Graph, GraphError, NodeState, Places, Transaction
from trex.engine.pipeline import facts
from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.log import FencedError, Log, LogError, LostError, Message, Place, Record, Topic
from trex.engine.pipeline.stage import DEAD, PAUSE_S, WAIT_S, Metrics, dead_message

log = logging.getLogger(__name__)

NAME, READS = "graph", "enriched"
"""Of the stage and its group, and the topic."""
MOST = 2_000
"""Records a step."""
Without = Callable[[Sequence[Fact]], list[Fact]]
"""Leaves out what is not to be in the graph."""


def run_graph(
    events: Log,
    graph: Graph,
    stop: Flag,
    metrics: Metrics,
    *,
    until_idle: bool = False,
    without: Without = list,
) -> None:
    """Keep the graph up until told to stop; after a fault, from the graph's own place on.

    Args:
        events: the log.
        graph: where to.
        stop: set from elsewhere.
        metrics: filled in.
        until_idle: stop when nothing is left to read.
        without: facts without those of people who were erased.
    """
    events.declare(Topic(DEAD))
    while not stop.is_set():
        try:
            consumer, producer = events.consumer(NAME, READS), events.producer(NAME)
            try:
                fill(events, graph, without)
                while not stop.is_set():
                    batch = consumer.poll(MOST, WAIT_S)
                    if batch.records:
                        dead = bring(graph, batch.records, _places(batch.positions), without)
                        producer.commit(dead, batch)
                        metrics.records.labels(NAME).inc(len(batch.records))
                        metrics.dead.labels(NAME).inc(len(dead))
                    elif until_idle:
                        return
            finally:
                producer.close()
                consumer.close()
        except FencedError as error:
            log.info("graph: starting anew: %s", error)
        except LostError:
            raise
        except (LogError, GraphError) as error:
            log.warning("graph: %s", error)
            stop.wait(PAUSE_S)


def fill(events: Log, graph: Graph, without: Without = list) -> None:
    """Bring what the group has read and the graph does not have: all of it after the graph was lost.

    Raises:
        LostError: the log does not hold it any more.
        GraphError: as writing does.
    """
    ends = [at or 0 for at in events.committed(NAME, READS)]
    for partition, (extent, end) in enumerate(zip(events.extents(READS), ends, strict=True)):
        part = f"{READS}/{partition}"
        with graph.write() as tx:
            at = tx.places().get(part, 0)
        if at < end and at < extent.first:
            raise LostError(
                f"{part}: records before {extent.first} are gone; the graph has those before {at}"
            )
        _replay(events, graph, partition, at, end, without)


def rebuild(events: Log, graph: Graph, without: Without = list) -> None:
    """Make the graph anew from everything in the log (GRA-003).

    Raises:
        LostError: the log does not begin at the beginning; the graph is as it was.
        GraphError: as writing does.
    """
    extents = events.extents(READS)
    for partition, extent in enumerate(extents):
        if extent.first > 0:
            raise LostError(f"{READS}/{partition}: records before {extent.first} are gone: not made anew")
    graph.clear()
    for partition, extent in enumerate(extents):
        _replay(events, graph, partition, 0, extent.end, without)


def _replay(events: Log, graph: Graph, partition: int, at: int, end: int, without: Without) -> None:
    while at < end:
        records = [one for one in events.read(READS, partition, at, MOST) if one.offset < end]
        at = records[-1].offset + 1 if records else end
        bring(graph, records, {f"{READS}/{partition}": at}, without)


def _places(positions: Mapping[Place, int]) -> Places:
    return {f"{topic}/{partition}": at for (topic, partition), at in positions.items()}


def bring(
    graph: Graph, records: Sequence[Record], positions: Places, without: Without = list
) -> list[Message]:
    """Add a batch to the graph once; return what could not be read."""
    change, dead = Change(), []
    with graph.write() as tx:
        known = tx.places()
        for record in records:
            if record.offset < known.get(f"{record.topic}/{record.partition}", 0):
                continue
            try:
                found = facts.decode(record.value)
            except facts.FactsError as error:
                dead.append(dead_message(NAME, record, str(error), record.value))
                continue
            for fact in without(found):
                read(fact, change)
        apply(tx, change)
        tx.move({part: at for part, at in positions.items() if at > known.get(part, 0)})
    return dead


def apply(tx: Transaction, change: Change) -> None:
    """Add a change: sums are read, added to and written back; what comes to nothing goes."""
    told = _nodes(change)
    known = tx.nodes(list(told))
    keys = {(one.source.id, one.kind, one.target.id): None for one in change.added}
    before = tx.edges(list(keys))
    sums = {key: _days(before.get(key)) for key in keys}
    for one in change.added:
        day = sums[one.source.id, one.kind, one.target.id].setdefault(str(one.day), [0, "0"])
        day[0] = int(day[0]) + one.count
        day[1] = str(int(day[1]) + one.amount)
    words = {one.node.id: _words(known.get(one.node.id)) for one in change.said}
    for said in change.said:
        places = words[said.node.id]
        places.setdefault(said.place, [said.state, 0])[1] += said.count
    after = {key: _edge(key, days) for key, days in sums.items()}
    nodes = [_node(told[name], known.get(name), words.get(name)) for name in told]
    tx.put_nodes([one for one in nodes if one.id not in known], new=True)
    tx.put_nodes([one for one in nodes if one.id in known and one != known[one.id]], new=False)
    tx.put_edges([one for key, one in after.items() if one and key not in before], new=True)
    tx.put_edges(
        [one for key, one in after.items() if one and key in before and one != before[key]], new=False
    )
    tx.drop_edges([key for key, one in after.items() if one is None and key in before])
    gone = [key for key, one in after.items() if one is None]
    quiet = [name for name, places in words.items() if not _held(places)]
    tx.drop_lonely(sorted({*chain.from_iterable((source, target) for source, _, target in gone), *quiet}))


def _nodes(change: Change) -> dict[str, Node]:
    """Every node of a change, with the best that is told of it."""
    found: dict[str, Node] = {}
    every: Iterable[Node] = chain.from_iterable((one.source, one.target) for one in change.added)
    for one in chain(every, (said.node for said in change.said)):
        other = found.get(one.id, one)
        found[one.id] = replace(other, kind=other.kind or one.kind, name=other.name or one.name)
    return found


def _node(told: Node, known: NodeState | None, words: dict[str, list[int]] | None) -> NodeState:
    kind, name = (known.kind, known.name) if known else ("", "")
    text, state = (known.words, known.state) if known else ("", 0)
    if words is not None:
        held = _held(words)
        text = orjson.dumps(held, option=orjson.OPT_SORT_KEYS).decode() if held else ""
        state = held[max(held)][0] if held else 0
    return NodeState(told.id, kind or told.kind, name or told.name, state, text)


def _words(known: NodeState | None) -> dict[str, list[int]]:
    return dict(orjson.loads(known.words)) if known and known.words else {}


def _held(words: dict[str, list[int]]) -> dict[str, list[int]]:
    return {place: word for place, word in words.items() if word[1]}


def _days(known: EdgeState | None) -> dict[str, list[int | str]]:
    return dict(orjson.loads(known.days)) if known else {}


def _edge(key: EdgeKey, days: dict[str, list[int | str]]) -> EdgeState | None:
    held = {day: told for day, told in days.items() if told[0] or told[1] != "0"}
    if not held:
        return None
    when = sorted(int(day) for day in held)
    amount = sum(int(told[1]) for told in held.values())
    weight = sum(int(told[0]) for told in held.values())
    text = orjson.dumps(held, option=orjson.OPT_SORT_KEYS).decode()
    return EdgeState(*key, weight, str(amount), amount > 0, when[0], when[-1], text)


def digest(graph: Graph) -> str:
    """A hash of every node and edge: the same for the same graph, however it came to be (GRA-003)."""
    nodes, edges = graph.everything()
    hashed = blake2b(digest_size=32)
    for line in sorted(f"{one}" for one in chain(nodes, edges)):
        hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()
