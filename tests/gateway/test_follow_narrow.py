"""Badges are followed through endpoints that tell of few blocks at once, and what failed is tried again."""

from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select, update
from tests.adversarial.chain import Chain
from tests.adversarial.conftest import chain, codes, cores
from tests.adversarial.people import grant, human, policy
from tests.adversarial.serving import endpoint

from trex.gateway import follow
from trex.gateway.follow import Follower
from trex.gateway.outbox import JobState
from trex.gateway.store.database import Database
from trex.gateway.store.schema import jobs
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import RefusedError

__all__ = ["chain", "codes", "cores"]

SPAN = 3


class Narrow(Endpoint):
    """Refuses questions for logs of more blocks than it likes, as providers do."""

    async def call(self, method: str, *params: Any) -> Any:
        if method == "eth_getLogs":
            asked = params[0]
            if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= SPAN:
                raise RefusedError("refused", "query exceeds max block range")
        return await super().call(method, *params)


async def test_followed_through_an_endpoint_of_few_blocks_at_once(chain: Chain, tmp_path: Path) -> None:
    """GTW-083: also after a long time away; a job that was given up is tried again at the next start."""
    number, mine = policy(chain), jobs.c.once.like("points of block %")
    for name in ("first", "second"):
        whose, nullifier = human(chain, name)
        for _ in range(2 * SPAN):
            chain.wait(1)
        grant(chain, whose.wish(number, [nullifier])).send()
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    async with endpoint(chain) as url, aiohttp.ClientSession() as http:
        client = PersonaClient(Narrow(url, http, timeout_s=180.0), Contracts())
        await database.open(chain.rpc("eth_getBlockByNumber", "0x0", False)["hash"])
        try:
            follower = Follower(database, client, lambda: chain.now_s, lambda: None)
            async with database.transaction() as tx:
                await follow._follow(tx, 0)
            await follower.step()
            async with database.transaction() as tx:
                assert len((await tx.execute(select(jobs.c.once).where(mine))).all()) == 2
                await tx.execute(update(jobs).where(mine).values(state=JobState.FAILED.value, attempts=3))
            await follower.begin()
            async with database.transaction() as tx:
                rows = (await tx.execute(select(jobs.c.state, jobs.c.attempts).where(mine))).all()
        finally:
            await database.close()
    assert [tuple(row) for row in rows] == [(JobState.QUEUED.value, 0)] * 2
