"""Tokens and native coins of all linked wallets together: balance, average over time, holding time. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Protocol

from trex.types.primitives import Address
from trex.validators.onchain.answers import BlockRef


@dataclass(frozen=True, slots=True)
class Sample:
    """What all wallets together had at the end of one block."""

    timestamp_s: int
    """Of the block."""
    total: int
    """In the token's smallest unit."""
    net: int
    """What transfers in this block moved in (or out, if negative), wallets among each other not counted."""


@dataclass(frozen=True, slots=True)
class TokenEvidence:
    """What was found of one token at one block."""

    block: BlockRef
    """As of which."""
    wallets: frozenset[Address]
    """Whose; each counted once (ONC-010)."""
    decimals: int
    """Of the token."""
    total: int
    """In its smallest unit."""
    history: tuple[Sample, ...] | None
    """From the beginning of the time looked at, through every block with a transfer, to `block`; None if not
    asked for."""
    rebases: bool
    """Balances changed without transfers: then the lesser of both ends counts between samples (ONC-012)."""


class Holding(Protocol):
    """What wallets have of a token, and had: of any kind of chain."""

    @property
    def decimals(self) -> int:
        """Of the token."""

    @property
    def total(self) -> int:
        """In its smallest unit."""

    @property
    def history(self) -> tuple[Sample, ...] | None:
        """From the beginning of the time looked at to now; None if not asked for."""


def balance(evidence: Holding) -> Decimal:
    """Return the balance of all wallets, in whole tokens."""
    return Decimal(evidence.total).scaleb(-evidence.decimals)


def _segments(history: Sequence[Sample]) -> list[tuple[int, int]]:
    """Seconds and balance of each stretch between samples, the lesser of both ends."""
    return [
        (after.timestamp_s - before.timestamp_s, min(before.total, after.total - after.net))
        for before, after in pairwise(history)
    ]


def average(evidence: Holding) -> Decimal | None:
    """Return the balance averaged over the time of the history, in whole tokens; None without a history.

    What is there at ends of blocks counts, so what is borrowed and given back within one weighs nothing.
    """
    if not evidence.history:
        return None
    segments = _segments(evidence.history)
    span = sum(seconds for seconds, _ in segments)
    if not span:
        return balance(evidence)
    weighed = sum(seconds * total for seconds, total in segments)
    return (Decimal(weighed) / Decimal(span)).scaleb(-evidence.decimals)


def held_s(evidence: Holding, at_least: Decimal) -> int | None:
    """Return for how many seconds up to the block at least so much was held without a break.

    None without a history. If it was held through the whole history, that is its length: it may be longer.
    """
    if not evidence.history:
        return None
    bound = at_least.scaleb(evidence.decimals)
    if evidence.total < bound:
        return 0
    held = 0
    for seconds, total in reversed(_segments(evidence.history)):
        if total < bound:
            break
        held += seconds
    return held


def received(evidence: Holding) -> Decimal | None:
    """Return what transfers brought from others, in whole tokens; None without a history.

    What comes and leaves within a block, or a transaction on Solana, counts by its difference.
    """
    return _moved(evidence, lambda net: max(net, 0))


def sent(evidence: Holding) -> Decimal | None:
    """Return what transfers took to others, in whole tokens, fees counted; None without a history."""
    return _moved(evidence, lambda net: max(-net, 0))


def moves(evidence: Holding) -> int | None:
    """Count the blocks with transfers that changed the balance; None without a history."""
    return None if evidence.history is None else sum(one.net != 0 for one in evidence.history[1:])


def _moved(evidence: Holding, part: Callable[[int], int]) -> Decimal | None:
    if evidence.history is None:
        return None
    return Decimal(sum(part(one.net) for one in evidence.history[1:])).scaleb(-evidence.decimals)


def answer(name: str, evidence: Holding, amount: str | None = None) -> Decimal | None:
    """Answer a check of a token by the part of its name behind the point; None if it is not known.

    Args:
        name: balance, average, held, received, sent or moves.
        evidence: of the token.
        amount: how much was to be held, in whole tokens; for `held`.
    """
    if name == "held":
        seconds = held_s(evidence, Decimal(amount or 0))
        return None if seconds is None else Decimal(seconds)
    if name == "moves":
        count = moves(evidence)
        return None if count is None else Decimal(count)
    answers = {"balance": balance, "average": average, "received": received, "sent": sent}
    return answers[name](evidence)


def answer_together(name: str, parts: Sequence[Holding], amount: str | None = None) -> Decimal | None:
    """Answer a check of tokens that count as one, on several chains; None if one is not known (ONC-016).

    Args:
        name: as in `answer`.
        parts: of each place, in its own smallest unit.
        amount: how much was to be held of all together, in whole tokens; for `held`.
    """
    if name == "held" and len(parts) > 1:
        return _held_together(parts, Decimal(amount or 0))
    found = [answer(name, part, amount) for part in parts]
    known = [one for one in found if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(found) else None


def _held_together(parts: Sequence[Holding], at_least: Decimal) -> Decimal | None:
    """Seconds up to the oldest of the moments known, for which all parts together were at least so much."""
    spans: list[list[tuple[int, int, Decimal]]] = []
    for part in parts:
        if not part.history:
            return None
        pairs = zip(pairwise(part.history), _segments(part.history), strict=True)
        spans.append(
            [
                (before.timestamp_s, after.timestamp_s, Decimal(total).scaleb(-part.decimals))
                for (before, after), (_, total) in pairs
            ]
        )
    until = min(part.history[-1].timestamp_s for part in parts if part.history)
    since = max(part.history[0].timestamp_s for part in parts if part.history)
    if sum((balance(part) for part in parts), Decimal(0)) < at_least:
        return Decimal(0)
    edges = sorted({since, until, *(edge for one in spans for span in one for edge in span[:2])})
    at = until
    for start, end in reversed(list(pairwise(edge for edge in edges if since <= edge <= until))):
        total = sum(
            (had for one in spans for first, last, had in one if first <= start and end <= last), Decimal(0)
        )
        if total < at_least:
            break
        at = start
    return Decimal(until - at)
