"""A service's life in one process: listen, serve, stop on a signal."""

import signal
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

KEEP_ALIVE_S = 15
"""A connection without a request is closed after that long."""
CONNECTIONS = 1_000
"""More at once are answered with 503."""
DRAIN_S = 20
"""Requests under way have that long to end when it is asked to stop."""


def server_config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How an application is served; what it stands on starts and stops with it."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # ours names routes, not what was asked for
        server_header=False,
        proxy_headers=False,  # whose word counts is decided in limits.py
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        limit_concurrency=CONNECTIONS,
        lifespan="on",
    )


class Announcing(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str, int], None]) -> None:
        """Take what to call with host and port."""
        super().__init__(config)
        self._announce = started

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then say so."""
        await super().startup(sockets)  # type: ignore[arg-type]
        for one in self.servers:
            for listener in one.sockets:
                self._announce(*listener.getsockname()[:2])


def serve(app: FastAPI, host: str, port: int, started: Callable[[str, int], None]) -> bool:
    """Serve until SIGINT or SIGTERM; return whether it had started.

    Args:
        app: not started yet.
        host: address to listen on.
        port: 0 for any that is free.
        started: called with host and port once it listens.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the server gives a signal on once it has finished
    server = Announcing(server_config(app, host, port), started)
    server.run()
    return server.started
