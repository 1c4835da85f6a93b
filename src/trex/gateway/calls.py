"""What a job sends to the chain: attested by the validator set where the contract wants it (GTW-024)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trex.badges.chain import contract
from trex.badges.chain.quarantine import Distrust, case_message, close_message
from trex.engagement import epochs
from trex.engagement.epochs import EpochRewards
from trex.gateway import attestations as said
from trex.gateway.attest import Attestor, Showable, attest
from trex.gateway.attestor.epoch import ShownTerms
from trex.gateway.outbox import Job, JobKind
from trex.passport import contracts as abi
from trex.passport.client import CaseKind, PersonaClient
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

ATTESTED_S = 3_600
"""How long an attestation counts that is made for a transaction."""
DELEGATION_GAS = 37_500
"""What an authorization adds (EIP-7702: 25,000 for the account, 12,500 for the tuple)."""


Show = Callable[[Sequence[Job]], Awaitable[Sequence[Showable]]]
"""Finds what grants and deeds rest on."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one transaction does."""

    to: Address
    """Which contract."""
    data: bytes
    """Calldata."""
    authorization: Mapping[str, Any] | None = None
    """Comes with it (EIP-7702)."""
    authority: str = ""
    """Whose word the authorization is, hexadecimal."""

    @property
    def overrides(self) -> dict[str, Any]:
        """The state in which it will run: what it delegates is delegated."""
        if self.authorization is None:
            return {}
        delegate = Address(bytes.fromhex(self.authorization["address"][2:]))
        return {f"0x{self.authority}": {"code": code_of(delegate)}}


def code_of(delegate: Address) -> str:
    """Code of an account that runs as another contract (EIP-7702)."""
    return f"0xef0100{delegate.hex()}"


async def call_of(
    client: PersonaClient, attestors: Sequence[Attestor], group: Sequence[Job], show: Show | None = None
) -> Call:
    """Make the call that does a group of jobs of one kind.

    Args:
        client: of the chain.
        attestors: who can be asked to attest.
        group: the jobs.
        show: what grants and deeds rest on, for attestors that see for themselves; None where none does.

    Raises:
        NoQuorumError: too few of the attestors are members of the set in force.
        UnavailableError: the chain does not answer.
    """
    kind, contracts, payload = group[0].kind, client.contracts, group[0].payload
    if kind is JobKind.RELAY:
        to, data = Address(bytes.fromhex(payload["to"])), bytes.fromhex(payload["data"])
        return Call(to, data, payload.get("authorization"), payload.get("authority", ""))
    if kind is JobKind.CLAIM:
        wanted = [_claim(job.payload) for job in group]
        return Call(contracts.rewards, epochs.claim_call(payload["epoch"], wanted))
    in_force = await client.attestors()
    _, chain_now_s = await client.latest()
    deadline = chain_now_s + ATTESTED_S
    if kind is JobKind.EPOCH:
        document = payload["document"].encode()
        rewards = EpochRewards(
            root=Hash32(bytes.fromhex(payload["root"])),
            total=int(payload["total"]),
            token=Address(bytes.fromhex(payload["token"])),
            claim_until_s=payload["claimUntil"],
            formula=keccak256(document),
        )
        message = epochs.publish_message(contracts, payload["epoch"], rewards)
        signed = await attest(attestors, in_force, message, [ShownTerms(document)])
        return Call(contracts.rewards, epochs.publish_call(rewards, document, in_force.epoch, signed))
    fields = _revived(payload)
    if kind is JobKind.BIND:
        binding = said.Binding(**(fields | {"deadline": deadline}))
        signed = await attest(attestors, in_force, said.binding_message(contracts, binding))
        return Call(contracts.nullifiers, said.bind_call(binding, in_force.epoch, signed))
    if kind is JobKind.GRANT:
        grants = [contract.Grant(**(_revived(job.payload) | {"deadline": deadline})) for job in group]
        shown = await show(group) if show is not None else ()
        signed = await attest(attestors, in_force, contract.grants_message(contracts, grants), shown)
        return Call(contracts.badges, contract.grant_call(grants, in_force.epoch, signed))
    if kind is JobKind.SEASON:
        number, season = fields.pop("season"), said.Season(**fields)
        signed = await attest(attestors, in_force, said.season_message(contracts, number, season))
        return Call(contracts.points, said.season_call(season, in_force.epoch, signed))
    if kind is JobKind.REVERSE:
        entries, reason = fields["entries"], fields["reason"]
        taken = said.reversal_message(contracts, entries, reason, deadline)
        signed = await attest(attestors, in_force, taken)
        data = said.reverse_call(entries, reason, deadline, in_force.epoch, signed)
        return Call(contracts.points, data)
    if kind is JobKind.MAP:
        before, after = fields["from"], fields["to"]
        message = said.mapping_message(contracts, await client.key_epoch() + 1, before, after)
        signed = await attest(attestors, in_force, message)
        return Call(contracts.nullifiers, said.MAP.call(before, after, in_force.epoch, signed))
    if kind is JobKind.OPEN_KEY_EPOCH:
        message = said.opening_message(contracts, await client.key_epoch() + 1)
        signed = await attest(attestors, in_force, message)
        return Call(contracts.nullifiers, said.OPEN_KEY_EPOCH.call(in_force.epoch, signed))
    if kind is JobKind.OPEN_CASE:
        case = Distrust(
            CaseKind(payload["kind"]),
            fields["subject"],
            *(payload["since"], payload["until"], fields["reason"], payload["number"], deadline),
        )
        accused = {Address(case.subject[12:])} if case.kind is CaseKind.ATTESTOR else set()
        others = replace(in_force, distrusted=in_force.distrusted | accused)
        signed = await attest(attestors, others, case_message(contracts, case))
        return Call(contracts.quarantine, abi.OPEN_CASE.call(case.tuple, in_force.epoch, signed))
    if kind is JobKind.CLOSE_CASE:
        signed = await attest(attestors, in_force, close_message(contracts, payload["case"]))
        return Call(contracts.quarantine, abi.CLOSE_CASE.call(payload["case"], in_force.epoch, signed))
    items = [said.PointsItem(**_revived(job.payload)) for job in group]
    shown = await show(group) if show is not None else ()
    signed = await attest(attestors, in_force, said.points_message(contracts, items, deadline), shown)
    return Call(contracts.points, said.record_call(items, deadline, in_force.epoch, signed))


def _claim(payload: Any) -> tuple[int, int, int, list[bytes]]:
    proof = [bytes.fromhex(one) for one in payload["proof"]]
    return payload["index"], payload["passport"], int(payload["amount"]), proof


def _revived(payload: Any) -> dict[str, Any]:
    """Make bytes of the hashes in a job's JSON."""
    found: dict[str, Any] = {}
    for name, value in payload.items():
        if isinstance(value, str):
            found[name] = Hash32(bytes.fromhex(value))
        elif isinstance(value, list):
            found[name] = tuple(Hash32(bytes.fromhex(one)) if isinstance(one, str) else one for one in value)
        else:
            found[name] = value
    return found


def payload_of(item: Any) -> dict[str, Any]:
    """Write a Binding, Grant, PointsItem or Season as a job's JSON."""
    found: dict[str, Any] = {}
    for name in item.__slots__:
        value = getattr(item, name)
        if isinstance(value, bytes):
            found[name] = value.hex()
        elif isinstance(value, tuple):
            found[name] = [one.hex() if isinstance(one, bytes) else one for one in value]
        else:
            found[name] = value
    return found
