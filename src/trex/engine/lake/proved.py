"""What a badge proves about its holder: of each level of a policy, the least values that it asks (LAK-009).

Documents of policies are not on the chain, only their hashes. They are kept below the lake, under those.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

from trex.badges.policy import (
    CheckCondition,
    Condition,
    GroupCondition,
    Policy,
    PolicyError,
    read_policy,
)
from trex.validators.dimensions import dimensions_of
from trex.validators.zktls.provider import Provider, all_providers

Values = Mapping[str, Decimal]
"""Features by id, each with the least that is proved of it."""

FEATURES: Mapping[str, str] = {
    **{
        f"{exchange}-{what}": feature
        for exchange in ("binance", "bybit", "coinbase", "okx")
        for what, feature in (("total-assets", "cex_total_assets"), ("vip-level", "cex_vip_level"))
    },
    **{f"{name}-followers": f"{name}_followers" for name in ("twitch", "tiktok", "instagram", "facebook")},
    **{
        f"{name}-plan": f"{name}_membership"
        for name in ("chatgpt", "gemini", "grok", "perplexity", "claude", "spotify", "netflix")
    },
    "youtube-subscribers": "youtube_subscribers",
    "instagram-verified": "instagram_verified",
    "telegram-premium": "telegram_membership",
    "youtube-premium": "youtube_membership",
    "apple-music": "apple_music_membership",
    "amazon-prime": "amazon_prime_membership",
    "ps-plus": "ps_plus_membership",
    "xbox-game-pass": "xbox_membership",
    "nintendo-switch-online": "nintendo_membership",
    "github-stars": "github_stars",
    "steam-game-count": "steam_games",
}
"""Which feature a provider's claims speak of."""
OTHER_COINS = frozenset({"BTC"})
"""Units of assets that are not dollars: nothing is converted, so they prove no dollars."""
VALIDATORS = {
    "zktls": "zkTLS Validator",
    "social": "Social Validator",
    "token": "On-chain Validator",
    "nft": "On-chain Validator",
    "solana": "On-chain Validator",
    "web3": "Ecosystem Validator",
    "event": "Ecosystem Validator",
    "student": "Ecosystem Validator",
    "eligibility": "Ecosystem Validator",
}
"""What people call the validator of a check, by the first word of its name."""
REACH = "reach"
"""The dimension of providers whose claims the social validator answers for."""


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """A policy that the chain names, with what its document says where the lake has it."""

    id: str
    """As the chain has it, 32 bytes in hex."""
    name: str
    """For people."""
    validators: frozenset[str] = frozenset()
    """Whom its checks are put to, as people call them; empty without the document."""
    proves: Mapping[int, Values] = field(default_factory=dict)
    """By level, what a grant of it proves."""
    dimensions: tuple[str, ...] = dimensions_of(None)
    """What its badges' points speak of (GTW-063)."""
    checks: tuple[str, ...] = ()
    """Names of the checks that it asks, once for each; empty without the document."""

    @property
    def features(self) -> frozenset[str]:
        """Features that it asks about."""
        return frozenset(feature for values in self.proves.values() for feature in values)


def keep_policy(lake: Path, document: bytes) -> str:
    """Keep a policy's document below the lake; return its hash.

    Raises:
        PolicyError: it is no policy.
    """
    policy = read_policy(document)
    name = f"0x{policy.document_hash.hex()}"
    folder = lake / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{name}.part"
    beside.write_bytes(policy.document)
    beside.replace(folder / f"{name}.json")
    return name


def kept_policies(lake: Path) -> int:
    """Return how many documents are kept."""
    return sum(1 for _ in (lake / "policies").glob("0x*.json"))


def known_policy(lake: Path, id_: str, name: str, document: str) -> KnownPolicy:
    """Bring together what the chain and a document say of a policy; a document of another hash is none.

    Args:
        lake: its folder.
        id_: the policy, as the chain has it.
        name: for people, as the chain has it.
        document: hash of the document.
    """
    if not re.fullmatch(r"0x[0-9a-f]{64}", document):
        return KnownPolicy(id_, name)
    try:
        policy = read_policy((lake / "policies" / f"{document}.json").read_bytes())
    except (OSError, PolicyError):
        return KnownPolicy(id_, name)
    if f"0x{policy.document_hash.hex()}" != document:
        return KnownPolicy(id_, name)
    checks = tuple(check.validator for check in policy.checks())
    return KnownPolicy(id_, name, _validators(policy), proves(policy), dimensions_of(policy), checks)


def proves(policy: Policy) -> Mapping[int, Values]:
    """Return what each level of a policy proves."""
    return {level.level: _of(level.when) for level in policy.levels}


def _of(condition: Condition) -> Values:
    """The least values without which a condition cannot hold."""
    if isinstance(condition, CheckCondition):
        return dict(_of_check(condition))
    if not isinstance(condition, GroupCondition):
        return {}
    parts = [_of(part) for part in condition.parts]
    # Those that ask the most may be the ones that do not hold.
    found: dict[str, Decimal] = {}
    for name in {name for part in parts for name in part}:
        bounds = sorted((part[name] for part in parts if name in part), reverse=True)
        spare = len(parts) - condition.least
        if len(bounds) > spare:
            found[name] = bounds[spare]
    return found


def _of_check(check: CheckCondition) -> Iterator[tuple[str, Decimal]]:
    provider = _providers().get(str(check.parameters.get("provider")))
    if not check.validator.startswith("zktls.") or provider is None or provider.id not in FEATURES:
        return
    feature = FEATURES[provider.id]
    if feature == "cex_total_assets" and provider.value.unit in OTHER_COINS:
        return
    least = check.bounds.at_least
    if check.validator == "zktls.number" and least is not None:
        yield feature, least
    elif check.validator == "zktls.level" and least is not None:
        yield from _of_level(provider, feature, int(least))
    elif check.validator == "zktls.word" and check.bounds.one_of:
        levels = [
            min((level.level for level in provider.levels if word in level.one_of), default=0)
            for word in check.bounds.one_of
        ]
        yield from _of_level(provider, feature, min(levels))


def _of_level(provider: Provider, feature: str, level: int) -> Iterator[tuple[str, Decimal]]:
    found = next((one for one in provider.levels if one.level == level), None)
    if found is None:
        return
    if found.at_least is not None:
        yield feature, found.at_least
    elif feature != "cex_vip_level":
        yield feature, Decimal(level)
    elif number := re.search(r"VIP (\d+)", found.name):
        yield feature, Decimal(number[1])


def _validators(policy: Policy) -> frozenset[str]:
    found = set()
    for check in policy.checks():
        found.add(VALIDATORS[check.validator.partition(".")[0]])
        provider = _providers().get(str(check.parameters.get("provider")))
        if provider is not None and provider.dimension == REACH:
            found.add(VALIDATORS["social"])
    return frozenset(found)


@cache
def _providers() -> Mapping[str, Provider]:
    return all_providers()
