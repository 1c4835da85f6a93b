"""Farms that try to live off the rewards: each earns at most what it spends, and would profit unguarded.

Farms are played against the formula itself, over weekly epochs, beside honest people. What a farm spends is
counted in wei as on the chain: fees (tips come back to a farm that builds blocks), accounts at their price.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from trex.engagement.formula import Credential, Facts, fill, rewards, weights
from trex.engagement.terms import ETHER, Credit, Terms
from trex.types.primitives import Address, Hash32

WEEK_S = 7 * 86_400
EPOCHS = 8
PRICE = ETHER // 1_000
"""What an account at the platform costs on the market."""
GITHUB = "account/github"
HONEST = 200
FIRST_FARMED = 100_000
BUDGET = 5 * ETHER
TERMS = Terms(
    chain_id=1962,
    epoch=1,
    from_block=1,
    to_block=1,
    to_block_hash=Hash32(bytes(32)),
    token=Address(bytes(20)),
    budget=BUDGET,
    fee_share_bps=5_000,
    units_per_ether=ETHER,
    credits={GITHUB: Credit(PRICE, 26 * WEEK_S)},
)
Formula = Callable[[Terms, Facts], Mapping[int, int]]


@dataclass
class Week:
    """What a farm does in one epoch."""

    points: dict[int, int] = field(default_factory=dict)
    burned_wei: dict[int, int] = field(default_factory=dict)
    tips_wei: dict[int, int] = field(default_factory=dict)
    """To a block builder of the farm's own: no cost."""
    credentials: list[Credential] = field(default_factory=list)
    spent_wei: int = 0
    """On what is not a fee."""


def passports(size: int, week: int = 0) -> range:
    first = FIRST_FARMED + week * 1_000_000
    return range(first, first + size)


def crowd(size: int, week: int) -> Week:
    """Passports without anything, doing every task by sponsored acts."""
    return Week(points=dict.fromkeys(passports(size), 100))


def burner(size: int, week: int) -> Week:
    """Passports that burn fees to raise their caps."""
    burned = dict.fromkeys(passports(size), ETHER // 100)
    return Week(points=dict.fromkeys(passports(size), 100), burned_wei=burned)


def tipper(size: int, week: int) -> Week:
    """Blocks of one's own, full of tips to oneself: a thousand times what is burned."""
    tips = dict.fromkeys(passports(size), ETHER)
    burned = dict.fromkeys(passports(size), ETHER // 1_000)
    return Week(points=dict.fromkeys(passports(size), 100), burned_wei=burned, tips_wei=tips)


def buyer(size: int, week: int) -> Week:
    """An account bought for each passport."""
    accounts = [Credential(one, GITHUB, 0) for one in passports(size)]
    points = dict.fromkeys(passports(size), 100)
    return Week(points=points, credentials=accounts, spent_wei=size * PRICE if week == 0 else 0)


def mover(size: int, week: int) -> Week:
    """The same accounts moved to fresh passports again and again."""
    accounts = [Credential(one, GITHUB, 0) for one in passports(size, week)]
    points = dict.fromkeys(passports(size, week), 100)
    return Week(points=points, credentials=accounts, spent_wei=size * PRICE if week == 0 else 0)


def hoarder(size: int, week: int) -> Week:
    """Many accounts behind one passport."""
    (one,) = passports(1)
    accounts = [Credential(one, GITHUB, 0) for _ in range(size)]
    return Week({one: 100 * size}, credentials=accounts, spent_wei=size * PRICE if week == 0 else 0)


def renter(size: int, week: int) -> Week:
    """Busy wallets of strangers linked for a share: their fees are the coalition's."""
    burned = dict.fromkeys(passports(size), ETHER // 50)
    return Week(points=dict.fromkeys(passports(size), 1_000), burned_wei=burned)


def quitter(size: int, week: int) -> Week:
    """Accounts bought anew each week, for the first part of their credit."""
    accounts = [Credential(one, GITHUB, week * WEEK_S) for one in passports(size, week)]
    return Week(dict.fromkeys(passports(size, week), 1_000), {}, {}, accounts, size * PRICE)


FARMS = [crowd, burner, tipper, buyer, mover, hoarder, renter, quitter]


def honest(week: int) -> Week:
    """People with an account, some fees, some points."""
    found = Week()
    for one in range(1, HONEST + 1):
        found.points[one] = 20 + one % 60
        found.burned_wei[one] = ETHER // 2_000 * (one % 7)
        found.credentials.append(Credential(one, GITHUB, 0))
    return found


def play(
    farm: Callable[[int, int], Week],
    size: int,
    formula: Formula,
    terms: Terms = TERMS,
    count_tips: bool = False,
) -> tuple[int, int]:
    """Return what a farm earned and what it spent, in wei."""
    earned = spent = 0
    for week in range(EPOCHS):
        theirs, ours = honest(week), farm(size, week)
        facts = Facts(
            begin_s=week * WEEK_S,
            end_s=(week + 1) * WEEK_S,
            points=theirs.points | ours.points,
            burned_wei=theirs.burned_wei | ours.burned_wei,
            credentials=(*theirs.credentials, *ours.credentials),
        )
        if count_tips:
            paid = {one: ours.burned_wei.get(one, 0) + tip for one, tip in ours.tips_wei.items()}
            facts = replace(facts, burned_wei={**facts.burned_wei, **paid})
        found = formula(terms, facts)
        assert sum(found.values()) <= terms.budget
        earned += sum(amount for one, amount in found.items() if one >= FIRST_FARMED)
        spent += ours.spent_wei + sum(ours.burned_wei.values())
    return earned, spent


def by_points_alone(terms: Terms, facts: Facts) -> Mapping[int, int]:
    """The guard of PTS-031 taken away: the budget by points, as airdrops are."""
    return fill(terms.budget, {one: (points, terms.budget) for one, points in weights(facts).items()})


def by_passport(terms: Terms, facts: Facts) -> Mapping[int, int]:
    """A credit for whoever holds an account, anew for each holder, instead of from the first binding."""
    fresh = {one.passport: terms.credits[one.scope].units for one in facts.credentials}
    return fill(terms.budget, {one: (n, fresh.get(one, 0)) for one, n in weights(facts).items()})


SIZES = [1, 10, 100, 1_000, 10_000]


@pytest.mark.parametrize("farm", FARMS)
@pytest.mark.parametrize("size", SIZES)
def test_farm_earns_at_most_what_it_costs(farm: Callable[[int, int], Week], size: int) -> None:
    """PTS-031, PTS-032."""
    earned, spent = play(farm, size, rewards)
    assert earned <= spent


@pytest.mark.parametrize("farm", [crowd, buyer, mover, quitter, tipper, renter])
def test_farm_profits_without_the_caps(farm: Callable[[int, int], Week]) -> None:
    """Control: paid by points alone, what costs less than its points bring is worth farming."""
    assert any(earned > spent for earned, spent in (play(farm, size, by_points_alone) for size in SIZES[:4]))


def test_farm_profits_where_tips_count() -> None:
    """Control to PTS-031: tips paid to one's own block builder would be paid for."""
    earned, spent = play(tipper, 10, rewards, count_tips=True)
    assert earned > spent


def test_farm_profits_where_a_credit_follows_the_holder() -> None:
    """Control to PTS-031: moved accounts would be paid for in each passport anew."""
    earned, spent = play(mover, 100, by_passport)
    assert earned > spent


def test_farm_profits_where_fees_are_paid_for_twice() -> None:
    """Control to PTS-028: a share above the whole is a subsidy of burning; such terms are refused."""
    terms = replace(TERMS)
    object.__setattr__(terms, "fee_share_bps", 20_000)
    earned, spent = play(burner, 10, rewards, terms)
    assert earned > spent


def test_farm_profits_where_accounts_cost_less_than_their_credit() -> None:
    """The one assumption: a credit above the price of an account is a subsidy of accounts."""
    terms = replace(TERMS, credits={GITHUB: Credit(10 * PRICE, 26 * WEEK_S)})
    earned, spent = play(buyer, 100, rewards, terms)
    assert earned > spent


def test_honest_people_keep_what_farms_cannot_take() -> None:
    """PTS-032: a crowd that costs nothing takes nothing, however many points it has."""

    def honest_share(size: int) -> int:
        theirs, ours = honest(1), crowd(size, 1)
        facts = Facts(
            begin_s=WEEK_S,
            end_s=2 * WEEK_S,
            points=theirs.points | ours.points,
            burned_wei=theirs.burned_wei,
            credentials=tuple(theirs.credentials),
        )
        return sum(rewards(TERMS, facts).values())

    alone = honest_share(0)
    assert alone > 0
    assert honest_share(10_000) == alone
