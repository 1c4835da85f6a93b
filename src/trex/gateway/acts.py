"""Persons' own acts: what is to be signed, and sponsored sending of what was (GTW-022, GTW-025)."""

from collections.abc import Sequence
from dataclasses import dataclass

from trex.gateway import outbox
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.outbox import JobKind
from trex.gateway.reverts import reason_of
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.passport import acts, contracts
from trex.passport.acts import Act
from trex.passport.keys import Key, KeyKind, Role
from trex.passport.proofs import Proof
from trex.rpc.errors import RefusedError
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.web import audit

SIGNED_S = 1_800
"""How long what is signed counts."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a passport."""

    key: Key


@dataclass(frozen=True, slots=True)
class Link:
    """Take a key in."""

    passport: int
    actor: Key
    key: Key
    role: Role


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a key out."""

    passport: int
    actor: Key
    key_id: Hash32


@dataclass(frozen=True, slots=True)
class Payout:
    """Name where rewards go."""

    passport: int
    actor: Key
    payout: Address


@dataclass(frozen=True, slots=True)
class Veto:
    """Stop what is pending: 1 a removal, 2 a change of guardians, 3 a recovery."""

    passport: int
    actor: Key
    subject: int


@dataclass(frozen=True, slots=True)
class Guardians:
    """Ask for other guardians."""

    passport: int
    actor: Key
    key_ids: tuple[Hash32, ...]
    quorum: int
    override_quorum: int


@dataclass(frozen=True, slots=True)
class Release:
    """Let an account go."""

    passport: int
    actor: Key
    nullifier: Hash32


@dataclass(frozen=True, slots=True)
class Renounce:
    """Give a badge up."""

    passport: int
    actor: Key
    token_id: int


Wish = Create | Link | Remove | Payout | Veto | Guardians | Release | Renounce
"""What a person wants done."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One signature that a wish needs."""

    key: Key
    act: Act


async def demands(gateway: Gateway, wish: Wish, deadline_s: int) -> tuple[Demand, ...]:
    """Say what must be signed, with the nonces of now.

    Raises:
        GatewayError: there is no such passport, or the key does not act for it.
    """
    client, domain = gateway.client, gateway.settings.contracts.passport_domain
    if isinstance(wish, Create):
        nonce = await client.key_nonce(wish.key)
        return (Demand(wish.key, acts.create(domain, wish.key.id, nonce, deadline_s)),)
    state = await client.state(wish.passport)
    if state is None:
        raise GatewayError(Fault.NOT_FOUND, f"there is no passport {wish.passport}")
    number, actor, nonce = wish.passport, wish.actor, state.nonce
    if isinstance(wish, Link):
        key_nonce = await client.key_nonce(wish.key)
        take = acts.take_key(domain, number, wish.key.id, wish.role, nonce, deadline_s)
        enter = acts.enter(domain, number, wish.key.id, wish.role, key_nonce, deadline_s)
        return Demand(actor, take), Demand(wish.key, enter)
    if isinstance(wish, Remove):
        act = acts.remove_key(domain, number, wish.key_id, nonce, deadline_s)
    elif isinstance(wish, Payout):
        act = acts.set_payout(domain, number, wish.payout, nonce, deadline_s)
    elif isinstance(wish, Veto):
        act = acts.veto(domain, number, wish.subject, nonce, deadline_s)
    elif isinstance(wish, Guardians):
        act = acts.set_guardians(
            domain, number, wish.key_ids, wish.quorum, wish.override_quorum, nonce, deadline_s
        )
    elif isinstance(wish, Release):
        at = gateway.settings.contracts.nullifiers
        nonce, canonical = await client.ask(
            (at, contracts.ACT_NONCE_OF, (number,)), (at, contracts.CANONICAL_OF, (wish.nullifier,))
        )
        domain = gateway.settings.contracts.nullifiers_domain
        act = acts.release_nullifier(domain, number, Hash32(canonical), nonce, deadline_s)
    else:
        (nonce,) = await client.ask((gateway.settings.contracts.badges, contracts.ACT_NONCE_OF, (number,)))
        domain = gateway.settings.contracts.badges_domain
        act = acts.renounce_badge(domain, number, wish.token_id, nonce, deadline_s)
    return (Demand(actor, act),)


def call_of(gateway: Gateway, wish: Wish, proofs: Sequence[Proof]) -> tuple[Address, bytes]:
    """Write the call that carries a wish out.

    Raises:
        GatewayError: there are more or fewer proofs than it needs.
    """
    if len(proofs) != (2 if isinstance(wish, Link) else 1):
        raise GatewayError(Fault.MALFORMED, "as many proofs as signatures that were asked for")
    at = gateway.settings.contracts
    proof = proofs[0]
    if isinstance(wish, Create):
        return at.passport, contracts.create(wish.key, proof)
    number, actor = wish.passport, wish.actor
    if isinstance(wish, Link):
        return at.passport, contracts.add_key(number, actor, proof, wish.key, wish.role, proofs[1])
    if isinstance(wish, Remove):
        return at.passport, contracts.remove_key(number, actor, proof, wish.key_id)
    if isinstance(wish, Payout):
        to = f"0x{wish.payout.hex()}"
        return at.passport, contracts.SET_PAYOUT.call(number, actor.tuple, proof.tuple, to)
    if isinstance(wish, Veto):
        return at.passport, contracts.VETO.call(number, actor.tuple, proof.tuple, wish.subject)
    if isinstance(wish, Guardians):
        next_ = (list(wish.key_ids), wish.quorum, wish.override_quorum)
        return at.passport, contracts.SET_GUARDIANS.call(number, actor.tuple, proof.tuple, next_)
    if isinstance(wish, Release):
        return at.nullifiers, contracts.RELEASE.call(number, actor.tuple, proof.tuple, wish.nullifier)
    return at.badges, contracts.RENOUNCE.call(wish.token_id, actor.tuple, proof.tuple)


async def submit(gateway: Gateway, signer: Key, wish: Wish, proofs: Sequence[Proof]) -> int:
    """Queue a signed wish, if the contracts would take it now; return its job's number.

    Args:
        gateway: whose chain and queue.
        signer: who is signed in; their budget pays.
        wish: what is to be done.
        proofs: in the order of `demands`.

    Raises:
        GatewayError: the contracts refuse it, or the day's budget is used up.
    """
    if any(not proof.signature for proof in proofs):
        raise GatewayError(Fault.MALFORMED, "an empty signature is for who sends the transaction alone")
    to, data = call_of(gateway, wish, proofs)
    passport = 0 if isinstance(wish, Create) else wish.passport
    return await sponsor(gateway, signer, type(wish).__name__.lower(), passport, to, data)


async def sponsor(
    gateway: Gateway, signer: Key, what: str, passport: int, to: Address, data: bytes, once: str = ""
) -> int:
    """Queue a call at the gateway's cost, if the contracts would take it now; return its job's number.

    Args:
        gateway: whose chain and queue.
        signer: who is signed in; their budget pays.
        what: name of the act, for the audit log.
        passport: on which passport; 0 for one that is to be made.
        to: contract.
        data: calldata.
        once: tells apart calls of the same data that may be made again; empty if none may.

    Raises:
        GatewayError: the contracts refuse it, or the day's budget is used up.
    """
    request = {"from": f"0x{gateway.relayer.account.hex()}", "to": f"0x{to.hex()}", "data": f"0x{data.hex()}"}
    try:
        await gateway.client.rpc.call("eth_call", request, "pending")
    except RefusedError as error:
        raise GatewayError(Fault.REFUSED, f"the contract refuses it: {reason_of(error)}") from error
    async with gateway.database.transaction() as tx:
        await outbox.spend(tx, f"act {signer.id.hex()}", gateway.settings.acts_a_day, gateway.now_s)
        number = await outbox.enqueue(
            tx,
            JobKind.RELAY,
            {"to": to.hex(), "data": data.hex()},
            passport=passport,
            owner=signer.id,
            now_s=gateway.now_s,
            once=f"relay {keccak256(data).hex()} {once}".strip(),
        )
        await audit.record(tx, gateway.now_s, key_name(signer), what, f"passport {passport}", f"job {number}")
    gateway.relayer.wake()
    return number


def signs_texts(key: Key) -> bool:
    """Whether a key can sign an act as a text."""
    return key.kind is not KeyKind.PASSKEY
