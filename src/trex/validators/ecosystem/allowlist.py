"""Eligibility in stages by allow-lists: Merkle trees as the contract verifies them (ECO-010)."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trex.types.decision import Decision, Outcome, Reason
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32


def leaf(passport: int, quota: int) -> Hash32:
    """Hash keccak(keccak(abi.encode(passport, quota))): twice: no inner node passes for an entry."""
    return keccak256(keccak256(passport.to_bytes(32) + quota.to_bytes(32)))


def _pair(one: Hash32, other: Hash32) -> Hash32:
    """Hash two nodes in order of their bytes, as `MerkleProof` does."""
    return keccak256(min(one, other) + max(one, other))


@dataclass(frozen=True, slots=True)
class Place:
    """What a list gives a passport, with what shows it."""

    quota: int
    """Pieces."""
    proof: tuple[Hash32, ...]
    """Siblings from its leaf up."""


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

    def place(self, passport: int) -> Place | None:
        """What it gives a passport; None if that is not on it."""
        return Place(self.quotas[passport], self.proof(passport)) if passport in self.quotas else None

    def write(self) -> str:
        """The list as `read_list` reads it, by passport."""
        return "".join(f"{passport},{quota}\n" for passport, quota in sorted(self.quotas.items()))

    @property
    def root(self) -> Hash32:
        """What a contract is told."""
        return self._rows[-1][0]

    def proof(self, passport: int) -> tuple[Hash32, ...]:
        """Return what shows that a passport is on the list.

        Raises:
            KeyError: it is not.
        """
        at = bisect_left(self._rows[0], leaf(passport, self.quotas[passport]))
        proof = []
        for row in self._rows[:-1]:
            if at ^ 1 < len(row):
                proof.append(row[at ^ 1])
            at //= 2
        return tuple(proof)


def read_list(text: str) -> AllowList:
    """Read a list: a passport and its quota a line, with a comma between; # begins a remark.

    Raises:
        ValueError: a line is something else, or the list contradicts itself; says which.
    """
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (told := line.partition("#")[0].strip()):
            continue
        found = re.fullmatch(r"([0-9]{1,78})\s*,\s*([0-9]{1,78})", told)
        if found is None:
            raise ValueError(f"line {number}: PASSPORT,QUOTA is expected")
        entries.append((int(found[1]), int(found[2])))
    return AllowList(entries)


def load_lists(folder: Path) -> dict[Hash32, AllowList]:
    """Read every list of a folder (*.csv), by root.

    Raises:
        ValueError: one of them is none; says which and why.
    """
    found = {}
    for file in sorted(folder.glob("*.csv")):
        try:
            one = read_list(file.read_text())
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from error
        found[one.root] = one
    return found


def proves(root: Hash32, passport: int, quota: int, proof: Sequence[Hash32]) -> bool:
    """Tell whether a proof shows that a passport is on the list with that quota."""
    node = leaf(passport, quota)
    for other in proof:
        node = _pair(node, other)
    return node == root


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a mint."""

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
    min_level: int
    """Of the badge that it asks for; 0 for none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a passport stands before a stage."""

    place: Place | None
    """On its list; None if it is on none that is known."""
    level: int
    """Of the badge that the stage asks for."""
    has_account: bool
    """Whether it holds an account of the kind under which pieces are counted."""
    left: int | None
    """What the contract leaves it of the quotas; None before the stage opens: nothing is taken yet."""


@dataclass(frozen=True, slots=True)
class StageDecision:
    """What a stage is for a passport."""

    decision: Decision
    """Whether it may take anything, with reasons."""
    pieces: int
    """How many; 0 if none."""


def judge_stage(stage: Stage, passport: int, standing: Standing, now_s: int) -> StageDecision:
    """Decide how much a passport may take of a stage that is open, or will be (ECO-011)."""
    reasons = []

    def step(held: bool, name: str, message: str) -> None:
        reasons.append(Reason(name, Outcome.GRANTED if held else Outcome.REFUSED, message, "ECO-011"))

    step(now_s < stage.closes_s, "time", f"from {stage.opens_s} and before {stage.closes_s}")
    quota, place = min(stage.quota, stage.supply), standing.place
    if stage.root is not None:
        listed = place is not None and proves(stage.root, passport, place.quota, place.proof)
        step(listed, "list", f"on the list with {place.quota}" if place else "not on the list")
        quota = min(quota, place.quota if place else 0)
    step(standing.level >= stage.min_level, "badge", f"level {standing.level}, {stage.min_level} is asked")
    step(standing.has_account, "account", "an account of the kind that pieces are counted under")
    left = quota if standing.left is None else min(quota, standing.left)
    step(left > 0, "quota", f"{left} left of {quota}")
    broken = any(reason.outcome is Outcome.REFUSED for reason in reasons)
    outcome = Outcome.REFUSED if broken else Outcome.GRANTED
    return StageDecision(Decision(outcome, tuple(reasons)), 0 if broken else left)
