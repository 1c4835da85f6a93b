"""What a person agreed to, and withdrew: acts of the audit log, which the engine follows (CON)."""

from dataclasses import dataclass

from sqlalchemy import select

from trex.gateway.errors import Fault, GatewayError
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.passport.keys import Key
from trex.web import audit
from trex.web.database import audit as lines

ACTION = "consent"
"""How the audit log calls it."""
PURPOSES = ("matching", "models", "export")
"""What for (CON, specs/engine.md)."""
MOST = 500
"""Different words that a passport has here."""


@dataclass(frozen=True, slots=True)
class Word:
    """A person's newest word on a purpose and a project."""

    purpose: str
    project: str
    """`*`: every project."""
    given: bool
    at_s: int
    """Unix time."""


async def words(gateway: Gateway, passport: int) -> list[Word]:
    """Newest words of a passport, by purpose and project."""
    asked = select(lines).where(lines.c.action == ACTION, lines.c.subject.like(f"{passport}/%"))
    found: dict[tuple[str, str], Word] = {}
    async with gateway.database.transaction() as tx:
        for row in await tx.execute(asked.order_by(lines.c.number)):
            _, purpose, project = row.subject.split("/", 2)
            found[purpose, project] = Word(purpose, project, row.outcome == "given", int(row.at_s))
    return [found[name] for name in sorted(found)]


async def say(gateway: Gateway, key: Key, passport: int, purpose: str, project: str, given: bool) -> Word:
    """Note a person's word (GTW-036).

    Raises:
        GatewayError: they have said too many different things.
    """
    known = await words(gateway, passport)
    if len(known) >= MOST and (purpose, project) not in {(one.purpose, one.project) for one in known}:
        raise GatewayError(Fault.CONFLICT, f"a passport has at most {MOST} words: withdraw from `*` instead")
    outcome = "given" if given else "withdrawn"
    async with gateway.database.transaction() as tx:
        subject = f"{passport}/{purpose}/{project}"
        await audit.record(tx, gateway.now_s, key_name(key), ACTION, subject, outcome)
    return Word(purpose, project, given, gateway.now_s)
