"""eth_newFilter and its kin: changes kept for those who ask again."""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from trex.chain.core import Core
from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.messages import INVALID_PARAMS, SERVER_ERROR, over_limit
from trex.chain.rpc.subscriptions import log_criteria
from trex.chain.service import Service
from trex.chain.workers import Workers
from trex.types.errors import RpcError

if TYPE_CHECKING:
    from trex.chain.rpc.dispatch import Session

log = logging.getLogger(__name__)

SWEEP_S = 5.0
CHANGES_MAX = 10_000
"""Hashes in one answer; the next one goes on behind them."""


class FilterKind(StrEnum):
    """What a filter collects."""

    LOGS = "logs"
    BLOCKS = "blocks"
    PENDING = "pending"


@dataclass(slots=True)
class Filter:
    """One filter: no results are kept, only where its reader stands."""

    kind: FilterKind
    cursor: int
    """Last block told, or the mempool's cursor."""
    used: float
    criteria: dict[str, Any]
    """Of logs: the whole filter object."""


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

    async def work(self) -> None:
        """Forget idle filters now and then."""
        while await self.pause(SWEEP_S):
            self.sweep()

    def sweep(self) -> None:
        """Forget those that nobody has asked for in `filter_idle_s`."""
        oldest = self._monotonic() - self.limits.filter_idle_s
        for key in [key for key, one in self._filters.items() if one.used < oldest]:
            del self._filters[key]
        self.metrics.filters.set(len(self._filters))

    def rewound(self, number: int) -> None:
        """Take note that the blocks above this number are gone: those in their place are new."""
        for one in self._filters.values():
            if one.kind is not FilterKind.PENDING:
                one.cursor = min(one.cursor, number)

    def _add(self, kind: FilterKind, cursor: int, criteria: dict[str, Any] | None = None) -> bytes:
        if len(self._filters) >= self.limits.filters:
            self.sweep()
            if len(self._filters) >= self.limits.filters:
                raise over_limit("too many filters", "filters", self.limits.filters)
        key = "0x" + secrets.token_hex(16)
        self._filters[key] = Filter(kind, cursor, self._monotonic(), criteria or {})
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
        criteria = params[0] if params and params[0] is not None else {}
        wanted = log_criteria(criteria)
        head = self.core.head().number
        await self.workers.quick(self.core.match_logs, head, [wanted])  # refuses what is malformed
        for key in ("fromBlock", "toBlock"):
            self._number(criteria.get(key), head)
        return self._add(FilterKind.LOGS, head, criteria)

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
        found = self._filters.pop(params[0], None) is not None
        self.metrics.filters.set(len(self._filters))
        return b"true" if found else b"false"

    async def changes(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_getFilterChanges."""
        one = self._get(params)
        return await self.workers.heavy(self._changes, one)

    async def logs(self, _: "Session", params: list[Any]) -> bytes:
        """Answer eth_getFilterLogs."""
        one = self._get(params)
        if one.kind is not FilterKind.LOGS:
            raise RpcError(SERVER_ERROR, "filter not found")
        return await self.workers.heavy(self.core.rpc, "eth_getLogs", orjson.dumps([one.criteria]))

    def _changes(self, one: Filter) -> bytes:
        """Read what is new for a filter and move its cursor (on a thread)."""
        if one.kind is FilterKind.PENDING:
            one.cursor, hashes = self.core.pending_since(one.cursor, False, CHANGES_MAX)
            return b"[%b]" % b",".join(hashes)
        head = self.core.head().number
        if one.kind is FilterKind.BLOCKS:
            last = min(head, one.cursor + CHANGES_MAX)
            numbers = range(one.cursor + 1, last + 1)
            one.cursor = max(one.cursor, last)
            return b"[%b]" % b",".join(b'"%b"' % self._hash(number).encode() for number in numbers)
        first = max(one.cursor + 1, self._number(one.criteria.get("fromBlock"), 0))
        last = min(head, self._number(one.criteria.get("toBlock"), head))
        if first > last:
            return b"[]"
        return self._new_logs(one, first, last)

    def _new_logs(self, one: Filter, first: int, last: int) -> bytes:
        """Return logs from `first` on: as many blocks up to `last` as fit the core's limits."""
        while True:
            criteria = {**one.criteria, "fromBlock": hex(first), "toBlock": hex(last)}
            try:
                found = self.core.rpc("eth_getLogs", orjson.dumps([criteria]))
            except RpcError:
                if first == last:
                    raise
                last = (first + last) // 2
            else:
                one.cursor = last
                return found

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
