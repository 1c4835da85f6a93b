"""Rewards of epochs: published by attestation, claimed in batches at the gateway's cost (GTW-084)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from trex.engagement import epochs
from trex.engagement.epochs import Epoch, EpochError
from trex.engagement.terms import Terms
from trex.engagement.tree import Reward, RewardTree
from trex.gateway import outbox
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.outbox import JobKind, JobState
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import jobs, reward_epochs, reward_leaves
from trex.passport.keys import Key
from trex.types.primitives import Hash32
from trex.web import audit

OPERATOR = Hash32(bytes(32))
"""Owner of jobs that no person asked for."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What a passport has in an epoch."""

    epoch: Epoch
    """Which."""
    reward: Reward
    """How much, with its proof."""
    is_paid: bool
    """Whether the contract has paid it."""


async def queue_epoch(gateway: Gateway, terms: Terms, tree: RewardTree, claim_s: int) -> int:
    """Queue an epoch for publishing and return its job; the same terms are one job.

    Args:
        gateway: whose database; it need not be running here.
        terms: of the epoch.
        tree: what follows from them and the chain.
        claim_s: how long claims stay open, in seconds from now.
    """
    payload = {
        "epoch": terms.epoch,
        "root": tree.root.hex(),
        "total": str(tree.total),
        "token": terms.token.hex(),
        "claimUntil": gateway.now_s + claim_s,
        "document": terms.document.decode(),
    }
    try:
        async with gateway.database.transaction() as tx:
            job = await outbox.enqueue(
                tx,
                JobKind.EPOCH,
                payload,
                passport=0,
                owner=OPERATOR,
                now_s=gateway.now_s,
                once=f"epoch {terms.epoch} {terms.hash.hex()}",
            )
            subject = f"epoch {terms.epoch} {tree.root.hex()}"
            await audit.record(tx, gateway.now_s, "operator", "publish-epoch", subject, f"job {job}")
    finally:
        await gateway.database.close()
    return job


async def owed(gateway: Gateway, passport: int) -> list[Owed]:
    """What a passport has in every epoch, oldest first."""
    found: list[Owed] = []
    for number in range(1, await epochs.count(gateway.client) + 1):
        epoch = await epochs.epoch_of(gateway.client, number)
        if epoch is None:
            continue
        reward = await _reward(gateway, epoch, passport)
        if reward is not None:
            found.append(Owed(epoch, reward, await _is_paid(gateway, epoch, reward)))
    return found


async def claim(gateway: Gateway, signer: Key, passport: int, number: int) -> int:
    """Queue the claim of a passport's reward and return its job.

    Raises:
        GatewayError: there is nothing to claim, nowhere to pay it, or not now.
    """
    epoch = await epochs.epoch_of(gateway.client, number)
    reward = await _reward(gateway, epoch, passport) if epoch else None
    if epoch is None or reward is None:
        raise GatewayError(Fault.NOT_FOUND, f"passport {passport} has no reward in epoch {number}")
    _, now = await gateway.client.latest()
    if not epoch.opens_at_s <= now <= epoch.rewards.claim_until_s:
        said = f"claims of epoch {number} are open from {epoch.opens_at_s} to {epoch.rewards.claim_until_s}"
        raise GatewayError(Fault.CONFLICT, said)
    if await _is_paid(gateway, epoch, reward):
        raise GatewayError(Fault.CONFLICT, "it is paid already")
    state = await gateway.client.state(passport)
    if state is None or state.payout is None:
        raise GatewayError(Fault.REFUSED, "name a payout address first: an act `payout` of the passport")
    payload = {
        "epoch": number,
        "index": reward.index,
        "passport": passport,
        "amount": str(reward.amount),
        "proof": [one.hex() for one in reward.proof],
    }
    async with gateway.database.transaction() as tx:
        await outbox.spend(tx, f"claim {signer.id.hex()}", gateway.settings.acts_a_day, gateway.now_s)
        under_way = select(jobs.c.number).where(
            jobs.c.kind == JobKind.CLAIM.value,
            jobs.c.passport == passport,
            jobs.c.state.in_((JobState.QUEUED.value, JobState.SENT.value)),
            jobs.c.payload.startswith(f'{{"epoch":{number},'),
        )
        if (there := (await tx.execute(under_way.limit(1))).scalar_one_or_none()) is not None:
            return int(there)
        job = await outbox.enqueue(
            tx, JobKind.CLAIM, payload, passport=passport, owner=signer.id, now_s=gateway.now_s
        )
        subject = f"passport {passport} epoch {number}"
        await audit.record(tx, gateway.now_s, key_name(signer), "claim", subject, f"job {job}")
    gateway.relayer.wake()
    return job


async def _is_paid(gateway: Gateway, epoch: Epoch, reward: Reward) -> bool:
    at = gateway.settings.contracts.rewards
    (found,) = await gateway.client.ask((at, epochs.IS_PAID, (epoch.number, reward.index)))
    return bool(found)


async def _reward(gateway: Gateway, epoch: Epoch, passport: int) -> Reward | None:
    """A passport's reward of an epoch; the epoch is computed from the chain when it is first asked for.

    Raises:
        GatewayError: the epoch is not what follows from the chain, or cannot be computed.
    """
    root = epoch.rewards.root
    async with gateway.computing:
        async with gateway.database.transaction() as tx:
            known = select(reward_epochs.c.epoch).where(reward_epochs.c.root == root)
            is_known = (await tx.execute(known)).one_or_none() is not None
        if not is_known:
            await _keep(gateway, await _compute(gateway, epoch))
    asked = select(reward_leaves).where(reward_leaves.c.root == root, reward_leaves.c.passport == passport)
    async with gateway.database.transaction() as tx:
        row = (await tx.execute(asked)).one_or_none()
    if row is None:
        return None
    proof = tuple(Hash32(bytes.fromhex(one)) for one in orjson.loads(row.proof))
    return Reward(int(row.place), passport, int(row.amount), proof)


async def _compute(gateway: Gateway, epoch: Epoch) -> tuple[Epoch, Sequence[Reward]]:
    try:
        found = await epochs.recompute(gateway.client, epoch.number)
    except EpochError as error:
        raise GatewayError(Fault.UNAVAILABLE, f"epoch {epoch.number}: {error}", retry_after_s=60) from error
    if found.faults:
        raise GatewayError(
            Fault.CONFLICT, f"epoch {epoch.number} is not what follows from the chain: {found.faults[0]}"
        )
    return epoch, tuple(found.tree.rewards.values())


async def _keep(gateway: Gateway, computed: tuple[Epoch, Sequence[Reward]]) -> None:
    epoch, found = computed
    root = epoch.rewards.root
    rows: list[dict[str, Any]] = [
        {
            "root": root,
            "passport": one.passport,
            "place": one.index,
            "amount": str(one.amount),
            "proof": orjson.dumps([node.hex() for node in one.proof]).decode(),
        }
        for one in found
    ]
    try:
        async with gateway.database.transaction() as tx:
            await tx.execute(insert(reward_epochs).values(root=root, epoch=epoch.number))
            if rows:
                await tx.execute(insert(reward_leaves), rows)
    except IntegrityError:
        return  # another process of this gateway was faster
