"""The lake as a project may see it: facts, and the people who agreed to be counted by it."""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import pyarrow as pa
from ibis.expr.types import Table

from trex.engine.bi.experiments import Experiment
from trex.engine.lake.consent import Purpose, consented
from trex.engine.lake.features import DAY_S, Facts
from trex.engine.lake.gold import facts_of, newest_s
from trex.engine.lake.lake import Lake


@dataclass(frozen=True, slots=True)
class View:
    """What a project sees."""

    facts: Facts
    """Of everyone, until the moment that is asked about; what is shown is of `people` alone."""
    people: Table
    """Column `passport`: who agreed to be counted by the project (CON-001)."""

    def meeting(self, experiment: Experiment, met: Mapping[str, int]) -> Table:
        """Return who met an experiment, for `measured`: of those named, who may be counted (EXP-002).

        Args:
            experiment: deals variants.
            met: passports, and when each met it first, seconds.
        """
        rows = [
            {"passport": passport, "variant": experiment.variant(passport), "met_s": at}
            for passport, at in met.items()
        ]
        schema = pa.schema([("passport", pa.string()), ("variant", pa.string()), ("met_s", pa.int64())])
        return ibis.memtable(pa.Table.from_pylist(rows, schema=schema)).semi_join(self.people, "passport")

    def before(self, experiment: Experiment) -> Table:
        """Return who may be counted as if they had met an experiment a window ago, to plan one (EXP-007)."""
        met_s = self.facts.as_of_s - experiment.window_days * DAY_S
        return self.people.mutate(variant=ibis.literal(experiment.control), met_s=ibis.literal(met_s))


def view(lake: Lake, project: str, as_of_s: int | None = None) -> View:
    """Open the lake for a project.

    Args:
        lake: read.
        project: whose people are counted.
        as_of_s: the moment asked about, by default that of the newest fact. Consent is always today's.
    """
    session = lake.session()
    if as_of_s is None:
        as_of_s = newest_s(session)
    agreed = consented(session.table("silver_consents"), Purpose.MATCHING, project)
    return View(facts_of(session, as_of_s), session.create_table("agreed", agreed, temp=True))
