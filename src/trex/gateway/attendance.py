"""Codes of events: used up for a passport, and what policies ask about them (GTW-100, GTW-101)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.gateway import publishing
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import attendances
from trex.passport.keys import Key
from trex.types.decision import Outcome
from trex.types.evm import SignatureError, read_address
from trex.types.primitives import Address, Hash32
from trex.validators.ecosystem.codes import (
    CodeError,
    CodeKind,
    EventCode,
    event_id,
    judge_code,
    read_code,
)
from trex.web import audit

VALIDATOR = "event.attended"
"""The check that codes answer (POL-033)."""


@dataclass(frozen=True, slots=True)
class Attendance:
    """A code that a passport has used up."""

    event: str
    """Name of the event, as a policy has it; empty if no policy here names it any longer."""
    kind: CodeKind
    """Where the code was for."""
    organiser: Address
    """Who signed it."""
    at_s: int
    """When it was redeemed, Unix time in seconds."""


async def redeem(gateway: Gateway, signer: Key, passport: int, text: str) -> Attendance:
    """Use a code up for a passport; the same code of the same passport again is no fault (ECO-003).

    Raises:
        GatewayError: it is no code, of an event that no policy here names, not the organiser's, not of
            now, used up by another passport; or the passport has redeemed one of the kind already.
    """
    try:
        code = read_code(text)
    except CodeError as error:
        raise GatewayError(Fault.MALFORMED, str(error)) from error
    if not (asking := _asking(gateway, code.event)):
        await publishing.load(gateway)  # another process over the same database may have taken the policy
        asking = _asking(gateway, code.event)
    if not asking:
        raise GatewayError(Fault.NOT_FOUND, "no badge here is for that event")
    organisers = {one for check in asking for one in _organisers(check)}
    try:
        organiser = code.signer()
    except SignatureError as error:
        raise GatewayError(Fault.BAD_SIGNATURE, str(error)) from error
    row = {"code": code.key(), "organiser": organiser, "event": code.event, "kind": int(code.kind)}
    row |= {"passport": passport, "at_s": gateway.now_s}
    async with gateway.database.transaction() as tx:
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        await tx.execute(dialect.insert(attendances).values(row).on_conflict_do_nothing())
        there = (attendances.c.code == code.key(), attendances.c.organiser == organiser)
        kept = (await tx.execute(select(attendances).where(*there))).one_or_none()
        if kept is None:  # this code is not what was in the way
            raise GatewayError(Fault.CONFLICT, "this passport has redeemed a code of this event already")
        _judge(code, organisers, used=kept.passport != passport, now_s=int(kept.at_s))
        subject = f"passport {passport} 0x{code.event.hex()}"
        await audit.record(tx, gateway.now_s, key_name(signer), "redeem", subject, code.kind.place)
    return Attendance(asking[0].parameters["event"], code.kind, organiser, int(kept.at_s))


def _judge(code: EventCode, organisers: Collection[Address], *, used: bool, now_s: int) -> None:
    """ECO-001 to ECO-003; what is refused is not used up: its transaction is taken back."""
    decision = judge_code(code, code.event, organisers, used=used, now_s=now_s)
    for reason in decision.reasons:
        if reason.outcome is not Outcome.GRANTED:
            fault = Fault.CONFLICT if reason.code == "used" else Fault.REFUSED
            raise GatewayError(fault, f"{reason.rule} {reason.code}: {reason.message}")


async def of(gateway: Gateway, passport: int) -> list[Attendance]:
    """Return what a passport has redeemed, oldest first."""
    names = {_id_of(check): check.parameters["event"] for check in _checks(gateway)}
    return [
        Attendance(
            names.get(Hash32(bytes(row.event)), ""),
            CodeKind(row.kind),
            Address(bytes(row.organiser)),
            int(row.at_s),
        )
        for row in await _rows(gateway, passport)
    ]


async def observations_of(
    gateway: Gateway, passport: int, checks: Collection[CheckCondition]
) -> dict[Hash32, Observation]:
    """Answer the `event.attended` checks of a policy; a code that was not redeemed is not known, never no."""
    mine = [one for one in checks if one.validator == VALIDATOR]
    rows = await _rows(gateway, passport) if mine else []
    found = {}
    for check in mine:
        event, organisers, place = _id_of(check), _organisers(check), check.parameters.get("place")
        fits = (
            row
            for row in rows
            if bytes(row.event) == event
            and Address(bytes(row.organiser)) in organisers
            and place in (None, CodeKind(row.kind).place)
        )
        first = next(fits, None)
        if first is None:
            reason = "no code of this event was redeemed"
            found[check.key] = Observation(None, gateway.now_s, "event code", reason)
            continue
        source = f"event code by 0x{bytes(first.organiser).hex()}"
        reason = f"a code was redeemed, {CodeKind(first.kind).place}"
        found[check.key] = Observation(True, int(first.at_s), source, reason)
    return found


async def _rows(gateway: Gateway, passport: int) -> list[Any]:
    mine = select(attendances).where(attendances.c.passport == passport)
    asked = mine.order_by(attendances.c.at_s, attendances.c.code)
    async with gateway.database.transaction() as tx:
        return list((await tx.execute(asked)).all())


def _checks(gateway: Gateway) -> Iterator[CheckCondition]:
    """Every check about an event that a policy or task here asks."""
    tasks = (task.policy for task in gateway.tasks.values() if task.policy)
    for policy in (*(offer.policy for offer in gateway.offers.values()), *tasks):
        yield from (check for check in policy.checks() if check.validator == VALIDATOR)


def _asking(gateway: Gateway, event: Hash32) -> list[CheckCondition]:
    return [check for check in _checks(gateway) if _id_of(check) == event]


def _id_of(check: CheckCondition) -> Hash32:
    return event_id(check.parameters["chain"], check.parameters["event"])


def _organisers(check: CheckCondition) -> frozenset[Address]:
    return frozenset(map(read_address, check.parameters["organisers"]))
