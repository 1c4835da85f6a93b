"""Consent: said by whom it is about, kept in the audit log, read by the engine."""

from pathlib import Path

import pytest
from tests.gateway.conftest import Served
from tests.gateway.people import evm_person

from trex.engine.ingest.events import Block, Event
from trex.engine.pipeline.normalise import normalise
from trex.web import audit
from trex.web.database import audit as lines


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gateway.db'}"


async def test_a_person_agrees_and_withdraws_and_the_engine_reads_it(served: Served) -> None:
    """GTW-036, CON-004: the newest word counts; nobody else's is seen or said."""
    alice, bob = await evm_person(served).create(), await evm_person(served).create()
    path = "/v1/consents"
    assert await served.get(path, headers=alice.headers) == []
    await served.get(path, 401)
    said = [
        ("matching", "*", True),
        ("export", "shop", True),
        ("matching", "*", False),
        ("models", "*", True),
    ]
    for purpose, project, given in said:
        body = {"purpose": purpose, "project": project, "given": given}
        await served.post(path, body, headers=alice.headers)
    kept = await served.get(path, headers=alice.headers)
    told = [(one["purpose"], one["project"], one["given"]) for one in kept]
    assert told == [("export", "shop", True), ("matching", "*", False), ("models", "*", True)]
    assert await served.get(path, headers=bob.headers) == []
    for wrong in (
        {"purpose": "anything", "given": True},
        {"purpose": "export", "project": "a/b", "given": True},
        {"purpose": "export", "project": "'; DROP TABLE audit; --", "given": True},
        {"purpose": "export", "given": True, "passport": bob.passport},
    ):
        await served.post(path, wrong, 422, headers=alice.headers)
    async with served.gateway.database.transaction() as tx:
        rows = (await tx.execute(lines.select().where(lines.c.action == "consent"))).all()
        assert await audit.verify(tx) is None
    found = []
    for row in rows:
        act = {"actor": row.actor, "action": row.action, "subject": row.subject, "outcome": row.outcome}
        block = Block("gateway:1962", 1962, row.number, "0x00", row.at_s)
        facts = normalise(Event(block, "gateway.act", (0, 0), act))
        found += [fact.row for fact in facts if fact.table == "consents"]
    assert [(one["purpose"], one["project"], one["given"]) for one in found] == said
    assert {one["passport"] for one in found} == {str(alice.passport)}
