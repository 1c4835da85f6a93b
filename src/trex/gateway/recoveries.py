"""Recovery of passports: guardians' signatures are collected and sent together (GTW-070)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trex.gateway.acts import sponsor
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import approvals, recoveries
from trex.passport import acts
from trex.passport import contracts as abi
from trex.passport.acts import Act
from trex.passport.client import PassportState
from trex.passport.keys import Key, KeyKind, Role
from trex.passport.proofs import Proof
from trex.types.primitives import Address, Hash32
from trex.web import audit

SIGNED_S = 7 * 86_400
"""How long guardians' signatures count: people have to be found."""
PAGE = 20
"""Asks that are listed at once."""
ZERO = Hash32(bytes(32))


class Purpose(IntEnum):
    """What guardians approve (PAS-027), as the contract numbers it."""

    OPEN = 1
    """Open a recovery for a new key."""
    CONFIRM = 2
    """Confirm one that was stopped by a veto."""
    WITHDRAW = 3
    """Withdraw one."""
    VETO_GUARDIANS = 4
    """Stop a change of guardians."""


class Subject(IntEnum):
    """What waits for its time on a passport, as the contract numbers it."""

    REMOVAL = 1
    GUARDIANS = 2
    RECOVERY = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that guardians are asked to approve."""

    number: int
    """Counted from 1."""
    passport: int
    """Of which passport."""
    purpose: Purpose
    """What."""
    round: int
    """What the approvals sign; another one makes them worthless."""
    new_key: Key | None
    """That will act alone; None for a veto."""
    deadline_s: int
    """Last second of the approvals, Unix time."""
    approved: int
    """Approvals that are here."""
    needed: int
    """Approvals that it takes now."""
    job: int | None
    """Under which it went to the chain; None while approvals are missing."""


async def _state(gateway: Gateway, passport: int) -> PassportState:
    state = await gateway.client.state(passport)
    if state is None:
        raise GatewayError(Fault.NOT_FOUND, f"there is no passport {passport}")
    return state


async def entry(gateway: Gateway, passport: int, key: Key) -> Act:
    """What a new key signs to come in (PAS-005)."""
    _, now = await gateway.client.latest()
    nonce = await gateway.client.key_nonce(key)
    domain = gateway.settings.contracts.passport_domain
    return acts.enter(domain, passport, key.id, Role.ACTING, nonce, now + SIGNED_S)


async def ask(gateway: Gateway, who: Key, passport: int, purpose: Purpose, proof: Proof | None) -> Asked:
    """Ask the guardians of a passport; who asks the same again is told of what stands.

    Args:
        gateway: where.
        who: is signed in: the new key itself, or a guardian.
        passport: of which passport.
        purpose: what for.
        proof: the new key's, to open a recovery.

    Raises:
        GatewayError: there is nothing to approve, or it is not theirs to ask.
    """
    state = await _state(gateway, passport)
    if not state.guardian_ids:
        raise GatewayError(Fault.CONFLICT, f"passport {passport} has no guardians")
    _, now = await gateway.client.latest()
    new_key: Key | None = None
    deadline = now + SIGNED_S
    if purpose is Purpose.OPEN:
        if proof is None:
            raise GatewayError(Fault.MALFORMED, "the new key signs that it comes in: prepare it first")
        deadline = proof.deadline_s
        nonce = await gateway.client.key_nonce(who)
        domain = gateway.settings.contracts.passport_domain
        act = acts.enter(domain, passport, who.id, Role.ACTING, nonce, deadline)
        if not now < deadline <= now + SIGNED_S or not await gateway.client.has_signed(
            who, act.message.digest(), act.statement, proof
        ):
            raise GatewayError(Fault.BAD_SIGNATURE, "not signed by the key that is signed in")
        new_key = who
    elif who.id not in state.guardian_ids:
        raise GatewayError(Fault.FORBIDDEN, "for guardians of this passport")
    elif purpose is Purpose.VETO_GUARDIANS:
        if not state.guardians_ready_at_s:
            raise GatewayError(Fault.CONFLICT, "no change of guardians is under way")
    elif state.recovery_key_id is None:
        raise GatewayError(Fault.CONFLICT, "no recovery is open")
    else:
        new_key = await new_key_of(gateway, passport, state.recovery_key_id)
        if new_key is None:
            raise GatewayError(Fault.NOT_FOUND, "that recovery was not opened here")
    same = {
        "passport": passport,
        "purpose": int(purpose),
        "round": state.round,
        "new_key": _key_json(new_key) if new_key else "",
    }
    async with gateway.database.transaction() as tx:
        stands = select(recoveries.c.number).filter_by(**same, job=None)
        stands = stands.where(recoveries.c.deadline_s > now + SIGNED_S // 2).limit(1)
        number = (await tx.execute(stands)).scalar_one_or_none()
        if number is None:
            row = insert(recoveries).values(
                **same, proof=_proof_json(proof) if proof else "", deadline_s=deadline
            )
            number = (await tx.execute(row.returning(recoveries.c.number))).scalar_one()
            what, subject = f"recovery-{purpose.name.lower()}", f"passport {passport}"
            await audit.record(tx, gateway.now_s, key_name(who), what, subject, f"asked {number}")
    return await find(gateway, int(number))


async def new_key_of(gateway: Gateway, passport: int, key_id: Hash32) -> Key | None:
    """The new key of a recovery that was asked for here; None if it was not."""
    asked = select(recoveries.c.new_key).where(recoveries.c.passport == passport, recoveries.c.new_key != "")
    async with gateway.database.transaction() as tx:
        rows = (await tx.execute(asked)).scalars().all()
    return next((key for key in map(_key_of, rows) if key.id == key_id), None)


async def find(gateway: Gateway, number: int) -> Asked:
    """Return what was asked.

    Raises:
        GatewayError: there is nothing of that number.
    """
    async with gateway.database.transaction() as tx:
        row = (await tx.execute(select(recoveries).where(recoveries.c.number == number))).one_or_none()
    if row is None:
        raise GatewayError(Fault.NOT_FOUND, f"nothing was asked under {number}")
    return await _asked(gateway, row)


async def open_of(gateway: Gateway, passport: int, page: int = 0, key: Key | None = None) -> list[Asked]:
    """What guardians of a passport can still approve, or have approved in this round (GTW-071).

    Anybody may ask, so what guardians approved comes first, then what was asked first: asking more pushes
    nothing out of sight.

    Args:
        gateway: where.
        passport: whose.
        page: from 0, of `PAGE` each.
        key: the new key, as the person told it; None for all.
    """
    state, (_, now) = await _state(gateway, passport), await gateway.client.latest()
    asked = select(recoveries).where(
        recoveries.c.passport == passport, recoveries.c.round == state.round, recoveries.c.deadline_s > now
    )
    if key is not None:
        asked = asked.where(recoveries.c.new_key == _key_json(key))
    approved = (
        select(func.count()).where(approvals.c.recovery == recoveries.c.number).scalar_subquery().desc()
    )
    asked = asked.order_by(approved, recoveries.c.number).limit(PAGE).offset(PAGE * page)
    async with gateway.database.transaction() as tx:
        rows = (await tx.execute(asked)).all()
    return [await _asked(gateway, row) for row in rows]


async def _asked(gateway: Gateway, row: Any) -> Asked:
    state = await _state(gateway, int(row.passport))
    async with gateway.database.transaction() as tx:
        mine = select(approvals.c.key_id).where(approvals.c.recovery == row.number)
        ids = [Hash32(bytes(one)) for one in (await tx.execute(mine)).scalars()]
    purpose = Purpose(row.purpose)
    return Asked(
        number=int(row.number),
        passport=int(row.passport),
        purpose=purpose,
        round=int(row.round),
        new_key=_key_of(row.new_key) if row.new_key else None,
        deadline_s=int(row.deadline_s),
        approved=sum(one in state.guardian_ids for one in ids),
        needed=_needed(state, purpose),
        job=row.job,
    )


def _needed(state: PassportState, purpose: Purpose) -> int:
    """PAS-024, PAS-027: what the override quorum has confirmed, a smaller one does not undo."""
    if purpose is Purpose.VETO_GUARDIANS:
        return state.quorum
    overriding = purpose is Purpose.CONFIRM or state.recovery_confirmed
    return state.override_quorum if overriding else state.quorum


def approval(gateway: Gateway, asked: Asked) -> Act:
    """What a guardian signs."""
    new_key = ZERO if asked.new_key is None else asked.new_key.id
    domain = gateway.settings.contracts.passport_domain
    return acts.approve_recovery(
        domain, asked.passport, int(asked.purpose), new_key, asked.round, asked.deadline_s
    )


async def approve(gateway: Gateway, guardian: Key, number: int, proof: Proof) -> Asked:
    """Keep a guardian's approval; with enough of them it goes to the chain.

    Raises:
        GatewayError: no guardian, not signed, over already; or the contracts refuse it.
    """
    asked = await find(gateway, number)
    state = await _state(gateway, asked.passport)
    if guardian.id not in state.guardian_ids:
        raise GatewayError(Fault.FORBIDDEN, "for guardians of this passport")
    if asked.round != state.round:
        raise GatewayError(Fault.EXPIRED, "guardians have decided something else meanwhile: ask anew")
    act = approval(gateway, asked)
    in_time = Proof(asked.deadline_s, proof.issued_at_s, proof.signature)
    if not await gateway.client.has_signed(guardian, act.message.digest(), act.statement, in_time):
        raise GatewayError(Fault.BAD_SIGNATURE, "not signed by the guardian who is signed in")
    async with gateway.database.transaction() as tx:
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        kept = {"key": _key_json(guardian), "proof": _proof_json(in_time)}
        row = dialect.insert(approvals).values(recovery=number, key_id=guardian.id, **kept)
        await tx.execute(row.on_conflict_do_update(index_elements=["recovery", "key_id"], set_=kept))
        subject = f"passport {asked.passport}"
        await audit.record(tx, gateway.now_s, key_name(guardian), "approve", subject, f"asked {number}")
    asked = await find(gateway, number)
    if asked.job is None and asked.approved >= asked.needed:
        await _send(gateway, guardian, asked, state)
    return await find(gateway, number)


async def _send(gateway: Gateway, guardian: Key, asked: Asked, state: PassportState) -> None:
    async with gateway.database.transaction() as tx:
        mine = select(approvals).where(approvals.c.recovery == asked.number)
        rows = (await tx.execute(mine)).all()
        told = (
            await tx.execute(select(recoveries.c.proof).where(recoveries.c.number == asked.number))
        ).scalar_one()
    signed = sorted(
        (bytes(row.key_id), _key_of(row.key).tuple, _proof_of(row.proof).tuple)
        for row in rows
        if Hash32(bytes(row.key_id)) in state.guardian_ids
    )
    data = _call(asked, [(key, proof) for _, key, proof in signed][: asked.needed], told)
    what = f"recovery-{asked.purpose.name.lower()}"
    at = gateway.settings.contracts.passport
    job = await sponsor(gateway, guardian, what, asked.passport, at, data)
    async with gateway.database.transaction() as tx:
        row_of = recoveries.c.number == asked.number
        await tx.execute(update(recoveries).where(row_of).values(job=job))


def _call(asked: Asked, signed: Sequence[Any], proof: str) -> bytes:
    if asked.purpose is Purpose.OPEN:
        assert asked.new_key is not None
        return abi.OPEN_RECOVERY.call(asked.passport, asked.new_key.tuple, _proof_of(proof).tuple, signed)
    method = {
        Purpose.CONFIRM: abi.CONFIRM_RECOVERY,
        Purpose.WITHDRAW: abi.WITHDRAW_RECOVERY,
        Purpose.VETO_GUARDIANS: abi.VETO_GUARDIANS,
    }[asked.purpose]
    return method.call(asked.passport, signed)


async def execute(gateway: Gateway, who: Key, passport: int, subject: Subject) -> int:
    """Carry out what has waited for its time; anyone may. Return its job.

    Raises:
        GatewayError: nothing waits, or its time has not come.
    """
    state, at = await _state(gateway, passport), gateway.settings.contracts.passport
    to: Address = at
    if subject is Subject.REMOVAL:
        data, ready = abi.EXECUTE_REMOVAL.call(passport), state.removal_ready_at_s
    elif subject is Subject.GUARDIANS:
        data, ready = abi.EXECUTE_GUARDIANS.call(passport), state.guardians_ready_at_s
    else:
        key_id, ready = state.recovery_key_id, state.recovery_ready_at_s
        key = await new_key_of(gateway, passport, key_id) if key_id is not None else None
        if key is None:
            raise GatewayError(Fault.CONFLICT, "no recovery is open, or it was not opened here")
        data = abi.EXECUTE_RECOVERY.call(passport, key.tuple)
    what = f"execute-{subject.name.lower()}"
    return await sponsor(gateway, who, what, passport, to, data, once=f"{passport} {ready}")


def _key_json(key: Key) -> str:
    return orjson.dumps({"kind": int(key.kind), "data": key.data.hex()}).decode()


def _key_of(text: str) -> Key:
    told = orjson.loads(text)
    return Key(KeyKind(told["kind"]), bytes.fromhex(told["data"]))


def _proof_json(proof: Proof) -> str:
    told = {"deadlineS": proof.deadline_s, "issuedAtS": proof.issued_at_s, "signature": proof.signature.hex()}
    return orjson.dumps(told).decode()


def _proof_of(text: str) -> Proof:
    told = orjson.loads(text)
    return Proof(told["deadlineS"], told["issuedAtS"], bytes.fromhex(told["signature"]))
