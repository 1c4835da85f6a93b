"""Deeds under tasks: seen, counted once, on their way to the ledger (TSK-010 to TSK-018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trex.gateway import outbox, people
from trex.gateway.attestations import PointsItem
from trex.gateway.calls import payload_of
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.evaluation import evaluate_for
from trex.gateway.nullify import ask_first, nullifier_of
from trex.gateway.outbox import JobKind, JobState
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import deeds, jobs
from trex.passport.keys import Key, KeyKind
from trex.points import ledger
from trex.points.deeds import (
    period_of,
    period_start_s,
    source_of,
)
from trex.points.ledger import Entry
from trex.points.streaks import next_streak
from trex.points.task import WALLET, Task, TaskKind
from trex.types.decision import Outcome
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.web import audit


@dataclass(frozen=True, slots=True)
class Deed:
    """A deed that is on its way to the ledger."""

    job: int
    """Number of its job."""
    source: Hash32
    """In the ledger."""
    passport: int
    """Who earns."""
    season: int
    """In which it counts."""
    points: int
    """Before caps."""


def task_of(gateway: Gateway, slug: str) -> Task:
    """Return a task.

    Raises:
        GatewayError: there is none of that name.
    """
    task = gateway.tasks.get(slug)
    if task is None:
        raise GatewayError(Fault.NOT_FOUND, "no such task: GET /v1/tasks lists them")
    return task


async def perform(
    gateway: Gateway, signer: Key, passport: int, slug: str, referrer: int | None = None
) -> Deed:
    """See whether a passport has done a task, and if so queue the deed for the ledger.

    Args:
        gateway: which one.
        signer: who asks.
        passport: who did it; of a referral, who was brought.
        slug: name of the task.
        referrer: passport that brought this one, of a referral alone.

    Raises:
        GatewayError: it is not done, was counted already, or cannot be counted now.
    """
    task = task_of(gateway, slug)
    _, now = await gateway.client.latest()  # TSK-011
    if not task.is_open(now):
        raise GatewayError(Fault.CONFLICT, f"{slug} takes no deeds at this time")  # TSK-007
    season = ledger.season_at(await ledger.seasons(gateway.client), now)
    if season is None:
        raise GatewayError(Fault.CONFLICT, "no season is open: points are counted in seasons")  # TSK-017
    persons, wallet = await _persons(gateway, passport, task)
    earner = passport
    if task.kind is TaskKind.REFERRAL:
        earner = await _referrer(gateway, passport, referrer, task)
    elif referrer is not None:
        raise GatewayError(Fault.MALFORMED, f"{slug} is no referral: nobody is named in it")
    entries = await ledger.entries_of(gateway.client, earner)
    if task.kind is TaskKind.STREAK:
        period = await _streak(gateway, task, persons, entries, season.number, now)
    else:
        period = period_of(task.kind, now)
    written = {entry.source for entry in entries}
    if any(source_of(task.document_hash, one, period) in written for one in persons):
        raise GatewayError(Fault.CONFLICT, f"{slug} is counted already")  # TSK-013
    document = await _require_done(gateway, passport, task, period)
    source = source_of(task.document_hash, persons[0], period)
    item = PointsItem(earner, season.number, task.points, task.kind.ledger_kind, source)
    others = [source_of(task.document_hash, one, period) for one in persons]
    job = await _queue(gateway, signer, passport, slug, item, others, wallet, document, period)
    gateway.relayer.wake()
    return Deed(job, source, earner, season.number, task.points)


async def _persons(gateway: Gateway, passport: int, task: Task) -> tuple[list[Hash32], Key | None]:
    """Nullifiers that stand for a passport's person, the one that counts first (TSK-012).

    The wallet comes with them when its nullifier is not on the chain yet: it is bound before the deed.

    Raises:
        GatewayError: it has none of the task's scope.
    """
    scope = keccak256(task.person.encode())
    held = [one.canonical for one in await gateway.client.nullifiers(passport) if one.scope == scope]
    if held:
        return held, None
    if task.person != WALLET:
        platform = task.person.removeprefix("account/")
        raise GatewayError(Fault.REFUSED, f"link an account at {platform} first: persons are counted by it")
    for one in await gateway.client.keys(passport):
        if one.key.kind is KeyKind.PASSKEY:
            continue
        account = people.account_of_key(one.key)
        await ask_first(gateway.key_holder, (account.platform, account.id, account.scope))
        async with gateway.database.transaction() as tx:
            nullifier = await nullifier_of(
                tx, gateway.key_holder, gateway.sealer, account.platform, account.id, account.scope
            )
        if await gateway.client.holder_of(nullifier) == 0:
            return [nullifier], one.key
    raise GatewayError(Fault.REFUSED, "this passport has no wallet that is not another's still")


async def _referrer(gateway: Gateway, passport: int, referrer: int | None, task: Task) -> int:
    """See who brought a person (TSK-014).

    Raises:
        GatewayError: nobody is named, or one who cannot have.
    """
    if referrer is None:
        raise GatewayError(Fault.MALFORMED, "referrer: the number of the passport that brought you")
    if not 0 < referrer < passport:
        raise GatewayError(Fault.REFUSED, "only an older passport can have brought this one")
    scope = keccak256(task.person.encode())
    if scope not in {one.scope for one in await gateway.client.nullifiers(referrer)}:
        raise GatewayError(Fault.REFUSED, f"passport {referrer} has shown no {task.person} itself")
    return referrer


async def _streak(
    gateway: Gateway, task: Task, persons: Sequence[Hash32], entries: list[Entry], season: int, now_s: int
) -> int:
    """Return the period of a streak that can be counted now (TSK-015).

    Raises:
        GatewayError: the days are not there, or served already.
    """
    found = await next_streak(gateway.client, task, persons, entries, season, now_s)
    if found is None:
        days = task.streak.days if task.streak else 0
        raise GatewayError(
            Fault.REFUSED, f"{days} days in a row that no streak has counted are not in the ledger"
        )
    return found


async def _require_done(gateway: Gateway, passport: int, task: Task, period: int) -> bytes:
    """Evaluate what a task asks and return the evidence; empty for a streak, of which the ledger tells.

    Raises:
        GatewayError: it is not met, or not known (TSK-018).
    """
    if task.policy is None:
        return b""
    found = await evaluate_for(gateway, passport, task.policy, since_s=period_start_s(task.kind, period))
    if found.decision.outcome is not Outcome.GRANTED:
        fault = Fault.REFUSED if found.decision.outcome is Outcome.REFUSED else Fault.UNDECIDED
        reason = found.decision.levels[0].finding.reason
        raise GatewayError(fault, f"not done: {reason.message}")
    return found.evidence.write(task.policy)


async def _queue(
    gateway: Gateway,
    signer: Key,
    passport: int,
    slug: str,
    item: PointsItem,
    others: Sequence[Hash32],
    wallet: Key | None,
    document: bytes,
    period: int,
) -> int:
    """Queue a deed behind the binding that it needs, with what it rests on; return its job."""
    _, chain_now = await gateway.client.latest()
    epoch = await gateway.client.key_epoch()
    kept = {"document": document.decode(), "task": slug, "period": period}
    async with gateway.database.transaction() as tx:
        under_way = select(deeds.c.source).join(jobs, jobs.c.number == deeds.c.job)
        under_way = under_way.where(deeds.c.source.in_(others), jobs.c.state != JobState.FAILED.value)
        if (await tx.execute(under_way.limit(1))).one_or_none() is not None:
            raise GatewayError(Fault.CONFLICT, f"{slug} is counted already, or on its way")  # TSK-013
        await outbox.spend(tx, f"deed {signer.id.hex()}", gateway.settings.acts_a_day, gateway.now_s)
        after: int | None = None
        if wallet is not None:
            account = people.account_of_key(wallet)
            _, after = await people.bind(
                tx, gateway, passport, account, signer.id, attested_s=chain_now, epoch=epoch
            )
        job = await outbox.enqueue(
            tx,
            JobKind.POINTS,
            payload_of(item),
            passport=item.passport,
            owner=signer.id,
            now_s=gateway.now_s,
            after=after,
        )
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        row = {
            "passport": passport,
            "task": slug,
            "job": job,
            "sealed": gateway.sealer.seal(orjson.dumps(kept), "deed"),
            "at_s": gateway.now_s,
        }
        told = dialect.insert(deeds).values(source=item.source, **row)
        await tx.execute(told.on_conflict_do_update(index_elements=["source"], set_=row))
        brought = "" if passport == item.passport else f" brought {passport}"
        subject = f"passport {item.passport} {slug}{brought}"
        await audit.record(tx, gateway.now_s, key_name(signer), "deed", subject, f"job {job}")
    return job


async def kept_deed(gateway: Gateway, source: Hash32) -> tuple[int, dict[str, Any]]:
    """Return who did a deed, and what it rests on as it is kept here.

    Raises:
        GatewayError: it is not kept here.
    """
    async with gateway.database.transaction() as tx:
        row = (await tx.execute(select(deeds).where(deeds.c.source == source))).one_or_none()
    if row is None:
        raise GatewayError(Fault.NOT_FOUND, "no such deed of yours")
    kept = orjson.loads(gateway.sealer.open(bytes(row.sealed), "deed"))
    assert isinstance(kept, dict)
    return int(row.passport), kept


async def evidence_of(gateway: Gateway, source: Hash32, passports: tuple[int, ...]) -> dict[str, Any]:
    """Return what a deed rests on, to who did it.

    Raises:
        GatewayError: it is not kept here, or not for who asks.
    """
    passport, kept = await kept_deed(gateway, source)
    if passport not in passports:
        raise GatewayError(Fault.NOT_FOUND, "no such deed of yours")
    return kept


async def slugs_of(gateway: Gateway, sources: Sequence[Hash32]) -> dict[Hash32, str]:
    """Which tasks deeds were done under, as far as they were done here."""
    asked = select(deeds.c.source, deeds.c.task).where(deeds.c.source.in_(sources))
    async with gateway.database.transaction() as tx:
        return {Hash32(bytes(row.source)): str(row.task) for row in await tx.execute(asked)}
