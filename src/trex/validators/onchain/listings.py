"""Items offered in orders of Seaport's form that the chain has seen, and which of them are in force. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

_OFFER = "(uint8,address,uint256,uint256,uint256)"
_CONSIDERATION = "(uint8,address,uint256,uint256,uint256,address)"
_ORDER = (
    f"(address,address,{_OFFER}[],{_CONSIDERATION}[],uint8,uint256,uint256,bytes32,uint256,bytes32,uint256)"
)
ORDER_VALIDATED = Hash32(keccak256(f"OrderValidated(bytes32,{_ORDER})".encode()))
"""Event of Seaport 1.2 and later: an order was put on the chain."""
GET_ORDER_STATUS = keccak256(b"getOrderStatus(bytes32)")[:4]
GET_COUNTER = keccak256(b"getCounter(address)")[:4]
GET_ORDER_HASH = keccak256(f"getOrderHash({_ORDER})".encode())[:4]
ITEM_TYPES = {"erc721": 2, "erc1155": 3}
"""How orders call what is offered; offers by criteria name no item and do not count."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its event tells it."""

    hash: Hash32
    """Names it."""
    offerer: Address
    """Who offers."""
    offered: tuple[tuple[int, Address, int, int], ...]
    """Kind, contract, id and amount of each item, the lesser of the amounts at both ends of its time."""
    start_s: int
    """Unix time from which it can be taken."""
    end_s: int
    """Unix time from which it cannot any more."""
    components: tuple[Any, ...]
    """Everything of it, the last place for the offerer's counter."""

    def hash_call(self, counter: int) -> bytes:
        """Ask for the hash that the order would have now: another one if its offerer cancelled all."""
        return GET_ORDER_HASH + encode([_ORDER], [(*self.components[:-1], counter)])


@dataclass(frozen=True, slots=True)
class Status:
    """What the contract says of an order at the block."""

    is_validated: bool
    """Its offerer stands to it."""
    is_cancelled: bool
    """Not any more."""
    filled: int
    """How much of it was taken, in parts of `size`."""
    size: int
    """Parts of it; 0 if none was taken."""


def read_order(data: bytes) -> Order | None:
    """Read the event of an order; None if it is of another form."""
    try:
        name, told = decode(["bytes32", _ORDER], data)
    except (DecodingError, OverflowError):
        return None
    offered = tuple(
        (kind, Address(bytes.fromhex(token[2:])), token_id, min(start, end))
        for kind, token, token_id, start, end in told[2]
    )
    return Order(Hash32(name), Address(bytes.fromhex(told[0][2:])), offered, told[5], told[6], told)


def read_status(answer: bytes | None) -> Status | None:
    """Read what `getOrderStatus` says; None if it says nothing."""
    try:
        return Status(*decode(["bool", "bool", "uint256", "uint256"], answer or b""))
    except DecodingError:
        return None


def offered_in(
    order: Order, status: Status, collection: Address, kind: int, now_s: int
) -> Counter[tuple[Address, int]]:
    """How many of each item of a collection an order offers, by offerer and id; none if it is not open."""
    found = Counter[tuple[Address, int]]()
    is_open = status.is_validated and not status.is_cancelled and order.start_s <= now_s < order.end_s
    left = status.size - status.filled
    if not is_open or (status.size and left <= 0):
        return found
    for item_kind, token, token_id, amount in order.offered:
        if item_kind == kind and token == collection:
            found[order.offerer, token_id] += amount * left // status.size if status.size else amount
    return found


def listed(offers: Iterable[Counter[tuple[Address, int]]], owned: dict[tuple[Address, int], int]) -> int:
    """Count items that are offered and that their offerers have, each once however often it is offered."""
    whole = Counter[tuple[Address, int]]()
    for one in offers:
        whole += one
    return sum(min(amount, owned.get(what, 0)) for what, amount in whole.items())
