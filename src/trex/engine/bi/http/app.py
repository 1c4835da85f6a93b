"""The application: routes of projects, and the life of the service behind them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from trex.engine.bi import state
from trex.engine.bi.http import audiences, language, studies
from trex.engine.bi.http.access import TheAsker, TheBi
from trex.engine.bi.service import DAY_S, Bi
from trex.web.documents import STYLES, docs_page
from trex.web.guard import Door, Guard
from trex.web.problems import Problem, refuse_by_problems

ROUTERS = (language.router, audiences.router, studies.router)
"""Every part of the API."""


def make_app(bi: Bi, beside: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None = None) -> FastAPI:
    """Make the application of a service; it starts and stops with it.

    Args:
        bi: not started yet.
        beside: what is open while the application runs: pages that stand on it.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await bi.start()
        try:
            if beside is None:
                yield
            else:
                async with beside(app):
                    yield
        finally:
            await bi.stop()

    app = FastAPI(
        title="T-Rex engine for projects",
        version="1",
        description="Audiences, cohorts, campaigns, experiments of people who agreed. Rules: specs/bi.md.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/bi/openapi.json",
        lifespan=life,
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    )
    app.state.bi = bi
    app.mount("/bi/static/shared", StaticFiles(directory=STYLES))
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/health", tags=["service"])
    async def health() -> dict[str, str]:
        """Whether it runs."""
        return {"state": "running"}

    @app.get("/bi/v1/usage", tags=["service"])
    async def usage(asker: TheAsker, bi: TheBi) -> dict[str, int]:
        """What you may use up a day, and did today (BIA-003)."""
        async with bi.database.transaction() as tx:
            quota = await state.quota_of(tx, asker.project)
            spent = await state.spent_of(tx, asker.project, bi.now_s // DAY_S)
        return {"quota": quota, "spent": spent}

    @app.get("/bi/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """The OpenAPI document for people, without scripts."""
        return HTMLResponse(docs_page(app.openapi(), "/bi"))

    refuse_by_problems(app)
    settings = bi.settings
    app.add_middleware(Guard, door=Door(settings.secure, settings.trusted_proxies, bi.requests, bi.clock))
    return app
