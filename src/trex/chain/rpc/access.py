"""Who may ask: host names, origins, tokens. Pure but for the clock that is passed in."""

import base64
import binascii
import hmac
import ipaddress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson

TOKEN_AGE_S = 60
"""A token's `iat` may be this far from now, as in Ethereum's engine API."""


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server."""

    hosts: frozenset[str] = frozenset({"localhost"})
    """Host names under which the server may be addressed; `*` for any. IP addresses always may.

    A page that rebinds its own name to this machine's address still sends its own name.
    """
    origins: frozenset[str] = frozenset()
    """Origins whose pages may read answers (CORS, and WebSocket handshakes); `*` for any."""
    jwt_secret: bytes | None = None
    """Key of the tokens (HS256) that admin methods ask for; None: there are no admin methods."""

    def allows_host(self, header: str | None) -> bool:
        """Tell whether a Host header names this server."""
        if not header or "*" in self.hosts:
            return True
        name = header.rsplit("]", 1)[0].lstrip("[") if header.startswith("[") else header.rsplit(":", 1)[0]
        if name.lower() in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def allows_origin(self, origin: str) -> bool:
        """Tell whether pages of this origin may read answers."""
        return "*" in self.origins or origin.lower() in self.origins

    def admits(self, authorization: str | None, now_s: float) -> bool:
        """Tell whether an Authorization header carries a valid token.

        Raises:
            PermissionError: it carries one that is not valid, or one where none is wanted.
        """
        if authorization is None:
            return False
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise PermissionError("authorization: expected a bearer token")
        if self.jwt_secret is None:
            raise PermissionError("authorization: this server takes no tokens")
        check_token(token.strip(), self.jwt_secret, now_s)
        return True


def read_secret(path: Path) -> bytes:
    """Read a JWT secret: 32 bytes as hex, as Ethereum's clients keep it.

    Raises:
        ValueError: it is not that.
    """
    text = path.read_text().strip().removeprefix("0x")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise ValueError(f"{path}: expected 32 bytes as hex")
    return secret


def make_token(secret: bytes, now_s: float) -> str:
    """Return a token that is valid about now."""
    head = _encode(orjson.dumps({"alg": "HS256", "typ": "JWT"}))
    body = _encode(orjson.dumps({"iat": int(now_s)}))
    signed = head + b"." + body
    return (signed + b"." + _encode(hmac.digest(secret, signed, sha256))).decode()


def check_token(token: str, secret: bytes, now_s: float) -> None:
    """Check a JSON Web Token: HS256 by this secret, issued about now.

    Raises:
        PermissionError: it is not valid; says why.
    """
    parts = token.encode("ascii", "replace").split(b".")
    if len(parts) != 3:
        raise PermissionError("token: malformed")
    try:
        head, claims = orjson.loads(_decode(parts[0])), orjson.loads(_decode(parts[1]))
        signature = _decode(parts[2])
    except ValueError:
        raise PermissionError("token: malformed") from None
    if type(head) is not dict or head.get("alg") != "HS256":
        raise PermissionError("token: expected algorithm HS256")
    if not hmac.compare_digest(signature, hmac.digest(secret, parts[0] + b"." + parts[1], sha256)):
        raise PermissionError("token: wrong signature")
    issued = claims.get("iat") if type(claims) is dict else None
    if not isinstance(issued, int | float) or abs(now_s - issued) > TOKEN_AGE_S:
        raise PermissionError("token: iat is missing or too far from now")


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(data: bytes) -> bytes:
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
