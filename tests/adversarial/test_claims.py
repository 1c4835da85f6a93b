"""Attacks on claims and evidence at the gateway: what was somebody else's, or has served."""

import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert
from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.people import Person, human
from tests.validators.zktls.attestor import ADDRESS, claim

from trex.gateway import claims, grants
from trex.gateway.people import AccountOf, LinkedAccount
from trex.gateway.service import Gateway
from trex.gateway.store.schema import claims as claims_table
from trex.gateway.store.schema import evidence
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.validators.zktls.verdict import VerdictWord

CLAIMS = "src/trex/gateway/claims.py"
OCTO = LinkedAccount(AccountOf("github", "1", "octo"), Hash32(bytes(32)), 0, 0)
"""The account that the claims of the tests are about."""


@pytest.fixture
def judging(gateway: Gateway) -> Gateway:
    """A gateway that trusts the tests' attestor."""
    gateway.settings = replace(gateway.settings, trusted_attestors=(ADDRESS,))
    return gateway


async def taken(gateway: Gateway, who: Person, message: str, proof: dict[str, Any]) -> None:
    found = await claims.take(gateway, who.owner.key, who.passport, "github-stars", message, proof, [OCTO])
    assert found.word is VerdictWord.ACCEPTED


def proof_for(message: str) -> dict[str, Any]:
    return claim(message=message, timestamp_s=int(time.time()))


@attack(
    who="whoever reads a claim on its way",
    gain="the victim's level, for a passport of their own",
    why="a message serves the passport and the provider that it was handed out for",
    guard=Guard(
        "src/trex/validators/zktls/template.py",
        "elif not binding.message or claim_message != binding.message:",
        "ZKT-041",
        "elif False:",
    ),
    refusal="ZKT-041 other_binding",
)
async def test_claim_taken_on_its_way(chain: Chain, judging: Gateway, honest: bool) -> None:
    """The victim's claim is sent by another passport first, under a message of its own."""
    (victim, _), (thief, _) = human(chain, "victim"), human(chain, "thief")
    message = await claims.ask(judging, victim.passport, "github-stars")
    who, own = victim, message
    if not honest:
        who, own = thief, await claims.ask(judging, thief.passport, "github-stars")
    await taken(judging, who, own, proof_for(message))


@attack(
    who="two people, or one with two passports",
    gain="two badges by one claim",
    why="a claim's identifier serves once",
    guard=Guard(
        CLAIMS,
        'raise GatewayError(Fault.CONFLICT, "this claim has served already")',
        "ZKT-041",
        "pass",
    ),
    refusal="this claim has served already",
)
async def test_claim_that_has_served(chain: Chain, judging: Gateway, honest: bool) -> None:
    """The database has the claim as another passport's already, as when two gateways share it."""
    (mine, _), (other, _) = human(chain, "owner"), human(chain, "other")
    message = await claims.ask(judging, mine.passport, "github-stars")
    proof = proof_for(message)
    if not honest:
        row = {"identifier": bytes.fromhex(proof["identifier"][2:]), "passport": other.passport}
        row |= {"provider": "github-stars", "sealed": b"", "judged_s": 0}
        async with judging.database.transaction() as tx:
            await tx.execute(insert(claims_table).values(row))
    await taken(judging, mine, message, proof)


@attack(
    who="anybody who is signed in",
    gain="reads what others' badges rest on: accounts, balances, claims",
    why="evidence is for the passport that it is about",
    guard=Guard(
        "src/trex/gateway/grants.py",
        "if kept is None or not (kept.is_public or kept.passport in passports):",
        "GTW-043",
        "if kept is None:",
    ),
    refusal="or it is private",
)
async def test_evidence_of_somebody_elses_badge(gateway: Gateway, honest: bool) -> None:
    """A stranger names the digest that the chain has of a badge's private evidence."""
    digest = Hash32(keccak256(b"evidence"))
    sealed = gateway.sealer.seal(b'{"document":"{}","salt":"","policy":"any"}', "evidence")
    row = {"digest": digest, "passport": 1, "policy": bytes(32), "public": 0, "sealed": sealed, "at_s": 0}
    async with gateway.database.transaction() as tx:
        await tx.execute(insert(evidence).values(row))
    found = await grants.evidence_of(gateway, digest, (1,) if honest else (2,))
    assert found.passport == 1
