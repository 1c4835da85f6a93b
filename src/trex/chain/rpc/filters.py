"""eth_newFilter and its kin: changes kept for those who ask again."""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from trex.chain.core import Core
from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.messages import INVALID_PARAMS, SERVER_ERROR, over_limit
from trex.chain.rpc.subscriptions import RECENT_BYTES, check_room, log_criteria
from trex.chain.service import Service
from trex.chain.workers import Workers
from trex.types.errors import RpcError

if TYPE_CHECKING:
    from trex.chain.rpc.dispatch import Session

log = logging.getLogger(__name__)

SWEEP_S = 5.0
CHANGES_MAX = 10_000
"""Hashes in one answer; the next one goes on behind them."""
BLOCK_KEYS = ("fromBlock", "toBlock", "blockHash")
"""What of a filter object says which blocks."""


class FilterKind(StrEnum):
    """What a filter collects."""

    LOGS = "logs"
    BLOCKS = "blocks"
    PENDING = "pending"


@dataclass(slots=True, eq=False)
class Filter:
    """One filter: where its reader stands, and what it may have to take back."""

    kind: FilterKind
    cursor: int
    """Last block told, or the mempool's cursor."""
    used: float
    criteria: bytes = b""
    """Of logs: which, as `log_criteria` writes them."""
    blocks: dict[str, Any] = field(default_factory=dict)
    """Of logs: which blocks eth_getFilterLogs looks through."""
    told: deque[int] = field(default_factory=deque)
    """Of logs: keys of the answers that are remembered, oldest first."""
    gone: list[bytes] = field(default_factory=list)
    """Logs that were told and whose blocks went since: told next, as `removed`."""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while its changes are read: no log is told twice."""


class Told:
    """Logs that filters have told, the newest of them, to be taken back when their blocks go."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.bytes = 0
        """Of what is remembered, and of what is taken back and not told yet."""
        self._answers: dict[int, tuple[int, bytes]] = {}
        """By a key that grows: the last block that an answer went through, and the answer."""
        self._next = 0

    def remember(self, one: Filter, last: int, answer: bytes) -> None:
        """Keep an answer as far as there is room; older ones go for it."""
        while one.told and one.told[0] not in self._answers:
            one.told.popleft()
        self._answers[self._next] = (last, answer)
        one.told.append(self._next)
        self._next += 1
        self.bytes += len(answer)
        while self.bytes > RECENT_BYTES and self._answers:
            self.bytes -= len(self._answers.pop(next(iter(self._answers)))[1])

    def take_back(self, one: Filter, number: int) -> None:
        """Move what a filter told of blocks above this one to what it tells next, newest first."""
        while one.told:
            last, answer = self._answers.get(one.told[-1], (0, b""))
            if last <= number:  # or there was no more room for it
                return
            del self._answers[one.told.pop()]
            self.bytes -= len(answer)
            logs = orjson.loads(answer)
            kept = [log for log in logs if int(log["blockNumber"], 16) <= number]
            gone = [orjson.dumps({**log, "removed": True}) for log in reversed(logs[len(kept) :])]
            one.gone += gone
            self.bytes += sum(map(len, gone))
            if kept:
                self.remember(one, number, orjson.dumps(kept))
                return

    def tell(self, one: Filter) -> list[bytes]:
        """Give out what a filter takes back."""
        gone, one.gone = one.gone, []
        self.bytes -= sum(map(len, gone))
        return gone

    def forget(self, one: Filter) -> None:
        """Forget all about a filter."""
        self.tell(one)
        for key in one.told:
            self.bytes -= len(self._answers.pop(key, (0, b""))[1])


class Filters(Service):
    """Every filter of every client, with a limit on their number; idle ones are forgotten."""

    name = "filters"

    def __init__(
        self,
        core: Core,
        workers: Workers,
        limits: ServerLimits,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it for one chain."""
        super().__init__()
        self.core = core
        self.workers = workers
        self.limits = limits
        self.metrics = metrics
        self._monotonic = monotonic
        self._filters: dict[str, Filter] = {}
        self._criteria_bytes = 0
        self._told = Told()
        self._turn = 0
        """Counts how often the chain went back."""

    async def work(self) -> None:
        """Forget idle filters now and then."""
        while await self.pause(SWEEP_S):
            self.sweep()

    def sweep(self) -> None:
        """Forget those that nobody has asked for in `filter_idle_s`."""
        oldest = self._monotonic() - self.limits.filter_idle_s
        for key in [key for key, one in self._filters.items() if one.used < oldest]:
            self._forget(key)
        self.metrics.filters.set(len(self._filters))

    def _forget(self, key: str) -> bool:
        """Drop a filter; tell whether there was one."""
        one = self._filters.pop(key, None)
        if one is not None:
            self._told.forget(one)
            self._criteria_bytes -= len(one.criteria)
        return one is not None

    def rewound(self, number: int) -> None:
        """Take note that the blocks above this number are gone: those in their place are new.

        Logs told of them are taken back by the next answer, before new ones.
        """
        self._turn += 1
        for one in self._filters.values():
            if one.kind is not FilterKind.PENDING:
                one.cursor = min(one.cursor, number)
                self._told.take_back(one, number)

    def _add(
        self, kind: FilterKind, cursor: int, criteria: bytes = b"", blocks: dict[str, Any] | None = None
    ) -> bytes:
        limits = self.limits
        if (
            len(self._filters) >= limits.filters
            or self._criteria_bytes + len(criteria) > limits.criteria_bytes
        ):
            self.sweep()
        if len(self._filters) >= limits.filters:
            raise over_limit("too many filters", "filters", limits.filters)
        check_room(self._criteria_bytes, criteria, limits)
        key = "0x" + secrets.token_hex(16)
        self._filters[key] = Filter(kind, cursor, self._monotonic(), criteria, blocks or {})
        self._criteria_bytes += len(criteria)
        self.metrics.filters.set(len(self._filters))
        return b'"%b"' % key.encode()

    def _get(self, params: list[Any]) -> Filter:
        if not params or type(params[0]) is not str:
            raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
        one = self._filters.get(params[0])
        now = self._monotonic()
        if one is None or one.used < now - self.limits.filter_idle_s:
            raise RpcError(SERVER_ERROR, "filter not found")
        one.used = now
        return one

    async def new_logs(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_newFilter."""
        asked = params[0] if params and params[0] is not None else {}
        criteria = log_criteria(asked, self.limits.criteria_items)
        head = self.core.head().number
        blocks = {key: asked[key] for key in BLOCK_KEYS if asked.get(key) is not None}
        wanted = orjson.dumps(orjson.loads(criteria) | blocks)
        await self.workers.quick(self.core.match_logs, head, [wanted])  # refuses what is malformed
        first, last = (self._number(blocks.get(key), -1) for key in ("fromBlock", "toBlock"))
        if first > last >= 0:
            raise RpcError(INVALID_PARAMS, "invalid block range params")
        return self._add(FilterKind.LOGS, head, criteria, blocks)

    async def new_blocks(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_newBlockFilter."""
        return self._add(FilterKind.BLOCKS, self.core.head().number)

    async def new_pending(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_newPendingTransactionFilter."""
        return self._add(FilterKind.PENDING, self.core.pending_since(None, False, 0)[0])

    async def uninstall(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_uninstallFilter."""
        if not params or type(params[0]) is not str:
            raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
        found = self._forget(params[0])
        self.metrics.filters.set(len(self._filters))
        return b"true" if found else b"false"

    async def changes(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_getFilterChanges."""
        one = self._get(params)
        async with one.busy:
            while True:
                turn = self._turn
                answer, cursor = await self.workers.heavy(self._changes, one)
                if turn == self._turn:  # else what was read may be of blocks that went meanwhile
                    break
            one.cursor = cursor
            if one.kind is not FilterKind.LOGS:
                return answer
            gone = self._told.tell(one)
            if answer != b"[]":
                if self._filters.get(params[0]) is one:  # nobody uninstalled it meanwhile
                    self._told.remember(one, cursor, answer)
                gone.append(answer[1:-1])
            return b"[%b]" % b",".join(gone)

    async def logs(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_getFilterLogs."""
        one = self._get(params)
        if one.kind is not FilterKind.LOGS:
            raise RpcError(SERVER_ERROR, "filter not found")
        asked = orjson.dumps([orjson.loads(one.criteria) | one.blocks])
        return await self.workers.heavy(self.core.rpc, "eth_getLogs", asked)

    def _changes(self, one: Filter) -> tuple[bytes, int]:
        """Read what is new for a filter; return that and its next cursor (on a thread)."""
        if one.kind is FilterKind.PENDING:
            cursor, hashes = self.core.pending_since(one.cursor, False, CHANGES_MAX)
            return b"[%b]" % b",".join(hashes), cursor
        head = self.core.head().number
        if one.kind is FilterKind.BLOCKS:
            last = min(head, one.cursor + CHANGES_MAX)
            numbers = range(one.cursor + 1, last + 1)
            told = b",".join(b'"%b"' % self._hash(number).encode() for number in numbers)
            return b"[%b]" % told, max(one.cursor, last)
        first = max(one.cursor + 1, self._number(one.blocks.get("fromBlock"), 0))
        last = min(head, self._number(one.blocks.get("toBlock"), head))
        if first > last:
            return b"[]", one.cursor
        return self._new_logs(orjson.loads(one.criteria), first, last)

    def _new_logs(self, criteria: dict[str, Any], first: int, last: int) -> tuple[bytes, int]:
        """Return logs of as many blocks, from `first` on, as fit the limits, and the last of these."""
        while True:
            asked = {**criteria, "fromBlock": hex(first), "toBlock": hex(last)}
            try:
                return self.core.rpc("eth_getLogs", orjson.dumps([asked])), last
            except RpcError:
                if first == last:
                    raise
                last = (first + last) // 2

    def _hash(self, number: int) -> str:
        header = orjson.loads(self.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])))
        return str(header["hash"])

    @staticmethod
    def _number(value: Any, otherwise: int) -> int:
        """Return a block number given as hex; a tag or nothing leaves the filter open."""
        if value is None or value in ("latest", "pending", "safe", "finalized"):
            return otherwise
        if value == "earliest":
            return 0
        if type(value) is not str or not value.startswith("0x"):
            raise RpcError(INVALID_PARAMS, "invalid argument 0: expected a block number as hex or a tag")
        try:
            return int(value, 16)
        except ValueError:
            raise RpcError(
                INVALID_PARAMS, "invalid argument 0: expected a block number as hex or a tag"
            ) from None
