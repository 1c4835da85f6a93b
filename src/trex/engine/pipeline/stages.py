"""The stages in their order: raw blocks -> events -> facts -> facts with what is known of contracts."""

from trex.engine.ingest.events import decode as decode_events
from trex.engine.ingest.events import encode as encode_events
from trex.engine.ingest.schemas import SchemaError
from trex.engine.pipeline import facts
from trex.engine.pipeline.clean import clean
from trex.engine.pipeline.enrich import enrich
from trex.engine.pipeline.normalise import normalise
from trex.engine.pipeline.persona import ShapeError
from trex.engine.pipeline.stage import Made, Stage

RAW, EVENTS, FACTS, ENRICHED = "raw", "events", "facts", "enriched"
"""Topics."""


def _clean(value: bytes) -> Made:
    done = clean(value)
    return Made(encode_events(done.events), done.dead)


def _normalise(value: bytes) -> Made:
    found: list[facts.Fact] = []
    dead: list[tuple[str, bytes]] = []
    try:
        events = decode_events(value)
    except SchemaError as error:
        return Made((), [(str(error), value)])
    for event in events:
        try:
            found += normalise(event)
        except ShapeError as error:
            dead.append((f"{event.kind} {event.id}: {error}", encode_events([event])[0]))
    return Made(facts.encode(found), dead)


def _enrich(value: bytes) -> Made:
    try:
        found = facts.decode(value)
    except facts.FactsError as error:
        return Made((), [(str(error), value)])
    return Made(facts.encode([enrich(fact) for fact in found]))


STAGES = (
    Stage("clean", RAW, EVENTS, _clean),
    Stage("normalise", EVENTS, FACTS, _normalise),
    Stage("enrich", FACTS, ENRICHED, _enrich),
)
"""Each reads what the one before writes."""
