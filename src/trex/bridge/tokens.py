"""Tokens on both layers: what they are called, which one stands for which, and making one that does."""

from dataclasses import dataclass

from eth_abi.abi import decode
from eth_hash.auto import keccak

from trex.bridge.errors import BridgeError
from trex.bridge.layer import Layer, calldata
from trex.types.primitives import Address

FACTORY = Address(bytes.fromhex("4200000000000000000000000000000000000012"))
"""Makes ERC-20 tokens on L2 that stand for L1's (BRG-030)."""
COLLECTION_FACTORY = Address(bytes.fromhex("4200000000000000000000000000000000000017"))
"""The same for ERC-721."""
CREATED = keccak(b"StandardL2TokenCreated(address,address)")
COLLECTION_CREATED = keccak(b"OptimismMintableERC721Created(address,address,address)")


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 token."""

    address: Address
    symbol: str
    decimals: int


async def read_token(layer: Layer, address: Address) -> Token:
    """Ask a token what it is.

    Raises:
        BridgeError: `not_found`: there is no ERC-20 token.
    """
    (decimals,) = await layer.call(address, "decimals()", (), ["uint8"])
    return Token(address, await _text(layer, address, "symbol()"), decimals)


async def counterpart(l1: Layer, l2: Layer, address: Address, collection: bool = False) -> Address:
    """Return the token on L2 that was first made for one of L1.

    Raises:
        BridgeError: `not_found`: none was made.
    """
    factory = COLLECTION_FACTORY if collection else FACTORY
    topic = "0x" + "00" * 12 + address.hex()
    # The token of L1 is the first indexed value of one factory's event, the second of the other's.
    topics = (
        ["0x" + COLLECTION_CREATED.hex(), None, topic] if collection else ["0x" + CREATED.hex(), topic, None]
    )
    query = {"address": "0x" + factory.hex(), "topics": topics, "fromBlock": "0x0"}
    logs = await l2.ask("eth_getLogs", query)
    if not logs:
        what = "--collection" if collection else "--token"
        raise BridgeError(
            "not_found",
            f"no token on L2 stands for 0x{address.hex()}: make one with `trex bridge token {what} ADDRESS`",
        )
    return Address(bytes.fromhex(logs[0]["topics"][1 if collection else 2][-40:]))


async def make_token(l1: Layer, l2: Layer, address: Address) -> Address:
    """Have a token made on L2 for an ERC-20 token of L1, with its name, symbol and decimals."""
    token = await read_token(l1, address)
    name = await _text(l1, address, "name()")
    function = "createOptimismMintableERC20WithDecimals(address,string,string,uint8)"
    await l2.send(FACTORY, calldata(function, "0x" + address.hex(), name, token.symbol, token.decimals))
    return await counterpart(l1, l2, address)


async def make_collection(l1: Layer, l2: Layer, address: Address) -> Address:
    """Have a collection made on L2 for one of L1, with its name and symbol."""
    name, symbol = await _text(l1, address, "name()"), await _text(l1, address, "symbol()")
    function = "createOptimismMintableERC721(address,string,string)"
    await l2.send(COLLECTION_FACTORY, calldata(function, "0x" + address.hex(), name, symbol))
    return await counterpart(l1, l2, address, collection=True)


async def approve(layer: Layer, token: Address, spender: Address, amount: int) -> None:
    """Let a bridge take so much, unless it may already."""
    words = ("0x" + layer.address.hex(), "0x" + spender.hex())
    (allowed,) = await layer.call(token, "allowance(address,address)", words, ["uint256"])
    if allowed < amount:
        await layer.send(token, calldata("approve(address,uint256)", words[1], amount))


async def approve_collection(layer: Layer, collection: Address, spender: Address, number: int) -> None:
    """Let a bridge take one token of a collection, unless it may already."""
    words = ("0x" + layer.address.hex(), "0x" + spender.hex())
    (all_,) = await layer.call(collection, "isApprovedForAll(address,address)", words, ["bool"])
    (one,) = await layer.call(collection, "getApproved(uint256)", (number,), ["address"])
    if not all_ and one != words[1]:
        await layer.send(collection, calldata("approve(address,uint256)", words[1], number))


async def _text(layer: Layer, address: Address, function: str) -> str:
    """Ask for a name; tokens of the first years answer with 32 bytes."""
    answer = await layer.ask(
        "eth_call", {"to": "0x" + address.hex(), "data": "0x" + calldata(function).hex()}, "latest"
    )
    raw = bytes.fromhex(answer[2:])
    if len(raw) == 32:
        return raw.rstrip(b"\0").decode(errors="replace")
    if not raw:
        raise BridgeError("not_found", f"{layer.name}: no token at 0x{address.hex()}")
    return str(decode(["string"], raw)[0])
