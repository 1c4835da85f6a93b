"""Attacks on rewards of engagement, and on deeds at the gateway: farms, washed fees, referrals of oneself."""

from dataclasses import replace
from typing import Any, cast

import aiohttp
from eth_account import Account
from sqlalchemy import insert
from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import Person, Wallet, human, person
from tests.adversarial.serving import endpoint
from tests.adversarial.test_tasks import STARS, task

from trex.engagement import epochs, facts
from trex.engagement.epochs import Epoch, EpochRewards
from trex.engagement.formula import Credential, Facts, caps, rewards
from trex.engagement.terms import ETHER, Credit, Terms
from trex.engagement.tree import make_tree
from trex.gateway import tasks
from trex.gateway.service import Gateway
from trex.gateway.store.schema import deeds
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.rpc.endpoint import Endpoint
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

ENGAGEMENT = "src/trex/engagement/"
TASKS = "src/trex/gateway/tasks.py"
YEAR_S = 31_536_000
TERMS = Terms(
    chain_id=1962,
    epoch=1,
    from_block=1,
    to_block=100,
    to_block_hash=Hash32(bytes(32)),
    token=Address(bytes(20)),
    budget=1000 * ETHER,
    fee_share_bps=5_000,
    units_per_ether=ETHER,
    credits={"account/github": Credit(5 * ETHER, YEAR_S)},
)


def facts_of(points: dict[int, int], burned: dict[int, int], *held: Credential, years: int = 1) -> Facts:
    return Facts(0, years * YEAR_S, points, burned, held)


@attack(
    who="a farm of a thousand passports that spend nothing",
    gain="nearly the whole budget of an epoch",
    why="a passport is paid at most what its engagement has verifiably cost it",
    guard=Guard(
        f"{ENGAGEMENT}formula.py",
        "return fill(terms.budget, {one: (points, cap.get(one, 0)) for one, points in weight.items()})",
        "PTS-031",
        "return fill(terms.budget, {one: (points, terms.budget) for one, points in weight.items()})",
    ),
    refusal="nothing",
)
def test_farm_of_passports(honest: bool) -> None:
    """A thousand passports with as many points as one person who pays fees."""
    farm = range(2, 1002)
    spent = {1: 4 * ETHER} | ({2: 4 * ETHER} if honest else {})
    found = rewards(TERMS, facts_of(dict.fromkeys(range(1, 1002), 100), spent))
    if not sum(found.get(one, 0) for one in farm):
        raise Refused("nothing")


@attack(
    who="a farm that burns fees for rewards",
    gain="more than it burns, without end",
    why="at most all of what was burned comes back",
    guard=Guard(
        f"{ENGAGEMENT}terms.py",
        """if not 0 <= self.fee_share_bps <= WHOLE_BPS:
            raise TermsError(f"feeShareBps is at most {WHOLE_BPS}: more would pay for burning fees")""",
        "PTS-028",
    ),
    refusal="more would pay for burning fees",
)
def test_paid_for_burning_fees(honest: bool) -> None:
    """Terms that pay twice what was burned."""
    terms = replace(TERMS, fee_share_bps=10_000 if honest else 20_000)
    earned = rewards(terms, facts_of({1: 1}, {1: ETHER}))[1]
    assert earned == (ETHER if honest else 2 * ETHER)


@attack(
    who="a farm of wallets",
    gain="a credit for each wallet that it makes",
    why="wallets cost nothing and have no credit",
    guard=Guard(
        f"{ENGAGEMENT}terms.py",
        "if not _SCOPE.fullmatch(scope):",
        "PTS-028",
        "if False:",
    ),
    refusal="wallets cost nothing",
)
def test_credit_for_wallets(honest: bool) -> None:
    """Terms that give a credit to the scope of wallets."""
    scope = "account/github" if honest else "wallet"
    terms = replace(TERMS, credits={scope: Credit(ETHER, YEAR_S)})
    assert caps(terms, facts_of({}, {}, Credential(1, scope, 0))) == {1: ETHER}


@attack(
    who="a farm with accounts that were bought once",
    gain="their price again every year",
    why="over all epochs an account earns no more than its credit",
    guard=Guard(
        f"{ENGAGEMENT}formula.py",
        "passed_s = min(max(moment_s - bound_s, 0), credit.spread_s)",
        "PTS-031",
        "passed_s = max(moment_s - bound_s, 0)",
    ),
    refusal="not more than it cost",
)
def test_credit_for_ever(honest: bool) -> None:
    """An account is held for ten years; honestly, for the one over which its credit is given out."""
    years = 1 if honest else 10
    found = caps(TERMS, facts_of({}, {}, Credential(1, "account/github", 0), years=years))[1]
    if found != years * 5 * ETHER:
        raise Refused("not more than it cost")


@attack(
    who="validators, or whoever pays them",
    gain="the same blocks are paid for in two epochs",
    why="an epoch begins after the one before, and anyone who recomputes it sees that it does not",
    guard=Guard(
        f"{ENGAGEMENT}epochs.py",
        '("first block", terms.from_block, before.to_block + 1 if before else terms.from_block),',
        "PTS-029",
    ),
    refusal="first block",
)
def test_blocks_paid_twice(honest: bool) -> None:
    """The second epoch begins at block 51 of the first one's hundred."""
    first = TERMS
    second = replace(TERMS, epoch=2, from_block=101 if honest else 51, to_block=200)
    tree = make_tree(2, {1: 5})
    told = EpochRewards(tree.root, tree.total, second.token, 0, second.hash)
    client = PersonaClient(cast("Any", None), Contracts())
    faults = epochs._faults(client, Epoch(2, told, 0, 5), second, first, tree)
    if faults:
        raise Refused(", ".join(faults))


async def burned_by(chain: Chain, who: Person) -> int:
    """What the formula counts as fees of a passport, over the whole chain."""
    head = chain.core.head()
    terms = replace(TERMS, to_block=head.number, to_block_hash=Hash32(bytes.fromhex(head.hash[2:])))
    async with endpoint(chain) as url, aiohttp.ClientSession() as session:
        client = PersonaClient(Endpoint(url, session, timeout_s=180), Contracts())
        return (await facts.collect(client, terms)).burned_wei.get(who.passport, 0)


def send(chain: Chain, who: Wallet, tip_wei: int) -> int:
    """Send nothing to nobody; return the base fee that it burned."""
    chain.give(who.hex, 10 * ETHER)
    signed = Account.sign_transaction(
        {
            "to": "0x" + "99" * 20,
            "value": 0,
            "gas": 21_000,
            "nonce": int(chain.rpc("eth_getTransactionCount", who.hex, "latest"), 16),
            "chainId": 1962,
            "maxFeePerGas": 10**14,
            "maxPriorityFeePerGas": tip_wei,
        },
        who.secret,
    )
    (sent,) = chain.core.submit([f"0x{signed.raw_transaction.hex()}"])
    chain.core.build(chain.core.head().slot + 1, allow_empty=False, budget_ms=1000)
    receipt = chain.rpc("eth_getTransactionReceipt", sent)
    header = chain.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    return int(receipt["gasUsed"], 16) * int(header["baseFeePerGas"], 16)


@attack(
    who="whoever builds blocks",
    gain="rewards for tips that they pay to themselves",
    why="only base and L1 fees count, which go to nobody's pocket",
    guard=Guard(
        f"{ENGAGEMENT}facts.py",
        'by_sender[one["from"]] += int(one["gasUsed"], 16) * base + l1_fee',
        "PTS-031",
        'by_sender[one["from"]] += int(one["gasUsed"], 16) * int(one["effectiveGasPrice"], 16) + l1_fee',
    ),
    refusal="tips count nothing",
)
async def test_tips_to_oneself(chain: Chain, honest: bool) -> None:
    """A transaction with a tip a thousand times the base fee."""
    mine = person(chain, "owner")
    assert isinstance(mine.owner, Wallet)
    base = send(chain, mine.owner, 1 if honest else 10**13)
    found = await burned_by(chain, mine)
    assert found >= base
    if not honest and found < 100 * base:
        raise Refused("tips count nothing")


@attack(
    who="whoever sends deposits from L1",
    gain="rewards for gas that was paid elsewhere, or not at all",
    why="deposits burn no fee here",
    guard=Guard(
        f"{ENGAGEMENT}facts.py",
        'if (paid := [one for one in receipts or () if one.get("type") != DEPOSIT])',
        "PTS-031",
        "if (paid := list(receipts or ()))",
    ),
    refusal="deposits count nothing",
)
async def test_deposits_as_fees(chain: Chain, honest: bool) -> None:
    """The passport's account sends by deposits; honestly, by a transaction that pays."""
    mine = person(chain, "owner")
    assert isinstance(mine.owner, Wallet)
    if honest:
        send(chain, mine.owner, 1)
    else:
        chain.transact("0x" + "99" * 20, b"", by=mine.owner.hex)
    if not await burned_by(chain, mine):
        raise Refused("deposits count nothing")


# Deeds


@attack(
    who="a person with one passport",
    gain="points for having brought themselves",
    why="only an older passport can have brought somebody",
    guard=Guard(TASKS, "if not 0 < referrer < passport:", "TSK-014", "if not 0 < referrer:"),
    refusal="only an older passport can have brought this one",
)
async def test_referral_of_oneself(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """The referrer that is named is the passport itself."""
    first, second = person(chain, "first"), person(chain, "second")
    for who in (first, second):
        account = keccak256(f"x account of {who.passport}".encode())
        who.bind(bytes(account), scope=keccak256(b"account/x"))
    referrer = (first if honest else second).passport
    brought = task("referral", when=STARS)
    assert await tasks._referrer(gateway, second.passport, referrer, brought) == referrer


@attack(
    who="a farm's mother passport, which shows nothing of itself",
    gain="points for each passport of the farm",
    why="who brings somebody is a person of the task's own scope",
    guard=Guard(
        TASKS,
        "if scope not in {one.scope for one in await gateway.client.nullifiers(referrer)}:",
        "TSK-014",
        "if False:",
    ),
    refusal="has shown no account/x itself",
)
async def test_referral_by_nobody(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """The referrer has no account of the task's platform."""
    first, _ = human(chain, "first")
    if honest:
        first.bind(bytes(keccak256(b"x account")), scope=keccak256(b"account/x"))
    second = person(chain, "second")
    brought = task("referral", when=STARS)
    assert await tasks._referrer(gateway, second.passport, first.passport, brought) == first.passport


@attack(
    who="anybody who is signed in",
    gain="reads what others' deeds rest on: accounts, wallets, balances",
    why="evidence of a deed is for who did it",
    guard=Guard(
        TASKS,
        """if passport not in passports:
        raise GatewayError(Fault.NOT_FOUND, "no such deed of yours")""",
        "GTW-082",
    ),
    refusal="no such deed of yours",
)
async def test_evidence_of_somebody_elses_deed(gateway: Gateway, honest: bool) -> None:
    """A stranger names the source of a deed, which the ledger shows."""
    source = Hash32(keccak256(b"a deed"))
    sealed = gateway.sealer.seal(b'{"document":"{}","task":"post"}', "deed")
    row = {"source": source, "passport": 1, "task": "post", "job": 1, "sealed": sealed, "at_s": 0}
    async with gateway.database.transaction() as tx:
        await tx.execute(insert(deeds).values(row))
    found = await tasks.evidence_of(gateway, source, (1,) if honest else (2,))
    assert found["task"] == "post"
