"""API and pages as one application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from trex.engine.bi.http.app import make_app as make_api
from trex.engine.bi.service import Bi
from trex.hub import people, projects
from trex.hub.pages import NobodyError, page
from trex.hub.signed_in import SignIns
from trex.web.documents import STYLES
from trex.web.errors import Fault, RefusalError

STATIC = Path(__file__).with_name("static")


def make_app(bi: Bi, charts: Path | None = None) -> FastAPI:
    """Make the application of API and pages.

    Args:
        bi: not started yet; its settings name a gateway.
        charts: ECharts as one file; without it pages have their tables alone.
    """

    @asynccontextmanager
    async def beside(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            app.state.sign_ins = SignIns(bi.settings.gateway, session, bi.settings.secure)
            yield

    app = make_api(bi, beside)
    drawn = charts if charts is not None and charts.exists() else None

    @app.get("/hub/static/echarts.js", include_in_schema=False)
    async def echarts() -> Response:
        """Charts, from this host."""
        if drawn is None:
            raise RefusalError(Fault.NOT_FOUND, "there are no charts here")
        return FileResponse(drawn, media_type="text/javascript")

    app.mount("/hub/static/shared", StaticFiles(directory=STYLES))
    app.mount("/hub/static", StaticFiles(directory=STATIC))
    app.include_router(people.router)
    app.include_router(projects.router)

    async def way_in(_: Request, error: Exception) -> Response:
        assert isinstance(error, NobodyError)
        return page("sign_in.html", 401, gateway=bi.settings.gateway, person=None)

    app.add_exception_handler(NobodyError, way_in)
    return app
