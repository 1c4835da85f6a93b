"""Eligibility in stages by allow-lists: Merkle trees as the contract verifies them (ECO-010)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trex.types.decision import Decision, Outcome, Reason
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32


def leaf(passport: int, quota: int) -> Hash32:
    """Hash keccak(keccak(abi.encode(passport, quota))): twice: no inner node passes for an entry."""
    return keccak256(keccak256(passport.to_bytes(32) + quota.to_bytes(32)))


def _pair(one: Hash32, other: Hash32) -> Hash32:
    """Hash two nodes in order of their bytes, as `MerkleProof` does."""
    return keccak256(min(one, other) + max(one, other))


class AllowList:
    """Who may take how much, as a tree with a root."""

    def __init__(self, entries: Iterable[tuple[int, int]]) -> None:
        """Make a tree; the order of entries does not count.

        Raises:
            ValueError: there is no entry, a passport is there twice, or a number is not 1 to 2^256 - 1.
        """
        self.quotas = dict[int, int]()
        for passport, quota in entries:
            if passport in self.quotas:
                raise ValueError(f"passport {passport} is there twice")
            if not 0 < quota < 2**256 or not 0 < passport < 2**256:
                raise ValueError(f"passport {passport} with a quota of {quota}")
            self.quotas[passport] = quota
        if not self.quotas:
            raise ValueError("an empty list")
        self._rows = [sorted(leaf(passport, quota) for passport, quota in self.quotas.items())]
        while len(self._rows[-1]) > 1:
            row = self._rows[-1]
            above = [_pair(*row[at : at + 2]) for at in range(0, len(row) - 1, 2)]
            self._rows.append(above + row[len(above) * 2 :])

    @property
    def root(self) -> Hash32:
        """What a contract is told."""
        return self._rows[-1][0]

    def proof(self, passport: int) -> tuple[Hash32, ...]:
        """Return what shows that a passport is on the list.

        Raises:
            KeyError: it is not.
        """
        at = self._rows[0].index(leaf(passport, self.quotas[passport]))
        proof = []
        for row in self._rows[:-1]:
            if at ^ 1 < len(row):
                proof.append(row[at ^ 1])
            at //= 2
        return tuple(proof)


def proves(root: Hash32, passport: int, quota: int, proof: Sequence[Hash32]) -> bool:
    """Tell whether a proof shows that a passport is on the list with that quota."""
    node = leaf(passport, quota)
    for other in proof:
        node = _pair(node, other)
    return node == root


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a mint."""

    name: str
    """For people."""
    root: Hash32 | None
    """Of its allow-list; None if everybody may take part."""
    opens_s: int
    """First second, Unix time."""
    closes_s: int
    """First second that is too late."""
    quota: int
    """The most that one person may take; a list may allow less."""
    supply: int
    """How much there is in this stage."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is gone of a stage already."""

    by_person: int
    """By this passport, with all its wallets."""
    by_all: int
    """By everybody."""


def judge_stage(
    stage: Stage,
    passport: int,
    listed_quota: int,
    proof: Sequence[Hash32],
    taken: Taken,
    amount: int,
    now_s: int,
) -> Decision:
    """Decide whether a passport may take so much now (ECO-011)."""
    reasons = []

    def step(held: bool, name: str, message: str) -> None:
        reasons.append(Reason(name, Outcome.GRANTED if held else Outcome.REFUSED, message, "ECO-011"))

    step(
        stage.opens_s <= now_s < stage.closes_s, "time", f"open from {stage.opens_s} before {stage.closes_s}"
    )
    quota = stage.quota
    if stage.root is not None:
        quota = min(quota, listed_quota)
        step(
            proves(stage.root, passport, listed_quota, proof),
            "list",
            f"on the list of {stage.name} with {quota}",
        )
    step(amount > 0 and taken.by_person + amount <= quota, "quota", f"{taken.by_person} taken of {quota}")
    step(taken.by_all + amount <= stage.supply, "supply", f"{taken.by_all} gone of {stage.supply}")
    broken = any(reason.outcome is Outcome.REFUSED for reason in reasons)
    return Decision(Outcome.REFUSED if broken else Outcome.GRANTED, tuple(reasons))
