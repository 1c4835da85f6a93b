"""Orders of the real Seaport 1.6 on a real node: what counts as listed, and when it no longer does."""

import json
from collections import Counter
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validators.onchain.conftest import ALICE, BOB, CAROL, CHAIN_ID, ROOT, Net

from trex.badges.evaluate import evaluate
from trex.badges.policy import read_policy
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.collect_listings import collect_listings
from trex.validators.onchain.listings import Order, Status, listed, offered_in, read_order, read_status
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import SourceError

DAY_S = 86_400
SEAPORT = ROOT / "node_modules/@opensea/seaport-js/src/artifacts/seaport/contracts"
ITEM = "(uint8,address,uint256,uint256,uint256)"
ASKED = "(uint8,address,uint256,uint256,uint256,address)"
ORDER = f"(address,address,{ITEM}[],{ASKED}[],uint8,uint256,uint256,bytes32,uint256,bytes32,uint256)"
PRICE = 10**15


async def created(net: Net, artifact: str, arguments: bytes = b"") -> Address:
    code = bytes.fromhex(json.loads((SEAPORT / artifact).read_text())["bytecode"][2:])
    return Address(bytes.fromhex((await net.send(None, code + arguments))["contractAddress"][2:]))


@pytest.fixture
async def seaport(net: Net) -> Address:
    controller = await created(net, "conduit/ConduitController.sol/LocalConduitController.json")
    return await created(net, "Seaport.sol/Seaport.json", encode(["address"], [controller]))


async def order(
    net: Net, who: Address, *items: tuple[int, Address, int, int], **more: Any
) -> tuple[Any, ...]:
    now, zero = await net.now_s(), bytes(20)
    offer = [(*item, item[3]) for item in items]
    asked = [(0, zero, 0, PRICE, PRICE, who)]
    times = more.get("times", (now - 10, now + 30 * DAY_S))
    return (who, zero, offer, asked, 1, *times, bytes(32), more.get("salt", 0), bytes(32), 1)


async def validate(net: Net, seaport: Address, one: tuple[Any, ...], by: Address = ALICE) -> None:
    data = keccak256(f"validate(({ORDER},bytes)[])".encode())[:4]
    await net.send(seaport, data + encode([f"({ORDER},bytes)[]"], [[(one, b"")]]), by=by)


async def count(net: Net, seaport: Address, collection: Address, *who: Address, **more: Any) -> int:
    options: dict[str, Any] = {"history_s": 10 * DAY_S, **more}
    standard = options.pop("standard", "erc721")
    _, found = await collect_listings(net.source, who, collection, standard, [seaport], **options)
    return found


async def test_listed_items_are_those_in_orders_that_can_still_be_taken(net: Net, seaport: Address) -> None:
    """ONC-025: two orders of one item are one; cancelled, taken back, sold, given away or over: none."""
    item = await net.deploy("Item")
    for token_id in range(6):
        await net.do(item, "mint(address,uint256,string)", ALICE, token_id, "")
        await net.do(item, "approve(address,uint256)", seaport, token_id)
    orders = [await order(net, ALICE, (2, item, token_id, 1)) for token_id in range(4)]
    for one in orders:
        await validate(net, seaport, one)
    await validate(net, seaport, await order(net, ALICE, (2, item, 0, 1), salt=9))
    now = await net.now_s()
    await validate(
        net, seaport, await order(net, ALICE, (2, item, 4, 1), times=(now + DAY_S, now + 9 * DAY_S))
    )
    await validate(net, seaport, await order(net, BOB, (2, item, 5, 1)), by=BOB)
    assert await count(net, seaport, item, ALICE, ALICE) == 4
    assert await count(net, seaport, item, ALICE, ids=frozenset({0, 3, 5})) == 2
    assert await count(net, seaport, item, BOB) == 0, "offered, but not owned"
    assert await count(net, seaport, item, ALICE, BOB) == 4
    assert await count(net, seaport, item) == 0
    cancel = keccak256(f"cancel({ORDER}[])".encode())[:4]
    await net.send(seaport, cancel + encode([f"{ORDER}[]"], [[(*orders[1][:-1], 0)]]))
    assert await count(net, seaport, item, ALICE) == 3
    take = keccak256(f"fulfillOrder(({ORDER},bytes),bytes32)".encode())[:4]
    words = encode([f"({ORDER},bytes)", "bytes32"], [(orders[2], b""), bytes(32)])
    await net.send(seaport, take + words, by=CAROL, value=PRICE)
    assert await count(net, seaport, item, ALICE, CAROL) == 2
    await net.do(item, "transferFrom(address,address,uint256)", ALICE, BOB, 3)
    assert await count(net, seaport, item, ALICE) == 1
    await net.wait(2 * DAY_S)
    await net.node.mine()
    assert await count(net, seaport, item, ALICE) == 2, "the fourth can be taken from the second day on"
    assert await count(net, seaport, item, ALICE, history_s=DAY_S) == 0
    await net.do(seaport, "incrementCounter()")
    assert await count(net, seaport, item, ALICE) == 0


async def test_listed_editions_are_no_more_than_are_owned(net: Net, seaport: Address) -> None:
    """ONC-025: of ERC-1155, over orders and wallets."""
    edition = await net.deploy("Edition")
    await net.do(edition, "mint(address,uint256,uint256)", ALICE, 7, 5)
    await net.do(edition, "mint(address,uint256,uint256)", BOB, 7, 5)
    for salt, amount in ((1, 2), (2, 4)):
        await validate(net, seaport, await order(net, ALICE, (3, edition, 7, amount), salt=salt))
    await validate(net, seaport, await order(net, BOB, (3, edition, 7, 1)), by=BOB)
    assert await count(net, seaport, edition, ALICE, standard="erc1155") == 5
    assert await count(net, seaport, edition, ALICE, BOB, standard="erc1155") == 6
    assert await count(net, seaport, edition, ALICE) == 0, "of another kind"


async def test_market_that_does_not_speak_as_seaport_is_no_answer(net: Net, seaport: Address) -> None:
    """ONC-003: events of the same form, from a contract that says nothing of them."""
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 1, "")
    await validate(net, seaport, await order(net, ALICE, (2, item, 1, 1)))
    net.liar.fault = lambda method, _params, result: "0x" if method == "eth_call" else result
    with pytest.raises(SourceError, match="contradiction"):
        await count(net, seaport, item, ALICE)


async def test_observe_listed_answers_a_policy(net: Net, seaport: Address) -> None:
    """POL-024."""
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 1, "")
    await validate(net, seaport, await order(net, ALICE, (2, item, 1, 1)))
    asked = {"chain": CHAIN_ID, "collection": f"0x{item.hex()}", "standard": "erc721", "days": 30}
    asked |= {"protocols": [f"0x{seaport.hex()}"]}
    when = {"check": {"validator": "nft.listed", "parameters": asked, "is": {"atLeast": "1"}}}
    levels = [{"level": 1, "name": "Seller", "points": 1, "when": when}]
    document = {"version": 1, "name": "Seller", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    now = await net.now_s()
    for who, outcome in ((ALICE, "granted"), (BOB, "refused")):
        found = await observe(policy.checks(), {CHAIN_ID: net.source}, [who], now)
        assert evaluate(policy, found, now).outcome == outcome


def made(amount: int, start_s: int = 10, end_s: int = 20) -> Order:
    offered = ((3, CAROL, 7, amount), (2, CAROL, 8, 1), (3, BOB, 7, 1))
    return Order(Hash32(bytes(32)), ALICE, offered, start_s, end_s, ())


@pytest.mark.parametrize(
    ("status", "now_s", "amount"),
    [
        (Status(True, False, 0, 0), 10, 6),
        (Status(True, False, 1, 3), 19, 4),
        (Status(True, False, 3, 3), 15, 0),
        (Status(True, False, 2, 3), 15, 2),
        (Status(True, False, 0, 0), 9, 0),
        (Status(True, False, 0, 0), 20, 0),
        (Status(True, True, 0, 0), 15, 0),
        (Status(False, False, 0, 0), 15, 0),
    ],
)
def test_offered_in_an_order_is_what_is_left_of_it(status: Status, now_s: int, amount: int) -> None:
    """ONC-025."""
    assert offered_in(made(6), status, CAROL, 3, now_s) == Counter({(ALICE, 7): amount} if amount else {})


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from([(ALICE, 1), (ALICE, 2), (BOB, 1)]), st.integers(0, 5)), max_size=5
    ),
    st.dictionaries(st.sampled_from([(ALICE, 1), (ALICE, 2), (BOB, 1)]), st.integers(0, 5)),
)
def test_listed_is_never_more_than_owned_or_offered(offers: list[Any], owned: dict[Any, int]) -> None:
    """ONC-025."""
    found = listed([Counter(one) for one in offers], owned)
    assert 0 <= found <= min(sum(owned.values()), sum(sum(one.values()) for one in offers))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=900))
def test_order_of_anything_is_read_or_is_none(data: bytes) -> None:
    assert read_order(data) is None or len(data) >= 32
    assert read_status(data[:127]) is None
