"""Who gets how much: the published formula (PTS-030 to PTS-032). Pure, in whole numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cmp_to_key

from trex.engagement.terms import ETHER, WHOLE_BPS, Credit, Terms


@dataclass(frozen=True, slots=True)
class Credential:
    """An account of a human, as the chain knows it."""

    passport: int
    """Holder at the last block."""
    scope: str
    """What its nullifier counts."""
    bound_s: int
    """When it was first bound to anyone, Unix seconds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain says of an epoch's blocks."""

    begin_s: int
    """Time of the block before the first, Unix seconds."""
    end_s: int
    """Time of the last block."""
    points: Mapping[int, int]
    """Sum of the ledger's entries written in these blocks, by passport; reversals count against it."""
    burned_wei: Mapping[int, int]
    """Base and L1 fees of transactions that a passport's accounts sent in these blocks, by passport."""
    credentials: tuple[Credential, ...] = field(default=())
    """Each canonical nullifier once."""


def weights(facts: Facts) -> dict[int, int]:
    """What a passport is paid for: its points of the epoch, if any are left (PTS-030)."""
    return {passport: points for passport, points in facts.points.items() if points > 0}


def caps(terms: Terms, facts: Facts) -> dict[int, int]:
    """What a passport is paid at most: what its engagement has verifiably cost it (PTS-031)."""
    found: dict[int, int] = {}
    for passport, burned in facts.burned_wei.items():
        share = burned * terms.fee_share_bps * terms.units_per_ether // (WHOLE_BPS * ETHER)
        found[passport] = found.get(passport, 0) + share
    for one in facts.credentials:
        credit = terms.credits.get(one.scope)
        if credit is not None:
            given = vested(credit, one.bound_s, facts.begin_s, facts.end_s)
            found[one.passport] = found.get(one.passport, 0) + given
    return found


def vested(credit: Credit, bound_s: int, begin_s: int, end_s: int) -> int:
    """Part of a credit that falls into a span of time (PTS-031).

    Taken as a difference of rounded sums, so that over all epochs it is never more than the whole.
    """

    def until(moment_s: int) -> int:
        passed_s = min(max(moment_s - bound_s, 0), credit.spread_s)
        return credit.units * passed_s // credit.spread_s

    return until(end_s) - until(begin_s)


def rewards(terms: Terms, facts: Facts) -> dict[int, int]:
    """Return who is paid how much, in the token's smallest unit, by passport; nobody is paid nothing.

    Each gets the same for a point, up to its cap; what caps leave goes to the others (PTS-032).
    """
    weight, cap = weights(facts), caps(terms, facts)
    return fill(terms.budget, {one: (points, cap.get(one, 0)) for one, points in weight.items()})


def fill(budget: int, wanted: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Share a budget by weight, nobody above their cap (PTS-032).

    Args:
        budget: what there is.
        wanted: weight, above zero, and cap, by who.
    """

    def sooner(left: int, right: int) -> int:
        """Who reaches the cap first: cap per weight, then the smaller number."""
        (left_weight, left_cap), (right_weight, right_cap) = wanted[left], wanted[right]
        by_ratio = left_cap * right_weight - right_cap * left_weight
        return by_ratio or left - right

    order = sorted(wanted, key=cmp_to_key(sooner))
    left, weight = budget, sum(one for one, _ in wanted.values())
    found: dict[int, int] = {}
    for at, who in enumerate(order):
        own, cap = wanted[who]
        if cap * weight > left * own:  # nobody from here on reaches a cap
            for one in order[at:]:
                found[one] = left * wanted[one][0] // weight
            break
        found[who] = cap
        left, weight = left - cap, weight - own
    return {who: amount for who, amount in sorted(found.items()) if amount > 0}
