"""The five dimensions of a persona, by a published formula (GTW-063)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trex.badges.chain.contract import BadgeState, HeldBadge
from trex.badges.policy import CheckCondition
from trex.gateway.policies import Offer
from trex.validators.zktls.provider import all_providers

TITLES = {
    "assets": "Assets",
    "onchain": "On-chain behaviour",
    "social-reach": "Social reach",
    "digital-life": "Digital life",
    "engagement": "Ecosystem engagement",
}
"""In the order in which they are shown."""
_FAMILIES = {
    "token": "assets",
    "solana": "assets",
    "nft": "assets",
    "web3": "onchain",
    "social": "social-reach",
    "event": "engagement",
    "ecosystem": "engagement",
}
_PROVIDERS = {"assets": "assets", "reach": "social-reach", "digital-life": "digital-life"}
HALF = 100
"""Points at which a dimension is half full."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One of the five."""

    id: str
    """Stable name."""
    title: str
    """For people."""
    points: int
    """What counts for it."""
    score: int
    """0 to 99: 100 p / (p + 100), rounded down."""


def dimension_of(check: CheckCondition) -> str:
    """Tell which dimension a check belongs to."""
    family = check.validator.partition(".")[0]
    if family == "zktls":
        provider = all_providers().get(check.parameters["provider"])
        named = provider.dimension if provider else ""
        return _PROVIDERS.get(named, "digital-life")
    return _FAMILIES.get(family, "engagement")


def shares_of(badges: Sequence[HeldBadge], offers: Mapping[str, Offer]) -> dict[int, dict[str, int]]:
    """What each granted badge gives to which dimension, by its number (GTW-063)."""
    by_id = {offer.id: offer.policy for offer in offers.values()}
    found: dict[int, dict[str, int]] = {}
    for badge in badges:
        if badge.state is not BadgeState.GRANTED:
            continue
        policy = by_id.get(badge.policy)
        named = sorted({dimension_of(check) for check in policy.checks()}) if policy else ["engagement"]
        share, rest = divmod(badge.points, len(named))
        found[badge.token_id] = {name: share + (rest if at == 0 else 0) for at, name in enumerate(named)}
    return found


def dimensions(badges: Sequence[HeldBadge], offers: Mapping[str, Offer], deeds: int) -> list[Dimension]:
    """Compute the five of a passport.

    A granted badge's points go in equal whole parts to the dimensions of its policy's checks, what is left
    over to the first of them by name; deeds' points are engagement.

    Args:
        badges: of the passport.
        offers: policies whose documents are known here; a badge under another counts as engagement.
        deeds: points of the passport in all seasons.
    """
    points = dict.fromkeys(TITLES, 0) | {"engagement": deeds}
    for shares in shares_of(badges, offers).values():
        for name, share in shares.items():
            points[name] += share
    return [
        Dimension(name, title, points[name], 100 * points[name] // (points[name] + HALF))
        for name, title in TITLES.items()
    ]
