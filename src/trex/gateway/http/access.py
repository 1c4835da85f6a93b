"""Who asks: sign-ins by bearer token or cookie, and what a cookie may do (GTW-012, GTW-013)."""

from typing import Annotated

from fastapi import Depends, Request, Response

from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.guard import requester
from trex.gateway.service import Gateway
from trex.gateway.sessions import Session

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


def gateway_of(request: Request) -> Gateway:
    """Return the gateway that serves a request."""
    found = request.app.state.gateway
    assert isinstance(found, Gateway)
    return found


TheGateway = Annotated[Gateway, Depends(gateway_of)]
"""The gateway."""


def cookie_name(gateway: Gateway) -> str:
    """Name of the sign-in's cookie: bound to this host alone where there is TLS."""
    return "__Host-trex" if gateway.settings.secure else "trex"


def set_cookie(response: Response, gateway: Gateway, token: str) -> None:
    """Give a browser its sign-in: no script reads it, no other site sends it."""
    response.set_cookie(
        cookie_name(gateway),
        token,
        max_age=gateway.settings.session_s,
        path="/",
        secure=gateway.settings.secure,
        httponly=True,
        samesite="lax",
    )


def require_same_origin(request: Request, gateway: Gateway) -> None:
    """Refuse a browser's request that another site's page sent (GTW-013).

    Raises:
        GatewayError: it comes from elsewhere, or does not say.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin != gateway.settings.public_url or site not in (None, "same-origin"):
        raise GatewayError(Fault.FORBIDDEN, "this must come from a page of this site")


def token_of(request: Request, gateway: Gateway) -> str:
    """Return the token that a request carries; empty if it carries none.

    Raises:
        GatewayError: a cookie would change something from another site's page.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    cookie = request.cookies.get(cookie_name(gateway), "")
    if cookie and request.method not in SAFE:
        require_same_origin(request, gateway)
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
    if wait := gateway.costly.take(requester(request.scope, gateway), gateway.clock()):
        raise GatewayError(Fault.TOO_MANY, "too many requests of this kind", retry_after_s=int(wait) + 1)


Costly = Depends(costly)
"""For routes that cost."""
