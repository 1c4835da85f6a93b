"""What a claim asked for and looked for: its parameters, read strictly, with their hashes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.types.strict_json import StrictJsonError, canonical_json, parse_strict_json
from trex.validators.zktls.claim import MAX_DEPTH, MAX_PART_BYTES, ClaimError
from trex.validators.zktls.patterns import UnclearPatternError, named_groups, placeholders, substitute

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Methods that an attestor's reader takes."""
MAX_RULES = 64
"""Most matches, redactions or parameter values that are looked at."""

_HASHED = ("url", "method", "body", "responseMatches", "responseRedactions")
_HASHED_FIRST = ("url", "method", "geoLocation", "responseMatches", "responseRedactions")


@dataclass(frozen=True, slots=True)
class ResponseMatch:
    """One thing that the response had to hold."""

    type: Literal["regex", "contains"]
    """How `value` is looked for."""
    value: str
    """A pattern or a text, perhaps with `{{name}}`."""
    invert: bool
    """The response had to not hold it."""
    optional: bool
    """The response did not have to hold it: it attests nothing."""


@dataclass(frozen=True, slots=True)
class ResponseRedaction:
    """One part of the response that the claimant shows to the attestor; all else it may hide."""

    json_path: str
    """Empty if not said."""
    x_path: str
    """Empty if not said."""
    regex: str
    """Empty if not said."""
    hash: str
    """`oprf` where the value is replaced by a keyed hash; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the attestor was asked to read."""

    raw: Mapping[str, Any]
    """As parsed; what the hash is over."""
    url: str
    """Perhaps with `{{name}}`."""
    method: str
    """Of HTTP."""
    body: str
    """Of the request, perhaps with `{{name}}`; empty if there was none."""
    matches: tuple[ResponseMatch, ...]
    """At least one."""
    redactions: tuple[ResponseRedaction, ...]
    """May be empty: then the whole response was shown."""
    values: dict[str, str]
    """What stands for each `{{name}}`, as far as the claimant showed it."""

    @property
    def host(self) -> str:
        """Whom the attestor asked."""
        return urlsplit(self.url).hostname or ""

    def provider_hashes(self) -> dict[str, Hash32]:
        """The hashes that attestors have given these parameters, by the formula's name (ZKT-022).

        `current` is over URL, method, body, matches and redactions as they stand; `uniform` over the same
        with every field written out; `first`, used until early 2025, is over the geolocation in place of
        the body. Three hashes, whatever the matches are.
        """
        return {
            name: keccak256(canonical_json({key: form[key] for key in keys if key in form}))
            for name, keys, form in (
                ("current", _HASHED, self.raw),
                ("uniform", _HASHED, self._uniform()),
                ("first", _HASHED_FIRST, self.raw),
            )
        }

    def _uniform(self) -> dict[str, Any]:
        matches: list[dict[str, Any]] = []
        for match in self.matches:
            entry: dict[str, Any] = {"type": match.type, "value": match.value}
            entry |= {"invert": True} if match.invert else {}
            matches.append(entry | ({"isOptional": True} if match.optional else {}))
        redactions = []
        for shown in self.redactions:
            fields = {"jsonPath": shown.json_path, "xPath": shown.x_path, "regex": shown.regex}
            redactions.append(fields | ({"hash": shown.hash} if shown.hash else {}))
        return {
            "url": self.url,
            "method": self.method,
            "body": self.body,
            "responseMatches": matches,
            "responseRedactions": redactions,
        }

    def shown_placeholders(self) -> dict[str, str]:
        """Names in `{{ }}` whose value is shown: the attestor signs them as extracted."""
        geo = self.raw.get("geoLocation")
        texts = [self.url, self.body, geo if isinstance(geo, str) else ""]
        texts += [match.value for match in self.matches]
        names = {name for text in texts for name in placeholders(text)}
        return {name: self.values[name] for name in sorted(names) if name in self.values}

    def hidden_placeholders(self) -> tuple[str, ...]:
        """Names in `{{ }}` of the request whose value was kept from the attestor."""
        names = dict.fromkeys((*placeholders(self.url), *placeholders(self.body)))
        return tuple(name for name in names if name not in self.values)

    def caught_names(self) -> tuple[str, ...]:
        """Names that a pattern catches out of the response.

        Raises:
            ClaimError: a pattern is not read alike by every engine, or a name is there twice.
        """
        names: list[str] = []
        shown = self.shown_placeholders()
        for at, match in enumerate(self.matches):
            if match.type != "regex":
                continue
            try:
                groups = named_groups(substitute(match.value, self.values))
            except UnclearPatternError as error:
                where = f"responseMatches[{at}]"
                raise ClaimError("ZKT-023", "unclear_pattern", f"{where}: {error}") from error
            for name in groups:
                if name in names or name in shown:
                    raise ClaimError("ZKT-023", "name_twice", f"{name!r} is caught or given twice")
            names += [] if match.invert or match.optional else groups
        return tuple(names)


def read_parameters(text: str) -> Parameters:
    """Read a claim's parameters.

    Raises:
        ClaimError: they are empty, not canonical JSON, or not what an attestor's HTTP reader takes.
    """
    if not text.strip():
        raise ClaimError("ZKT-020", "no_parameters", "the parameters are empty: the claim says nothing")
    root = read_canonical(text, "parameters", "ZKT-020")
    if not root:
        raise ClaimError("ZKT-020", "no_parameters", "the parameters are empty: the claim says nothing")
    url = _url(root)
    method = root.get("method")
    if method not in METHODS:
        raise _wrong("parameters.method", f"must be one of {', '.join(METHODS)}")
    values = _values(root)
    return Parameters(
        raw=root,
        url=url,
        method=method,
        body=_text(root, "body", "parameters"),
        matches=_matches(root),
        redactions=_redactions(root),
        values=values,
    )


def read_canonical(text: str, what: str, rule: str) -> dict[str, Any]:
    """Read an object in canonical JSON, so that no two readers see different things in it.

    Raises:
        ClaimError: it is not JSON, not canonical (RFC 8785) or not an object.
    """
    try:
        root = parse_strict_json(text, max_bytes=MAX_PART_BYTES, max_depth=MAX_DEPTH)
        canonical = canonical_json(root)
    except StrictJsonError as error:
        raise ClaimError(rule, f"{what}_{error.code}", f"{what}: {error}") from error
    if not isinstance(root, dict):
        raise ClaimError(rule, f"{what}_not_object", f"{what} is not a JSON object")
    if canonical != text.encode():
        raise ClaimError(rule, f"{what}_not_canonical", f"{what} is not canonical JSON (RFC 8785)")
    return root


def _wrong(where: str, what: str) -> ClaimError:
    return ClaimError("ZKT-021", "wrong_parameters", f"{where} {what}")


def _url(root: dict[str, Any]) -> str:
    url = root.get("url")
    if not isinstance(url, str):
        raise _wrong("parameters.url", "must be a string")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong("parameters.url", f"cannot be read: {error}") from error
    plain = parts.netloc.isascii() and url.isprintable() and not set(url) & set(" \\")
    if parts.scheme != "https" or not url.startswith("https://") or not host or not plain:
        raise _wrong("parameters.url", "must be a plain https URL")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc or parts.fragment:
        raise _wrong("parameters.url", "must have neither user name nor fragment")
    if port not in (None, 443) or "{" in parts.netloc:
        raise _wrong("parameters.url", "must name its host in full, on port 443")
    return url


def _text(parent: dict[str, Any], key: str, where: str) -> str:
    found = parent.get(key)
    if found is not None and not isinstance(found, str):
        raise _wrong(f"{where}.{key}", "must be a string")
    return found or ""


def _list(root: dict[str, Any], key: str) -> list[Any]:
    found = root.get(key, [])
    if not isinstance(found, list) or len(found) > MAX_RULES:
        raise _wrong(f"parameters.{key}", f"must be a list of at most {MAX_RULES}")
    return found


def _matches(root: dict[str, Any]) -> tuple[ResponseMatch, ...]:
    found = []
    for at, entry in enumerate(_list(root, "responseMatches")):
        where = f"parameters.responseMatches[{at}]"
        if not isinstance(entry, dict) or entry.get("type") not in ("regex", "contains"):
            raise _wrong(where, "must be an object of type regex or contains")
        value = entry.get("value")
        if not isinstance(value, str) or not value:
            raise _wrong(f"{where}.value", "must be a text: an empty one is in every response")
        invert, optional = entry.get("invert"), entry.get("isOptional")
        if invert not in (None, True, False) or optional not in (None, True, False):
            raise _wrong(where, "must say invert and isOptional by true or false")
        found.append(ResponseMatch(entry["type"], value, invert is True, optional is True))
    if not any(not match.optional for match in found):
        raise _wrong("parameters.responseMatches", "must name something that the response had to hold")
    return tuple(found)


def _redactions(root: dict[str, Any]) -> tuple[ResponseRedaction, ...]:
    found = []
    for at, entry in enumerate(_list(root, "responseRedactions")):
        where = f"parameters.responseRedactions[{at}]"
        if not isinstance(entry, dict):
            raise _wrong(where, "must be an object")
        found.append(
            ResponseRedaction(
                json_path=_text(entry, "jsonPath", where),
                x_path=_text(entry, "xPath", where),
                regex=_text(entry, "regex", where),
                hash=_text(entry, "hash", where),
            )
        )
    return tuple(found)


def _values(root: dict[str, Any]) -> dict[str, str]:
    found = root.get("paramValues")
    if found is None:
        return {}
    if not isinstance(found, dict) or len(found) > MAX_RULES:
        raise _wrong("parameters.paramValues", f"must be an object of at most {MAX_RULES} texts")
    if not all(isinstance(value, str) for value in found.values()):
        raise _wrong("parameters.paramValues", "must hold texts only")
    return found
