"""The five dimensions of a persona: what a badge's points speak of, and how full one is (GTW-063)."""

from collections.abc import Mapping

from trex.badges.policy import CheckCondition, Policy
from trex.validators.zktls.provider import all_providers

ENGAGEMENT = "engagement"
"""Of deeds, and of badges of which nothing else is known."""
TITLES: Mapping[str, str] = {
    "assets": "Assets",
    "onchain": "On-chain behaviour",
    "social-reach": "Social reach",
    "digital-life": "Digital life",
    ENGAGEMENT: "Ecosystem engagement",
}
"""In the order in which they are shown."""
_FAMILIES = {
    "token": "assets",
    "solana": "assets",
    "nft": "assets",
    "web3": "onchain",
    "social": "social-reach",
    "event": ENGAGEMENT,
    "ecosystem": ENGAGEMENT,
}
_PROVIDERS = {"assets": "assets", "reach": "social-reach", "digital-life": "digital-life"}
HALF = 100
"""Points at which a dimension is half full."""


def dimension_of(check: CheckCondition) -> str:
    """Tell which dimension a check belongs to."""
    family = check.validator.partition(".")[0]
    if family == "zktls":
        provider = all_providers().get(check.parameters["provider"])
        named = provider.dimension if provider else ""
        return _PROVIDERS.get(named, "digital-life")
    return _FAMILIES.get(family, ENGAGEMENT)


def dimensions_of(policy: Policy | None) -> tuple[str, ...]:
    """Return the dimensions of a policy's checks by name; engagement where its document is not known."""
    if policy is None:
        return (ENGAGEMENT,)
    return tuple(sorted({dimension_of(check) for check in policy.checks()}))


def shares(points: int, named: tuple[str, ...]) -> dict[str, int]:
    """Part a badge's points: equal whole parts, what is left over to the first."""
    share, rest = divmod(points, len(named))
    return {name: share + (rest if at == 0 else 0) for at, name in enumerate(named)}


def score(points: int) -> int:
    """Return how full a dimension is: 0 to 99, 100 p / (p + 100), rounded down."""
    return 100 * points // (points + HALF)
