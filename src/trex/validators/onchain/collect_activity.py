"""Collect the events in which wallets acted at a contract."""

from collections.abc import Collection, Sequence
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.types.primitives import Address, Hash32
from trex.validators.onchain.activity import (
    Act,
    ActivityEvidence,
    ArrivalEvidence,
    EventSignature,
    Where,
    arrival,
    matches,
)
from trex.validators.onchain.answers import BlockRef, Log
from trex.validators.onchain.collect_token import word
from trex.validators.onchain.source import EvmSource, SourceError

MAX_EVENTS = 20_000
"""Most events that are looked at."""
_HASHED = frozenset({"string", "bytes"})
"""Types of which a topic holds the hash."""


async def collect_activity(
    source: EvmSource,
    wallets: Collection[Address],
    contract: Address,
    event: EventSignature,
    actor: str,
    *,
    where: Sequence[Where] = (),
    history_s: int | None = None,
    block: BlockRef | None = None,
) -> ActivityEvidence:
    """Collect events whose argument `actor` is one of the wallets (ONC-030).

    The actor is who the contract says it is, not who sent or paid for the transaction: bundlers, relayers
    and paymasters count for nobody.

    Args:
        source: the chain.
        wallets: all that the passport has linked; one that is there twice counts once.
        contract: whose events; others' events of the same name are not looked at.
        event: with named arguments.
        actor: name of an argument of type address.
        where: what other arguments must be.
        history_s: how far back to look, in seconds; None for since the chain began.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had.
        SignatureError: the event has no such argument.
    """
    head = block or await source.head()
    who = frozenset(wallets)
    argument = event.argument(actor)
    first = 0
    if history_s is not None:
        first = (await source.first_block_at(head.timestamp_s - history_s, head)).number
    topics: list[Sequence[Hash32] | None] = [[event.topic]]
    if argument.indexed and who:
        place = [one.name for one in event.arguments if one.indexed].index(actor)
        topics += [None] * place + [sorted(word(wallet) for wallet in who)]
    logs = await source.logs(first, head, contract, topics) if who else []
    if len(logs) > MAX_EVENTS:
        raise SourceError("too_much", f"more than {MAX_EVENTS} events")
    found = [(log, arguments) for log in logs if (arguments := _arguments(event, log)) is not None]
    ours = [(log, arguments) for log, arguments in found if arguments[actor] in who]
    blocks = await source.blocks([log.block_number for log, _ in ours]) if ours else {}
    acts = [(Act(blocks[log.block_number].timestamp_s, arguments), log) for log, arguments in ours]
    counted = [(act, log) for act, log in acts if matches(act, where)]
    await source.still(head)
    first_block = counted[0][1].block_number if counted else None
    return ActivityEvidence(head, who, tuple(act for act, _ in counted), first_block)


async def collect_arrival(
    source: EvmSource,
    wallets: Collection[Address],
    contract: Address,
    event: EventSignature,
    actor: str,
    *,
    where: Sequence[Where] = (),
    block: BlockRef | None = None,
) -> ArrivalEvidence:
    """Find when wallets first acted at a contract, and how many others had by then (ONC-033).

    Args:
        source: the chain.
        wallets: all that the passport has linked: they are one.
        contract: whose events.
        event: with named arguments.
        actor: name of an argument of type address.
        where: what other arguments must be, for everybody.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had, or there are too many events up to the first one.
        SignatureError: the event has no such argument.
    """
    head = block or await source.head()
    who = frozenset(wallets)
    own = await collect_activity(source, who, contract, event, actor, where=where, block=head)
    if own.first_block is None:
        return ArrivalEvidence(head, who, None, None)
    until = (await source.blocks([own.first_block]))[own.first_block]
    logs = await source.logs(0, until, contract, [[event.topic]])
    if len(logs) > MAX_EVENTS:
        raise SourceError("too_much", f"more than {MAX_EVENTS} events before the first one")
    found = [
        (log.block_number, arguments) for log in logs if (arguments := _arguments(event, log)) is not None
    ]
    count = [(number, told[actor]) for number, told in found if matches(Act(0, told), where)]
    await source.still(head)
    return ArrivalEvidence(head, who, *arrival(count, who))


def _arguments(event: EventSignature, log: Log) -> dict[str, Any] | None:
    """The arguments of a log; None if it is another event under the same hash (other arguments indexed)."""
    indexed = [one for one in event.arguments if one.indexed]
    plain = [one for one in event.arguments if not one.indexed]
    if len(log.topics) != 1 + len(indexed):
        return None
    try:
        values = dict(
            zip((one.name for one in plain), decode([one.type for one in plain], log.data), strict=True)
        )
        for one, topic in zip(indexed, log.topics[1:], strict=True):
            values[one.name] = bytes(topic) if one.type in _HASHED else decode([one.type], topic)[0]
    except (DecodingError, UnicodeDecodeError):
        return None
    for one in event.arguments:
        if one.type == "address":
            values[one.name] = bytes.fromhex(values[one.name][2:])
    return values
