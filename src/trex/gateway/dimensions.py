"""The five dimensions of a persona, by a published formula (GTW-063)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trex.badges.chain.contract import BadgeState, HeldBadge
from trex.gateway.policies import Offer
from trex.validators.dimensions import ENGAGEMENT, TITLES, dimensions_of, score, shares


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


def shares_of(badges: Sequence[HeldBadge], offers: Mapping[str, Offer]) -> dict[int, dict[str, int]]:
    """What each granted badge gives to which dimension, by its number (GTW-063)."""
    by_id = {offer.id: offer.policy for offer in offers.values()}
    found: dict[int, dict[str, int]] = {}
    for badge in badges:
        if badge.state is not BadgeState.GRANTED:
            continue
        found[badge.token_id] = shares(badge.points, dimensions_of(by_id.get(badge.policy)))
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
    points = dict.fromkeys(TITLES, 0) | {ENGAGEMENT: deeds}
    for parts in shares_of(badges, offers).values():
        for name, share in parts.items():
            points[name] += share
    return [Dimension(name, title, points[name], score(points[name])) for name, title in TITLES.items()]
