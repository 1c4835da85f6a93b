"""The proposer: claims outputs on L1 at intervals, from finalized data only.

It keeps nothing: which claims stand, the contract tells. A claim says which output follows from genesis and
the inbox's first n batches (PTL-040), so it is made of what the node derived from finalized L1 blocks, and
the inbox's count and accumulator at the end of those. The same claim is not made twice (PTL-042).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from trex.rpc.endpoint import Endpoint
from trex.settlement.blocks import BlockSource, L2Block
from trex.settlement.contracts import contract
from trex.settlement.l1.errors import L1Error, L1RefusedError, L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import Heads, L1Reader, quantity
from trex.settlement.l1.sender import Sender
from trex.settlement.l1.transaction import Intent
from trex.settlement.roles import ProposerMetrics, Trouble, Waits, pause, unless
from trex.settlement.watch import settlement_of
from trex.types.network import Network
from trex.types.primitives import Address, Gas, Hash32

log = logging.getLogger(__name__)

GAS_MARGIN_PERCENT = 25
"""Above the estimate: what is estimated may run in another block."""
LOST = 1
"""Status of a claim that was rejected (IDisputeGame, CHALLENGER_WINS)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as the contract lists it."""

    id: int
    output_root: Hash32
    block_number: int
    """L2 block whose output it is."""
    batch_count: int
    accumulator: Hash32
    created_at: int
    """L1 timestamp."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What could be claimed."""

    block: L2Block
    batch_count: int
    """So many batches, all in finalized L1 blocks, lead to it."""
    accumulator: Hash32


@dataclass(frozen=True, slots=True)
class ClaimsTarget:
    """Where claims go."""

    inbox: Address
    claims: Address

    @classmethod
    def of(cls, network: Network) -> "ClaimsTarget":
        """Read a network's.

        Raises:
            ValueError: its file says nothing of an L1, or not enough.
        """
        settlement, contracts = settlement_of(network)
        try:
            return cls(contracts.inbox, settlement.contracts["outputClaims"])
        except KeyError as missing:
            raise ValueError(f"the section l1 of the network file lacks {missing}") from None


@dataclass(slots=True)
class ProposerState:
    """What the proposer sees and does, for status pages."""

    newest: Claim | None = None
    """The newest claim that was not rejected."""
    proposed: int = 0
    """Claims made by this process."""
    trouble: str | None = None
    """Why it cannot work at the moment; None while all is well."""


class DisagreesError(L1Error):
    """Stop: what was derived differs from another node's, or from what was claimed. Code: `disagrees`."""


class Proposer:
    """Claims outputs until it is told to stop."""

    def __init__(
        self,
        target: ClaimsTarget,
        reader: L1Reader,
        sources: Sequence[BlockSource],
        sender: Sender,
        *,
        interval_s: float = 3600.0,
        poll_s: float = 12.0,
        metrics: ProposerMetrics | None = None,
        state: ProposerState | None = None,
    ) -> None:
        """Put a proposer together.

        Args:
            target: where claims go.
            reader: L1.
            sources: nodes that derive the chain from L1; the first says what is claimed, and every other one
                must agree. A majority of them must answer.
            sender: of the account that may propose.
            interval_s: L1 seconds between claims, at least.
            poll_s: how often L1 and the node are asked.
            metrics: where it counts.
            state: where it tells what it sees and does.
        """
        if not sources:
            raise ValueError("no node")
        self.target = target
        self.reader = reader
        self.sources = list(sources)
        self.sender = sender
        self.interval_s = interval_s
        self.poll_s = poll_s
        self.metrics = metrics or ProposerMetrics()
        self.state = state or ProposerState()
        self._contract = contract("MaturingClaims")
        self._stop = asyncio.Event()
        self._trouble = Trouble(log)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Faults are told and tried again; none ends it."""
        self._stop = stop
        log.info("proposer runs", extra={"claims": "0x" + self.target.claims.hex()})
        while not stop.is_set():
            try:
                await unless(stop, self.step())
                self.state.trouble = None
                self._trouble.over()
            except L1Error as error:
                self.state.trouble = str(error)
                self.metrics.troubles.labels(error.code).inc()
                if isinstance(error, DisagreesError):
                    self.metrics.refusals.inc()
                self._trouble.tell(error)
            except Exception as error:
                # Whatever it is: a turn leaves nothing behind, so the next one may go well.
                self.state.trouble = str(error) or type(error).__name__
                self.metrics.troubles.labels("unforeseen").inc()
                log.exception("a turn ended with a fault that nobody foresaw")
            await pause(stop, self.poll_s)
        log.info("proposer stopped")

    async def step(self) -> Claim | None:
        """Look at L1 and the nodes once, and claim an output if one is due; return the claim.

        Raises:
            DisagreesError: it must not be claimed.
            L1Error: what else keeps it from that.
        """
        await self.reader.check_chain()
        heads = await self.reader.heads()
        count = await self._claim_count(heads.latest)
        newest = self.state.newest = await self._newest(heads.latest, count)
        self.metrics.block.set(newest.block_number if newest else 0)
        candidate = await self._candidate(heads)
        if candidate is None:
            return None
        self.metrics.finalized.set(candidate.block.number)
        if newest is not None:
            await self._check_claimed(newest)
            if candidate.block.number <= newest.block_number:
                return None
            # PST-041
            if heads.latest.timestamp < newest.created_at + self.interval_s:
                return None
        await self._check_nodes(candidate.block)
        return await self._propose(candidate, count)

    # Looking.

    async def _candidate(self, heads: Heads) -> Candidate | None:
        """Return what finalized L1 blocks lead to (PST-040); None before the first batch of theirs."""
        source = self.sources[0]
        derived = (await source.status()).final
        if derived is None or derived.batch_count == 0:
            return None
        final = heads.finalized
        if derived.l1.number > final.number:
            raise Waits(
                "behind",
                f"the node takes L1 block {derived.l1.number} for finalized, the L1 endpoints {final.number}",
            )
        kind = contract("Inbox")
        call = kind.call("accumulatorAt", derived.batch_count)
        (accumulator,) = kind.result("accumulatorAt", await self.reader.call(self.target.inbox, call, final))
        if accumulator != derived.accumulator:
            raise DisagreesError(
                "disagrees",
                f"the first {derived.batch_count} batches hash to 0x{accumulator.hex()} in the finalized "
                f"inbox, to 0x{derived.accumulator.hex()} on the node",
            )
        number = derived.block.number
        (block,) = await source.blocks(number, number)
        if block.hash != derived.block.hash:
            raise DisagreesError("disagrees", f"the node has another block {number} than it calls finalized")
        return Candidate(block, derived.batch_count, derived.accumulator)

    async def _claim_count(self, block: L1Block) -> int:
        answer = await self.reader.call(self.target.claims, self._contract.call("claimCount"), block)
        (count,) = self._contract.result("claimCount", answer)
        return int(count)

    async def _newest(self, block: L1Block, count: int) -> Claim | None:
        """Return the newest claim that was not rejected."""
        for number in reversed(range(count)):
            answer = await self.reader.call(self.target.claims, self._contract.call("status", number), block)
            if self._contract.result("status", answer)[0] == LOST:
                continue
            answer = await self.reader.call(self.target.claims, self._contract.call("claimAt", number), block)
            ((root, accumulator, block_number, batch_count, created_at, *_),) = self._contract.result(
                "claimAt", answer
            )
            return Claim(number, Hash32(root), block_number, batch_count, Hash32(accumulator), created_at)
        return None

    # Checking.

    async def _check_claimed(self, newest: Claim) -> None:
        """Refuse to claim on top of a claim that the node does not confirm (PST-042)."""
        source = self.sources[0]
        if (await source.id()).number < newest.block_number:
            raise Waits("behind", f"the node has not reached block {newest.block_number}, which is claimed")
        (block,) = await source.blocks(newest.block_number, newest.block_number)
        if block.output_root != newest.output_root:
            raise DisagreesError(
                "disagrees",
                f"claim {newest.id} says output 0x{newest.output_root.hex()} of block {block.number}, "
                f"the node 0x{block.output_root.hex()}: one of them is wrong, nothing is proposed",
            )

    async def _check_nodes(self, block: L2Block) -> None:
        """Refuse what another node does not confirm (PST-042)."""

        async def ask(source: BlockSource) -> L2Block:
            return (await source.blocks(block.number, block.number))[0]

        answers = await asyncio.gather(*map(ask, self.sources[1:]), return_exceptions=True)
        agreeing = 1
        for number, answer in enumerate(answers, 2):
            if isinstance(answer, L2Block):
                if answer.output_root != block.output_root:
                    raise DisagreesError(
                        "disagrees",
                        f"node {number} has output 0x{answer.output_root.hex()} of block {block.number}, "
                        f"the first 0x{block.output_root.hex()}: nothing is proposed",
                    )
                agreeing += 1
            elif not isinstance(answer, L1Error):
                raise answer
        if agreeing <= len(self.sources) // 2:
            raise L1UnavailableError(
                "no_quorum", f"{agreeing} of {len(self.sources)} nodes have block {block.number}"
            )

    # Proposing.

    async def _propose(self, candidate: Candidate, count: int) -> Claim | None:
        block = candidate.block
        call = self._contract.call(
            "propose", block.output_root, block.number, candidate.batch_count, candidate.accumulator
        )
        request = {
            "from": "0x" + self.sender.address.hex(),
            "to": "0x" + self.target.claims.hex(),
            "data": "0x" + call.hex(),
        }

        async def estimate(endpoint: Endpoint) -> int:
            return quantity(await endpoint.call("eth_estimateGas", request, "latest"))

        async def wanted() -> bool:
            if self._stop.is_set():
                return False
            try:
                return await self._claim_count((await self.reader.heads()).latest) == count
            except L1UnavailableError:
                return True

        try:
            gas = await self.reader.middle(estimate)
        except L1RefusedError:
            if await wanted():
                raise
            return None  # an earlier life's claim was included meanwhile
        log.info(
            "claiming block %d",
            block.number,
            extra={"output": "0x" + block.output_root.hex(), "batches": candidate.batch_count},
        )
        intent = Intent(self.target.claims, call, Gas(gas + gas * GAS_MARGIN_PERCENT // 100))
        included = await self.sender.send(intent, wanted=wanted)
        if included is None:
            log.info("the claim was overtaken: looking at L1 again")
            return None
        self.metrics.cost.inc(included.cost_wei)
        if not included.succeeded:
            self.metrics.failed.inc()
            log.warning("the claim had no effect", extra={"l1_transaction": "0x" + included.hash.hex()})
            return None
        claim = await self._newest(await self.reader.block(included.block_hash), count + 1)
        self.state.newest = claim
        self.state.proposed += 1
        self.metrics.claims.inc()
        self.metrics.block.set(block.number)
        log.info(
            "claim %d stands",
            count if claim is None else claim.id,
            extra={"block": block.number, "l1_block": included.block_number, "cost_wei": included.cost_wei},
        )
        return claim
