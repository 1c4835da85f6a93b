"""What EVM nodes answer: read strictly, and what of it is compared between endpoints. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from trex.types.primitives import Address, Hash32

DELEGATING = 4
"""Type of transactions that carry delegations (EIP-7702)."""


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block."""

    number: int
    """Height."""
    hash: Hash32
    """Names it over reorganisations."""
    timestamp_s: int
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Log:
    """One event."""

    address: Address
    """Who emitted it."""
    topics: tuple[Hash32, ...]
    """Its signature and indexed arguments."""
    data: bytes
    """The other arguments."""
    block_number: int
    """In which block."""
    block_hash: Hash32
    """In which block, over reorganisations."""
    index: int
    """Place in the block."""
    transaction_hash: Hash32
    """By which transaction."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account at the end of a block."""

    nonce: int
    """How many transactions it has sent, and delegations it has signed (EIP-7702)."""
    balance_wei: int
    """What it has."""
    has_code: bool
    """It is a contract, or delegates to one: coin may leave without its nonce."""

    def is_quiet(self, later: "AccountState") -> bool:
        """Tell whether nothing can have moved between here and a later state (ONC-014)."""
        return self == later and not self.has_code


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of a block."""

    hash: Hash32
    """Names it."""
    sender: Address
    """Who signed it."""
    to: Address | None
    """Whom it calls; None if it makes a contract."""
    value_wei: int
    """Coin that goes with it."""
    input: bytes
    """Method and arguments."""
    delegates: bool
    """It carries delegations of accounts to code (EIP-7702), whoever sent it."""


_HEX = re.compile(r"0x[0-9a-fA-F]*")


def _hash(text: Any) -> Hash32:
    raw = bytes.fromhex(text[2:])
    if len(raw) != 32:
        raise ValueError("a hash of another length")
    return Hash32(raw)


def read_block(answer: Any) -> BlockRef:
    """Read a block as JSON-RPC writes it."""
    return BlockRef(int(answer["number"], 16), _hash(answer["hash"]), int(answer["timestamp"], 16))


def read_log(entry: Any) -> Log:
    """Read one event."""
    return Log(
        address=Address(bytes.fromhex(entry["address"][2:])),
        topics=tuple(_hash(topic) for topic in entry["topics"]),
        data=bytes.fromhex(entry["data"][2:]),
        block_number=int(entry["blockNumber"], 16),
        block_hash=_hash(entry["blockHash"]),
        index=int(entry["logIndex"], 16),
        transaction_hash=_hash(entry["transactionHash"]),
    )


def plain(answer: Any) -> Any:
    """Bytes or a quantity, as JSON-RPC writes them; None for a call that reverted."""
    if answer is not None and (not isinstance(answer, str) or not _HEX.fullmatch(answer)):
        raise ValueError("neither bytes nor a quantity")
    return answer


def block_key(answer: Any) -> Any:
    """What is compared of a block."""
    if answer is None:
        return None
    block = read_block(answer)
    return [block.number, block.hash.hex(), block.timestamp_s]


def transaction_key(answer: Any) -> Any:
    """What is compared of a transaction."""
    return answer and [answer[key] for key in ("hash", "from", "to", "value", "input", "blockHash")]


def receipt_key(answer: Any) -> Any:
    """What is compared of a receipt with its events."""
    return answer and [answer["status"], answer["blockHash"], log_key(answer["logs"])]


def status_key(answer: Any) -> Any:
    """What is compared of a receipt that is asked for its success alone."""
    return answer and [int(answer["status"], 16), answer["blockHash"]]


def read_sent(answer: Any, senders: Collection[Address]) -> list[Transaction]:
    """Transactions of a block that matter to some accounts."""
    found = (_transaction(entry) for entry in answer["transactions"])
    return [one for one in found if one.sender in senders or one.delegates]


def _transaction(entry: Any) -> Transaction:
    to = entry["to"]
    return Transaction(
        hash=_hash(entry["hash"]),
        sender=Address(bytes.fromhex(entry["from"][2:])),
        to=None if to is None else Address(bytes.fromhex(to[2:])),
        value_wei=int(entry["value"], 16),
        input=bytes.fromhex(entry["input"][2:]),
        delegates=int(entry.get("type") or "0x0", 16) == DELEGATING,
    )


def whole(one: Transaction) -> Any:
    """Everything of a transaction, for comparing."""
    to = None if one.to is None else one.to.hex()
    return [one.hash.hex(), one.sender.hex(), to, one.value_wei, one.input.hex(), one.delegates]


def log_key(answer: Any) -> Any:
    """What is compared of events."""
    return [
        [
            *(log.address.hex(), [topic.hex() for topic in log.topics], log.data.hex(), log.block_number),
            *(log.block_hash.hex(), log.index, log.transaction_hash.hex()),
        ]
        for log in map(read_log, answer)
    ]
