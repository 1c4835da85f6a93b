"""What the tour's audience should be, computed anew from RPC and the gateway's audit log alone.

Nothing of the engine is imported here: logs and transactions are read by their standards' own words, so that
a mistake of the engine is none of the check.
"""

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_abi.abi import decode

from trex.rpc.endpoint import Endpoint
from trex.types.network_file import keccak256
from trex.types.primitives import Address

DEFI = (
    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
    "deposit(uint256,address)",
)
"""What is DeFi of what people of the tour call."""
HIGH_PERCENT = 80
"""Percentile from which something is high (QRY-020)."""
CHUNK_BLOCKS = 64
GRANTED = 1
"""State of a badge that counts."""


def _topic(text: str) -> str:
    return f"0x{keccak256(text.encode()).hex()}"


CREATED = _topic("PassportCreated(uint256,bytes32,uint8,bytes)")
ADDED = _topic("KeyAdded(uint256,bytes32,uint8,uint8,bytes)")
REMOVED = _topic("KeyRemoved(uint256,bytes32,uint8)")
BADGE = _topic("BadgeGranted(uint256,uint256,bytes32,uint16,uint32,uint64,bytes32,bytes32,uint256)")
STATE = _topic("BadgeState(uint256,uint8,bytes32)")


@dataclass(slots=True)
class Seen:
    """What the chain says."""

    owners: dict[str, int] = field(default_factory=dict)
    """Passports by account."""
    badges: dict[int, tuple[int, str, int]] = field(default_factory=dict)
    """Passport, policy and level, of badges by number."""
    states: dict[int, int] = field(default_factory=dict)
    """Of badges."""
    calls: Counter[str] = field(default_factory=Counter)
    """DeFi calls that succeeded, by account."""
    transactions: int = 0
    """Read."""
    head: int = 0
    """Last block read."""


async def read_chain(rpc: Endpoint, passports: Address, badges: Address) -> Seen:
    """Read every block of a chain.

    Raises:
        EndpointError: it does not answer.
    """
    seen = Seen(head=int(await rpc.call("eth_blockNumber"), 16))
    selectors = {f"0x{keccak256(text.encode())[:4].hex()}" for text in DEFI}
    for first in range(0, seen.head + 1, CHUNK_BLOCKS):
        numbers = range(first, min(first + CHUNK_BLOCKS, seen.head + 1))
        blocks = await rpc.batch("eth_getBlockByNumber", [(hex(number), True) for number in numbers])
        receipts = await rpc.batch("eth_getBlockReceipts", [(hex(number),) for number in numbers])
        for block, told in zip(blocks, receipts, strict=True):
            status = {one["transactionHash"]: one["status"] for one in told}
            for one in block["transactions"]:
                seen.transactions += 1
                if one["input"][:10] in selectors and status[one["hash"]] == "0x1" and one["to"]:
                    seen.calls[one["from"].lower()] += 1
            for log in (log for one in told for log in one["logs"]):
                _read_log(seen, log, f"0x{passports.hex()}", f"0x{badges.hex()}")
    return seen


def _read_log(seen: Seen, log: Mapping[str, Any], passports: str, badges: str) -> None:
    signature, *words = log["topics"] or [""]
    data, numbers = bytes.fromhex(log["data"][2:]), [int(word, 16) for word in words]
    if log["address"].lower() == passports and signature in (CREATED, ADDED):
        types = ("uint8", "bytes") if signature == CREATED else ("uint8", "uint8", "bytes")
        account = decode(types, data)[-1]
        seen.owners[f"0x{account.hex()}"] = numbers[0]
    elif log["address"].lower() == badges and signature == BADGE:
        level = decode(["uint16", "uint32", "uint64", "bytes32", "bytes32", "uint256"], data)[0]
        seen.badges[numbers[0]] = (numbers[1], words[2].lower(), level)
        seen.states[numbers[0]] = GRANTED
    elif log["address"].lower() == badges and signature == STATE:
        seen.states[numbers[0]] = decode(["uint8", "bytes32"], data)[0]


def agreed(database: Path) -> set[int]:
    """Passports whose newest word about being found by everybody is yes, by a gateway's audit log."""
    asked = "SELECT subject, outcome FROM audit WHERE action = 'consent' ORDER BY number"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        words = dict(opened.execute(asked).fetchall())
    return {
        int(subject.partition("/")[0])
        for subject, outcome in words.items()
        if subject.endswith("/matching/*") and outcome == "given"
    }


def expected(
    seen: Seen, consenting: set[int], vip: Mapping[tuple[str, int], int], streaming: set[tuple[str, int]]
) -> set[int]:
    """Passports that the sentence means.

    Args:
        seen: what the chain says.
        consenting: who may be found.
        vip: the exchange level that a policy's level proves.
        streaming: policies' levels that prove more than 10,000 followers.
    """
    activity: Counter[int] = Counter()
    for account, count in seen.calls.items():
        if (owner := seen.owners.get(account)) in consenting and owner is not None:
            activity[owner] += count
    if not activity:
        return set()
    ranked = sorted(activity.values())
    high = ranked[math.ceil(len(ranked) * HIGH_PERCENT / 100) - 1]
    held = [badge for number, badge in seen.badges.items() if seen.states[number] == GRANTED]
    traders = {who for who, policy, level in held if vip.get((policy, level), 0) > 3}
    streamers = {who for who, policy, level in held if (policy, level) in streaming}
    active = {who for who, count in activity.items() if count >= high}
    return active & traders & streamers
