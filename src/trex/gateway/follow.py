"""Brings the ledger after the badges, whoever changed them (GTW-083, PTS-005)."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.badges.chain import contract
from trex.engagement.facts import logs
from trex.gateway import attestations as said
from trex.gateway import outbox
from trex.gateway.store.database import Database
from trex.passport.client import PersonaClient
from trex.web.database import facts

log = logging.getLogger(__name__)

PAUSE_S = 0.5
"""Between looks at the chain."""
LONGEST_PAUSE_S = 30.0
"""Between looks at a chain that does not answer."""
AT_ONCE = 50
"""Badges in one transaction."""
FOLLOWED = "badges followed"
"""Fact: final block up to which every badge that changed has its job."""
_JOBS = "points of block"


class Follower:
    """Looks at what became of badges; where it stood when it was killed, it goes on.

    Blocks that may still be replaced are looked at again until they are final: what a block did is one job,
    by the block's hash, however often it is seen. A job that failed is tried again when the gateway starts.
    """

    def __init__(
        self, database: Database, client: PersonaClient, now_s: Callable[[], int], wake: Callable[[], None]
    ) -> None:
        """Take what it works with.

        Args:
            database: of the gateway.
            client: of the chain.
            now_s: clock, Unix seconds.
            wake: has the relayer look at the queue.
        """
        self._database, self._client = database, client
        self._now_s, self._wake = now_s, wake
        self._seen = ""

    async def begin(self) -> None:
        """Begin where this database stood, or, if it is new, at the newest final block."""
        final = await self._client.rpc.call("eth_getBlockByNumber", "finalized", False)
        async with self._database.transaction() as tx:
            if await _followed(tx) is None:
                await _follow(tx, int(final["number"], 16))
            await outbox.revive(tx, f"{_JOBS} %", self._now_s())

    async def run(self) -> None:
        """Look until cancelled; while it cannot, more and more rarely."""
        pause_s = PAUSE_S
        while True:
            try:
                await self.step()
                pause_s = PAUSE_S
            except Exception:
                log.exception("badges cannot be followed for now")
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def step(self) -> None:
        """Look once."""
        rpc = self._client.rpc
        head = await rpc.call("eth_getBlockByNumber", "latest", False)
        if head["hash"] == self._seen:
            return
        final = int((await rpc.call("eth_getBlockByNumber", "finalized", False))["number"], 16)
        async with self._database.transaction() as tx:
            followed = await _followed(tx) or 0
        changed: dict[str, set[int]] = {}
        if followed < int(head["number"], 16):
            topics = [[f"0x{one.hex()}" for one in (contract.BADGE_GRANTED, contract.BADGE_STATE)]]
            span = (followed + 1, int(head["number"], 16))
            for entry in await logs(self._client, self._client.contracts.badges, topics, *span):
                changed.setdefault(entry["blockHash"], set()).add(int(entry["topics"][1], 16))
        async with self._database.transaction() as tx:
            for block, tokens in changed.items():
                await self._queue(tx, block, sorted(tokens))
            # Blocks that came since the head was told may be final already, but nobody has looked at them.
            await _follow(tx, max(followed, min(final, int(head["number"], 16))))
        self._seen = head["hash"]
        if changed:
            self._wake()

    async def _queue(self, tx: AsyncConnection, block: str, tokens: list[int]) -> None:
        for first in range(0, len(tokens), AT_ONCE):
            data = said.SYNC_BADGES.call(tokens[first : first + AT_ONCE])
            once = f"{_JOBS} {block} {first}"
            points = self._client.contracts.points
            await outbox.enqueue_own(tx, points, data, now_s=self._now_s(), once=once)


async def _followed(tx: AsyncConnection) -> int | None:
    found = (await tx.execute(select(facts.c.value).where(facts.c.name == FOLLOWED))).scalar_one_or_none()
    return None if found is None else int(found)


async def _follow(tx: AsyncConnection, block: int) -> None:
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    asked = dialect.insert(facts).values(name=FOLLOWED, value=str(block))
    await tx.execute(asked.on_conflict_do_update(index_elements=["name"], set_={"value": str(block)}))
