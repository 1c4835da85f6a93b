"""eth_subscribe: who wants to hear of what, and telling them."""

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from trex.chain.core import Core, Sealed
from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.messages import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    notification,
    over_limit,
)
from trex.chain.rpc.transactions import Transactions
from trex.chain.service import Service
from trex.chain.workers import Workers
from trex.types.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from trex.chain.rpc.dispatch import Session
    from trex.chain.rpc.websocket import Connection

log = logging.getLogger(__name__)

PENDING_BATCH = 4096
RECENT_BYTES = 16 << 20
"""Logs that were told are kept up to this size, the newest, to be taken back when their blocks go."""
GATHER_S = 0.01
"""Pending transactions are told in groups this far apart."""
SYNCING_S = 1.0
"""How often it is looked whether the node has caught up or fallen behind, while somebody wants to know."""


class Kind(StrEnum):
    """What can be subscribed to, by its name in eth_subscribe."""

    HEADS = "newHeads"
    LOGS = "logs"
    PENDING = "newPendingTransactions"
    SYNCING = "syncing"


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription of one connection."""

    connection: "Connection"
    kind: Kind
    criteria: bytes = b""
    """Of logs: `{address?, topics?}` as JSON, the key by which equal ones are matched once."""
    full: bool = False
    """Of pending transactions: the whole transaction, not the hash."""
    id: str = field(default_factory=lambda: "0x" + secrets.token_hex(16))
    after: int = 0
    """The newest block when it began: nothing up to it was told."""
    behind: bool | None = None
    """Of syncing: what it was told last, None before anything."""

    def tell(self, result: bytes) -> None:
        """Send one result."""
        self.connection.push(notification(b'"%b"' % self.id.encode(), result))


@dataclass(frozen=True, slots=True)
class _Notice:
    """All that is told about one block, gathered on a thread."""

    header: bytes | None
    logs: dict[bytes, list[bytes]]
    receipts: dict[str, bytes]


def log_criteria(value: Any, items_max: int) -> bytes:
    """Return the part of a log filter that says which logs, in one form for equal filters.

    Raises:
        RpcError: it is no object, or has more than `items_max` addresses or topics at one place.
    """
    if value is None:
        value = {}
    if type(value) is not dict:
        raise RpcError(INVALID_PARAMS, "invalid argument 1: expected an object with address and topics")
    kept = {key: value[key] for key in ("address", "topics") if value.get(key) is not None}
    topics = kept.get("topics")
    lists = [kept.get("address"), topics, *(topics if type(topics) is list else ())]
    if any(type(one) is list and len(one) > items_max for one in lists):
        raise over_limit("too many addresses or topics", "criteria_items", items_max)
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def check_room(held_bytes: int, criteria: bytes, limits: ServerLimits) -> None:
    """Refuse criteria that there is no room for beside those held.

    Raises:
        RpcError: there is not.
    """
    if held_bytes + len(criteria) > limits.criteria_bytes:
        raise over_limit("too many criteria at once", "criteria_bytes", limits.criteria_bytes)


class Subscriptions(Service):
    """Tells subscribers, and those who wait for receipts, about blocks and pending transactions."""

    name = "subscriptions"

    def __init__(
        self,
        core: Core,
        workers: Workers,
        transactions: Transactions,
        limits: ServerLimits,
        metrics: Metrics,
    ) -> None:
        """Make it for one chain; `sealed` is to be called with each block."""
        super().__init__()
        self.core = core
        self.workers = workers
        self.transactions = transactions
        self.limits = limits
        self.metrics = metrics
        self._active: dict[Kind, set[Subscription]] = {kind: set() for kind in Kind}
        self._cursors: dict[bool, int | None] = {False: None, True: None}
        """Where telling of pending transactions stands, by `full`; None while nobody wants to know."""
        self._told = core.head().number
        self._recent: deque[tuple[int, dict[bytes, list[bytes]]]] = deque()
        """Logs told of the newest blocks, by criteria: taken back when their blocks go."""
        self._recent_bytes = 0
        self._criteria_bytes = 0
        """What the log subscriptions of all connections ask for."""
        self._turn = 0
        """Counts how often the chain went back."""
        self._head: Sealed | None = None
        self._sealed = asyncio.Event()
        self._incoming = asyncio.Event()
        self._asked = asyncio.Event()
        self.sync_status: Callable[[], Any] = lambda: False
        """What eth_syncing answers, asked on a thread: a node that makes the chain itself is never behind."""
        transactions.after.append(self._incoming.set)

    def sealed(self, head: Sealed) -> None:
        """Take note of a block just made."""
        self._head = head
        self._sealed.set()

    def rewound(self, number: int) -> None:
        """Take note that the blocks above this number are gone: take back their logs, newest first.

        Blocks in their place are told as new ones.
        """
        self._head = None
        self._turn += 1
        self._told = min(self._told, number)
        while self._recent and self._recent[-1][0] > number:
            block, logs = self._recent.pop()
            self._recent_bytes -= _size(logs)
            for subscription in list(self._active[Kind.LOGS]):
                if block > subscription.after:
                    for entry in reversed(logs.get(subscription.criteria, ())):
                        subscription.tell(_removed(entry))
        for subscription in self._active[Kind.LOGS]:
            subscription.after = min(subscription.after, number)

    async def work(self) -> None:
        """Tell of blocks, of pending transactions and of syncing until asked to stop."""
        async with asyncio.TaskGroup() as group:
            telling = (self._tell_blocks(), self._tell_pending(), self._tell_syncing())
            tasks = [group.create_task(one) for one in telling]
            await self._stop.wait()
            for task in tasks:
                task.cancel()

    async def _tell_blocks(self) -> None:
        while True:
            await self._sealed.wait()
            self._sealed.clear()
            while (head := self._head) is not None and self._told < head.number:
                number, turn = self._told + 1, self._turn
                try:
                    await self._tell_block(number)
                except RpcError as error:  # the block has gone meanwhile
                    log.debug("block %d not told: %s", number, error)
                except Exception:
                    log.exception("block %d not told", number)
                if turn == self._turn:
                    self._told = number

    async def _tell_block(self, number: int) -> None:
        active = self._active
        heads, logs = active[Kind.HEADS], active[Kind.LOGS]
        awaited = self.transactions.awaited
        if not (heads or logs or awaited):
            return
        criteria, turn = list({subscription.criteria for subscription in logs}), self._turn
        notice = await self.workers.quick(self._gather, number, bool(heads), criteria, awaited)
        if turn != self._turn:  # it is another block by now
            return
        self.transactions.wake(notice.receipts)
        if notice.header is not None:
            for subscription in list(heads):
                subscription.tell(notice.header)
        if notice.logs:
            self._remember(number, {key: found for key, found in notice.logs.items() if found})
            for subscription in list(logs):
                for entry in notice.logs.get(subscription.criteria, ()):
                    subscription.tell(entry)

    def _remember(self, number: int, logs: dict[bytes, list[bytes]]) -> None:
        """Keep what is told, as far as there is room, so that it can be taken back."""
        if logs:
            self._recent.append((number, logs))
            self._recent_bytes += _size(logs)
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= _size(self._recent.popleft()[1])

    def _gather(self, number: int, header: bool, criteria: list[bytes], awaited: list[str]) -> _Notice:
        """Read what is to be told about a block (on a thread)."""
        receipts = self.transactions.included(number, awaited) if awaited else {}
        found = self.core.match_logs(number, criteria) if criteria else []
        return _Notice(
            self.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])) if header else None,
            dict(zip(criteria, found, strict=True)),
            receipts,
        )

    async def _tell_pending(self) -> None:
        while True:
            await self._incoming.wait()
            await asyncio.sleep(GATHER_S)
            self._incoming.clear()
            for full in (False, True):
                try:
                    await self._tell_pending_as(full)
                except Exception:
                    log.exception("pending transactions not told")

    async def _tell_pending_as(self, full: bool) -> None:
        """Tell those who want hashes, or those who want whole transactions, what is new."""
        while (cursor := self._cursors[full]) is not None:
            wanting = [one for one in self._active[Kind.PENDING] if one.full is full]
            if not wanting:
                self._cursors[full] = None
                return
            new, found = await self.workers.quick(self.core.pending_since, cursor, full, PENDING_BATCH)
            self._cursors[full] = new
            for subscription in wanting:
                for entry in found:
                    subscription.tell(entry)
            if len(found) < PENDING_BATCH:
                return

    async def _tell_syncing(self) -> None:
        """Tell who wants to know when syncing begins and when it has ended, and at first how it stands."""
        while True:
            await self._asked.wait()
            while wanting := self._active[Kind.SYNCING]:
                self._asked.clear()
                try:
                    status = await self.workers.quick(self.sync_status)
                    result = orjson.dumps({"syncing": True, "status": status} if status else False)
                    for subscription in [one for one in wanting if one.behind is not bool(status)]:
                        subscription.behind = bool(status)
                        subscription.tell(result)
                except Exception:
                    log.exception("syncing not told")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._asked.wait(), SYNCING_S)
            self._asked.clear()

    async def subscribe(self, session: "Session", params: list[Any]) -> bytes:
        """Answer eth_subscribe; the subscription begins when its connection has sent the answer."""
        connection = session.connection
        if connection is None:
            raise RpcError(METHOD_NOT_FOUND, "notifications not supported")
        if not params or type(params[0]) is not str:
            raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
        try:
            kind = Kind(params[0])
        except ValueError:
            raise RpcError(
                METHOD_NOT_FOUND, f'no "{params[0][:100]}" subscription in eth namespace'
            ) from None
        if len(connection.subscriptions) >= self.limits.subscriptions:
            raise over_limit("too many subscriptions", "subscriptions", self.limits.subscriptions)
        argument = params[1] if len(params) > 1 else None
        criteria, full = b"", False
        if kind is Kind.LOGS:
            criteria = log_criteria(argument, self.limits.criteria_items)
            # Malformed addresses and topics are refused now, not at the first block.
            await self.workers.quick(self.core.match_logs, self.core.head().number, [criteria])
            check_room(self._criteria_bytes, criteria, self.limits)
        elif kind is Kind.PENDING and argument is not None:
            if type(argument) is not bool:
                raise RpcError(INVALID_PARAMS, "invalid argument 1: expected a boolean")
            full = argument
        if len(connection.subscriptions) >= self.limits.subscriptions:  # others came while we checked
            raise over_limit("too many subscriptions", "subscriptions", self.limits.subscriptions)
        subscription = Subscription(connection, kind, criteria, full)
        if kind is Kind.PENDING and self._cursors[full] is None:
            self._cursors[full] = self.core.pending_since(None, full, 0)[0]
        connection.subscriptions[subscription.id] = subscription
        self._criteria_bytes += len(criteria)
        session.after_answer.append(lambda: self._begin(subscription))
        return b'"%b"' % subscription.id.encode()

    def _begin(self, subscription: Subscription) -> None:
        if subscription.id in subscription.connection.subscriptions:
            subscription.after = self._told
            self._active[subscription.kind].add(subscription)
            self._count()
            if subscription.kind is Kind.SYNCING:
                self._asked.set()

    async def unsubscribe(self, session: "Session", params: list[Any]) -> bytes:
        """Answer eth_unsubscribe."""
        if session.connection is None:
            raise RpcError(METHOD_NOT_FOUND, "notifications not supported")
        if len(params) != 1 or type(params[0]) is not str:
            raise RpcError(INVALID_PARAMS, "missing value for required argument 0")
        subscription = session.connection.subscriptions.pop(params[0], None)
        if subscription is None:
            raise RpcError(SERVER_ERROR, "subscription not found")
        self._end(subscription)
        return b"true"

    def _end(self, *ended: Subscription) -> None:
        for subscription in ended:
            self._active[subscription.kind].discard(subscription)
            self._criteria_bytes -= len(subscription.criteria)
        self._count()

    def leave(self, connection: "Connection") -> None:
        """Forget a connection that has closed."""
        self._end(*connection.subscriptions.values())
        connection.subscriptions.clear()

    def _count(self) -> None:
        for kind, active in self._active.items():
            self.metrics.subscriptions.labels(kind.value).set(len(active))


def _size(logs: dict[bytes, list[bytes]]) -> int:
    return sum(len(entry) for found in logs.values() for entry in found)


def _removed(entry: bytes) -> bytes:
    """Return a log as it is told when its block is gone."""
    return entry.replace(b'"removed":false', b'"removed":true')
