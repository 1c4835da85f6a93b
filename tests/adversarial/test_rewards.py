"""Attacks on what passports earn: points and rewards."""

from typing import Any

from eth_abi.abi import encode
from tests.adversarial.chain import DAY_S, Chain, address_of
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import (
    Attested,
    Person,
    Wallet,
    attested,
    person,
)
from tests.adversarial.test_badges import STEWARD

from trex.types.network_file import keccak256

POINTS = "contracts/src/points/Points.sol"
REWARDS = "contracts/src/points/EngagementRewards.sol"
KIND = bytes(keccak256(b"post"))
ETHER = 10**18


def season(chain: Chain) -> None:
    """A season of ninety days: 1000 points for a passport, 500 of them for posts."""
    terms = (chain.now_s, chain.now_s + 90 * DAY_S, 1000, [KIND], [500])
    attested(chain, "Points", "openSeason", "seasonDigest", terms).send()


def deed(chain: Chain, who: Person, source: bytes, amount: int = 100) -> Attested:
    item = (who.passport, 1, amount, KIND, bytes(keccak256(source)))
    return attested(chain, "Points", "record", "recordDigest", [item], chain.now_s + 400 * DAY_S)


@attack(
    who="a person with one good deed",
    gain="points for it as often as they like",
    why="a deed is counted once for ever, by its kind and source",
    guard=Guard(POINTS, "if (_counted[deed]) revert Points_Counted(item.kind, item.source);", "PTS-002"),
    refusal="Points_Counted",
)
def test_deed_counted_twice(chain: Chain, honest: bool) -> None:
    """The attestation of a deed is sent again; honestly, that of another deed."""
    season(chain)
    mine = person(chain, "owner")
    first = deed(chain, mine, b"first")
    first.send()
    (deed(chain, mine, b"second") if honest else first).send()
    assert chain.ask("Points", "totalOf", mine.passport) == 200


@attack(
    who="a farm of posts",
    gain="points without end",
    why="a season caps what a passport and a kind of deed earn",
    guard=Guard(
        POINTS,
        "given = left < item.amount ? uint64(left) : item.amount;",
        "PTS-004",
        "given = item.amount;",
    ),
    refusal="capped",
)
def test_points_beyond_the_cap(chain: Chain, honest: bool) -> None:
    """Ten deeds of a hundred points, of a kind that is capped at five hundred."""
    season(chain)
    mine = person(chain, "owner")
    for number in range(5 if honest else 10):
        deed(chain, mine, bytes([number])).send()
    if chain.ask("Points", "totalOf", mine.passport) != (500 if honest else 1000):
        raise Refused("capped")


@attack(
    who="whoever sees the final table of a season",
    gain="a better place, by deeds that are found afterwards",
    why="a season takes entries until seven days after its end",
    guard=Guard(POINTS, "_requireTaking(item.season);", "PTS-003"),
    refusal="Points_SeasonClosed",
)
def test_deed_after_the_season(chain: Chain, honest: bool) -> None:
    """A deed is recorded a month after the season ended."""
    season(chain)
    mine = person(chain, "owner")
    found = deed(chain, mine, b"late")
    chain.wait((30 if honest else 120) * DAY_S)
    found.send()


@attack(
    who="a rival",
    gain="has a mistake taken back from somebody twice, and with it points that were earned",
    why="an entry is reversed once",
    guard=Guard(POINTS, "if (isReversed[entry]) revert Points_Reversed(entry);", "PTS-001"),
    refusal="Points_Reversed",
)
def test_replay_of_a_reversal(chain: Chain, honest: bool) -> None:
    """The attestation that reversed a mistake is sent again."""
    season(chain)
    mine = person(chain, "owner")
    deed(chain, mine, b"mistake").send()
    deed(chain, mine, b"earned").send()

    def undone(entry: int) -> Attested:
        deadline = chain.now_s + DAY_S
        return attested(chain, "Points", "reverse", "reversalDigest", [entry], bytes(32), deadline)

    first = undone(1)
    first.send()
    (undone(2) if honest else first).send()
    assert chain.ask("Points", "totalOf", mine.passport) == 0


# Rewards


def pair(a: bytes, b: bytes) -> bytes:
    return bytes(keccak256(min(a, b) + max(a, b)))


def reward_leaf(epoch: int, index: int, who: Person, amount: int) -> bytes:
    raw = encode(["uint256"] * 4, [epoch, index, who.passport, amount])
    return bytes(keccak256(keccak256(raw)))


def epoch_of(chain: Chain, first: Person, second: Person) -> tuple[Any, Any]:
    """An epoch that pays each one ether; claims of both."""
    for who in (first, second):
        assert isinstance(who.owner, Wallet)
        who.pay_to(who.owner.hex)
    chain.transact(address_of("EngagementRewards"), b"", value=10 * ETHER)
    leaves = [reward_leaf(1, index, who, ETHER) for index, who in enumerate((first, second))]
    rewards = (pair(*leaves), 2 * ETHER, "0x" + "00" * 20, chain.now_s + 60 * DAY_S, bytes(32))
    attested(chain, "EngagementRewards", "publish", "publishDigest", rewards).send()
    return (0, first.passport, ETHER, [leaves[1]]), (1, second.passport, ETHER, [leaves[0]])


def earned(chain: Chain, who: Person) -> int:
    assert isinstance(who.owner, Wallet)
    return chain.balance(who.owner.hex)


@attack(
    who="a person with a reward",
    gain="everybody else's as well",
    why="an index is paid once",
    guard=Guard(
        REWARDS, "if (isPaid(epoch, wanted.index)) revert EngagementRewards_Paid(wanted.index);", "PTS-023"
    ),
    refusal="EngagementRewards_Paid",
)
def test_reward_claimed_twice(chain: Chain, honest: bool) -> None:
    """The same claim twice; honestly, both people's."""
    first, second = person(chain, "first"), person(chain, "second")
    mine, theirs = epoch_of(chain, first, second)
    chain.wait(2 * DAY_S)
    chain.do("EngagementRewards", "claim", 1, mine)
    chain.do("EngagementRewards", "claim", 1, theirs if honest else mine)
    assert earned(chain, first) == (ETHER if honest else 2 * ETHER)


@attack(
    who="a person with a small reward",
    gain="a large one",
    why="the leaf of passport, index and amount must be under the published root",
    guard=Guard(
        REWARDS,
        """if (!MerkleProof.verifyCalldata(wanted.proof, root, leaf)) {
            revert EngagementRewards_WrongProof(wanted.index);
        }""",
        "PTS-021",
    ),
    refusal="EngagementRewards_WrongProof",
)
def test_reward_of_ones_own_making(chain: Chain, honest: bool) -> None:
    """A claim says twice the amount."""
    first, second = person(chain, "first"), person(chain, "second")
    mine, _ = epoch_of(chain, first, second)
    chain.wait(2 * DAY_S)
    amount = ETHER if honest else 2 * ETHER
    chain.do("EngagementRewards", "claim", 1, (mine[0], mine[1], amount, mine[3]))
    assert earned(chain, first) == amount


@attack(
    who="whoever profits from an epoch that was computed wrongly",
    gain="is paid before anyone can recompute it",
    why="claims open a day after publishing, and until then the epoch can be cancelled",
    guard=Guard(
        REWARDS,
        """RewardClaim calldata wanted) external nonReentrant {
        _requireOpen(epoch);""",
        "PTS-022",
        "RewardClaim calldata wanted) external nonReentrant {",
    ),
    refusal="EngagementRewards_Closed",
)
def test_reward_before_the_dispute_time(chain: Chain, honest: bool) -> None:
    """A claim comes in the hour of publishing."""
    first, second = person(chain, "first"), person(chain, "second")
    mine, _ = epoch_of(chain, first, second)
    chain.wait(2 * DAY_S if honest else 3600)
    chain.do("EngagementRewards", "claim", 1, mine)
    assert earned(chain, first) == ETHER


@attack(
    who="a person who is not in an epoch",
    gain="stops everybody's rewards",
    why="only the steward or the validators cancel, and only before claims open",
    guard=Guard(
        REWARDS,
        "if (msg.sender != STEWARD) VALIDATORS.check(cancelDigest(epoch), setEpoch, signatures);",
        "PTS-022",
    ),
    refusal="ValidatorSet_TooFew",
)
def test_epoch_cancelled_by_a_stranger(chain: Chain, honest: bool) -> None:
    """A stranger cancels without signatures."""
    epoch_of(chain, person(chain, "first"), person(chain, "second"))
    by = STEWARD if honest else Wallet("stranger").hex
    chain.do("EngagementRewards", "cancel", 1, 1, b"", by=by)
    assert chain.ask("EngagementRewards", "reserved", "0x" + "00" * 20) == 0


@attack(
    who="validators that promise more than there is",
    gain="an epoch whose first claims take what an earlier epoch owes",
    why="what is reserved for one epoch is not there for another",
    guard=Guard(
        REWARDS,
        """if (rewards.total > available) {
            revert EngagementRewards_Unfunded(token, rewards.total, available);
        }""",
        "PTS-020",
    ),
    refusal="EngagementRewards_Unfunded",
)
def test_epoch_without_funds(chain: Chain, honest: bool) -> None:
    """A second epoch promises nine ether where ten lie and two are owed."""
    epoch_of(chain, person(chain, "first"), person(chain, "second"))
    total = (8 if honest else 9) * ETHER
    rewards = (bytes(32), total, "0x" + "00" * 20, chain.now_s + 60 * DAY_S, bytes(32))
    attested(chain, "EngagementRewards", "publish", "publishDigest", rewards).send()
    assert chain.ask("EngagementRewards", "epochCount") == 2
