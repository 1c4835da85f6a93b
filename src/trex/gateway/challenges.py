"""Nonces: handed out for one purpose, good for minutes, taken away by their first use (GTW-010)."""

import secrets
from typing import Any

import orjson
from sqlalchemy import delete, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway.errors import Fault, GatewayError
from trex.gateway.store.schema import challenges


async def hand_out(
    tx: AsyncConnection, kind: str, payload: dict[str, Any], now_s: int, last_s: int, name: str | None = None
) -> str:
    """Remember what a nonce is for and return it: 32 random bytes in hex, unless it is given."""
    nonce = name or secrets.token_hex(32)
    await tx.execute(delete(challenges).where(challenges.c.expires_s < now_s))
    await tx.execute(
        insert(challenges).values(
            id=nonce,
            kind=kind,
            payload=orjson.dumps(payload).decode(),
            created_s=now_s,
            expires_s=now_s + last_s,
        )
    )
    return nonce


async def first_use(tx: AsyncConnection, kind: str, name: str, now_s: int, last_s: int) -> bool:
    """Remember that something was used that somebody else handed out; False if it was used before."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    new = dialect.insert(challenges).values(
        id=name[:64], kind=f"used {kind}", payload="{}", created_s=now_s, expires_s=now_s + last_s
    )
    asked = new.on_conflict_do_nothing().returning(challenges.c.id)
    return (await tx.execute(asked)).scalar_one_or_none() is not None


async def take(tx: AsyncConnection, kind: str, nonce: str, now_s: int) -> dict[str, Any]:
    """Use a nonce up and return what it is for.

    Raises:
        GatewayError: it was used, is too old, or was never handed out for this.
    """
    gone = delete(challenges).where(challenges.c.id == nonce, challenges.c.kind == kind)
    row = (await tx.execute(gone.returning(challenges.c.payload, challenges.c.expires_s))).one_or_none()
    if row is None or row.expires_s < now_s:
        raise GatewayError(Fault.EXPIRED, "this challenge was used, is too old, or is another's")
    found = orjson.loads(row.payload)
    assert isinstance(found, dict)
    return found
