"""Bounds before every request."""

import asyncio
import json

import pytest
from tests.gateway.conftest import Served, serving, settings_for
from tests.node.conftest import Devnet

from trex.web import guard
from trex.web.limits import Limiter, Rate, client_name


async def said_to(served: Served, *parts: bytes) -> bytes:
    """Status line that raw bytes are answered with."""
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.readline(), 180)
    finally:
        writer.close()


HEAD = b"POST /v1/sessions HTTP/1.1\r\nhost: x\r\n"


async def test_long_body_is_refused_whether_announced_or_not(served: Served) -> None:
    """GTW-001."""
    announced = b"content-length: %d\r\n\r\n" % (guard.MAX_BODY_BYTES + 1)
    assert (await said_to(served, HEAD + announced)).startswith(b"HTTP/1.1 413")
    chunk = b"%x\r\n" % 65_536 + b"x" * 65_536 + b"\r\n"
    parts = [HEAD + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 4, b"1\r\nx\r\n"]
    assert (await said_to(served, *parts)).startswith(b"HTTP/1.1 413")


async def test_slow_body_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """GTW-002."""
    monkeypatch.setattr(guard, "BODY_S", 0.2)
    assert (await said_to(served, HEAD + b"content-length: 10\r\n\r\n{")).startswith(b"HTTP/1.1 408")


async def test_too_many_requests_and_no_way_round(devnet: Devnet, tmp_path: object) -> None:
    """GTW-005, GTW-006: a header that a client writes itself makes nobody of it."""
    settings = settings_for(devnet, f"sqlite:///{tmp_path}/g.db", requests=Rate(5, 0.001))
    async with serving(settings) as served:
        for _ in range(5):
            await served.post("/v1/nonces")
        for name in ("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip"):
            refused = await served.post("/v1/nonces", None, 429, headers={name: "203.0.113.9"})
            assert refused["code"] == "too_many_requests"
        assert (await served.get("/health"))["state"] == "running"


def test_client_name_believes_trusted_proxies_alone() -> None:
    assert client_name("10.0.0.1", ["1.1.1.1, 2.2.2.2"], ["10.0.0.1"]) == "2.2.2.2"
    assert client_name("10.0.0.1", ["1.1.1.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"]) == "1.1.1.1"
    assert client_name("9.9.9.9", ["1.1.1.1"], ["10.0.0.1"]) == "9.9.9.9"
    assert client_name("10.0.0.1", ["garbage"], ["10.0.0.1"]) == "10.0.0.1"
    one, other = (client_name(f"2001:db8::{end}", [], []) for end in ("1", "ffff"))
    assert one == other != client_name("2001:db8:0:1::1", [], [])
    assert client_name("::ffff:1.2.3.4", [], []) == "1.2.3.4"


def test_limiter_fills_again_and_forgets_the_longest_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Limiter(Rate(2, 1.0))
    assert [limiter.take("a", 0.0), limiter.take("a", 0.0)] == [0.0, 0.0]
    assert limiter.take("a", 0.0) == 1.0
    assert limiter.take("a", 1.0) == 0.0
    monkeypatch.setattr("trex.web.limits.MAX_CLIENTS", 3)
    for name in "bcd":
        limiter.take(name, 1.0)
    assert limiter.take("a", 1.0) == 0.0


async def test_malformed_bodies_are_named_without_being_repeated(served: Served) -> None:
    """GTW-003: what was sent may be a secret."""
    secret = "s3cr3t-" + "a" * 40
    for sent in (
        {"signIn": {"method": secret}},
        {"signIn": {"method": "text", "text": 1, "signature": secret}},
    ):
        async with served.http.post(f"{served.url}/v1/sessions", json=sent) as answer:
            text = await answer.text()
        assert answer.status == 422
        assert answer.content_type == "application/problem+json"
        assert secret not in text
    await served.get("/nowhere", 404)


async def test_every_answer_has_the_headers_and_the_document_is_openapi(served: Served) -> None:
    """GTW-004, GTW-007."""
    async with served.http.get(f"{served.url}/docs") as answer:
        page = await answer.text()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "POST /v1/sessions" in page
    assert "<script" not in page
    document = json.loads(await (await served.http.get(f"{served.url}/openapi.json")).text())
    assert document["openapi"].startswith("3.1")
    assert "/v1/nonces" in document["paths"]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert told.get("description"), f"{method} {path} says nothing"
