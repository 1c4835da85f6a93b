"""The application: routes, and the life of the gateway behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from trex.gateway import publishing
from trex.gateway.attest import NoQuorumError
from trex.gateway.http import (
    acts,
    badges,
    bundler,
    consents,
    ecosystem,
    identity,
    page,
    points,
    recoveries,
    sign_in,
    social,
)
from trex.gateway.http.access import TheGateway
from trex.gateway.service import Gateway
from trex.rpc.errors import UnavailableError
from trex.web.documents import STYLES, docs_page
from trex.web.errors import Fault, RefusalError
from trex.web.guard import Door, Guard
from trex.web.problems import Problem, refuse_by_problems, refused

ROUTERS = (
    *(sign_in.router, acts.router, recoveries.router, bundler.router, badges.router, points.router),
    *(identity.router, social.router, ecosystem.router, consents.router, page.router),
)
"""Every part of the API."""
STATIC = Path(__file__).with_name("static")


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
    app.mount("/static/shared", StaticFiles(directory=STYLES))
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

    refuse_by_problems(app)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(NoQuorumError, _without_quorum)
    settings = gateway.settings
    door = Door(settings.secure, settings.trusted_proxies, gateway.requests, gateway.clock)
    app.add_middleware(Guard, door=door)
    return app


async def _without_quorum(_: Request, error: Exception) -> Response:
    return refused(RefusalError(Fault.UNAVAILABLE, "too few attestors answer", retry_after_s=5))


async def _unavailable(_: Request, error: Exception) -> Response:
    return refused(RefusalError(Fault.UNAVAILABLE, "the chain does not answer", retry_after_s=5))
