"""Attacks on what others build on passports: quotas of mints, sponsored gas, claims recorded on the chain."""

from collections.abc import Sequence

from tests.adversarial.chain import DAY_S, ENTRY_POINT, RICH, Chain, address_of
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.people import (
    WALLET_SCOPE,
    Person,
    Wallet,
    human,
    person,
    signatures,
)
from tests.adversarial.test_badges import moved

from trex.types.network_file import keccak256
from trex.validators.ecosystem.allowlist import AllowList

STAGES = "contracts/src/points/MintStages.sol"
PAYMASTER = "contracts/src/points/PersonaPaymaster.sol"
CLAIMS = "contracts/src/points/ReclaimClaims.sol"
ETHER = 10**18
ANYBODY = f"0x{bytes(20).hex()}"


# Mints

COLLECTION = Wallet("collection").hex


def stage(chain: Chain, root: bytes = bytes(32)) -> None:
    """A stage of a collection's mint: two pieces for each person."""
    terms = (chain.now_s + 10, chain.now_s + 90 * DAY_S, 100, 2, root, bytes(32), 0, WALLET_SCOPE)
    chain.do("MintStages", "setStage", 1, terms, by=COLLECTION)
    chain.wait(60)


def mint(
    chain: Chain, who: Person, account: bytes, quantity: int, allowance: int = 0, proof: Sequence[bytes] = ()
) -> None:
    assert isinstance(who.owner, Wallet)
    wanted = (who.owner.hex, account, quantity, allowance, list(proof))
    chain.do("MintStages", "consume", 1, wanted, by=COLLECTION)


@attack(
    who="a person with two passports",
    gain="twice the quota, by one account of a human",
    why="pieces are counted for the passport and for the account, and the greater counts",
    guard=Guard(
        STAGES,
        "uint256 had = byPassport > byNullifier ? byPassport : byNullifier;",
        "PTS-062",
        "uint256 had = byPassport; byNullifier;",
    ),
    refusal="MintStages_OverQuota",
)
def test_quota_by_a_second_passport(chain: Chain, honest: bool) -> None:
    """The account moves to another passport within a stage, which mints again."""
    other, (mine, account) = person(chain, "other"), human(chain, "owner")
    stage(chain)
    mint(chain, mine, account, 2)
    if honest:
        account = bytes(keccak256(b"an account of its own"))
        other.bind(account)
    else:
        moved(chain, account, other)
    mint(chain, other, account, 2)


@attack(
    who="a person who is on no list",
    gain="a place in the early stage",
    why="the leaf of passport and allowance must be under the list's root",
    guard=Guard(
        STAGES,
        """if (!MerkleProof.verifyCalldata(request.proof, terms.allowRoot, leaf)) {
                revert MintStages_NotListed(passport);
            }""",
        "PTS-061",
    ),
    refusal="MintStages_NotListed",
)
def test_somebody_elses_place_on_the_list(chain: Chain, honest: bool) -> None:
    """The proof of a listed passport is shown by another."""
    (listed, account), (stranger, own) = human(chain, "listed"), human(chain, "stranger")
    places = AllowList([(listed.passport, 2), (999, 1)])
    stage(chain, bytes(places.root))
    who = (listed, account) if honest else (stranger, own)
    mint(chain, *who, 2, 2, [bytes(one) for one in places.proof(listed.passport)])


@attack(
    who="the maker of a collection",
    gain="changes price class and list under those who came for the old ones",
    why="a stage that has begun does not change",
    guard=Guard(
        STAGES,
        "if (old.end != 0 && block.timestamp >= old.start) revert MintStages_Begun(stage);",
        "PTS-063",
    ),
    refusal="MintStages_Begun",
)
def test_stage_changed_underway(chain: Chain, honest: bool) -> None:
    """A running stage is set anew with a quota of one."""
    stage(chain)
    terms = (chain.now_s + 10, chain.now_s + DAY_S, 1, 1, bytes(32), bytes(32), 0, WALLET_SCOPE)
    chain.do("MintStages", "setStage", 2 if honest else 1, terms, by=COLLECTION)


@attack(
    who="a person with many wallets and no account of a human",
    gain="mints as if each wallet were a person",
    why="a request names an account that its passport holds",
    guard=Guard(
        STAGES,
        """if (NULLIFIERS.holderOf(request.nullifier) != passport) {
            revert MintStages_NoCredential(passport, request.nullifier);
        }""",
        "PTS-062",
    ),
    refusal="MintStages_NoCredential",
)
def test_mint_by_a_foreign_account(chain: Chain, honest: bool) -> None:
    """A fresh passport names an account of somebody else."""
    fresh, (mine, account) = person(chain, "fresh"), human(chain, "owner")
    stage(chain)
    mint(chain, mine if honest else fresh, account, 2)


# Sponsored gas


def sponsorship(chain: Chain, bundler: str = ANYBODY) -> None:
    """One that pays 2 for an operation at most, 5 a day for a passport, 10 for all; 100 lie there."""
    terms = (2 * ETHER, 5 * ETHER, 10 * ETHER)
    chain.give(RICH, 1000 * ETHER)
    chain.do("PersonaPaymaster", "create", *terms, value=100 * ETHER)
    chain.do("PersonaPaymaster", "setBundler", 1, bundler)


def operation(chain: Chain, who: Person, cost: int, by: str = ENTRY_POINT) -> None:
    """What the EntryPoint asks the paymaster before an operation runs."""
    assert isinstance(who.owner, Wallet)
    paymaster = bytes.fromhex(address_of("PersonaPaymaster")[2:])
    data = paymaster + bytes(32) + (1).to_bytes(32) + (chain.now_s // DAY_S).to_bytes(4)
    told = (who.owner.hex, 0, b"", b"", bytes(32), 0, bytes(32), data, b"")
    chain.do("PersonaPaymaster", "validatePaymasterUserOp", told, bytes(32), cost, by=by)


@attack(
    who="one passport",
    gain="the whole day's gas for all",
    why="each passport has its own budget of the day",
    guard=Guard(
        PAYMASTER,
        "if (cost > left) revert PersonaPaymaster_PassportBudget(passport, cost, left);",
        "PTS-081",
    ),
    refusal="PersonaPaymaster_PassportBudget",
)
def test_paymaster_drained_by_one(chain: Chain, honest: bool) -> None:
    """Operations until the sponsorship has no more for today."""
    sponsorship(chain)
    mine, _ = human(chain, "owner")
    for _ in range(2 if honest else 5):
        operation(chain, mine, 2 * ETHER)


@attack(
    who="a farm of passports",
    gain="all that lies in the sponsorship, in a day",
    why="all passports together have a budget of the day",
    guard=Guard(
        PAYMASTER,
        "if (cost > left) revert PersonaPaymaster_DayBudget(sponsorship, cost, left);",
        "PTS-081",
    ),
    refusal="PersonaPaymaster_DayBudget",
)
def test_paymaster_drained_by_many(chain: Chain, honest: bool) -> None:
    """Eight humans, each within their own budget."""
    sponsorship(chain)
    for number in range(5 if honest else 8):
        operation(chain, human(chain, f"human {number}")[0], 2 * ETHER)


@attack(
    who="whoever makes passports, which cost nothing",
    gain="a budget of gas for each",
    why="a passport without an account of a human is not paid for",
    guard=Guard(
        PAYMASTER,
        "if (NULLIFIERS.countOf(passport) == 0) revert PersonaPaymaster_NoCredential(passport);",
        "PTS-080",
    ),
    refusal="PersonaPaymaster_NoCredential",
)
def test_paymaster_drained_by_empty_passports(chain: Chain, honest: bool) -> None:
    """A passport made a moment ago asks for gas."""
    sponsorship(chain)
    operation(chain, human(chain, "human")[0] if honest else person(chain, "empty"), ETHER)


@attack(
    who="an account that asks for absurd gas limits",
    gain="one operation that takes the day's budget",
    why="the highest cost of one operation is capped",
    guard=Guard(
        PAYMASTER,
        "if (cost > terms.perOperation) revert PersonaPaymaster_TooDear(cost, terms.perOperation);",
        "PTS-082",
    ),
    refusal="PersonaPaymaster_TooDear",
)
def test_operation_too_dear(chain: Chain, honest: bool) -> None:
    """One operation of five where two are allowed."""
    sponsorship(chain)
    operation(chain, human(chain, "human")[0], (2 if honest else 5) * ETHER)


@attack(
    who="a passport that brings its own operations to the chain",
    gain="the sponsor's money: gas that nothing uses, paid to whoever brings the operation",
    why="only the sponsorship's own bundler brings operations",
    guard=Guard(
        PAYMASTER,
        """if (bundler != address(0) && tx.origin != bundler) {
            revert PersonaPaymaster_NotBundler(sponsorship, tx.origin);
        }""",
        "PTS-084",
    ),
    refusal="PersonaPaymaster_NotBundler",
)
def test_sponsorship_cashed_out(chain: Chain, honest: bool) -> None:
    """The transaction that has the operation validated is the member's, not the relayer's."""
    relayer = Wallet("relayer").hex
    sponsorship(chain, bundler=ENTRY_POINT if honest else relayer)
    operation(chain, human(chain, "member")[0], 2 * ETHER)


@attack(
    who="anybody",
    gain="uses up somebody's budget without paying for anything",
    why="only the EntryPoint takes from budgets",
    guard=Guard(
        PAYMASTER,
        "if (msg.sender != address(ENTRY_POINT)) revert PersonaPaymaster_NotEntryPoint(msg.sender);",
        "PTS-081",
    ),
    refusal="PersonaPaymaster_NotEntryPoint",
)
def test_paymaster_called_by_anybody(chain: Chain, honest: bool) -> None:
    """A stranger says what only the EntryPoint says."""
    sponsorship(chain)
    mine, _ = human(chain, "victim")
    operation(chain, mine, 2 * ETHER, by=ENTRY_POINT if honest else Wallet("stranger").hex)
    day = chain.now_s // DAY_S
    assert chain.ask("PersonaPaymaster", "spentBy", 1, mine.passport, day) == 2 * ETHER


@attack(
    who="anybody",
    gain="the money of a sponsorship",
    why="only its owner withdraws",
    guard=Guard(
        PAYMASTER,
        "if (terms.owner != msg.sender) revert PersonaPaymaster_NotOwner(sponsorship, msg.sender);",
        "PTS-083",
    ),
    refusal="PersonaPaymaster_NotOwner",
)
def test_sponsorship_withdrawn_by_a_stranger(chain: Chain, honest: bool) -> None:
    """A stranger withdraws."""
    sponsorship(chain)
    thief = Wallet("thief").hex
    by = RICH if honest else thief
    chain.do("PersonaPaymaster", "withdraw", 1, 50 * ETHER, thief, by=by)
    assert chain.balance(thief) == 50 * ETHER


# Reclaim claims on the chain

ATTESTOR = Wallet("Reclaim attestor")
IDENTIFIER = bytes(keccak256(b"a claim"))


def trusting(chain: Chain) -> None:
    """The chain trusts our attestor."""
    digest = chain.ask("ReclaimClaims", "trustDigest", ATTESTOR.hex, True)
    chain.do("ReclaimClaims", "trust", ATTESTOR.hex, True, 1, signatures(digest))


def claim(
    chain: Chain,
    who: Person,
    account: bytes,
    *,
    signer: Wallet = ATTESTOR,
    age_s: int = 60,
    meant: bytes = IDENTIFIER,
) -> None:
    """Record a claim and what it means."""
    told = (IDENTIFIER, Wallet("session").hex, chain.now_s - age_s, 1)
    shown = str(chain.ask("ReclaimClaims", "textOf", told)).encode()
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(shown)).encode() + shown)
    meaning = (meant, who.passport, bytes(32), account, 3, chain.now_s + DAY_S)
    agreed = signatures(chain.ask("ReclaimClaims", "meaningDigest", meaning))
    chain.do("ReclaimClaims", "record", told, signer.sign(digest), meaning, 1, agreed)


@attack(
    who="anybody with a key",
    gain="claims of any content",
    why="the attestor must be one that the contract trusts",
    guard=Guard(CLAIMS, "if (!isTrusted[attestor]) revert ReclaimClaims_Untrusted(attestor);", "PTS-041"),
    refusal="ReclaimClaims_Untrusted",
)
def test_forged_claim_on_chain(chain: Chain, honest: bool) -> None:
    """A claim signed by a key of the attacker's."""
    trusting(chain)
    claim(chain, *human(chain, "owner"), signer=ATTESTOR if honest else Wallet("forger"))


@attack(
    who="a person whose followers left",
    gain="a level by a claim of last year",
    why="a claim is thirty days old at most",
    guard=Guard(
        CLAIMS,
        """if (claim.timestampS + OLDEST_S < block.timestamp
        || claim.timestampS > block.timestamp + AHEAD_S) {
            revert ReclaimClaims_Stale(claim.timestampS);
        }""",
        "PTS-042",
    ),
    refusal="ReclaimClaims_Stale",
)
def test_stale_claim_on_chain(chain: Chain, honest: bool) -> None:
    """A claim of sixty days ago."""
    trusting(chain)
    claim(chain, *human(chain, "owner"), age_s=(20 if honest else 60) * DAY_S)


@attack(
    who="two people with one claim",
    gain="a level for each",
    why="an identifier serves once",
    guard=Guard(
        CLAIMS,
        "if (_records[claim.identifier].recordedAt != 0) revert ReclaimClaims_Used(claim.identifier);",
        "PTS-042",
    ),
    refusal="ReclaimClaims_Used",
)
def test_claim_shared_on_chain(chain: Chain, honest: bool) -> None:
    """A claim is recorded for two passports."""
    trusting(chain)
    first, second = human(chain, "first"), human(chain, "second")
    if not honest:
        claim(chain, *first)
    claim(chain, *second)
    assert chain.ask("ReclaimClaims", "recordOf", IDENTIFIER)[0] == second[0].passport


@attack(
    who="a person with a poor claim",
    gain="the level that validators attested for a rich one",
    why="what is attested names the claim that it is about",
    guard=Guard(
        CLAIMS,
        """if (claim.identifier != meaning.identifier) {
            revert ReclaimClaims_OtherClaim(claim.identifier, meaning.identifier);
        }""",
        "PTS-042",
    ),
    refusal="ReclaimClaims_OtherClaim",
)
def test_meaning_of_another_claim(chain: Chain, honest: bool) -> None:
    """A claim is recorded with the meaning of another."""
    trusting(chain)
    claim(chain, *human(chain, "owner"), meant=IDENTIFIER if honest else bytes(keccak256(b"a rich claim")))


@attack(
    who="the owner of a passport",
    gain="a level by somebody else's account",
    why="the account of a claim must be the passport's",
    guard=Guard(
        CLAIMS,
        "if (nullifier == 0 || NULLIFIERS.holderOf(nullifier) != meaning.passport) {",
        "PTS-042",
        "if (nullifier == 0) {",
    ),
    refusal="ReclaimClaims_NotHolder",
)
def test_claim_of_a_foreign_owner_on_chain(chain: Chain, honest: bool) -> None:
    """The claim is about an account that another passport holds."""
    trusting(chain)
    (mine, own), (_, theirs) = human(chain, "owner"), human(chain, "stranger")
    claim(chain, mine, own if honest else theirs)


@attack(
    who="the operator of a gateway",
    gain="an attestor of their own that the chain trusts",
    why="validators attest to whom the contract trusts",
    guard=Guard(
        CLAIMS,
        "VALIDATORS.check(trustDigest(attestor, trusted), setEpoch, signatures);",
        "PTS-043",
    ),
    refusal="ValidatorSet_NotMember",
)
def test_attestor_of_ones_own(chain: Chain, honest: bool) -> None:
    """Two keys of the attacker's sign that an attestor is trusted."""
    own = sorted((Wallet("a"), Wallet("b")), key=lambda one: one.hex)
    digest = chain.ask("ReclaimClaims", "trustDigest", ATTESTOR.hex, True)
    signed = signatures(digest) if honest else signatures(digest, [one.secret for one in own])
    chain.do("ReclaimClaims", "trust", ATTESTOR.hex, True, 1, signed)
    assert chain.ask("ReclaimClaims", "isTrusted", ATTESTOR.hex)
