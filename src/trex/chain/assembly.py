"""The node's parts put together over one chain, and their life from start to stop."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from trex.chain.clock import SlotClock
from trex.chain.core import Core, DevCore, Sealed, Signer
from trex.chain.dev.methods import DevMethods
from trex.chain.dev.signing import Signing
from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.producer import Mining, Producer
from trex.chain.rpc.access import Access
from trex.chain.rpc.dispatch import Dispatcher, Handler, Session
from trex.chain.rpc.filters import Filters
from trex.chain.rpc.messages import SERVER_ERROR, method_not_found
from trex.chain.rpc.server import Respond, Server
from trex.chain.rpc.subscriptions import Subscriptions
from trex.chain.rpc.transactions import Transactions
from trex.chain.service import Service, State
from trex.chain.workers import Workers
from trex.types.errors import RpcError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node serves its chain; what the chain is stands in its network file and data directory."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 9545
    """Port of HTTP and WebSocket; 0 takes a free one."""
    limits: ServerLimits = field(default_factory=ServerLimits)
    """Bounds of the server."""
    access: Access = field(default_factory=Access)
    """Who may ask."""
    produce: bool = True
    """Make blocks."""
    mining: Mining = field(default_factory=Mining)
    """What causes a block."""
    build_budget_ms: int | None = None
    """How long a block takes in transactions; None is a slot."""
    openrpc: Path | None = None
    """The document that rpc.discover answers with."""


class Node:
    """One chain being served. `run` it; `stop` ends it in order: server, production, the rest."""

    def __init__(
        self,
        core: Core,
        settings: NodeSettings,
        *,
        dev: tuple[DevCore, Signer] | None = None,
        clock: SlotClock | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            core: the chain, opened; closing it is the caller's.
            settings: how to serve it.
            dev: the chain once more and signing functions, for a development network.
            clock: tells slots; by default from the wall clock.
        """
        self.core = core
        self.settings = settings
        self.metrics = Metrics(core)
        self.workers = Workers(settings.limits)
        self.clock = clock or SlotClock(core.genesis_time_s, core.block_time_ms)
        parts = (core, self.workers, settings.limits, self.metrics)
        self.transactions = Transactions(*parts)
        self.producer = Producer(
            core,
            self.clock,
            self.metrics,
            mining=settings.mining if settings.produce else Mining(slots=False),
            budget_ms=settings.build_budget_ms,
        )
        core.set_outlook(self.producer.outlook)
        self.transactions.failed = self.producer.failed
        self.subscriptions = Subscriptions(
            core, self.workers, self.transactions, settings.limits, self.metrics
        )
        self.filters = Filters(*parts)
        self.producer.listeners.append(self.subscriptions.sealed)
        self.dev: DevMethods | None = None
        if dev is not None:
            dev_core, sign = dev
            signing = Signing(dev_core, sign, self.workers, self.transactions, self.producer)
            self.dev = DevMethods(dev_core, self.workers, self.producer, signing, self.rewound)
            self.transactions.after.append(self.producer.after_submit)
        self.methods = self._methods()
        """Methods written in Python, by name."""
        dispatcher = Dispatcher(
            core, self.workers, self.transactions, settings.limits, self.metrics, self.methods
        )
        self.server = Server(
            dispatcher,
            self.subscriptions,
            settings.limits,
            self.metrics,
            settings.access,
            self.health,
            host=settings.host,
            port=settings.port,
        )
        self.services: tuple[Service, ...] = (self.server, self.producer, self.subscriptions, self.filters)
        self._stop = asyncio.Event()

    def _methods(self) -> dict[str, Handler]:
        """Return the methods that are written in Python."""
        filters, subscriptions = self.filters, self.subscriptions
        methods: dict[str, Handler] = {
            "eth_sendRawTransactionSync": self.transactions.send_sync,
            "eth_newFilter": filters.new_logs,
            "eth_newBlockFilter": filters.new_blocks,
            "eth_newPendingTransactionFilter": filters.new_pending,
            "eth_getFilterChanges": filters.changes,
            "eth_getFilterLogs": filters.logs,
            "eth_uninstallFilter": filters.uninstall,
            "eth_subscribe": subscriptions.subscribe,
            "eth_unsubscribe": subscriptions.unsubscribe,
        }
        if self.settings.openrpc is not None:
            document = self.settings.openrpc.read_bytes()
            orjson.loads(document)
            methods["rpc.discover"] = _constant(document)
        table = dict(self.dev.table()) if self.dev is not None else {}
        if self.settings.access.jwt_secret is not None:
            admin: Mapping[str, Handler] = {
                "admin_nodeInfo": self._node_info,
                "admin_peers": _constant(b"[]"),
                "admin_startProduction": self._start_production,
                "admin_stopProduction": self._stop_production,
            }
            # With a secret, what changes the chain outside its rules asks for the token as well.
            table = {
                name: handler if name == "web3_clientVersion" else _guarded(name, handler)
                for name, handler in {**table, **admin}.items()
            }
        return methods | table

    async def _node_info(self, _: Session, __: list[Any]) -> bytes:
        """Answer admin_nodeInfo: what the node is and how it stands."""
        head = self.core.head()
        return orjson.dumps(
            {
                "name": orjson.loads(self.core.rpc("web3_clientVersion", b"[]")),
                "chainId": self.core.chain_id,
                "head": {"number": hex(head.number), "hash": head.hash},
                **self.health()[1],
            }
        )

    async def _start_production(self, _: Session, __: list[Any]) -> bytes:
        """Let blocks be made by the network's rule."""
        if self.producer.fault is not None:
            raise RpcError(SERVER_ERROR, f"production has stopped: {self.producer.fault}")
        self.producer.mining = Mining()
        return b"true"

    async def _stop_production(self, _: Session, __: list[Any]) -> bytes:
        """Make no more blocks; reads and the mempool go on."""
        self.producer.mining = Mining(slots=False)
        return b"true"

    def join(
        self,
        *services: Service,
        methods: Mapping[str, Handler] | None = None,
        routes: Mapping[str, Respond] | None = None,
        heads: Callable[[Sealed], None] | None = None,
    ) -> None:
        """Let further services run with this node, before it does.

        They stop after the server; those with routes before it, since they hold its connections.

        Args:
            services: in the order in which they stop.
            methods: of JSON-RPC, by name; before those of the same name.
            routes: paths of the server that answer GET.
            heads: called on the loop with each new head.
        """
        at = self.services.index(self.server) + (0 if routes else 1)
        self.services = (*self.services[:at], *services, *self.services[at:])
        self.methods.update(methods or {})
        self.server.routes.update(routes or {})
        if heads is not None:
            self.producer.listeners.append(heads)

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Hold the making of blocks while something else changes the chain."""
        return self.producer.paused()

    def advanced(self, head: Sealed) -> None:
        """Tell subscribers of blocks that came from elsewhere."""
        self.metrics.at(head)
        for listener in self.producer.listeners:
            listener(head)

    def rewound(self, number: int) -> None:
        """Tell subscribers and filters that the blocks above this number are gone or replaced."""
        self.subscriptions.rewound(number)
        self.filters.rewound(number)
        self.metrics.at(self.core.head())

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Tell whether all services run without a fault, and how each stands."""
        head = self.core.head()
        report: dict[str, Any] = {
            "head": head.number,
            "slot": head.slot,
            "timestamp": head.timestamp,
            "pool": self.core.pool_len()[0],
            "services": {service.name: service.state.value for service in self.services},
        }
        faults = {service.name: service.fault for service in self.services if service.fault is not None}
        if faults:
            report["faults"] = faults
        if self.producer.waits is not None:
            report["waits"] = self.producer.waits
        well = not faults and all(service.state is State.RUNNING for service in self.services)
        report["status"] = "ok" if well else "unwell"
        return well, report

    def stop(self) -> None:
        """Ask it to finish."""
        self._stop.set()

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`, then finish in order.

        Args:
            started: called when the server listens.

        Raises:
            OSError: the port is taken.
        """
        await self.server.open()
        async with asyncio.TaskGroup() as group:
            tasks = {
                service: group.create_task(service.run(), name=service.name) for service in self.services
            }
            await asyncio.sleep(0)
            started()
            await self._stop.wait()
            for service in self.services:
                log.debug("stopping %s", service.name)
                service.stop()
                await asyncio.wait({tasks[service]})
        await asyncio.to_thread(self.workers.close)


def _constant(answer: bytes) -> Handler:
    async def method(_: Session, __: list[Any]) -> bytes:
        return answer

    return method


def _guarded(name: str, handler: Handler) -> Handler:
    """Let only those in who showed a token; to others there is no such method."""

    async def method(session: Session, params: list[Any]) -> bytes:
        if not session.admin:
            raise method_not_found(name)
        return await handler(session, params)

    return method
