"""The Merkle tree of rewards, as the contract reads it (PTS-021, PTS-033)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trex.types.network_file import keccak256
from trex.types.primitives import Hash32


@dataclass(frozen=True, slots=True)
class Reward:
    """One leaf with its proof."""

    index: int
    """Place in the epoch, from 0."""
    passport: int
    """Who is paid."""
    amount: int
    """In the token's smallest unit."""
    proof: tuple[Hash32, ...]
    """Siblings from the leaf up."""


@dataclass(frozen=True, slots=True)
class RewardTree:
    """Rewards of an epoch under one root."""

    root: Hash32
    """What the contract has; zero for no rewards."""
    total: int
    """Sum of all."""
    rewards: Mapping[int, Reward]
    """By passport."""


def leaf_of(epoch: int, index: int, passport: int, amount: int) -> Hash32:
    """Hash of one reward, twice, so that no inner node is one (PTS-021)."""
    words = b"".join(value.to_bytes(32) for value in (epoch, index, passport, amount))
    return keccak256(keccak256(words))


def pair(left: bytes, right: bytes) -> Hash32:
    """Hash of two nodes, the smaller first."""
    return keccak256(left + right if left < right else right + left)


def make_tree(epoch: int, amounts: Mapping[int, int]) -> RewardTree:
    """Make the tree: leaves by passport, ascending; a node without a sibling goes up as it is (PTS-033)."""
    ordered = sorted(amounts.items())
    levels = levels_of(
        [leaf_of(epoch, index, passport, amount) for index, (passport, amount) in enumerate(ordered)]
    )
    found = {
        passport: Reward(index, passport, amount, proof_of(levels, index))
        for index, (passport, amount) in enumerate(ordered)
    }
    root = levels[-1][0] if ordered else Hash32(bytes(32))
    return RewardTree(root, sum(amounts.values()), found)


def levels_of(leaves: Sequence[Hash32]) -> list[Sequence[Hash32]]:
    """Hash leaves up to the root, level by level; a node without a sibling goes up as it is (PTS-033)."""
    level, levels = list(leaves), [leaves]
    while len(level) > 1:
        above = [pair(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = above + level[len(above) * 2 :]
        levels.append(level)
    return levels


def proof_of(levels: Sequence[Sequence[Hash32]], place: int) -> tuple[Hash32, ...]:
    """Siblings of a leaf from below up."""
    found = []
    for level in levels[:-1]:
        if (sibling := place ^ 1) < len(level):
            found.append(level[sibling])
        place >>= 1
    return tuple(found)
