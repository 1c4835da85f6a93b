"""Attacks on members of the validator set, by whoever has the gateway: signatures for what is not so."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.people import person
from tests.adversarial.serving import endpoint
from tests.adversarial.test_rewards import deed, season

from trex.badges.chain.quarantine import close_message
from trex.engagement import epochs
from trex.engagement.epochs import EpochRewards
from trex.engagement.terms import ETHER, Credit, Terms
from trex.gateway.attest import Showable
from trex.gateway.attestor.approvals import Approvals
from trex.gateway.attestor.epoch import Computations, ShownTerms
from trex.gateway.attestor.judge import Judge, act_of, digest_of
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.rpc.endpoint import Endpoint
from trex.types.eip712 import TypedMessage
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.reexecute import Sources

ATTESTOR = "src/trex/gateway/attestor/"
WEALTH = 1_000 * ETHER


@dataclass(frozen=True)
class Member:
    """What a member judges by, its operator's approvals among them."""

    judge: Judge

    @property
    def client(self) -> PersonaClient:
        return self.judge.client

    async def sign(self, message: TypedMessage, shown: Sequence[Showable] = ()) -> None:
        """Be asked for a signature; returns if it would be given."""
        document = message.document()
        written, _ = digest_of(self.client, document)
        await self.judge.judge(written, document, [one.write() for one in shown])

    def approve(self, message: TypedMessage) -> None:
        """As the operator does, by what is listed."""
        self.judge.approvals.approve(act_of(self.client, message.document()))


@pytest.fixture
async def member(chain: Chain, tmp_path: Path) -> AsyncIterator[Member]:
    """A member before that chain, at today's time."""
    chain.wait(int(time.time()) - chain.now_s)
    async with endpoint(chain) as url, aiohttp.ClientSession() as http:
        client = PersonaClient(Endpoint(url, http, timeout_s=180.0), Contracts())
        sources = Sources({}, take_recorded=True)
        yield Member(Judge(client, sources, Approvals(tmp_path / "approvals"), Computations()))


@attack(
    who="the thief of a gateway",
    gain="what a case of distrust touched counts again: the stolen attestor's badges with it",
    why="an operator's act is signed where the member's own operator approved it",
    guard=Guard(
        f"{ATTESTOR}judge.py", "if written in APPROVED: self._require_approval(document, shown)", "ATT-023"
    ),
    refusal="has not approved",
)
async def test_case_closed_by_a_stolen_gateway(member: Member, honest: bool) -> None:
    """The gateway asks members to close a case, which their operators have not heard of."""
    message = close_message(member.client.contracts, 1)
    if honest:
        member.approve(message)
    await member.sign(message)


async def _epoch(chain: Chain, member: Member) -> tuple[Terms, EpochRewards]:
    """An epoch in which one passport earned, and showed an account."""
    season(chain)
    mine = person(chain, "owner")
    mine.bind(keccak256(b"an account"), scope=keccak256(b"account/github"))
    chain.wait(86_400)
    deed(chain, mine, b"a deed").send()
    head = chain.rpc("eth_getBlockByNumber", "latest", False)
    terms = Terms(
        chain_id=1962,
        epoch=1,
        from_block=1,
        to_block=int(head["number"], 16),
        to_block_hash=Hash32(bytes.fromhex(head["hash"][2:])),
        token=Address(bytes(20)),
        budget=WEALTH,
        fee_share_bps=5_000,
        units_per_ether=ETHER,
        credits={"account/github": Credit(ETHER, 10 * 86_400)},
    )
    tree = await epochs.compute(member.client, terms)
    assert tree.total > 0
    until = chain.now_s + 60 * 86_400
    return terms, EpochRewards(tree.root, tree.total, terms.token, until, terms.hash)


@attack(
    who="the thief of a gateway",
    gain="all that the contract of rewards holds",
    why="a member computes an epoch from its own endpoint and compares root and sum",
    guard=Guard(
        f"{ATTESTOR}epoch.py",
        """_same([("total", int(message["total"]), tree.total), ("root", message["root"],
        f"0x{tree.root.hex()}")])""",
        "ATT-024",
        "pass",
    ),
    refusal="epoch: total",
)
async def test_epoch_of_one_leaf(chain: Chain, member: Member, honest: bool) -> None:
    """Terms that operators approve, with the root of a tree in which the thief alone has everything."""
    terms, rewards = await _epoch(chain, member)
    if not honest:
        until = rewards.claim_until_s
        rewards = EpochRewards(Hash32(b"\x01" * 32), WEALTH, rewards.token, until, rewards.formula)
    message = epochs.publish_message(member.client.contracts, 1, rewards)
    member.approve(message)
    await member.sign(message, [ShownTerms(terms.document)])


@attack(
    who="the thief of a gateway",
    gain="a formula under which the thief's passports earn most, behind a root that follows from it",
    why="the terms that are shown are those that are signed",
    guard=Guard(
        f"{ATTESTOR}epoch.py", """("formula", message["formula"], f"0x{terms.hash.hex()}"),""", "ATT-024"
    ),
    refusal="epoch: formula",
)
async def test_epoch_under_other_terms(chain: Chain, member: Member, honest: bool) -> None:
    """The members are shown terms; what they sign names others, of which nobody computed anything."""
    terms, rewards = await _epoch(chain, member)
    if not honest:
        until = rewards.claim_until_s
        rewards = EpochRewards(rewards.root, rewards.total, rewards.token, until, Hash32(b"\x02" * 32))
    message = epochs.publish_message(member.client.contracts, 1, rewards)
    member.approve(message)
    await member.sign(message, [ShownTerms(terms.document)])
