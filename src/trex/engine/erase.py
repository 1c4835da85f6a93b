"""Erasure over everything that the engine keeps: log, lake, graph, columns (specs/engine.md, ERA)."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from trex.engine.graph import stage as graph_stage
from trex.engine.graph.model import Change, read
from trex.engine.graph.store import Graph, Places
from trex.engine.ingest.events import Block, Event
from trex.engine.ingest.events import decode as decode_events
from trex.engine.ingest.events import encode as encode_events
from trex.engine.ingest.schemas import SchemaError
from trex.engine.ingest.topics import RAW
from trex.engine.lake.erasure import BATCH, Erased, ErasureError, alone, checked, person, rewrite_tables
from trex.engine.lake.gold import refresh
from trex.engine.lake.lake import Lake
from trex.engine.lake.sink import READERS
from trex.engine.lake.tables import FEATURES, SILVER
from trex.engine.pipeline import facts
from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.sqlite_log import SqliteLog
from trex.engine.pipeline.stage import DEAD
from trex.engine.pipeline.stages import ENRICHED, EVENTS, FACTS
from trex.engine.run import EngineSettings, open_graph, open_lake, open_log


@dataclass(frozen=True, slots=True)
class Report:
    """What became of it."""

    records: int
    """Of the log, changed or gone."""
    rows: int
    """Of the lake, gone."""
    left: tuple[str, ...]
    """Files in which a name can still be read; none if all is well."""


def erase(settings: EngineSettings, chain: int, passport: str) -> Report:
    """Erase a person; what is cut off is taken up by calling again.

    Raises:
        ErasureError: stages are running, the log is Kafka's, or nobody is known by that passport.
        GraphError, LakeError, LogError: something could not be written; call again.
    """
    with alone(settings.folder):
        lake, events = open_lake(settings), open_log(settings)
        try:
            if not isinstance(events, SqliteLog):
                raise ErasureError(
                    "Kafka's records cannot be rewritten: keep them for days only (--keep-days)"
                )
            who = person(lake, chain, passport)
            erased = Erased(lake)
            erased.add(who)
            records = events.rewrite(lambda topic, value: _record(erased, topic, value))
            topics = {topic for topic, _ in READERS.values()}
            parts = [f"{name}/{at}" for name in sorted(topics) for at in range(len(events.extents(name)))]
            had_features = lake.table(FEATURES.name) is not None
            graph = open_graph(settings)
            graph.clear()
            rows = rewrite_tables(lake, erased, parts)
            if had_features:
                refresh(lake)
            shutil.rmtree(settings.folder / "audiences" / "columns", ignore_errors=True)
            (settings.folder / "audiences" / "state.json").unlink(missing_ok=True)
            try:
                _graph(lake, graph, _read(events))
            finally:
                graph.close()
        finally:
            events.close()
        return Report(records, rows, tuple(checked(lake, [settings.folder], who)))


def _record(erased: Erased, topic: str, value: bytes) -> bytes | None:
    """A record of the log without people erased; None where nothing is left."""
    if topic == RAW.name:
        return _raw(erased, value)
    try:
        if topic == EVENTS:
            kept = erased.events(decode_events(value))
            return encode_events(kept)[0] if kept else None
        if topic in (FACTS, ENRICHED):
            found = erased.facts(facts.decode(value))
            return facts.encode(found)[0] if found else None
    except (SchemaError, facts.FactsError):
        return erased.redact(value.decode(errors="replace")).encode()
    if topic == DEAD:
        return erased.redact(value.decode(errors="replace")).encode()
    return value


def _raw(erased: Erased, value: bytes) -> bytes:
    """A block as it was told, without what is of people erased."""
    try:
        told = orjson.loads(value)
        block = Block(told["source"], told["chain"], 0, "0x", None)

        def others(kind: str, found: Any) -> list[Any]:
            return [
                one for one in found or () if not erased.hides_event(Event(block, kind, (0, -1), _low(one)))
            ]

        for holder in (told, *(told.get("receipts") or ())):
            if holder.get("logs"):
                holder["logs"] = others("evm.log", holder["logs"])
        if told.get("acts"):
            told["acts"] = others("gateway.act", told["acts"])
        value = orjson.dumps(told)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        pass  # No block: it is in the dead letters, and names are taken out of its text all the same.
    return erased.redact(value.decode(errors="replace")).encode()


def _low(told: dict[str, Any]) -> dict[str, Any]:
    """Logs as events have them: lower case."""
    found = dict(told)
    for name in ("address", "data"):
        if isinstance(found.get(name), str):
            found[name] = found[name].lower()
    if isinstance(found.get("topics"), list):
        found["topics"] = [str(topic).lower() for topic in found["topics"]]
    return found


def _graph(lake: Lake, graph: Graph, places: Places) -> None:
    """Make the graph anew from the silver tables: the log may not reach back to the beginning."""
    graph.clear()
    for table in SILVER.values():
        kept = lake.table(table.name)
        if kept is None:
            continue
        own = [name for name, _ in table.own]
        for batch in kept.to_pyarrow_dataset().to_batches(batch_size=BATCH):
            change = Change()
            for fact in _facts(table.name.partition(".")[2], own, batch.to_pylist()):
                read(fact, change)
            with graph.write() as tx:
                graph_stage.apply(tx, change)
    with graph.write() as tx:
        tx.move(places)


def _read(events: SqliteLog) -> Places:
    """How far the silver tables are: what the graph is made of."""
    read = events.committed("silver", graph_stage.READS)
    return {f"{graph_stage.READS}/{partition}": at or 0 for partition, at in enumerate(read)}


def _facts(table: str, own: list[str], rows: list[dict[str, Any]]) -> Iterator[Fact]:
    for row in rows:
        block = Block(row["source"], row["chain"], row["block_number"], row["block_hash"], row["time_s"])
        where = (row["transaction_index"], row["log_index"])
        yield Fact(table, row["id"], block, where, row["weight"], {name: row[name] for name in own})
