"""Routes of what a project asks about deeds: cohorts, funnels, experiments, campaigns."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from trex.engine.bi import state
from trex.engine.bi.campaigns import HELD_OUT, REACHED, Campaign, outcome
from trex.engine.bi.cohorts import By, Step, funnel, retention
from trex.engine.bi.deeds import Deed
from trex.engine.bi.experiments import Experiment, measured, power, read
from trex.engine.bi.http.access import Body, Name, TheAsker, TheBi
from trex.engine.bi.http.audiences import find
from trex.engine.bi.lake import View
from trex.engine.bi.service import Bi, read_query
from trex.engine.matching.privacy import shown
from trex.web.errors import Fault, RefusalError

router = APIRouter(prefix="/bi/v1", tags=["studies"])

EXPERIMENT, CAMPAIGN = "experiment", "campaign"
"""Kinds of studies that are kept."""
MOST_MET = 10_000
"""People told of in one request."""


class CohortsBody(Body):
    """Who came back, by cohorts (COH-001, COH-002)."""

    deed: Deed
    by: By = "time"
    period_days: Annotated[int, Field(ge=1, le=366)] = 7
    periods: Annotated[int, Field(ge=1, le=120)] = 8


class FunnelBody(Body):
    """How far people went (COH-003)."""

    steps: Annotated[dict[str, Deed], Field(min_length=2, max_length=20)]
    """Names and deeds, in the order in which they are taken."""
    within_days: Annotated[int, Field(ge=1, le=366)] = 30


class MetBody(Body):
    """Who met an experiment when."""

    met: Annotated[dict[str, int], Field(min_length=1, max_length=MOST_MET)]
    """Passports, and Unix time in seconds; the first time counts."""


class PowerBody(Body):
    """Which effects are to be found."""

    effects: Annotated[list[Annotated[float, Field(gt=0, le=10)]], Field(min_length=1, max_length=16)]
    """Least effects, over the mean."""
    chance: Annotated[float, Field(ge=0.5, le=0.99)] = 0.8
    """That one of that size is found."""


class CampaignBody(Body):
    """A campaign, and the audience that it is for."""

    campaign: Campaign
    audience: Annotated[str, Field(max_length=state.LONGEST_NAME)]


@router.post("/cohorts")
async def cohorts(body: CohortsBody, asker: TheAsker, bi: TheBi) -> list[dict[str, Any]]:
    """Who came back, by cohorts; counts rounded down to tens."""
    return await cohorts_of(bi, asker.project, asker.actor, body)


async def cohorts_of(bi: Bi, project: str, actor: str, body: CohortsBody) -> list[dict[str, Any]]:
    """Compute cohorts as a project is told them (COH-005)."""

    def work(seen: View) -> list[dict[str, Any]]:
        made = retention(
            seen.facts,
            seen.people,
            body.deed,
            period_days=body.period_days,
            periods=body.periods,
            by=body.by,
        )
        return [asdict(each.told()) for each in made]

    found = await bi.study(project, [body.deed.facts, "calls", "badges"], work)
    await bi.note(actor, "cohorts", project)
    return found


@router.post("/funnels")
async def funnels(body: FunnelBody, asker: TheAsker, bi: TheBi) -> list[dict[str, Any]]:
    """How far people went, step by step; counts rounded down to tens."""
    return [asdict(each) for each in await funnel_of(bi, asker.project, asker.actor, body)]


async def funnel_of(bi: Bi, project: str, actor: str, body: FunnelBody) -> list[Step]:
    """Compute a funnel as a project is told it (COH-005)."""
    steps = list(body.steps.items())

    def work(seen: View) -> list[Step]:
        made = funnel(seen.facts, seen.people, steps, within_days=body.within_days)
        return [each.told() for each in made]

    found = await bi.study(project, [deed.facts for _, deed in steps], work)
    await bi.note(actor, "funnel", project)
    return found


async def study_of(bi: Bi, project: str, kind: str, name: str) -> state.StudyRow:
    """Return a study of a project.

    Raises:
        RefusalError: it has none of that name; whether another has does not show (BIA-005).
    """
    async with bi.database.transaction() as tx:
        found = await state.study_of(tx, project, kind, name)
    if found is None:
        raise RefusalError(Fault.NOT_FOUND, f"{project} has no {kind} {name!r}")
    return found


async def keep(
    bi: Bi,
    project: str,
    actor: str,
    kind: str,
    name: str,
    document: Experiment | Campaign,
    audience: str = "",
) -> None:
    """Save a study.

    Raises:
        RefusalError: it is another project's or of another name, or there is no room for it.
    """
    if document.project != project or document.name != name:
        raise RefusalError(
            Fault.FORBIDDEN, f"the document is of {document.project}/{document.name}, not {project}/{name}"
        )
    async with bi.database.transaction() as tx:
        before = await state.study_of(tx, project, kind, name)
        begun = bool(await state.met_by(tx, project, kind, name))
        written = document.model_dump_json()
        if before is not None and begun and not _only_costs(before.document, document):
            raise RefusalError(
                Fault.CONFLICT, f"people met {name!r} already: it stays as it is; another name deals anew"
            )
        if not await state.save_study(tx, project, kind, name, audience, written, bi.now_s):
            raise RefusalError(Fault.CONFLICT, f"{project} keeps {state.MOST_KEPT} studies: that is all")
    await bi.note(actor, f"save {kind}", f"{project}/{name}")


def _only_costs(before: str, now: Experiment | Campaign) -> bool:
    """Nothing differs but what it cost so far."""
    if isinstance(now, Campaign):
        known = Campaign.model_validate_json(before)
        return known == now.model_copy(update={"spent": known.spent, "currency": known.currency})
    return Experiment.model_validate_json(before) == now


@router.get("/experiments")
async def experiments(asker: TheAsker, bi: TheBi) -> list[Experiment]:
    """Your experiments."""
    async with bi.database.transaction() as tx:
        rows = await state.studies_of(tx, asker.project, EXPERIMENT)
    return [Experiment.model_validate_json(row.document) for row in rows]


@router.put("/experiments/{name}")
async def put_experiment(name: Name, body: Experiment, asker: TheAsker, bi: TheBi) -> Experiment:
    """Save an experiment. Once somebody met it, it stays as it is."""
    await keep(bi, asker.project, asker.actor, EXPERIMENT, name, body)
    return body


async def experiment_of(bi: Bi, project: str, name: str) -> Experiment:
    """Return an experiment of a project."""
    return Experiment.model_validate_json((await study_of(bi, project, EXPERIMENT, name)).document)


@router.get("/experiments/{name}/variants/{passport}")
async def variant(
    name: Name, passport: Annotated[str, Field(max_length=80)], asker: TheAsker, bi: TheBi
) -> dict[str, str]:
    """Which variant a person gets: for ever the same, and anyone can compute it (EXP-001)."""
    one = await experiment_of(bi, asker.project, name)
    return {"passport": passport, "variant": one.variant(passport)}


@router.post("/experiments/{name}/met", status_code=204)
async def meet(name: Name, body: MetBody, asker: TheAsker, bi: TheBi) -> None:
    """Tell who met an experiment. How many of them are counted is not told."""
    await experiment_of(bi, asker.project, name)
    met = _read_met(body.met, bi.now_s)
    async with bi.database.transaction() as tx:
        await state.meet(tx, asker.project, EXPERIMENT, name, met)
    await bi.note(asker.actor, "met", f"{asker.project}/{name}")


def _read_met(met: Mapping[str, int], now_s: int) -> dict[str, int]:
    for passport, at in met.items():
        if not (passport.isascii() and passport.isdecimal() and len(passport) <= 78):
            raise RefusalError(Fault.MALFORMED, "met: passports are numbers")
        if not 0 <= at <= now_s:
            raise RefusalError(Fault.MALFORMED, "met: nobody meets it after now")
    return dict(met)


@router.get("/experiments/{name}/reading")
async def reading(name: Name, asker: TheAsker, bi: TheBi) -> dict[str, Any]:
    """What came of an experiment so far, of those who agreed to be counted (EXP-002 to EXP-006)."""
    return await reading_of(bi, asker.project, asker.actor, name)


async def reading_of(bi: Bi, project: str, actor: str, name: str) -> dict[str, Any]:
    """Read an experiment."""
    one = await experiment_of(bi, project, name)
    async with bi.database.transaction() as tx:
        met = await state.met_by(tx, project, EXPERIMENT, name)

    def work(seen: View) -> dict[str, Any]:
        found = read(one, measured(seen.facts, one, seen.meeting(one, met)))
        return asdict(found) | {"is_skewed": found.is_skewed}

    told = await bi.study(project, [measure.deed.facts for measure in one.measures], work)
    await bi.note(actor, "read experiment", f"{project}/{name}")
    return told


@router.post("/experiments/{name}/power")
async def powers(name: Name, body: PowerBody, asker: TheAsker, bi: TheBi) -> list[dict[str, Any]]:
    """How many people it takes to find effects of some sizes, by what people do now (EXP-007)."""
    one = await experiment_of(bi, asker.project, name)

    def work(seen: View) -> list[dict[str, Any]]:
        people = measured(seen.facts, one, seen.before(one))
        return [asdict(row) for row in power(one, people, relative_effects=body.effects, chance=body.chance)]

    return await bi.study(asker.project, [measure.deed.facts for measure in one.measures], work)


@router.get("/campaigns")
async def campaigns(asker: TheAsker, bi: TheBi) -> list[CampaignBody]:
    """Your campaigns."""
    async with bi.database.transaction() as tx:
        rows = await state.studies_of(tx, asker.project, CAMPAIGN)
    return [
        CampaignBody(campaign=Campaign.model_validate_json(row.document), audience=row.audience)
        for row in rows
    ]


@router.put("/campaigns/{name}")
async def put_campaign(name: Name, body: CampaignBody, asker: TheAsker, bi: TheBi) -> CampaignBody:
    """Save a campaign for one of your audiences. Once it was launched only what it cost may change."""
    await save_campaign(bi, asker.project, asker.actor, name, body)
    return body


async def save_campaign(bi: Bi, project: str, actor: str, name: str, body: CampaignBody) -> None:
    """Save a campaign."""
    await find(bi, project, body.audience)
    await keep(bi, project, actor, CAMPAIGN, name, body.campaign, body.audience)


class LaunchBody(Body):
    """Who is reached and who held out, in counts rounded down to tens."""

    reached: int
    held_out: int


@router.post("/campaigns/{name}/launch")
async def launch(name: Name, asker: TheAsker, bi: TheBi) -> LaunchBody:
    """Deal the audience as it is now into those who are reached and those held out (CMP-001).

    Launched again, it takes in who has come to the audience since.
    """
    return await launched(bi, asker.project, asker.actor, name)


async def launched(bi: Bi, project: str, actor: str, name: str) -> LaunchBody:
    """Launch a campaign."""
    row = await study_of(bi, project, CAMPAIGN, name)
    audience = await find(bi, project, row.audience)
    who = await bi.everyone(project, read_query(audience.query))
    async with bi.database.transaction() as tx:
        await state.meet(tx, project, CAMPAIGN, name, {str(one): bi.now_s for one in who})
        met = await state.met_by(tx, project, CAMPAIGN, name)
    await bi.note(actor, "launch", f"{project}/{name}")
    asked = Campaign.model_validate_json(row.document).experiment()
    dealt = [asked.variant(one) for one in met]
    return LaunchBody(reached=shown(dealt.count(REACHED)), held_out=shown(dealt.count(HELD_OUT)))


@router.get("/campaigns/{name}/reached")
async def reached(name: Name, asker: TheAsker, bi: TheBi) -> list[str]:
    """Passports to be reached: of the launches so far, those who still agree to be found."""
    row = await study_of(bi, asker.project, CAMPAIGN, name)
    asked = Campaign.model_validate_json(row.document).experiment()
    async with bi.database.transaction() as tx:
        met = await state.met_by(tx, asker.project, CAMPAIGN, name)
    agreed = await bi.agreeing(asker.project, met)
    await bi.note(asker.actor, "read reached", f"{asker.project}/{name}")
    return sorted((one for one in agreed if asked.variant(one) == REACHED), key=int)


@router.get("/campaigns/{name}/reading")
async def campaign_reading(name: Name, asker: TheAsker, bi: TheBi) -> dict[str, Any]:
    """What a campaign brought beside those held out, read from the chain, and at which cost."""
    return await outcome_of(bi, asker.project, asker.actor, name)


async def outcome_of(bi: Bi, project: str, actor: str, name: str) -> dict[str, Any]:
    """Read a campaign."""
    row = await study_of(bi, project, CAMPAIGN, name)
    one = Campaign.model_validate_json(row.document)
    asked = one.experiment()
    async with bi.database.transaction() as tx:
        met = await state.met_by(tx, project, CAMPAIGN, name)

    def work(seen: View) -> dict[str, Any]:
        found = outcome(one, measured(seen.facts, asked, seen.meeting(asked, met)))
        return asdict(found) | {"is_skewed": found.reading.is_skewed}

    told = await bi.study(project, [one.conversion.facts], work)
    await bi.note(actor, "read campaign", f"{project}/{name}")
    return told
