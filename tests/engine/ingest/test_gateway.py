"""The persona gateway as a source: lines of a real gateway's audit log, each once, across stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from trex.engine.ingest.gateway import GatewaySource, listen_gateway
from trex.engine.ingest.topics import RAW
from trex.engine.run import EngineSettings, open_lake, open_log, run
from trex.gateway.store.database import Database
from trex.web import audit

STAGES = ("ingest", "clean", "normalise", "enrich", "silver")


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Database]:
    opened = Database(url)
    try:
        await opened.open("0x01")
        yield opened
    finally:
        await opened.close()


def acts(settings: EngineSettings) -> list[tuple[Any, ...]]:
    session = open_lake(settings).session()
    asked = "SELECT block_number, time_s, actor, action, subject, outcome FROM silver_acts ORDER BY 1"
    return list(session.con.sql(asked).fetchall())


async def test_lines_of_the_audit_log_are_acts_each_once(tmp_path: Path) -> None:
    """ING-006."""
    url = f"sqlite:///{tmp_path / 'gateway.sqlite'}"
    settings = EngineSettings(tmp_path, gateways=(GatewaySource("gateway:1962", 1962, url),))
    told = [(n, 1000 + n, f"key {n}", "grant", "<b>'; --</b>", "level 1") for n in range(1, 6)]
    async with database(url) as opened:
        for number, at_s, *words in told:
            async with opened.transaction() as tx:
                await audit.record(tx, at_s, *words)
            if number in (2, 5):
                await asyncio.to_thread(run, settings, STAGES, until_idle=True)
                assert await asyncio.to_thread(acts, settings) == told[:number]


async def test_a_database_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'later.sqlite'}"
    log = open_log(EngineSettings(tmp_path))
    task = asyncio.create_task(listen_gateway(GatewaySource("gateway:1", 1, url, poll_s=0.05), log))
    try:
        await asyncio.sleep(0.2)
        async with database(url) as opened, opened.transaction() as tx:
            await audit.record(tx, 1, "a", "b", "c", "d")
        async with asyncio.timeout(300):
            while not sum(extent.end for extent in log.extents(RAW.name)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        log.close()


async def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    log = open_log(EngineSettings(tmp_path))
    with pytest.raises(ValueError, match="sqlite and postgresql"):
        await listen_gateway(GatewaySource("gateway:1", 1, "mysql://x/y"), log)
    log.close()
