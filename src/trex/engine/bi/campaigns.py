"""Campaigns: who is reached and who is held out, what it brought, and at which cost (specs/bi.md, CMP)."""

from dataclasses import dataclass

from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict, Field

from trex.engine.bi.deeds import Deed, Measure
from trex.engine.bi.experiments import Effect, Experiment, Reading, read

REACHED, HELD_OUT = "reached", "held out"
"""What becomes of a person of the audience."""
CONVERTED, ACTIONS = "converted", "actions"
"""Measures: whether a person did what is wanted, and how often."""


class Campaign(BaseModel):
    """A campaign of a project: people of an audience are reached but for some; what both do is compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    """Whose."""
    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    """Another name deals people anew."""
    conversion: Deed
    """What people are wanted to do, read from the chain."""
    holdout_percent: int = Field(default=10, ge=1, le=90)
    """Of a hundred people, those who are not reached."""
    window_days: int = Field(default=14, ge=1, le=365)
    """How long after a person was reached, or would have been, their deeds count."""
    spent: float = Field(default=0, ge=0, allow_inf_nan=False)
    """What it cost so far."""
    currency: str = Field(default="USD", min_length=1, max_length=16)
    """Of the cost."""
    planned_lift: float | None = Field(default=None, gt=0, le=1)
    """The difference of shares that it is made to bring. With it, it may be looked at any time."""

    def experiment(self) -> Experiment:
        """Return the experiment that it is (CMP-001)."""
        converted = Measure(
            name=CONVERTED, deed=self.conversion, value="any", planned_effect=self.planned_lift
        )
        return Experiment(
            project=self.project,
            name=self.name,
            variants={REACHED: 100 - self.holdout_percent, HELD_OUT: self.holdout_percent},
            control=HELD_OUT,
            window_days=self.window_days,
            measures=[converted, Measure(name=ACTIONS, deed=self.conversion, value="count")],
        )


@dataclass(frozen=True, slots=True)
class CampaignReading:
    """What came of a campaign so far."""

    reading: Reading
    """Of the experiment that it is."""
    converted: Effect
    """Share of people who did what is wanted: of those held out, of those reached, and the difference."""
    actions: Effect
    """How often a person did it."""
    brought: float
    """People who did it and would not have without it: the difference times those reached (CMP-002)."""
    brought_interval: tuple[float, float]
    """95 % interval of it, for one look at the end."""
    cost_per_action: float | None
    """Cost over all deeds of those reached; None where there are none."""
    cost_per_brought: float | None
    """Cost over the people it brought; None where the interval reaches nobody (CMP-003)."""
    currency: str
    """Of both."""


def outcome(campaign: Campaign, people: Table) -> CampaignReading:
    """Compare who was reached with who was held out.

    Args:
        campaign: what was asked.
        people: as `measured` made it of the campaign's experiment.

    Raises:
        ExperimentError: too few people of either kind have their window behind them.
    """
    found = read(campaign.experiment(), people)
    effects = {effect.measure: effect for effect in found.effects}
    converted, actions = effects[CONVERTED], effects[ACTIONS]
    reached = found.people[REACHED]
    done = actions.treatment * reached
    low, high = (each * reached for each in converted.interval)
    return CampaignReading(
        reading=found,
        converted=converted,
        actions=actions,
        brought=converted.effect * reached,
        brought_interval=(low, high),
        cost_per_action=campaign.spent / done if done > 0 else None,
        cost_per_brought=campaign.spent / (converted.effect * reached) if low > 0 else None,
        currency=campaign.currency,
    )
