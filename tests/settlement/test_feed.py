"""The feed of unsafe blocks (specs/feed.md), between chains over real connections."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import rlp
from aiohttp import web
from eth_keys.datatypes import Signature
from tests.settlement.anvil_l1 import KEYS
from tests.settlement.rollup import build, output_at, rollup
from tests.settlement.test_deploy import ACCOUNTS, address_of

from trex.chain.opening import open_chain
from trex.settlement.contracts import contract
from trex.settlement.feed.message import HALF_ORDER, FeedError, Signatures, decode, digest, encode, signer_of
from trex.settlement.feed.reader import FeedReader
from trex.settlement.feed.server import AHEAD, FORKED, MALFORMED, REORGED, TOO_MANY, TOO_OLD, Feed, FeedLimits
from trex.settlement.host import Alone
from trex.settlement.l1.transaction import Intent
from trex.settlement.watch import sequencer_at
from trex.types.network_file import read_network
from trex.types.primitives import Address, Gas

ROOT = Path(__file__).resolve().parents[2]
DEVNET = (ROOT / "networks" / "devnet.json").read_bytes()
KEY = KEYS[1]
SEQUENCER = address_of(KEY)
PATIENCE_S = 300.0
ORDER = 2 * HALF_ORDER + 1


def open_plain(path: Path) -> Any:
    return open_chain(path, DEVNET, cache_bytes=8 << 20)


@dataclass(slots=True)
class Served:
    feed: Feed
    url: str
    stop: Callable[[], Awaitable[None]]


@asynccontextmanager
async def serving(
    chain: Any, signatures: Signatures, limits: FeedLimits | None = None
) -> AsyncIterator[Served]:
    """Serve a chain's feed."""
    feed = Feed(chain, signatures, limits=limits)
    app = web.Application()
    app.router.add_get("/feed", feed.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # so that little waits in the system
    await web.SockSite(runner, listener).start()
    task = asyncio.create_task(feed.run())

    async def stop() -> None:
        feed.stop()
        await task
        await runner.cleanup()

    try:
        yield Served(feed, f"http://127.0.0.1:{runner.addresses[0][1]}", stop)
    finally:
        await stop()


class Telling(Alone):
    """A host whose new heads are told on."""

    def __init__(self) -> None:
        super().__init__()
        self.feeds: list[Feed] = []

    def advanced(self, head: Any) -> None:
        for feed in self.feeds:
            feed.sealed(head)


@asynccontextmanager
async def reading(
    chain: Any,
    *urls: str,
    signatures: Signatures | None = None,
    host: Telling | None = None,
    signer: Address = SEQUENCER,
) -> AsyncIterator[FeedReader]:
    """Follow feeds with a chain."""

    async def ask() -> Address:
        return SEQUENCER

    async with aiohttp.ClientSession() as session:
        reader = FeedReader(
            chain,
            host or Telling(),
            urls,
            session,
            signatures or Signatures(chain.chain_id),
            ask,
            longest_wait_s=0.5,
        )
        task = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            reader.stop()
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def chains(tmp_path: Path) -> Any:
    made = [open_plain(tmp_path / name) for name in ("a", "b", "c")]
    yield made
    for chain in made:
        chain.close()


async def test_blocks_reach_readers_and_readers_of_readers(chains: list[Any]) -> None:
    """FED-001, FED-002, FED-005, FED-020, FED-022, FED-023."""
    maker, middle, last = chains
    build(maker, 3)
    host, signatures = Telling(), Signatures(maker.chain_id)
    async with serving(maker, Signatures(maker.chain_id, KEY)) as first:
        async with (
            serving(middle, signatures) as second,
            reading(middle, first.url, signatures=signatures, host=host),
            reading(last, second.url),
        ):
            host.feeds.append(second.feed)
            await until(lambda: last.head().number == 3)
            build(maker, 2)
            first.feed.sealed(maker.head())
            await until(lambda: last.head().number == 5)
            build(middle, 0)
        # After an interruption, what was missed comes first.
        build(maker, 4)
        async with reading(last, first.url) as reader:
            await until(lambda: last.head().number == 9)
            assert reader.status() == {first.url: "connected"}
    assert output_at(last, 9) == output_at(maker, 9)


def message_of(chain: Any, number: int, key: bytes = KEY, chain_id: int | None = None) -> bytes:
    header = orjson.loads(chain.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])))
    hash_ = bytes.fromhex(header["hash"][2:])
    signature = Signatures(chain_id or chain.chain_id, key).of(number, hash_)
    assert signature is not None
    return encode(number, hash_, signature, chain.block_rlp(number))


@asynccontextmanager
async def saying(*messages: bytes) -> AsyncIterator[str]:
    """Serve a feed that says just this."""

    async def serve(request: web.Request) -> web.StreamResponse:
        told = web.WebSocketResponse()
        await told.prepare(request)
        for message in messages:
            await told.send_bytes(message)
        async for _ in told:
            pass
        return told

    app = web.Application()
    app.router.add_get("/feed", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_forged_and_foreign_blocks_are_refused(chains: list[Any]) -> None:
    """FED-003, FED-004, FED-020, FED-021: and nothing of the reader's chain changes."""
    maker, other, reader_chain = chains
    build(maker, 2)
    build(other, 2, gap=3)
    build(reader_chain, 1)
    honest = message_of(maker, 2)
    before = output_at(reader_chain, 1)
    altered = bytearray(honest)
    altered[-1] ^= 1
    swapped = message_of(other, 2)[: 1 + 8 + 32 + 65] + maker.block_rlp(2)
    deep = b"\xc0"
    for _ in range(3000):
        deep = rlp.codec.length_prefix(len(deep), 0xC0) + deep
    cases = {
        "malformed": [
            b"",
            b"\x01" + honest[1:],
            honest[:150],
            honest[:106] + b"\xc3abc",
            honest[:106] + deep,  # lists in lists: reading them to the bottom takes no end
        ],
        "signature": [
            message_of(maker, 2, KEYS[0]),
            message_of(maker, 2, chain_id=7),
            honest[:41] + bytes(65) + honest[106:],
        ],
        "hash": [swapped, honest[:1] + (3).to_bytes(8, "big") + honest[9:]],
        "fork": [message_of(other, 1), message_of(other, 2)],
        "invalid": [bytes(altered)],
    }
    for code, messages in cases.items():
        for message in messages:
            async with saying(message) as url, reading(reader_chain, url) as reader:
                refused = reader.refused.labels(code)
                await until(lambda: refused._value.get() > 0)  # noqa: B023
                assert code in reader.status()[url]
            assert reader_chain.head().number == 1
            assert output_at(reader_chain, 1) == before
    async with saying(honest) as url, reading(reader_chain, url):
        await until(lambda: reader_chain.head().number == 2)


async def test_what_nobody_foresaw_does_not_end_the_following_of_a_feed(chains: list[Any]) -> None:
    maker, _, reader_chain = chains
    build(maker, 1)

    async def fail() -> Address:
        raise KeyError("nobody")

    async with saying(message_of(maker, 1)) as url, reading(reader_chain, url) as reader:
        honest, reader._ask_signer = reader._ask_signer, fail
        await until(lambda: "KeyError" in reader.status()[url])
        reader._ask_signer = honest
        await until(lambda: reader_chain.head().number == 1)


def test_signature_with_high_s_is_refused(chains: list[Any]) -> None:
    """FED-003: so that a block has one message."""
    maker = chains[0]
    build(maker, 1)
    told = decode(message_of(maker, 1))
    assert signer_of(maker.chain_id, told) == SEQUENCER
    s = int.from_bytes(told.signature[32:64], "big")
    high = told.signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes([told.signature[64] ^ 1])
    message = encode(told.number, told.hash, high, told.block)
    signed = digest(maker.chain_id, told.number, told.hash)
    recovered = Signature(high).recover_public_key_from_msg_hash(signed)
    assert recovered.to_canonical_address() == SEQUENCER
    with pytest.raises(FeedError, match="upper half"):
        signer_of(maker.chain_id, decode(message))


async def closed_with(url: str, query: str) -> int | None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/feed?{query}") as asked:
        async with asyncio.timeout(PATIENCE_S):
            async for _ in asked:
                pass
        return asked.close_code


async def test_who_asks_for_what_there_is_not_hears_why(chains: list[Any]) -> None:
    """FED-010 to FED-012."""
    maker, middle, _ = chains
    build(maker, 12)
    limits = FeedLimits(history_blocks=8, readers=2)
    genesis, tenth = output_at(maker, 0)[0], output_at(maker, 10)[0]
    async with serving(maker, Signatures(maker.chain_id, KEY), limits) as served:
        url = served.url
        for query in ("", "from=x&parent=0x", f"from=0&parent={genesis}", f"from=11&parent={tenth[:-2]}"):
            assert await closed_with(url, query) == MALFORMED
        assert await closed_with(url, f"from=1&parent={genesis}") == TOO_OLD
        assert await closed_with(url, f"from=14&parent={tenth}") == AHEAD
        assert await closed_with(url, f"from=11&parent={genesis}") == FORKED
        asked = f"{url}/feed?from=11&parent={tenth}"
        await until(lambda: served.feed.readers._value.get() == 0)  # who was sent away has gone
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(asked) as one,
            session.ws_connect(asked) as two,
        ):
            for each in (one, two):
                assert decode((await each.receive()).data).number == 11
            assert await closed_with(url, f"from=11&parent={tenth}") == TOO_MANY
            assert decode((await one.receive()).data).number == 12
            maker.unwind(9)
            served.feed.sealed(maker.head())
            message = await one.receive()
            assert (message.type, one.close_code) == (aiohttp.WSMsgType.CLOSE, REORGED)
    async with serving(middle, Signatures(maker.chain_id)) as unsigned:
        build(middle, 1)
        assert await closed_with(unsigned.url, f"from=1&parent={genesis}") == TOO_OLD


async def test_reader_that_takes_nothing_is_sent_away(chains: list[Any]) -> None:
    """FED-010: nothing waits in memory for it."""
    maker = chains[0]
    build(maker, 4)
    limits = FeedLimits(send_s=0.2)
    genesis = output_at(maker, 0)[0]
    async with serving(maker, Signatures(maker.chain_id, KEY), limits) as served:
        host, port = served.url.removeprefix("http://").split(":")
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((host, int(port)))
        stream, writer = await asyncio.open_connection(sock=client, limit=1024)
        writer.write(
            f"GET /feed?from=1&parent={genesis} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        await stream.readexactly(12)
        slow = served.feed.closed.labels("4005")

        async def make() -> None:
            while slow._value.get() == 0:
                await asyncio.to_thread(build, maker, 200)
                served.feed.sealed(maker.head())
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE_S):
            await make()
        await until(lambda: served.feed.readers._value.get() == 0)
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):  # cut off: what was sent comes, then the end
                while await stream.read(1 << 16):
                    pass
        writer.close()


async def test_signer_is_whom_l1_names() -> None:
    """FED-004: after a handover on L1 the new sequencer's signature counts, and the old one's no more."""
    async with rollup() as system:
        kind = contract("SoleSequencer")
        set_ = read_network(system.text).l1.contracts["sequencerSet"]  # type: ignore[union-attr]

        async def signer() -> Address:
            heads = await system.reader.heads()
            return await sequencer_at(system.reader, system.contracts.inbox, heads.latest)

        assert await signer() == ACCOUNTS.sequencer
        heir = system.user.address
        start = kind.call("startHandover", "0x" + heir.hex())
        await system.sent(system.sequencer, Intent(set_, start, Gas(100_000)))
        await system.sent(system.user, Intent(set_, kind.call("takeOver"), Gas(100_000)))
        assert await signer() == heir


async def test_l1_decides_between_the_feed_and_a_reader(tmp_path: Path) -> None:
    """FED-021, DRV-065: a fork on the feed is refused, until L1 has taken the reader's own blocks away."""
    async with rollup() as system:
        maker, follower = system.open(tmp_path / "m"), system.open(tmp_path / "f")
        build(maker, 3)
        build(follower, 2, gap=2)
        host = Telling()
        async with (
            serving(maker, Signatures(maker.chain_id, KEY)) as served,
            reading(follower, served.url, host=host) as reader,
        ):
            await until(lambda: "fork" in reader.status()[served.url])
            assert follower.head().number == 2
            await system.append(0, maker.batch(1, 2, []), origin=2)
            driver = system.driver(follower, tmp_path / "f", host=host)
            task = asyncio.create_task(driver.run())
            await until(lambda: follower.head().number == 3)
            assert driver.mismatch is not None
            assert output_at(follower, 3) == output_at(maker, 3)
            assert follower.l1_heads()[0] == 2
            driver.stop()
            await task
        maker.close()
        follower.close()
