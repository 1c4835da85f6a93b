"""What a browser's requests are held to: cookies of this host, forms of this site (GTW-012, GTW-013)."""

from hashlib import sha256

from fastapi import Request

from trex.web.errors import Fault, RefusalError


def cookie_name(secure: bool) -> str:
    """Name of the sign-in's cookie: bound to this host alone where there is TLS."""
    return "__Host-trex" if secure else "trex"


def form_token(token: str) -> str:
    """What forms of a page carry: follows from a sign-in's token, and does not tell it."""
    return sha256(b"form\n" + token.encode()).hexdigest()


def require_same_origin(request: Request, public_url: str) -> None:
    """Refuse a browser's request that another site's page sent (GTW-013).

    Raises:
        RefusalError: it comes from elsewhere, or does not say.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin != public_url or site not in (None, "same-origin"):
        raise RefusalError(Fault.FORBIDDEN, "this must come from a page of this site")
