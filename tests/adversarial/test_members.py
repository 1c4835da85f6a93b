"""Attacks on members of the validator set, by whoever has the gateway: signatures for what is not so."""

from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.members import Member, member
from tests.adversarial.people import person
from tests.adversarial.test_rewards import deed, season

from trex.badges.chain.quarantine import close_message
from trex.engagement import epochs
from trex.engagement.epochs import EpochRewards
from trex.engagement.terms import ETHER, Credit, Terms
from trex.gateway.attestor.epoch import ShownTerms
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

__all__ = ["member"]

ATTESTOR = "src/trex/gateway/attestor/"
WEALTH = 1_000 * ETHER


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
