"""Anything at all comes in: an answer of JSON-RPC goes out, never a 500, never silence."""

import asyncio
import http.client
import logging
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.chain.conftest import PATIENCE_S
from tests.chain.small_chain import SmallChain, SmallSigner

from trex.chain.assembly import Node, NodeSettings

CODES = {-32700, -32600, -32601, -32602, -32603, -32000, -32003, -32005, 4, 6}

METHODS = st.sampled_from(
    [
        *("eth_chainId", "eth_call", "eth_sendRawTransaction", "eth_sendTransaction", "eth_subscribe"),
        *("eth_newFilter", "eth_newBlockFilter", "eth_getFilterChanges", "eth_getFilterLogs", "eth_sign"),
        *("eth_uninstallFilter", "eth_getLogs", "evm_setNextBlockTimestamp", "evm_revert", "evm_snapshot"),
        *("anvil_setBalance", "hardhat_setStorageAt", "trex_faucet", "eth_signTypedData_v4", "surprise"),
        *("evm_increaseTime", "hardhat_impersonateAccount", "anvil_dropTransaction", "evm_setIntervalMining"),
        *("trex_setMining", "evm_setBlockGasLimit", "personal_sign", "anvil_setTime", "panic", "", "_"),
    ]
)
HEX = st.binary(max_size=40).map(lambda raw: "0x" + raw.hex())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    HEX,
    st.sampled_from(["latest", "pending", "0x0", "newHeads", "logs", "0x" + "11" * 20, "0x" + "22" * 32]),
)
KEYS = st.one_of(
    st.sampled_from(["from", "to", "value", "gas", "input", "address", "topics", "fromBlock", "blocks"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.one_of(st.just("2.0"), st.just("2.0"), VALUES),
        "id": SCALARS,
        "method": st.one_of(METHODS, METHODS, VALUES),
        "params": st.one_of(st.lists(VALUES, max_size=3), VALUES),
    },
)


class Running:
    """A node in a thread of its own, and one connection to it."""

    def __init__(self) -> None:
        self.http: aiohttp.ClientSession | None = None
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.asked = 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.thread.start()
        assert self.ready.wait(PATIENCE_S)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.node.server.port, timeout=PATIENCE_S)

    async def _serve(self) -> None:
        chain = SmallChain()
        self.loop = asyncio.get_running_loop()
        self.node = Node(chain, NodeSettings(port=0), dev=(chain, SmallSigner()))
        await self.node.run(self.ready.set)

    def post(self, body: bytes) -> tuple[int, bytes]:
        self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def say(self, message: str | bytes) -> list[Any]:
        """Send over WebSocket, then ask something known; return the answers before that one's."""
        return asyncio.run_coroutine_threadsafe(self._say(message), self.loop).result(PATIENCE_S)

    async def _say(self, message: str | bytes) -> list[Any]:
        if self.socket is None or self.socket.closed:
            self.http = aiohttp.ClientSession()
            self.socket = await self.http.ws_connect(f"http://127.0.0.1:{self.node.server.port}")
        await (self.socket.send_str(message) if type(message) is str else self.socket.send_bytes(message))  # type: ignore[arg-type]
        self.asked += 1
        await self.socket.send_json({"jsonrpc": "2.0", "id": f"known {self.asked}", "method": "eth_chainId"})
        answers: list[Any] = []
        while True:
            answer = orjson.loads((await self.socket.receive(PATIENCE_S)).data)
            if type(answer) is dict and answer.get("id") == f"known {self.asked}":
                return answers
            answers += answer if type(answer) is list else [answer]

    async def _hang_up(self) -> None:
        if self.http is not None:
            await self.http.close()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(PATIENCE_S)
        self.connection.close()
        self.loop.call_soon_threadsafe(self.node.stop)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


class Faults(logging.Handler):
    """What the node's log calls unexpected, but for the methods of the small chain that are meant to be."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() not in ("surprise failed", "panic failed"):
            self.seen.append(self.format(record))


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    handler = Faults()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture(scope="module")
def running(faults: Faults) -> Iterator[Running]:
    node = Running()
    yield node
    node.close()


def check_answer(answer: Any) -> None:
    assert answer["jsonrpc"] == "2.0"
    assert "id" in answer
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] in CODES
        assert type(answer["error"]["message"]) is str


def check(status: int, body: bytes) -> None:
    assert status in (200, 413)
    if body:
        answer = orjson.loads(body)
        for one in answer if type(answer) is list else [answer]:
            check_answer(one)


FUZZ = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(st.one_of(CALLS, st.lists(st.one_of(CALLS, VALUES), max_size=8), VALUES))
@example({"jsonrpc": "2.0", "id": 1, "method": "eth_newFilter", "params": [{"address": [[]]}]})
@example({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [None]})
@example([{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction"}])
@example({"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": [{"blocks": {}}]})
@example({"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [{"from": None}]})
def test_any_json_gets_an_answer(running: Running, message: Any) -> None:
    check(*running.post(orjson.dumps(message)))


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(running: Running, body: bytes) -> None:
    check(*running.post(body))


@FUZZ
@given(CALLS, st.integers(0, 400), st.integers(0, 255))
def test_any_damage_gets_an_answer(running: Running, call: Any, at: int, byte: int) -> None:
    body = bytearray(orjson.dumps(call))
    body[at % len(body)] = byte
    check(*running.post(bytes(body)))


@FUZZ
@given(st.one_of(CALLS.map(orjson.dumps), st.text(max_size=50), st.binary(max_size=200)), st.booleans())
@example(b'[{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}]', True)
def test_any_message_over_websocket_gets_an_answer(
    running: Running, message: str | bytes, as_text: bool
) -> None:
    """The connection stays usable, whatever was sent; notifications come between."""
    if as_text and type(message) is bytes:
        message = message.decode("latin-1")
    for answer in running.say(message):
        if answer.get("method") == "eth_subscription":
            assert set(answer["params"]) == {"subscription", "result"}
        else:
            check_answer(answer)


def test_still_serves_after_all_that(running: Running, faults: Faults) -> None:
    status, body = running.post(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}')
    assert (status, orjson.loads(body)["result"]) == (200, "0x7aa")
    assert all(service.fault is None for service in running.node.services)
    assert faults.seen == []
