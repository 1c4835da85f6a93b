"""Where blobs come from: beacon nodes and archives. Each blob is checked before anyone sees it."""

import asyncio
import logging
import math
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiohttp
import orjson

from trex.chain.batches import blobs_are_committed
from trex.rpc.endpoints import Retries
from trex.settlement.kzg import BLOB_BYTES, name_of, versioned_hash
from trex.settlement.l1.errors import L1Error, L1UnavailableError
from trex.settlement.l1.header import L1Block
from trex.types.primitives import Hash32

log = logging.getLogger(__name__)

SECONDS_PER_SLOT = 12
GATHER_S = 0.02
"""How long the first of some checks waits for others."""
SLOW_S = 3.0
"""After so long a source is not waited for alone, unless it took longer before and was the first even so."""
COMMITMENTS_S = 2.0
"""Longest wait for what only saves time."""
NO_COMMITMENTS_S = 600.0
"""After so long a node that did not name commitments in time is asked for them again."""
STRAY_BLOBS = 32
"""Blobs of an answer that may be others than those asked for: a node may give all of the block."""
LARGE_BYTES = 1 << 20
"""An answer above it is read on a thread."""
MAX_BLOBS_OF_BLOCK = 256
"""More than any fork lets into a block: bounds what a source may send."""


class Committed(NamedTuple):
    """A blob and what is said to be its commitment."""

    blob: bytes
    commitment: bytes


class BlobSource(Protocol):
    """A place that may have blobs; it may lie."""

    async def fetch(self, block: L1Block, names: Sequence[Hash32]) -> Sequence[bytes | Committed]:
        """Return what it has of a block's blobs, in any order; errors are `L1UnavailableError`.

        Where it has commitments too, many blobs are checked in the time of one.
        """
        ...


class BeaconBlobs:
    """The beacon API: `blobs` and, where a node has only that, the older `blob_sidecars`."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        timeout_s: float = 20.0,
        slot_is_block: bool = False,
    ) -> None:
        """Name a beacon node; nothing is sent yet.

        Args:
            url: its root; an archive that speaks the same API will do.
            session: shared; closing it is the caller's.
            timeout_s: for one request.
            slot_is_block: slots are execution block numbers, as with anvil.
        """
        self.url = url.rstrip("/")
        self.session = session
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)
        self.slot_is_block = slot_is_block
        self._clock: tuple[int, int] | None = None
        self._names_from_s = 0.0
        """Loop time from which on commitments are asked for; infinite where the node has no blocks."""
        self._between = "&versioned_hashes="
        """What stands between two names of a query: by the API each is a parameter of its own."""

    async def fetch(self, block: L1Block, names: Sequence[Hash32]) -> list[bytes | Committed]:
        """Return what the node has of a block's blobs."""
        slot = block.number if self.slot_is_block else await self._slot_at(block.timestamp)
        answer = await self._blobs(slot, names)
        if answer is None:
            answer = await self._get(f"/eth/v1/beacon/blob_sidecars/{slot}")
        if answer is None:
            self._clock = None  # asked again: it may be what was wrong
            raise L1UnavailableError("not_found", f"{self.url}: no blobs of slot {slot}")
        if not isinstance(answer, list):
            raise L1UnavailableError("bad_answer", f"{self.url}: no list of blobs of slot {slot}")
        found = [_blob(item) for item in answer[:MAX_BLOBS_OF_BLOCK] if _may_be(item, names)]
        plain = [one for one in found if isinstance(one, bytes)]
        if plain and len(plain) == len(found):
            # By the API they stand in the order of the block's commitments.
            commitments = [one for one in await self._commitments(slot) if versioned_hash(one) in names]
            if len(commitments) == len(plain):
                return list(map(Committed, plain, commitments))
        return found

    async def _blobs(self, slot: int, names: Sequence[Hash32]) -> Any:
        """Ask for blobs by name; some nodes (anvil) hear one of repeated parameters only, and want a list."""
        hashes = [f"0x{name.hex()}" for name in dict.fromkeys(names)]

        async def ask(between: str) -> Any:
            return await self._get(f"/eth/v1/beacon/blobs/{slot}?versioned_hashes={between.join(hashes)}")

        answer = await ask(self._between)
        if not isinstance(answer, list) or len(answer) >= len(hashes) or self._between == ",":
            return answer
        listed = await ask(",")
        if isinstance(listed, list) and len(listed) > len(answer):
            self._between = ","
            return listed
        return answer

    async def _commitments(self, slot: int) -> list[bytes]:
        """Return the commitments that a beacon block names; none where the node does not say."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._names_from_s:
            return []
        try:
            answer = await self._get(f"/eth/v1/beacon/blinded_blocks/{slot}", COMMITMENTS_S)
            self._names_from_s = math.inf if answer is None else 0.0
            listed = answer["message"]["body"]["blob_kzg_commitments"] if answer is not None else []
            return [bytes.fromhex(one[2:]) for one in listed[:MAX_BLOBS_OF_BLOCK]]
        except L1Error:
            self._names_from_s = loop.time() + NO_COMMITMENTS_S
        except (KeyError, TypeError, ValueError):
            pass
        return []  # each blob is committed to, then

    async def _slot_at(self, timestamp: int) -> int:
        if self._clock is None:
            genesis = await self._get("/eth/v1/beacon/genesis")
            spec = await self._get("/eth/v1/config/spec")
            try:
                seconds = int(spec["SECONDS_PER_SLOT"]) if isinstance(spec, dict) else SECONDS_PER_SLOT
                if seconds < 1:
                    raise ValueError(f"slots of {seconds} s")
                self._clock = int(genesis["genesis_time"]), seconds
            except (KeyError, TypeError, ValueError) as error:
                raise L1UnavailableError("bad_answer", f"{self.url}: no genesis time") from error
        genesis_s, slot_s = self._clock
        return (timestamp - genesis_s) // slot_s

    async def _get(self, path: str, most_s: float | None = None) -> Any:
        """Return the `data` of an answer; None where the node has nothing under this path."""
        timeout = self.timeout if most_s is None else aiohttp.ClientTimeout(total=most_s)
        try:
            async with self.session.get(
                self.url + path, headers={"accept": "application/json"}, timeout=timeout
            ) as response:
                if response.status in {400, 404, 405, 410}:
                    return None
                if response.status != 200:
                    raise L1UnavailableError("overloaded", f"{self.url}: HTTP {response.status}")
                limit = MAX_BLOBS_OF_BLOCK * (2 * BLOB_BYTES + 4096)
                body = await response.content.read(limit)
                while len(body) < limit and (more := await response.content.read(limit - len(body))):
                    body += more
                if len(body) > LARGE_BYTES:
                    return (await asyncio.to_thread(orjson.loads, body))["data"]
                return orjson.loads(body)["data"] if body else None
        except TimeoutError as error:
            raise L1UnavailableError("timeout", f"{self.url}: no answer in {timeout.total} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise L1UnavailableError("unreachable", f"{self.url}: {error}") from error
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise L1UnavailableError("bad_answer", f"{self.url}: no answer of the beacon API") from error


class FolderBlobs:
    """Blobs kept as files named by their versioned hash: what outlives Ethereum's 18 days."""

    def __init__(self, path: Path) -> None:
        """Name a folder; it is made when something is kept."""
        self.path = path

    async def fetch(self, block: L1Block, names: Sequence[Hash32]) -> list[bytes]:
        """Return what the folder has of these."""
        return await asyncio.to_thread(lambda: list(self._read(names)))

    def keep(self, blobs: dict[Hash32, bytes]) -> None:
        """Write blobs, each whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name, blob in blobs.items():
            target = self._file(name)
            if not target.exists():
                partial = target.with_suffix(".part")
                partial.write_bytes(blob)
                partial.replace(target)

    def _read(self, names: Iterable[Hash32]) -> Iterable[bytes]:
        for name in names:
            if self._file(name).exists():
                yield self._file(name).read_bytes()

    def _file(self, name: Hash32) -> Path:
        return self.path / f"{name.hex()}.blob"


Question = tuple[Sequence[bytes], Sequence[bytes], "asyncio.Future[bool]"]
"""Blobs, their commitments, and where the answer goes."""


class Together:
    """Checks of blobs against commitments; those that come at about the same time are made in one (DRV-068).

    One check takes as long as another, however many blobs are in it.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        """Name where checks are computed; None is asyncio's own."""
        self.executor = executor
        self._waiting: list[Question] = []
        self._checking: asyncio.Task[None] | None = None

    async def are_committed(self, blobs: Sequence[bytes], commitments: Sequence[bytes]) -> bool:
        """Tell whether each of these is the blob of its commitment."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((blobs, commitments, answer))
        if self._checking is None:
            self._checking = asyncio.create_task(self._check(), name="blobs-checking")
        return await answer

    async def _check(self) -> None:
        try:
            await asyncio.sleep(GATHER_S)
            while some := self._waiting:
                self._waiting = []
                try:
                    if not await self._told(some) and len(some) > 1:
                        for one in some:  # whose they are that are not
                            await self._told([one])
                except Exception as error:
                    for _, _, answer in some:
                        if not answer.done():
                            answer.set_exception(error)
        finally:
            self._checking = None

    async def _told(self, some: Sequence[Question]) -> bool:
        """Check some in one; tell those who asked, if all are right or there is one only."""
        blobs = [blob for blobs, _, _ in some for blob in blobs]
        commitments = [commitment for _, commitments, _ in some for commitment in commitments]
        loop = asyncio.get_running_loop()
        right = bool(await loop.run_in_executor(self.executor, blobs_are_committed, blobs, commitments))
        if right or len(some) == 1:
            for _, _, answer in some:
                if not answer.done():  # who asked may have gone
                    answer.set_result(right)
        return right


class Blobs:
    """Blobs by versioned hash from several sources, each checked by its commitment."""

    def __init__(
        self,
        sources: Sequence[BlobSource],
        *,
        retries: Retries | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Name the sources, best first.

        Args:
            sources: asked in order for what is still missing, slow ones after the others, the quickest first;
                beside one that is slower than it was, the next.
            retries: for the whole of a block's blobs.
            executor: where commitments are computed; None is asyncio's own.
        """
        self.sources = list(sources)
        self.retries = retries or Retries()
        self.executor = executor
        self.together = Together(executor)
        self.slow_s = SLOW_S
        self.refused = 0
        """Blobs that were not what their name says, for metrics."""
        self._took_s: dict[int, float] = {}
        """How long a source's last answer took; infinitely long where another overtook it."""

    async def fetch(self, block: L1Block, names: Sequence[Hash32]) -> list[bytes]:
        """Return a block's blobs of these names, in this order.

        Raises:
            L1UnavailableError: `not_found`: no source has them all.
        """
        found: dict[Hash32, bytes] = {}

        def missing() -> list[Hash32]:
            return [name for name in dict.fromkeys(names) if name not in found]

        async def once() -> None:
            failure: L1Error | None = None
            left = sorted(range(len(self.sources)), key=lambda index: (self._late_s(index), index))
            asked: dict[asyncio.Future[Sequence[bytes | Committed]], int] = {}
            wait_s: float | None = None
            started, time_s = dict[int, float](), asyncio.get_running_loop().time
            try:
                while (left or asked) and (wanted := missing()):
                    if left:
                        index = left.pop(0)
                        started[index] = time_s()
                        asked[asyncio.ensure_future(self.sources[index].fetch(block, wanted))] = index
                        wait_s = self._wait_s(index) if left else None
                    done, _ = await asyncio.wait(asked, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        index = asked.pop(task)
                        try:
                            blobs = task.result()
                        except L1Error as error:
                            failure = error
                        except Exception as error:
                            failure = _unreadable(error)
                        else:
                            self._took_s[index] = time_s() - started[index]
                            await self._sort_in(blobs, missing(), found)
            finally:
                for index in asked.values():
                    if time_s() - started[index] > self.slow_s:
                        self._took_s[index] = math.inf
                for task in asked:
                    task.cancel()
                await asyncio.gather(*asked, return_exceptions=True)
            if missing():
                raise failure or L1UnavailableError(
                    "not_found", f"no source has every blob of block {block.number}"
                )

        await self.retries.run(once)
        return [found[name] for name in names]

    def _late_s(self, index: int) -> float:
        """Return how long a slow source takes; nothing for others, whose order is the user's."""
        took_s = self._took_s.get(index, 0.0)
        return took_s if took_s > self.slow_s else 0.0

    def _wait_s(self, index: int) -> float:
        """Return how long to wait for a source before the next is asked for the same."""
        late_s = self._late_s(index)
        return self.slow_s if math.isinf(late_s) else max(self.slow_s, 2 * late_s)

    async def _sort_in(
        self, blobs: Sequence[bytes | Committed], missing: Sequence[Hash32], found: dict[Hash32, bytes]
    ) -> None:
        """Put the blobs whose commitment is among the missing where they belong.

        Where a source names commitments of these very hashes, one computation tells whether the blobs are
        theirs (DRV-068). Else a commitment tells, in whatever order they came, computed once for each blob.
        """
        loop = asyncio.get_running_loop()
        wanted = set(missing)
        claims = {versioned_hash(one.commitment): one for one in blobs if isinstance(one, Committed)}
        named = {name: claims[name] for name in missing if name in claims}
        if named:
            together, commitments = zip(*named.values(), strict=True)
            if await self.together.are_committed(together, commitments):
                found.update((name, one.blob) for name, one in named.items())
                wanted -= named.keys()
        stray = 0
        for blob in dict.fromkeys(one.blob if isinstance(one, Committed) else one for one in blobs):
            if not wanted or stray > STRAY_BLOBS:
                return
            name = await loop.run_in_executor(self.executor, name_of, blob)
            if name is not None and name in wanted:
                found[name] = blob
                wanted.discard(name)
            else:
                self.refused += 1
                stray += 1


def _unreadable(error: Exception) -> L1UnavailableError:
    what = f"a source's answer cannot be read: {type(error).__name__}: {str(error)[:200]}"
    log.warning("%s", what, exc_info=error if log.isEnabledFor(logging.DEBUG) else None)
    return L1UnavailableError("bad_answer", what)


def _may_be(item: Any, names: Collection[Hash32]) -> bool:
    """Tell whether an item may be one of these blobs: a sidecar says whose it is."""
    commitment = item.get("kzg_commitment") if isinstance(item, dict) else None
    if commitment is None:
        return True
    try:
        return versioned_hash(bytes.fromhex(str(commitment)[2:])) in names
    except ValueError as error:
        raise L1UnavailableError("bad_answer", "a commitment is not hex") from error


def _blob(item: Any) -> bytes | Committed:
    """Read a blob from either form of the beacon API: sidecars name commitments."""
    text = item.get("blob") if isinstance(item, dict) else item
    if not isinstance(text, str) or len(text) != 2 + 2 * BLOB_BYTES:
        raise L1UnavailableError("bad_answer", "not a blob")
    try:
        blob = bytes.fromhex(text[2:])
    except ValueError as error:
        raise L1UnavailableError("bad_answer", "a blob is not hex") from error
    if isinstance(item, dict) and "kzg_commitment" in item:
        return Committed(blob, bytes.fromhex(str(item["kzg_commitment"])[2:]))  # read before, by _may_be
    return blob
