"""Transactions that come to a node which makes no blocks: sent on to the sequencer, or refused clearly."""

import logging

from trex.chain.rpc.messages import SERVER_ERROR
from trex.rpc.endpoint import Endpoint
from trex.settlement.l1.errors import L1Error, L1RefusedError
from trex.types.errors import RpcError

log = logging.getLogger(__name__)

NO_SEQUENCER = (
    "this node is a verifier and makes no blocks: send the transaction to the sequencer, "
    "or start this node with --sequencer URL"
)
IN_TURN = 200
"""Transactions of one request to the sequencer."""


class SequencerRelay:
    """Sends transactions to the sequencer's node."""

    def __init__(self, sequencer: Endpoint | None) -> None:
        """Name the sequencer; None has every transaction refused."""
        self.sequencer = sequencer

    async def __call__(self, raws: list[str]) -> list[str | RpcError]:
        """Return for each transaction its hash, or why it was refused: in the sequencer's words."""
        if self.sequencer is None:
            return [RpcError(SERVER_ERROR, NO_SEQUENCER)] * len(raws)
        answers: list[str | RpcError] = []
        for at in range(0, len(raws), IN_TURN):
            answers += await self._sent(self.sequencer, raws[at : at + IN_TURN])
        return answers

    async def _sent(self, sequencer: Endpoint, raws: list[str]) -> list[str | RpcError]:
        """Send one after another: their order may matter, and each is answered for itself."""
        answers: list[str | RpcError] = []
        for raw in raws:
            try:
                answers.append(str(await sequencer.call("eth_sendRawTransaction", raw)))
            except L1RefusedError as error:
                words = error.message.partition("eth_sendRawTransaction: ")[2] or error.message
                answers.append(RpcError(error.rpc_code, words, error.data))
            except L1Error as error:
                log.warning("the sequencer does not answer: %s", error)
                answers.append(RpcError(SERVER_ERROR, f"the sequencer does not answer [{error.code}]"))
        return answers
