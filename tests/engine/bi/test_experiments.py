"""Experiments: who gets what, what came of it counted by hand, and what looking often does to it."""

import random
import statistics
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.engine.bi.facts import NOW, facts

from trex.engine.bi.experiments import (
    Experiment,
    ExperimentError,
    always_valid,
    measured,
    power,
    read,
)
from trex.engine.lake.features import DAY_S

SWAPS: dict[str, Any] = {"name": "swaps", "deed": {"facts": "calls", "where": {"action": "swap"}}}


def experiment(**changes: Any) -> Experiment:
    """An experiment with two equal variants that counts swaps of a week."""
    told = {"project": "shop", "name": "banner", "variants": {"plain": 1, "loud": 1}, "control": "plain"}
    return Experiment.model_validate(told | {"measures": [SWAPS]} | changes)


def met(people: dict[str, tuple[str, int]]) -> ibis.Table:
    """Who met the experiment: passport -> variant, when."""
    rows = [{"passport": name, "variant": variant, "met_s": at} for name, (variant, at) in people.items()]
    return ibis.memtable(pa.Table.from_pylist(rows))


@given(st.lists(st.text(max_size=20), min_size=1, max_size=50))
def test_a_person_gets_one_variant_for_ever(passports: list[str]) -> None:
    """EXP-001."""
    one = experiment(variants={"plain": 3, "loud": 1})
    dealt = [one.variant(passport) for passport in passports]
    assert dealt == [one.variant(passport) for passport in passports]
    assert set(dealt) <= {"plain", "loud"}


def test_shares_are_kept_and_another_name_deals_anew() -> None:
    """EXP-001: known answers too, so that anyone can deal the same."""
    one, other = experiment(variants={"plain": 3, "loud": 1}), experiment(name="banner2")
    people = [f"{number}" for number in range(20_000)]
    loud = sum(one.variant(each) == "loud" for each in people)
    assert 4_700 < loud < 5_300
    plain = [each for each in people if one.variant(each) == "plain"]
    both = sum(other.variant(each) == "plain" for each in plain)
    assert 0.47 < both / len(plain) < 0.53, "what one experiment dealt says nothing of the next"
    assert [experiment().variant(each) for each in ("1", "2", "3", "4")] == [
        "loud",
        "plain",
        "plain",
        "plain",
    ]


def test_deeds_count_in_the_window_after_a_person_met_it() -> None:
    """EXP-002, EXP-003, DED-001, DED-002: the window before, the one after, its ends, and who is not ripe."""
    start, week = NOW - 20 * DAY_S, 7 * DAY_S
    calls = [
        ("p0", start - 1, "swap"),
        ("p0", start - week, "swap"),
        ("p0", start - week - 1, "swap"),
        ("p0", start, "swap"),
        ("p0", start + 1, "vote"),
        ("p0", start + DAY_S, "swap"),
        ("p0", start + week - 1, "swap"),
        ("p0", start + week, "swap"),
        ("p2", NOW - 3 * DAY_S, "swap"),
    ]
    every = [
        SWAPS
        | {
            "name": name,
            "value": value,
            "deed": {"facts": "calls", "where": {"action": "swap", "contract": "0xPool"}},
        }
        for name, value in (("often", "count"), ("ever", "any"), ("days", "days"))
    ]
    people = met({"p0": ("plain", start), "p1": ("loud", start), "p2": ("loud", NOW - 4 * DAY_S)})
    found = (
        measured(facts(calls, 3), experiment(measures=every), people)
        .order_by("passport")
        .to_pyarrow()
        .to_pylist()
    )
    assert [row["passport"] for row in found] == ["p0", "p1"]
    assert [found[0][f"value_{number}"] for number in range(3)] == [3, 1, 3]
    assert [found[0][f"before_{number}"] for number in range(3)] == [2, 1, 2]
    assert all(found[1][f"{when}_{number}"] == 0 for when in ("value", "before") for number in range(3))


def numbers(effect: float, people: int = 2_000, seed: int = 1, loud_share: float = 0.5) -> ibis.Table:
    """People whose number after follows from that before, with an effect on the loud."""
    dice = random.Random(seed)
    rows = []
    for number in range(people):
        variant = "loud" if dice.random() < loud_share else "plain"
        before = dice.gauss(10, 3)
        value = before + dice.gauss(0, 1) + (effect if variant == "loud" else 0)
        rows.append({"passport": f"{number}", "variant": variant, "value_0": value, "before_0": before})
    return ibis.memtable(pa.Table.from_pylist(rows))


def test_an_effect_is_found_with_what_was_before_taken_off() -> None:
    """EXP-004: what people did before takes nine tenths of the noise away; both readings hold the truth."""
    people = numbers(0.3)
    one = experiment(measures=[SWAPS | {"planned_effect": 0.3}])
    found = read(one, people)
    (effect,) = found.effects
    assert not found.is_skewed
    assert 1_980 <= sum(found.people.values()) <= 2_000
    assert all(count % 10 == 0 for count in found.people.values())
    low, high = effect.interval
    assert low < 0.3 < high
    assert effect.p_value < 1e-6
    assert effect.any_time is not None
    assert effect.any_time[0] < low < high < effect.any_time[1], "who may look at any time knows less"
    rows = people.to_pyarrow().to_pylist()
    by_variant = [[row["value_0"] for row in rows if row["variant"] == name] for name in ("plain", "loud")]
    plain_error = sum(statistics.variance(values) / len(values) for values in by_variant) ** 0.5
    assert (high - low) / (2 * 1.96) < plain_error / 2.5, "the interval without what was before"
    blind = people.mutate(before_0=ibis.literal(1.0))
    wide = read(experiment(), blind).effects[0]
    means = [statistics.mean(values) for values in by_variant]
    assert wide.effect == pytest.approx(means[1] - means[0])
    assert wide.any_time is None


def test_shares_that_are_off_are_told() -> None:
    """EXP-005."""
    assert read(experiment(), numbers(0.0, loud_share=0.43)).is_skewed
    assert not read(experiment(variants={"plain": 57, "loud": 43}), numbers(0.0, loud_share=0.43)).is_skewed


def test_looking_every_day_finds_nothing_that_is_not_there() -> None:
    """EXP-006: 400 experiments without an effect, each looked at 100 times."""
    dice, wrong, wrong_of_one_look = random.Random(5), 0, 0
    for _ in range(400):
        total, missed, fooled = 0.0, False, False
        for look in range(1, 101):
            total += dice.gauss(0, 0.5)
            effect, error = total / look, 0.5 / look**0.5
            half, p_value = always_valid(effect, error, planned=0.2)
            assert (abs(effect) > half) == (p_value < 0.05)
            missed |= p_value < 0.05
            fooled |= abs(effect) > 1.96 * error
        wrong, wrong_of_one_look = wrong + missed, wrong_of_one_look + fooled
    assert wrong <= 400 * 0.05
    assert wrong_of_one_look > 400 * 0.2, (
        "the interval for one look is wrong far more often when it is looked at daily"
    )


def test_power_says_how_many_people_it_takes() -> None:
    """EXP-007: as many as are asked for find the effect as often as was asked."""
    one = experiment()
    plan = power(one, numbers(0.0, people=5_000), relative_effects=[0.05, 0.1])
    assert [row.relative_effect for row in plan] == [0.05, 0.1]
    assert plan[0].people > 3 * plan[1].people
    assert plan[0].mean == pytest.approx(10, abs=0.3)
    found = 0
    for seed in range(60):
        people = numbers(0.5, people=plan[0].people, seed=seed + 10).mutate(before_0=ibis.literal(0.0))
        found += read(one, people).effects[0].p_value < 0.05
    assert 35 <= found <= 58


def test_what_cannot_be_read_is_refused_with_why() -> None:
    """EXP-008."""
    with pytest.raises(
        ExperimentError, match="variant 'loud' has fewer than 10 people whose 7 days are over"
    ):
        read(experiment(), numbers(0.0, people=20, loud_share=0.0))
    with pytest.raises(ExperimentError, match="nobody differs"):
        power(experiment(), numbers(0.0).mutate(before_0=ibis.literal(1.0)), relative_effects=[0.1])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"control": "none"}, "control 'none' is no variant"),
        ({"variants": {"plain": 1}}, "at least 2"),
        ({"variants": {"plain": 1, "loud": 0}}, "share of 'loud'"),
        ({"measures": [SWAPS, SWAPS]}, "two measures are named 'swaps'"),
        (
            {"measures": [{"name": "x", "deed": {"facts": "calls", "where": {"1=1; --": 1}}}]},
            "no column '1=1; --'",
        ),
        ({"measures": [{"name": "x", "deed": {"facts": "calls"}, "value": "sum"}]}, "nothing to sum"),
        ({"measures": [{"name": "x", "deed": {"facts": "calls", "by": "recipient"}}]}, "only transfers"),
        ({"measures": [SWAPS | {"planned_effect": float("inf")}]}, "finite"),
        ({"wat": 1}, "Extra inputs"),
        ({"name": "a b"}, "pattern"),
    ],
)
def test_an_experiment_that_makes_no_sense_is_refused(changes: dict[str, Any], why: str) -> None:
    """EXP-008, DED-001."""
    with pytest.raises(ValidationError, match=why):
        experiment(**changes)
