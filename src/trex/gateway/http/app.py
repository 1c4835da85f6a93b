"""The application: routes, refusals, the OpenAPI document and its page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from trex.gateway import publishing
from trex.gateway.attest import NoQuorumError
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http import (
    acts,
    badges,
    bundler,
    ecosystem,
    identity,
    page,
    points,
    recoveries,
    sign_in,
    social,
)
from trex.gateway.http.access import TheGateway
from trex.gateway.http.guard import Guard, problem
from trex.gateway.http.models import Problem
from trex.gateway.service import Gateway
from trex.rpc.errors import UnavailableError

ROUTERS = (
    *(sign_in.router, acts.router, recoveries.router, bundler.router, badges.router, points.router),
    *(identity.router, social.router, ecosystem.router, page.router),
)
"""Every part of the API."""
STATIC = Path(__file__).with_name("static")
_FAULTS = {404: Fault.NOT_FOUND, 405: Fault.MALFORMED}


def make_app(gateway: Gateway) -> FastAPI:
    """Make the application of a gateway; it starts and stops with it."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await gateway.start()
        try:
            await publishing.load(gateway)
            yield
        finally:
            await gateway.stop()

    app = FastAPI(
        title="T-Rex persona gateway",
        version="1",
        description="Sign in, link wallets and accounts, earn badges and points. Rules: specs/gateway.md.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=life,
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    )
    app.state.gateway = gateway
    app.mount("/static", StaticFiles(directory=STATIC))
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/health", tags=["service"])
    async def health(gateway: TheGateway) -> dict[str, str]:
        """Whether it runs."""
        return {"state": gateway.state.value}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """The OpenAPI document for people, without scripts."""
        return HTMLResponse(docs_page(app.openapi()))

    app.add_exception_handler(GatewayError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(NoQuorumError, _without_quorum)
    app.add_middleware(Guard, gateway=gateway)
    return app


def _problem(error: GatewayError) -> Response:
    status, body = problem(error)
    headers = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return Response(body, status, headers, "application/problem+json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    return _problem(error)


async def _malformed(_: Request, error: Exception) -> Response:
    """Say which part is wrong, never what was sent: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(
        f"{'.'.join(str(part)[:40] for part in one['loc'])}: {one['type']}" for one in error.errors()[:5]
    )
    return _problem(GatewayError(Fault.MALFORMED, said))


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    fault = _FAULTS.get(error.status_code, Fault.MALFORMED)
    status, body = problem(GatewayError(fault, str(error.detail)))
    return Response(
        body, error.status_code if fault is Fault.MALFORMED else status, media_type="application/problem+json"
    )


async def _without_quorum(_: Request, error: Exception) -> Response:
    return _problem(GatewayError(Fault.UNAVAILABLE, "too few attestors answer", retry_after_s=5))


async def _unavailable(_: Request, error: Exception) -> Response:
    return _problem(GatewayError(Fault.UNAVAILABLE, "the chain does not answer", retry_after_s=5))


def docs_page(document: dict[str, Any]) -> str:
    """Write the OpenAPI document as a page."""
    parts = [f"<h1>{escape(document['info']['title'])}</h1><p>{escape(document['info']['description'])}</p>"]
    parts.append('<p><a href="/openapi.json">openapi.json</a></p>')
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            parts.append(f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(told.get('description', told.get('summary', '')))}</p>")
            for where, what in _shapes(told):
                parts.append(f"<p>{escape(where)}: <code>{escape(what)}</code></p>")
            parts.append("</section>")
    parts.append("<h1>Bodies</h1>")
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        parts.append(f'<section id="{escape(name)}"><h2>{escape(name)}</h2>')
        parts.append(f"<p>{escape(schema.get('description', ''))}</p><dl>")
        for member, kind in schema.get("properties", {}).items():
            needed = " (required)" if member in schema.get("required", ()) else ""
            parts.append(f"<dt><code>{escape(member)}</code>{needed}</dt><dd>{escape(_kind(kind))}</dd>")
        parts.append("</dl></section>")
    body = "".join(parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>T-Rex persona gateway</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/static/page.css"></head><body><main>{body}</main></body></html>'
    )


def _shapes(told: dict[str, Any]) -> list[tuple[str, str]]:
    found = [
        (f"{one['in']} {one['name']}", _kind(one.get("schema", {}))) for one in told.get("parameters", ())
    ]
    for content in told.get("requestBody", {}).get("content", {}).values():
        found.append(("takes", _kind(content.get("schema", {}))))
    for status, answer in told.get("responses", {}).items():
        for content in answer.get("content", {}).values():
            if status.isdecimal() and int(status) < 400:
                found.append((f"answers {status}", _kind(content.get("schema", {}))))
    return found


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_kind(one) for one in options)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    return str(schema.get("type", "anything"))
