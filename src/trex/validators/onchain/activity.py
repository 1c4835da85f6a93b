"""What wallets did at a contract, by events or calls: counts, days, streaks, volumes, first, last. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import BlockRef

DAY_S = 86_400
"""A day of UTC (ONC-032)."""

_SIGNATURE = re.compile(r"([A-Za-z_$][\w$]{0,63})\(([\w\[\], ]{0,1024})\)")
_ARGUMENT = re.compile(r"([a-z][a-z0-9]*(?:\[[0-9]*\])*)(?: (indexed))? ([A-Za-z_$][\w$]{0,63})")
ELEMENTARY = re.compile(
    r"address|bool|string|bytes(?:[1-9]|[12][0-9]|3[0-2])?"
    rf"|u?int(?:{'|'.join(str(bits) for bits in range(8, 257, 8))})"
)
"""Types of the ABI that are not made of others."""


class SignatureError(ValueError):
    """Not the signature of an event or a method, with names."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an event."""

    name: str
    """As the signature says."""
    type: str
    """Of the ABI."""
    indexed: bool
    """It stands in a topic."""


@dataclass(frozen=True, slots=True)
class EventSignature:
    """An event with named arguments."""

    name: str
    """Of the event."""
    arguments: tuple[Argument, ...]
    """In order."""

    @property
    def topic(self) -> Hash32:
        """Hash that its logs begin with."""
        types = ",".join(argument.type for argument in self.arguments)
        return Hash32(keccak256(f"{self.name}({types})".encode()))

    def argument(self, name: str) -> Argument:
        """Find an argument.

        Raises:
            SignatureError: there is none of that name.
        """
        for argument in self.arguments:
            if argument.name == name:
                return argument
        raise SignatureError(f"{self.name} has no argument {name[:64]!r}")


def read_signature(text: str) -> EventSignature:
    """Read `Name(type indexed name, type name)`; types are written in full (`uint256`).

    Raises:
        SignatureError: it is not of that form.
    """
    found = _SIGNATURE.fullmatch(text)
    if found is None:
        raise SignatureError(f"{text[:80]!r} is not an event with named arguments")
    arguments = []
    for part in (one.strip() for one in found[2].split(",")) if found[2].strip() else ():
        one = _ARGUMENT.fullmatch(part)
        if one is None or ELEMENTARY.fullmatch(one[1]) is None:
            raise SignatureError(
                f"{part[:64]!r} is not `type name` or `type indexed name` of an elementary type"
            )
        arguments.append(Argument(one[3], one[1], one[2] is not None))
    if len({argument.name for argument in arguments}) != len(arguments):
        raise SignatureError("an argument's name is there twice")
    if sum(argument.indexed for argument in arguments) > 3:
        raise SignatureError("more than three indexed arguments")
    return EventSignature(found[1], tuple(arguments))


@dataclass(frozen=True, slots=True)
class Act:
    """One event in which a linked wallet acted, or one call that it made."""

    timestamp_s: int
    """Of the block."""
    arguments: Mapping[str, Any]
    """By name: integers, booleans, texts, bytes, and addresses as bytes. An indexed text is its hash."""


@dataclass(frozen=True, slots=True)
class ActivityEvidence:
    """What was found at one block."""

    block: BlockRef
    """As of which."""
    wallets: frozenset[Address]
    """Whose; each counted once."""
    acts: tuple[Act, ...]
    """In order."""
    first_block: int | None = None
    """Height of the block of the first of them; None if there is none."""


@dataclass(frozen=True, slots=True)
class Where:
    """What an argument must be."""

    argument: str
    """Its name."""
    word: Literal["equals", "atLeast", "atMost"]
    """How it is compared."""
    value: str
    """A whole number, an address or bytes as 0x, true or false."""


def matches(act: Act, conditions: Sequence[Where]) -> bool:
    """Tell whether an event is one of those that count (ONC-031)."""
    return all(_holds(act.arguments.get(one.argument), one) for one in conditions)


def _holds(found: Any, condition: Where) -> bool:
    if isinstance(found, bool):
        return condition.word == "equals" and condition.value == ("true" if found else "false")
    if isinstance(found, bytes):
        return condition.word == "equals" and condition.value.lower() == f"0x{found.hex()}"
    if isinstance(found, int):
        if not re.fullmatch(r"-?[0-9]{1,78}", condition.value):
            return False
        bound = int(condition.value)
        if condition.word == "equals":
            return found == bound
        return found >= bound if condition.word == "atLeast" else found <= bound
    return condition.word == "equals" and found == condition.value


def count(evidence: ActivityEvidence) -> int:
    """Count events."""
    return len(evidence.acts)


def _days(evidence: ActivityEvidence) -> list[int]:
    return sorted({act.timestamp_s // DAY_S for act in evidence.acts})


def days(evidence: ActivityEvidence) -> int:
    """Count days of UTC with an event."""
    return len(_days(evidence))


def streak(evidence: ActivityEvidence) -> int:
    """Return the longest run of days of UTC with an event on each."""
    longest, run, before = 0, 0, -2
    for day in _days(evidence):
        run = run + 1 if day == before + 1 else 1
        longest, before = max(longest, run), day
    return longest


def volume(evidence: ActivityEvidence, argument: str) -> Decimal:
    """Add an argument up, in its own smallest unit."""
    return Decimal(sum(int(act.arguments[argument]) for act in evidence.acts))


def since_first_s(evidence: ActivityEvidence) -> int | None:
    """Return seconds from the first event to the block; None if there is none."""
    return evidence.block.timestamp_s - evidence.acts[0].timestamp_s if evidence.acts else None


def since_last_s(evidence: ActivityEvidence) -> int | None:
    """Return seconds from the last event to the block; None if there is none."""
    return evidence.block.timestamp_s - evidence.acts[-1].timestamp_s if evidence.acts else None


@dataclass(frozen=True, slots=True)
class ArrivalEvidence:
    """When wallets first acted at a contract, among all who did (ONC-033)."""

    block: BlockRef
    """As of which."""
    wallets: frozenset[Address]
    """Whose; all of them are one."""
    first_block: int | None
    """Height of the block with the first event that counts; None if there is none."""
    rank: int | None
    """Place of that event among the first events of everybody, from 1; None if there is none."""


def arrival(
    firsts: Sequence[tuple[int, bytes]], wallets: frozenset[Address]
) -> tuple[int | None, int | None]:
    """Return block and place of the first event of any of the wallets, which count as one.

    Args:
        firsts: block and actor of the events that count, in the order of the chain.
        wallets: of one passport.
    """
    before: set[bytes] = set()
    for number, actor in firsts:
        if actor in wallets:
            return number, len(before) + 1
        before.add(actor)
    return None, None
