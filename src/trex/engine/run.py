"""The stages together in one process, or each in its own: they meet only in the log and the lake."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from trex.engine.graph import stage as graph_stage
from trex.engine.graph.store import Graph
from trex.engine.ingest.gateway import GatewaySource, listen_gateway
from trex.engine.ingest.listen import EvmSource, SourceMetrics, listen
from trex.engine.ingest.topics import CURSORS, RAW
from trex.engine.lake.erasure import Erased, alone
from trex.engine.lake.gold import Session, run_features
from trex.engine.lake.lake import Lake
from trex.engine.lake.sink import READERS, run_sink
from trex.engine.pipeline.log import Log, Topic
from trex.engine.pipeline.sqlite_log import SqliteLog
from trex.engine.pipeline.stage import DEAD, Metrics, run_stage
from trex.engine.pipeline.stages import STAGES

log = logging.getLogger(__name__)

NAMES = ("ingest", *(stage.name for stage in STAGES), *READERS, graph_stage.NAME, "features")
"""Every stage that can be run alone."""
SQLITE = "sqlite"
"""The embedded log."""
LADYBUG = "ladybug"
"""The embedded graph."""
DUCKDB = "duckdb"
"""The embedded analytics."""
RETAIN_S = 60.0
"""Between rounds of letting go of old records."""
PARTITIONS = RAW.partitions
"""Of every topic between stages: what one source tells stays in order."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the engine keeps its things and whom it listens to."""

    folder: Path
    """`log.sqlite` and `lake/` are in it."""
    sources: tuple[EvmSource, ...] = ()
    """Chains."""
    gateways: tuple[GatewaySource, ...] = ()
    """Persona gateways."""
    keep_s: int | None = None
    """How long records between stages are kept; None for ever. The lake keeps what came of them."""
    log: str = SQLITE
    """`sqlite`, or `kafka://host:port,host:port/prefix`; the prefix is that of topics and groups."""
    graph: str = LADYBUG
    """`ladybug`, or `bolt://host:port`, `neo4j://...`: a server, signed in to by `TREX_NEO4J_USER` and
    `TREX_NEO4J_PASSWORD` of the environment."""
    analytics: str = DUCKDB
    """What computes features: `duckdb`, or `spark://host:port`, a cluster that sees the lake's folder."""


def open_log(settings: EngineSettings) -> Log:
    """Open the log with every topic.

    Raises:
        LogError: it cannot be opened.
        ValueError: the settings name no log.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    events = _named(settings)
    between = {name for stage in STAGES for name in (stage.reads, stage.writes)}
    kept = [Topic(name, PARTITIONS, retention_s=settings.keep_s) for name in sorted(between)]
    events.declare(CURSORS, Topic(DEAD), *kept)
    return events


def _named(settings: EngineSettings) -> Log:
    if settings.log == SQLITE:
        return SqliteLog(settings.folder / "log.sqlite")
    told = urlsplit(settings.log)
    if told.scheme != "kafka" or not told.netloc:
        raise ValueError(f"{settings.log!r} is neither sqlite nor kafka://HOST:PORT/PREFIX")
    from trex.engine.pipeline.kafka_log import KafkaLog

    return KafkaLog(told.netloc, prefix=told.path.lstrip("/") or "trex.")


def open_lake(settings: EngineSettings) -> Lake:
    """Name the lake."""
    return Lake(settings.folder / "lake")


def open_graph(settings: EngineSettings) -> Graph:
    """Open the persona graph.

    Raises:
        GraphError: it cannot be opened.
        ValueError: the settings name no graph.
    """
    if settings.graph == LADYBUG:
        from trex.engine.graph.ladybug_graph import LadybugGraph

        return LadybugGraph(settings.folder / "graph")
    if urlsplit(settings.graph).scheme.partition("+")[0] not in ("bolt", "neo4j"):
        raise ValueError(f"{settings.graph!r} is neither ladybug nor bolt://HOST:PORT")
    from trex.engine.graph.neo4j_graph import Neo4jGraph

    return Neo4jGraph(
        settings.graph, os.environ.get("TREX_NEO4J_USER", ""), os.environ.get("TREX_NEO4J_PASSWORD", "")
    )


@contextmanager
def _analytics(settings: EngineSettings) -> Iterator[Session]:
    if settings.analytics == DUCKDB:
        yield Lake.session
        return
    from trex.engine.lake.on_spark import spark, tables

    with spark(settings.analytics) as driver:
        yield lambda lake: tables(lake, driver)


def run(
    settings: EngineSettings,
    names: Sequence[str] = NAMES,
    *,
    stop: Flag | None = None,
    until_idle: bool = False,
    registry: CollectorRegistry | None = None,
) -> None:
    """Run stages until told to stop.

    Args:
        settings: where and from whom.
        names: which of `NAMES`.
        stop: set from elsewhere.
        until_idle: run each stage in their order until nothing is left for it, then return.
        registry: of metrics.
    """
    registry = registry or CollectorRegistry()
    stop = stop or Flag()
    metrics, of_sources = Metrics.on(registry), SourceMetrics.on(registry)
    failures: list[BaseException] = []

    def start(name: str) -> None:
        events = open_log(settings)
        try:
            _run_one(name, settings, events, stop, metrics, of_sources, until_idle)
        except BaseException as error:
            log.exception("%s stopped", name)
            failures.append(error)
            stop.set()
        finally:
            events.close()

    with alone(settings.folder, shared=True):
        _run(names, start, until_idle)
    if failures:
        raise failures[0]


def _run(names: Sequence[str], start: Callable[[str], None], until_idle: bool) -> None:
    threads = [Thread(target=start, args=(name,), name=name, daemon=True) for name in NAMES if name in names]
    for thread in threads:
        thread.start()
        if until_idle:
            thread.join()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # In slices, so that signals are heard.


def _run_one(
    name: str,
    settings: EngineSettings,
    events: Log,
    stop: Flag,
    metrics: Metrics,
    of_sources: SourceMetrics,
    until_idle: bool,
) -> None:
    if name == "ingest":
        asyncio.run(_ingest(settings, events, stop, of_sources, until_idle))
    elif name == "features":
        with _analytics(settings) as session:
            run_features(open_lake(settings), stop, session, until_idle=until_idle)
    elif name == graph_stage.NAME:
        graph = open_graph(settings)
        try:
            without = Erased(open_lake(settings)).facts
            graph_stage.run_graph(events, graph, stop, metrics, until_idle=until_idle, without=without)
        finally:
            graph.close()
    elif name in READERS:
        run_sink(name, events, open_lake(settings), stop, metrics, until_idle=until_idle)
    else:
        (stage,) = (stage for stage in STAGES if stage.name == name)
        readers = () if until_idle else _readers(stage.writes)
        run_stage(stage, events, stop, metrics, readers=readers, until_idle=until_idle)


def _readers(topic: str) -> tuple[str, ...]:
    return (
        *(stage.name for stage in STAGES if stage.reads == topic),
        *(name for name, (reads, _) in READERS.items() if reads == topic),
        *([graph_stage.NAME] if topic == graph_stage.READS else ()),
    )


async def _ingest(
    settings: EngineSettings, events: Log, stop: Flag, metrics: SourceMetrics, until_idle: bool
) -> None:
    readers = () if until_idle else _readers(RAW.name)
    tasks = [
        asyncio.create_task(listen(source, events, metrics, readers=readers, until_idle=until_idle))
        for source in settings.sources
    ]
    tasks += [
        asyncio.create_task(listen_gateway(gateway, events, until_idle=until_idle))
        for gateway in settings.gateways
    ]
    retained_s = float("-inf")
    while tasks and not stop.is_set():
        if time.monotonic() - retained_s > RETAIN_S:
            await asyncio.to_thread(events.retain)
            retained_s = time.monotonic()
        done, _ = await asyncio.wait(tasks, timeout=0.2, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        if len(done) == len(tasks):
            break
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
