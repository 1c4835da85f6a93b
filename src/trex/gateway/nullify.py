"""Nullifiers: tags of accounts of humans that tell nobody which account it is (PAS-040)."""

import asyncio
import hmac
import secrets
from hashlib import sha256
from typing import Protocol

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway.keys import Secret
from trex.gateway.store.schema import blinds
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

WALLET = "wallet"
"""Scope of wallets' nullifiers."""
WALLETS = frozenset({"evm", "solana", "passkey"})
"""How wallets are named as platforms."""


def scope_of(platform: str) -> str:
    """What a nullifier of an account at a platform counts (GTW-040)."""
    return WALLET if platform in WALLETS else f"account/{platform}"


class KeyHolder(Protocol):
    """Holds k: alone, or as one of several who must come together."""

    @property
    def fingerprint(self) -> str:
        """Tell keys apart without telling them."""

    async def prf(self, platform: str, account: str, scope: str) -> bytes:
        """PRF_k(platform, account id, scope), 32 bytes; what was asked just now is told without waiting.

        Raises:
            NoQuorumError: too few of those who hold k answer.
        """


class SoleKeyHolder:
    """One holder of k: the embedded setting."""

    def __init__(self, k: Secret) -> None:
        """Take k."""
        self._k = k

    @property
    def fingerprint(self) -> str:
        """Tell keys apart without telling them."""
        return keccak256(self._k.derive("fingerprint").reveal()).hex()

    async def prf(self, platform: str, account: str, scope: str) -> bytes:
        """HMAC-SHA256 under k of the three, each with its length told by JSON."""
        return hmac.digest(self._k.reveal(), orjson.dumps([platform, account, scope]), sha256)


class Sealer:
    """Seals what the database keeps of people (AES-256-GCM)."""

    def __init__(self, secret: Secret) -> None:
        """Take the sealing secret."""
        self._cipher = AESGCM(secret.derive("seal").reveal())

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Seal for one purpose; what is sealed for another does not open as this."""
        nonce = secrets.token_bytes(12)
        return nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Open.

        Raises:
            ValueError: another secret or purpose sealed it, or it was changed.
        """
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise ValueError(f"not sealed here for {purpose}") from error


async def nullifier_of(
    tx: AsyncConnection, holder: KeyHolder, sealer: Sealer, platform: str, account: str, scope: str
) -> Hash32:
    """Return an account's nullifier: `keccak256(PRF_k(platform, account id, scope) . blind)`.

    The blind is drawn once for an account and is nowhere but here, sealed.
    """
    tag = await holder.prf(platform, account, scope)
    fresh = sealer.seal(secrets.token_bytes(32), "blind")
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    await tx.execute(dialect.insert(blinds).values(tag=tag, sealed=fresh).on_conflict_do_nothing())
    kept = (await tx.execute(select(blinds.c.sealed).where(blinds.c.tag == tag))).scalar_one()
    return keccak256(tag + sealer.open(bytes(kept), "blind"))


async def ask_first(holder: KeyHolder, *accounts: tuple[str, str, str]) -> None:
    """Have those who hold k asked before a transaction begins: nobody waits for others inside one.

    Args:
        holder: of k.
        accounts: platform, account id, scope of each.

    Raises:
        NoQuorumError: too few of them answer.
    """
    await asyncio.gather(*(holder.prf(*one) for one in accounts))


async def forget(tx: AsyncConnection, holder: KeyHolder, platform: str, account: str, scope: str) -> None:
    """Destroy an account's blind: its nullifier leads to nobody from then on."""
    tag = await holder.prf(platform, account, scope)
    await tx.execute(blinds.delete().where(blinds.c.tag == tag))
