"""Attacks on badges: one human's second badge, old attestations, stolen attestor keys, strangers' texts."""

import base64
import json

from tests.adversarial.chain import DAY_S, Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import (
    ATTESTORS,
    CONTRACTS,
    VERSION,
    Person,
    Wallet,
    attested,
    change_state,
    grant,
    human,
    person,
    policy,
    proof,
)

from trex.chain.dev.accounts import ACCOUNTS
from trex.passport import acts
from trex.types.network_file import keccak256

STORE = "contracts/src/badges/BadgeStore.sol"
BADGES = "contracts/src/badges/Badges.sol"
QUARANTINE = "contracts/src/badges/Quarantine.sol"
RENDERER = "contracts/src/badges/BadgeRenderer.sol"
POLICIES = "contracts/src/badges/Policies.sol"
GRANTED, SUSPENDED, REVOKED = 1, 2, 4
STEWARD = ACCOUNTS[6].address
OF_ATTESTOR, OF_VERSION = 1, 2
"""Kinds of a case of quarantine."""


def store_guard(lines: str, rule: str, instead: str = "") -> Guard:
    return Guard(STORE, lines, rule, instead, "Badges")


def moved(chain: Chain, nullifier: bytes, to: Person) -> None:
    """An account goes from one passport to another, with all the time that takes."""
    chain.wait(60)
    to.bind(nullifier)
    chain.wait(45 * DAY_S)
    chain.do("Nullifiers", "completeMove", nullifier)


def state_of(chain: Chain, token: int) -> int:
    return int(chain.ask("Badges", "stateOf", token))


@attack(
    who="a person with two passports",
    gain="two badges of one policy, by the same wallet",
    why="a nullifier serves one badge of a policy until attestors free it",
    guard=store_guard("if (user != 0) revert Badges_NullifierUsed(canonical, user);", "BDG-011"),
    refusal="Badges_NullifierUsed",
)
def test_second_badge_by_a_moved_wallet(chain: Chain, honest: bool) -> None:
    """The wallet moves between passports, as long as it takes, and is shown again."""
    rule, other, (mine, account) = policy(chain), person(chain, "other"), human(chain, "owner")
    grant(chain, mine.wish(rule, [account])).send()
    moved(chain, account, other)
    if honest:
        change_state(chain, mine.badge(rule), REVOKED, free=True).send()
    chain.wait(60)
    grant(chain, other.wish(rule, [account])).send()
    assert other.level(rule) == 2


@attack(
    who="the owner of any passport",
    gain="takes a stranger's account into use: its holder never gets the badge",
    why="each nullifier of a grant must be the passport's own",
    guard=store_guard(
        "if (canonical == 0 || NULLIFIERS.holderOf(canonical) != wanted.passport) {",
        "BDG-011",
        "if (canonical == 0) {",
    ),
    refusal="Badges_NotHolder",
)
def test_badge_by_a_foreign_account(chain: Chain, honest: bool) -> None:
    """A grant names an account that another passport holds."""
    rule, other, (mine, account) = policy(chain), person(chain, "other"), human(chain, "owner")
    who = mine if honest else other
    grant(chain, who.wish(rule, [account])).send()
    assert chain.ask("Badges", "usedBy", rule, account) == who.badge(rule)


@attack(
    who="the holder of a badge that was revoked",
    gain="has it back, by the attestation of before",
    why="what was decided before the newest decision counts no more",
    guard=store_guard(
        "if (wanted.attestedAt <= badge.newest) revert Badges_Stale(wanted.attestedAt, badge.newest);",
        "BDG-012",
    ),
    refusal="Badges_Stale",
)
def test_old_attestation_after_revocation(chain: Chain, honest: bool) -> None:
    """The grant's own calldata, sent again."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    old = grant(chain, mine.wish(rule, [account], deadline=chain.now_s + DAY_S))
    old.send()
    change_state(chain, mine.badge(rule), REVOKED, free=True).send()
    chain.wait(60)
    (grant(chain, mine.wish(rule, [account])) if honest else old).send()
    assert mine.level(rule) == 2


@attack(
    who="a person who has attestors look ahead",
    gain="a grant that no later decision beats: it is newer than all of them",
    why="what is attested has happened",
    guard=store_guard(
        "if (wanted.attestedAt > block.timestamp) revert Badges_Stale(wanted.attestedAt, block.timestamp);",
        "BDG-013",
    ),
    refusal="Badges_Stale",
)
def test_attestation_from_the_future(chain: Chain, honest: bool) -> None:
    """A grant is dated a year ahead."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    at = chain.now_s if honest else chain.now_s + 365 * DAY_S
    grant(chain, mine.wish(rule, [account], attested=at)).send()
    assert mine.level(rule) == 2


@attack(
    who="a person whose evidence is gone",
    gain="a badge by an attestation of last month",
    why="an attestation has a last second",
    guard=store_guard(
        "if (block.timestamp > wanted.deadline) revert Badges_Expired(wanted.deadline);", "BDG-013"
    ),
    refusal="Badges_Expired",
)
def test_stale_attestation(chain: Chain, honest: bool) -> None:
    """A grant is kept and sent when what it says is no longer so."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    kept = grant(chain, mine.wish(rule, [account]))
    chain.wait(60 if honest else 30 * DAY_S)
    kept.send()
    assert mine.level(rule) == 2


@attack(
    who="attestors who favour a friend",
    gain="a level that the policy does not have",
    why="levels end where the published policy ends",
    guard=store_guard(
        """if (wanted.level == 0 || wanted.level > maxLevel) revert Badges_BadLevel(wanted.level,
        maxLevel);""",
        "BDG-003",
    ),
    refusal="Badges_BadLevel",
)
def test_level_beyond_the_policy(chain: Chain, honest: bool) -> None:
    """Level 200 of a policy of five."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    grant(chain, mine.wish(rule, [account], level=5 if honest else 200)).send()


@attack(
    who="a publisher whose policy was found to be faulty and closed",
    gain="badges go on being granted under it",
    why="a closed policy takes no grants",
    guard=store_guard("if (!active) revert Badges_PolicyClosed(wanted.policy);", "BDG-002"),
    refusal="Badges_PolicyClosed",
)
def test_grant_under_a_closed_policy(chain: Chain, honest: bool) -> None:
    """A grant that was attested before the policy closed is sent afterwards."""
    publisher = Wallet("publisher").hex
    rule, (mine, account) = policy(chain, by=publisher), human(chain, "owner")
    kept = grant(chain, mine.wish(rule, [account]))
    if not honest:
        chain.do("Policies", "setActive", rule, False, by=publisher)
    kept.send()


@attack(
    who="the holder of a badge that is suspended again",
    gain="lifts the suspension by the attestation that lifted the last one",
    why="an attestation of state serves once",
    guard=Guard(BADGES, "if (_used[digest]) revert Badges_Used(digest);", "BDG-023"),
    refusal="Badges_Used",
)
def test_replay_of_reinstatement(chain: Chain, honest: bool) -> None:
    """Suspended, reinstated, suspended; the reinstatement is sent again."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    grant(chain, mine.wish(rule, [account])).send()
    token = mine.badge(rule)
    change_state(chain, token, SUSPENDED, number=1).send()
    lift = change_state(chain, token, GRANTED, number=2)
    lift.send()
    change_state(chain, token, SUSPENDED, number=3).send()
    (change_state(chain, token, GRANTED, number=4) if honest else lift).send()
    assert state_of(chain, token) == GRANTED


@attack(
    who="a rival",
    gain="destroys somebody's badge",
    why="only a key that acts for the holder gives it up",
    guard=Guard(
        "contracts/src/passport/PassportActs.sol",
        "if (!PASSPORT.isActing(passport, keyId)) revert PassportActs_NotActing(passport, keyId);",
        "BDG-022",
        contract="Badges",
    ),
    refusal="PassportActs_NotActing",
)
def test_badge_renounced_by_a_stranger(chain: Chain, honest: bool) -> None:
    """A stranger signs that the badge is given up."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    grant(chain, mine.wish(rule, [account])).send()
    token, who = mine.badge(rule), mine.owner if honest else Wallet("rival")
    act = acts.renounce_badge(CONTRACTS.badges_domain, mine.passport, token, 0, chain.now_s + DAY_S)
    chain.do("Badges", "renounce", token, who.key.tuple, proof(chain, who, act, contract="Badges").tuple)
    assert state_of(chain, token) == REVOKED


# What was touched by whom


def case(chain: Chain, kind: int, subject: bytes, since: int) -> None:
    told = (kind, subject, since, chain.now_s + DAY_S, bytes(32), 1, chain.now_s + DAY_S)
    chain.do("Quarantine", "openCase", told, 1, b"", by=STEWARD)


def attestor(place: int) -> bytes:
    return bytes(12) + bytes.fromhex(ACCOUNTS[place].address[2:])


@attack(
    who="the thief of a quorum of attestor keys",
    gain="badges that count on after the theft is known",
    why="a case suspends what the stolen keys signed, and nothing else",
    guard=store_guard(
        "if (stored == STATE_SUSPENDED || _touched(badge) != 0 || _hasMoved(badge)) return STATE_SUSPENDED;",
        "BDG-030",
        "if (stored == STATE_SUSPENDED || _hasMoved(badge)) return STATE_SUSPENDED;",
    ),
    refusal="does not count",
)
def test_badges_of_a_stolen_attestor_key(chain: Chain, honest: bool) -> None:
    """A case is opened on the key; the honest badge was signed by the others."""
    rule, (mine, account), since = policy(chain), human(chain, "owner"), chain.now_s
    signers = ATTESTORS[1:] if honest else ATTESTORS[:2]
    grant(chain, mine.wish(rule, [account]), by=signers).send()
    case(chain, OF_ATTESTOR, attestor(7), since)
    if mine.level(rule) != 2:
        raise Refused("does not count")


@attack(
    who="the thief of attestor keys",
    gain="grants anew what was quarantined",
    why="no grant that an open case touches is taken",
    guard=store_guard("if (caseId != 0) revert Badges_Quarantined(caseId);", "BDG-032"),
    refusal="Badges_Quarantined",
)
def test_grant_under_quarantine(chain: Chain, honest: bool) -> None:
    """A version of the validators is known to be faulty, and is used on."""
    rule, (mine, account), since = policy(chain), human(chain, "owner"), chain.now_s
    case(chain, OF_VERSION, bytes(VERSION), since)
    version = keccak256(b"validators 1.0.1") if honest else VERSION
    grant(chain, mine.wish(rule, [account], version=version)).send()
    assert mine.badge(rule)


@attack(
    who="the thief of attestor keys",
    gain="slips out of the quarantine by dating grants before the theft",
    why="a case looks at when the chain recorded a grant, which no attestor chooses",
    guard=store_guard(
        "_attestations.push(Attestation(signers, setEpoch, uint64(block.timestamp)));",
        "BDG-031",
        "_attestations.push(Attestation(signers, setEpoch, grants[0].attestedAt));",
    ),
    refusal="does not count",
)
def test_backdated_grant_under_quarantine(chain: Chain, honest: bool) -> None:
    """A grant of today is dated last week; the case is about today."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    chain.wait(7 * DAY_S)
    since = chain.now_s
    if honest:
        grant(chain, mine.wish(rule, [account])).send()
        chain.wait(60)
        since = chain.now_s
    else:
        grant(chain, mine.wish(rule, [account], attested=since - 7 * DAY_S)).send()
    case(chain, OF_ATTESTOR, attestor(7), since)
    if mine.level(rule) != 2:
        raise Refused("does not count")


@attack(
    who="a rival",
    gain="suspends every badge of a policy's validators",
    why="a case is opened by a quorum of validators, or at once by the steward",
    guard=Guard(QUARANTINE, "VALIDATORS.check(digest, setEpoch, signatures); // BDG-030", "BDG-030"),
    refusal="ValidatorSet_TooFew",
)
def test_quarantine_by_a_stranger(chain: Chain, honest: bool) -> None:
    """A case without signatures."""
    told = (OF_VERSION, bytes(VERSION), 0, chain.now_s + DAY_S, bytes(32), 1, chain.now_s + DAY_S)
    by = STEWARD if honest else Wallet("rival").hex
    chain.do("Quarantine", "openCase", told, 1, b"", by=by)


@attack(
    who="the holder of a badge of a faulty version",
    gain="ends the quarantine by a case that was opened and closed before",
    why="an attestation of a case serves once",
    guard=Guard(QUARANTINE, "if (_used[digest]) revert Quarantine_Used(digest);", "BDG-023"),
    refusal="Quarantine_Used",
)
def test_replay_of_a_case(chain: Chain, honest: bool) -> None:
    """A case that was closed is opened again by its old signatures, to suspend honest badges."""
    told = (OF_VERSION, bytes(VERSION), 0, chain.now_s + DAY_S, bytes(32), 1, chain.now_s + DAY_S)
    again = (*told[:5], 2, told[6])
    opened = attested(chain, "Quarantine", "openCase", "caseDigest", told)
    opened.send()
    attested(chain, "Quarantine", "closeCase", "closeDigest", 1).send()
    (attested(chain, "Quarantine", "openCase", "caseDigest", again) if honest else opened).send()


@attack(
    who="a person who lends their account",
    gain="keeps the badge after the account went to another passport",
    why="a badge is suspended while its account is elsewhere",
    guard=store_guard(
        "if (stored == STATE_SUSPENDED || _touched(badge) != 0 || _hasMoved(badge)) return STATE_SUSPENDED;",
        "BDG-021",
        "if (stored == STATE_SUSPENDED || _touched(badge) != 0) return STATE_SUSPENDED;",
    ),
    refusal="does not count",
)
def test_badge_kept_without_its_account(chain: Chain, honest: bool) -> None:
    """The account by which a badge was granted moves to somebody else."""
    rule, other, (mine, account) = policy(chain), person(chain, "other"), human(chain, "owner")
    grant(chain, mine.wish(rule, [account])).send()
    if not honest:
        moved(chain, account, other)
    if mine.level(rule) != 2:
        raise Refused("does not count")


@attack(
    who="a person whose membership ended",
    gain="a badge that outlives what it says",
    why="a badge with an end is expired after it",
    guard=store_guard(
        """return badge.expiresAt != 0 && block.timestamp >= badge.expiresAt ? STATE_EXPIRED :
        STATE_GRANTED;""",
        "BDG-020",
        "return STATE_GRANTED;",
    ),
    refusal="does not count",
)
def test_badge_after_its_end(chain: Chain, honest: bool) -> None:
    """A badge of thirty days is shown after forty."""
    rule, (mine, account) = policy(chain), human(chain, "owner")
    grant(chain, mine.wish(rule, [account], expires=chain.now_s + 30 * DAY_S)).send()
    chain.wait((20 if honest else 40) * DAY_S)
    if mine.level(rule) != 2:
        raise Refused("does not count")


# Policies, and texts of strangers


@attack(
    who="whoever watches the mempool",
    gain="owns the policy of somebody else's document: closes it, or has it with levels of their own",
    why="a policy's id is of its publisher and its document",
    guard=Guard(
        POLICIES,
        "policy = keccak256(abi.encode(msg.sender, document));",
        "BDG-001",
        "policy = keccak256(abi.encode(document));",
    ),
    refusal="Policies_Unknown",
)
def test_policy_front_run(chain: Chain, honest: bool) -> None:
    """A document is published by a stranger first; is what it would have been called the stranger's?"""
    thief, victim = Wallet("thief").hex, Wallet("victim").hex
    document = keccak256(b"policy document Early bird")
    called = chain.ask("Policies", "publish", document, 5, 1, "", "", by=victim)
    who = victim if honest else thief
    policy(chain, by=who)
    assert chain.ask("Policies", "policyOf", called)[0] == who


@attack(
    who="a rival",
    gain="closes a project's badge",
    why="only its publisher closes a policy",
    guard=Guard(
        POLICIES,
        "if (publisher != msg.sender) revert Policies_NotPublisher(policy, msg.sender);",
        "BDG-002",
    ),
    refusal="Policies_NotPublisher",
)
def test_policy_closed_by_a_stranger(chain: Chain, honest: bool) -> None:
    """A stranger sets somebody's policy inactive."""
    publisher, rival = Wallet("publisher").hex, Wallet("rival").hex
    rule = policy(chain, by=publisher)
    chain.do("Policies", "setActive", rule, False, by=publisher if honest else rival)
    assert chain.ask("Policies", "termsOf", rule)[0] is False


def metadata(chain: Chain, name: str, uri: str = "") -> str:
    """What a badge of a policy of that name says of itself."""
    rule, (mine, account) = policy(chain, name=name, uri=uri), human(chain, "owner")
    grant(chain, mine.wish(rule, [account])).send()
    told = str(chain.ask("Badges", "tokenURI", mine.badge(rule)))
    return base64.b64decode(told.removeprefix("data:application/json;base64,")).decode()


SCRIPT = "</text><script>alert(1)</script>"


@attack(
    who="the publisher of a policy",
    gain="a script in the page that shows the badge's picture",
    why="names are written as text of XML",
    guard=Guard(RENDERER, "SafeText.xml(SafeText.shorten(name, 26))", "BDG-042", "name"),
    refusal="no script",
)
def test_script_in_the_picture(chain: Chain, honest: bool) -> None:
    """A policy's name closes the SVG's text and opens a script."""
    found = json.loads(metadata(chain, "Early bird" if honest else SCRIPT))
    picture = base64.b64decode(found["image"].partition(",")[2]).decode()
    wanted = "Early bird" if honest else "<script>alert(1)</script>"
    if wanted not in picture:
        raise Refused("no script")


@attack(
    who="the publisher of a policy",
    gain="another picture and other traits than the contract's, in every wallet that shows the badge",
    why="links are written as text of JSON",
    guard=Guard(RENDERER, "SafeText.json(policy.uri)", "BDG-042", "policy.uri"),
    refusal="one picture",
)
def test_metadata_broken_out_of(chain: Chain, honest: bool) -> None:
    """A policy's link closes its JSON string and says an image of its own."""
    said = metadata(chain, "Early bird", 'x","image":"https://evil.example/1.svg","a":"')
    pictures = [value for name, value in json.loads(said, object_pairs_hook=list) if name == "image"]
    wanted = "data:" if honest else "https://evil.example"
    if not pictures[0].startswith(wanted):
        raise Refused("one picture")
