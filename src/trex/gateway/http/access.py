"""Who asks: sign-ins by bearer token or cookie, and what a cookie may do (GTW-012, GTW-013)."""

from typing import Annotated

from fastapi import Depends, Request, Response

from trex.gateway.errors import Fault, GatewayError
from trex.gateway.service import Gateway
from trex.gateway.sessions import Session
from trex.web.browser import cookie_name, require_same_origin
from trex.web.guard import requester

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that serves a request."""
    found = request.app.state.gateway
    assert isinstance(found, Gateway)
    return found


TheGateway = Annotated[Gateway, Depends(gateway_of)]
"""The gateway."""


def set_cookie(response: Response, gateway: Gateway, token: str) -> None:
    """Give a browser its sign-in: no script reads it, no other site sends it."""
    response.set_cookie(
        cookie_name(gateway.settings.secure),
        token,
        max_age=gateway.settings.session_s,
        path="/",
        secure=gateway.settings.secure,
        httponly=True,
        samesite="lax",
    )


def token_of(request: Request, gateway: Gateway) -> str:
    """Return the token that a request carries; empty if it carries none.

    Raises:
        GatewayError: a cookie would change something from another site's page.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    cookie = request.cookies.get(cookie_name(gateway.settings.secure), "")
    if cookie and request.method not in SAFE:
        require_same_origin(request, gateway.settings.public_url)
    return cookie


async def session_of(request: Request, gateway: TheGateway) -> Session:
    """Return who is signed in.

    Raises:
        GatewayError: nobody.
    """
    token = token_of(request, gateway)
    session = await gateway.session(token) if token else None
    if session is None:
        raise GatewayError(Fault.NOT_SIGNED_IN, "sign in first: POST /v1/sessions")
    return session


SignedIn = Annotated[Session, Depends(session_of)]
"""Who is signed in."""


def costly(request: Request, gateway: TheGateway) -> None:
    """Count what asks chains or writes to them (GTW-005).

    Raises:
        GatewayError: too often.
    """
    if wait := gateway.costly.take(
        requester(request.scope, gateway.settings.trusted_proxies), gateway.clock()
    ):
        raise GatewayError(Fault.TOO_MANY, "too many requests of this kind", retry_after_s=int(wait) + 1)


Costly = Depends(costly)
"""For routes that cost."""
