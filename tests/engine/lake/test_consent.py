"""Consent: what was said at a gateway, and who agrees by it."""

from pathlib import Path

import ibis
import pytest

from trex.engine.ingest.events import Block, Event
from trex.engine.lake.consent import ALL, Purpose, consented
from trex.engine.lake.lake import Lake
from trex.engine.pipeline.normalise import normalise
from trex.engine.pipeline.persona import ShapeError

DUCKDB = ibis.duckdb.connect()
Word = tuple[str, str, str, bool]
"""Passport, purpose, project, given."""


def act(subject: str, outcome: str, action: str = "consent") -> Event:
    block = Block("gateway:1962", 1962, 7, "0x" + "11" * 32, 1_000)
    told = {"actor": "0xkey", "action": action, "subject": subject, "outcome": outcome}
    return Event(block, "gateway.act", (0, -1), told)


def agreed(*words: Word, project: str = "acme", purpose: Purpose = Purpose.MATCHING) -> set[str]:
    """Who agrees, when the words were said in this order, two in each second."""
    kind = {
        "passport": "string",
        "purpose": "string",
        "project": "string",
        "given": "boolean",
        "time_s": "int64",
        "block_number": "int64",
    }
    rows = [(*word, at // 2, at) for at, word in enumerate(words)]
    table = ibis.memtable([dict(zip(kind, row, strict=True)) for row in rows], schema=kind)
    found = DUCKDB.to_pyarrow(consented(table, purpose, project)).column("passport").to_pylist()
    assert len(found) == len(set(found))
    return set(found)


def test_consent_is_off_by_default() -> None:
    """CON-001: for nobody, for another purpose, for another project, before anything was said."""
    assert agreed() == set()
    assert agreed(("1", "models", "acme", True), ("2", "matching", "other", True)) == set()
    assert agreed(("1", "matching", "acme", True)) == {"1"}
    assert agreed(("1", "matching", "acme", True), project=ALL) == set()


@pytest.mark.parametrize(
    ("words", "agrees"),
    [
        ([("acme", True), ("acme", False)], False),
        ([("acme", False), ("acme", True)], True),
        ([("*", True)], True),
        ([("*", True), ("*", False)], False),
        ([("acme", True), ("*", False)], False),
        ([("*", False), ("acme", True)], True),
        ([("acme", False), ("*", True)], False),
        ([("*", True), ("acme", False)], False),
        ([("acme", True), ("*", True)], True),
        ([("acme", True), ("*", False), ("*", True)], True),
        ([("other", False), ("*", True)], True),
    ],
)
def test_the_newest_word_counts(words: list[tuple[str, bool]], agrees: bool) -> None:
    """CON-002."""
    said = [("1", "matching", project, given) for project, given in words]
    assert agreed(*said, ("2", "matching", "acme", True)) == ({"1", "2"} if agrees else {"2"})


def test_words_are_rows_of_consents_and_stay_acts() -> None:
    """CON-004."""
    found = normalise(act("12/matching/a/b", "given"))
    assert [fact.table for fact in found] == ["acts", "consents"]
    assert found[1].row == {"passport": "12", "purpose": "matching", "project": "a/b", "given": True}
    assert not normalise(act("12/matching/*", "withdrawn"))[1].row["given"]
    assert [fact.table for fact in normalise(act("12/matching/*", "given", "grant"))] == ["acts"]


@pytest.mark.parametrize(("subject", "outcome"), [("12", "given"), ("//", "given"), ("1/matching/*", "?")])
def test_what_is_not_a_word_of_consent_is_refused(subject: str, outcome: str) -> None:
    """CON-004."""
    with pytest.raises(ShapeError, match="PASSPORT/PURPOSE/PROJECT"):
        normalise(act(subject, outcome))


def test_a_lake_without_words_has_nobody_who_agrees(tmp_path: Path) -> None:
    """CON-001: on the table itself."""
    found = consented(Lake(tmp_path).session().table("silver_consents"), Purpose.EXPORT, "acme")
    assert found.count().to_pyarrow().as_py() == 0
