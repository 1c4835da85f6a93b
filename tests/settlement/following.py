"""A driver running beside a test, and waiting for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trex.settlement.driver import Driver

PATIENCE_S = 300.0
"""For a machine that is busy with other things."""


@asynccontextmanager
async def running(driver: Driver) -> AsyncIterator[Driver]:
    """Run a driver; it ends with the block."""
    task = asyncio.create_task(driver.run())
    try:
        yield driver
    finally:
        driver.stop()
        await task


async def synced(driver: Driver, l1_number: int) -> None:
    """Wait until an L1 block is derived and the heads follow it."""
    async with asyncio.timeout(PATIENCE_S):
        while driver.settled is None or driver.settled.number < l1_number:
            assert driver.fault is None, driver.fault
            await asyncio.sleep(0.02)
