"""The derivation driver: follows L1, makes the chain what L1 says, and says how far L1 carries it.

The same in a sequencer, whose own blocks become safe, and in a verifier, which has no others (DRV-060..066).
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from trex.chain.core import FAULTS, L1View, Sealed, SettledCore
from trex.chain.service import Service
from trex.chain.workers import guarded
from trex.settlement.ahead import Ahead, Reading, Step
from trex.settlement.deposits import Deposit
from trex.settlement.derivation import Derivation, Mismatch
from trex.settlement.host import Alone, Host
from trex.settlement.l1.blobs import Blobs
from trex.settlement.l1.errors import L1Error, L1ReorgedError, L1UnavailableError
from trex.settlement.l1.header import L1Block, decode_block
from trex.settlement.l1.reader import Heads, L1Reader
from trex.settlement.places import Places
from trex.settlement.positions import Position, PositionsError, ReadBatch
from trex.settlement.progress import DriverMetrics, Progress
from trex.settlement.throttle import BLOBS_PER_L1_BLOCK, Unposted
from trex.settlement.watch import genesis_origin, settlement_of, still_holds
from trex.types.errors import CoreError, RpcError
from trex.types.network import Network

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

WRITE_TOGETHER = 256
"""Positions without batches that are written at once."""


@dataclass(frozen=True, slots=True)
class Following:
    """How L1 is followed."""

    poll_s: float = 2.0
    """How often L1 is asked for its heads."""
    longest_wait_s: float = 30.0
    """Between tries while L1 does not answer."""
    confirmations: int = 0
    """L1 blocks above one before it is read: fewer rollbacks, a safe head that is later."""
    reading: Reading = field(default_factory=Reading)
    """How far to read ahead."""
    blobs_per_l1_block: float = BLOBS_PER_L1_BLOCK
    """That L1 is counted on to take from the batcher (PST-024)."""


class Driver(Service):
    """Derives the chain from L1, for as long as it runs."""

    name = "derivation"

    def __init__(
        self,
        core: SettledCore,
        network: Network,
        reader: L1Reader,
        blobs: Blobs,
        datadir: Path,
        *,
        following: Following | None = None,
        host: Host | None = None,
        metrics: DriverMetrics | None = None,
    ) -> None:
        """Put a driver together; nothing is asked or written yet.

        Args:
            core: the chain.
            network: what the chain is, and where it settles.
            reader: L1, as several endpoints tell it.
            blobs: where batches' data is.
            datadir: where positions are kept, beside the chain.
            following: how L1 is followed.
            host: who serves the chain.
            metrics: where to count.

        Raises:
            ValueError: the network file names no L1.
        """
        super().__init__()
        self.core = core
        self.network = network
        self.settlement, self.contracts = settlement_of(network)
        self.reader = reader
        self.following = following or Following()
        self.derivation = Derivation(core, network, datadir, self.following.blobs_per_l1_block)
        self.host: Host = host or Alone()
        self.metrics = metrics or DriverMetrics()
        self.progress = Progress()
        self.places = Places(reader, self.contracts.portal)
        self.ahead = Ahead(reader, blobs, self.contracts, self.following.reading, core.read_ahead)
        self.l1_heads: Heads | None = None
        """Heads of L1 as last seen; None before the first answer."""
        self.position: Position | None = None
        """How far derivation is; None until L1 has answered for the first time."""
        self.final: Position | None = None
        """The same for finalized L1 blocks."""
        self.settled: L1Block | None = None
        """L1 block up to which everything was done, heads and all, in the last turn."""
        self.unproven: int | None = None
        """L1 block below which the last view ends, as its receipts have not come; None where they have."""
        self.unposted: Unposted | None = None
        """What stood above the safe head when the last view was taken; None where no blocks are made."""
        self.mismatch: Mismatch | None = None
        """The last time that L1 said otherwise than this node."""
        self.trouble: str | None = None
        """Why it does not go on at the moment; None while all is well."""
        self.left: str | None = None
        """Why L1 is followed no more; None while it is."""
        self.listeners: list[Callable[[Position], None]] = []
        """Called on the loop when the position has moved, either way."""
        self.overtaken: list[Callable[[], None]] = []
        """Told while the chain is still paused that L1 has put blocks on it: what was read for the next block
        begins too early, until the listeners hear of the new position."""
        self._turning = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "derivation")

    @property
    def synced(self) -> bool:
        """Whether everything that L1 was last seen to have is derived."""
        if self.settled is None or self.l1_heads is None:
            return False
        return self.settled.number + self.following.confirmations >= self.l1_heads.latest.number

    def batches(self, most: int = 100) -> list[ReadBatch]:
        """Return the newest batches that were read, newest first."""
        if not self.derivation.is_open:
            return []
        return self.derivation.positions.batches(most)

    def batch(self, index: int) -> ReadBatch | None:
        """Return what became of a batch header; None where it was not read yet, or is forgotten."""
        if not self.derivation.is_open:
            return None
        return self.derivation.positions.batch(index)

    async def view(self, depth: int) -> L1View:
        """Return what a block on this chain may take from L1 up to `depth` blocks below what was read.

        It begins after the safe head, which lacks no deposit of its origin (DRV-032), and ends below the
        first L1 block whose deposits have no proven place yet (DRV-067).

        Raises:
            PositionsError: L1 has not been read yet.
            L1UnavailableError: the chain is above an L1 block whose receipts have not come.
        """
        if self.position is None:
            raise PositionsError("not_open", "derivation has not begun")
        before, unposted = self.unposted, await self._job(self.derivation.unposted, self.position)
        self.unposted = unposted
        self.metrics.stands(unposted)
        if unposted.is_full and not (before and before.is_full):
            log.warning(
                "L1 carries less than comes in: transactions wait until batches are on L1",
                extra={"bytes": unposted.bytes, "most": unposted.most_bytes},
            )
        headers, deposits = await self._job(self.derivation.view, self.position, depth)
        blocks = {block.number: block for block in map(decode_block, headers)}
        deposits, self.unproven = await self.places.prove_first(blocks, deposits)
        if self.unproven is not None:
            # What the chain has must all be there: a block takes what is left of its origin's deposits.
            if self.unproven <= (await self._job(lambda: self.core.origin(self.core.head().number)))[0]:
                raise L1UnavailableError("not_found", f"no receipts of L1 block {self.unproven} yet")
            headers = headers[: self.unproven - min(blocks)]
        due = [(one.record, one.log_index, one.l1_hash) for one in deposits]
        return L1View(headers, due, unposted.most_bytes)

    async def work(self) -> None:
        """Follow L1 until asked to stop."""
        following = asyncio.create_task(self._follow(), name="l1-following")
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (following, stopping):
                task.cancel()
            outcomes = await asyncio.gather(following, stopping, return_exceptions=True)
            await self.places.close()
            await self._job(self.derivation.close)
            await asyncio.to_thread(self._thread.shutdown, wait=True)
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]

    async def _follow(self) -> None:
        wait_s = self.following.poll_s
        while self.fault is None:
            try:
                async with self._turning:
                    if self.left is None:
                        await self.turn()
            except Exception as error:  # whatever it is: a turn that failed is done again
                self._report(error)
                wait_s = min(2 * wait_s, self.following.longest_wait_s)
            else:
                self.trouble, wait_s = self.left, self.following.poll_s
            await asyncio.sleep(wait_s)

    async def leave(self, why: str) -> None:
        """Follow L1 no more, once the present turn is over: a devnet's chain goes its own way."""
        async with self._turning:
            self.left = self.trouble = why

    def _report(self, error: Exception) -> None:
        """Say once what is wrong; stop at what asking again does not mend."""
        code = error.code if isinstance(error, (L1Error, CoreError, PositionsError)) else ""
        what = str(error)
        foreseen = isinstance(error, (L1Error, CoreError, RpcError, PositionsError))
        if not foreseen:
            what = f"a fault that nobody foresaw: {type(error).__name__}: {what[:200]}"
        if code in {"wrong_chain", "other_network", "damaged"} or code in FAULTS:
            self.fault = what
        if self.fault is not None:
            log.critical("derivation has stopped: %s", self.fault)
        elif what != self.trouble:
            log.warning("derivation waits: %s", what, exc_info=None if foreseen else error)
        self.trouble = what
        self.metrics.troubles.inc()

    async def turn(self) -> None:
        """Do all that there is to do now: go back if L1 did, derive what it has, move the heads.

        Raises:
            L1Error, CoreError: it cannot be done now.
        """
        try:
            await self._forward()
        except L1ReorgedError as error:
            log.warning("L1 has changed: %s", error.message)
            await self._roll_back()
            await self._forward()
        except L1UnavailableError as error:
            # Where events do not hash to what the contracts say, what was read before may be the lie.
            number = self.position.mark.block.number if self.position else 0
            if error.code != "bad_answer" or self.position is None or await self._still(number):
                raise
            log.warning("L1 had hidden something: %s", error.message)
            await self._roll_back()
            await self._forward()

    async def _forward(self) -> None:
        heads = self.l1_heads = await self.reader.heads()
        self.metrics.l1_head.set(heads.latest.number)
        position = self.position or await self._open()
        target = heads.latest
        if self.following.confirmations:
            target = await self.reader.block(max(target.number - self.following.confirmations, 0))
        if target.number > position.mark.block.number:
            await self._advance(position, target)
        else:
            known = await self._job(self.derivation.positions.at, target.number)
            if known is not None and known.mark.block.hash != target.hash:
                raise L1ReorgedError("reorged", f"block {target.number} is 0x{target.hash.hex()} now")
        await self._drop_orphans()
        await self._finalize(heads)
        self.settled = target

    # Starting.

    async def _open(self) -> Position:
        """Find out where derivation stands."""
        await self.reader.check_chain()
        block = await genesis_origin(self.reader, self.network)
        position = self.position = await self._job(self.derivation.open, block)
        self._moved(position)
        return position

    # Going forward.

    async def _advance(self, position: Position, target: L1Block) -> None:
        """Derive what the L1 blocks after a position up to another hold."""
        behind = target.number - position.mark.block.number
        self.progress.begin(position.mark.block.number, target.number, position.safe.number)
        quiet: list[Position] = []
        deposits: list[tuple[int, Deposit]] = []

        async def write() -> None:
            if quiet:
                await self._job(self.derivation.positions.append, list(quiet), list(deposits))
                self._moved(quiet[-1])
                quiet.clear()
                deposits.clear()

        async with self.ahead.steps(position.mark, target) as steps:
            async for step in steps:
                if step.batches:
                    await write()
                    position = await self._derive(position, step)
                    self._moved(position)
                else:
                    deposits += _placed(step, position)
                    position = replace(position, mark=step.mark)
                    quiet.append(position)
                    if len(quiet) >= WRITE_TOGETHER:
                        await write()
                self.progress.at(step.block.number, position.safe.number)
            await write()
        if behind > 1:
            log.debug("L1 block %d, block %d is safe", target.number, position.safe.number)

    async def _derive(self, position: Position, step: Step) -> Position:
        """Derive the batches of one L1 block."""
        before, read = position, []
        for batch, fetch in zip(step.batches, step.blobs, strict=True):
            blobs = await fetch
            async with self.host.paused():
                head = self.core.head()
                try:
                    result, position, mismatch = await self._job(
                        self.derivation.derive, position, batch, blobs, head.number
                    )
                except BaseException:
                    # It may have stopped half-way: whoever serves the chain hears of what it is now.
                    self._tell(head, await self._job(self.derivation.half_way, position, batch, head))
                    raise
                self._tell(head, mismatch)
            outcome, blocks = result["outcome"]["name"], result["blocks"]
            first = before.safe.number + 1 if not blocks else blocks[0]["number"]
            read.append(
                ReadBatch(batch.header.index, step.block.number, outcome, first, position.safe.number)
            )
            self.metrics.batches.labels(outcome).inc()
            self.progress.read(sum(map(len, blobs)), len(blocks))
            log.info(
                "batch %d: %s",
                batch.header.index,
                result["outcome"]["text"],
                extra={"l1": step.block.number, "blocks": len(blocks), "safe": position.safe.number},
            )
        position = replace(position, mark=step.mark)
        await self._job(self.derivation.positions.append, [position], _placed(step, before), read)
        return position

    def _tell(self, before: Sealed, mismatch: Mismatch | None) -> None:
        """Tell whoever serves the chain what became of it (DRV-065)."""
        head = self.core.head()
        if mismatch is not None:
            self.mismatch = mismatch
            self.metrics.mismatches.inc()
            self.metrics.replaced.inc(mismatch.last_block - mismatch.first_block + 1)
            log.error(
                "blocks %d to %d were not what L1 says (block %d there): L1 wins",
                mismatch.first_block,
                mismatch.last_block,
                mismatch.l1_number,
            )
            self.host.rewound(mismatch.first_block - 1)
        if head.hash != before.hash:
            for listener in self.overtaken:
                listener()
            self.host.advanced(head)

    # Going back.

    async def _roll_back(self) -> None:
        """Return to the last L1 block that L1 still has (DRV-063)."""
        positions = self.derivation.positions
        heads = self.l1_heads = await self.reader.heads()
        low = (await self._job(positions.first)).mark.block.number
        newest = (await self._job(positions.last)).mark.block.number
        high = min(newest, heads.latest.number)
        if high < low:
            raise L1UnavailableError("not_found", f"L1 is at block {heads.latest.number}, below {low}")
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if await self._still(middle) else (low, middle - 1)
        ancestor = await self._job(positions.at, low)
        _, finalized = self.core.l1_heads()
        if ancestor is None or not await self._still(low) or ancestor.safe.number < finalized:
            raise L1UnavailableError(
                "bad_answer", f"L1 has other blocks from {low} on, but block {finalized} is final here"
            )
        depth = newest - low
        async with self.host.paused():
            await self._job(self.derivation.go_back, ancestor)
        self.metrics.reorgs.inc()
        log.warning("went back %d L1 blocks to %d: block %d is safe", depth, low, ancestor.safe.number)
        self._moved(ancestor)

    async def _still(self, number: int) -> bool:
        """Tell whether L1 has the block that was read under a number, with what was read of it."""
        known = await self._job(self.derivation.positions.at, number)
        if known is None or (await self.reader.block(number)).hash != known.mark.block.hash:
            return False
        return await still_holds(self.reader, self.contracts, known.mark)

    async def _drop_orphans(self) -> None:
        """Give up blocks above the safe head that refer to L1 blocks which are gone (DRV-064)."""
        position = self.position
        if position is None or self.core.head().number <= position.safe.number:
            return
        async with self.host.paused():
            newest = self.core.head()
            sound = await self._job(self.derivation.newest_sound, position)
            if sound == newest.number:
                return
            head = await self._job(self.core.unwind, sound)
            self.metrics.replaced.inc(newest.number - sound)
            log.warning("blocks %d to %d refer to L1 blocks that are gone", sound + 1, newest.number)
            self.host.rewound(head.number)

    # Heads.

    async def _finalize(self, heads: Heads) -> None:
        """Move the safe and the finalized head (DRV-062)."""
        position = self.position
        if position is None:
            return
        number = min(heads.finalized.number, position.mark.block.number)
        final = await self._job(self.derivation.settle, position, number, heads.finalized)
        if final is not None:
            self.final = final
        self.metrics.finalized.set(self.core.l1_heads()[1])

    def _moved(self, position: Position) -> None:
        self.position = position
        self.metrics.position.set(position.mark.block.number)
        self.metrics.safe.set(position.safe.number)
        for listener in self.listeners:
            listener(position)

    async def _job(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what reads or writes the store on the thread, to its end even if nobody waits any more.

        Raises:
            PositionsError: `not_open`: derivation has ended.
        """
        loop = asyncio.get_running_loop()
        try:
            job = loop.run_in_executor(self._thread, lambda: guarded(act, *args, **kwargs))
        except RuntimeError as ended:
            raise PositionsError("not_open", "derivation has ended") from ended
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait({job})
            raise


def _placed(step: Step, before: Position) -> list[tuple[int, Deposit]]:
    """Return a step's deposits with their places in the queue."""
    return list(enumerate(step.deposits, before.mark.deposit_count))
