"""The seam to the Rust core, as Protocols: `trex._core.Chain` keeps them, and so does the one in tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trex.types.errors import RpcError

FAULTS = frozenset({"store_corrupt", "store_disk_full", "store_io", "pool_journal", "io", "closed"})
"""Codes of `CoreError` after which no block may be made: the store cannot be written or trusted."""


@dataclass(frozen=True, slots=True)
class L1View:
    """What a block to come may take from L1; fields as in `trex._core.Chain.build`."""

    headers: Sequence[bytes] = ()
    """RLP of L1 headers, each the parent of the next."""
    deposits: Sequence[tuple[bytes, int, bytes]] = ()
    """Record, log index and L1 block hash, in the queue's order."""
    most_unposted_bytes: int | None = None
    """What blocks above the safe head may take in batches (PST-024); None: any number."""


class Sealed(Protocol):
    """A sealed block, as much of it as production needs; fields as in `trex._core.Head`."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def hash(self) -> str: ...  # noqa: D102
    @property
    def slot(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def base_fee_wei(self) -> int: ...  # noqa: D102
    @property
    def gas_used(self) -> int: ...  # noqa: D102
    @property
    def gas_limit(self) -> int: ...  # noqa: D102
    @property
    def transactions(self) -> int: ...  # noqa: D102
    @property
    def logs(self) -> int: ...  # noqa: D102


class Core(Protocol):
    """What the server and block production ask of a chain; each call is described in `trex._core.Chain`."""

    @property
    def chain_id(self) -> int: ...  # noqa: D102
    @property
    def genesis_time_s(self) -> int: ...  # noqa: D102
    @property
    def block_time_ms(self) -> int: ...  # noqa: D102
    @property
    def max_idle_ms(self) -> int: ...  # noqa: D102
    def head(self) -> Sealed: ...  # noqa: D102
    def rpc(self, method: str, params: bytes) -> bytes: ...  # noqa: D102
    def brief(self, method: str, params: bytes) -> bytes | None: ...  # noqa: D102
    def submit(self, transactions: Sequence[str]) -> list[str | RpcError]: ...  # noqa: D102
    def submit_batches(  # noqa: D102
        self, bodies: Sequence[bytes], most: int
    ) -> list[tuple[bytes, int, int] | None]: ...
    def pool_len(self) -> tuple[int, int]: ...  # noqa: D102
    def pending_since(self, cursor: int | None, full: bool, limit: int) -> tuple[int, list[bytes]]: ...  # noqa: D102
    def build(  # noqa: D102
        self,
        slot: int,
        *,
        allow_empty: bool,
        budget_ms: int,
        gas_limit: int | None = None,
        l1_headers: Sequence[bytes] = (),
        deposits: Sequence[tuple[bytes, int, bytes]] = (),
        most_unposted_bytes: int | None = None,
    ) -> Sealed | None: ...
    def set_outlook(self, outlook: Callable[[], tuple[int, int | None]]) -> None: ...  # noqa: D102
    def match_logs(self, number: int, filters: Sequence[bytes]) -> list[list[bytes]]: ...  # noqa: D102
    def counters(self) -> dict[str, int]: ...  # noqa: D102


class SettledCore(Core, Protocol):
    """A chain above an L1: what settlement asks of it."""

    def insert(self, block: bytes) -> Sealed: ...  # noqa: D102
    def block_rlp(self, number: int) -> bytes: ...  # noqa: D102
    def read_ahead(self, header: bytes, blobs: Sequence[bytes]) -> None: ...  # noqa: D102
    def derive(  # noqa: D102
        self,
        parent: int,
        *,
        header: bytes,
        queue: tuple[int, bytes],
        blobs: Sequence[bytes],
        l1_headers: Sequence[bytes],
        deposits: Sequence[bytes],
    ) -> bytes: ...
    def origin(self, number: int) -> tuple[int, bytes]: ...  # noqa: D102
    def unwind(self, number: int) -> Sealed: ...  # noqa: D102
    def l1_heads(self) -> tuple[int, int]: ...  # noqa: D102
    def set_l1_heads(self, safe: int, finalized: int) -> None: ...  # noqa: D102
    def unposted(self) -> bytes: ...  # noqa: D102


class DevCore(Core, Protocol):
    """A chain whose state may be rewritten: development networks only."""

    def patch(self, changes: bytes) -> None: ...  # noqa: D102
    def impersonate(self, request: bytes) -> str: ...  # noqa: D102
    def snapshot(self) -> int: ...  # noqa: D102
    def revert(self, snapshot: int) -> bool: ...  # noqa: D102
    def drop(self, transaction: str | None) -> int: ...  # noqa: D102
    def unwind(self, number: int) -> Sealed: ...  # noqa: D102


class Signer(Protocol):
    """The signing functions of `trex._core`."""

    def sign_transaction(self, request: bytes, private_key: bytes) -> str: ...  # noqa: D102
    def sign_message(self, message: bytes, private_key: bytes) -> str: ...  # noqa: D102
    def sign_typed_data(self, typed_data: bytes, private_key: bytes) -> str: ...  # noqa: D102
