"""Who is signed in (GTW-012): a random token whose hash alone is kept."""

import secrets
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway.store.schema import sessions
from trex.passport.keys import Key, KeyKind
from trex.web.browser import form_token


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in."""

    key: Key
    """Who signed in."""
    expires_s: int
    """Unix time in seconds."""
    form_token: str
    """What forms of the page carry, so that no other site's form counts."""


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def begin(tx: AsyncConnection, key: Key, now_s: int, last_s: int) -> str:
    """Sign a key in and return a new token; nobody but the client has it."""
    token = secrets.token_urlsafe(32)
    await tx.execute(delete(sessions).where(sessions.c.expires_s < now_s))
    await tx.execute(
        insert(sessions).values(
            token_hash=_hash(token),
            key_kind=int(key.kind),
            key_data=key.data,
            created_s=now_s,
            expires_s=now_s + last_s,
        )
    )
    return token


async def find(tx: AsyncConnection, token: str, now_s: int) -> Session | None:
    """Return the sign-in of a token; None if it ended or never was."""
    asked = select(sessions).where(sessions.c.token_hash == _hash(token), sessions.c.expires_s >= now_s)
    row = (await tx.execute(asked)).one_or_none()
    if row is None:
        return None
    return Session(Key(KeyKind(row.key_kind), bytes(row.key_data)), int(row.expires_s), form_token(token))


async def end(tx: AsyncConnection, token: str) -> None:
    """Sign out."""
    await tx.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


async def end_all(tx: AsyncConnection, key: Key) -> int:
    """Sign a key out everywhere; return how many sign-ins that were."""
    mine = (sessions.c.key_kind == int(key.kind), sessions.c.key_data == key.data)
    return (await tx.execute(delete(sessions).where(*mine))).rowcount
