"""Allow-lists: trees that contracts verify, stages with quotas."""

import pytest
from eth_abi.abi import encode

from trex.types.decision import Outcome
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.validators.ecosystem.allowlist import AllowList, Stage, Taken, judge_stage, leaf, proves


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 33, 100])
def test_allow_list_every_entry_has_a_proof_and_no_other_has(size: int) -> None:
    """ECO-010."""
    entries = [(n, n % 3 + 1) for n in range(1, size + 1)]
    tree = AllowList(entries)
    assert AllowList(reversed(entries)).root == tree.root
    for who, quota in entries:
        proof = tree.proof(who)
        assert proves(tree.root, who, quota, proof)
        assert not proves(tree.root, who, quota + 1, proof)
        assert not proves(tree.root, 999, quota, proof)
    with pytest.raises(KeyError):
        tree.proof(999)


def test_allow_list_inner_node_is_no_entry() -> None:
    """ECO-010: leaves are hashed twice, so 64 bytes of two nodes are not an entry's encoding."""
    tree = AllowList([(1, 1), (2, 1)])
    one, other = sorted((leaf(1, 1), leaf(2, 1)))
    assert tree.root == keccak256(one + other)
    assert tree.root not in (leaf(int.from_bytes(one), int.from_bytes(other)), one, other)


@pytest.mark.parametrize("entries", [[], [(1, 1), (1, 2)], [(1, 0)], [(1, 2**256)], [(0, 1)]])
def test_allow_list_that_contradicts_itself_is_refused(entries: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"twice|quota|empty"):
        AllowList(entries)


def test_judge_stage_holds_time_list_quota_and_supply() -> None:
    """ECO-011."""
    tree = AllowList([(1, 2), (2, 1)])
    stage = Stage("Friends", tree.root, 100, 200, 9, 50)

    def broken(
        who: int = 1, quota: int = 2, person: int = 0, everybody: int = 0, amount: int = 1, now: int = 100
    ) -> set[str]:
        proof = tree.proof(who) if who < 3 else (Hash32(bytes(32)),)
        decision = judge_stage(stage, who, quota, proof, Taken(person, everybody), amount, now)
        assert (decision.outcome is Outcome.GRANTED) == all(
            r.outcome is Outcome.GRANTED for r in decision.reasons
        )
        return {reason.code for reason in decision.reasons if reason.outcome is Outcome.REFUSED}

    assert broken() == set()
    assert broken(now=99) == broken(now=200) == {"time"}
    assert broken(who=3) == {"list"}
    assert broken(quota=3) == {"list"}
    assert broken(person=2) == broken(amount=3) == broken(amount=0) == {"quota"}
    assert broken(everybody=50) == {"supply"}
    narrow = Stage("Friends", tree.root, 100, 200, 1, 50)
    two = judge_stage(narrow, 1, 2, tree.proof(1), Taken(0, 0), 2, 150)
    assert two.outcome is Outcome.REFUSED, "the stage's own quota holds as well"
    everybody = Stage("Everybody", None, 100, 200, 1, 50)
    assert judge_stage(everybody, 7, 0, (), Taken(0, 0), 1, 150).outcome is Outcome.GRANTED
    assert judge_stage(everybody, 7, 99, (), Taken(1, 1), 1, 150).outcome is Outcome.REFUSED


def test_leaf_is_what_the_contract_hashes() -> None:
    """PTS-061: the same words in the same order, hashed twice."""
    inner = keccak256(encode(["uint256", "uint256"], [7, 3]))
    assert leaf(7, 3) == keccak256(inner)
