"""What the node counts and times, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trex.chain.core import Core, Sealed

SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS_MAX = 400
"""Labels are made for so many methods; the rest share one."""


class CoreCollector(Collector):
    """The core's own counters, read when somebody asks."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def collect(self) -> list[GaugeMetricFamily]:
        """Return one gauge for each counter of the core."""
        counters = self.core.counters()
        return [
            GaugeMetricFamily(f"trex_{name}", f"{name.replace('_', ' ')} (core)", value=value)
            for name, value in sorted(counters.items())
        ]


class Metrics:
    """One registry for one node; two nodes in one process keep theirs apart."""

    def __init__(self, core: Core) -> None:
        """Register every metric."""
        self.registry = CollectorRegistry()
        registry = self.registry
        registry.register(CoreCollector(core))
        self.calls = Counter("trex_rpc_calls", "Calls answered", ["method", "outcome"], registry=registry)
        self.call_seconds = Histogram(
            "trex_rpc_call_seconds", "Time to answer a call", ["method"], buckets=SECONDS, registry=registry
        )
        self.blocks = Counter("trex_blocks", "Blocks made", registry=registry)
        self.transactions = Counter("trex_transactions", "Transactions included", registry=registry)
        self.gas = Counter("trex_gas", "Gas used", registry=registry)
        self.build_seconds = Histogram(
            "trex_build_seconds",
            "Time from start of a block until it is durable",
            buckets=SECONDS,
            registry=registry,
        )
        self.head = Gauge("trex_head_number", "Number of the newest block", registry=registry)
        self.base_fee = Gauge("trex_base_fee_wei", "Base fee of the newest block", registry=registry)
        self.http_requests = Gauge("trex_http_requests", "HTTP requests being answered", registry=registry)
        self.ws_connections = Gauge("trex_ws_connections", "WebSocket connections", registry=registry)
        self.subscriptions = Gauge("trex_subscriptions", "Subscriptions", ["kind"], registry=registry)
        self.slow_readers = Counter(
            "trex_slow_readers", "Connections closed for reading too slowly", registry=registry
        )
        self.filters = Gauge("trex_filters", "Filters", registry=registry)
        self.sync_waiters = Gauge("trex_sync_waiters", "Calls waiting for inclusion", registry=registry)
        self._ok: dict[str, tuple[Counter, Histogram]] = {}

    def called(self, method: str, seconds: float, failed: bool, count: int = 1) -> None:
        """Count calls of one method that were answered together."""
        if not failed and (known := self._ok.get(method)) is not None:
            known[0].inc(count)
            known[1].observe(seconds)
            return
        if method not in self._ok:
            # Names that nobody knows come from outside: they must not become labels without end.
            if failed or len(self._ok) >= METHODS_MAX:
                self.calls.labels("other", "error" if failed else "ok").inc(count)
                return
            self._ok[method] = self.calls.labels(method, "ok"), self.call_seconds.labels(method)
            self.called(method, seconds, failed, count)
            return
        self.calls.labels(method, "error").inc(count)
        self.call_seconds.labels(method).observe(seconds)

    def sealed(self, head: Sealed, seconds: float) -> None:
        """Count a block just made."""
        self.blocks.inc()
        self.transactions.inc(head.transactions)
        self.gas.inc(head.gas_used)
        self.build_seconds.observe(seconds)
        self.at(head)

    def at(self, head: Sealed) -> None:
        """Show which block is the newest."""
        self.head.set(head.number)
        self.base_fee.set(head.base_fee_wei)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
