"""JSON-RPC 2.0 to the letter, over HTTP."""

import asyncio
import gc
import gzip
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.chain.conftest import PATIENCE_S, Client, Start, until
from tests.chain.small_chain import SmallChain, sha

from trex.chain.limits import ServerLimits
from trex.chain.rpc import dispatch
from trex.chain.rpc.access import Access, make_token
from trex.types.errors import RpcError


def ask(request_id: Any = 1, method: str = "eth_chainId", **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **more}


async def test_call_answers_result(client: Client) -> None:
    assert await client.send(ask()) == {"jsonrpc": "2.0", "id": 1, "result": "0x7aa"}


@pytest.mark.parametrize("request_id", [0, 1, -5, 2**63, 1.5, 1e30, "", "abc", "é", None, True])
async def test_id_comes_back_as_it_was(client: Client, request_id: Any) -> None:
    answer = await client.send(ask(request_id))
    assert answer["id"] == request_id
    assert type(answer["id"]) is type(request_id)


async def test_id_beyond_64_bits_comes_back_digit_for_digit(client: Client) -> None:
    for request_id in (2**64, -(2**63) - 1, 10**40 + 7):
        text = json.dumps([ask(request_id), ask(1), ask(1.5)])
        status, body = await client.raw(text.encode())
        assert status == 200
        assert [one["id"] for one in json.loads(body)] == [request_id, 1, 1.5]


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff", b"nul", b'{"a":1}{}', b"[" * 3000])
async def test_not_json_is_parse_error(client: Client, body: bytes) -> None:
    status, answer = await client.raw(body)
    assert status == 200
    assert orjson.loads(answer) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "message": "parse error"},
    }


@pytest.mark.parametrize(
    "message",
    [
        *(1, "x", None, {}, {"id": 7}, {"jsonrpc": "2.0", "id": 7}, {**ask(7), "method": 3}),
        *({**ask(7), "jsonrpc": "1.0"}, ask([1]), ask({})),
    ],
)
async def test_not_a_request_is_invalid(client: Client, message: Any) -> None:
    answer = await client.send(message)
    assert answer["error"]["code"] == -32600
    assert answer["id"] in (None, 7)


async def test_unknown_method_in_geths_words(client: Client) -> None:
    error = await client.error("eth_foo")
    assert error == {"code": -32601, "message": "the method eth_foo does not exist/is not available"}


@pytest.mark.parametrize("params", [1, "x", True])
async def test_params_neither_list_nor_object_are_invalid(client: Client, params: Any) -> None:
    assert (await client.send(ask(params=params)))["error"]["code"] == -32602


async def test_notification_is_not_answered(client: Client) -> None:
    message = ask()
    del message["id"]
    assert await client.raw(orjson.dumps(message)) == (200, b"")
    assert await client.raw(orjson.dumps([message, message])) == (200, b"")
    assert client.chain.asked.count("eth_chainId") == 3


async def test_batch_keeps_order_and_answers_each(client: Client) -> None:
    notification = ask()
    del notification["id"]
    batch = [
        ask(1),
        5,
        ask(2, "nope"),
        notification,
        ask("three", "eth_blockNumber"),
        ask(4, "eth_newBlockFilter"),
    ]
    answers = await client.send(batch)
    assert [answer["id"] for answer in answers] == [1, None, 2, "three", 4]
    assert ["error" in answer for answer in answers] == [False, True, True, False, False]


async def test_empty_batch_is_one_error(client: Client) -> None:
    assert (await client.send([]))["error"]["code"] == -32600


async def test_send_batch_is_one_submit_in_order(client: Client) -> None:
    raws = [f"0x{i:04x}" for i in range(100)]
    batch = [ask(i, "eth_sendRawTransaction", params=[raw]) for i, raw in enumerate(raws)]
    answers = await client.send(batch)
    assert [a["result"] for a in answers] == [sha(bytes.fromhex(raw[2:])) for raw in raws]
    assert client.chain.submits == [100]


async def test_send_batch_with_faults_answers_each_its_own(client: Client) -> None:
    params: list[Any] = [["0x01"], [], ["zz"], [5], ["0x02"], ["0x01", "0x02"], {}]
    batch = [ask(i, "eth_sendRawTransaction", params=p) for i, p in enumerate(params)]
    answers = await client.send(batch)
    assert [a["id"] for a in answers] == list(range(7))
    codes = [a["error"]["code"] if "error" in a else 0 for a in answers]
    assert codes == [0, -32602, -32000, -32602, 0, -32602, -32602]
    assert answers[4]["result"] == sha(b"\x02")


async def test_concurrent_sends_share_submits(client: Client) -> None:
    hashes = await asyncio.gather(
        *(client.call("eth_sendRawTransaction", f"0x{i:04x}") for i in range(1, 200))
    )
    assert hashes == [sha(i.to_bytes(2, "big")) for i in range(1, 200)]
    assert sum(client.chain.submits) == 199


@pytest.mark.parametrize("method", ["surprise", "panic", "broken_store"])
async def test_fault_is_internal_error_with_trace_in_log(
    client: Client, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        error = await client.error(method)
    assert error["code"] == -32603
    assert "/secret" not in error["message"]
    trace = error["message"].split("trace ")[1].split()[0]
    assert [r for r in caplog.records if getattr(r, "trace", None) == trace]
    assert await client.call("eth_chainId") == "0x7aa"


async def test_gzip_both_ways(client: Client) -> None:
    body = gzip.compress(orjson.dumps(ask(method="big", params=[50_000])))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    async with client.http.post(client.url, data=body, headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len((await answer.json())["result"]) == 50_000


async def test_unreadable_gzip_is_refused(client: Client) -> None:
    status, _ = await client.raw(b"not gzip at all", **{"Content-Encoding": "gzip"})
    assert status == 400
    assert await client.call("eth_chainId") == "0x7aa"


async def test_other_content_type_is_refused(client: Client) -> None:
    status, _ = await client.raw(orjson.dumps(ask()), **{"Content-Type": "text/plain"})
    assert status == 415


async def test_get_says_what_this_is(client: Client) -> None:
    async with client.http.get(client.url) as answer:
        assert answer.status == 200
        assert "JSON-RPC" in await answer.text()
    async with client.http.get(client.url + "/nowhere") as answer:
        assert answer.status == 404
    async with client.http.put(client.url) as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9545", 200),
        ("127.0.0.1:9545", 200),
        ("[::1]:9545", 200),
        ("LOCALHOST", 200),
        ("evil.example:9545", 403),
        ("localhost.evil.example", 403),
        ("[", 403),
    ],
)
async def test_host_header_guards_against_rebinding(client: Client, host: str, status: int) -> None:
    assert (await client.raw(orjson.dumps(ask()), Host=host))[0] == status


async def test_cors_only_for_allowed_origins(start: Start) -> None:
    client = await start(access=Access(origins=frozenset({"http://localhost:3000"})))
    for origin, allowed in (("http://localhost:3000", True), ("https://evil.example", False)):
        asked = {"Origin": origin, "Access-Control-Request-Headers": "content-type,x-client"}
        async with client.http.options(client.url, headers=asked) as answer:
            assert answer.status == (204 if allowed else 403)
            assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
            headers = answer.headers.get("Access-Control-Allow-Headers")
            assert headers == ("content-type,x-client" if allowed else None)
        sent = {"Origin": origin, "Content-Type": "application/json"}
        async with client.http.post(client.url, data=orjson.dumps(ask()), headers=sent) as answer:
            assert answer.status == 200
            assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)


async def test_admin_methods_want_a_token(start: Start) -> None:
    secret = bytes(range(32))
    chain = SmallChain()
    client = await start(chain, dev=True, access=Access(jwt_secret=secret))
    now = time.time()
    body = orjson.dumps(ask(method="admin_stopProduction"))
    mine = orjson.dumps(ask(method="evm_mine"))
    for wrong in (body, mine):
        assert orjson.loads((await client.raw(wrong))[1])["error"]["code"] == -32601
    for token in (make_token(secret, now - 3600), make_token(bytes(32), now), "x.y.z", "é", ""):
        status, _ = await client.raw(body, Authorization=f"Bearer {token}")
        assert status == 401
    good = f"Bearer {make_token(secret, now)}"
    assert orjson.loads((await client.raw(mine, Authorization=good))[1])["result"] == "0x0"
    assert orjson.loads((await client.raw(body, Authorization=good))[1])["result"] is True
    assert orjson.loads((await client.raw(orjson.dumps(ask(method="eth_chainId"))))[1])["result"] == "0x7aa"


async def test_admin_methods_do_not_exist_without_secret(client: Client) -> None:
    assert (await client.error("admin_stopProduction"))["code"] == -32601
    assert (await client.raw(orjson.dumps(ask()), Authorization="Bearer x"))[0] == 401


async def test_fault_in_answering_is_an_answer_over_websocket_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> bytes:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(client.node.server.dispatcher, "answer", fail)
    async with client.websocket() as socket:
        await socket.send_json(ask())
        answer = await socket.receive_json(timeout=PATIENCE_S)
    assert (answer["id"], answer["error"]["code"]) == (None, -32603)
    assert "trace" in answer["error"]["message"]


async def test_calls_that_hold_the_loop_up_go_to_threads_for_a_while(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What took the processor counts, not what passed while others had it."""
    client = await start()
    dispatcher = client.node.server.dispatcher
    body = orjson.dumps(ask(method="eth_call", params=[{}]))
    # Far above what the answer itself takes of the processor, on a machine that is busy too.
    monkeypatch.setattr(dispatch, "BRIEF_S", 0.05)

    def waits(*_: object) -> bytes:
        time.sleep(dispatch.BRIEF_S * 3)
        return b'"0x"'

    def works(*_: object) -> bytes:
        until_s = time.thread_time() + dispatch.BRIEF_S * 2
        while time.thread_time() < until_s:
            pass
        return b'"0x"'

    monkeypatch.setattr(client.chain, "brief", waits)
    assert dispatcher.at_once(body) is not None
    assert dispatcher.at_once(body) is not None
    monkeypatch.setattr(client.chain, "brief", works)
    monkeypatch.setattr(dispatch, "BRIEF_REST", 1e9)
    assert dispatcher.at_once(body) is not None
    assert dispatcher.at_once(body) is None
    assert await client.call("eth_call", {}) == "0x"


async def test_health_and_metrics(client: Client) -> None:
    await client.call("eth_chainId")
    await client.error("eth_foo")
    async with client.http.get(client.url + "/health") as answer:
        assert answer.status == 200
        report = await answer.json()
    assert report["status"] == "ok"
    assert set(report["services"].values()) == {"running"}
    async with client.http.get(client.url + "/metrics") as answer:
        text = await answer.text()
    assert 'trex_rpc_calls_total{method="eth_chainId",outcome="ok"} 1.0' in text
    assert 'trex_rpc_calls_total{method="other",outcome="error"} 1.0' in text
    assert "trex_pool_transactions 0.0" in text
    assert "eth_foo" not in text


async def test_discover_serves_document(start: Start, tmp_path: Any) -> None:
    path = tmp_path / "openrpc.json"
    path.write_text('{"openrpc": "1.3.2"}')
    client = await start(openrpc=path)
    assert await client.call("rpc.discover") == {"openrpc": "1.3.2"}


SMALL = ServerLimits(
    body_bytes=10_000,
    batch_requests=10,
    batch_response_bytes=5_000,
    heavy_calls=1,
    heavy_queue=2,
    call_timeout_s=0.5,
    filters=3,
    sync_waiters=1,
    ws_connections=1,
    subscriptions=3,
    send_queue=50,
    send_queue_bytes=200_000,
)


@pytest.fixture
async def small(start: Start) -> Client:
    return await start(limits=SMALL)


async def test_body_limit_names_itself(small: Client) -> None:
    status, body = await small.raw(b" " * 10_001)
    assert status == 413
    assert "body_bytes=10000" in orjson.loads(body)["error"]["message"]
    bomb = gzip.compress(b" " * 5_000_000)
    status, body = await small.raw(bomb, **{"Content-Encoding": "gzip"})
    assert status == 413


async def test_batch_limit_names_itself(small: Client) -> None:
    error = (await small.send([ask()] * 11))["error"]
    assert error["code"] == -32600
    assert "batch_requests=10" in error["message"]
    assert len(await small.send([ask()] * 10)) == 10


async def test_batch_response_limit_names_itself(small: Client) -> None:
    batch = [ask(i, "big", params=[2_000]) for i in range(6)]
    answers = await small.send(batch)
    assert [a["id"] for a in answers] == list(range(6))
    assert sum("result" in a for a in answers) == 3
    assert answers[-1]["error"]["code"] == -32003
    assert "batch_response_bytes=5000" in answers[-1]["error"]["message"]
    mixed = [ask(0, "big", params=[6_000]), ask(1, "eth_newBlockFilter"), ask(2)]
    assert ["error" in a for a in await small.send(mixed)] == [False, True, True]


@contextmanager
def held(chain: SmallChain) -> Iterator[None]:
    """Keep every eth_call from its end as long as this lasts."""
    gate = threading.Event()
    chain.do_eth_call = lambda *_: "0x" if gate.wait(PATIENCE_S) else None  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        gate.set()
        del chain.do_eth_call


async def test_heavy_queue_limit_names_itself_and_reads_go_on(start: Start) -> None:
    small = await start(limits=replace(SMALL, call_timeout_s=PATIENCE_S))
    with held(small.chain):
        calls = [asyncio.create_task(small.answer("eth_call")) for _ in range(6)]
        await until(lambda: sum(call.done() for call in calls) == 3)
        assert await small.call("eth_chainId") == "0x7aa"
    answers = await asyncio.gather(*calls)
    refused = [a["error"]["message"] for a in answers if "error" in a and a["error"]["code"] == -32005]
    assert len(refused) == 3
    assert all("heavy_queue=2" in message for message in refused)
    assert await small.call("eth_call") == "0x"


async def test_time_limit_names_itself(small: Client) -> None:
    with held(small.chain):
        error = await small.error("eth_call")
    assert error["code"] == -32002
    assert "call_timeout_s=0.5" in error["message"]
    with held(small.chain):
        answers = await small.send([ask(i, "eth_call") for i in range(3)])
    assert [a["id"] for a in answers] == [0, 1, 2]
    assert all(a["error"]["code"] == -32002 for a in answers)


async def test_time_limit_is_one_for_a_whole_batch(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    small = await start(limits=replace(SMALL, batch_requests=100))
    asked: list[None] = []

    def estimate(*_: Any) -> str:
        time.sleep(0.2)
        asked.append(None)
        return "0x5208"

    monkeypatch.setattr(small.chain, "do_eth_estimateGas", estimate, raising=False)
    answers = await small.send([ask(i, "eth_estimateGas", params=[{}]) for i in range(100)])
    assert [a["id"] for a in answers] == list(range(100))
    assert answers[-1]["error"]["code"] == -32002
    assert "call_timeout_s=0.5" in answers[-1]["error"]["message"]
    assert len(asked) < 100


async def test_refused_requests_are_freed_with_their_answers(client: Client) -> None:
    """An error must not keep alive, in a ring, the frames it came through and the request they hold."""

    def errors() -> int:
        return sum(isinstance(one, RpcError) for one in gc.get_objects())

    gc.collect()
    before = errors()
    gc.disable()
    try:
        for method, params in (("eth_getBalance", []), ("nope", ["x"]), ("eth_newFilter", [5])):
            await client.error(method, *params)  # on the loop, on a thread, in Python
            async with client.websocket() as ws:
                await ws.send_bytes(orjson.dumps([ask(1, method, params=params)] * 2))
                await ws.receive()
        await until(lambda: errors() <= before)
    finally:
        gc.enable()


async def test_long_calls_are_not_answered_on_the_loop(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def call(*_: str) -> str:
        threads.append(threading.current_thread() is threading.main_thread())
        return "0x"

    monkeypatch.setattr(client.chain, "do_eth_getBalance", call)
    for size in (10, 5_000):
        assert await client.call("eth_getBalance", "x" * size) == "0x"
    assert threads == [True, False]


@pytest.mark.parametrize("block", ["pending", {"blockNumber": "pending"}])
async def test_pending_block_is_not_executed_on_the_loop(
    client: Client, block: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def balance(_address: str, _block: Any = "latest") -> str:
        threads.append(threading.current_thread())
        return "0x1"

    monkeypatch.setattr(client.chain, "do_eth_getBalance", balance)
    assert await client.call("eth_getBalance", "0x" + "11" * 20) == "0x1"
    assert await client.call("eth_getBalance", "0x" + "11" * 20, block) == "0x1"
    assert threads[0] is threading.current_thread()
    assert threads[1] is not threading.current_thread()


async def test_filter_limit_names_itself(small: Client) -> None:
    for _ in range(3):
        await small.call("eth_newBlockFilter")
    error = await small.error("eth_newBlockFilter")
    assert error["code"] == -32005
    assert "filters=3" in error["message"]


async def test_connection_limit_names_itself(start: Start) -> None:
    client = await start(limits=ServerLimits(connections=3))
    port = client.node.server.port
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert b"503" in answer
    assert b"connections=3" in answer
    writer.close()
    for _, silent_writer in silent:
        silent_writer.close()
    await until(lambda: not client.node.server.fronts)
    assert await client.call("eth_chainId") == "0x7aa"


async def test_answers_nobody_reads_are_bounded(start: Start) -> None:
    client = await start(limits=ServerLimits(inflight_bytes=20_000_000, body_bytes=100_000))
    body = orjson.dumps(ask(method="big", params=[8_000_000]))
    head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    lazy = [await asyncio.open_connection("127.0.0.1", client.node.server.port, limit=1024) for _ in range(2)]
    for _, writer in lazy:
        writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
    await until(lambda: client.node.server.answer_bytes > 16_000_000)
    status, answer = await client.raw(body)
    assert status == 503
    assert b"inflight_bytes=20000000" in answer
    assert await client.call("eth_chainId") == "0x7aa"
    for _, writer in lazy:
        writer.transport.abort()
    await until(lambda: client.node.server.answer_bytes == 0)
    assert (await client.raw(body))[0] == 200
