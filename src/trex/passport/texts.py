"""Sign-in texts: ERC-4361 for Ethereum's wallets, Sign-In With Solana for its own.

Written and read in the one form that the specifications give. Reading is strict: what is read is written
again and must be the same bytes, so that no two readers see different fields in one text.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from solders.pubkey import Pubkey

from trex.passport.keys import Key, KeyKind
from trex.types.evm import checksum_address, read_address

MAX_TEXT_BYTES = 4096
"""Longest text that is read."""
_CHAINS = {KeyKind.EVM: "Ethereum", KeyKind.ED25519: "Solana"}
_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_FIELD = r"(?:\n{0}: (?P<{1}>{2}))?"
_TEXT = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<domain>[^\s/?#]+) wants you to sign in with your "
    r"(?P<chain>Ethereum|Solana) account:\n"
    r"(?P<account>[0-9A-Za-z]{32,44})\n"
    r"(?:\n(?P<statement>[^\n]+)\n)?(?P<gap>\n?)"
    r"\nURI: (?P<uri>\S+)"
    r"\nVersion: 1"
    r"\nChain ID: (?P<chain_id>[0-9A-Za-z:_-]{1,64})"
    r"\nNonce: (?P<nonce>[0-9A-Za-z]{8,128})"
    rf"\nIssued At: (?P<issued>{_DATE})"
    + _FIELD.format("Expiration Time", "expires", _DATE)
    + _FIELD.format("Not Before", "starts", _DATE)
    + _FIELD.format("Request ID", "request", r"[^\s]*")
    + r"(?P<resources>\nResources:(?:\n- \S+)*)?"
)


class TextError(ValueError):
    """Not a sign-in text, or not written in its one form."""


@dataclass(frozen=True, slots=True)
class SignInText:
    """What a wallet shows and signs."""

    domain: str
    """Who asks: host and port (RFC 3986 authority)."""
    key: Key
    """Whose wallet: of kind EVM or ED25519."""
    uri: str
    """What is signed in to."""
    chain_id: str
    """As the chain writes it."""
    nonce: str
    """Letters and digits, eight at least; serves once."""
    issued_at: str
    """RFC 3339."""
    statement: str = ""
    """One line of what is agreed to."""
    expires_at: str = ""
    """RFC 3339; empty for none."""
    not_before: str = ""
    """RFC 3339; empty for none."""
    request_id: str | None = None
    """Chosen by who asks."""
    resources: tuple[str, ...] | None = None
    """URIs."""
    scheme: str = ""
    """Of the domain's origin, where the wallet names it."""

    def write(self) -> str:
        """Write the text."""
        scheme = f"{self.scheme}://" if self.scheme else ""
        lines = [
            f"{scheme}{self.domain} wants you to sign in with your {_CHAINS[self.key.kind]} account:",
            account_text(self.key),
            "",
            *([self.statement, ""] if self.statement else []),
            *([""] if not self.statement and self.key.kind is KeyKind.EVM else []),
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {self.issued_at}",
            *([f"Expiration Time: {self.expires_at}"] if self.expires_at else []),
            *([f"Not Before: {self.not_before}"] if self.not_before else []),
            *([f"Request ID: {self.request_id}"] if self.request_id is not None else []),
            *(["Resources:", *(f"- {one}" for one in self.resources)] if self.resources is not None else []),
        ]
        return "\n".join(lines)

    @property
    def issued_at_s(self) -> int:
        """Unix time in seconds, rounded down."""
        return read_date(self.issued_at)

    @property
    def expires_at_s(self) -> int | None:
        """Unix time in seconds; None for never."""
        return read_date(self.expires_at) if self.expires_at else None

    @property
    def not_before_s(self) -> int | None:
        """Unix time in seconds; None for always."""
        return read_date(self.not_before) if self.not_before else None


def account_text(key: Key) -> str:
    """Write an account as its chain does: with its EIP-55 checksum, or in base58."""
    if key.kind is KeyKind.EVM:
        return checksum_address(key.address)
    if key.kind is KeyKind.ED25519:
        return str(Pubkey.from_bytes(key.data))
    raise ValueError("a passkey signs no text")


def read_account(text: str) -> Key:
    """Read an account of either chain.

    Raises:
        TextError: it is none, or a checksum is wrong.
    """
    try:
        if text.startswith("0x"):
            return Key(KeyKind.EVM, bytes(read_address(text)))
        return Key(KeyKind.ED25519, bytes(Pubkey.from_string(text)))
    except ValueError as error:
        raise TextError(f"{text[:64]!r} is not an account") from error


def read_text(text: str) -> SignInText:
    """Read a sign-in text.

    Raises:
        TextError: it is none, or not in its one form.
    """
    if len(text.encode(errors="replace")) > MAX_TEXT_BYTES or any(ord(c) < 32 and c != "\n" for c in text):
        raise TextError("too long, or with control characters")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise TextError("not a text of ERC-4361 or of Sign-In With Solana")
    key = read_account(found["account"])
    if _CHAINS[key.kind] != found["chain"]:
        raise TextError(f"an account of another chain than {found['chain']}")
    resources = found["resources"]
    read = SignInText(
        domain=found["domain"],
        key=key,
        uri=found["uri"],
        chain_id=found["chain_id"],
        nonce=found["nonce"],
        issued_at=found["issued"],
        statement=found["statement"] or "",
        expires_at=found["expires"] or "",
        not_before=found["starts"] or "",
        request_id=found["request"],
        resources=None if resources is None else tuple(line[2:] for line in resources.split("\n")[2:]),
        scheme=found["scheme"] or "",
    )
    for moment in (read.issued_at, read.expires_at, read.not_before):
        if moment:
            read_date(moment)
    if read.write() != text:
        raise TextError("not in the one form that the specification gives")
    return read


def read_date(text: str) -> int:
    """Read an RFC 3339 time as Unix seconds, rounded down.

    Raises:
        TextError: there is no such day or hour.
    """
    try:
        return int(datetime.fromisoformat(text).timestamp() // 1)
    except (ValueError, OverflowError) as error:
        raise TextError(f"{text[:40]!r} is no time") from error


def write_date(moment_s: int) -> str:
    """Write Unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
