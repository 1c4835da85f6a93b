"""Secrets of the gateway: read from files, never shown (GTW-033)."""

import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from eth_keys.datatypes import PrivateKey

from trex.gateway.attestor.group import Group, read_group
from trex.types.primitives import Address


class SecretText:
    """A text that no message, log or traceback shows: a client's secret, a bot's token."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep a secret."""
        self._value = value

    def reveal(self) -> str:
        """Return it, for the one request that needs it."""
        return self._value

    def __repr__(self) -> str:
        """Show nothing."""
        return "SecretText(...)"


class Secret:
    """Thirty-two bytes that no message, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        """Keep a secret.

        Raises:
            ValueError: it has not 32 bytes.
        """
        if len(value) != 32:
            raise ValueError(f"a secret has 32 bytes, this has {len(value)}")
        self._value = value

    def reveal(self) -> bytes:
        """Return it, for the one computation that needs it."""
        return self._value

    def derive(self, purpose: str) -> "Secret":
        """Make another secret of it, which tells nothing about it."""
        return Secret(sha256(b"T-Rex gateway key\n" + purpose.encode() + b"\n" + self._value).digest())

    def __repr__(self) -> str:
        """Show nothing."""
        return "Secret(...)"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the gateway signs and seals with."""

    relayer: Secret
    """Account that pays for sponsored transactions."""
    attestors: tuple[Secret, ...]
    """Members of the validator set that this process holds."""
    nullifier: Secret | Group | None
    """k of specs/passport.md, or who holds it in shares; None until there is one."""
    sealing: Secret
    """What is sealed in the database."""
    issuer: Secret
    """Signs credentials (P-256)."""
    next_nullifier: Secret | Group | None = None
    """The k that is to follow, or who holds it; None for none."""

    def issuer_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key that signs credentials."""
        return ec.derive_private_key(int.from_bytes(self.issuer.reveal()) or 1, ec.SECP256R1())


def account_of(secret: Secret) -> Address:
    """Return the account of a key."""
    return Address(PrivateKey(secret.reveal()).public_key.to_canonical_address())


def read_secret(file: Path) -> Secret:
    """Read 32 bytes in hexadecimal digits from a file that its owner alone may read.

    Raises:
        ValueError: others may read it, or it holds something else.
        OSError: it cannot be read.
    """
    text = read_secret_text(file).reveal()
    try:
        return Secret(bytes.fromhex(text.removeprefix("0x")))
    except ValueError as error:
        raise ValueError(f"{file}: 64 hexadecimal digits are expected") from error


def read_nullifier_key(file: Path) -> Secret | Group:
    """Read k, or the document of the group whose members hold it in shares.

    Raises:
        ValueError: it is neither, or holds k and others may read it.
        OSError: it cannot be read.
    """
    document = file.read_bytes()
    return read_group(document) if document.lstrip().startswith(b"{") else read_secret(file)


def read_secret_text(file: Path) -> SecretText:
    """Read a text from a file that its owner alone may read; spaces around it do not count.

    Raises:
        ValueError: others may read it.
        OSError: it cannot be read.
    """
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{file}: others may read it: chmod 600")
    return SecretText(file.read_text().strip())
