"""eth_estimateGas where no block is named: what a transaction sent now will take in the next block."""

from typing import Any

import orjson

from trex.chain.core import Core
from trex.chain.producer import Producer
from trex.chain.rpc.dispatch import Session
from trex.chain.workers import Workers


class Estimates:
    """Gives estimates the number and time of the block to come.

    On the newest block's own time a contract that acts once in a second (an oracle, a pool) looks as if
    it had acted already, and the estimate falls short. The clock is not the core's, so it goes along as
    block overrides; whoever names a block is answered on that block.
    """

    def __init__(self, core: Core, workers: Workers, producer: Producer) -> None:
        """Make them for one chain."""
        self.core = core
        self.workers = workers
        self.producer = producer

    async def estimate(self, _: Session, params: list[Any]) -> bytes:
        """Answer eth_estimateGas."""
        if len(params) == 1:
            params = [*params, "latest", {}, self.next_block()]
        return await self.workers.heavy(self.core.rpc, "eth_estimateGas", orjson.dumps(params))

    def next_block(self) -> dict[str, str]:
        """Return number and time of a block made now."""
        head = self.core.head()
        timestamp = self.producer.clock.timestamp(self.producer.slot_after(head))
        return {"number": hex(head.number + 1), "time": hex(timestamp)}
