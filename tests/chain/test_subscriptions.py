"""eth_subscribe over WebSocket, filters, and readers that do not read."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import pytest
from tests.chain.conftest import PATIENCE_S, Client, Start, until
from tests.chain.small_chain import LOG_ADDRESS, SmallChain, sha
from tests.chain.test_jsonrpc import SMALL, ask

from trex.chain.limits import ServerLimits
from trex.chain.rpc import filters, subscriptions
from trex.chain.rpc.access import Access


class Socket:
    """Calls and notifications over one connection."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.notices: list[dict[str, Any]] = []

    async def receive(self) -> Any:
        message = await asyncio.wait_for(self.ws.receive(), PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return orjson.loads(message.data)

    async def answer(self, method: str, *params: Any) -> dict[str, Any]:
        await self.ws.send_str(orjson.dumps(ask(9, method, params=params)).decode())
        while True:
            message = await self.receive()
            if "id" in message:
                assert isinstance(message, dict)
                return message
            self.notices.append(message["params"])

    async def call(self, method: str, *params: Any) -> Any:
        answer = await self.answer(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    async def notice(self) -> dict[str, Any]:
        if self.notices:
            return self.notices.pop(0)
        message = await self.receive()
        assert message["method"] == "eth_subscription"
        params = message["params"]
        assert isinstance(params, dict)
        return params


@pytest.fixture
async def manual(start: Start) -> Client:
    client = await start(dev=True)
    await client.by_hand()
    return client


async def test_calls_and_batches_over_websocket(client: Client) -> None:
    async with client.websocket() as ws:
        socket = Socket(ws)
        assert await socket.call("eth_chainId") == "0x7aa"
        await ws.send_bytes(orjson.dumps([ask(1), ask(2, "nope")]))
        assert [a["id"] for a in await socket.receive()] == [1, 2]
        await ws.send_str("{")
        assert (await socket.receive())["error"]["code"] == -32700


async def test_new_heads_and_logs_follow_blocks(manual: Client) -> None:
    async with manual.websocket() as ws:
        socket = Socket(ws)
        heads = await socket.call("eth_subscribe", "newHeads")
        logs = await socket.call("eth_subscribe", "logs", {"address": LOG_ADDRESS})
        others = await socket.call("eth_subscribe", "logs", {"address": "0x" + "bb" * 20})
        assert len({heads, logs, others}) == 3
        await manual.call("eth_sendRawTransaction", "0x01")
        await manual.call("eth_sendRawTransaction", "0x02")
        await manual.call("evm_mine")
        await manual.call("evm_mine")
        notices = [await socket.notice() for _ in range(4)]
        assert [n["subscription"] for n in notices] == [heads, logs, logs, heads]
        number = manual.chain.head().number
        assert [n["result"]["number"] for n in notices if n["subscription"] == heads] == [
            hex(number - 1),
            hex(number),
        ]
        assert [n["result"]["transactionHash"] for n in notices[1:3]] == [sha(b"\x01"), sha(b"\x02")]
        assert await socket.call("eth_unsubscribe", heads) is True
        assert (await socket.answer("eth_unsubscribe", heads))["error"]["message"] == "subscription not found"
        await manual.call("evm_mine")
        await asyncio.sleep(0.05)
        assert await socket.call("eth_chainId") == "0x7aa"
        assert socket.notices == []


async def test_pending_transactions_as_hashes_and_whole(manual: Client) -> None:
    async with manual.websocket() as ws:
        socket = Socket(ws)
        hashes = await socket.call("eth_subscribe", "newPendingTransactions")
        whole = await socket.call("eth_subscribe", "newPendingTransactions", True)
        await manual.call("eth_sendRawTransaction", "0x01")
        got = {n["subscription"]: n["result"] for n in [await socket.notice(), await socket.notice()]}
        assert got == {hashes: sha(b"\x01"), whole: {"hash": sha(b"\x01")}}


async def test_syncing_says_false_after_its_answer(client: Client) -> None:
    async with client.websocket() as ws:
        socket = Socket(ws)
        key = await socket.call("eth_subscribe", "syncing")
        assert socket.notices == []
        assert await socket.notice() == {"subscription": key, "result": False}


async def test_syncing_tells_when_it_begins_and_ends(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SYNCING_S", 0.02)
    status: Any = {"currentBlock": "0x1"}
    client.node.subscriptions.sync_status = lambda: status
    async with client.websocket() as ws:
        socket = Socket(ws)
        await socket.call("eth_subscribe", "syncing")
        assert (await socket.notice())["result"] == {"syncing": True, "status": {"currentBlock": "0x1"}}
        status = {"currentBlock": "0x2"}  # going on is no news
        await asyncio.sleep(0.1)
        status = False
        assert (await socket.notice())["result"] is False
        status = {"currentBlock": "0x3"}
        assert (await socket.notice())["result"]["status"] == {"currentBlock": "0x3"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ([], -32602),
        ([5], -32602),
        (["nonsense"], -32601),
        (["logs", 5], -32602),
        (["logs", {"address": "0x1"}], -32602),
        (["newPendingTransactions", "yes"], -32602),
    ],
)
async def test_malformed_subscription_is_refused(client: Client, params: list[Any], code: int) -> None:
    async with client.websocket() as ws:
        assert (await Socket(ws).answer("eth_subscribe", *params))["error"]["code"] == code


async def test_subscribe_over_http_is_refused(client: Client) -> None:
    assert (await client.error("eth_subscribe", "newHeads")) == {
        "code": -32601,
        "message": "notifications not supported",
    }


async def test_subscription_limit_names_itself(start: Start) -> None:
    client = await start(limits=SMALL)
    async with client.websocket() as ws:
        socket = Socket(ws)
        for _ in range(3):
            await socket.call("eth_subscribe", "newHeads")
        error = (await socket.answer("eth_subscribe", "newHeads"))["error"]
        assert error["code"] == -32005
        assert "subscriptions=3" in error["message"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.websocket()
        assert refused.value.status == 503
    await until(lambda: client.node.metrics.registry.get_sample_value("trex_ws_connections") == 0)
    async with client.websocket() as ws:
        assert await Socket(ws).call("eth_chainId") == "0x7aa"


def of_addresses(count: int) -> dict[str, Any]:
    return {"address": [f"0x{i:040x}" for i in range(count)]}


@pytest.mark.parametrize(
    "criteria", [of_addresses(4), {"topics": [["0x" + "11" * 32] * 4]}, {"topics": [None] * 4}]
)
async def test_criteria_of_too_many_items_are_refused(start: Start, criteria: Any) -> None:
    client = await start(limits=ServerLimits(criteria_items=3))
    async with client.websocket() as ws:
        errors = [
            (await Socket(ws).answer("eth_subscribe", "logs", criteria))["error"],
            await client.error("eth_newFilter", criteria),
        ]
    for error in errors:
        assert error["code"] == -32005
        assert "criteria_items=3" in error["message"]


async def test_criteria_of_all_take_bounded_room(start: Start) -> None:
    """What nobody asks for is not kept; what ends makes room."""
    client = await start(limits=ServerLimits(criteria_bytes=100))
    address = {"address": LOG_ADDRESS, "unknown": "x" * 1000}
    keys = [await client.call("eth_newFilter", address)]
    error = await client.error("eth_newFilter", address)
    assert error["code"] == -32005
    assert "criteria_bytes=100" in error["message"]
    assert await client.call("eth_uninstallFilter", keys.pop())
    assert await client.call("eth_newFilter", address)

    async with client.websocket() as ws:
        socket = Socket(ws)
        key = await socket.call("eth_subscribe", "logs", address)
        assert (
            "criteria_bytes=100"
            in (await socket.answer("eth_subscribe", "logs", address))["error"]["message"]
        )
        assert await socket.call("eth_unsubscribe", key)
        assert await socket.call("eth_subscribe", "logs", address)
    async with client.websocket() as ws:
        assert await Socket(ws).call("eth_subscribe", "logs", address)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Keeps every eth_call from its end until it is set."""
    gate = threading.Event()

    def call(*_: Any) -> str:
        assert gate.wait(PATIENCE_S)
        return "0x"

    monkeypatch.setattr(SmallChain, "do_eth_call", call)
    yield gate
    gate.set()


async def test_messages_of_one_connection_take_bounded_room(start: Start, gate: threading.Event) -> None:
    client = await start(limits=ServerLimits(body_bytes=10_000, call_timeout_s=PATIENCE_S))
    async with client.websocket() as ws:
        for i in range(5):
            await ws.send_bytes(orjson.dumps(ask(i, "eth_call", params=["x" * 6_000])))
        await until(lambda: client.node.server.body_bytes > 6_000)
        await asyncio.sleep(0.1)  # others come, and wait
        assert 6_000 < client.node.server.body_bytes <= 10_000
        gate.set()
        assert [(await Socket(ws).receive())["id"] for _ in range(5)] == list(range(5))
    await until(lambda: client.node.server.body_bytes == 0)


async def test_messages_of_all_connections_take_bounded_room(start: Start, gate: threading.Event) -> None:
    client = await start(limits=ServerLimits(inflight_bytes=10_000, call_timeout_s=PATIENCE_S))
    async with client.websocket() as first, client.websocket() as second:
        await first.send_bytes(orjson.dumps(ask(1, "eth_call", params=["x" * 8_000])))
        await until(lambda: client.node.server.body_bytes > 8_000)
        await second.send_bytes(orjson.dumps(ask(2, "eth_call", params=["x" * 8_000])))
        error = (await Socket(second).receive())["error"]
        assert error["code"] == -32005
        assert "inflight_bytes=10000" in error["message"]
        assert await Socket(second).call("eth_chainId") == "0x7aa"
        gate.set()
        assert (await Socket(first).receive())["id"] == 1
    await until(lambda: client.node.server.body_bytes == 0)


async def test_message_over_limit_closes_with_reason(start: Start) -> None:
    client = await start(limits=SMALL)
    async with client.websocket() as ws:
        await ws.send_str(" " * 20_000)
        message = await asyncio.wait_for(ws.receive(), PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_origin_not_allowed_is_refused(start: Start) -> None:
    client = await start(access=Access(origins=frozenset({"https://app.example"})))
    async with client.websocket(origin="https://app.example") as ws:
        assert await Socket(ws).call("eth_chainId") == "0x7aa"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.websocket(origin="https://evil.example")
    assert refused.value.status == 403


async def test_slow_reader_is_cut_off_and_others_are_served(start: Start) -> None:
    limits = ServerLimits(send_queue=100, send_queue_bytes=1_000_000)
    client = await start(limits=limits)
    slow = await asyncio.open_connection("127.0.0.1", client.node.server.port, limit=1024)
    reader, writer = slow
    writer.write(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    body = orjson.dumps(ask(1, "big", params=[500_000]))
    frame = b"\x81" + bytes([0x80 | len(body)]) + bytes(4) + body
    with contextlib.suppress(ConnectionError, RuntimeError):  # uvloop says the second
        for _ in range(60):
            writer.write(frame)
            await asyncio.sleep(0.005)
    cut = client.node.metrics.registry
    await until(lambda: cut.get_sample_value("trex_slow_readers_total") == 1)
    assert await client.call("eth_chainId") == "0x7aa"
    await until(lambda: cut.get_sample_value("trex_ws_connections") == 0)
    writer.close()


async def test_ten_thousand_subscriptions_are_told(start: Start) -> None:
    client = await start(dev=True, limits=ServerLimits(subscriptions=1000))
    await client.by_hand()
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(client.websocket()) for _ in range(10)]
        for ws in sockets:
            await ws.send_bytes(
                orjson.dumps([ask(i, "eth_subscribe", params=["newHeads"]) for i in range(1000)])
            )
        for ws in sockets:
            assert len(orjson.loads((await ws.receive()).data)) == 1000
        await client.call("evm_mine")
        async with asyncio.timeout(PATIENCE_S):
            for ws in sockets:
                told = {
                    orjson.loads((await ws.receive()).data)["params"]["subscription"] for _ in range(1000)
                }
                assert len(told) == 1000
        assert await client.call("eth_chainId") == "0x7aa"
    registry = client.node.metrics.registry
    await until(lambda: registry.get_sample_value("trex_subscriptions", {"kind": "newHeads"}) == 0)


async def test_stopping_node_closes_connections(start: Start) -> None:
    client = await start()
    async with client.websocket() as ws:
        assert await Socket(ws).call("eth_chainId") == "0x7aa"
        client.node.stop()
        message = await asyncio.wait_for(ws.receive(), PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == aiohttp.WSCloseCode.GOING_AWAY
        assert message.extra == "the node is stopping"


async def test_block_filter_tells_hashes_once(manual: Client) -> None:
    key = await manual.call("eth_newBlockFilter")
    assert await manual.call("eth_getFilterChanges", key) == []
    await manual.call("hardhat_mine", "0x3")
    hashes = [head.hash for head in manual.chain.state.heads[-3:]]
    assert await manual.call("eth_getFilterChanges", key) == hashes
    assert await manual.call("eth_getFilterChanges", key) == []
    assert await manual.call("eth_uninstallFilter", key) is True
    assert await manual.call("eth_uninstallFilter", key) is False
    assert await manual.error("eth_getFilterChanges", key) == {"code": -32000, "message": "filter not found"}


async def test_log_filter_goes_on_where_it_stopped(manual: Client) -> None:
    key = await manual.call("eth_newFilter", {"address": LOG_ADDRESS})
    for block in range(5):
        for i in range(60):
            await manual.call("eth_sendRawTransaction", f"0x{block * 60 + i + 1:04x}")
        await manual.call("evm_mine")
    # The small chain gives at most 100 logs in one answer: several polls bring all, none twice.
    found = []
    for _ in range(5):
        found += [log["transactionHash"] for log in await manual.call("eth_getFilterChanges", key)]
    assert found == [tx for body in manual.chain.state.bodies[-5:] for tx in body]
    assert await manual.call("eth_getFilterChanges", key) == []


async def test_filter_logs_are_all_that_match(manual: Client) -> None:
    await manual.call("eth_sendRawTransaction", "0x01")
    await manual.call("evm_mine")
    key = await manual.call("eth_newFilter", {"fromBlock": "0x0"})
    assert [log["transactionHash"] for log in await manual.call("eth_getFilterLogs", key)] == [sha(b"\x01")]
    blocks = await manual.call("eth_newBlockFilter")
    assert (await manual.error("eth_getFilterLogs", blocks))["message"] == "filter not found"


@pytest.mark.parametrize(
    "criteria",
    [
        *(5, {"address": "0x"}, {"fromBlock": 3}, {"toBlock": "0xzz"}, {"fromBlock": {}}),
        {"fromBlock": "0x5", "toBlock": "0x1"},
    ],
)
async def test_malformed_filter_is_refused(client: Client, criteria: Any) -> None:
    assert (await client.error("eth_newFilter", criteria))["code"] == -32602


async def test_log_filter_of_one_block_by_hash(manual: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As geth: eth_getFilterLogs is of that block, eth_getFilterChanges of whatever comes."""
    asked = []

    def logs(criteria: dict[str, Any]) -> list[Any]:
        assert not ("blockHash" in criteria and "fromBlock" in criteria)
        asked.append(criteria)
        return []

    monkeypatch.setattr(manual.chain, "do_eth_getLogs", logs)
    block = {"blockHash": manual.chain.head().hash}
    key = await manual.call("eth_newFilter", {**block, "address": LOG_ADDRESS})
    await manual.call("evm_mine")
    assert await manual.call("eth_getFilterChanges", key) == []
    assert await manual.call("eth_getFilterLogs", key) == []
    assert "fromBlock" in asked[0]
    assert asked[1] == {**block, "address": LOG_ADDRESS}


async def test_null_criteria_are_none(client: Client) -> None:
    assert await client.call("eth_getFilterChanges", await client.call("eth_newFilter", None)) == []


async def test_pending_filter_tells_hashes(manual: Client) -> None:
    key = await manual.call("eth_newPendingTransactionFilter")
    await manual.call("eth_sendRawTransaction", "0x01")
    assert await manual.call("eth_getFilterChanges", key) == [sha(b"\x01")]
    assert await manual.call("eth_getFilterChanges", key) == []


async def test_idle_filter_is_forgotten(start: Start) -> None:
    client = await start(SmallChain(), limits=ServerLimits(filter_idle_s=20))
    now_s = 1_000.0
    client.node.filters._monotonic = lambda: now_s
    key = await client.call("eth_newBlockFilter")
    for _ in range(4):
        now_s += 10
        await client.call("eth_getFilterChanges", key)
    now_s += 30
    assert (await client.error("eth_getFilterChanges", key))["message"] == "filter not found"
    client.node.filters.sweep()
    assert client.node.metrics.registry.get_sample_value("trex_filters") == 0


async def test_logs_of_blocks_that_went_are_taken_back(manual: Client) -> None:
    """As geth: the same logs, newest first, `removed`; then those of the blocks in their place."""
    snapshot = await manual.call("evm_snapshot")
    async with manual.websocket() as ws:
        socket = Socket(ws)
        logs = await socket.call("eth_subscribe", "logs", {})
        for raw in ("0x01", "0x02"):
            await manual.call("eth_sendRawTransaction", raw)
            await manual.call("evm_mine")
        told = [await socket.notice() for _ in range(2)]
        late = await socket.call("eth_subscribe", "logs", {})
        await manual.call("evm_revert", snapshot)
        back = [await socket.notice() for _ in range(2)]
        assert {notice["subscription"] for notice in told + back} == {logs}, (
            "nothing for who was told nothing"
        )
        assert [notice["result"] for notice in back] == [
            {**notice["result"], "removed": True} for notice in reversed(told)
        ]
        await manual.call("eth_sendRawTransaction", "0x03")
        await manual.call("evm_mine")
        again = [await socket.notice() for _ in range(2)]
        assert {notice["subscription"] for notice in again} == {logs, late}
        assert {notice["result"]["blockNumber"] for notice in again} == {told[0]["result"]["blockNumber"]}
        assert not any(notice["result"]["removed"] for notice in again)
    assert manual.node.subscriptions._recent_bytes > 0


async def test_blocks_in_the_place_of_others_are_told(manual: Client) -> None:
    """What derivation replaces at once, without the chain being shorter in between."""
    chain, node = manual.chain, manual.node
    async with manual.websocket() as ws:
        socket = Socket(ws)
        await socket.call("eth_subscribe", "newHeads")
        for _ in range(3):
            await manual.call("evm_mine")
        old = [(await socket.notice())["result"]["hash"] for _ in range(3)]
        number = chain.head().number
        with chain.lock:
            for at in range(number - 1, number + 1):
                head = chain.state.heads[at]
                chain.state.heads[at] = dataclasses.replace(head, hash="0x" + f"{at:02x}" * 32)
        node.rewound(number - 2)
        node.advanced(chain.head())
        new = [(await socket.notice())["result"] for _ in range(2)]
        assert [int(head["number"], 16) for head in new] == [number - 1, number]
        assert not {head["hash"] for head in new} & set(old)


async def test_what_may_be_taken_back_is_bounded(manual: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "RECENT_BYTES", 1000)
    async with manual.websocket() as ws:
        socket = Socket(ws)
        await socket.call("eth_subscribe", "logs", {})
        for number in range(20):
            await manual.call("eth_sendRawTransaction", f"0x{number + 1:02x}")
            await manual.call("evm_mine")
            await socket.notice()
        assert 0 < manual.node.subscriptions._recent_bytes <= 1000


async def test_filter_takes_back_logs_of_blocks_that_went(manual: Client) -> None:
    """As geth: what was told, newest first and `removed`, then logs of the blocks in their place."""
    key = await manual.call("eth_newFilter", {})
    untold = await manual.call("eth_newFilter", {})
    await manual.call("eth_sendRawTransaction", "0x01")
    await manual.call("evm_mine")
    (kept,) = await manual.call("eth_getFilterChanges", key)
    snapshot = await manual.call("evm_snapshot")
    told = []
    for raw in ("0x02", "0x03"):
        await manual.call("eth_sendRawTransaction", raw)
        await manual.call("evm_mine")
        told += await manual.call("eth_getFilterChanges", key)
    assert len(told) == 2
    await manual.call("evm_revert", snapshot)
    await manual.call("eth_sendRawTransaction", "0x04")
    await manual.call("evm_mine")
    *gone, new = await manual.call("eth_getFilterChanges", key)
    assert gone == [{**log, "removed": True} for log in reversed(told)]
    assert (new["transactionHash"], new["removed"]) == (sha(b"\x04"), False)
    assert await manual.call("eth_getFilterChanges", key) == []
    assert await manual.call("eth_getFilterChanges", untold) == [kept, new], "it was told nothing"


async def test_filter_takes_back_part_of_what_one_answer_told(manual: Client) -> None:
    key = await manual.call("eth_newFilter", {})
    for raw in ("0x01", "0x02", "0x03"):
        await manual.call("eth_sendRawTransaction", raw)
        await manual.call("evm_mine")
    told = await manual.call("eth_getFilterChanges", key)
    number = manual.chain.head().number
    for height in (number - 1, number - 2):  # twice before anybody asks
        manual.node.rewound(height)
    *gone, second, third = await manual.call("eth_getFilterChanges", key)
    assert gone == [{**log, "removed": True} for log in (told[2], told[1])]
    assert [second, third] == told[1:]


async def test_what_filters_may_take_back_is_bounded(manual: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "RECENT_BYTES", 2000)
    keys = [await manual.call("eth_newFilter", {}) for _ in range(2)]
    for number in range(20):
        await manual.call("eth_sendRawTransaction", f"0x{number + 1:02x}")
        await manual.call("evm_mine")
        for key in keys:
            assert len(await manual.call("eth_getFilterChanges", key)) == 1
        assert 0 < manual.node.filters._told.bytes <= 2000
    manual.node.rewound(0)
    assert 0 < manual.node.filters._told.bytes <= 2000
    changes = [await manual.call("eth_getFilterChanges", key) for key in keys]
    assert all(logs[0]["removed"] and not logs[-1]["removed"] for logs in changes)
    for key in keys:
        await manual.call("eth_uninstallFilter", key)
    assert manual.node.filters._told.bytes == 0


async def test_filter_gives_logs_of_blocks_that_came_in_the_place_of_others(manual: Client) -> None:
    key = await manual.call("eth_newFilter", {})
    blocks = await manual.call("eth_newBlockFilter")
    for raw in ("0x01", "0x02"):
        await manual.call("eth_sendRawTransaction", raw)
        await manual.call("evm_mine")
    assert len(await manual.call("eth_getFilterChanges", key)) == 2
    assert len(await manual.call("eth_getFilterChanges", blocks)) == 2
    assert await manual.call("eth_getFilterChanges", key) == []
    manual.node.rewound(manual.chain.head().number - 1)
    gone, again = await manual.call("eth_getFilterChanges", key)
    assert gone == {**again, "removed": True}
    assert again["blockNumber"] == hex(manual.chain.head().number)
    assert await manual.call("eth_getFilterChanges", blocks) == [manual.chain.head().hash]
