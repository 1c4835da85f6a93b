"""`trex engine graph` on a world of four people."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from tests.engine.graph.book import ANN, APES, CHAIN, GAME, world
from tests.engine.graph.test_graph import PEOPLE, follow, write

from trex.engine.graph.ladybug_graph import LadybugGraph
from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import SILVER
from trex.engine.run import EngineSettings, open_log
from trex.node.engine_graph import graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody in the graph; passport 1 and 2 agreed to be found, 2 by another project alone."""
    found = tmp_path_factory.mktemp("engine")
    log = open_log(EngineSettings(found))
    write(log, world().facts)
    follow(log, LadybugGraph(found / "graph"))
    log.close()
    shared = {"weight": 1, "source": "gateway:1962", "chain": CHAIN, "block_hash": "0x", "time_s": 1}
    shared |= {
        "transaction_index": 0,
        "log_index": -1,
        "month": "1970-01",
        "purpose": "matching",
        "given": True,
    }
    rows = [
        shared | {"id": number, "block_number": int(number), "passport": number, "project": project}
        for number, project in (("1", "acme"), ("2", "other"))
    ]
    placed = [("t/0", at, row) for at, row in enumerate(rows)]
    Lake(found / "lake").append(SILVER["consents"], placed, {"t/0": 2})
    return found


def told(folder: Path, *arguments: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(graph, [*arguments, "--folder", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def test_the_graph_is_asked_by_address_name_and_id(folder: Path) -> None:
    """GRA-004, GRA-005."""
    names = {row["name"] for row in told(folder, "neighbours", ANN)}
    assert {"1", GAME, "game"} <= names
    assert [row["person"] for row in told(folder, "similar", PEOPLE["1"])] == [PEOPLE["2"]]
    assert [row["kind"] for row in told(folder, "path", PEOPLE["1"], APES)] == ["owns", "holds"]
    assert {row["name"] for row in told(folder, "holders", APES)} == {GAME, "game", "Early"}
    assert len(told(folder, "community", PEOPLE["1"])) == 2
    assert [row["people"] for row in told(folder, "community")] == [2, 2]
    asked = "MATCH (n:Thing) WHERE n.kind = $kind AND n.state < $most RETURN count(*) AS found"
    assert told(folder, "query", asked, "--param", "kind=passport", "--param", "most=9") == [{"found": 4}]
    text = CliRunner().invoke(graph, ["path", PEOPLE["1"], APES, "--folder", str(folder)]).stdout
    assert text.splitlines()[0].split() == ["source", "kind", "target"]


def test_a_project_is_told_of_people_who_agreed_and_of_no_small_group(folder: Path) -> None:
    """CON-003."""
    assert told(folder, "similar", PEOPLE["1"], "--project", "acme") == []
    found = told(folder, "similar", PEOPLE["1"], "--project", "other")
    assert [row["person"] for row in found] == [PEOPLE["2"]]
    assert told(folder, "holders", APES, "--project", "acme") == []
    assert told(folder, "community", "--project", "acme") == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["query", "MATCH (n) DETACH DELETE n"], "read-only"),
        (["query", "MATCH (n RETURN"], "expected"),
        (["query", "RETURN $x", "--param", "x"], "NAME=VALUE"),
        (["neighbours", "nobody"], "nothing in the graph is called 'nobody'"),
        (["digest", "--graph", "http://x"], "neither ladybug nor bolt"),
    ],
)
def test_what_cannot_be_answered_is_said_in_words(folder: Path, arguments: list[str], word: str) -> None:
    done = CliRunner().invoke(graph, [*arguments, "--folder", str(folder)])
    assert done.exit_code != 0
    assert word in done.output
    assert "Traceback" not in done.output


def test_made_anew_it_is_the_same(folder: Path) -> None:
    """GRA-003."""
    before = CliRunner().invoke(graph, ["digest", "--folder", str(folder)]).stdout
    again = CliRunner().invoke(graph, ["rebuild", "--folder", str(folder)])
    assert (again.exit_code, again.stdout) == (0, before)
