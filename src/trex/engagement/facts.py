"""Collects what the formula needs from a chain, by JSON-RPC alone (PTS-034)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from eth_abi.abi import decode

from trex.engagement.formula import Credential, Facts
from trex.engagement.terms import Terms
from trex.passport import contracts as abi
from trex.passport.client import PersonaClient, Question
from trex.passport.keys import evm_key
from trex.points.ledger import POINTS_RECORDED, read_entry
from trex.rpc.errors import RefusedError
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

_T = TypeVar("_T")
BATCH = 100
"""Requests in one."""
DEPOSIT = "0x7e"
"""Type of transactions that pay no fee here."""


class FactsError(Exception):
    """The chain is another, or cannot tell."""


async def collect(client: PersonaClient, terms: Terms) -> Facts:
    """Collect the facts of an epoch.

    Raises:
        FactsError: its last block is another, or the endpoint does not know what is asked.
        UnavailableError: the endpoint does not answer.
    """
    begin, end = await client.rpc.batch(
        "eth_getBlockByNumber", [(hex(terms.from_block - 1), False), (hex(terms.to_block), False)]
    )
    if begin is None or end is None:
        raise FactsError(f"the endpoint does not know blocks {terms.from_block} to {terms.to_block}")
    if end["hash"] != f"0x{terms.to_block_hash.hex()}":
        raise FactsError(f"block {terms.to_block} is {end['hash']}, the terms are of another chain")
    try:
        return Facts(
            begin_s=int(begin["timestamp"], 16),
            end_s=int(end["timestamp"], 16),
            points=await _points(client, terms),
            burned_wei=await _burned(client, terms),
            credentials=tuple(await _credentials(client, terms)),
        )
    except RefusedError as error:
        raise FactsError(f"the endpoint lacks history of block {terms.to_block}: {error}") from error


async def logs(
    client: PersonaClient, contract: Address, topics: Sequence[Any], first: int, last: int
) -> list[dict[str, Any]]:
    """Return a contract's events of a span of blocks; a question that is too long is asked in halves."""
    query = {
        "address": f"0x{contract.hex()}",
        "topics": list(topics),
        "fromBlock": hex(first),
        "toBlock": hex(last),
    }
    try:
        found = await client.rpc.call("eth_getLogs", query)
    except RefusedError:
        if first == last:
            raise
        middle = (first + last) // 2
        earlier = await logs(client, contract, topics, first, middle)
        return earlier + await logs(client, contract, topics, middle + 1, last)
    assert isinstance(found, list)
    return found


async def _points(client: PersonaClient, terms: Terms) -> dict[int, int]:
    """Points written in the epoch's blocks, by passport."""
    found: dict[int, int] = defaultdict(int)
    topics = [f"0x{POINTS_RECORDED.hex()}"]
    for log in await logs(client, client.contracts.points, topics, terms.from_block, terms.to_block):
        entry = read_entry(log)
        found[entry.passport] += entry.amount
    return dict(found)


async def _burned(client: PersonaClient, terms: Terms) -> dict[int, int]:
    """Fees that went to nobody's pocket, by the passport that the sender belongs to at the last block.

    Tips are left out: whoever builds blocks pays them to themselves.
    """
    by_sender: dict[str, int] = defaultdict(int)
    numbers = range(terms.from_block, terms.to_block + 1)
    for some in _chunks(numbers):
        answers = await client.rpc.batch("eth_getBlockReceipts", [(hex(number),) for number in some])
        paying = {
            number: paid
            for number, receipts in zip(some, answers, strict=True)
            if (paid := [one for one in receipts or () if one.get("type") != DEPOSIT])
        }
        headers = await client.rpc.batch("eth_getBlockByNumber", [(hex(one), False) for one in paying])
        for receipts, header in zip(paying.values(), headers, strict=True):
            base = int(header["baseFeePerGas"], 16)
            for one in receipts:
                l1_fee = int(one.get("l1Fee") or "0x0", 16)
                by_sender[one["from"]] += int(one["gasUsed"], 16) * base + l1_fee
    senders = list(by_sender)
    keys = [evm_key(Address(bytes.fromhex(sender[2:]))) for sender in senders]
    at = client.contracts.passport
    places = await _ask(client, [(at, abi.PASSPORT_OF, (key.id,)) for key in keys], terms.to_block)
    found: dict[int, int] = defaultdict(int)
    for sender, (passport, _) in zip(senders, places, strict=True):
        if passport:
            found[passport] += by_sender[sender]
    return dict(found)


async def _credentials(client: PersonaClient, terms: Terms) -> list[Credential]:
    """Accounts with a credit: when each was first bound, and who holds it at the last block."""
    scopes = {keccak256(scope.encode()): scope for scope in terms.credits}
    if not scopes:
        return []
    at = client.contracts.nullifiers
    first: dict[Hash32, tuple[int, str]] = {}
    for log in await logs(client, at, [f"0x{abi.BOUND.hex()}"], 0, terms.to_block):
        scope, _ = decode(["bytes32", "bytes32"], bytes.fromhex(log["data"][2:]))
        if Hash32(scope) in scopes:
            name = Hash32(bytes.fromhex(log["topics"][3][2:]))
            place = (int(log["blockNumber"], 16), scopes[Hash32(scope)])
            first[name] = min(first.get(name, place), place)
    blocks = sorted({number for number, _ in first.values()})
    times: dict[int, int] = {}
    for some in _chunks(blocks):
        headers = await client.rpc.batch("eth_getBlockByNumber", [(hex(number), False) for number in some])
        times |= {number: int(one["timestamp"], 16) for number, one in zip(some, headers, strict=True)}
    told = await _ask(client, [(at, abi.CREDENTIAL_OF, (name,)) for name in first], terms.to_block)
    return [
        Credential(int(one[0]), scope, times[number])
        for one, (number, scope) in zip(told, first.values(), strict=True)
    ]


async def _ask(client: PersonaClient, questions: Sequence[Question], block: int) -> list[Any]:
    found: list[Any] = []
    for some in _chunks(questions):
        found += await client.ask(*some, block=hex(block))
    return found


def _chunks(every: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (every[at : at + BATCH] for at in range(0, len(every), BATCH))
