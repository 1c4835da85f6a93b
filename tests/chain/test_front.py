"""Connections: what is answered at once, what goes over to aiohttp, and what has an end."""

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from tests.chain.conftest import PATIENCE_S, Client, until

from trex.chain.limits import ServerLimits
from trex.chain.rpc import front, server
from trex.chain.rpc.access import Access
from trex.chain.rpc.head import Head, read_head, takes_gzip

Start = Callable[..., Awaitable[Client]]
ACCESS = Access(origins=frozenset({"https://page.example"}))
PLAIN = "POST / HTTP/1.1\r\nHost: localhost:9545\r\nContent-Type: application/json\r\nContent-Length: 12"


def ask(method: str, *params: Any, call_id: int = 1) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": call_id, "method": method, "params": params})


def post(body: bytes, *fields: str) -> bytes:
    lines = ["POST / HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *fields]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await asyncio.wait_for(reader.readexactly(int(fields["content-length"])), PATIENCE_S)
    return head[0], fields, body


async def connect(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", client.node.server.port)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", Head(12, False, b"")),
        ("\r\nUser-Agent: x (y; z)\r\nAccept: */*", Head(12, False, b"")),
        ("\r\nAccept-Encoding: deflate, GZIP", Head(12, True, b"")),
        ("\r\nConnection: Keep-Alive", Head(12, False, b"")),
        ("\r\nOrigin: https://other.example", Head(12, False, b"")),
        (
            "\r\nOrigin: https://page.example",
            Head(12, False, b"Access-Control-Allow-Origin: https://page.example\r\nVary: Origin\r\n"),
        ),
    ],
)
def test_plain_head_is_read(more: str, expected: Head) -> None:
    assert read_head((PLAIN + more).encode(), ACCESS) == expected


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("POST / ", "GET / "),
        PLAIN.replace("POST / ", "POST /health "),
        PLAIN.replace("1.1", "1.0"),
        PLAIN.replace("Host: localhost:9545\r\n", ""),
        PLAIN.replace("localhost", "evil.example"),
        PLAIN.replace("json", "text"),
        PLAIN.replace("12", "-12"),
        PLAIN.replace("12", "+12"),
        PLAIN.replace("12", "1_2"),
        PLAIN.replace("Content-Length: 12", "Accept: x"),
        PLAIN + "\r\nContent-Length: 12",
        PLAIN + "\r\nTransfer-Encoding: chunked",
        PLAIN + "\r\nContent-Encoding: gzip",
        PLAIN + "\r\nAuthorization: Bearer x",
        PLAIN + "\r\nExpect: 100-continue",
        PLAIN + "\r\nUpgrade: websocket",
        PLAIN + "\r\nConnection: close",
        PLAIN + "\r\nX : y",
        PLAIN + "\r\n folded",
        PLAIN + "\r\nX: a\nTransfer-Encoding: chunked",
        PLAIN + "\r\nX: a\x00",
        PLAIN + "\r\nno colon",
        " " + PLAIN,
        "",
    ],
)
def test_other_heads_are_left_to_aiohttp(text: str) -> None:
    assert read_head(text.encode("latin-1"), ACCESS) is None


@pytest.mark.parametrize("value", [" " * 30_000 + "\x01", "a" + " " * 30_000 + "b", " \t" * 15_000])
def test_head_of_blanks_is_read_once(value: str) -> None:
    """A pattern that tries each split of the blanks would not end here."""
    text = f"{PLAIN}\r\nX:{value}"
    assert (read_head(text.encode(), ACCESS) is None) == ("\x01" in value)


async def test_bodies_that_are_only_announced_take_no_room(start: Start) -> None:
    limits = ServerLimits(body_bytes=1 << 20, inflight_bytes=2 << 20)
    client = await start(limits=limits)
    idle = []
    for _ in range(16):
        _, writer = await connect(client)
        writer.write((PLAIN.replace("12", str(1 << 20)) + "\r\n\r\n").encode())
        idle.append(writer)
    await asyncio.sleep(0.2)
    reader, writer = await connect(client)
    writer.write(post(ask("eth_chainId")))
    assert (await answer(reader))[0] == "HTTP/1.1 200 OK"
    # What has arrived counts: the third whole body finds no room.
    for one in idle[:8]:
        one.write(b" " * ((1 << 20) - 1))
    await asyncio.sleep(0.5)
    assert client.node.server.body_bytes <= limits.inflight_bytes
    for one in [*idle, writer]:
        one.close()


async def test_single_transactions_are_not_starved_by_batches(start: Start) -> None:
    client = await start()
    transactions = client.node.transactions
    order: list[str] = []

    async def batches() -> None:
        for _ in range(20):
            await transactions.submit_batch(b"[" + ask("eth_sendRawTransaction", "0x01") + b"]")
            order.append("batch")

    async def one() -> None:
        await transactions.submit(["0x02"])
        order.append("single")

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(batches())
        await asyncio.sleep(0)
        group.create_task(one())
    assert order.index("single") < 40, "in turn with the batches, not after them"


async def test_requests_sent_ahead_are_answered_in_order(start: Start) -> None:
    client = await start()
    reader, writer = await connect(client)
    sends = [ask("eth_chainId", call_id=index) for index in range(50)]
    sends[7] = ask("eth_getLogs", {}, call_id=7)
    sends[20] = b"[" + ask("eth_sendRawTransaction", "0x01", call_id=20) + b"]"
    writer.write(b"".join(map(post, sends)))
    for index in range(50):
        status, _, body = await answer(reader)
        assert status == "HTTP/1.1 200 OK"
        found = orjson.loads(body)
        assert (found[0] if index == 20 else found)["id"] == index
    writer.close()


async def test_request_in_pieces_is_answered(start: Start) -> None:
    client = await start()
    reader, writer = await connect(client)
    for piece in post(ask("eth_chainId")).decode():
        writer.write(piece.encode())
        await writer.drain()
        await asyncio.sleep(0)
    assert orjson.loads((await answer(reader))[2])["result"] == "0x7aa"
    assert client.node.server.body_bytes == 0
    writer.close()


async def test_connection_goes_over_to_aiohttp_and_stays_usable(start: Start) -> None:
    client = await start()
    reader, writer = await connect(client)
    body, found = ask("eth_chainId"), b""
    chunked = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    )
    for request in (post(body), chunked, post(body), b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        writer.write(request)
        status, _, found = await answer(reader)
        assert status == "HTTP/1.1 200 OK", found
    assert orjson.loads(found)["status"] == "ok"
    assert not client.node.server.fronts
    writer.close()


async def test_refusals_are_the_same_for_plain_requests(start: Start) -> None:
    client = await start(limits=ServerLimits(body_bytes=1000))
    status, body = await client.raw(b" " * 1001)
    assert (status, b"body_bytes=1000" in body) == (413, True)
    reader, writer = await connect(client)
    writer.write(post(b"{}").replace(b"127.0.0.1", b"evil.example"))
    assert "403" in (await answer(reader))[0]
    writer.close()


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        *(("", False), ("gzip", True), ("deflate, GZIP;q=0.5, br", True), ("gzip;q=1.0", True)),
        *(("gzip;q=0", False), ("gzip ; q=0.000, br", False), ("br", False), ("notgzip", False)),
        *((";;,,", False), ("gzip;q=0.05", True)),
    ],
)
def test_gzip_is_taken_where_it_is_named_with_a_weight(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


async def test_long_answers_are_packed_for_who_takes_gzip(start: Start) -> None:
    client = await start()
    for size in (5_000, 200_000):
        reader, writer = await connect(client)
        writer.write(post(ask("big", size), "Accept-Encoding: gzip") + post(ask("big", size)))
        _, fields, packed = await answer(reader)
        assert fields["content-encoding"] == "gzip"
        _, fields, plain = await answer(reader)
        assert "content-encoding" not in fields
        assert gzip.decompress(packed) == plain
        writer.close()


async def test_bodies_are_packed_beside_what_the_node_does_for_itself(start: Start) -> None:
    """Derivation reads ahead on the loop's own threads: outsiders' bodies take none of them."""
    client, loop, ends = await start(), asyncio.get_running_loop(), threading.Event()
    reader, writer = await connect(client)
    await client.call("eth_chainId")
    loop.set_default_executor(ThreadPoolExecutor(1))
    busy = loop.run_in_executor(None, ends.wait)
    try:
        asked = gzip.compress(ask("eth_chainId"))
        status, _ = await asyncio.wait_for(client.raw(asked, **{"Content-Encoding": "gzip"}), PATIENCE_S)
        assert status == 200
        writer.write(post(ask("big", 200_000), "Accept-Encoding: gzip"))
        _, fields, packed = await asyncio.wait_for(answer(reader), PATIENCE_S)
        assert (fields["content-encoding"], len(gzip.decompress(packed)) > 200_000) == ("gzip", True)
        writer.close()
        assert not busy.done()
    finally:
        ends.set()
        await busy


async def test_request_that_does_not_end_is_cut_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODY_S", 0.3)
    client = await start()
    whole = post(ask("eth_chainId"))
    for part in (whole[:20], whole[:-3]):
        reader, writer = await connect(client)
        writer.write(whole)
        await answer(reader)
        writer.write(part)
        assert b"408" in await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
    await until(lambda: client.node.server.body_bytes == 0)


async def test_silent_connection_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "FIRST_S", 0.2)
    monkeypatch.setattr(front, "KEEP_ALIVE_S", 0.4)
    client = await start()
    reader, writer = await connect(client)
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    writer.close()
    monkeypatch.setattr(front, "FIRST_S", PATIENCE_S)
    reader, writer = await connect(client)
    writer.write(post(ask("eth_chainId")))
    await answer(reader)
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    writer.close()


async def test_head_without_end_is_refused(start: Start) -> None:
    client = await start()
    reader, writer = await connect(client)
    writer.write(b"POST / HTTP/1.1\r\nX: " + b"x" * (front.HEAD_MAX_BYTES + 1))
    assert b"431" in await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()


async def test_reader_that_does_not_read_is_cut_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODY_S", 0.3)
    client = await start()
    _, writer = await asyncio.open_connection("127.0.0.1", client.node.server.port, limit=1024)
    writer.write(post(ask("big", 8_000_000)))
    async with asyncio.timeout(PATIENCE_S):
        while client.node.metrics.registry.get_sample_value("trex_slow_readers_total") != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await until(lambda: client.node.server.answer_bytes == 0)
    writer.close()


async def stalled(client: Client) -> tuple[asyncio.Transport, asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose client reads nothing more: a part of its last answer is unsent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.node.server.port, limit=1024)
    writer.write(post(ask("eth_chainId")))
    await answer(reader)
    (found,) = client.node.server.fronts
    transport = found._transport
    assert transport is not None
    transport.set_write_buffer_limits(high=1 << 20)
    sent = 0
    while not transport.get_write_buffer_size():
        sent += 1
        writer.write(post(ask("big", 60_000)))
        await until(lambda: client.chain.asked.count("big") == sent and found.busy is None)  # noqa: B023
    return transport, reader, writer


@pytest.mark.parametrize("begun", [b"", b"POST / HTTP/1.1\r\n"])
async def test_closing_ends_where_the_client_takes_nothing(
    begun: bytes, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence, or a request that does not end, closes; what is unsent has a time to go, and no more."""
    client = await start()
    _, _, writer = await stalled(client)
    monkeypatch.setattr(front, "KEEP_ALIVE_S", 0.5)
    monkeypatch.setattr(front, "BODY_S", 0.5)
    monkeypatch.setattr(front, "CLOSE_S", 0.2)
    writer.write(post(ask("eth_chainId")) + begun)
    await until(lambda: not client.node.server.fronts)
    writer.close()


async def test_connection_goes_over_while_writing_is_paused(start: Start) -> None:
    """Answers that the client has not taken yet pause aiohttp too, and it goes on when they are gone."""
    client = await start()
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    transport, reader, writer = await stalled(client)
    transport.set_write_buffer_limits(high=transport.get_write_buffer_size())  # the next answer is too much
    writer.write(post(ask("eth_chainId")) + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: not client.node.server.fronts)
    body = b""
    while b'"status"' not in body:
        _, _, body = await answer(reader)
    assert not faults
    writer.close()


async def test_client_of_aiohttp_that_does_not_read_is_cut_off(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_S", 0.3)
    client = await start()
    transport, _, writer = await stalled(client)
    transport.set_write_buffer_limits(high=0)
    for _ in range(2):
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(transport.is_closing)
    writer.close()


async def test_many_requests_sent_ahead_are_read_once_and_held_in_bounds(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is neither moved for each request nor read without bound."""
    client = await start()
    held = 0
    cut = front.Front._cut

    def watched(self: front.Front, stop: int) -> None:
        nonlocal held
        held = max(held, len(self._buffer))
        cut(self, stop)

    monkeypatch.setattr(front.Front, "_cut", watched)
    count = 20_000
    reader, writer = await connect(client)
    writer.write(b"".join(post(ask("eth_chainId", call_id=index)) for index in range(count)))
    for index in range(count):
        _, _, body = await answer(reader)
        assert orjson.loads(body)["id"] == index
    assert held <= 3 * front.AHEAD_MAX_BYTES
    writer.close()


async def test_answer_under_way_is_finished_when_the_node_stops(start: Start) -> None:
    client = await start()
    client.chain.slow_s = 0.5
    reader, writer = await connect(client)
    writer.write(post(ask("eth_call", {})))
    await until(lambda: "eth_call" in client.chain.asked)
    client.node.stop()
    assert (await answer(reader))[0] == "HTTP/1.1 200 OK"
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    writer.close()
