"""Providers: data files that say which claim proves what, read strictly (ZKT-030)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.types.strict_json import canonical_json, parse_strict_json
from trex.validators.zktls.parameters import ResponseMatch, ResponseRedaction
from trex.validators.zktls.patterns import placeholders

MAX_PROVIDER_BYTES = 65_536
"""Longest provider file."""


class ProviderError(ValueError):
    """A provider file is wrong, or there is none of that name."""


@dataclass(frozen=True, slots=True)
class Template:
    """One request and what was looked for in its response: what a claim is compared with, field by field."""

    url: str
    """Perhaps with `{{name}}`; a claim may have it so, or with values in place."""
    method: str
    """Of HTTP."""
    body: str
    """Empty if there is none."""
    matches: tuple[ResponseMatch, ...]
    """In order."""
    redactions: tuple[ResponseRedaction, ...]
    """In order."""
    placeholders: Mapping[str, re.Pattern[str]]
    """What the value of each `{{name}}` must look like in full."""
    hidden: frozenset[str]
    """Names in `{{ }}` whose value a claim may keep from the attestor: a request's own signature and time."""

    def provider_hash(self) -> Hash32:
        """The pinned hash of a claim that has this template as it is (ZKT-031)."""
        redactions = []
        for shown in self.redactions:
            fields = {"jsonPath": shown.json_path, "xPath": shown.x_path, "regex": shown.regex}
            redactions.append({key: value for key, value in fields.items() if value})
        matches = [{"type": match.type, "value": match.value} for match in self.matches]
        return keccak256(
            canonical_json(
                {
                    "url": self.url,
                    "method": self.method,
                    "body": self.body,
                    "responseMatches": matches,
                    "responseRedactions": redactions,
                }
            )
        )


@dataclass(frozen=True, slots=True)
class Level:
    """One step of a badge."""

    level: int
    """From 1."""
    name: str
    """For people."""
    at_least: Decimal | None
    """Least value; None where levels go by name."""
    one_of: tuple[str, ...]
    """Names that reach it; empty where levels go by number."""


@dataclass(frozen=True, slots=True)
class AccountRule:
    """Which account at the platform a claim is about."""

    parameter: str
    """The extracted value that names it; empty if nothing does."""
    pattern: re.Pattern[str]
    """Catches the account's name out of it, in its first group."""
    linked: bool
    """Anyone can ask for this page: the account must be one that the passport has linked. False where only
    the account's own session is answered."""
    by_id: bool
    """It is named by its id at the platform, which linking found; else by its handle."""
    of_app: bool
    """The platform calls the account otherwise to each app that asks: the name is nobody's."""


@dataclass(frozen=True, slots=True)
class ValueRule:
    """How a value is read."""

    parameter: str
    """The extracted value."""
    normaliser: Literal["count", "amount", "plan", "flag"]
    """A function of `normalise`."""
    unit: str
    """What it counts, or a currency's code."""
    plans: Mapping[str, str]
    """For `plan`: what each name of the platform means."""
    constant: str
    """A value that the claim proves by its template alone; then `parameter` is empty."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What one kind of claim proves."""

    id: str
    """Lower case with hyphens."""
    version: int
    """Rises with every change of template, value or levels."""
    title: str
    """For people."""
    platform: str
    """Whose account it is about, for example `github`."""
    dimension: Literal["assets", "reach", "digital-life"]
    """Which of a persona's dimensions it speaks for."""
    verified: bool
    """The endpoint and the shape of its response are from the sources; otherwise it is off by default."""
    sources: tuple[str, ...]
    """Where they are from."""
    templates: tuple[Template, ...]
    """Any of them; empty if none is known."""
    value: ValueRule
    """How the value is read."""
    account: AccountRule
    """Whose it is."""
    levels: tuple[Level, ...]
    """Rising."""
    freshness_s: int
    """How old a claim may be, in seconds."""
    recheck_s: int
    """After how long a badge should be looked at anew, in seconds."""
    limits: str
    """What the claim does not say, for people; may be empty."""

    @property
    def names_account(self) -> bool:
        """Whether a claim says whose it is: one account then stands for one passport (ZKT-043)."""
        return bool(self.account.parameter) and not self.account.of_app


def load_provider(document: bytes) -> Provider:
    """Read a provider file.

    Raises:
        ProviderError: it breaks specs/zktls-provider.schema.json, or contradicts itself.
    """
    try:
        root = parse_strict_json(document, max_bytes=MAX_PROVIDER_BYTES)
        provider = Provider(
            id=root["id"],
            version=root["version"],
            title=root["title"],
            platform=root["platform"],
            dimension=root["dimension"],
            verified=root["verified"],
            sources=tuple(root["sources"]),
            templates=tuple(_template(entry) for entry in root["templates"]),
            value=_value(root["value"]),
            account=_account(root.get("account", {})),
            levels=tuple(_level(entry) for entry in root["levels"]),
            freshness_s=root["freshnessS"],
            recheck_s=root["recheckS"],
            limits=root.get("limits", ""),
        )
    except ProviderError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, re.error) as error:
        raise ProviderError(f"not a provider file: {error!r}") from error
    _check(provider)
    return provider


def _template(entry: dict[str, Any]) -> Template:
    return Template(
        url=entry["url"],
        method=entry["method"],
        body=entry.get("body", ""),
        matches=tuple(
            ResponseMatch(match["type"], match["value"], invert=False, optional=False)
            for match in entry["responseMatches"]
        ),
        redactions=tuple(
            ResponseRedaction(
                shown.get("jsonPath", ""), shown.get("xPath", ""), shown.get("regex", ""), hash=""
            )
            for shown in entry["responseRedactions"]
        ),
        placeholders={name: re.compile(text) for name, text in entry.get("placeholders", {}).items()},
        hidden=frozenset(entry.get("hidden", ())),
    )


def _value(entry: dict[str, Any]) -> ValueRule:
    return ValueRule(
        parameter=entry.get("parameter", ""),
        normaliser=entry["normaliser"],
        unit=entry.get("unit", ""),
        plans=entry.get("plans", {}),
        constant=entry.get("constant", ""),
    )


def _account(entry: dict[str, Any]) -> AccountRule:
    pattern = re.compile(entry.get("pattern", "(.+)"), re.DOTALL)
    return AccountRule(
        parameter=entry.get("parameter", ""),
        pattern=pattern,
        linked=entry.get("linked", False),
        by_id=entry.get("byId", False),
        of_app=entry.get("ofApp", False),
    )


def _level(entry: dict[str, Any]) -> Level:
    least = entry.get("atLeast")
    return Level(
        entry["level"],
        entry["name"],
        None if least is None else Decimal(least),
        tuple(entry.get("oneOf", ())),
    )


def _check(provider: Provider) -> None:
    """What the schema cannot say."""
    if provider.verified and not (provider.sources and provider.templates):
        raise ProviderError(f"{provider.id}: verified without a source or a template")
    if [level.level for level in provider.levels] != list(range(1, len(provider.levels) + 1)):
        raise ProviderError(f"{provider.id}: levels must count from 1")
    if bool(provider.value.parameter) == bool(provider.value.constant):
        raise ProviderError(f"{provider.id}: a value is either extracted or constant")
    if provider.account.linked and not provider.account.parameter:
        raise ProviderError(f"{provider.id}: a linked account must be named by a value")
    if provider.verified and not provider.names_account and not provider.limits:
        raise ProviderError(f"{provider.id}: names no account, and its limits do not say so (ZKT-043)")
    bounds = [level.at_least for level in provider.levels if level.at_least is not None]
    if bounds != sorted(set(bounds)):
        raise ProviderError(f"{provider.id}: bounds must rise")
    for template in provider.templates:
        texts = (template.url, template.body, *(match.value for match in template.matches))
        named = {name for text in texts for name in placeholders(text)}
        if named != set(template.placeholders) | template.hidden:
            raise ProviderError(f"{provider.id}: placeholders {sorted(named)} are not those described")


@cache
def all_providers() -> Mapping[str, Provider]:
    """Every provider that ships, by its id, in order.

    Raises:
        ProviderError: a file is wrong.
    """
    found = {}
    folder = files("trex.validators.zktls") / "providers"
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".json"):
            provider = load_provider(entry.read_bytes())
            if entry.name != f"{provider.id}.json":
                raise ProviderError(f"{entry.name} holds provider {provider.id}")
            found[provider.id] = provider
    return found


def provider_by_id(provider_id: str) -> Provider:
    """Find a provider.

    Raises:
        ProviderError: there is none of that name.
    """
    found = all_providers().get(provider_id)
    if found is None:
        raise ProviderError(f"no provider {provider_id[:64]!r}; `trex zktls providers` lists them")
    return found
