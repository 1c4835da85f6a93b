"""Collect what wallets have and had of a token."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import AccountState, BlockRef, Log
from trex.validators.onchain.halving import changes
from trex.validators.onchain.source import EvmSource, SourceError
from trex.validators.onchain.token import Sample, TokenEvidence

TRANSFER = Hash32(keccak256(b"Transfer(address,address,uint256)"))
"""Event of ERC-20 and ERC-721."""
BALANCE_OF = keccak256(b"balanceOf(address)")[:4]
DECIMALS = keccak256(b"decimals()")[:4]
MAX_MOVES = 2_000
"""Most blocks with transfers that are looked at; a busier history is not known (ONC-013)."""


def word(address: Address) -> Hash32:
    """An address as an indexed argument."""
    return Hash32(bytes(12) + address)


async def collect_token(
    source: EvmSource,
    wallets: Collection[Address],
    token: Address | None,
    *,
    history_s: int | None = None,
    block: BlockRef | None = None,
) -> TokenEvidence:
    """Collect evidence of a token, or of the native coin if `token` is None.

    Args:
        source: the chain.
        wallets: all that the passport has linked; one that is there twice counts once.
        token: contract; a proxy is asked at its own address, whatever it delegates to (ONC-011).
        history_s: how far back to look, in seconds; None for the balance alone.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had.
    """
    head = block or await source.head()
    who = frozenset(wallets)
    order = sorted(who)
    if token is None:
        total = sum(await source.balances([(head, wallet) for wallet in order]))
        past = None if history_s is None else await _native_history(source, order, head, history_s)
        await source.still(head)
        return TokenEvidence(head, who, 18, total, past, False)
    decimals = await _decimals(source, head, token)
    (total,) = await _totals(source, token, order, [head])
    history, rebases = None, False
    if history_s is not None:
        history = await _history(source, token, order, head, total, history_s)
        rebases = any(before.total != after.total - after.net for before, after in pairwise(history))
    await source.still(head)
    return TokenEvidence(head, who, decimals, total, history, rebases)


async def _decimals(source: EvmSource, head: BlockRef, token: Address) -> int:
    (answer,) = await source.calls([(head, token, DECIMALS)])
    value = int.from_bytes(answer) if answer is not None and len(answer) == 32 else -1
    if not 0 <= value <= 77:
        raise SourceError("refused", f"0x{token.hex()} does not say its decimals: no ERC-20 token")
    return value


async def _totals(
    source: EvmSource, token: Address, order: list[Address], blocks: list[BlockRef]
) -> list[int]:
    """Balances of all wallets together; nothing where the token was not there yet, of several blocks."""
    if not order:
        return [0] * len(blocks)
    there = blocks
    if len(blocks) > 1:
        codes = await source.codes([(block, token) for block in blocks])
        there = [block for block, code in zip(blocks, codes, strict=True) if code]
    answers = await source.calls(
        [(block, token, BALANCE_OF + word(wallet)) for block in there for wallet in order]
    )
    if any(answer is None or len(answer) != 32 for answer in answers):
        raise SourceError("refused", f"0x{token.hex()} does not say a balance")
    values = [int.from_bytes(answer) for answer in answers if answer is not None]
    sums = (sum(values[at : at + len(order)]) for at in range(0, len(values), len(order)))
    known = dict(zip((block.number for block in there), sums, strict=True))
    return [known.get(block.number, 0) for block in blocks]


async def _history(
    source: EvmSource, token: Address, order: list[Address], head: BlockRef, total: int, history_s: int
) -> tuple[Sample, ...]:
    start_s = head.timestamp_s - history_s
    first = await source.first_block_at(start_s, head)
    nets = await _nets(source, token, order, first, head)
    opening = max(0, first.number - 1)
    numbers = sorted({opening, *nets} - {head.number})
    if len(numbers) > MAX_MOVES:
        raise SourceError("too_much", f"transfers in more than {MAX_MOVES} blocks")
    blocks = await source.blocks(numbers) if numbers else {}
    *totals, _ = await _totals(source, token, order, [*(blocks[number] for number in numbers), head])
    samples = [
        Sample(max(blocks[number].timestamp_s, start_s), at_end, nets.get(number, 0))
        for number, at_end in zip(numbers, totals, strict=True)
    ]
    samples.append(Sample(head.timestamp_s, total, nets.get(head.number, 0)))
    return _from_start(samples, start_s)


async def _native_history(
    source: EvmSource, order: list[Address], head: BlockRef, history_s: int
) -> tuple[Sample, ...]:
    """Every balance of the coin, found by halving: its movements leave no events (ONC-014)."""
    start_s = head.timestamp_s - history_s
    first = await source.first_block_at(start_s, head)
    opening = max(0, first.number - 1)
    seen = await changes(source.states, order, opening, head.number, AccountState.is_quiet)
    moved = defaultdict[int, int](int)
    for states in seen.values():
        before = 0
        for number, state in states:
            moved[number] += state.balance_wei - before
            before = state.balance_wei
    numbers = sorted({opening, head.number, *moved})
    blocks = await source.blocks(numbers)
    samples, total = list[Sample](), 0
    for number in numbers:
        total += moved[number]
        samples.append(Sample(max(blocks[number].timestamp_s, start_s), total, moved[number]))
    return _from_start(samples, start_s)


def _from_start(samples: list[Sample], start_s: int) -> tuple[Sample, ...]:
    """Let samples begin with the time looked at, even if the chain is younger: before it was nothing."""
    if samples[0].timestamp_s > start_s:
        samples[0] = replace(samples[0], net=samples[0].total)
        samples.insert(0, Sample(start_s, 0, 0))
    return tuple(samples)


async def _nets(
    source: EvmSource, token: Address, order: list[Address], first: BlockRef, head: BlockRef
) -> dict[int, int]:
    """What transfers moved in, by block; between two of the wallets nothing."""
    if not order:
        return {}
    ours = [word(wallet) for wallet in order]
    out = await source.logs(first.number, head, token, [[TRANSFER], ours])
    into = await source.logs(first.number, head, token, [[TRANSFER], None, ours])
    known, nets = set(ours), defaultdict[int, int](int)
    for log in {(log.block_number, log.index): log for log in (*out, *into)}.values():
        if (found := _amount(log)) is None:
            continue
        nets[log.block_number] += found * ((log.topics[2] in known) - (log.topics[1] in known))
    return dict(nets)


def _amount(log: Log) -> int | None:
    return int.from_bytes(log.data) if len(log.topics) == 3 and len(log.data) == 32 else None
