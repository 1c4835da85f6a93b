"""The formula, its terms and its tree."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from trex.engagement.formula import Credential, Facts, caps, fill, rewards, vested, weights
from trex.engagement.terms import ETHER, Credit, Terms, TermsError, read_terms
from trex.engagement.tree import leaf_of, make_tree, pair
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

YEAR_S = 365 * 86_400
TERMS = Terms(
    chain_id=1962,
    epoch=3,
    from_block=100,
    to_block=200,
    to_block_hash=Hash32(b"\x07" * 32),
    token=Address(bytes(20)),
    budget=1_000,
    fee_share_bps=5_000,
    units_per_ether=ETHER,
    credits={"account/github": Credit(365, YEAR_S)},
)
DOCUMENT: dict[str, Any] = json.loads(TERMS.document)


def test_terms_are_read_as_they_are_written() -> None:
    """PTS-027, PTS-028."""
    assert read_terms(TERMS.document) == TERMS
    assert TERMS.document == rfc8785.dumps(DOCUMENT)
    assert TERMS.hash == keccak256(TERMS.document)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"version": 2}, "version"),
    ({"formula": "other"}, "formula"),
    ({"fromBlock": 0}, "fromBlock"),
    ({"fromBlock": 201}, "fromBlock"),
    ({"fromBlock": "1"}, "fromBlock"),
    ({"feeShareBps": 10_001}, "feeShareBps"),
    ({"unitsPerEther": "5"}, "unitsPerEther"),
    ({"budget": "-1"}, "budget"),
    ({"budget": 1}, "budget"),
    ({"token": "0x00"}, "token"),
    ({"credits": {"wallet": {"units": "1", "spreadS": 1}}}, "wallets cost nothing"),
    ({"credits": {"account/x": {"units": "1", "spreadS": 0}}}, "spreadS"),
    ({"credits": {"account/x": {"units": "1"}}}, "credits"),
    ({"credits": {f"account/x{n}": {"units": "1", "spreadS": 1} for n in range(17)}}, "at most 16"),
    ({"extra": 1}, "expected"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_read_terms_wrong_says_what(change: dict[str, Any], said: str) -> None:
    """PTS-028."""
    with pytest.raises(TermsError, match=said):
        read_terms(rfc8785.dumps({**DOCUMENT, **change}))


def test_read_terms_in_another_form_are_other_terms() -> None:
    """PTS-027: one spelling, so that one hash is one meaning."""
    with pytest.raises(TermsError, match="canonical"):
        read_terms(json.dumps(DOCUMENT, indent=1).encode())


SHARES = st.dictionaries(
    st.integers(1, 50), st.tuples(st.integers(1, 10**6), st.integers(0, 10**9)), max_size=20
)


@given(st.integers(0, 10**9), SHARES)
def test_fill_pays_the_same_for_a_point_up_to_the_cap(
    budget: int, wanted: dict[int, tuple[int, int]]
) -> None:
    """PTS-032: never more than budget or cap; who is below the cap gets as much for a point as anybody."""
    found = fill(budget, wanted)
    assert sum(found.values()) <= budget
    assert list(found) == sorted(found)
    for who, (weight, cap) in wanted.items():
        paid = found.get(who, 0)
        assert paid <= cap
        if paid < cap:
            for other, (other_weight, _) in wanted.items():
                assert (paid + 1) * other_weight >= found.get(other, 0) * weight
    if sum(cap for _, cap in wanted.values()) >= budget:
        assert budget - sum(found.values()) <= len(wanted), "only roundings are left"


@given(SHARES, st.integers(0, 10**9), st.data())
def test_fill_does_not_pay_for_splitting(
    wanted: dict[int, tuple[int, int]], budget: int, data: st.DataObject
) -> None:
    """PTS-032: a passport split in two, with what it has, gets no more than before, roundings aside."""
    if not wanted:
        return
    who = data.draw(st.sampled_from(sorted(wanted)))
    weight, cap = wanted[who]
    part = data.draw(st.integers(1, weight))
    own = data.draw(st.integers(0, cap))
    split = {**wanted, who: (part, own)}
    if part < weight:
        split[99] = (weight - part, cap - own)
    before, after = fill(budget, wanted), fill(budget, split)
    assert after.get(who, 0) + after.get(99, 0) <= before.get(who, 0) + 2


@given(
    st.integers(0, 10**24),
    st.integers(1, 10**8),
    st.lists(st.integers(0, 3 * 10**8), min_size=2, max_size=12),
    st.integers(0, 10**8),
)
def test_vested_never_exceeds_the_credit_over_all_epochs(
    units: int, spread_s: int, moments: list[int], bound_s: int
) -> None:
    """PTS-031: whatever the epochs are, their parts add up to the credit at most, and to it in the end."""
    credit, times = Credit(units, spread_s), sorted(moments)
    parts = [vested(credit, bound_s, begin, end) for begin, end in pairwise(times)]
    assert all(part >= 0 for part in parts)
    assert sum(parts) <= units
    assert vested(credit, bound_s, 0, bound_s + spread_s) == units
    assert vested(credit, bound_s, 0, bound_s) == 0


def test_rewards_by_hand() -> None:
    """PTS-030, PTS-031."""
    facts = Facts(
        begin_s=YEAR_S,
        end_s=YEAR_S + 10 * 86_400,
        points={1: 50, 2: 100, 3: 50, 4: -5, 5: 0, 6: 10},
        burned_wei={1: 2_000, 2: 100, 4: 10_000, 9: 500},
        credentials=(
            Credential(2, "account/github", YEAR_S - 5),
            Credential(3, "account/github", YEAR_S + 5 * 86_400),
            Credential(3, "account/x", YEAR_S),
            Credential(3, "account/github", 0),  # long given out
        ),
    )
    assert weights(facts) == {1: 50, 2: 100, 3: 50, 6: 10}
    assert caps(TERMS, facts) == {1: 1_000, 2: 50 + 10, 4: 5_000, 9: 250, 3: 5 + 0}
    # 3 and 2 reach their caps; 1 gets the rest of the budget but what 6, without a cap, leaves too.
    assert rewards(TERMS, facts) == {1: 935, 2: 60, 3: 5}
    # 6 costs nothing and gets nothing; 3 reaches its cap; 1 and 2 share 95 as 50 to 100.
    assert rewards(replace(TERMS, budget=100), facts) == {1: 100 - 5 - 60, 2: 60, 3: 5}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 100])
def test_tree_proves_every_reward(size: int) -> None:
    """PTS-021, PTS-033."""
    tree = make_tree(3, {5 * number + 1: 10 + number for number in range(size)})
    assert tree.total == sum(10 + number for number in range(size))
    for index, (passport, reward) in enumerate(tree.rewards.items()):
        assert (reward.index, reward.passport) == (index, passport)
        node = leaf_of(3, index, passport, reward.amount)
        for sibling in reward.proof:
            node = pair(node, sibling)
        assert node == tree.root
