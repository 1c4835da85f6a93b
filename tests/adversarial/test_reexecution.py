"""Attacks on grants by whoever has the gateway: evidence that is made up, another's, or of another day."""

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tests.adversarial.chain import DAY_S, Chain, text
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.members import Member, member
from tests.adversarial.people import Person, Wallet, grant, human, person
from tests.gateway.test_grants import holds, policy, stars
from tests.validators.zktls.attestor import claim

from trex.badges.chain.contract import Grant, grants_message
from trex.badges.chain.evidence import Evidence, digest_of
from trex.badges.chain.statement import ReExecution, statement_message
from trex.badges.observation import Observation
from trex.badges.policy import Policy, read_policy
from trex.gateway.attestor.judge import Shown
from trex.gateway.code_version import validator_version
from trex.passport.keys import Key
from trex.passport.private_link import PrivateLink, commitment_of
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.observe import observe
from trex.validators.reexecute import Opened
from trex.validators.zktls.disclosure import DisclosedClaim
from trex.validators.zktls.template import binding_message
from trex.validators.zktls.verdict import Verdict

__all__ = ["member"]

REEXECUTE = "src/trex/validators/reexecute.py"
JUDGE = "src/trex/gateway/attestor/judge.py"
SALT = b"\x05" * 32
NONCE = Hash32(b"\x06" * 32)
PUBLISHER = Address(b"\x07" * 20)
ETHER = 10**18
WEALTHY = read_policy(json.dumps(policy("Wealthy", holds("5"), "private")).encode())
STARRED = read_policy(json.dumps(policy("Starred", stars(), "private")).encode())


@dataclass(frozen=True)
class World:
    """A chain and a member before it."""

    chain: Chain
    member: Member

    def block(self) -> BlockRef:
        head = self.chain.rpc("eth_getBlockByNumber", "latest", False)
        return BlockRef(
            int(head["number"], 16), Hash32(bytes.fromhex(head["hash"][2:])), int(head["timestamp"], 16)
        )

    async def seen(self, asked: Policy, wallets: list[Key], at: BlockRef | None = None) -> Evidence:
        """What wallets have at a block, decided now."""
        now = self.block()
        found = await observe(
            asked.checks(),
            self.member.judge.sources.chains,
            [one.address for one in wallets],
            now.timestamp_s,
            None,
            {1962: at or now},
        )
        return Evidence(now.timestamp_s, now.number, tuple(wallets), found)

    async def ask(self, whose: Person, asked: Policy, evidence: Evidence, *shown: Any) -> None:
        """Ask for the signature under a grant of level 1 on this evidence."""
        opened = _opened(asked, evidence, *shown)
        wanted = Grant(
            passport=whose.passport,
            policy=asked.policy_id(PUBLISHER),
            nullifiers=(),
            evidence=digest_of(opened.document, SALT),
            validatorVersion=validator_version(),
            attestedAt=evidence.at_s,
            expiresAt=0,
            deadline=evidence.at_s + 3_600,
            level=1,
            points=10,
            evidenceClass=2,
        )
        message = grants_message(self.member.client.contracts, [wanted])
        await self.member.sign(message, [_shown(asked, opened)])


def _opened(asked: Policy, evidence: Evidence, *shown: Any) -> Opened:
    claims = tuple(one for one in shown if isinstance(one, DisclosedClaim))
    links = tuple(one for one in shown if isinstance(one, PrivateLink))
    return Opened(evidence.write(asked), SALT, claims, links)


def _shown(asked: Policy, opened: Opened) -> Shown:
    return Shown(checksum_address(PUBLISHER), asked.document, opened)


def rich(chain: Chain, name: str) -> Wallet:
    who = Wallet(name)
    chain.give(who.hex, 9 * ETHER)
    chain.transact(who.hex, b"")  # by a block, so that it is found there too
    return who


@attack(
    who="the thief of a gateway",
    gain="badges of wealth on a stranger's wallet",
    why="a wallet is the passport's in public, or by a private link whose commitment is opened",
    guard=Guard(
        REEXECUTE,
        """if outcome is Outcome.GRANTED and hidden:
        outcome = await _hidden(client, passport, hidden, links, block)""",
        "BDG-052",
    ),
    refusal="wallets:",
)
async def test_whale_named_as_a_private_wallet(chain: Chain, member: Member, honest: bool) -> None:
    """Private evidence names a wallet that is nobody's, with a link that opens nothing."""
    world, (mine, nullifier), whale = World(chain, member), human(chain, "owner"), rich(chain, "whale")
    if honest:
        chain.wait(60)
        mine.bind(nullifier, commitment=commitment_of(mine.passport, whale.key.id, SALT))
    evidence = await world.seen(WEALTHY, [mine.owner.key, whale.key])
    link = PrivateLink(whale.key.id, Hash32(nullifier), Hash32(SALT))
    await world.ask(mine, WEALTHY, evidence, link)


@attack(
    who="the thief of a gateway, or a person with its help",
    gain="a badge for what was sold long ago",
    why="the blocks that evidence names are of about when it was decided",
    guard=Guard(
        REEXECUTE,
        "if old := [one for one in blocks.values() if one.timestamp_s < evidence.at_s - OLDEST_S]:",
        "BDG-052",
        "if old := []:",
    ),
    refusal="token.balance:",
)
async def test_block_of_a_richer_day(chain: Chain, member: Member, honest: bool) -> None:
    """The wallet had enough a month ago; evidence of today names that block."""
    world, mine, richer = World(chain, member), person(chain, "owner"), Wallet("owner")
    chain.give(richer.hex, 9 * ETHER)
    chain.transact(richer.hex, b"")
    then = world.block()
    if not honest:
        chain.transact(Wallet("friend").hex, b"", by=richer.hex, value=8 * ETHER)
        chain.wait(30 * DAY_S)
    await world.ask(mine, WEALTHY, await world.seen(WEALTHY, [richer.key], then))


async def _claimed(world: World, whose: Person) -> tuple[DisclosedClaim, Verdict, Evidence]:
    """A claim that was made for a passport, with evidence that rests on it."""
    contracts, now = world.member.client.contracts, world.block()
    number = Hash32(whose.passport.to_bytes(32))
    message = binding_message(contracts.chain_id, contracts.passport, number, "github-stars", NONCE)
    proof = claim(message=message, timestamp_s=now.timestamp_s)
    told = DisclosedClaim("github-stars", proof, NONCE, now.timestamp_s, "octo", now.timestamp_s)
    verdict, observed = told.judge(world.member.judge.sources.trusted, contracts, whose.passport)
    assert verdict.identifier is not None
    found = {key: observed[key] for key in (one.key for one in STARRED.checks())}
    evidence = Evidence(now.timestamp_s, now.number, (whose.owner.key,), found, (Hash32(verdict.identifier),))
    return told, verdict, evidence


@attack(
    who="the thief of a gateway",
    gain="another's accounts for passports of their own",
    why="the message that binds a claim is computed anew from the passport that the grant names",
    guard=Guard(
        REEXECUTE,
        "verdict, observed = claim.judge(trusted, client.contracts, passport)",
        "ZKT-041",
        "verdict, observed = claim.judge(trusted, client.contracts, 1)",
    ),
    refusal="zktls.level:",
)
async def test_claim_shown_for_another_passport(chain: Chain, member: Member, honest: bool) -> None:
    """The claim that the first passport made is shown for the second one's badge."""
    world, victim, mine = World(chain, member), person(chain, "victim"), person(chain, "owner")
    assert victim.passport == 1
    told, _, evidence = await _claimed(world, victim)
    if honest:
        await world.ask(victim, STARRED, evidence, told)
    else:
        stolen = replace(evidence, wallets=(mine.owner.key,))
        await world.ask(mine, STARRED, stolen, told)


@attack(
    who="the thief of a gateway",
    gain="any badge that rests on claims, without any claim",
    why="an answer of zkTLS is never taken as recorded",
    guard=Guard(
        REEXECUTE,
        'if sources.take_recorded and family != "zktls":',
        "ATT-022",
        "if sources.take_recorded:",
    ),
    refusal="zktls.level",
)
async def test_claim_left_out(chain: Chain, member: Member, honest: bool) -> None:
    """The evidence says what a claim would, and no claim is shown."""
    world, mine = World(chain, member), person(chain, "owner")
    told, _, evidence = await _claimed(world, mine)
    await world.ask(mine, STARRED, evidence, *([told] if honest else []))


@attack(
    who="the thief of a gateway",
    gain="the quorum's word that a badge which was made up is the same again",
    why="a member says what came of its own re-execution",
    guard=Guard(
        JUDGE,
        'raise Refusal("outcome", f"{found.outcome}, level {level} follows here")',
        "ATT-025",
        "return",
    ),
    refusal="outcome: refused",
)
async def test_statement_about_a_badge_that_was_made_up(chain: Chain, member: Member, honest: bool) -> None:
    """Evidence says a thousand ether of a wallet that has none; members are asked to confirm it."""
    world, (mine, nullifier) = World(chain, member), human(chain, "owner")
    if honest:
        rich(chain, "owner")
    evidence = await world.seen(WEALTHY, [mine.owner.key])
    if not honest:
        made_up = {
            key: Observation(Decimal(1_000), one.observed_at_s, one.source, one.reason)
            for key, one in evidence.observations.items()
        }
        evidence = replace(evidence, observations=made_up)
    opened = _opened(WEALTHY, evidence)
    args = (WEALTHY.document_hash, 1, 2, WEALTHY.name, "")
    chain.do("Policies", "publish", *args, by=text(PUBLISHER))
    digest = digest_of(opened.document, SALT)
    wish = {"evidence": digest, "version": validator_version(), "level": 1}
    more = {"points": 10, "evidence_class": 2, "attested": evidence.at_s}
    grant(chain, mine.wish(WEALTHY.policy_id(PUBLISHER), [nullifier], **wish, **more)).send()
    token = mine.badge(WEALTHY.policy_id(PUBLISHER))
    said = ReExecution(token, digest, validator_version(), 1, 1, chain.now_s)
    await world.member.sign(statement_message(world.member.client.contracts, said), [_shown(WEALTHY, opened)])
