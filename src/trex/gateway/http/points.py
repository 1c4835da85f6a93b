"""Routes of points: tasks, deeds, seasons, and the ledger as anyone may read it."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from trex.gateway import dimensions, holdings, rewards, tasks
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import Slug, passport_of
from trex.gateway.http.models import Body, Hash
from trex.gateway.service import Gateway
from trex.points import ledger
from trex.points.explain import explain
from trex.points.ledger import Entry, Season
from trex.points.task import TaskKind
from trex.types.primitives import Hash32

router = APIRouter(prefix="/v1", tags=["points"])

PAGE = 100
"""Most entries in one answer."""
KIND_NAMES = {
    **{kind.ledger_kind: f"task/{kind.value}" for kind in TaskKind},
    ledger.BADGE_KIND: "badge",
}
"""Kinds of entries that have a name."""
Number = Annotated[int, Field(ge=1, lt=2**96)]


class TaskBody(Body):
    """A task."""

    slug: str
    kind: str
    name: str
    description: str
    points: int
    document: Hash
    """Hash of its canonical form (TSK-002)."""
    person: str
    """Whose nullifier counts as a person."""
    text: list[str]
    """What it asks, in words."""


class DeedAsked(Body):
    """What is said about a deed."""

    referrer: Number | None = None
    """Passport that brought yours; of a referral alone."""


class DeedBody(Body):
    """A deed that is on its way to the ledger."""

    job: int
    source: Hash
    """In the ledger (TSK-010)."""
    passport: int
    """Who earns."""
    season: int
    points: int
    """Before caps."""


class SeasonBody(Body):
    """A season."""

    season: int
    start_s: int
    end_s: int
    passport_cap: int
    kinds: dict[str, int]
    """Cap of each kind that counts."""


class SeasonTotal(SeasonBody):
    """A season with what a passport has in it."""

    total: int
    totals: dict[str, int]
    """For each kind."""


class EntryBody(Body):
    """One line of the ledger (PTS-001)."""

    number: int
    season: int
    """0 for badges."""
    amount: int
    """Negative for a reversal."""
    kind: str
    source: Hash
    task: str | None
    """Under which task of this gateway."""
    badge: int | None
    """Of which badge."""
    reverses: int | None
    """Which entry it takes back."""
    reversed_by: int | None
    """Which entry took it back."""
    attestation: int
    """Which attestation stands behind it; 0 where a badge does."""
    recorded_at_s: int


class LedgerBody(Body):
    """Points of a passport with where each is from."""

    passport: int
    total: int
    seasons: list[SeasonTotal]
    entries: list[EntryBody]
    """Newest first."""
    before: int | None
    """Ask for the entries before this number for more; None at the end."""


@router.get("/tasks")
async def listed(gateway: TheGateway) -> list[TaskBody]:
    """Tasks that are worth points."""
    return [
        TaskBody(
            slug=slug,
            kind=task.kind.value,
            name=task.name,
            description=task.description,
            points=task.points,
            document=f"0x{task.document_hash.hex()}",
            person=task.person,
            text=list(explain(task)),
        )
        for slug, task in gateway.tasks.items()
    ]


@router.get("/tasks/{slug}")
async def task(slug: Slug, gateway: TheGateway) -> Response:
    """The document of a task, in its canonical form."""
    return Response(tasks.task_of(gateway, slug).document, media_type="application/json")


@router.post("/tasks/{slug}/deeds", status_code=202, dependencies=[Costly])
async def deed(slug: Slug, body: DeedAsked, session: SignedIn, gateway: TheGateway) -> DeedBody:
    """Have a deed of yours seen and counted; of a referral, say who brought you."""
    passport = await passport_of(session, gateway)
    found = await tasks.perform(gateway, session.key, passport, slug, body.referrer)
    return DeedBody(
        job=found.job,
        source=f"0x{found.source.hex()}",
        passport=found.passport,
        season=found.season,
        points=found.points,
    )


@router.get("/deeds/{source}/private")
async def evidence(source: Hash, session: SignedIn, gateway: TheGateway) -> dict[str, Any]:
    """What a deed of yours rests on."""
    mine = (await passport_of(session, gateway),)
    kept = await tasks.evidence_of(gateway, Hash32(bytes.fromhex(source[2:])), mine)
    document = orjson.loads(kept["document"]) if kept["document"] else None
    return {"task": kept["task"], "document": document}


@router.get("/seasons", dependencies=[Costly])
async def seasons(gateway: TheGateway) -> list[SeasonBody]:
    """Seasons and their caps, as the chain has them."""
    return [SeasonBody(**_terms(one)) for one in await ledger.seasons(gateway.client)]


@router.get("/passports/{number}/points", dependencies=[Costly])
async def points(
    number: Number,
    gateway: TheGateway,
    before: Annotated[int | None, Query(ge=1)] = None,
    most: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> LedgerBody:
    """Points of a passport: sums, seasons, and the ledger's entries with where each is from."""
    return await ledger_body(gateway, number, before, most)


async def ledger_body(gateway: Gateway, number: int, before: int | None, most: int) -> LedgerBody:
    """Read what the ledger says of a passport.

    Raises:
        GatewayError: there is no such passport.
    """
    if await gateway.client.state(number) is None:
        raise GatewayError(Fault.NOT_FOUND, f"there is no passport {number}")
    known = await ledger.seasons(gateway.client)
    every = await ledger.entries_of(gateway.client, number)
    there = [one for one in every if before is None or one.number < before]
    shown = there[-most:][::-1]
    times = await ledger.recorded_s(gateway.client, [one.number for one in shown])
    slugs = await tasks.slugs_of(gateway, [one.source for one in shown])
    taken = ledger.reversed_by(every)
    totals = [await ledger.season_totals(gateway.client, number, one) for one in known]
    return LedgerBody(
        passport=number,
        total=await ledger.total_of(gateway.client, number),
        seasons=[
            SeasonTotal(**_terms(one), total=whole, totals={_name(kind): sum_ for kind, sum_ in each.items()})
            for one, (whole, each) in zip(known, totals, strict=True)
        ],
        entries=[
            _entry(one, moment, slugs.get(one.source), taken)
            for one, moment in zip(shown, times, strict=True)
        ],
        before=shown[-1].number if len(there) > len(shown) else None,
    )


class DimensionBody(Body):
    """One of a persona's five dimensions, with what it is made of (GTW-063)."""

    id: str
    title: str
    points: int
    score: int
    """100 points / (points + 100), rounded down."""
    badges: dict[int, int]
    """What each badge gives, by its number."""
    deeds: int
    """Points of deeds, of all seasons."""


@router.get("/passports/{number}/dimensions", dependencies=[Costly])
async def five(number: Number, gateway: TheGateway) -> list[DimensionBody]:
    """The five dimensions of a passport, each with what it is made of, from the chain and the policies."""
    held = await holdings.badges_of(gateway, number)
    deeds = await ledger.deed_points_of(gateway.client, number)
    shares = dimensions.shares_of(held, gateway.offers)
    return [
        DimensionBody(
            id=one.id,
            title=one.title,
            points=one.points,
            score=one.score,
            badges={token: each[one.id] for token, each in shares.items() if one.id in each},
            deeds=deeds if one.id == "engagement" else 0,
        )
        for one in dimensions.dimensions(held, gateway.offers, deeds)
    ]


class RewardBody(Body):
    """What a passport has in an epoch (PTS-021)."""

    epoch: int
    index: int
    amount: str
    """In the token's smallest unit."""
    token: str
    """ERC-20 contract; zero for ether."""
    proof: list[Hash]
    """With it anyone pays the passport by the contract's `claim`, without this gateway."""
    opens_at_s: int
    claim_until_s: int
    paid: bool


class ClaimJob(Body):
    """A claim that is on its way."""

    job: int


@router.get("/passports/{number}/rewards", dependencies=[Costly])
async def owed(number: Number, gateway: TheGateway) -> list[RewardBody]:
    """Engagement rewards of a passport, each computed anew from the chain when it was first asked for."""
    return [
        RewardBody(
            epoch=one.epoch.number,
            index=one.reward.index,
            amount=str(one.reward.amount),
            token=f"0x{one.epoch.rewards.token.hex()}",
            proof=[f"0x{node.hex()}" for node in one.reward.proof],
            opens_at_s=one.epoch.opens_at_s,
            claim_until_s=one.epoch.rewards.claim_until_s,
            paid=one.is_paid,
        )
        for one in await rewards.owed(gateway, number)
    ]


@router.post("/rewards/{epoch}/claims", status_code=202, dependencies=[Costly])
async def claim(
    epoch: Annotated[int, Field(ge=1, lt=2**63)], session: SignedIn, gateway: TheGateway
) -> ClaimJob:
    """Claim a reward of yours at the gateway's cost; it goes to your passport's payout address."""
    passport = await passport_of(session, gateway)
    return ClaimJob(job=await rewards.claim(gateway, session.key, passport, epoch))


def _terms(one: Season) -> dict[str, Any]:
    return {
        "season": one.number,
        "start_s": one.start_s,
        "end_s": one.end_s,
        "passport_cap": one.passport_cap,
        "kinds": {_name(kind): cap for kind, cap in one.kind_caps.items()},
    }


def _entry(one: Entry, recorded_s: int, slug: str | None, taken: dict[int, int]) -> EntryBody:
    named, is_reversal = int.from_bytes(one.source), one.amount < 0
    return EntryBody(
        number=one.number,
        season=one.season,
        amount=one.amount,
        kind=_name(one.kind),
        source=f"0x{one.source.hex()}",
        task=slug,
        badge=named if one.kind == ledger.BADGE_KIND and not is_reversal else None,
        reverses=named if is_reversal else None,
        reversed_by=taken.get(one.number),
        attestation=one.attestation,
        recorded_at_s=recorded_s,
    )


def _name(kind: Hash32) -> str:
    return KIND_NAMES.get(kind, f"0x{kind.hex()}")
