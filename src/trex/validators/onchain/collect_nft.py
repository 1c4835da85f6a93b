"""Collect what wallets have and had of a collection: ERC-721 and ERC-1155, enumerable or not."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import BlockRef, Log
from trex.validators.onchain.collect_token import TRANSFER, word
from trex.validators.onchain.metadata import Fetch, MetadataError, read_traits
from trex.validators.onchain.nft import Move, NftEvidence, Way, adds_up
from trex.validators.onchain.source import EvmSource, SourceError

Standard = Literal["erc721", "erc1155"]
"""How a collection speaks."""

SINGLE = Hash32(keccak256(b"TransferSingle(address,address,address,uint256,uint256)"))
BATCH_MOVE = Hash32(keccak256(b"TransferBatch(address,address,address,uint256[],uint256[])"))
OWNER_OF = keccak256(b"ownerOf(uint256)")[:4]
BALANCE_1155 = keccak256(b"balanceOf(address,uint256)")[:4]
TOKEN_URI = keccak256(b"tokenURI(uint256)")[:4]
URI = keccak256(b"uri(uint256)")[:4]
NOBODY = word(Address(bytes(20)))
MAX_MOVES = 5_000
"""Most movements that are looked at; a busier history is not known (ONC-021)."""


@dataclass(frozen=True, slots=True)
class _Raw:
    """One item in one event."""

    log: Log
    token_id: int
    amount: int
    sender: Hash32
    receiver: Hash32


async def collect_nft(
    source: EvmSource,
    wallets: Collection[Address],
    collection: Address,
    standard: Standard,
    *,
    traits: bool = False,
    protocols: Collection[Address] = (),
    placed_s: int = 0,
    fetch: Fetch | None = None,
    block: BlockRef | None = None,
) -> NftEvidence:
    """Collect evidence of a collection.

    Ids come from events, so a collection need not list them; what is owned is asked of the contract.

    Args:
        source: the chain.
        wallets: all that the passport has linked; one that is there twice counts once.
        collection: contract.
        standard: how it speaks.
        traits: read the traits of what is owned.
        protocols: contracts that hold items for those who put them there.
        placed_s: for how many seconds up to the block they must have been there.
        fetch: through a gateway, for metadata by content address.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had.
    """
    head = block or await source.head()
    who = frozenset(wallets)
    ours = {word(wallet) for wallet in who}
    (code,) = await source.codes([(head, collection)])
    if not code:
        raise SourceError("refused", f"0x{collection.hex()} has no code")
    raws = await _raws(source, ours, collection, standard, head) if ours else []
    if len(raws) > MAX_MOVES:
        raise SourceError("too_much", f"more than {MAX_MOVES} movements")
    ids = sorted({raw.token_id for raw in raws})
    ask = _owned_721 if standard == "erc721" else _owned_1155
    owned = await ask(source, who, collection, ids, head)
    moves = await _moves(source, ours, raws, head)
    found = await _traits(source, collection, standard, owned, head, fetch) if traits else None
    placed: Mapping[int, int] = {}
    if protocols:
        find = _placed_721 if standard == "erc721" else _placed_1155
        placed = await find(source, ours, collection, raws, protocols, head, placed_s)
    await source.still(head)
    return NftEvidence(head, who, owned, moves if adds_up(moves, owned) else None, found, placed)


async def _raws(
    source: EvmSource, ours: set[Hash32], collection: Address, standard: Standard, head: BlockRef
) -> list[_Raw]:
    wanted = sorted(ours)
    if standard == "erc721":
        queries: list[list[Sequence[Hash32] | None]] = [[[TRANSFER], wanted], [[TRANSFER], None, wanted]]
    else:
        kinds = [SINGLE, BATCH_MOVE]
        queries = [[kinds, None, wanted], [kinds, None, None, wanted]]
    logs: dict[tuple[int, int], Log] = {}
    for topics in queries:
        logs |= {(log.block_number, log.index): log for log in await source.logs(0, head, collection, topics)}
    return [raw for _, log in sorted(logs.items()) for raw in _items(log, standard)]


def _items(log: Log, standard: Standard) -> Iterator[_Raw]:
    if len(log.topics) != 4:
        return
    if standard == "erc721":
        yield _Raw(log, int.from_bytes(log.topics[3]), 1, log.topics[1], log.topics[2])
        return
    try:
        if log.topics[0] == SINGLE:
            token_id, amount = decode(["uint256", "uint256"], log.data)
            ids, amounts = (token_id,), (amount,)
        else:
            ids, amounts = decode(["uint256[]", "uint256[]"], log.data)
    except DecodingError as error:
        raise SourceError("refused", "an event that is not of ERC-1155") from error
    if len(ids) != len(amounts):
        raise SourceError("refused", "an event that is not of ERC-1155")
    for token_id, amount in zip(ids, amounts, strict=True):
        yield _Raw(log, token_id, amount, log.topics[2], log.topics[3])


async def _owned_721(
    source: EvmSource, who: frozenset[Address], collection: Address, ids: list[int], head: BlockRef
) -> Mapping[int, int]:
    answers = await source.calls([(head, collection, OWNER_OF + one.to_bytes(32)) for one in ids])
    return {
        token_id: 1
        for token_id, answer in zip(ids, answers, strict=True)
        if answer is not None and len(answer) == 32 and Address(answer[12:]) in who
    }


async def _owned_1155(
    source: EvmSource, who: frozenset[Address], collection: Address, ids: list[int], head: BlockRef
) -> Mapping[int, int]:
    order = [(token_id, wallet) for token_id in ids for wallet in sorted(who)]
    calls = [(head, collection, BALANCE_1155 + word(wallet) + one.to_bytes(32)) for one, wallet in order]
    owned = defaultdict[int, int](int)
    for (token_id, _), answer in zip(order, await source.calls(calls), strict=True):
        if answer is None or len(answer) != 32:
            raise SourceError("refused", f"0x{collection.hex()} does not say a balance")
        owned[token_id] += int.from_bytes(answer)
    return {token_id: amount for token_id, amount in owned.items() if amount}


async def _moves(source: EvmSource, ours: set[Hash32], raws: list[_Raw], head: BlockRef) -> tuple[Move, ...]:
    """What came from outside and left, with the way it came."""
    crossing = [raw for raw in raws if (raw.sender in ours) != (raw.receiver in ours)]
    blocks = await source.blocks([raw.log.block_number for raw in crossing]) if crossing else {}
    bought = sorted({r.log.transaction_hash for r in crossing if r.receiver in ours and r.sender != NOBODY})
    paid = await _paid(source, ours, bought, head) if bought else set[Hash32]()
    return tuple(
        Move(
            blocks[raw.log.block_number].timestamp_s,
            raw.token_id,
            raw.amount,
            _way(raw, paid) if raw.receiver in ours else None,
            sold=raw.sender in ours and raw.receiver != NOBODY,
        )
        for raw in crossing
    )


async def _placed_721(
    source: EvmSource,
    ours: set[Hash32],
    collection: Address,
    raws: list[_Raw],
    protocols: Collection[Address],
    head: BlockRef,
    since_s: int,
) -> Mapping[int, int]:
    """Items that a protocol contract has, and that one of the wallets was the last to bring (ONC-024)."""
    at = {word(protocol) for protocol in protocols}
    ids = sorted({raw.token_id for raw in raws if raw.sender in ours and raw.receiver in at})
    if not ids:
        return {}
    topics = [[TRANSFER], None, sorted(at), [Hash32(one.to_bytes(32)) for one in ids]]
    logs = await source.logs(0, head, collection, topics)
    last = {int.from_bytes(log.topics[3]): log for log in logs if len(log.topics) == 4}
    answers = await source.calls([(head, collection, OWNER_OF + one.to_bytes(32)) for one in ids])
    blocks = await source.blocks([last[one].block_number for one in ids])
    return {
        one: 1
        for one, answer in zip(ids, answers, strict=True)
        if answer is not None
        and last[one].topics[1] in ours
        and len(answer) == 32
        and Hash32(answer) == last[one].topics[2]
        and head.timestamp_s - blocks[last[one].block_number].timestamp_s >= since_s
    }


async def _placed_1155(
    source: EvmSource,
    ours: set[Hash32],
    collection: Address,
    raws: list[_Raw],
    protocols: Collection[Address],
    head: BlockRef,
    since_s: int,
) -> Mapping[int, int]:
    """What wallets brought to protocol contracts and did not take back, and is there at all (ONC-024)."""
    at = {word(protocol): protocol for protocol in protocols}
    blocks = await source.blocks([raw.log.block_number for raw in raws]) if raws else {}
    there = defaultdict[tuple[int, Hash32], int](int)
    least = dict[tuple[int, Hash32], int]()
    for raw in raws:
        way = (raw.receiver in at and raw.sender in ours) - (raw.sender in at and raw.receiver in ours)
        if not way:
            continue
        what = raw.token_id, raw.receiver if way > 0 else raw.sender
        if what in least or head.timestamp_s - blocks[raw.log.block_number].timestamp_s < since_s:
            least.setdefault(what, there[what])
        there[what] = max(0, there[what] + way * raw.amount)
        if what in least:
            least[what] = min(least[what], there[what])
    order = sorted(there)
    calls = [(head, collection, BALANCE_1155 + word(at[place]) + one.to_bytes(32)) for one, place in order]
    found = defaultdict[int, int](int)
    for what, answer in zip(order, await source.calls(calls), strict=True):
        found[what[0]] += min(least.get(what, there[what]), int.from_bytes(answer or b""))
    return {token_id: amount for token_id, amount in found.items() if amount}


def _way(raw: _Raw, paid: set[Hash32]) -> Way:
    if raw.sender == NOBODY:
        return Way.MINTED
    return Way.BOUGHT if raw.log.transaction_hash in paid else Way.RECEIVED


async def _paid(source: EvmSource, ours: set[Hash32], hashes: list[Hash32], head: BlockRef) -> set[Hash32]:
    """Transactions in which one of the wallets paid somebody else: coin sent with it, or tokens that left.

    Of wallets with code, coin leaves inside a transaction that another account sent: traces tell of it.
    """
    paid = set()
    for one, transaction in zip(hashes, await source.transactions(hashes), strict=True):
        sender, to = word(Address(bytes.fromhex(transaction["from"][2:]))), transaction["to"]
        receiver = NOBODY if to is None else word(Address(bytes.fromhex(to[2:])))
        if sender in ours and receiver not in ours and int(transaction["value"], 16) > 0:
            paid.add(one)
    for one, logs in zip(hashes, await source.receipts(hashes), strict=True):
        for log in logs:
            token = len(log.topics) == 3 and log.topics[0] == TRANSFER and log.topics[1] in ours
            if token and log.topics[2] not in ours and int.from_bytes(log.data[:32]) > 0:
                paid.add(one)
    wallets = [Address(one[12:]) for one in sorted(ours)]
    codes = await source.codes([(head, wallet) for wallet in wallets])
    coded = [wallet for wallet, code in zip(wallets, codes, strict=True) if code]
    open_ = [one for one in hashes if one not in paid]
    for one, frames in zip(open_, await source.traces(open_, coded) if coded else [], strict=False):
        if any(frame.value_wei and word(frame.to) not in ours for frame in frames):
            paid.add(one)
    return paid


async def _traits(
    source: EvmSource,
    collection: Address,
    standard: Standard,
    owned: Mapping[int, int],
    head: BlockRef,
    fetch: Fetch | None,
) -> Mapping[int, Mapping[str, str]] | None:
    """Traits of every owned item; None if one cannot be read: it might be the one that counts."""
    selector = TOKEN_URI if standard == "erc721" else URI
    ids = sorted(owned)
    answers = await source.calls([(head, collection, selector + one.to_bytes(32)) for one in ids])
    found: dict[int, Mapping[str, str]] = {}
    for token_id, answer in zip(ids, answers, strict=True):
        try:
            (uri,) = decode(["string"], answer or b"")
            found[token_id] = await read_traits(uri, token_id, fetch)
        except (DecodingError, UnicodeDecodeError, MetadataError):
            return None
    return found
