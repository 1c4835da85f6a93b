"""Bounds on what one client, and all together, can make the server hold or do.

Each is named in the error that it causes, and is an option of the command line under the same name.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of the server. Those of the mempool and of single reads are the core's (`CoreLimits`)."""

    body_bytes: int = 16 << 20
    """One request body or WebSocket message, decompressed."""
    inflight_bytes: int = 256 << 20
    """All requests being read or answered, of HTTP and WebSocket; likewise all long answers being sent."""
    connections: int = 4096
    """Open connections of any kind."""
    http_requests: int = 1024
    """HTTP requests being answered at once."""
    batch_requests: int = 1000
    """Calls in one batch."""
    batch_response_bytes: int = 25 << 20
    """The answer to one batch; calls past it are answered with an error."""
    heavy_calls: int = 4
    """Heavy calls (execution, traces, logs, proofs, whole blocks) running at once."""
    heavy_queue: int = 512
    """Heavy calls waiting for their turn."""
    call_timeout_s: float = 30.0
    """How long a call may wait and run before it is answered with an error."""
    ws_connections: int = 1024
    """WebSocket connections."""
    ws_calls: int = 64
    """Messages of one connection being answered, of `body_bytes` together; others wait until one is done."""
    subscriptions: int = 128
    """Subscriptions of one connection."""
    send_queue: int = 8192
    """Messages waiting for a slow reader; past it the connection is closed."""
    send_queue_bytes: int = 16 << 20
    """The same in bytes."""
    send_total_bytes: int = 256 << 20
    """Bytes waiting for slow readers, all connections together."""
    filters: int = 4096
    """Filters of eth_newFilter and its kin, all clients together."""
    filter_idle_s: float = 300.0
    """A filter that nobody asks for this long is forgotten."""
    criteria_items: int = 1000
    """Addresses, or topics at one place, of one log filter or log subscription."""
    criteria_bytes: int = 64 << 20
    """What all filters ask for, as JSON; likewise what all log subscriptions ask for."""
    sync_waiters: int = 10_000
    """eth_sendRawTransactionSync calls waiting at once."""
    sync_timeout_ms: int = 2_000
    """How long such a call waits when it does not say."""
    sync_timeout_max_ms: int = 30_000
    """How long it may ask to wait."""


@dataclass(frozen=True, slots=True)
class CoreLimits:
    """Limits that the Rust core keeps; None leaves the core's own default."""

    pool_transactions: int | None = None
    """Transactions in the mempool."""
    pool_bytes: int | None = None
    """Their size."""
    pool_account_transactions: int | None = None
    """Transactions of one account in the mempool."""
    pool_account_queued: int | None = None
    """Those of them that wait behind a nonce that is missing."""
    call_gas: int | None = None
    """Gas of one eth_call, eth_estimateGas or simulated call."""
    call_timeout_ms: int | None = None
    """Time of one such call."""
    trace_timeout_ms: int | None = None
    """Time of one trace."""
    response_bytes: int | None = None
    """JSON of one answer."""
    log_results: int | None = None
    """Logs in one eth_getLogs answer."""
    log_blocks: int | None = None
    """Blocks that one eth_getLogs may look through."""
    filter_items: int | None = None
    """Addresses of a log filter, and topics in each of its positions."""
    dev_waiting_bytes: int | None = None
    """Overwrites and unsigned transactions that wait for a devnet's next block."""
    dev_snapshot_bytes: int | None = None
    """Snapshots of a devnet, each with the overwrites that waited when it was made."""
