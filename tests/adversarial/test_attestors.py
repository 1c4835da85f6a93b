"""Attacks on validators: their keys, their quorum, their sets; and on what only a timelock may do."""

from tests.adversarial.chain import DAY_S, Chain, placed
from tests.adversarial.guards import Guard
from tests.adversarial.kit import attack
from tests.adversarial.people import ATTESTORS, CONTRACTS, Wallet, bind, human, person, proof, signatures

from trex.chain.dev.accounts import ACCOUNTS
from trex.passport import acts
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32

SET = "contracts/src/passport/ValidatorSet.sol"
NULLIFIERS = "contracts/src/passport/Nullifiers.sol"
ACCOUNT = bytes(keccak256(b"an account"))
GOVERNOR = placed("PersonaTimelock").address


def members() -> list[str]:
    return [ACCOUNTS[place].address for place in (7, 8, 9)]


@attack(
    who="the thief of one attestor's key",
    gain="binds any account, grants any badge",
    why="the threshold of the set must sign",
    guard=Guard(SET, "if (count < threshold) revert ValidatorSet_TooFew(count, threshold);", "PAS-060"),
    refusal="ValidatorSet_TooFew",
)
def test_one_stolen_attestor_key(chain: Chain, honest: bool) -> None:
    """One signature of the two that are needed."""
    mine = person(chain, "owner")
    bind(chain, mine.binding(ACCOUNT), ATTESTORS[: 2 if honest else 1])


@attack(
    who="the thief of one attestor's key",
    gain="a quorum of one",
    why="signers ascend: each counts once",
    guard=Guard(SET, "if (signer <= last) revert ValidatorSet_NotAscending(last, signer);", "PAS-060"),
    refusal="ValidatorSet_NotAscending",
)
def test_one_attestor_twice(chain: Chain, honest: bool) -> None:
    """The same signature stands there twice."""
    mine = person(chain, "owner")
    bind(chain, mine.binding(ACCOUNT), ATTESTORS[:2] if honest else ATTESTORS[:1] * 2)


@attack(
    who="anybody",
    gain="attests to anything",
    why="only members of the set count",
    guard=Guard(
        SET,
        "if (place == 0) revert ValidatorSet_NotMember(setEpoch, signer);",
        "PAS-060",
        "if (place == 0) place = 1;",
    ),
    refusal="ValidatorSet_NotMember",
)
def test_strangers_attest(chain: Chain, honest: bool) -> None:
    """Two keys of the attacker's sign."""
    mine = person(chain, "owner")
    own = sorted((Wallet("a"), Wallet("b")), key=lambda one: one.hex)
    bind(chain, mine.binding(ACCOUNT), ATTESTORS[:2] if honest else [one.secret for one in own])


@attack(
    who="the thief of keys that were rotated out",
    gain="attests as the old set",
    why="a set counts while it is in force, and for a grace of seven days at most",
    guard=Guard(SET, "if (!inForce(setEpoch)) revert ValidatorSet_NotInForce(setEpoch);", "PAS-061"),
    refusal="ValidatorSet_NotInForce",
)
def test_keys_of_a_retired_set(chain: Chain, honest: bool) -> None:
    """The set was replaced since its keys leaked; they sign for its epoch."""
    mine = person(chain, "owner")
    if not honest:
        chain.do("ValidatorSet", "replace", [Wallet("fresh").hex], 1, by=GOVERNOR)
    bind(chain, mine.binding(ACCOUNT))


@attack(
    who="anybody",
    gain="is the validator set",
    why="without the set's own quorum, only the timelock replaces it",
    guard=Guard(SET, "if (msg.sender != GOVERNOR) revert ValidatorSet_NotGovernor(msg.sender);", "PAS-062"),
    refusal="ValidatorSet_NotGovernor",
)
def test_set_seized(chain: Chain, honest: bool) -> None:
    """A stranger calls what the timelock calls when a quorum is lost."""
    thief = Wallet("thief")
    chain.do("ValidatorSet", "replace", [thief.hex], 1, by=GOVERNOR if honest else thief.hex)
    assert chain.ask("ValidatorSet", "membersOf", 2) == (thief.hex,)


@attack(
    who="outgoing attestors",
    gain="go on attesting for years after they were rotated out",
    why="grace has a longest time",
    guard=Guard(
        SET,
        "if (graceS > MAX_GRACE_S) revert ValidatorSet_GraceTooLong(graceS, MAX_GRACE_S);",
        "PAS-061",
    ),
    refusal="ValidatorSet_GraceTooLong",
)
def test_endless_grace(chain: Chain, honest: bool) -> None:
    """A set gives itself a year of grace in the rotation that ends it."""
    args = ([Wallet("fresh").hex], 1, (7 if honest else 365) * DAY_S)
    signed = signatures(chain.ask("ValidatorSet", "rotationDigest", *args))
    chain.do("ValidatorSet", "rotate", *args, signed)


@attack(
    who="anybody",
    gain="every passport: code of their own behind the address that all trust",
    why="only the timelock upgrades, after longer than it takes to leave the chain",
    guard=Guard(
        "contracts/src/passport/UpgradedByTimelock.sol",
        "if (msg.sender != TIMELOCK) revert UpgradedByTimelock_NotTimelock(msg.sender);",
        "PAS-062",
        contract="Passport",
    ),
    refusal="UpgradedByTimelock_NotTimelock",
)
def test_proxy_swapped(chain: Chain, honest: bool) -> None:
    """A stranger has the passport's proxy point to another contract."""
    other = chain.deploy("Seized")
    by = GOVERNOR if honest else Wallet("thief").hex
    chain.do("Passport", "upgradeToAndCall", other, b"", by=by)
    assert chain.ask("Passport", "version") == "seized"


@attack(
    who="those who may schedule upgrades",
    gain="swap the passport's code before anyone can leave",
    why="the delay cannot be brought below thirty days, by vote or otherwise",
    guard=Guard(
        "contracts/src/passport/PersonaTimelock.sol",
        """if (delayS < LEAST_DELAY_S) revert PersonaTimelock_TooShort(delayS, LEAST_DELAY_S);
        super.updateDelay(delayS);""",
        "PAS-062",
        "super.updateDelay(delayS);",
    ),
    refusal="PersonaTimelock_TooShort",
)
def test_timelock_shortened(chain: Chain, honest: bool) -> None:
    """The timelock itself is told to wait a minute from now on."""
    delay = 40 * DAY_S if honest else 60
    chain.do("PersonaTimelock", "updateDelay", delay, by=GOVERNOR)
    assert chain.ask("PersonaTimelock", "getMinDelay") == delay


# Accounts of humans


@attack(
    who="a person with two passports",
    gain="one account of a human counts for both within a day",
    why="an account that its holder has not let go moves after 45 days, in which the holder objects",
    guard=Guard(
        NULLIFIERS,
        "if (block.timestamp < credential.moveReadyAt) revert Nullifiers_TooEarly(credential.moveReadyAt);",
        "PAS-043",
    ),
    refusal="Nullifiers_TooEarly",
)
def test_account_moved_at_once(chain: Chain, honest: bool) -> None:
    """The account is bound to a second passport, and the move completed the same day."""
    other, (_, nullifier) = person(chain, "other"), human(chain, "owner")
    chain.wait(60)
    other.bind(nullifier)
    chain.wait(45 * DAY_S if honest else DAY_S)
    chain.do("Nullifiers", "completeMove", nullifier)
    assert chain.ask("Nullifiers", "holderOf", nullifier) == other.passport


@attack(
    who="the seller of a social account",
    gain="stops the buyer's move for ever, by proofs from when the account was theirs",
    why="only a proof newer than the newest ends a move",
    guard=Guard(
        NULLIFIERS,
        "if (binding.attestedAt <= newest) revert Nullifiers_Stale(binding.attestedAt, newest);",
        "PAS-043",
    ),
    refusal="Nullifiers_Stale",
)
def test_backdated_proof_of_control(chain: Chain, honest: bool) -> None:
    """An attestation from before the sale is sent after the buyer has shown control."""
    mine, nullifier = human(chain, "seller")
    chain.wait(60)
    old = mine.binding(nullifier, deadline=chain.now_s + DAY_S)
    chain.wait(60)
    person(chain, "buyer").bind(nullifier)
    chain.wait(60)
    if honest:
        mine.bind(nullifier)
    else:
        bind(chain, old)
    assert chain.ask("Nullifiers", "credentialOf", nullifier)[5] == 0


@attack(
    who="a person who kept an attestation under an old k",
    gain="one account counts twice: under its old nullifier here, under its new one there",
    why="a binding is of the epoch of k in force",
    guard=Guard(
        NULLIFIERS,
        """if (binding.keyEpoch != keyEpoch) revert Nullifiers_WrongKeyEpoch(binding.keyEpoch,
        keyEpoch);""",
        "PAS-044",
    ),
    refusal="Nullifiers_WrongKeyEpoch",
)
def test_nullifier_of_an_old_key(chain: Chain, honest: bool) -> None:
    """The key k is rotated; an unused attestation from before is sent afterwards."""
    first, second = person(chain, "first"), person(chain, "second")
    old = second.binding(bytes(keccak256(b"under the old k")))
    if not honest:
        digest = chain.ask("Nullifiers", "openingDigest")
        chain.do("Nullifiers", "openKeyEpoch", 1, signatures(digest))
    first.bind(keccak256(b"under the new k"))
    bind(chain, old)


@attack(
    who="attestors who leave a friend out when k rotates",
    gain="the friend's accounts have a second nullifier, and count again",
    why="a new epoch opens when every account is mapped",
    guard=Guard(NULLIFIERS, "if (mapped != total) revert Nullifiers_Incomplete(mapped, total);", "PAS-044"),
    refusal="Nullifiers_Incomplete",
)
def test_account_left_out_of_a_rotation(chain: Chain, honest: bool) -> None:
    """An epoch of k is opened with one account not mapped."""
    _, nullifier = human(chain, "owner")
    if honest:
        args = ([nullifier], [bytes(keccak256(b"its new form"))])
        signed = signatures(chain.ask("Nullifiers", "mappingDigest", *args))
        chain.do("Nullifiers", "map", *args, 1, signed)
    signed = signatures(chain.ask("Nullifiers", "openingDigest"))
    chain.do("Nullifiers", "openKeyEpoch", 1, signed)
    assert chain.ask("Nullifiers", "keyEpoch") == 2


@attack(
    who="attestors under a rotation of k",
    gain="give two accounts one new form, or one account two: who holds it is a matter of order",
    why="a form is taken once",
    guard=Guard(NULLIFIERS, "if (canonicalOf[to[i]] != 0) revert Nullifiers_FormTaken(to[i]);", "PAS-044"),
    refusal="Nullifiers_FormTaken",
)
def test_two_accounts_with_one_new_form(chain: Chain, honest: bool) -> None:
    """Both accounts of a rotation are mapped to the same new nullifier."""
    (_, first), (_, second) = human(chain, "first"), human(chain, "second")
    forms = [bytes(keccak256(b"form")), bytes(keccak256(b"other form" if honest else b"form"))]
    args = ([first, second], forms)
    signed = signatures(chain.ask("Nullifiers", "mappingDigest", *args))
    chain.do("Nullifiers", "map", *args, 1, signed)


@attack(
    who="whoever holds an attestation back",
    gain="binds an account long after its owner lost it",
    why="an attestation has a last second",
    guard=Guard(
        NULLIFIERS,
        "if (block.timestamp > binding.deadline) revert Nullifiers_Expired(binding.deadline);",
        "PAS-041",
    ),
    refusal="Nullifiers_Expired",
)
def test_attestation_held_back(chain: Chain, honest: bool) -> None:
    """A binding is sent a month after it was attested."""
    mine = person(chain, "owner")
    signed = mine.binding(ACCOUNT)
    chain.wait(60 if honest else 30 * DAY_S)
    bind(chain, signed)
    assert chain.ask("Nullifiers", "holderOf", ACCOUNT) == mine.passport


@attack(
    who="the owner of any passport",
    gain="lets somebody else's account go, and takes it 45 days later",
    why="only the holder's passport lets an account go",
    guard=Guard(
        NULLIFIERS,
        "if (credential.passport != passport) revert Nullifiers_NotHolder(passport, canonical);",
        "PAS-042",
    ),
    refusal="Nullifiers_NotHolder",
)
def test_release_of_somebody_elses_account(chain: Chain, honest: bool) -> None:
    """A passport signs the release of an account that another one holds."""
    (mine, own), (_, theirs) = human(chain, "owner"), human(chain, "victim")
    wanted = own if honest else theirs
    domain = CONTRACTS.nullifiers_domain
    act = acts.release_nullifier(domain, mine.passport, Hash32(wanted), 0, chain.now_s + DAY_S)
    signed = proof(chain, mine.owner, act, contract="Nullifiers")
    chain.do("Nullifiers", "release", mine.passport, mine.owner.key.tuple, signed.tuple, wanted)
