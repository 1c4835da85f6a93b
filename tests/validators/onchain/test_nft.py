"""Collections on a real node: ways of coming, holding, flipping, traits, wallets counted once."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validators.onchain.conftest import ALICE, BOB, CAROL, CHAIN_ID, Net, without

from trex.badges.evaluate import evaluate
from trex.badges.policy import read_policy
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.collect_nft import collect_nft
from trex.validators.onchain.metadata import MetadataError, gateway, read_traits
from trex.validators.onchain.nft import Move, NftEvidence, Way, adds_up, came, flips, held_s, only, owned
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import SourceError

DAY_S = 86_400
NONE = frozenset[int]()


def uri(**traits: Any) -> str:
    attributes = [{"trait_type": name, "value": value} for name, value in traits.items()]
    body = json.dumps({"name": "x", "attributes": attributes})
    return "data:application/json;base64," + base64.b64encode(body.encode()).decode()


async def test_items_are_counted_by_the_way_they_came(net: Net) -> None:
    """ONC-020: minted, bought for coin, bought for tokens, received."""
    item, market = await net.deploy("Item"), await net.deploy("Market")
    coin = await net.deploy("Coin", ("uint8", 0))
    for token_id in range(4):
        await net.do(item, "mint(address,uint256,string)", ALICE if token_id == 0 else BOB, token_id, "")
    await net.do(item, "setApprovalForAll(address,bool)", market, True, by=BOB)
    await net.do(market, "buy(address,uint256,address)", item, 1, BOB, value=10**18)
    await net.do(coin, "mint(address,uint256)", ALICE, 500)
    await net.do(coin, "approve(address,uint256)", market, 500)
    await net.do(market, "buyWith(address,uint256,address,uint256,address)", coin, 500, item, 2, BOB)
    await net.do(item, "transferFrom(address,address,uint256)", BOB, ALICE, 3, by=BOB)
    evidence = await collect_nft(net.source, [ALICE], item, "erc721")
    assert [came(evidence, way) for way in Way] == [1, 2, 1]
    assert owned(evidence, NONE, {}) == 4
    assert owned(evidence, frozenset({1, 9}), {}) == 1
    both = await collect_nft(net.source, [ALICE, BOB, ALICE], item, "erc721")
    assert [came(both, way) for way in Way] == [4, 0, 0]
    assert owned(both, NONE, {}) == 4


async def test_item_moved_among_own_wallets_is_held_on_and_counted_once(net: Net) -> None:
    """ONC-020."""
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 7, "")
    await net.wait(DAY_S)
    await net.do(item, "transferFrom(address,address,uint256)", ALICE, BOB, 7)
    await net.wait(DAY_S)
    await net.node.mine()
    both = await collect_nft(net.source, [ALICE, BOB], item, "erc721")
    seconds = held_s(both, continuous=True)
    assert seconds is not None
    assert seconds >= 2 * DAY_S
    assert (owned(both, NONE, {}), flips(both, 30 * DAY_S)) == (1, 0)
    alone = await collect_nft(net.source, [BOB], item, "erc721")
    assert came(alone, Way.RECEIVED) == 1


async def test_borrowed_item_is_held_for_the_time_of_the_loan_only(net: Net) -> None:
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", BOB, 7, "")
    await net.wait(100 * DAY_S)
    await net.do(item, "transferFrom(address,address,uint256)", BOB, ALICE, 7, by=BOB)
    evidence = await collect_nft(net.source, [ALICE], item, "erc721")
    assert (owned(evidence, NONE, {}), held_s(evidence, continuous=True)) == (1, 0)


async def test_holding_time_in_total_and_without_a_break(net: Net) -> None:
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 7, "")
    for by, to in ((ALICE, CAROL), (CAROL, ALICE)):
        await net.wait(10 * DAY_S)
        await net.do(item, "transferFrom(address,address,uint256)", by, to, 7, by=by)
    await net.wait(5 * DAY_S)
    await net.node.mine()
    evidence = await collect_nft(net.source, [ALICE], item, "erc721")
    total, last = held_s(evidence, continuous=False), held_s(evidence, continuous=True)
    assert total is not None
    assert last is not None
    assert abs(total - 15 * DAY_S) < 60
    assert abs(last - 5 * DAY_S) < 60
    assert (flips(evidence, 11 * DAY_S), flips(evidence, DAY_S)) == (1, 0)


async def test_editions_are_counted_by_amount(net: Net) -> None:
    """ERC-1155, single and batch, with wallets together."""
    edition = await net.deploy("Edition")
    await net.do(edition, "mint(address,uint256,uint256)", ALICE, 1, 10)
    await net.do(edition, "mintBatch(address,uint256[],uint256[])", ALICE, [2, 3], [5, 6])
    give = "safeTransferFrom(address,address,uint256,uint256,bytes)"
    await net.do(edition, give, ALICE, BOB, 1, 4, b"")
    await net.do(edition, give, ALICE, CAROL, 2, 5, b"")
    both = await collect_nft(net.source, [ALICE, BOB], edition, "erc1155")
    assert dict(both.owned) == {1: 10, 3: 6}
    assert (came(both, Way.MINTED), flips(both, DAY_S)) == (21, 5)
    assert owned(both, frozenset({3}), {}) == 6


async def test_traits_come_from_the_chain_itself(net: Net) -> None:
    """ONC-022: metadata in the URI are part of the state at the block."""
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 1, uri(Background="Gold", Level=3))
    await net.do(item, "mint(address,uint256,string)", ALICE, 2, uri(Background="Blue", Level=3))
    evidence = await collect_nft(net.source, [ALICE], item, "erc721", traits=True)
    assert owned(evidence, NONE, {"Background": "Gold"}) == 1
    assert owned(evidence, NONE, {"Level": "3"}) == 2
    assert owned(evidence, NONE, {"Background": "Gold", "Level": "4"}) == 0
    assert owned(await collect_nft(net.source, [ALICE], item, "erc721"), NONE, {"Level": "3"}) is None


async def test_traits_that_cannot_be_read_are_not_known(net: Net) -> None:
    """ONC-023: the one that cannot be read might be the one that counts."""
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 1, uri(Background="Gold"))
    await net.do(item, "mint(address,uint256,string)", ALICE, 2, "http://169.254.169.254/latest/meta-data")
    evidence = await collect_nft(net.source, [ALICE], item, "erc721", traits=True)
    assert (evidence.traits, owned(evidence, NONE, {"Background": "Gold"})) == (None, None)
    assert owned(evidence, NONE, {}) == 2


async def test_address_without_code_is_no_answer(net: Net) -> None:
    with pytest.raises(SourceError) as caught:
        await collect_nft(net.source, [ALICE], CAROL, "erc721")
    assert caught.value.code == "refused"


async def test_events_that_do_not_add_up_leave_history_unknown(net: Net) -> None:
    """ONC-021: a contract that says other owners than its events do."""
    coin = await net.deploy("Edition")
    await net.do(coin, "mint(address,uint256,uint256)", ALICE, 1, 1)
    evidence = await collect_nft(net.source, [ALICE], coin, "erc1155")
    assert evidence.moves is not None
    assert not adds_up(evidence.moves, {1: 2})
    lying = NftEvidence(evidence.block, evidence.wallets, {1: 2}, None, None)
    assert [came(lying, Way.MINTED), held_s(lying, continuous=True), flips(lying, 1)] == [None] * 3
    backwards = (Move(1, 5, 1, None, sold=True), Move(2, 5, 1, Way.RECEIVED, sold=False))
    assert not adds_up(backwards, {})


CID = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"


def serving(content: bytes, asked: list[str]) -> Callable[[str], Awaitable[bytes]]:
    async def fetch(path: str) -> bytes:
        asked.append(path)
        return content

    return fetch


async def test_metadata_by_content_address_goes_through_the_gateway() -> None:
    asked: list[str] = []
    body = b'{"attributes":[{"trait_type":"Hat","value":"Red"}]}'
    assert await read_traits(f"ipfs://{CID}/{{id}}.json", 5, serving(body, asked)) == {"Hat": "Red"}
    assert asked == [f"{CID}/{5:064x}.json"]
    with pytest.raises(MetadataError, match="no gateway"):
        await read_traits(f"ipfs://{CID}", 5, None)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "http://127.0.0.1/",
            "https://example.org/1.json",
            "file:///etc/passwd",
            "ftp://x/",
            "gopher://x/",
            "",
        ),
        *(
            f"ipfs://{CID}/../../admin",
            f"ipfs://{CID}@127.0.0.1/",
            f"ipfs://127.0.0.1/{CID}",
            f"ipfs://{CID}?x=1",
        ),
        *(
            f"ipfs://{CID}#x",
            f"ipfs://{CID}/a b",
            f"ipfs://{CID}//x",
            f"IPFS://{CID}",
            f"ipfs://{CID}/%2e%2e/x",
        ),
        *("data:text/html,<script>", "data:application/json", "data:application/json;base64,!!!"),
        *("data:application/json,[]", 'data:application/json,{"attributes":5}', "data:application/json,{"),
        'data:application/json,{"attributes":[{"trait_type":"a","value":"1"},{"trait_type":"a","value":"2"}]}',
        'data:application/json,{"attributes":[{"trait_type":"a","value":{"b":1}}]}',
        'data:application/json,{"attributes":[],"attributes":[]}',
        "data:application/json," + "[" * 100,
    ],
)
async def test_metadata_of_another_kind_are_refused_and_nothing_is_fetched(text: str) -> None:
    """ONC-022: no host of the contract's choosing is contacted."""
    asked: list[str] = []
    with pytest.raises(MetadataError):
        await read_traits(text, 1, serving(b"{}", asked))
    assert asked == []


async def test_gateway_follows_no_redirect_and_bounds_what_it_reads() -> None:
    """ONC-022."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("moved"):
            raise web.HTTPFound("http://169.254.169.254/")
        if request.path.endswith("large"):
            return web.Response(body=b" " * 600_000)
        return web.Response(body=b'{"attributes":[{"trait_type":"Hat","value":1.5}]}')

    application = web.Application()
    application.router.add_get("/ipfs/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            fetch = gateway(f"http://127.0.0.1:{runner.addresses[0][1]}/ipfs/", session)
            assert await read_traits(f"ipfs://{CID}/1", 1, fetch) == {"Hat": "1.5"}
            for path, why in (("moved", "answers 302"), ("large", "too_large|bytes")):
                with pytest.raises(MetadataError, match=why):
                    await read_traits(f"ipfs://{CID}/{path}", 1, fetch)
    finally:
        await runner.cleanup()


async def test_observe_nft_answers_a_policy(net: Net) -> None:
    """POL-024, from the node to the decision."""
    item = await net.deploy("Item")
    await net.do(item, "mint(address,uint256,string)", ALICE, 1, uri(Background="Gold"))
    asked = {"chain": CHAIN_ID, "collection": f"0x{item.hex()}", "standard": "erc721"}

    def check(name: str, bounds: dict[str, str], **more: Any) -> dict[str, Any]:
        return {"check": {"validator": name, "parameters": {**asked, **more}, "is": bounds}}

    gold = check("nft.owned", {"atLeast": "1"}, traits={"Background": "Gold"})
    parts = [
        gold,
        check("nft.minted", {"atLeast": "1"}),
        check("nft.flipped", {"atMost": "0"}, days=30),
        check("nft.held", {"atLeast": "0"}, mode="total"),
        check("nft.bought", {"atMost": "0"}),
        check("nft.received", {"atMost": "0"}),
    ]
    levels = [{"level": 1, "name": "Gold", "points": 1, "when": {"all": parts}}]
    document = {"version": 1, "name": "Collector", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    now = await net.now_s()
    facts = await observe(policy.checks(), {CHAIN_ID: net.source}, [ALICE], now)
    assert evaluate(policy, facts, now).outcome == "granted"
    others = await observe(policy.checks(), {CHAIN_ID: net.source}, [BOB], now)
    assert evaluate(policy, others, now).outcome == "refused"
    nowhere = await observe(policy.checks(), {}, [BOB], now)
    assert evaluate(policy, nowhere, now).outcome == "undecided"


async def test_placed_items_are_those_that_wallets_brought_and_nobody_since(net: Net) -> None:
    """ONC-024: one stays, one came back, one was brought again by another, one is elsewhere."""
    item, vault, other = await net.deploy("Item"), await net.deploy("Vault"), await net.deploy("Vault")
    for token_id in range(4):
        await net.do(item, "mint(address,uint256,string)", ALICE, token_id, "")
    move = "transferFrom(address,address,uint256)"
    for token_id in range(3):
        await net.do(item, move, ALICE, vault, token_id)
    await net.do(item, move, ALICE, other, 3)
    await net.do(vault, "give(address,address,uint256)", item, ALICE, 1)
    await net.do(vault, "give(address,address,uint256)", item, BOB, 2)
    await net.do(item, move, BOB, vault, 2, by=BOB)

    async def placed(*wallets: Address) -> set[int]:
        found = await collect_nft(net.source, wallets, item, "erc721", protocols=[vault])
        return set(found.placed)

    assert await placed(ALICE) == {0}
    assert await placed(BOB) == {2}
    assert await placed(ALICE, BOB) == {0, 2}
    assert owned(await collect_nft(net.source, [ALICE], item, "erc721"), NONE, {}) == 1
    parameters = {"chain": CHAIN_ID, "collection": f"0x{item.hex()}", "standard": "erc721"}
    parameters |= {"protocols": [f"0x{vault.hex()}", f"0x{other.hex()}"]}
    when = {"check": {"validator": "nft.placed", "parameters": parameters, "is": {"atLeast": "2"}}}
    levels = [{"level": 1, "name": "Staker", "points": 1, "when": when}]
    document = {"version": 1, "name": "Staker", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    now = await net.now_s()
    for who, outcome in ((ALICE, "granted"), (BOB, "refused")):
        found = await observe(policy.checks(), {CHAIN_ID: net.source}, [who], now)
        assert evaluate(policy, found, now).outcome == outcome


async def test_placed_editions_are_what_was_brought_and_not_taken_back(net: Net) -> None:
    """ONC-024: of ERC-1155, by amounts; for so many days by the least that was there in that time."""
    edition, vault = await net.deploy("Edition"), await net.deploy("Vault")
    move = "safeTransferFrom(address,address,uint256,uint256,bytes)"
    give = "giveSome(address,address,uint256,uint256)"
    for who in (ALICE, BOB):
        await net.do(edition, "mint(address,uint256,uint256)", who, 7, 10)
    await net.do(edition, move, ALICE, vault, 7, 6, b"")
    await net.do(edition, move, BOB, vault, 7, 3, b"", by=BOB)
    await net.wait(3 * DAY_S)
    await net.do(vault, give, edition, ALICE, 7, 2)
    await net.do(edition, move, ALICE, vault, 7, 5, b"")

    async def placed(*wallets: Address, days: int = 0) -> int:
        options: dict[str, Any] = {"protocols": [vault], "placed_s": days * DAY_S}
        return (await collect_nft(net.source, wallets, edition, "erc1155", **options)).placed.get(7, 0)

    assert [await placed(ALICE), await placed(BOB), await placed(ALICE, BOB)] == [9, 3, 12]
    assert [await placed(ALICE, days=2), await placed(ALICE, days=9)] == [4, 0]
    await net.do(vault, give, edition, CAROL, 7, 8)
    assert await placed(ALICE) == 4, "no more than is there"


async def test_placed_items_must_have_been_there_as_long_as_is_asked(net: Net) -> None:
    """ONC-024."""
    item, vault = await net.deploy("Item"), await net.deploy("Vault")
    for token_id in range(2):
        await net.do(item, "mint(address,uint256,string)", ALICE, token_id, "")
        await net.do(item, "transferFrom(address,address,uint256)", ALICE, vault, token_id)
        await net.wait(2 * DAY_S)
    await net.node.mine()
    for days, count in ((0, 2), (2, 2), (3, 1), (9, 0)):
        options: dict[str, Any] = {"protocols": [vault], "placed_s": days * DAY_S}
        assert len((await collect_nft(net.source, [ALICE], item, "erc721", **options)).placed) == count


async def test_item_that_a_contract_wallet_paid_for_in_coin_is_bought(net: Net) -> None:
    """ONC-020: another account sent the transaction; the wallet's own coin left inside it."""
    item, market, wallet = [await net.deploy(name) for name in ("Item", "Market", "Relay")]
    for token_id in (1, 2):
        await net.do(item, "mint(address,uint256,string)", BOB, token_id, "")
    await net.do(item, "setApprovalForAll(address,bool)", market, True, by=BOB)
    buy = keccak256(b"buy(address,uint256,address)")[:4]
    for token_id, value in ((1, 10**18), (2, 0)):
        call = buy + encode(["address", "uint256", "address"], [item, token_id, BOB])
        await net.do(wallet, "pass(address,bytes,bool)", market, call, False, by=CAROL, value=value)
    evidence = await collect_nft(net.source, [wallet], item, "erc721")
    assert [came(evidence, way) for way in Way] == [0, 1, 1]
    among = await collect_nft(net.source, [wallet, BOB], item, "erc721")
    assert [came(among, way) for way in Way] == [2, 0, 0]
    net.liar.fault = without("debug_traceTransaction", "trace_transaction")
    with pytest.raises(SourceError):
        await collect_nft(net.source, [wallet], item, "erc721")


def test_windows_and_ids_leave_out_what_is_not_asked_for() -> None:
    """ONC-026: what came before counts as held from the window's beginning on."""
    block = BlockRef(9, Hash32(bytes(32)), 100)
    moves = (
        Move(10, 1, 1, Way.MINTED, sold=False),
        Move(20, 1, 1, None, sold=True),
        Move(30, 2, 1, Way.MINTED, sold=False),
        Move(90, 1, 1, Way.BOUGHT, sold=False),
    )
    evidence = NftEvidence(block, frozenset([ALICE]), {1: 1, 2: 1}, moves, None)
    one, two = only(evidence, frozenset({1})), only(evidence, frozenset({2}))
    assert [came(evidence, Way.MINTED, 15), came(one, Way.MINTED), came(one, Way.MINTED, 15)] == [1, 1, 0]
    assert [held_s(one, continuous=True), held_s(one, continuous=False)] == [10, 20]
    assert [held_s(one, continuous=False, since_s=s) for s in (0, 15, 20, 95)] == [20, 15, 10, 5]
    assert held_s(two, continuous=True, since_s=60) == 40
    assert (owned(one, NONE, {}), flips(one, 10), flips(two, 10)) == (1, 1, 0)
    assert only(evidence, NONE) is evidence


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=12).map(sorted), st.integers(0, 100))
def test_time_held_in_a_window_is_what_a_clock_counts(told: list[tuple[int, bool]], since_s: int) -> None:
    """ONC-026."""
    moves, have, at = [], 0, [0] * 100
    for moment, comes in told:
        if not comes and not have:
            continue
        have += 1 if comes else -1
        moves.append(Move(moment, 1, 1, Way.MINTED if comes else None, sold=not comes))
        at[moment:] = [have] * (100 - moment)
    block = BlockRef(9, Hash32(bytes(32)), 100)
    evidence = NftEvidence(block, frozenset(), {1: have} if have else {}, tuple(moves), None)
    assert held_s(evidence, continuous=False, since_s=since_s) == sum(one > 0 for one in at[since_s:])
