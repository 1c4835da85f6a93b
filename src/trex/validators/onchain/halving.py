"""What changed, and when, found by halving a span of blocks (ONC-014).

A span at whose ends an account's nonce is the same holds no transaction of it. If it has no code either, its
balance can only have risen within, so where the balance is the same too, nothing moved at all. A month of a
quiet account is answered by two questions, each change by as many as halvings lead to it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from trex.types.primitives import Address
from trex.validators.onchain.source import SourceError

S = TypeVar("S")

MAX_QUESTIONS = 50_000
"""Most states that are asked for; what needs more is not known."""


async def changes(
    ask: Callable[[Sequence[tuple[int, Address]]], Awaitable[Sequence[S]]],
    accounts: Collection[Address],
    first: int,
    last: int,
    is_quiet: Callable[[S, S], bool],
) -> Mapping[Address, list[tuple[int, S]]]:
    """Find the state of accounts at `first`, and each block up to `last` at whose end it is another one.

    Args:
        ask: the state of accounts at ends of blocks.
        accounts: whose.
        first: where to begin.
        last: where to end.
        is_quiet: between two such states nothing happened.

    Raises:
        SourceError: the states cannot be had, or too many are needed.
    """
    order = sorted(set(accounts))
    ends = sorted({first, last})
    places = [(number, account) for account in order for number in ends]
    known = dict(zip(places, await ask(places), strict=True))
    asked, spans = len(places), [(first, last, account) for account in order]
    while spans := [
        (low, high, account)
        for low, high, account in spans
        if high - low > 1 and not is_quiet(known[low, account], known[high, account])
    ]:
        asked += len(spans)
        if asked > MAX_QUESTIONS:
            raise SourceError("too_much", f"more than {MAX_QUESTIONS} states of accounts")
        middles = [((low + high) // 2, account) for low, high, account in spans]
        known |= zip(middles, await ask(middles), strict=True)
        spans = [
            half
            for low, high, account in spans
            for half in ((low, (low + high) // 2, account), ((low + high) // 2, high, account))
        ]
    found: dict[Address, list[tuple[int, S]]] = {}
    for account in order:
        seen = sorted((number, state) for (number, who), state in known.items() if who == account)
        found[account] = [seen[0]]
        found[account] += [one for before, one in pairwise(seen) if one[1] != before[1]]
    return found
