"""Attacks on points by whoever has the gateway: deeds that nobody did, or that are worth less."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.members import Member, member
from tests.adversarial.people import Person, Wallet, human, person
from tests.adversarial.serving import endpoint
from tests.adversarial.test_rewards import season
from tests.gateway.conftest import KEYS
from tests.gateway.test_grants import holds

from trex.badges.chain.evidence import Evidence
from trex.gateway import tasks
from trex.gateway.attestations import PointsItem, points_message
from trex.gateway.attestor.deed import ShownDeed
from trex.gateway.outbox import job_of
from trex.gateway.reexecution import shown_for
from trex.gateway.service import Gateway
from trex.gateway.settings import Settings
from trex.gateway.store.schema import jobs
from trex.points.deeds import source_of
from trex.points.task import Task, read_task
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import EvmChain
from trex.validators.reexecute import Opened

__all__ = ["member"]

DEED = "src/trex/gateway/attestor/deed.py"
ETHER = 10**18
SCOPE = "account/github"


def task(**more: Any) -> Task:
    told = {"version": 1, "kind": "once", "name": "Hold", "points": 5, "person": SCOPE, "when": holds("5")}
    return read_task(json.dumps(told | more).encode())


def earning(chain: Chain, ether: int = 9) -> tuple[Person, Hash32]:
    """Somebody with an account, and so much."""
    season(chain)
    mine, nullifier = person(chain, "owner"), keccak256(b"an account at github")
    mine.bind(nullifier, scope=keccak256(SCOPE.encode()))
    chain.give(Wallet("owner").hex, ether * ETHER)
    chain.transact(Wallet("owner").hex, b"")  # by a block, so that it is found there too
    return mine, nullifier


async def shown(chain: Chain, member: Member, mine: Person, told: Task, claims: int = 0) -> ShownDeed:
    """What a deed rests on; with a value that the wallet has not, if one is told."""
    head = chain.rpc("eth_getBlockByNumber", "latest", False)
    at_s, wallet = int(head["timestamp"], 16), mine.owner.key
    assert told.policy is not None
    found = await observe(told.policy.checks(), member.judge.sources.chains, [wallet.address], at_s)
    if claims:
        found = {key: replace(one, value=Decimal(claims)) for key, one in found.items()}
    document = Evidence(at_s, int(head["number"], 16), (wallet,), found).write(told.policy)
    return ShownDeed(told.document, mine.passport, 0, Opened(document, b""))


def item_of(mine: Person, nullifier: Hash32, told: Task) -> PointsItem:
    source = source_of(told.document_hash, nullifier, 0)
    return PointsItem(mine.passport, 1, told.points, told.kind.ledger_kind, source)


async def sign(member: Member, item: PointsItem, rests_on: ShownDeed, at_s: int) -> None:
    await member.sign(points_message(member.client.contracts, [item], at_s + 3_600), [rests_on])


@attack(
    who="the thief of a gateway",
    gain="points for deeds that nobody did, and rewards by them",
    why="a member asks again what the task asks",
    guard=Guard(
        "src/trex/gateway/attestor/judge.py",
        "await judge_deed(self.client, self.sources, self.approvals, one, deed, now_s)",
        "ATT-026",
        "pass",
    ),
    refusal="token.balance: not the same",
)
async def test_deed_that_nobody_did(chain: Chain, member: Member, honest: bool) -> None:
    """Evidence says a thousand ether of a wallet that has none."""
    (mine, nullifier), told = earning(chain, 9 if honest else 1), task()
    member.judge.approvals.approve(told.document_hash)
    rests_on = await shown(chain, member, mine, told, 0 if honest else 1_000)
    await sign(member, item_of(mine, nullifier, told), rests_on, chain.now_s)


@attack(
    who="the thief of a gateway",
    gain="any number of points for a deed",
    why="points are those that the task says",
    guard=Guard(
        DEED,
        """if (int(item["amount"]), item["kind"]) != (task.points,
        f"0x{task.kind.ledger_kind.hex()}"):""",
        "ATT-026",
        "if False:",
    ),
    refusal="points: the task is worth 5",
)
async def test_deed_worth_more(chain: Chain, member: Member, honest: bool) -> None:
    """A deed that was done, for a million points."""
    (mine, nullifier), told = earning(chain), task()
    member.judge.approvals.approve(told.document_hash)
    item = item_of(mine, nullifier, told)
    if not honest:
        item = replace(item, amount=1_000_000)
    await sign(member, item, await shown(chain, member, mine, told), chain.now_s)


@attack(
    who="the thief of a gateway",
    gain="points under a task of their own, for nothing",
    why="tasks are approved by each member's operator",
    guard=Guard(DEED, "if not approvals.has(task.document_hash):", "ATT-026", "if False:"),
    refusal="has not approved",
)
async def test_task_that_nobody_approved(chain: Chain, member: Member, honest: bool) -> None:
    """A task that asks nearly nothing and is worth a million."""
    (mine, nullifier), told = earning(chain), task(points=1_000_000, when=holds("0.001"))
    if honest:
        member.judge.approvals.approve(told.document_hash)
    rests_on = await shown(chain, member, mine, told)
    await sign(member, item_of(mine, nullifier, told), rests_on, chain.now_s)


@attack(
    who="the thief of a gateway",
    gain="everybody's points for a passport of their own",
    why="who did it earns by it",
    guard=Guard(DEED, "if earner != shown.passport:", "ATT-026", "if False:"),
    refusal="passport: another did it",
)
async def test_deed_of_another(chain: Chain, member: Member, honest: bool) -> None:
    """A person's deed, recorded for another passport."""
    (mine, nullifier), told = earning(chain), task()
    thief, _ = human(chain, "thief")
    member.judge.approvals.approve(told.document_hash)
    item = item_of(mine, nullifier, told)
    if not honest:
        item = replace(item, passport=thief.passport)
    await sign(member, item, await shown(chain, member, mine, told), chain.now_s)


async def test_a_gateway_shows_what_its_deeds_rest_on(chain: Chain, member: Member, tmp_path: Path) -> None:
    """ATT-026: what a gateway keeps of a deed is enough for a member to see for itself."""
    (mine, _), told = earning(chain), task()
    member.judge.approvals.approve(told.document_hash)
    async with endpoint(chain) as url:
        chains = {1962: EvmChain(1962, (url,), 1, confirmations=0)}
        database = f"sqlite:///{tmp_path / 'gateway.db'}"
        gateway = Gateway(Settings("http://localhost", database, url, chains=chains), KEYS)
        gateway.tasks = {"hold": told}
        await gateway.start()
        try:
            gateway.relayer.stop()
            await gateway._work
            deed = await tasks.perform(gateway, mine.owner.key, mine.passport, "hold")
            async with gateway.database.transaction() as tx:
                row = (await tx.execute(jobs.select().where(jobs.c.number == deed.job))).one()
            (rests_on,) = await shown_for(gateway, [job_of(row)])
            item = PointsItem(deed.passport, deed.season, deed.points, told.kind.ledger_kind, deed.source)
            message = points_message(member.client.contracts, [item], chain.now_s + 3_600)
            await member.sign(message, [rests_on])
        finally:
            await gateway.stop()
