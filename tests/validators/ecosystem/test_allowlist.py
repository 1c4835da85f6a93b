"""Allow-lists: trees that contracts verify, stages with quotas."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from trex.types.decision import Outcome
from trex.types.network_file import keccak256
from trex.validators.ecosystem.allowlist import (
    AllowList,
    Place,
    Stage,
    Standing,
    judge_stage,
    leaf,
    proves,
    read_list,
)


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


def test_judge_stage_holds_time_list_badge_account_and_quota() -> None:
    """ECO-011."""
    tree = AllowList([(1, 2), (2, 1)])
    stage = Stage(tree.root, 100, 200, 9, 50, 3)
    mine = Standing(tree.place(1), 3, True, None)

    def judged(standing: Standing = mine, who: int = 1, now: int = 100) -> tuple[int, set[str]]:
        found = judge_stage(stage, who, standing, now)
        broken = {one.code for one in found.decision.reasons if one.outcome is Outcome.REFUSED}
        assert (found.decision.outcome is Outcome.REFUSED) == bool(broken) == (found.pieces == 0)
        return found.pieces, broken

    assert judged() == (2, set())
    assert judged(now=99) == (2, set()), "before it opens it is known what it will be"
    assert judged(now=200) == (0, {"time"})
    assert judged(who=3) == (0, {"list"})
    assert judged(replace(mine, place=None)) == (0, {"list", "quota"})
    assert judged(replace(mine, place=Place(3, tree.proof(1)))) == (0, {"list"})
    assert judged(replace(mine, level=2)) == (0, {"badge"})
    assert judged(replace(mine, has_account=False)) == (0, {"account"})
    assert judged(replace(mine, left=1)) == (1, set())
    assert judged(replace(mine, left=0)) == (0, {"quota"})
    assert judge_stage(replace(stage, quota=1), 1, mine, 150).pieces == 1, "the stage's own quota holds too"
    assert judge_stage(replace(stage, root=None), 7, replace(mine, place=None), 150).pieces == 9


def test_list_reads_as_it_is_written_and_says_which_line_is_none() -> None:
    """ECO-012."""
    tree = AllowList([(12, 2), (3, 1)])
    assert tree.write() == "3,1\n12,2\n"
    assert read_list("# friends\n\n 12 , 2 # Ann\n3,1\n").root == tree.root
    for text, said in (("1,1\n2", "line 2"), ("1;1", "line 1"), ("1,1\n1,2", "twice"), ("", "empty")):
        with pytest.raises(ValueError, match=said):
            read_list(text)


def test_leaf_is_what_the_contract_hashes() -> None:
    """PTS-061: the same words in the same order, hashed twice."""
    inner = keccak256(encode(["uint256", "uint256"], [7, 3]))
    assert leaf(7, 3) == keccak256(inner)
