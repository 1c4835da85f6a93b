"""Campaigns: what they bring, beside what would have come anyway."""

import random

import ibis
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.engine.bi.facts import NOW, facts
from tests.engine.bi.test_experiments import met

from trex.engine.bi.campaigns import HELD_OUT, REACHED, Campaign, outcome
from trex.engine.bi.experiments import ExperimentError, measured
from trex.engine.lake.features import DAY_S

MINT = {"facts": "calls", "where": {"action": "mint"}}
DROP = Campaign.model_validate(
    {
        "project": "shop",
        "name": "drop",
        "conversion": MINT,
        "holdout_percent": 20,
        "window_days": 5,
        "spent": 300.0,
    }
)


def test_people_are_held_out_by_their_share() -> None:
    """CMP-001, EXP-001."""
    dealt = [DROP.experiment().variant(f"{number}") for number in range(5_000)]
    assert 900 < dealt.count(HELD_OUT) < 1_100
    assert set(dealt) == {REACHED, HELD_OUT}


def test_deeds_on_the_chain_are_conversions() -> None:
    """CMP-001, CMP-002, CMP-003: of ten people each, eight reached minted, two of them twice; two others."""
    start = NOW - 10 * DAY_S
    people = {f"p{number}": (REACHED if number < 10 else HELD_OUT, start) for number in range(20)}
    minted = [("p0", 2), ("p1", 2), *((f"p{number}", 1) for number in range(2, 8)), ("p10", 1), ("p11", 1)]
    calls = [(name, start + 60 * again, "mint") for name, often in minted for again in range(often)]
    calls += [("p12", start + 6 * DAY_S, "mint"), ("p13", start + 1, "swap")]
    found = outcome(DROP, measured(facts(calls, 20), DROP.experiment(), met(people)))
    assert (found.converted.control, found.converted.treatment) == (0.2, 0.8)
    assert found.brought == pytest.approx(6)
    assert found.cost_per_action == pytest.approx(300 / 10)
    low, high = found.brought_interval
    assert 0 < low < 6 < high
    assert found.cost_per_brought == pytest.approx(300 / 6)


def crowd(lift: float, people: int, seed: int) -> ibis.Table:
    """People of whom a tenth convert anyway."""
    dice = random.Random(seed)
    rows = []
    for number in range(people):
        variant = DROP.experiment().variant(f"{seed}/{number}")
        did = float(dice.random() < 0.1 + (lift if variant == REACHED else 0))
        before = {"before_0": 0.0, "before_1": 0.0}
        rows.append({"passport": f"{number}", "variant": variant, "value_0": did, "value_1": did, **before})
    return ibis.memtable(pa.Table.from_pylist(rows))


def test_what_would_have_come_anyway_is_not_brought() -> None:
    """CMP-002, CMP-003: without an effect nobody was brought, and there is no cost per head."""
    nothing = outcome(DROP, crowd(0.0, 4_000, 3))
    assert nothing.brought_interval[0] < 0 < nothing.brought_interval[1]
    assert nothing.cost_per_brought is None
    assert nothing.cost_per_action is not None
    much = outcome(DROP, crowd(0.1, 4_000, 4))
    assert much.brought_interval[0] < 0.1 * much.reading.people[REACHED] < much.brought_interval[1]
    assert much.cost_per_brought is not None


def test_what_makes_no_sense_is_refused() -> None:
    """CMP-004."""
    with pytest.raises(ExperimentError, match="fewer than 10 people"):
        outcome(DROP, crowd(0.0, 20, 1))
    with pytest.raises(ValidationError, match="holdout_percent"):
        Campaign.model_validate(DROP.model_dump() | {"holdout_percent": 0})
    with pytest.raises(ValidationError, match="spent"):
        Campaign.model_validate(DROP.model_dump() | {"spent": -1})
