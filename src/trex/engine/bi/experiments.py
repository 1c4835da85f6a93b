"""Experiments: who gets which variant, what came of it, how many people it takes (specs/bi.md, EXP).

Statistics are tea-tasting's. Its reading is for one look at the end; the one that may be looked at any
time is the normal mixture's (Johari et al., "Always Valid Inference", 2022), over the same means and errors.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import tea_tasting as tt
from ibis import _
from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tea_tasting.metrics.mean import MeanResult

from trex.engine.bi.deeds import Deed, Measure, done
from trex.engine.lake.features import DAY_S, Facts
from trex.engine.matching.privacy import LEAST, shown

SKEWED = 0.001
"""A sample ratio less likely than this is no accident (EXP-005)."""
_Z = 1.959963984540054
"""Normal quantile of two-sided 95 %."""
_WHOLE = 1 << 64


class ExperimentError(Exception):
    """An experiment cannot be read as it stands."""


class Experiment(BaseModel):
    """An experiment of a project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    """Whose."""
    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    """Another name deals people anew."""
    variants: dict[str, int] = Field(min_length=2, max_length=16)
    """Variants and their shares of people, as whole numbers."""
    control: str
    """The variant that the others are compared with."""
    window_days: int = Field(default=7, ge=1, le=365)
    """How long after a person met it deeds count, and how long before it those they are compared with."""
    measures: list[Measure] = Field(min_length=1, max_length=32)
    """What is compared."""

    @model_validator(mode="after")
    def _whole(self) -> "Experiment":
        if self.control not in self.variants:
            raise ValueError(f"control {self.control!r} is no variant; there are {', '.join(self.variants)}")
        if bad := [name for name, share in self.variants.items() if not 0 < share <= 1_000_000]:
            raise ValueError(f"the share of {bad[0]!r} is not 1 to 1,000,000")
        names = [measure.name for measure in self.measures]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two measures are named {min(twice)!r}")
        return self

    def variant(self, passport: str) -> str:
        """Which variant a person gets: always the same (EXP-001)."""
        text = f"trex experiment\n{self.project}\n{self.name}\n{passport}".encode()
        place = int.from_bytes(hashlib.sha256(text).digest()[:8]) * sum(self.variants.values()) // _WHOLE
        for name, share in self.variants.items():
            if place < share:
                return name
            place -= share
        raise AssertionError("shares add up to what the place is drawn from")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a variant did to a measure."""

    measure: str
    variant: str
    control: float
    """Mean of the control."""
    treatment: float
    """Mean of the variant; like the effect adjusted for what people did before."""
    effect: float
    """Difference of the means."""
    interval: tuple[float, float]
    """95 % interval of the effect, for one look at the end."""
    relative: float | None
    """Effect over the control's mean; None where that is 0."""
    p_value: float
    """For one look at the end."""
    any_time: tuple[float, float] | None
    """95 % interval of the effect that holds however often it is looked at; None without a planned effect."""
    any_time_p: float | None
    """The same for the p-value."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of an experiment so far."""

    people: Mapping[str, int]
    """Of each variant, whose windows are over; as a project is told (PRV-001)."""
    ratio_p: float
    """How likely shares as far off as these are; the least of all variants beside the control."""
    effects: list[Effect]
    """Of every measure and variant beside the control."""

    @property
    def is_skewed(self) -> bool:
        """Variants do not have the shares they should: nothing below it is to be believed (EXP-005)."""
        return self.ratio_p < SKEWED


def measured(facts: Facts, experiment: Experiment, met: Table) -> Table:
    """Every measure of everyone whose window is over (EXP-002, EXP-003).

    Args:
        facts: what people did, until when.
        experiment: what is asked.
        met: passport, variant, met_s: when a person first met the experiment; once each.

    Returns:
        passport, variant, and per measure its number, `value_N`, and that of the window before, `before_N`.
    """
    span = experiment.window_days * DAY_S
    ripe = met.filter(_.met_s + span <= facts.as_of_s)
    found = ripe.select("passport", "variant")
    for number, measure in enumerate(experiment.measures):
        deeds = _of(facts, measure.deed, ripe)
        since = deeds.time_s - deeds.met_s
        after, before = (since >= 0) & (since < span), (since < 0) & (since >= -span)
        by = deeds.mutate(inside=after, outside=before, day=(since // DAY_S).cast("int64")).filter(
            _.inside | _.outside
        )
        totals = by.group_by("passport").agg(
            **{
                f"value_{number}": _total(by, measure, by.inside),
                f"before_{number}": _total(by, measure, by.outside),
            }
        )
        columns = [f"value_{number}", f"before_{number}"]
        found = found.left_join(totals, "passport").select(
            *found.columns, **{name: ibis.coalesce(totals[name], 0.0) for name in columns}
        )
    return found


def _of(facts: Facts, deed: Deed, met: Table) -> Table:
    return done(facts, deed).inner_join(met.select("passport", "met_s"), "passport")


def _total(rows: Table, measure: Measure, inside: Any) -> Any:
    if measure.value == "sum":
        total = ibis.ifelse(inside, rows.amount, 0.0).sum()
    elif measure.value == "days":
        total = ibis.ifelse(inside, rows.day, None).nunique()
    else:
        total = ibis.ifelse(inside, 1, 0).sum()
        if measure.value == "any":
            total = ibis.ifelse(total > 0, 1, 0)
    return total.cast("float64")


def read(experiment: Experiment, people: Table) -> Reading:
    """Compare the variants with the control.

    Args:
        experiment: what was asked.
        people: as `measured` made it.

    Raises:
        ExperimentError: a variant has too few people yet to be told of (PRV-001).
    """
    counted = people.group_by("variant").agg(people=people.count()).to_pyarrow().to_pylist()
    counts = dict.fromkeys(experiment.variants, 0) | {row["variant"]: row["people"] for row in counted}
    if few := [name for name, count in counts.items() if not shown(count)]:
        over = f"people whose {experiment.window_days} days are over"
        raise ExperimentError(f"variant {few[0]!r} has fewer than {LEAST} {over}")
    metrics: dict[str, Any] = {"ratio": tt.SampleRatio(dict(experiment.variants))}
    varied = _varied(people, len(experiment.measures))
    for number in range(len(experiment.measures)):
        covariate = f"before_{number}" if varied[f"before_{number}"] else None
        metrics[f"{number}"] = tt.Mean(f"value_{number}", covariate)
        # The same with the normal's quantiles, whose interval tells the error of the effect.
        metrics[f"{number} z"] = tt.Mean(f"value_{number}", covariate, use_t=False)
    effects, ratios = [], []
    every = tt.Experiment(metrics, variant="variant").analyze(people, experiment.control, all_variants=True)
    for (_control, variant), results in every.items():
        ratios.append(float(results["ratio"].pvalue))
        for number, measure in enumerate(experiment.measures):
            effects.append(_effect(measure, str(variant), results[f"{number}"], results[f"{number} z"]))
    return Reading({name: shown(count) for name, count in counts.items()}, min(ratios), effects)


def _varied(people: Table, measures: int) -> Mapping[str, bool]:
    """Which columns of the time before differ at all: what is the same of everyone explains nothing."""
    columns = [f"before_{number}" for number in range(measures)]
    asked = {name: people[name].max() > people[name].min() for name in columns}
    return dict(people.agg(**asked).to_pyarrow().to_pylist()[0])


def _effect(measure: Measure, variant: str, t: MeanResult, z: MeanResult) -> Effect:
    low, high, effect = (
        float(each) for each in (t.effect_size_ci_lower, t.effect_size_ci_upper, t.effect_size)
    )
    error = float(z.effect_size_ci_upper - z.effect_size_ci_lower) / (2 * _Z)
    any_time, any_time_p = None, None
    if measure.planned_effect is not None and error > 0:
        half, any_time_p = always_valid(effect, error, measure.planned_effect)
        any_time = (effect - half, effect + half)
    return Effect(
        measure=measure.name,
        variant=variant,
        control=float(t.control),
        treatment=float(t.treatment),
        effect=effect,
        interval=(low, high),
        relative=float(t.rel_effect_size) if t.control else None,
        p_value=float(t.pvalue) if error > 0 else 1.0,
        any_time=any_time,
        any_time_p=any_time_p,
    )


def always_valid(effect: float, error: float, planned: float, alpha: float = 0.05) -> tuple[float, float]:
    """Half the width of the interval, and the p-value, that hold at every look (EXP-006).

    The likelihood of the effect, averaged over a normal prior of standard deviation `planned`, beside that
    of no effect is a martingale if there is none; it passes `1 / alpha` at any time with a probability of at
    most `alpha` (Ville).

    Args:
        effect: difference of means.
        error: its standard error, more than 0.
        planned: the effect that the experiment is made to find, more than 0.
        alpha: how often such an interval may miss.
    """
    seen, prior = error**2, planned**2
    both = seen + prior
    half = math.sqrt(seen * both / prior * (math.log(both / seen) - 2 * math.log(alpha)))
    odds = 0.5 * math.log(both / seen) - prior * effect**2 / (2 * seen * both)
    return half, math.exp(min(0.0, odds))


@dataclass(frozen=True, slots=True)
class Power:
    """How many people an experiment takes."""

    measure: str
    mean: float
    """Of the window before, of everyone."""
    relative_effect: float
    """Least effect that is found, over the mean."""
    people: int
    """In control and one variant together."""


def power(
    experiment: Experiment, people: Table, *, relative_effects: list[float], chance: float = 0.8
) -> list[Power]:
    """Return how many people it takes to find effects of some sizes, by what people do without it (EXP-007).

    Args:
        experiment: shares of the control and of the smallest variant, and measures.
        people: as `measured` made it: its `before` columns are what is planned by.
        relative_effects: least effects to find, over the mean.
        chance: that one of that size is found.

    Raises:
        ExperimentError: of a measure there is nothing to plan by.
    """
    shares = experiment.variants
    ratio = (
        min(share for name, share in shares.items() if name != experiment.control)
        / shares[experiment.control]
    )
    found = []
    varied = _varied(people, len(experiment.measures))
    for number, measure in enumerate(experiment.measures):
        column = f"before_{number}"
        if not varied[column]:
            raise ExperimentError(
                f"{measure.name}: nobody differs in it yet, so nothing can be planned by it"
            )
        # By the normal: solving by Student's t overflows for a few thousand people.
        asked = tt.Mean(column, rel_effect_size=relative_effects, ratio=ratio, power=chance, use_t=False)
        mean = float(people[column].mean().to_pyarrow().as_py())
        for row in asked.solve_power(people, "n_obs"):
            found.append(Power(measure.name, mean, float(row.rel_effect_size), math.ceil(row.n_obs)))
    return found
