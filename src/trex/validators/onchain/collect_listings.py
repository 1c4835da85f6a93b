"""Collect the items that wallets offer in orders of Seaport's form (ONC-025)."""

from collections.abc import Collection

from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.collect_nft import BALANCE_1155, OWNER_OF, Standard
from trex.validators.onchain.collect_token import word
from trex.validators.onchain.listings import (
    GET_COUNTER,
    GET_ORDER_STATUS,
    ITEM_TYPES,
    ORDER_VALIDATED,
    Order,
    Status,
    listed,
    offered_in,
    read_order,
    read_status,
)
from trex.validators.onchain.source import EvmSource, SourceError

MAX_ORDERS = 20_000
"""Most orders, of everybody, that are looked at."""


async def collect_listings(
    source: EvmSource,
    wallets: Collection[Address],
    collection: Address,
    standard: Standard,
    markets: Collection[Address],
    *,
    ids: frozenset[int] = frozenset(),
    history_s: int,
    block: BlockRef | None = None,
) -> tuple[BlockRef, int]:
    """Return the block, and how many items of a collection wallets offer there and have.

    Args:
        source: the chain.
        wallets: all that the passport has linked; one that is there twice counts once.
        collection: contract of the items.
        standard: how it speaks.
        markets: contracts that speak as Seaport does.
        ids: which items count; all if empty.
        history_s: how old an order may be, in seconds.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had.
    """
    head = block or await source.head()
    who = frozenset(wallets)
    first = await source.first_block_at(head.timestamp_s - history_s, head)
    logs = await source.logs(first.number, head, sorted(markets), [[ORDER_VALIDATED]]) if who else []
    if len(logs) > MAX_ORDERS:
        raise SourceError("too_much", f"more than {MAX_ORDERS} orders")
    orders = {
        (log.address, order.hash): order
        for log in logs
        if (order := read_order(log.data)) is not None and order.offerer in who
    }
    live = await _live(source, orders, head)
    offers = [
        offered_in(order, status, collection, ITEM_TYPES[standard], head.timestamp_s)
        for order, status in live
    ]
    wanted = sorted({what for one in offers for what in one if not ids or what[1] in ids})
    owned = await _owned(source, wanted, collection, standard, head)
    await source.still(head)
    return head, listed(offers, owned)


async def _live(
    source: EvmSource, orders: dict[tuple[Address, Hash32], Order], head: BlockRef
) -> list[tuple[Order, Status]]:
    """Orders that their offerers did not take back by a new counter, with what the contract says of each."""
    asked = list(orders)
    statuses = await source.calls([(head, market, GET_ORDER_STATUS + name) for market, name in asked])
    counters = await source.calls(
        [(head, market, GET_COUNTER + word(orders[market, name].offerer)) for market, name in asked]
    )
    counts = [int.from_bytes(answer or b"") for answer in counters]
    hashes = await source.calls(
        [
            (head, market, orders[market, name].hash_call(count))
            for (market, name), count in zip(asked, counts, strict=True)
        ]
    )
    found = []
    for (market, name), told, now in zip(asked, statuses, hashes, strict=True):
        status = read_status(told)
        if status is None or now is None:
            raise SourceError("refused", f"0x{market.hex()} does not speak as Seaport does")
        if now == name:
            found.append((orders[market, name], status))
    return found


async def _owned(
    source: EvmSource,
    wanted: list[tuple[Address, int]],
    collection: Address,
    standard: Standard,
    head: BlockRef,
) -> dict[tuple[Address, int], int]:
    if standard == "erc721":
        calls = [(head, collection, OWNER_OF + token_id.to_bytes(32)) for _, token_id in wanted]
        answers = await source.calls(calls)
        return {
            (who, token_id): int(answer == word(who))
            for (who, token_id), answer in zip(wanted, answers, strict=True)
        }
    calls = [(head, collection, BALANCE_1155 + word(who) + one.to_bytes(32)) for who, one in wanted]
    return {
        what: int.from_bytes(answer or b"")
        for what, answer in zip(wanted, await source.calls(calls), strict=True)
    }
