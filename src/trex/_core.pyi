"""Rust half of T-Rex (crates/python). Only `trex.chain` and `trex.engine.matching` import it.

Every call but the plain properties releases the GIL. `Chain` may be used from many threads at once:
reads see whole blocks, writes (`build`, `patch`, `revert`, `import_file`) exclude one another.
Errors are the Python classes `trex.types.errors.RpcError` and `CoreError`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, final

from trex.types.errors import RpcError

__version__: Final[str]
PROFILE: Final[Literal["debug", "release"]]

def explain_batch(blobs: Sequence[bytes], chain_id: int) -> bytes:
    """Say what blobs hold, as JSON: `{"batch": ...}`, or `{"reason": {"code", "name", "text"}}` (BAT-050)."""

def batch_reasons() -> bytes:
    """Return every reason why a header reads as empty, JSON: `[{"code", "name", "text"}, ...]` (BAT-050)."""

def encode_batch(
    chain_id: int,
    parent_output: bytes,
    blocks: Sequence[tuple[int, int, Sequence[bytes]]],
    log_indices: Sequence[int],
) -> list[bytes]:
    """Write a batch and pack it in blobs (specs/batch.md).

    Args:
        chain_id: of the network.
        parent_output: output root of the block before the first, 32 bytes.
        blocks: for each its slot delta, origin delta, and EIP-2718 bytes of its ordinary transactions.
        log_indices: L1 log indices of the deposits in the span.

    Raises:
        CoreError: `bad_batch`, with the name of the reason.
    """

def blob_commitment(blob: bytes) -> bytes | None:
    """Return a blob's KZG commitment, 48 bytes; None if the bytes are no blob. The GIL is free meanwhile."""

def blob_cell_proofs(blob: bytes) -> list[bytes] | None:
    """Return the proofs of a blob's 128 cells (EIP-7594), 48 bytes each; None if the bytes are no blob."""

def blobs_are_committed(blobs: Sequence[bytes], commitments: Sequence[bytes]) -> bool:
    """Tell whether each of these is the blob of its commitment, in the time of committing to one."""

def rewrite_tables(
    path: str, network: bytes, cache_bytes: int, progress: Callable[[int, int, str], object]
) -> None:
    """Make the tables of a data directory's store anew; nobody may have it open (SNP-016).

    Args:
        path: data directory.
        network: the network file, JSON.
        cache_bytes: memory for it.
        progress: called with what is done, of how much (0 where unknown), and what it is.

    Raises:
        CoreError: `store_corrupt`, `store_wrong_network`, `store_locked`, `store_io`. The directory is then
            of no use.
    """

def default_limits() -> bytes:
    """Return the defaults of the limits that `Chain.open` takes, JSON by name; null is no limit."""

def genesis(network: bytes) -> tuple[bytes, bytes, bytes]:
    """Make block 0 of a network in memory; return its hash, state root and withdrawals root.

    Raises:
        CoreError: `bad_network`.
    """

@final
class Head:
    """A sealed block, as much of it as production needs."""

    number: int
    hash: str
    """0x-prefixed hex."""
    slot: int
    timestamp: int
    """Seconds since 1970."""
    base_fee_wei: int
    gas_used: int
    gas_limit: int
    transactions: int
    """How many."""
    logs: int
    """How many."""

@final
class Chain:
    """One data directory, opened: store, state, mempool."""

    @staticmethod
    def open(
        path: str,
        network: bytes,
        *,
        history_blocks: int | None,
        cache_bytes: int,
        limits: bytes,
        settled: bool = False,
    ) -> Chain:
        """Open a data directory, making it from the network's genesis when it is empty.

        Args:
            path: data directory.
            network: the network file, JSON.
            history_blocks: how many blocks of state history to keep; None keeps all. Above an L1 the state of
                the finalized block, the one before it and all after them is kept, however many these are.
            cache_bytes: memory for the store's cache.
            limits: JSON object of limits, each by name; an unknown name is refused, a missing one has its
                default.
                Mempool: `pool_transactions`, `pool_bytes`, `pool_account_transactions`. Reads: `call_gas`,
                `call_timeout_ms`, `trace_timeout_ms`, `response_bytes`, `log_results`, `log_blocks`.
            settled: no block that comes can be taken back by L1: state is kept as `history_blocks` says.

        Raises:
            CoreError: `store_locked`, `store_corrupt`, `store_wrong_network`, `bad_network`, `store_io`.
        """

    def close(self) -> None:
        """Flush and let go of the directory; calls after it raise `CoreError("closed")`. Twice is once."""

    @property
    def chain_id(self) -> int: ...
    @property
    def genesis_time_s(self) -> int: ...
    @property
    def block_time_ms(self) -> int: ...
    @property
    def max_idle_ms(self) -> int: ...
    @property
    def genesis_hash(self) -> str: ...
    def head(self) -> Head:
        """Return the newest block."""

    def rpc(self, method: str, params: bytes) -> bytes:
        """Answer a read-only method; `params` and the result are JSON. Raises RpcError, CoreError.

        Beside the methods of the OpenRPC document: `eth_getHeaderByNumber`, whose answer newHeads sends.
        """

    def brief(self, method: str, params: bytes) -> bytes | None:
        """Answer eth_call, eth_getBlockByNumber or eth_getBlockByHash if that takes a millisecond or two.

        None where it would take longer, or is another method: ask `rpc`. Raises as `rpc` does.
        """

    def submit(self, transactions: Sequence[str]) -> list[str | RpcError]:
        """Put raw transactions (0x-prefixed hex) into the mempool, in order; hash or reason for each.

        A hash that is returned is in the journal's file: a kill of the process does not lose it, a power cut
        may. A fault of the journal raises CoreError for the whole call.
        """

    def submit_batches(self, bodies: Sequence[bytes], most: int) -> list[tuple[bytes, int, int] | None]:
        """Answer JSON-RPC batches of eth_sendRawTransaction, whose transactions go in together, in order.

        For each body the answer, and how many transactions were taken and refused. None for a body that is
        anything else than such a batch of up to `most` calls, each with an id: nothing of it was taken in.
        """

    def pool_len(self) -> tuple[int, int]:
        """Return how many transactions are (executable, queued). Cheap enough for every slot."""

    def pending_since(self, cursor: int | None, full: bool, limit: int) -> tuple[int, list[bytes]]:
        """Return what became executable after `cursor`, oldest first, and the cursor behind it.

        Each is JSON: the hash string, or with `full` the transaction as eth_getTransactionByHash gives it.
        None as cursor gives no transactions and the present cursor. What left the mempool's ring is skipped.
        """

    def build(
        self,
        slot: int,
        *,
        allow_empty: bool,
        budget_ms: int,
        gas_limit: int | None = None,
        l1_headers: Sequence[bytes] = (),
        deposits: Sequence[tuple[bytes, int, bytes]] = (),
        most_unposted_bytes: int | None = None,
    ) -> Head | None:
        """Build, execute and durably store the next block; None when there is nothing to build of.

        On a network that settles on an L1 the block's origin is the newest of `l1_headers` that is not later
        than the slot, else the head's; it takes the deposits due up to that origin, as many as fit, and is
        made when there are any (specs/derivation.md, DRV-050 to DRV-054).

        Args:
            slot: above the head's slot.
            allow_empty: make a block even when no transaction goes in.
            budget_ms: after this long no further transaction is begun.
            gas_limit: of this block; None is the network's, and the only choice above an L1.
            l1_headers: RLP of L1 headers, each the parent of the next; they begin at or before the L1 block
                after the head's origin. How deep below L1's head they end is the caller's choice.
            deposits: record, log index and L1 block hash of deposits in the queue's order, beginning with
                or before the first that the chain has not; those it has are passed over, those of L1
                blocks above the origin wait.
            most_unposted_bytes: that blocks above the safe head may take in batches, this one among them; no
                ordinary transaction goes beyond it (PST-024). None: any number.

        Raises:
            CoreError: `store_corrupt`, `store_disk_full`, `store_io`: nothing became visible; reads go on.
                `l1_reorg`: the head's origin is not on that L1: go back to a block whose origin is.
                `origin_time`: no header at hand may be the origin of a block in that slot (DRV-022).
                `derivation`: headers or deposits are malformed, or a header is missing.
        """

    def set_outlook(self, outlook: Callable[[], tuple[int, int | None]]) -> None:
        """Set what tells slot and gas limit (None: the network's) of a block made now.

        The pending block is made for them; without this it takes the slot after the head's. Called on the
        threads that ask for the pending block.
        """

    def insert(self, block: bytes) -> Head:
        """Execute and durably store a block that another node has built on our head; return the head.

        A block that the chain has already is skipped.

        Args:
            block: RLP, as `block_rlp` gives it.

        Raises:
            CoreError: `bad_block`: it does not follow the head, breaks a rule, or differs from ours.
        """

    def block_rlp(self, number: int) -> bytes:
        """Return a block as `insert` and `import_file` take it. Raises CoreError `bad_block` if unknown."""

    def read_ahead(self, header: bytes, blobs: Sequence[bytes]) -> None:
        """Read the batch of a header whose turn has not come: `derive` of this header finds it read.

        Senders are recovered where no block stands above what follows from L1.

        Args:
            header: the batch header, as the inbox emits it.
            blobs: its blobs, checked against their versioned hashes; none is as if this were not called.
        """

    def derive(
        self,
        parent: int,
        *,
        header: bytes,
        queue: tuple[int, bytes],
        blobs: Sequence[bytes],
        l1_headers: Sequence[bytes],
        deposits: Sequence[bytes],
    ) -> bytes:
        """Derive the blocks of a batch header on top of block `parent` (specs/derivation.md).

        Blocks that the chain has already stay. At the first that differs the chain goes back and makes the
        blocks that L1 says, durable when this returns; ordinary transactions of those it had return to the
        mempool, as far as they are still valid. No other block is built meanwhile.

        Args:
            parent: number of the block that the header before this one ended with.
            header: the batch header, as the inbox emits it.
            queue: count and accumulator (32 bytes) of the deposit queue in the header before this one, zero
                before the first.
            blobs: the header's blobs in its order, checked against their versioned hashes.
            l1_headers: RLP of L1 headers, from the header's origin down to the parent's, in any order.
            deposits: records of the deposit queue after `queue` up to the header's.

        Returns:
            JSON: `{"outcome": {"code", "name", "text"}, "unwound_to": number or null, "blocks": [{"number",
            "hash", "output_root", "kept", "excluded": [[position, reason], ...]}, ...]}`. Code 0 is a batch
            that was read, any other why it read as empty (BAT-050).

        Raises:
            CoreError: `derivation` (a preimage is missing or belongs elsewhere), `bad_heads`, `bad_block`.
        """

    def batch(self, first: int, last: int, log_indices: Sequence[int]) -> list[bytes]:
        """Write blocks `first` to `last` as a batch: its blobs (specs/batch.md).

        `log_indices` are the L1 log indices of the deposits in these blocks, in order.

        Raises:
            CoreError: `bad_batch`, naming the reason (BAT-050): more than nine blobs (`too_many_bytes`), not
                as many log indices as deposits (`deposit_count`), deposits of the last origin that go on in
                the block after `last` (`deposits_left`). `bad_block` for a block that is not there.
        """

    def origin(self, number: int) -> tuple[int, bytes]:
        """Return number and hash of the L1 block that is the origin of a block.

        Raises:
            CoreError: `bad_block` if unknown, `store_pruned` where its state is not kept.
        """

    def unwind(self, number: int) -> Head:
        """Go back to a block; ordinary transactions of those above it return to the mempool, if still valid.

        Raises:
            CoreError: `bad_heads` below the finalized head, `store_pruned` where state is not kept.
        """

    def l1_heads(self) -> tuple[int, int]:
        """Return the numbers of the safe and the finalized head; without an L1 both are the newest block."""

    def set_l1_heads(self, safe: int, finalized: int) -> None:
        """Record the safe and the finalized head, durable.

        Raises:
            CoreError: `bad_heads`: finalized above safe, safe above the newest block, finalized going back,
                or a network without L1.
        """

    def unposted(self) -> bytes:
        """Return what stands above the safe head.

        JSON `{blocks, transactions, bytes, owedBytes, oldestOrigin}`: `bytes` is what they take in batches at
        most (BAT-043), `owedBytes` what of blobs they do not pay for (PST-025), `oldestOrigin` the L1 block
        that the oldest block with an ordinary transaction refers to, or null. Each block is read once.
        """

    def match_logs(self, number: int, filters: Sequence[bytes]) -> list[list[bytes]]:
        """Return for each filter (JSON `{address?, topics?}`, as eth_getLogs) a block's matching logs.

        Each log is JSON. One pass over the receipts whatever the number of filters. Raises RpcError for a
        malformed filter.
        """

    def counters(self) -> dict[str, int]:
        """Return gauges for metrics by name (snake_case with unit), such as `pool_bytes`, `store_bytes`."""
    # Operating a data directory.
    def export_file(self, path: str, first: int, last: int, progress: Callable[[int, int], bool]) -> int:
        """Write blocks `first..=last` as concatenated RLP; goes on behind those the file has.

        `progress(blocks done, blocks in all)` is called some ten times a second; False stops after a whole
        block. Returns how many blocks the file holds.
        """

    def import_file(self, path: str, progress: Callable[[int, int, Head], bool]) -> Head:
        """Execute and store blocks from concatenated RLP; known ones are skipped, so a second call goes on.

        `progress(bytes done, bytes in all, head)` is called some ten times a second; False stops after a
        whole block. Raises CoreError `bad_block` naming the block and the rule.
        """

    def stats(self) -> bytes:
        """Return tables, sizes and ranges of kept blocks as a JSON object."""

    def verify(self, progress: Callable[[int, int, str], bool]) -> bytes:
        """Check state from its root down and every kept block; JSON `{ok, checked, faults}`.

        `progress(done, in all, what)` as above.
        """

    def compact(self) -> bytes:
        """Give back free pages; a JSON object `{bytes_before, bytes_after}`."""
    # Development networks only: the caller has asked for one.
    def patch(self, changes: bytes) -> None:
        """Overwrite state: JSON `{address: {balance?, nonce?, code?, storage?: {slot: value}}}`, all hex.

        Visible to reads of `latest` and `pending` on return, and to the next block.
        """

    def impersonate(self, request: bytes) -> str:
        """Queue an unsigned `{from, to?, value?, gas, input?}` for the next block; return its hash.

        It becomes a deposit transaction (0x7E, no mint), which names its sender instead of proving it: the
        block stays one that the state transition function accepts.
        """

    def snapshot(self) -> int:
        """Remember state, head and mempool; numbers rise from 1."""

    def revert(self, snapshot: int) -> bool:
        """Return to a snapshot and forget it and all later ones; False when there is none of that number."""

    def drop(self, transaction: str | None) -> int:
        """Remove a transaction from the mempool by hash, or all; return how many went."""

def sign_transaction(request: bytes, private_key: bytes) -> str:
    """Sign a JSON transaction request with every field given (type from its fields); 0x-prefixed raw bytes.

    Raises RpcError -32602 for a field that is missing or malformed.
    """

def sign_message(message: bytes, private_key: bytes) -> str:
    """Sign as EIP-191 `personal_sign` does; 65 bytes as hex."""

def sign_typed_data(typed_data: bytes, private_key: bytes) -> str:
    """Sign EIP-712 typed data, JSON as in eth_signTypedData_v4; 65 bytes as hex."""

@final
class StateTestCase:
    """What came of one case of a state test: one transaction by the rules of one fork."""

    file: Path
    name: str
    """Name of the test; empty for a file as a whole."""
    fork: str
    """As the file calls it; empty for a test as a whole."""
    index: int
    """Position among the fork's cases."""
    status: Literal["passed", "failed", "skipped"]
    reason: str | None
    """Why it failed or was skipped; why the transaction was refused where that is right."""
    state_root: str | None
    """After the transaction, as computed here; 0x-prefixed hex."""

@final
class StateTestRun:
    """The cases of a run, each as soon as it is done; those of one test together and in order.

    Dropping it ends the run. Raises OSError when the path cannot be read.
    """

    def __iter__(self) -> StateTestRun: ...
    def __next__(self) -> StateTestCase: ...

def run_statetests(
    path: Path,
    *,
    fork: str | None = None,
    name: str | None = None,
    trace: bool = False,
    trace_memory: bool = False,
    jobs: int = 0,
) -> StateTestRun:
    """Start running the state tests in a file or folder (specs/statetest.md).

    Args:
        path: a JSON file, or a folder of them.
        fork: only this fork, by any of its names.
        name: only tests whose name matches this regular expression.
        trace: write an EIP-3155 trace to standard error, one case after another.
        trace_memory: with memory.
        jobs: threads; 0 is one per core.

    Raises:
        ValueError: unknown fork, malformed expression.
    """

def pms_log2_table() -> list[int]:
    """Return the published table of logarithms, 4096 entries in units of 2^-24 (PMS-022)."""

@final
class People:
    """Columns of everybody's features in a folder, and who fits a plan best (specs/matching.md).

    Values are millionths of the feature's unit (PMS-001), times Unix seconds, passports 32 bytes, plans and
    filters JSON as `crates/pms` reads it, with columns by their place. May be used from many threads: whoever
    asks waits only for the moment in which changes are put in.

    Every call raises CoreError: `pms_plan` (mend the question), `pms_update` (nothing was taken),
    `pms_corrupt` (build the columns anew), `pms_io`.
    """

    names: Final[list[str]]
    """Of the columns, in their order."""
    offset: Final[int]
    """How far of their source the columns are (PMS-041)."""
    journal_bytes: Final[int]
    """What opening reads again, until `compact`."""

    @staticmethod
    def create(
        path: str,
        columns: Sequence[str],
        people: bytes,
        offset: int,
        column: Callable[[int], tuple[bytes, bytes]],
    ) -> None:
        """Write columns of people who are known already, in the place of what the folder had.

        Args:
            path: folder, made if need be.
            columns: their names.
            people: passports one after another, in any order, none twice.
            offset: how far of their source this is.
            column: asked once for each place of a column; returns values (int64, the least of which is
                `not known`) and times (uint32) in the order of `people` and the machine's order of bytes.
        """

    @staticmethod
    def open(path: str, columns: Sequence[str]) -> People:
        """Open a folder to change it; columns that are not there are added. One process at a time."""

    @staticmethod
    def read(path: str) -> People:
        """Open a folder as it is now, to ask only."""

    def __len__(self) -> int:
        """Return how many people there are."""

    def top(
        self, plan: bytes, k: int, after: tuple[int, bytes] | None = None, threads: int = 1
    ) -> list[tuple[bytes, int, int]]:
        """Return the best `k`: passport, sum, score in millionths of a point (PMS-020, PMS-030).

        Args:
            plan: filter and terms.
            k: at most 10,000.
            after: sum and passport of the last one of the page before (PMS-031).
            threads: how many take part.
        """

    def count(self, where: bytes, threads: int = 1) -> int:
        """Return how many people a filter is true of."""

    def percentile(self, column: int, where: bytes, share: int) -> int | None:
        """Return the value of the nearest rank of so many thousandths (PMS-012); None of nobody."""

    def cell(self, passport: bytes, column: int) -> tuple[int | None, int] | None:
        """Return what is known of a person and when it was seen; None of nobody."""

    def explain(
        self, plan: bytes, passport: bytes
    ) -> tuple[bool | None, int, int, list[tuple[int, tuple[int | None, int] | None]]] | None:
        """Say why somebody stands where they stand (PMS-032); None of nobody.

        Returns:
            What the filter says, sum, score, and of each term its points and the cell they came from.
        """

    def update(self, offset: int, cells: tuple[bytes, bytes, bytes, bytes], removed: bytes) -> bool:
        """Take changes, durable once this returns; False where the columns are as far already (PMS-041).

        Args:
            offset: how far of their source the changes bring the columns.
            cells: passports, places of columns (uint32), values (int64), times (uint32), each one after the
                other.
            removed: passports to be forgotten, after that.
        """

    def compact(self) -> None:
        """Write the columns anew and empty the journal (PMS-042)."""
