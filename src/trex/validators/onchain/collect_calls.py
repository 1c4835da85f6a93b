"""Collect the calls that wallets made to a contract, by their own transactions or inside any (ONC-034)."""

from collections.abc import Collection, Mapping, Sequence

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.activity import Act, ActivityEvidence, Where, matches
from trex.validators.onchain.answers import BlockRef, Transaction
from trex.validators.onchain.collect_token import word
from trex.validators.onchain.halving import changes
from trex.validators.onchain.method import MethodSignature
from trex.validators.onchain.source import EvmSource, SourceError
from trex.validators.onchain.traces import Frame

MAX_TRANSACTIONS = 5_000
"""Most transactions that are looked at."""
VALUE = "msg.value"
"""How a policy names the coin that goes with a call."""
USER_OPERATION = Hash32(
    keccak256(b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")
)
"""Event of ERC-4337: an account's operation was carried out."""
ENTRY_POINTS = tuple(
    Address(bytes.fromhex(one))
    for one in (
        "5ff137d4b0fdcd49dca30c7cf57e578a026d2789",
        "0000000071727de22e5e9d8baf0edac6f37da032",
        "4337084d9e255ff0702461cf8895ce9e3b5ff108",
    )
)
"""The EntryPoint of ERC-4337, versions 0.6, 0.7 and 0.8, at one address on every chain."""


async def collect_calls(
    source: EvmSource,
    wallets: Collection[Address],
    contract: Address,
    method: MethodSignature | None,
    *,
    inside: bool,
    where: Sequence[Where] = (),
    history_s: int | None = None,
    block: BlockRef | None = None,
) -> ActivityEvidence:
    """Collect calls that wallets made to a contract and that did not fail.

    Args:
        source: the chain.
        wallets: all that the passport has linked; one that is there twice counts once.
        contract: who was called.
        method: which one; None for any, and for coin alone.
        inside: look inside transactions by traces, so that contract wallets count; otherwise only what
            wallets signed and sent to the contract themselves.
        where: what arguments must be; `msg.value` is the coin that went with the call.
        history_s: how far back to look, in seconds; None for since the chain began.
        block: as of which; None for the newest that is final.

    Raises:
        SourceError: the facts cannot be had: without traces nothing is known of what is inside.
        SignatureError: the method has no such argument.
    """
    head = block or await source.head()
    who = frozenset(wallets)
    for condition in where:
        if condition.argument != VALUE and method is not None:
            method.type_of(condition.argument)
    first = 0
    if history_s is not None:
        first = (await source.first_block_at(head.timestamp_s - history_s, head)).number
    sent = await _sent(source, who, first, head)
    if inside:
        found = await _inside(source, who, first, head, sent)
    else:
        found = await _outer(source, who, contract, sent)
    ours = [
        (number, arguments)
        for number, frame in found
        if frame.to == contract and (arguments := _arguments(method, frame)) is not None
    ]
    counted = [(number, told) for number, told in ours if matches(Act(0, told), where)]
    blocks = await source.blocks([number for number, _ in counted]) if counted else {}
    await source.still(head)
    acts = tuple(Act(blocks[number].timestamp_s, told) for number, told in counted)
    return ActivityEvidence(head, who, acts, counted[0][0] if counted else None)


async def _sent(
    source: EvmSource, who: frozenset[Address], first: int, head: BlockRef
) -> Mapping[int, list[Transaction]]:
    """Transactions that wallets sent, or that may carry a delegation of theirs, by block.

    Only where a nonce rose is there one: halving finds those blocks without reading the others.
    """
    seen = await changes(source.nonces, who, max(0, first - 1), head.number, lambda low, high: low == high)
    risen = sorted({number for states in seen.values() for number, _ in states[1:] if number >= first})
    if len(risen) > MAX_TRANSACTIONS:
        raise SourceError("too_much", f"transactions in more than {MAX_TRANSACTIONS} blocks")
    return await source.sent(risen, who) if risen else {}


async def _outer(
    source: EvmSource, who: frozenset[Address], contract: Address, sent: Mapping[int, list[Transaction]]
) -> list[tuple[int, Frame]]:
    """Calls that are a transaction's own."""
    found = [
        (number, one.hash, Frame(one.sender, contract, one.value_wei, one.input))
        for number, transactions in sorted(sent.items())
        for one in transactions
        if one.sender in who and one.to == contract
    ]
    stood = await source.succeeded([name for _, name, _ in found]) if found else []
    return [(number, frame) for (number, _, frame), held in zip(found, stood, strict=True) if held]


async def _inside(
    source: EvmSource,
    who: frozenset[Address],
    first: int,
    head: BlockRef,
    sent: Mapping[int, list[Transaction]],
) -> list[tuple[int, Frame]]:
    """Calls inside the transactions that wallets take part in (ONC-035).

    They sent them, an EntryPoint says that they acted, or their own code emitted an event, as Safe's does.
    """
    places = {one.hash: number for number, some in sent.items() for one in some}
    if coded := await _coded(source, who, first, head, sent):
        operations = [[USER_OPERATION], None, sorted(word(wallet) for wallet in coded)]
        logs = await source.logs(first, head, ENTRY_POINTS, operations)
        logs += await source.logs(first, head, coded, [])
        places |= {log.transaction_hash: log.block_number for log in logs}
    if len(places) > MAX_TRANSACTIONS:
        raise SourceError("too_much", f"more than {MAX_TRANSACTIONS} transactions")
    order = sorted(places, key=lambda one: places[one])
    traces = await source.traces(order, who) if order else []
    return [(places[name], frame) for name, frames in zip(order, traces, strict=True) for frame in frames]


async def _coded(
    source: EvmSource,
    who: frozenset[Address],
    first: int,
    head: BlockRef,
    sent: Mapping[int, list[Transaction]],
) -> list[Address]:
    """Wallets that may have had code meanwhile: at one of the ends, or by a delegation between them."""
    if any(one.delegates for some in sent.values() for one in some):
        return sorted(who)
    ends = [(number, wallet) for wallet in sorted(who) for number in (max(0, first - 1), head.number)]
    states = await source.states(ends)
    return sorted({wallet for (_, wallet), state in zip(ends, states, strict=True) if state.has_code})


def _arguments(method: MethodSignature | None, frame: Frame) -> dict[str, object] | None:
    """The arguments of a call; None if it is one of another method."""
    told = {} if method is None else method.arguments(frame.input)
    return None if told is None else {**told, VALUE: frame.value_wei}
