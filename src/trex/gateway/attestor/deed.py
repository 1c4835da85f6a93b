"""A deed that a member judges before it signs its points (ATT-026)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trex.badges.catalogue import EvidenceClass
from trex.badges.chain.evidence import EvidenceError, read_evidence
from trex.badges.evaluate import FUTURE_S
from trex.gateway.attestor.approvals import Approvals
from trex.gateway.attestor.refusal import Refusal, UndecidedError
from trex.passport.client import PersonaClient
from trex.passport.private_link import read_private_link
from trex.points import ledger
from trex.points.deeds import period_of, period_start_s, source_of
from trex.points.streaks import next_streak
from trex.points.task import Task, TaskError, TaskKind, read_task
from trex.types.decision import Outcome
from trex.types.network_file import keccak256
from trex.validators.reexecute import Opened, Sources, recompute
from trex.validators.zktls.disclosure import read_claim


@dataclass(frozen=True, slots=True)
class ShownDeed:
    """What points of a deed rest on, as the gateway shows it to the members."""

    task: bytes
    """The task's document."""
    passport: int
    """Who did it; of a referral, who was brought."""
    period: int
    """In which it counts (TSK-011)."""
    opened: Opened
    """Evidence, claims and links; an empty document for a streak, of which the ledger tells."""

    def write(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "task": self.task.decode(),
            "passport": self.passport,
            "period": self.period,
            "document": self.opened.document.decode(),
            "claims": [one.write() for one in self.opened.claims],
            "links": [one.write() for one in self.opened.links],
        }


def read_shown_deed(told: Mapping[str, Any]) -> ShownDeed:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        claims = tuple(read_claim(one) for one in told["claims"])
        links = tuple(read_private_link(one) for one in told["links"])
        opened = Opened(told["document"].encode(), b"", claims, links)
        return ShownDeed(told["task"].encode(), int(told["passport"]), int(told["period"]), opened)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not what a deed rests on") from error


async def judge_deed(
    client: PersonaClient,
    sources: Sources,
    approvals: Approvals,
    item: Mapping[str, Any],
    shown: ShownDeed,
    now_s: int,
) -> None:
    """See that a deed was done, under a task that the member's operator approved.

    Args:
        client: of the member's own endpoint.
        sources: of the member's own.
        approvals: of its operator.
        item: members of PointsItem, numbers as decimal text.
        shown: what it rests on.
        now_s: time of the newest block, Unix seconds.

    Raises:
        Refusal: something is otherwise.
        UndecidedError: it cannot be told now, or the task is not approved.
        EndpointError: the endpoint does not answer.
    """
    try:
        task = read_task(shown.task)
    except TaskError as error:
        raise Refusal("task", str(error)) from error
    if not approvals.has(task.document_hash):
        approvals.wait(task.document_hash, {"task": shown.task.decode()})
        raise UndecidedError(f"the member's operator has not approved 0x{task.document_hash.hex()}")
    if (int(item["amount"]), item["kind"]) != (task.points, f"0x{task.kind.ledger_kind.hex()}"):
        raise Refusal("points", f"the task is worth {task.points} as {task.kind.value}")
    await _person(client, task, item, shown)
    season = next((one for one in await ledger.seasons(client) if one.number == int(item["season"])), None)
    moment_s = now_s
    if task.policy is not None:
        moment_s = await _done(client, sources, task, shown, now_s)
    else:
        await _streak(client, task, item, shown, now_s)
    if season is None or not season.start_s - FUTURE_S <= moment_s < season.end_s + FUTURE_S:
        raise Refusal("season", f"season {item['season']} is not that of the deed")
    if not task.is_open(moment_s):
        raise Refusal("task", "it takes no deeds at that time")


async def _person(client: PersonaClient, task: Task, item: Mapping[str, Any], shown: ShownDeed) -> None:
    """TSK-010 to TSK-014: the deed is counted under an account that its person holds, for who earns by it."""
    scope, earner = keccak256(task.person.encode()), int(item["passport"])
    held = [one.canonical for one in await client.nullifiers(shown.passport) if one.scope == scope]
    if not held:
        raise UndecidedError("no account of the task's scope is bound to who did it")
    sources = {f"0x{source_of(task.document_hash, one, shown.period).hex()}" for one in held}
    if item["source"] not in sources:
        raise Refusal("source", "the deed is not of this person, task and period")
    written = {f"0x{one.source.hex()}" for one in await ledger.entries_of(client, earner)}
    if written & sources:
        raise Refusal("source", "it is counted already")  # TSK-013
    if task.kind is not TaskKind.REFERRAL:
        if earner != shown.passport:
            raise Refusal("passport", "another did it")
    elif not 0 < earner < shown.passport or scope not in {
        one.scope for one in await client.nullifiers(earner)
    }:
        raise Refusal("passport", "it cannot have brought this one")


async def _done(client: PersonaClient, sources: Sources, task: Task, shown: ShownDeed, now_s: int) -> int:
    """See that what a task asks is so; return when it was decided."""
    assert task.policy is not None
    try:
        evidence = read_evidence(shown.opened.document)
    except EvidenceError as error:
        raise Refusal("evidence", str(error)) from error
    at_s = evidence.at_s
    if not now_s - OLDEST_S <= at_s <= now_s + FUTURE_S:
        raise Refusal("evidence", f"of {at_s}, it is {now_s} here")
    if shown.period not in {period_of(task.kind, at_s + apart) for apart in (-FUTURE_S, 0, FUTURE_S)}:
        raise Refusal("period", "the deed is of another day")
    since_s = period_start_s(task.kind, shown.period)
    is_public = task.policy.evidence_class is EvidenceClass.PUBLIC
    decision, steps = await recompute(
        client, shown.passport, task.policy, evidence, shown.opened, sources, is_public, since_s
    )
    for step in steps:
        if step.outcome is Outcome.REFUSED:
            raise Refusal(step.code, f"not the same when it is asked again ({step.rule})")
        if step.outcome is Outcome.UNDECIDED:
            raise UndecidedError(step.code)
    if decision.outcome is not Outcome.GRANTED:
        raise Refusal("not_done", f"what the task asks is {decision.outcome}")
    return at_s


OLDEST_S = 86_400
"""What was decided longer ago is to be decided anew (ATT-021)."""


async def _streak(
    client: PersonaClient, task: Task, item: Mapping[str, Any], shown: ShownDeed, now_s: int
) -> None:
    """See in the ledger that a streak's days are there (TSK-015)."""
    scope = keccak256(task.person.encode())
    persons = [one.canonical for one in await client.nullifiers(shown.passport) if one.scope == scope]
    entries = await ledger.entries_of(client, shown.passport)
    if await next_streak(client, task, persons, entries, int(item["season"]), now_s) != shown.period:
        raise Refusal("streak", "its days are not in the ledger, or served already")
