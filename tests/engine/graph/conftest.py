"""The graphs that one suite runs against: Ladybug, and (long) a real Neo4j server."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.network import free_port

from trex.engine.graph.ladybug_graph import LadybugGraph
from trex.engine.graph.neo4j_graph import Neo4jGraph
from trex.engine.graph.store import Graph, GraphError

ROOT = Path(__file__).resolve().parents[3]
JARS = Path(os.environ.get("TREX_NEO4J_JARS", ROOT / ".cache" / "neo4j"))
SERVER = ROOT / "tests" / "engine" / "neo4j"
START_S = 180.0


@pytest.fixture(scope="session")
def neo4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Neo4j server."""
    if not any(JARS.glob("neo4j-5*.jar")):
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"]
        maven = ["mvn", "--quiet", "--batch-mode", "--file", str(SERVER / "pom.xml"), *goal]
        subprocess.run(maven, check=True, timeout=900)
    folder, port = tmp_path_factory.mktemp("neo4j"), free_port()
    java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*", str(SERVER / "Served.java")]
    with (folder / "server.log").open("wb") as out:
        process = subprocess.Popen([*java, str(folder / "data"), str(port)], stdout=out, stderr=out)
    try:
        until = time.monotonic() + START_S
        while True:
            try:
                Neo4jGraph(f"bolt://127.0.0.1:{port}").close()
                break
            except GraphError:
                assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.5)
        yield f"bolt://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["ladybug", pytest.param("neo4j", marks=pytest.mark.long)])
def graph(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Graph]:
    """A graph of one test's own."""
    opened: Graph
    if request.param == "ladybug":
        opened = LadybugGraph(tmp_path / "graph")
    else:
        opened = Neo4jGraph(request.getfixturevalue("neo4j"))
        opened.clear()
    yield opened
    opened.close()
