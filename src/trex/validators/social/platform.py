"""Platforms as data files: where people sign in, who they are, whom they follow, what they post."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from trex.badges.catalogue import SCOPE

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that may be spoken to without TLS."""
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PLACE = re.compile(r"\{(\w+)\}")
_PLACES = frozenset({"id", "target", "from", "until"})


class PlatformError(ValueError):
    """Not a platform's file; says which member."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Where a platform says who somebody is."""

    url: str
    """Asked with the access token; empty if the ID token says it."""
    id: str
    """Path of the permanent id, members and places joined by dots."""
    handle: str
    """Path of the name that people use."""


@dataclass(frozen=True, slots=True)
class Follows:
    """Where a platform says whether somebody follows another."""

    url: str
    """With {id} and {target}."""
    yes_status: int
    """Status that means yes; 0 if the list tells."""
    no_status: int
    """Status that means no; 0 if the list tells."""
    list: str
    """Path of a list; following if it is not empty, or holds the target."""
    field: str
    """Path of the target's id in an element; empty if any element will do."""


@dataclass(frozen=True, slots=True)
class Posts:
    """Where a platform lists what somebody posted."""

    url: str
    """With {id}, {from} and {until} (RFC 3339)."""
    list: str
    """Path of the list."""
    text: str
    """Path of the text in an element."""
    time: str
    """Path of the RFC 3339 time in an element."""
    more: str
    """Path of what is there when the list goes on: the next page's name."""
    page: str = ""
    """Parameter of the URL that names the page; empty where pages are not followed."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform."""

    id: str
    """Such as `github`."""
    title: str
    """For people."""
    protocol: Literal["oauth2", "oidc", "telegram"]
    """How people sign in."""
    authorize_url: str
    token_url: str
    jwks_url: str
    """Keys of ID tokens; empty without them."""
    issuer: str
    """Of ID tokens; empty without them."""
    scopes: tuple[str, ...]
    scope_separator: str
    client_parameter: str
    """`client_id`, but where a platform calls it otherwise."""
    token_auth: Literal["basic", "body"]
    """How the client shows its secret."""
    authorize_parameters: Mapping[str, str]
    """Sent besides."""
    headers: Mapping[str, str]
    """Sent with questions; `{client_id}` is put in place."""
    profile: Profile
    follows: Follows | None
    posts: Posts | None
    sources: tuple[str, ...]
    """Documentation that the file was made from."""
    affiliation: str = ""
    """Of an academic institution: its scope, what stands behind the @ of its affiliations (ECO-021)."""

    def at(self, origin: str) -> "Platform":
        """The same platform served by another origin, as a copy of it on this machine would be."""

        def moved(url: str) -> str:
            if not url:
                return url
            parts, new = urlsplit(url), urlsplit(origin)
            return urlunsplit((new.scheme, new.netloc, parts.path, parts.query, ""))

        return replace(
            self,
            authorize_url=moved(self.authorize_url),
            token_url=moved(self.token_url),
            jwks_url=moved(self.jwks_url),
            issuer=origin if self.issuer else "",
            profile=replace(self.profile, url=moved(self.profile.url)),
            follows=self.follows and replace(self.follows, url=moved(self.follows.url)),
            posts=self.posts and replace(self.posts, url=moved(self.posts.url)),
        )


def fill(template: str, **values: str) -> str:
    """Put values into a URL's places, escaped: none of them reaches beyond its own part (SOC-010)."""
    return _PLACE.sub(lambda found: quote(values[found[1]], safe=""), template)


def read_platform(text: str) -> Platform:
    """Read a platform's file.

    Raises:
        PlatformError: a member is missing, unknown or of another form.
    """
    try:
        root: dict[str, Any] = json.loads(text)
        platform = _platform(dict(root))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlatformError(f"not a platform: {error!r}") from error
    return platform


def _platform(root: dict[str, Any]) -> Platform:
    id_, protocol = root.pop("id"), root.pop("protocol")
    if not _ID.fullmatch(id_) or protocol not in ("oauth2", "oidc", "telegram"):
        raise ValueError("id or protocol")
    profile = root.pop("profile", {})
    follows, posts = root.pop("follows", None), root.pop("posts", None)
    found = Platform(
        id=id_,
        title=root.pop("title"),
        protocol=protocol,
        authorize_url=_url(root.pop("authorizeUrl", "")),
        token_url=_url(root.pop("tokenUrl", "")),
        jwks_url=_url(root.pop("jwksUrl", "")),
        issuer=_url(root.pop("issuer", "")),
        scopes=tuple(root.pop("scopes", ())),
        scope_separator=root.pop("scopeSeparator", " "),
        client_parameter=root.pop("clientParameter", "client_id"),
        token_auth=root.pop("tokenAuth", "body"),
        authorize_parameters=dict(root.pop("authorizeParameters", {})),
        headers=dict(root.pop("headers", {})),
        profile=Profile(
            _url(profile.get("url", "")), profile.get("id", "sub"), profile.get("handle", "name")
        ),
        follows=follows
        and Follows(
            _url(follows["url"]),
            follows.get("yesStatus", 0),
            follows.get("noStatus", 0),
            follows.get("list", ""),
            follows.get("field", ""),
        ),
        posts=posts
        and Posts(
            _url(posts["url"]),
            posts["list"],
            posts["text"],
            posts["time"],
            posts.get("more", ""),
            _parameter(posts),
        ),
        sources=tuple(root.pop("sources")),
        affiliation=root.pop("affiliation", ""),
    )
    if root or not found.sources or found.token_auth not in ("basic", "body"):
        raise ValueError(f"unknown or missing: {', '.join(root) or 'sources, tokenAuth'}")
    if protocol == "oidc" and not (found.issuer and found.jwks_url):
        raise ValueError("OpenID Connect needs issuer and jwksUrl")
    if found.affiliation and (protocol != "oidc" or not re.fullmatch(SCOPE, found.affiliation)):
        raise ValueError("an institution has OpenID Connect and a domain in lower case as its affiliation")
    if protocol != "telegram" and not (found.authorize_url and found.token_url):
        raise ValueError("OAuth needs authorizeUrl and tokenUrl")
    return found


def _parameter(posts: Mapping[str, Any]) -> str:
    """Name of the parameter that asks for a page."""
    name = posts.get("page", "")
    if not re.fullmatch(r"[A-Za-z_]{0,64}", name):
        raise ValueError(f"{name[:64]!r} is no parameter's name")
    return str(name)


def _url(url: str) -> str:
    """An https URL, or one of this machine; places only behind the host."""
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError(f"{url[:80]!r} is not https")
    if not parts.hostname or "@" in parts.netloc or "{" in parts.netloc or parts.fragment:
        raise ValueError(f"{url[:80]!r} has not a plain host")
    if unknown := set(_PLACE.findall(url)) - _PLACES:
        raise ValueError(f"unknown places: {', '.join(unknown)}")
    return url


def value_at(document: Any, path: str) -> Any:
    """Return what stands at a path of members and places; None if nothing does."""
    for part in path.split(".") if path else ():
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


@cache
def all_platforms() -> Mapping[str, Platform]:
    """Every platform that ships, by id."""
    folder = resources.files("trex.validators.social").joinpath("platforms")
    found = [read_platform(file.read_text()) for file in folder.iterdir() if file.name.endswith(".json")]
    return {one.id: one for one in sorted(found, key=lambda one: one.id)}
