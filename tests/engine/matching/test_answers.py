"""Any query, from its text to the people named, beside the rules read one person at a time."""

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.lake.book import NOW, Book, check
from tests.engine.matching.queries import Queries

from trex._core import pms_log2_table  # noqa: TID251
from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.gold import policies, refresh
from trex.engine.lake.lake import Lake
from trex.engine.lake.proved import KnownPolicy
from trex.engine.lake.tables import FEATURES
from trex.engine.matching.audience import MOST_ROWS, Audiences
from trex.engine.matching.parse import parse
from trex.engine.matching.plan import AudienceError
from trex.engine.matching.query import (
    AllOf,
    AnyOf,
    Compare,
    Comparison,
    Criterion,
    Expression,
    Has,
    HoldsBadge,
    InLevel,
    Level,
    Not,
    Preference,
    Query,
    Scale,
    canonical,
)

ONE, FULL, LEAST = 10**6, 100 * 10**6, 10
KNOWN = ("defi_activity", "cex_vip_level", "twitch_followers", "passport_age_days", "youtube_membership")
FEW = "github_stars"
"""Known of fewer than ten."""
NOBODY_HAS = "steam_games"
LOGARITHMS = pms_log2_table()
COMPARE = dict(zip(Comparison, (lt, le, gt, ge, eq, ne), strict=True))
Column = tuple[str, int | None]


class UnansweredError(Exception):
    """The query asks what nobody is told."""


@dataclass(frozen=True)
class Rules:
    """What specs/query.md and specs/matching.md say of those who agreed, in fractions."""

    values: Mapping[Column, Mapping[int, Fraction]]
    """By feature and window, by passport."""
    badges: Mapping[str, Mapping[int, int]]
    """Levels held, by policy, by passport."""
    policies: tuple[KnownPolicy, ...]
    people: tuple[int, ...]

    def answer(self, query: Query) -> list[tuple[int, int, Decimal]]:
        """Passport, sum and score of those in it, best first."""
        weights = sum(int(wish.weight * 1000) for wish in query.prefer) or 1
        # All of it is read, whoever it is true of.
        sums = {one: sum(self.points(wish, one) for wish in query.prefer) for one in self.people}
        holds = {one: query.where is None or self.truth(query.where, one) for one in self.people}
        found = [(sums[one], one) for one in self.people if holds[one] is True]
        ordered = sorted(found, key=lambda pair: (-pair[0], pair[1]))
        return [(one, total, Decimal(total // weights) / ONE) for total, one in ordered]

    def value(self, feature: str, days: int | None, one: int) -> Fraction | None:
        return self.values.get((feature, days), {}).get(one)

    def percentile(self, feature: str, days: int | None, thousandths: int) -> Fraction:
        """PMS-012, PRV-006."""
        known = sorted(value for value in self.values.get((feature, days), {}).values() if value > 0)
        if len(known) < LEAST:
            raise UnansweredError
        return known[max(-(-len(known) * thousandths // 1000), 1) - 1]

    def truth(self, expression: Expression, one: int) -> bool | None:
        """PMS-011, QRY-020, QRY-030."""
        match expression:
            case AllOf(parts):
                return kleene([self.truth(part, one) for part in parts], decisive=False)
            case AnyOf(parts):
                return kleene([self.truth(part, one) for part in parts], decisive=True)
            case Not(part):
                told = self.truth(part, one)
                return None if told is None else not told
            case HoldsBadge(_, level, about):
                held = any(
                    self.badges[policy.id].get(one, 0) > 0
                    and (level is None or COMPARE[level[0]](self.badges[policy.id].get(one, 0), level[1]))
                    for policy in self.meant(expression)
                )
                return held if about is None else kleene([held, self.truth(about, one)], decisive=False)
            case Has(feature, days):
                value = self.value(feature, days, one)
                return None if value is None else value > 0
            case Compare(feature, comparison, bound, days):
                value = self.value(feature, days, one)
                return None if value is None else bool(COMPARE[comparison](value, Fraction(bound)))
            case InLevel(feature, level, days):
                shares = {Level.HIGH: (800, None), Level.MEDIUM: (400, 800), Level.LOW: (None, 400)}[level]
                low, high = (share and self.percentile(feature, days, share) for share in shares)
                value = self.value(feature, days, one)
                if value is None:
                    return None
                return value > 0 and (low is None or value >= low) and (high is None or value < high)

    def meant(self, asked: HoldsBadge) -> list[KnownPolicy]:
        """QRY-011."""
        found = [
            one for one in self.policies if asked.name.lower() in map(str.lower, (one.name, *one.validators))
        ]
        if asked.about is not None:
            found = [one for one in found if asked.about.feature in one.features]
        if not found:
            raise UnansweredError
        return found

    def points(self, wish: Preference, one: int) -> int:
        """PMS-020 to PMS-024, QRY-050: times the weight."""
        reached = self.reached(wish.wish, wish, one)
        if reached is None:
            return 0
        return int(wish.weight * 1000) * (FULL - reached if wish.inverted else reached)

    def reached(self, asked: Criterion, wish: Preference, one: int) -> int | None:
        if wish.scale is Scale.BINARY or not isinstance(asked, Has):
            told = self.truth(asked, one)
            return None if told is None else FULL * told
        if wish.bounds is None:
            low, high = (self.percentile(asked.feature, asked.days, share) for share in (50, 950))
        else:
            low, high = map(Fraction, wish.bounds)
        value = self.value(asked.feature, asked.days, one)
        if value is None:
            return None
        if wish.scale is Scale.LOG:
            value, low, high = (Fraction(logarithm(part)) for part in (value, low, high))
        if value >= high:
            return FULL
        return 0 if value <= low else int(FULL * (value - low) / (high - low))


def kleene(parts: list[bool | None], *, decisive: bool) -> bool | None:
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def logarithm(value: Fraction) -> int:
    """PMS-022: by the published table."""
    of = max(int(value * ONE), 0) + 1
    bits = of.bit_length() - 1
    return bits * 2**24 + LOGARITHMS[int(Fraction(of, 2**bits) * 4096) - 4096]


class World:
    """Sixty people, of whom fifty agreed; values of all kinds, often none."""

    def __init__(self, folder: Path) -> None:
        drawn = random.Random(5)
        self.lake = Lake(folder / "lake")
        agreed = tuple(range(1, 51))
        badges: dict[str, dict[int, int]] = {}
        with Book(self.lake) as book:
            levels = [
                check("zktls.number", "twitch-followers", atLeast=least) for least in ("10", "99", "1000")
            ]
            vip = [check("zktls.level", "okx-vip-level", atLeast="1")]
            for place, (name, asked) in enumerate((("Streamer", levels), ("Whale", vip), ("Other", vip)), 1):
                policy = book.policy(place, name, asked)
                badges[policy] = {}
                for one in range(1, 61):
                    if level := drawn.randint(0, len(asked)):
                        book.badge(1, str(one), policy, level)
                        badges[policy][one] = level
            for one in range(1, 61):
                book.link(100, str(one), f"0x{one:02x}", "created")
                if one in agreed:
                    book.consent(3, str(one))
        refresh(self.lake, NOW)
        rows, values = [], {}
        columns = [(name, days) for name in KNOWN for days in (None, *catalogue()[name].windows)]
        for name, days in [*columns, (FEW, None)]:
            people = agreed[: LEAST - 1] if name == FEW else range(1, 61)
            of = {one: self.value(drawn, catalogue()[name].is_flag) for one in people if drawn.random() < 0.8}
            values[name, days] = {one: value for one, value in of.items() if one in agreed}
            rows += [(str(one), name, days or 0, float(value), NOW, NOW) for one, value in of.items()]
        names = FEATURES.schema.names
        table = [dict(zip(names, row, strict=True)) for row in rows]
        self.lake.overwrite(FEATURES.name, pa.Table.from_pylist(table, schema=FEATURES.schema))
        known = tuple(policies(self.lake, self.lake.session()))
        assert {one.id for one in known} == set(badges)
        self.rules = Rules(values, badges, known, agreed)
        self.audiences = Audiences(self.lake, folder / "audiences", lambda: NOW)
        self.projects = map("project{}".format, itertools.count())
        """Each query is another project's: what one was told is held against its next."""

    @staticmethod
    def value(drawn: random.Random, flag: bool) -> Fraction:
        if flag:
            return Fraction(drawn.randint(0, 1))
        kinds = (
            drawn.randint(-2, 5),
            drawn.randint(0, 1000),
            Fraction(drawn.randint(0, 10**9), 10**4),
            10**6,
        )
        return Fraction(drawn.choice(kinds))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("answers"))


NAMES = ("Streamer", "whale", "zkTLS Validator", "Social Validator", "Nobody's")
AMOUNTS = st.one_of(
    st.integers(0, 6).map(Decimal),
    st.sampled_from([Decimal(10**6), Decimal("0.0001")]),
    st.integers(0, 10**7).map(lambda value: Decimal(value) / 10**4),
)
QUERIES = Queries((*KNOWN, FEW, NOBODY_HAS), st.sampled_from(NAMES), AMOUNTS)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(QUERIES.any())
def test_any_text_names_whom_the_rules_name_in_their_order(world: World, query: Query) -> None:
    """PMS-010, PMS-012, PMS-020, PMS-030, PRV-001, PRV-002, PRV-003, PRV-006, QRY-011, QRY-020, QRY-050."""
    try:
        expected = world.rules.answer(query)
    except UnansweredError:
        with pytest.raises(AudienceError):
            world.audiences.ask(parse(canonical(query)), next(world.projects))
        return
    found = world.audiences.ask(parse(canonical(query)), next(world.projects), MOST_ROWS)
    assert found.count == len(expected) // LEAST * LEAST
    named = [(int(one.passport), round(one.raw * ONE * 1000), one.score) for one in found.people]
    told = [(one, total, float(score)) for one, total, score in expected]
    assert named == (told if len(expected) >= LEAST else [])
