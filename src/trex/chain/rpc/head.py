"""Heads of HTTP requests that are answered without a web framework. Pure."""

import re
from dataclasses import dataclass

from trex.chain.rpc.access import Access

CONTENT_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})
"""As geth's. A page of another site can send other types without asking, so those are refused."""

_REQUEST_LINE = b"POST / HTTP/1.1"
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
"""RFC 9112, section 5; a folded line, or a blank before the colon, has no name. Each is read once, whatever
it holds: these bytes come from anybody."""
_LENGTH = re.compile(rb"[0-9]{1,12}")
_NOT_PLAIN = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"expect",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a plain request says."""

    length: int
    """Bytes of the body."""
    packs: bool
    """The client takes gzip."""
    fields: bytes
    """Fields of the answer that depend on the request: those of CORS."""


def read_head(head: bytes, access: Access) -> Head | None:
    """Read a head, without the empty line that ends it; None where it is anything but plain.

    Plain is a POST of JSON to `/` by HTTP/1.1, of known length, not packed, without a token, addressed to
    a host name that is ours, on a connection that stays open. Whoever cannot read it must hand the request
    to a parser that knows all of HTTP.
    """
    first, *lines = head.split(b"\r\n")
    if first != _REQUEST_LINE:
        return None
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            return None
        name = name.lower()
        if name in fields or name in _NOT_PLAIN:
            return None
        fields[name] = value.strip(b" \t")
    length = fields.get(b"content-length", b"")
    content_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if (
        _LENGTH.fullmatch(length) is None
        or content_type.decode("latin-1") not in CONTENT_TYPES
        or fields.get(b"connection", b"keep-alive").lower() != b"keep-alive"
        or b"host" not in fields
        or not access.allows_host(fields[b"host"].decode("latin-1"))
    ):
        return None
    origin = fields.get(b"origin")
    cors = b""
    if origin is not None and access.allows_origin(origin.decode("latin-1")):
        cors = b"Access-Control-Allow-Origin: %b\r\nVary: Origin\r\n" % origin
    packs = takes_gzip(fields.get(b"accept-encoding", b"").decode("latin-1"))
    return Head(int(length), packs, cors)


def takes_gzip(accepted: str) -> bool:
    """Tell whether an Accept-Encoding header names gzip, and not with a weight of zero."""
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False
