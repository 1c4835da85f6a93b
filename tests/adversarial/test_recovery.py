"""Attacks on recovery: by guardians, by thieves of keys, and by what recovery leaves behind."""

from tests.adversarial.chain import DAY_S, Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import CONTRACTS, Person, Wallet, human, person, proof

from trex.passport import acts
from trex.passport.keys import Role
from trex.types.primitives import Hash32

KEYS = "contracts/src/passport/PassportKeys.sol"
RECOVERY = "contracts/src/passport/PassportRecovery.sol"
NULLIFIERS = "contracts/src/passport/Nullifiers.sol"
OPEN, CONFIRM, WITHDRAW = 1, 2, 3
"""What guardians approve."""
OF_GUARDIANS, OF_RECOVERY = 2, 3
"""What can be vetoed."""
GUARDIANS = [Wallet(f"guardian {number}") for number in range(5)]
NEW = Wallet("new key")


def guard(lines: str, rule: str, instead: str = "") -> Guard:
    return Guard(RECOVERY, lines, rule, instead, "Passport")


def guarded(chain: Chain) -> Person:
    """Somebody with five guardians: three open a recovery, four insist on it."""
    mine = person(chain, "owner")
    mine.guarded_by(GUARDIANS, 3, 4)
    return mine


def open_by(mine: Person, who: list[Wallet], new: Wallet = NEW) -> None:
    mine.open_recovery(new, mine.approvals(who, OPEN, new.key.id))


@attack(
    who="a quorum of guardians that plots",
    gain="the passport, before its owner hears of it",
    why="a recovery waits seven days, in which any acting key vetoes it",
    guard=guard(
        "if (block.timestamp < recovery.readyAt) revert Passport_TooEarly(recovery.readyAt);", "PAS-023"
    ),
    refusal="Passport_TooEarly",
)
def test_guardians_within_the_veto_time(chain: Chain, honest: bool) -> None:
    """Three of five guardians open a recovery and carry it out the same day."""
    mine = guarded(chain)
    open_by(mine, GUARDIANS[:3])
    chain.wait(7 * DAY_S if honest else DAY_S)
    mine.recover(NEW)
    assert mine.holds(NEW) is Role.ACTING


@attack(
    who="two of five guardians",
    gain="the passport",
    why="a quorum must sign",
    guard=guard(
        """if (needed == 0 || approvals.length < needed) revert Passport_NoQuorum(approvals.length,
        needed);""",
        "PAS-022",
    ),
    refusal="Passport_NoQuorum",
)
def test_too_few_guardians(chain: Chain, honest: bool) -> None:
    """A recovery is opened by fewer than the quorum."""
    mine = guarded(chain)
    open_by(mine, GUARDIANS[: 3 if honest else 2])


@attack(
    who="one guardian",
    gain="the passport, alone",
    why="approvals ascend by key: each guardian is found once",
    guard=guard(
        "revert Passport_NotGuardian(keyId); } ++place;", "PAS-027", "revert Passport_NotGuardian(keyId); }"
    ),
    refusal="Passport_NotGuardian",
)
def test_one_guardian_thrice(chain: Chain, honest: bool) -> None:
    """The same approval is given three times."""
    mine = guarded(chain)
    one = mine.approvals(GUARDIANS[:1], OPEN, NEW.key.id)
    mine.open_recovery(NEW, mine.approvals(GUARDIANS[:3], OPEN, NEW.key.id) if honest else one * 3)


@attack(
    who="strangers",
    gain="the passport",
    why="who is not on the owner's list is no guardian",
    guard=guard(
        """if (place == guardians.keyIds.length || guardians.keyIds[place] != keyId) {
                revert Passport_NotGuardian(keyId);
            }""",
        "PAS-027",
    ),
    refusal="Passport_NotGuardian",
)
def test_strangers_as_guardians(chain: Chain, honest: bool) -> None:
    """Three wallets of the attacker's approve."""
    mine = guarded(chain)
    strangers = [Wallet(f"stranger {number}") for number in range(3)]
    open_by(mine, GUARDIANS[:3] if honest else strangers)


@attack(
    who="the holder of a key that guardians once approved and then dropped",
    gain="opens the recovery again, for a key that guardians no longer want",
    why="each approval is for one round, and every use of approvals begins another",
    guard=guard("uint256 round = _rounds[passport]++;", "PAS-027", "uint256 round = 1;"),
    refusal="Passport_BadSignature",
)
def test_replay_of_approvals(chain: Chain, honest: bool) -> None:
    """Guardians withdraw a recovery; their old approvals are sent again."""
    mine = guarded(chain)
    old = mine.approvals(GUARDIANS[:3], OPEN, NEW.key.id)
    mine.open_recovery(NEW, old)
    withdrawn = mine.approvals(GUARDIANS[:3], WITHDRAW, NEW.key.id)
    chain.do("Passport", "withdrawRecovery", mine.passport, withdrawn)
    mine.open_recovery(NEW, mine.approvals(GUARDIANS[:3], OPEN, NEW.key.id) if honest else old)


@attack(
    who="the thief of an acting key",
    gain="keeps the stolen passport for ever by vetoing every recovery",
    why="a quorum that was contradicted once and insists is not contradicted again",
    guard=guard(
        "if (recovery.vetoedAt != 0 || block.timestamp >= recovery.readyAt) {",
        "PAS-024",
        "if (block.timestamp >= recovery.readyAt) {",
    ),
    refusal="Passport_VetoOver",
)
def test_veto_for_ever(chain: Chain, honest: bool) -> None:
    """Four of five guardians confirm what was vetoed, and it is vetoed once more."""
    mine = guarded(chain)
    open_by(mine, GUARDIANS[:3])
    if not honest:
        mine.veto(OF_RECOVERY)
        approvals = mine.approvals(GUARDIANS[:4], CONFIRM, NEW.key.id)
        chain.do("Passport", "confirmRecovery", mine.passport, approvals)
    mine.veto(OF_RECOVERY)


@attack(
    who="the thief of an acting key",
    gain="puts guardians of their own in the place of those who are recovering the passport",
    why="guardians do not change while a recovery is open",
    guard=guard("if (_isOpen(_recoveries[passport])) revert Passport_RecoveryOpen(passport);", "PAS-026"),
    refusal="Passport_RecoveryOpen",
)
def test_guardians_replaced_during_recovery(chain: Chain, honest: bool) -> None:
    """A change that was asked for before is carried out once a recovery is open."""
    mine = guarded(chain)
    mine.ask_guardians([Wallet("accomplice")], 1, 1)
    chain.wait(14 * DAY_S)
    if not honest:
        open_by(mine, GUARDIANS[:3])
    chain.do("Passport", "executeGuardians", mine.passport)


@attack(
    who="the thief of an acting key",
    gain="guardians of their own at once, who cancel every recovery",
    why="other guardians wait fourteen days, in which any acting key or a quorum of the old vetoes them",
    guard=guard("if (block.timestamp < readyAt) revert Passport_TooEarly(readyAt);", "PAS-021"),
    refusal="Passport_TooEarly",
)
def test_guardians_replaced_at_once(chain: Chain, honest: bool) -> None:
    """A change of guardians is carried out the day it is asked for."""
    mine = guarded(chain)
    mine.ask_guardians([Wallet("accomplice")], 1, 1)
    chain.wait(14 * DAY_S if honest else DAY_S)
    chain.do("Passport", "executeGuardians", mine.passport)


def recovered(chain: Chain) -> Person:
    mine = guarded(chain)
    open_by(mine, GUARDIANS[:3])
    chain.wait(7 * DAY_S)
    mine.recover(NEW)
    return mine


@attack(
    who="the thief of a key from before a recovery",
    gain="acts for the passport as if nothing had happened",
    why="a recovery raises the generation, and keys of another are dead",
    guard=Guard(
        KEYS,
        "return key.role == ROLE_ACTING && key.generation == _states[key.passport].generation;",
        "PAS-003",
        "return key.role == ROLE_ACTING;",
        "Passport",
    ),
    refusal="Passport_NotActing",
)
def test_stolen_key_after_recovery(chain: Chain, honest: bool) -> None:
    """The old acting key takes a key of the thief's in."""
    mine, theirs = recovered(chain), Wallet("theirs")
    mine.take(theirs, Role.ACTING, by=NEW if honest else mine.owner)
    assert mine.holds(theirs) is Role.ACTING


@attack(
    who="a person who has their own passport recovered, or the thief of its key",
    gain="an account of a human that was let go before the recovery is free for another passport: used anew",
    why="what was released by keys that a recovery replaced since is not free",
    guard=Guard(
        NULLIFIERS,
        """return credential.releasedAt != 0 && block.timestamp >= credential.releasedAt + MOVE_COOLDOWN
            && credential.releaseGeneration == PASSPORT.generationOf(credential.passport);""",
        "PAS-042",
        """return credential.releasedAt != 0 &&
        block.timestamp >= credential.releasedAt + MOVE_COOLDOWN;""",
    ),
    refusal="is not theirs yet",
)
def test_nullifier_reset_by_recovery(chain: Chain, honest: bool) -> None:
    """An account is released by a key that recovery takes away, and bound to another passport at once."""
    other = person(chain, "other")
    mine, nullifier = human(chain, "owner")
    mine.guarded_by(GUARDIANS, 3, 4)
    act = acts.release_nullifier(
        CONTRACTS.nullifiers_domain, mine.passport, Hash32(nullifier), 0, chain.now_s + 10**7
    )
    signed = proof(chain, mine.owner, act, contract="Nullifiers")
    chain.do("Nullifiers", "release", mine.passport, mine.owner.key.tuple, signed.tuple, nullifier)
    if not honest:
        open_by(mine, GUARDIANS[:3])
        chain.wait(7 * DAY_S)
        mine.recover(NEW)
    chain.wait(45 * DAY_S)
    other.bind(nullifier)
    if chain.ask("Nullifiers", "holderOf", nullifier) != other.passport:
        raise Refused("is not theirs yet")
