"""Traits of an item from its metadata: in the URI itself, or by content address through a configured gateway.

A contract chooses its URIs, so nothing that it names is fetched as it stands: no host, port or redirect of
its choosing is ever contacted (ONC-022).
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp

from trex.types.strict_json import StrictJsonError, parse_strict_json

MAX_METADATA_BYTES = 262_144
"""Longest metadata that are read."""
MAX_TRAITS = 256
"""Most traits of one item."""

_IPFS = re.compile(
    r"ipfs://(?:ipfs/)?((?:Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{58,112})(?:/[A-Za-z0-9._-]{1,128}){0,4})"
)

Fetch = Callable[[str], Awaitable[bytes]]
"""Brings the content of a path `CID/...`; raises `MetadataError` if it cannot be had."""


class MetadataError(ValueError):
    """The traits cannot be read: not known, which is neither a yes nor a no."""


async def read_traits(uri: str, token_id: int, fetch: Fetch | None) -> Mapping[str, str]:
    """Read the traits of an item.

    Args:
        uri: as the contract says it; `{id}` stands for the item (ERC-1155).
        token_id: of the item.
        fetch: through the gateway; None if none is configured.

    Raises:
        MetadataError: the URI is of another kind, or the content is not metadata.
    """
    uri = uri.replace("{id}", f"{token_id:064x}")
    if uri.startswith("data:"):
        return _traits(_data(uri))
    path = _IPFS.fullmatch(uri)
    if path is None or "/.." in uri:
        raise MetadataError(f"{uri[:80]!r} is neither data: nor ipfs:")
    if fetch is None:
        raise MetadataError("no gateway for ipfs: is configured")
    return _traits(await fetch(path[1]))


def _data(uri: str) -> bytes:
    head, comma, body = uri[5:].partition(",")
    if not comma or len(body) > 2 * MAX_METADATA_BYTES:
        raise MetadataError("a data: URI without content, or too long")
    if not head.startswith("application/json"):
        raise MetadataError(f"data: of type {head[:40]!r}, not application/json")
    raw = unquote_to_bytes(body)
    if not head.endswith(";base64"):
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise MetadataError("a data: URI that is not base64") from error


def _traits(content: bytes) -> Mapping[str, str]:
    try:
        root = parse_strict_json(content, max_bytes=MAX_METADATA_BYTES)
    except StrictJsonError as error:
        raise MetadataError(f"metadata: {error}") from error
    attributes = root.get("attributes", []) if isinstance(root, dict) else None
    if not isinstance(attributes, list) or len(attributes) > MAX_TRAITS:
        raise MetadataError("metadata without a list of attributes")
    traits: dict[str, str] = {}
    for entry in attributes:
        name, value = _trait(entry)
        if traits.setdefault(name, value) != value:
            raise MetadataError(f"trait {name[:40]!r} is there with two values")
    return traits


def _trait(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict):
        raise MetadataError("an attribute that is no object")
    name, value = entry.get("trait_type", ""), entry.get("value")
    if not isinstance(name, str) or isinstance(value, (dict, list)) or value is None:
        raise MetadataError("an attribute without name and value")
    if isinstance(value, bool):
        return name, "true" if value else "false"
    return name, f"{value:g}" if isinstance(value, float) else str(value)


def gateway(base_url: str, session: aiohttp.ClientSession, *, timeout_s: float = 15.0) -> Fetch:
    """Fetch content through the operator's gateway.

    Args:
        base_url: such as `https://gateway.example/ipfs/`; the only host that is contacted.
        session: closing it is the caller's.
        timeout_s: for a whole request.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def fetch(path: str) -> bytes:
        try:
            async with session.get(
                base_url.rstrip("/") + "/" + path, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise MetadataError(f"the gateway answers {answer.status}")
                raw = b""
                while len(raw) <= MAX_METADATA_BYTES and (
                    more := await answer.content.read(MAX_METADATA_BYTES + 1)
                ):
                    raw += more
                return raw
        except (aiohttp.ClientError, TimeoutError) as error:
            raise MetadataError(f"the gateway does not answer: {type(error).__name__}") from error

    return fetch
