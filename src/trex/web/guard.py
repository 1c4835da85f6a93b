"""What stands before every request: bounds on body, time and rate; headers on every answer (GTW-001)."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trex.web.errors import Fault, RefusalError
from trex.web.limits import Limiter, client_name
from trex.web.problems import problem

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 262_144
"""Longest body."""
BODY_S = 10.0
"""A body that has not come by then is given up."""
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        b" form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with no-referrer, browsers name no Origin with forms
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"publickey-credentials-get=(self), publickey-credentials-create=(self)"),
)
"""On every answer."""
_UNCOUNTED = frozenset({"/health"})


@dataclass(frozen=True, slots=True)
class Door:
    """What a service says about who may come how often."""

    secure: bool
    """Whether people come by TLS."""
    trusted_proxies: tuple[str, ...]
    """Addresses whose `X-Forwarded-For` counts."""
    requests: Limiter
    """Of one client."""
    clock: Callable[[], float]
    """Unix time, seconds."""


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        """Stand before an application."""
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                headers += [one for one in HEADERS if one[0] not in present]
                if b"cache-control" not in present:
                    headers.append((b"cache-control", b"no-store"))
                if self.door.secure:
                    headers.append((b"strict-transport-security", b"max-age=63072000"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            self._count(scope)
            body = await _body(scope, receive)
        except RefusalError as error:
            await _answer(with_headers, error)
        else:
            await self.app(scope, _replay(body, receive), with_headers)
        # The route, never the path or query as sent: those may hold codes and tokens (GTW-031).
        route = getattr(scope.get("route"), "path", "-")
        log.info(
            "request",
            extra={"method": scope["method"], "route": route, "status": status}
            | {"ms": round((time.monotonic() - started) * 1000)},
        )

    def _count(self, scope: Scope) -> None:
        """GTW-005."""
        if scope["path"] in _UNCOUNTED:
            return
        name = requester(scope, self.door.trusted_proxies)
        if wait := self.door.requests.take(name, self.door.clock()):
            raise RefusalError(Fault.TOO_MANY, "too many requests", retry_after_s=int(wait) + 1)


def requester(scope: Scope, trusted_proxies: tuple[str, ...]) -> str:
    """Name who asks (GTW-006)."""
    client = scope.get("client")
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return client_name(client[0] if client else "-", forwarded, trusted_proxies)


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Read a whole body within its bounds (GTW-001, GTW-002)."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > MAX_BODY_BYTES:
            raise RefusalError(Fault.TOO_LARGE, f"a body has at most {MAX_BODY_BYTES} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusalError(Fault.TOO_SLOW, "the connection ended before the body")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise RefusalError(Fault.TOO_LARGE, f"a body has at most {MAX_BODY_BYTES} bytes")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise RefusalError(Fault.TOO_SLOW, f"the body did not come within {BODY_S:.0f} s") from error


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, error: RefusalError) -> None:
    status, body = problem(error)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
