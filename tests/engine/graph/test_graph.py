"""The graph: what facts make of it, once, whatever is taken back; what is asked of it."""

import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.engine.graph.book import (
    ANN,
    ANN2,
    APES,
    BEN,
    CHAIN,
    CLEO,
    COIN,
    DAN,
    DAY,
    GAME,
    MAKER,
    POOL,
    Book,
    world,
)

from trex.engine.graph.ladybug_graph import LadybugGraph
from trex.engine.graph.model import Change, passport, read, wallet
from trex.engine.graph.questions import communities, held_too, neighbours, resolve, similar
from trex.engine.graph.stage import apply, digest, rebuild, run_graph
from trex.engine.graph.store import Graph, GraphError
from trex.engine.pipeline import facts
from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.log import Log, LostError, Message
from trex.engine.pipeline.stage import Metrics
from trex.engine.run import EngineSettings, open_log

PEOPLE = {name: passport(CHAIN, name).id for name in "1234"}


def bring(graph: Graph, found: Sequence[Fact]) -> None:
    change = Change()
    for fact in found:
        read(fact, change)
    with graph.write() as tx:
        apply(tx, change)


def edges(graph: Graph, kind: str = "") -> set[tuple[str, str, str]]:
    _, every = graph.everything()
    return {one.key for one in every if one.live and kind in ("", one.kind)}


def back(found: Sequence[Fact]) -> list[Fact]:
    return [replace(fact, weight=-1) for fact in reversed(found)]


def test_facts_are_things_and_edges_with_time_and_weight(graph: Graph) -> None:
    """GRA-001."""
    bring(graph, world().facts)
    nodes, every = graph.everything()
    assert {one.kind for one in nodes} == {
        *("passport", "wallet", "badge", "policy", "contract", "collection", "token", "interest"),
        *("project", "campaign"),
    }
    live = {one.key: one for one in every if one.live}
    assert {(a, b) for a, kind, b in live if kind == "owns"} == {
        (PEOPLE[number], wallet(address).id)
        for number, address in (("1", ANN), ("1", ANN2), ("2", BEN), ("3", CLEO), ("4", DAN))
    }
    coin, apes = f"token/{CHAIN}/{COIN}", f"collection/{CHAIN}/{APES}"
    held = live[wallet(CLEO).id, "holds", coin]
    assert (held.weight, held.amount, held.first_day) == (3, str(2**200), DAY)
    assert (wallet(ANN).id, "holds", coin) not in live  # What came went again.
    assert live[wallet(BEN).id, "holds", apes].last_day == DAY + 3
    others = {key for key in live if key[1] in ("publishes", "deployed", "did", "referred", "sent")}
    assert others == {
        (f"project/{CHAIN}/{MAKER}", "publishes", f"policy/{CHAIN}/0x01"),
        (wallet(BEN).id, "deployed", f"contract/{CHAIN}/{POOL}"),
        (PEOPLE["1"], "did", f"campaign/{CHAIN}/invite"),
        (PEOPLE["1"], "referred", PEOPLE["2"]),
        (wallet(ANN).id, "sent", wallet(CLEO).id),
        (wallet(CLEO).id, "sent", wallet(ANN).id),
    }


def test_what_is_taken_back_leaves_no_trace(graph: Graph) -> None:
    """GRA-001: links, states of badges, holdings; what stood in their place counts."""
    book = world()
    bring(graph, book.facts)
    before, count = digest(graph), len(book.facts)
    book.link("1", ANN2, "removed")
    book.state("7", 2)
    book.state("7", 4)
    book.moved("erc20", COIN, CLEO, DAN, 2**200)
    book.called(BEN, f"0x{0xEE:040x}", "ai", DAY + 9)
    gone = book.facts[count:]
    bring(graph, gone)
    assert (PEOPLE["1"], "owns", wallet(ANN2).id) not in edges(graph)
    assert [row["state"] for row in neighbours(graph, PEOPLE["1"]) if row["kind"] == "badge"] == [4]
    assert digest(graph) != before
    for fact in back(gone):
        bring(graph, [fact])
    assert digest(graph) == before
    at = gone[1].block  # Another block at the same height says something else.
    bring(graph, [replace(book.state("7", 3, "b"), block=replace(at, hash="0xb"))])
    assert [row["state"] for row in neighbours(graph, PEOPLE["1"]) if row["kind"] == "badge"] == [3]


def test_however_facts_are_cut_into_batches_the_graph_is_the_same(graph: Graph) -> None:
    """GRA-003."""
    book = world()
    bring(graph, book.facts)
    whole = digest(graph)
    draw = random.Random(1)
    graph.clear()
    at = 0
    while at < len(book.facts):
        step = draw.randrange(1, 9)
        bring(graph, book.facts[at : at + step])
        if draw.random() < 0.4:
            bring(graph, back(book.facts[at : at + step]))
            continue
        at += step
    assert digest(graph) == whole


def test_questions_are_answered_as_by_hand(graph: Graph) -> None:
    """GRA-004, GRA-005."""
    bring(graph, world().facts)
    assert resolve(graph, ANN.upper().replace("0X", "0x")) == wallet(ANN).id
    assert resolve(graph, "Early") == f"policy/{CHAIN}/0x01"
    with pytest.raises(GraphError, match="nothing in the graph"):
        resolve(graph, "' OR 1=1 //")
    found = similar(graph, PEOPLE["1"])
    assert [one.person for one in found] == [PEOPLE["2"]]
    apes, game, policy = f"collection/{CHAIN}/{APES}", f"contract/{CHAIN}/{GAME}", f"policy/{CHAIN}/0x01"
    assert set(found[0].shared) == {apes, game, policy, "interest/game"}  # Cleo's badge was revoked.
    assert similar(graph, PEOPLE["1"], among=[PEOPLE["3"]]) == []
    coin = held_too(graph, f"token/{CHAIN}/{COIN}")
    assert [(one.thing, one.people, one.share) for one in coin] == [
        (f"contract/{CHAIN}/{POOL}", 2, 1.0),
        ("interest/defi", 2, 1.0),
    ]
    assert held_too(graph, f"token/{CHAIN}/{COIN}", among=[PEOPLE["3"]], least=2) == []
    first, second = PEOPLE["1"], PEOPLE["3"]
    assert communities(graph) == {
        PEOPLE["1"]: first,
        PEOPLE["2"]: first,
        PEOPLE["3"]: second,
        PEOPLE["4"]: second,
    }
    assert communities(graph, among=[PEOPLE["1"], PEOPLE["4"]]) == {one: one for one in (first, PEOPLE["4"])}
    way = graph.path(PEOPLE["3"], PEOPLE["4"])
    assert [step["kind"] for step in way] == ["owns", way[1]["kind"], way[2]["kind"], "owns"]
    assert way[0]["source"] == PEOPLE["3"]
    assert graph.path(PEOPLE["1"], f"collection/{CHAIN}/{APES}") == [
        {"source": PEOPLE["1"], "kind": "owns", "target": wallet(ANN2).id},
        {"source": wallet(ANN2).id, "kind": "holds", "target": f"collection/{CHAIN}/{APES}"},
    ]


def test_places_of_several_parts_are_all_kept(graph: Graph) -> None:
    """GRA-002."""
    for at in (3, 5):
        with graph.write() as tx:
            tx.move({"enriched/0": at, "enriched/1": 7, "enriched/3": 0})
    with graph.write() as tx:
        assert tx.places() == {"enriched/0": 5, "enriched/1": 7, "enriched/3": 0}


HOSTILE = [
    "' RETURN 1 //",
    "x'}) DETACH DELETE n //",
    '"',
    "\\",
    "$id",
    "`",
    "\u0000",
    "\ud7ff\u202e",
    "a" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_values_are_no_text_of_a_question(graph: Graph, text: str) -> None:
    """GRA-004."""
    bring(graph, [Book().called(ANN, POOL)])
    before = digest(graph)
    asked = "MATCH (n:Thing) WHERE n.name = $text RETURN n.id AS id"
    assert graph.ask(asked, {"text": text}) == []
    assert graph.path(text, PEOPLE["1"]) == []
    bring(
        graph,
        [replace(fact, row=fact.row | {"name": text}) for fact in world().facts if fact.table == "policies"],
    )
    if text.isprintable():
        assert [row["id"] for row in graph.ask(asked, {"text": text})] == [f"policy/{CHAIN}/0x01"]
    assert digest(graph) != before


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (n:Thing) DETACH DELETE n",
        "CREATE (:Thing {id: 'x'})",
        "DROP TABLE Thing",
        "MATCH (n RETURN n",
        "",
    ],
)
def test_a_question_changes_nothing(graph: Graph, text: str) -> None:
    """GRA-004."""
    bring(graph, world().facts)
    before = digest(graph)
    with pytest.raises(GraphError):
        graph.ask(text, {})
    assert digest(graph) == before


def write(log: Log, found: Sequence[Fact]) -> None:
    """Facts as the stages before write them: a record a block and weight."""
    records = [
        Message("enriched", b"k", value)
        for _, some in groupby(found, lambda fact: (fact.block, fact.weight))
        for value in facts.encode(list(some))
    ]
    log.producer("p").commit(records)


def follow(log: Log, graph: Graph) -> None:
    run_graph(log, graph, threading.Event(), Metrics.on(CollectorRegistry()), until_idle=True)


def test_the_stage_adds_each_fact_once_and_makes_the_same_anew(graph: Graph, tmp_path: Path) -> None:
    """GRA-002, GRA-003: killed between the graph's commit and the log's; the graph lost; made anew."""
    log, book = open_log(EngineSettings(tmp_path)), world()
    try:
        write(log, book.facts)
        log.producer("q").commit([Message("enriched", b"k", b"no facts")])
        follow(log, graph)
        whole = digest(graph)
        log.rewind("graph", "enriched", [0] * len(log.extents("enriched")))
        follow(log, graph)
        assert digest(graph) == whole
        bring(graph, [])
        graph.clear()
        follow(log, graph)
        assert digest(graph) == whole
        write(log, [*back(book.facts[-2:]), book.called(ANN, POOL, "defi")])
        follow(log, graph)
        after = digest(graph)
        assert after != whole
        rebuild(log, graph)
        assert digest(graph) == after
        follow(log, graph)
        assert digest(graph) == after
        assert sum(extent.end - extent.first for extent in log.extents("dead")) >= 1
    finally:
        log.close()


def test_a_log_that_lost_its_beginning_makes_no_graph(tmp_path: Path) -> None:
    """GRA-003."""
    log, graph = open_log(EngineSettings(tmp_path, keep_s=-10)), LadybugGraph(tmp_path / "graph")
    try:
        write(log, world().facts)
        follow(log, graph)
        before = digest(graph)
        assert log.retain() > 0
        with pytest.raises(LostError, match="not made anew"):
            rebuild(log, graph)
        assert digest(graph) == before
        graph.clear()
        with pytest.raises(LostError, match="are gone"):
            follow(log, graph)
    finally:
        log.close()
