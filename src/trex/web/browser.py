"""What a browser's requests are held to: cookies of this host, forms of this site (GTW-012, GTW-013)."""

from fastapi import Request

from trex.web.errors import Fault, RefusalError


def cookie_name(secure: bool) -> str:
    """Name of the sign-in's cookie: bound to this host alone where there is TLS."""
    return "__Host-trex" if secure else "trex"


def require_same_origin(request: Request, public_url: str) -> None:
    """Refuse a browser's request that another site's page sent (GTW-013).

    Raises:
        RefusalError: it comes from elsewhere, or does not say.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin != public_url or site not in (None, "same-origin"):
        raise RefusalError(Fault.FORBIDDEN, "this must come from a page of this site")
