"""A node's life in one process: open the chain, serve, stop on a signal, close."""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
import uvloop

from trex.chain.assembly import Node
from trex.chain.opening import open_chain, signer
from trex.node.logs import Terminal, set_up
from trex.node.options import Options
from trex.types.errors import CoreError

log = logging.getLogger(__name__)

REMEDIES = {
    "store_locked": "another node runs on this data directory: stop it, or choose another with --datadir",
    "store_wrong_network": "this data directory is another network's: choose another with --datadir",
    "store_corrupt": "nothing was overwritten; `trex db verify` names the damage; restore a copy or import",
    "store_disk_full": "make room on the disk and start again: nothing that was acknowledged is lost",
}
"""What to do about an error of the core, by its code."""

FILES = 65_536
"""Open files asked for: connections, and what the store keeps open."""
INTERRUPTED = 130
"""Exit code of a process that a second Ctrl-C ended."""


def explain(error: CoreError) -> click.ClickException:
    """Return an error of the core as the command line shows it."""
    remedy = REMEDIES.get(error.code)
    return click.ClickException(f"{error}\n{remedy}" if remedy else str(error))


def serve(
    network: bytes,
    datadir: Path,
    options: Options,
    *,
    dev: bool,
    started: Callable[[Node, Terminal], None],
    beside: Callable[[Node, Terminal], Coroutine[None, None, None]] | None = None,
    company: Callable[[Node, Any], AbstractAsyncContextManager[Any]] | None = None,
) -> None:
    """Run a node until a signal asks it to stop.

    Args:
        network: the network file.
        datadir: data directory.
        options: of the command line.
        dev: with the methods of a development network.
        started: called when it listens.
        beside: runs as long as the node does; it is cancelled at the end.
        company: given the node and its chain, brings the services that run with it.

    Raises:
        click.ClickException: it cannot start, or its store failed.
    """
    terminal = set_up(options.log_level, options.log_json)
    raise_file_limit()
    try:
        chain = open_chain(
            datadir,
            network,
            history_blocks=options.history_blocks,
            cache_bytes=options.cache_bytes,
            limits=options.core_limits,
        )
    except CoreError as error:
        raise explain(error) from error
    try:
        node = Node(chain, options.settings, dev=(chain, signer()) if dev else None)
        uvloop.run(_live(node, terminal, started, beside, company(node, chain) if company else nullcontext()))
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {options.settings.host}:{options.settings.port}: {error.strerror or error}\n"
            "choose another with --port"
        ) from error
    finally:
        terminal.show("")
        chain.close()
    for service in node.services:
        if service.fault is not None:
            raise click.ClickException(f"{service.name} had stopped: {service.fault}")


def raise_file_limit() -> None:
    """Let this process have as many open files and connections as the system grants it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _live(
    node: Node,
    terminal: Terminal,
    started: Callable[[Node, Terminal], None],
    beside: Callable[[Node, Terminal], Coroutine[None, None, None]] | None,
    company: AbstractAsyncContextManager[Any],
) -> None:
    loop = asyncio.get_running_loop()
    asked = 0

    def asked_to_stop() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            terminal.show("")
            click.echo("stopped at once", err=True)
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        terminal.show("")
        log.info("stopping (again to stop at once)")
        node.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop)
    task = asyncio.create_task(beside(node, terminal)) if beside else None
    try:
        async with company:
            await node.run(lambda: started(node, terminal))
    finally:
        if task is not None:
            task.cancel()
    log.info("stopped")
