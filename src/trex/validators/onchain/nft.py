"""Items of a collection in all linked wallets: owned, held, minted, bought, received, flipped. Pure."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from trex.types.primitives import Address
from trex.validators.onchain.answers import BlockRef


class Way(StrEnum):
    """How an item came."""

    MINTED = "minted"
    """It was made for the wallet, whoever paid."""
    BOUGHT = "bought"
    """The wallet paid in the same transaction, in the chain's coin or in tokens."""
    RECEIVED = "received"
    """The wallet paid nothing that can be seen."""


@dataclass(frozen=True, slots=True)
class Move:
    """Items that came to the wallets from outside, or left them (ONC-020)."""

    timestamp_s: int
    """Of the block."""
    token_id: int
    """Which item."""
    amount: int
    """How many: 1 for ERC-721."""
    way: Way | None
    """How it came; None if it left."""
    sold: bool
    """It left to someone else, not into nothing (burnt)."""


@dataclass(frozen=True, slots=True)
class NftEvidence:
    """What was found of one collection at one block."""

    block: BlockRef
    """As of which."""
    wallets: frozenset[Address]
    """Whose; each counted once."""
    owned: Mapping[int, int]
    """How many of each item the wallets have, as the contract says at the block; none that are zero."""
    moves: tuple[Move, ...] | None
    """Everything that came and left since the collection began, in order; None if it does not add up to what
    the contract says, so that history is not known (ONC-021)."""
    traits: Mapping[int, Mapping[str, str]] | None
    """Traits of each owned item; None if not asked for, or if one cannot be read (ONC-023)."""
    placed: Mapping[int, int] = field(default_factory=dict)
    """How many of each item the wallets have in the protocol contracts that were asked about (ONC-024)."""


def owned(evidence: NftEvidence, ids: frozenset[int], traits: Mapping[str, str]) -> int | None:
    """Count items owned, of these ids (all if empty) and with these traits; None if traits are not known."""
    if traits and evidence.traits is None:
        return None
    known = evidence.traits or {}
    return sum(
        amount
        for token_id, amount in evidence.owned.items()
        if (not ids or token_id in ids)
        and all(known.get(token_id, {}).get(name) == value for name, value in traits.items())
    )


def only(evidence: NftEvidence, ids: frozenset[int]) -> NftEvidence:
    """Leave out what is not of these ids (all count if empty)."""
    if not ids:
        return evidence
    moves = evidence.moves
    return replace(
        evidence,
        owned={token_id: amount for token_id, amount in evidence.owned.items() if token_id in ids},
        moves=moves and tuple(move for move in moves if move.token_id in ids),
    )


def came(evidence: NftEvidence, way: Way, since_s: int = 0) -> int | None:
    """Count items that came in a way, from a Unix time on; None without a history."""
    if evidence.moves is None:
        return None
    return sum(move.amount for move in evidence.moves if move.way is way and move.timestamp_s >= since_s)


def held_s(evidence: NftEvidence, *, continuous: bool, since_s: int = 0) -> int | None:
    """Return for how many seconds the wallets had at least one item; None without a history.

    Args:
        evidence: of the collection.
        continuous: up to the block without a break; otherwise all times together.
        since_s: Unix time before which nothing counts.
    """
    if evidence.moves is None:
        return None
    spans = [
        (max(start, since_s), end, lasts)
        for start, end, lasts in _spans(evidence.moves, evidence.block.timestamp_s)
        if end >= since_s
    ]
    if not continuous:
        return sum(end - start for start, end, _ in spans)
    return spans[-1][1] - spans[-1][0] if spans and spans[-1][2] else 0


def _spans(moves: Iterable[Move], now_s: int) -> Iterator[tuple[int, int, bool]]:
    """Begin and end of each time with at least one item, and whether it lasts."""
    count, since = 0, 0
    for move in moves:
        before = count
        count += move.amount if move.way else -move.amount
        if before == 0 and count > 0:
            since = move.timestamp_s
        elif before > 0 and count == 0:
            yield since, move.timestamp_s, False
    if count > 0:
        yield since, now_s, True


def flips(evidence: NftEvidence, within_s: int) -> int | None:
    """Count items that left to someone else within so many seconds of coming, first come first gone."""
    if evidence.moves is None:
        return None
    waiting: defaultdict[int, deque[list[int]]] = defaultdict(deque)
    found = 0
    for move in evidence.moves:
        if move.way:
            waiting[move.token_id].append([move.timestamp_s, move.amount])
            continue
        left, line = move.amount, waiting[move.token_id]
        while left and line:
            taken = min(left, line[0][1])
            if move.sold and move.timestamp_s - line[0][0] <= within_s:
                found += taken
            left -= taken
            line[0][1] -= taken
            if not line[0][1]:
                line.popleft()
    return found


def adds_up(moves: Iterable[Move], owned_now: Mapping[int, int]) -> bool:
    """Tell whether what came and left makes what is there."""
    balance = Counter[int]()
    for move in moves:
        balance[move.token_id] += move.amount if move.way else -move.amount
        if balance[move.token_id] < 0:
            return False
    return {token_id: count for token_id, count in balance.items() if count} == dict(owned_now)
