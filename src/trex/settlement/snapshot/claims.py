"""Claims on L1 as a snapshot needs them, and where derivation goes on after one (SNP-011, SNP-021)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.deposits import Deposit
from trex.settlement.inbox import BATCH_APPENDED, BatchHeader, chain, read_batches
from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.settlement.l1.reader import Heads, L1Reader, Log, read_log
from trex.settlement.positions import Place, Position
from trex.settlement.snapshot.archive import SnapshotError
from trex.settlement.watch import Mark, deposits_at, inbox_at, read_queue, settlement_of
from trex.types.network import Network
from trex.types.primitives import Address, Hash32

SPAN_BLOCKS = 10_000
"""L1 blocks that endpoints are asked to look through at once; where that is too many, half as many."""
LOST = 1
"""Status of a claim that was rejected (IDisputeGame, CHALLENGER_WINS)."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that was not rejected."""

    id: int
    output_root: Hash32
    block_number: int
    batch_count: int
    accumulator: Hash32
    valid: bool
    """Whether withdrawals may rest on it (PTL-063)."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where derivation goes on after a snapshot."""

    position: Position
    headers: tuple[L1Block, ...]
    """L1 blocks before the position's that batches to come may refer to."""
    deposits: tuple[Deposit, ...]
    """Deposits up to the position that are not due yet."""


class Claims:
    """A network's claims."""

    def __init__(
        self, reader: L1Reader, network: Network, progress: Callable[[int, int], object] = lambda *_: None
    ) -> None:
        """Name L1 and the network.

        Args:
            reader: L1.
            network: what the claims are of.
            progress: called while L1 is looked through: blocks done, and how many there are.

        Raises:
            ValueError: the network file does not say where claims are.
        """
        settlement, self.contracts = settlement_of(network)
        self.reader = reader
        self.origin = network.genesis.l1_origin.number
        self.progress = progress
        try:
            self.claims: Address = settlement.contracts["outputClaims"]
            self.registry: Address = settlement.contracts["anchorStateRegistry"]
        except KeyError as missing:
            raise ValueError(f"the network file names no contract {missing} in l1.contracts") from None

    async def newest(self, heads: Heads, most: int = 1000) -> list[Claimed]:
        """Return claims that were not rejected, newest first, so many at most."""
        kind = contract("MaturingClaims")
        (count,) = kind.result("claimCount", await self._ask(kind.call("claimCount"), heads.latest))
        found = []
        for number in range(count - 1, max(count - 1 - most, -1), -1):
            if (claim := await self._claim(number, heads.latest)) is not None:
                found.append(claim)
        return found

    async def of(self, number: int, output_root: Hash32, heads: Heads, *, unresolved: bool) -> Claimed:
        """Return the claim of an output.

        Args:
            number: L2 block.
            output_root: of the block.
            heads: of L1.
            unresolved: take one that may still be rejected.

        Raises:
            SnapshotError: L1 has none that counts; the message says what it has.
        """
        claims = [claim for claim in await self.newest(heads) if claim.block_number == number]
        same = [claim for claim in claims if claim.output_root == output_root]
        if not same:
            has = f"another output of it, 0x{claims[0].output_root.hex()}" if claims else "no claim of it"
            raise SnapshotError(f"block {number}, output 0x{output_root.hex()}: L1 has {has}")
        for claim in same:
            if claim.valid or unresolved:
                return claim
        raise SnapshotError(
            f"block {number}: claim {same[0].id} may still be rejected; wait, or take it with --unresolved"
        )

    async def start(self, claim: Claimed, block_hash: Hash32, heads: Heads) -> Start:
        """Return where derivation goes on after a claim's block.

        Raises:
            SnapshotError: the claim's batches are not final on L1, or end within an L1 block.
            L1UnavailableError: L1 does not tell, or contradicts itself.
        """
        header, at = await self._last_batch(claim, heads)
        if at.number > heads.finalized.number:
            raise SnapshotError(f"claim {claim.id}: its last batch is in L1 block {at.number}, not final yet")
        batches = await inbox_at(self.reader, self.contracts.inbox, at)
        if batches != (claim.batch_count, claim.accumulator):
            raise SnapshotError(f"claim {claim.id} ends between the batches of L1 block {at.number}")
        origin = await self.reader.block(header.origin_hash)
        blocks = await self.reader.chain_between(origin, at)
        queue = await deposits_at(self.reader, self.contracts.portal, at)
        due = header.deposit_count, header.deposit_accumulator
        deposits = await read_queue(self.reader, self.contracts.portal, blocks, due, queue)
        position = Position(
            mark=Mark(at, claim.batch_count, claim.accumulator, *queue),
            safe=Place(claim.block_number, block_hash),
            origin=origin.number,
            queue_count=header.deposit_count,
            queue_accumulator=header.deposit_accumulator,
        )
        return Start(position, (origin, *blocks[:-1]), tuple(deposits))

    async def _last_batch(self, claim: Claimed, heads: Heads) -> tuple[BatchHeader, L1Block]:
        """Return a claim's last batch header and the L1 block that has it."""
        kind, index = contract("Inbox"), claim.batch_count - 1
        before = Hash32(bytes(32))
        if index:
            call = kind.call("accumulatorAt", index)
            answer = await self.reader.call(self.contracts.inbox, call, heads.latest)
            before = Hash32(kind.result("accumulatorAt", answer)[0])
        log = await self._appended(index, claim.accumulator, heads.latest.number)
        [batch] = read_batches([log], index, before)
        if chain(before, batch.header.encoded) != claim.accumulator:
            raise L1UnavailableError("bad_answer", f"batch {index} is not the claim's")
        block = await self.reader.block(log.block_number)
        if block.hash != log.block_hash:
            raise L1UnavailableError("bad_answer", f"batch {index} is in an L1 block that is gone")
        return batch.header, block

    async def _appended(self, index: int, accumulator: Hash32, newest: int) -> Log:
        """Return the event of a batch, looked for from the newest L1 block down to the network's first."""
        topics = ["0x" + BATCH_APPENDED.hex(), f"0x{index:064x}", "0x" + accumulator.hex()]
        query = {"address": "0x" + self.contracts.inbox.hex(), "topics": topics}
        last, span = newest, SPAN_BLOCKS
        while last >= self.origin:
            first = max(self.origin, last + 1 - span)
            bounds = {"fromBlock": hex(first), "toBlock": hex(last)}

            async def ask(endpoint: Endpoint, bounds: dict[str, str] = bounds) -> Log | None:
                found = await endpoint.call("eth_getLogs", {**query, **bounds})
                if not isinstance(found, list) or len(found) > 1:
                    raise L1UnavailableError("bad_answer", f"{endpoint.name}: no event of batch {index}")
                return read_log(found[0]) if found else None

            try:
                log = await self.reader.retries.run(partial(self.reader.agreed, ask))
            except L1RefusedError:  # more blocks than the endpoints look through at once
                if first == last:
                    raise
                span = max(1, (last + 1 - first) // 2)
                continue
            if log is not None:
                return log
            self.progress(newest + 1 - first, newest + 1 - self.origin)
            last = first - 1
        raise L1UnavailableError("not_found", f"L1 has no event of batch {index} from block {self.origin} on")

    async def _claim(self, number: int, at: L1Block) -> Claimed | None:
        kind, registry = contract("MaturingClaims"), contract("AnchorStateRegistry")
        (status,) = kind.result("status", await self._ask(kind.call("status", number), at))
        if status == LOST:
            return None
        (claim,) = kind.result("claimAt", await self._ask(kind.call("claimAt", number), at))
        output, accumulator, block, batches, _, _, _, game = claim
        answer = await self.reader.call(self.registry, registry.call("isGameClaimValid", game), at)
        (valid,) = registry.result("isGameClaimValid", answer)
        return Claimed(number, Hash32(output), block, batches, Hash32(accumulator), valid)

    async def _ask(self, call: bytes, at: L1Block) -> bytes:
        return await self.reader.call(self.claims, call, at)
