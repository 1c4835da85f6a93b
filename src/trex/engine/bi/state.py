"""What projects keep here: keys, members, audiences, studies, whom they met, what left the engine."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = MetaData()
"""All tables but those that every service has."""
SCHEMA = "1"
"""Version of the tables."""
LONGEST_NAME = 64
"""Characters of a project's name, and of what it names."""
MOST_KEPT = 1_000
"""Audiences, and studies, that a project keeps."""

projects = Table(
    "projects",
    metadata,
    Column("name", String(LONGEST_NAME), primary_key=True),
    Column("quota", BigInteger, nullable=False),
    Column("created_s", BigInteger, nullable=False),
)
"""Who asks, and how much a day."""

keys = Table(
    "keys",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("project", String(LONGEST_NAME), nullable=False),
    Column("label", String(LONGEST_NAME), nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("revoked_s", BigInteger, nullable=True),
)
"""Keys by their hashes; the keys themselves are nowhere (BIA-001)."""

members = Table(
    "members",
    metadata,
    Column("project", String(LONGEST_NAME), primary_key=True),
    Column("passport", String(80), primary_key=True),
)
"""Whose passports may see a project's pages."""

audiences = Table(
    "audiences",
    metadata,
    Column("project", String(LONGEST_NAME), primary_key=True),
    Column("name", String(LONGEST_NAME), primary_key=True),
    Column("query", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("refreshed_s", BigInteger, nullable=False),
    Column("as_of_s", BigInteger, nullable=False),
)
"""Queries with names; who is in one is asked anew each time, so that a withdrawal counts at once."""

studies = Table(
    "studies",
    metadata,
    Column("project", String(LONGEST_NAME), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(LONGEST_NAME), primary_key=True),
    Column("audience", String(LONGEST_NAME), nullable=False),
    Column("document", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
)
"""Experiments and campaigns."""

met = Table(
    "met",
    metadata,
    Column("project", String(LONGEST_NAME), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(LONGEST_NAME), primary_key=True),
    Column("passport", String(80), primary_key=True),
    Column("met_s", BigInteger, nullable=False),
)
"""Who met an experiment or campaign when, the first time."""

roots = Table(
    "roots",
    metadata,
    Column("root", LargeBinary(32), primary_key=True),
    Column("project", String(LONGEST_NAME), nullable=False),
    Column("audience", String(LONGEST_NAME), nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("made_s", BigInteger, nullable=False),
    Column("expires_s", BigInteger, nullable=False),
)
"""Merkle roots that were made of audiences."""

spent = Table(
    "spent",
    metadata,
    Column("project", String(LONGEST_NAME), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("units", BigInteger, nullable=False),
)
"""What projects used up a day (BIA-003)."""

wishes = Table(
    "wishes",
    metadata,
    Column("passport", String(80), primary_key=True),
    Column("asked_s", BigInteger, nullable=False),
)
"""Who asked to be erased and is not yet."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of a project, as it may be shown."""

    id: str
    """Names it; tells nothing of it."""
    project: str
    label: str
    """What its owner calls it."""
    created_s: int
    revoked_s: int | None
    """None while it opens."""


@dataclass(frozen=True, slots=True)
class AudienceRow:
    """An audience that a project saved."""

    name: str
    query: str
    """Its one canonical text."""
    created_s: int
    count: int
    """When it was refreshed last, as a project is told it (PRV-001)."""
    refreshed_s: int
    as_of_s: int
    """Of the newest fact in the lake at that time."""


@dataclass(frozen=True, slots=True)
class StudyRow:
    """An experiment or a campaign that a project saved."""

    kind: str
    name: str
    audience: str
    """Whom a campaign is for; empty for experiments."""
    document: str
    """As JSON."""
    created_s: int


def hashed(key: str) -> bytes:
    """What is kept of a key."""
    return sha256(key.encode()).digest()


async def know(tx: AsyncConnection, project: str, quota: int, now_s: int) -> bool:
    """Make a project if there is none of that name; return whether there was."""
    if (await tx.execute(select(projects).where(projects.c.name == project))).one_or_none() is not None:
        return True
    await tx.execute(insert(projects).values(name=project, quota=quota, created_s=now_s))
    return False


async def new_key(tx: AsyncConnection, project: str, label: str, quota: int, now_s: int) -> str:
    """Make a key of a project, made with it if need be; nobody but the caller has it (BIA-001)."""
    if await know(tx, project, quota, now_s):
        await tx.execute(update(projects).where(projects.c.name == project).values(quota=quota))
    key = f"trex_{secrets.token_urlsafe(32)}"
    made = {"hash": hashed(key), "id": secrets.token_hex(8), "project": project, "label": label}
    await tx.execute(insert(keys).values(**made, created_s=now_s))
    return key


async def project_of(tx: AsyncConnection, key: str) -> tuple[str, str] | None:
    """Return project and id of a key that opens; None of any other."""
    asked = select(keys).where(keys.c.hash == hashed(key), keys.c.revoked_s.is_(None))
    row = (await tx.execute(asked)).one_or_none()
    return None if row is None else (row.project, row.id)


async def all_keys(tx: AsyncConnection) -> list[KeyRow]:
    """Every key, by project and age."""
    rows = await tx.execute(select(keys).order_by(keys.c.project, keys.c.created_s, keys.c.id))
    return [KeyRow(row.id, row.project, row.label, row.created_s, row.revoked_s) for row in rows]


async def revoke(tx: AsyncConnection, key_id: str, now_s: int) -> bool:
    """Let a key open nothing any more; return whether it did."""
    open_ = (keys.c.id == key_id, keys.c.revoked_s.is_(None))
    return (await tx.execute(update(keys).where(*open_).values(revoked_s=now_s))).rowcount > 0


async def join(tx: AsyncConnection, project: str, passport: str) -> bool:
    """Let a passport see a project's pages; return whether it did not before."""
    mine = (members.c.project == project, members.c.passport == passport)
    if (await tx.execute(select(members).where(*mine))).one_or_none() is not None:
        return False
    await tx.execute(insert(members).values(project=project, passport=passport))
    return True


async def leave(tx: AsyncConnection, project: str, passport: str) -> bool:
    """Take that away; return whether there was something to take."""
    mine = (members.c.project == project, members.c.passport == passport)
    return (await tx.execute(delete(members).where(*mine))).rowcount > 0


async def projects_of(tx: AsyncConnection, passport: str) -> list[str]:
    """Projects whose pages a passport may see."""
    asked = select(members.c.project).where(members.c.passport == passport).order_by(members.c.project)
    return [row.project for row in await tx.execute(asked)]


async def quota_of(tx: AsyncConnection, project: str) -> int:
    """Units a day; 0 of a project that is not known."""
    found = (
        await tx.execute(select(projects.c.quota).where(projects.c.name == project))
    ).scalar_one_or_none()
    return int(found or 0)


async def spend(tx: AsyncConnection, project: str, units: int, day: int) -> bool:
    """Use units of a project's day up; return whether there were as many (BIA-003)."""
    quota = await quota_of(tx, project)
    mine = (spent.c.project == project, spent.c.day == day)
    used = (await tx.execute(select(spent.c.units).where(*mine).with_for_update())).scalar_one_or_none()
    if (used or 0) + units > quota:
        return False
    if used is None:
        await tx.execute(delete(spent).where(spent.c.project == project, spent.c.day < day))
        await tx.execute(insert(spent).values(project=project, day=day, units=units))
    else:
        await tx.execute(update(spent).where(*mine).values(units=used + units))
    return True


async def spent_of(tx: AsyncConnection, project: str, day: int) -> int:
    """Units that a project used up on a day."""
    asked = select(spent.c.units).where(spent.c.project == project, spent.c.day == day)
    return int((await tx.execute(asked)).scalar_one_or_none() or 0)


async def forget(tx: AsyncConnection, passport: str) -> int:
    """Take a person out of everything here (ERA-001); return how many rows went."""
    gone = 0
    for table in (met, members, wishes):
        gone += (await tx.execute(delete(table).where(table.c.passport == passport))).rowcount
    return gone


async def audience_of(tx: AsyncConnection, project: str, name: str) -> AudienceRow | None:
    """Return an audience of a project; None if it has none of that name (BIA-005)."""
    asked = select(audiences).where(audiences.c.project == project, audiences.c.name == name)
    row = (await tx.execute(asked)).one_or_none()
    return None if row is None else _audience(row)


async def audiences_of(tx: AsyncConnection, project: str) -> list[AudienceRow]:
    """Every audience of a project, by name."""
    asked = select(audiences).where(audiences.c.project == project).order_by(audiences.c.name)
    return [_audience(row) for row in await tx.execute(asked)]


def _audience(row: Any) -> AudienceRow:
    return AudienceRow(row.name, row.query, row.created_s, row.count, row.refreshed_s, row.as_of_s)


async def save_audience(
    tx: AsyncConnection, project: str, name: str, query: str, count: int, as_of_s: int, now_s: int
) -> bool:
    """Save an audience, in the place of one of that name; return whether there was room for it."""
    mine = (audiences.c.project == project, audiences.c.name == name)
    told = {"query": query, "count": count, "refreshed_s": now_s, "as_of_s": as_of_s}
    if (await tx.execute(update(audiences).where(*mine).values(**told))).rowcount:
        return True
    counted = select(func.count()).select_from(audiences).where(audiences.c.project == project)
    if (await tx.execute(counted)).scalar_one() >= MOST_KEPT:
        return False
    await tx.execute(insert(audiences).values(project=project, name=name, created_s=now_s, **told))
    return True


async def drop_audience(tx: AsyncConnection, project: str, name: str) -> bool:
    """Forget an audience; return whether it was there."""
    mine = (audiences.c.project == project, audiences.c.name == name)
    return (await tx.execute(delete(audiences).where(*mine))).rowcount > 0


async def study_of(tx: AsyncConnection, project: str, kind: str, name: str) -> StudyRow | None:
    """Return a study of a project; None if it has none of that name (BIA-005)."""
    mine = (studies.c.project == project, studies.c.kind == kind, studies.c.name == name)
    row = (await tx.execute(select(studies).where(*mine))).one_or_none()
    return None if row is None else StudyRow(row.kind, row.name, row.audience, row.document, row.created_s)


async def studies_of(tx: AsyncConnection, project: str, kind: str) -> list[StudyRow]:
    """Every study of a kind of a project, by name."""
    asked = select(studies).where(studies.c.project == project, studies.c.kind == kind)
    rows = await tx.execute(asked.order_by(studies.c.name))
    return [StudyRow(row.kind, row.name, row.audience, row.document, row.created_s) for row in rows]


async def save_study(
    tx: AsyncConnection, project: str, kind: str, name: str, audience: str, document: str, now_s: int
) -> bool:
    """Save a study, in the place of one of that name; return whether there was room for it."""
    mine = (studies.c.project == project, studies.c.kind == kind, studies.c.name == name)
    told = {"audience": audience, "document": document}
    if (await tx.execute(update(studies).where(*mine).values(**told))).rowcount:
        return True
    counted = select(func.count()).select_from(studies).where(studies.c.project == project)
    if (await tx.execute(counted)).scalar_one() >= MOST_KEPT:
        return False
    made = {"project": project, "kind": kind, "name": name, "created_s": now_s}
    await tx.execute(insert(studies).values(**made, **told))
    return True


async def meet(tx: AsyncConnection, project: str, kind: str, name: str, when: Mapping[str, int]) -> int:
    """Remember who met a study when; the first time counts. Return how many had not before."""
    before = await met_by(tx, project, kind, name)
    study = {"project": project, "kind": kind, "name": name}
    rows = [{**study, "passport": who, "met_s": at} for who, at in when.items() if who not in before]
    if rows:
        await tx.execute(insert(met), rows)
    for who, at in when.items():
        if at < before.get(who, at):
            mine = (met.c.project == project, met.c.kind == kind, met.c.name == name, met.c.passport == who)
            await tx.execute(update(met).where(*mine).values(met_s=at))
    return len(rows)


async def met_by(tx: AsyncConnection, project: str, kind: str, name: str) -> dict[str, int]:
    """Who met a study, and when first."""
    mine = (met.c.project == project, met.c.kind == kind, met.c.name == name)
    rows = await tx.execute(select(met.c.passport, met.c.met_s).where(*mine))
    return {row.passport: row.met_s for row in rows}


async def keep_root(
    tx: AsyncConnection, root: bytes, project: str, audience: str, people: int, now_s: int, expires_s: int
) -> None:
    """Remember a root that was made."""
    if (await tx.execute(select(roots).where(roots.c.root == root))).one_or_none() is None:
        made = {"root": root, "project": project, "audience": audience, "people": people}
        await tx.execute(insert(roots).values(**made, made_s=now_s, expires_s=expires_s))


async def wish(tx: AsyncConnection, passport: str, now_s: int) -> None:
    """Remember that somebody asked to be erased."""
    if (await tx.execute(select(wishes).where(wishes.c.passport == passport))).one_or_none() is None:
        await tx.execute(insert(wishes).values(passport=passport, asked_s=now_s))


async def wished(tx: AsyncConnection) -> dict[str, int]:
    """Who asked to be erased and is not yet, and when they did."""
    rows = await tx.execute(select(wishes).order_by(wishes.c.asked_s))
    return {row.passport: row.asked_s for row in rows}
