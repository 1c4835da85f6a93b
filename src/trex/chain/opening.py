"""Opening a data directory with the Rust core: the seam that everything but production goes by as well."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import orjson

from trex import _core
from trex.chain.core import Signer
from trex.chain.limits import CoreLimits


def open_chain(
    path: Path,
    network: bytes,
    *,
    history_blocks: int | None = None,
    cache_bytes: int = 512 << 20,
    limits: CoreLimits | None = None,
    settled: bool = False,
) -> "_core.Chain":
    """Open a data directory, making it from genesis when it is empty.

    Args:
        path: data directory; made when there is none.
        network: the network file, JSON.
        history_blocks: how many blocks of state history to keep; None keeps all. Above an L1 the state of the
            finalized block, the one before it and all after them is kept, however many these are.
        cache_bytes: memory for the store's cache.
        limits: of the mempool and of single reads.
        settled: no block that comes can be taken back by L1: state is kept as `history_blocks` says.

    Raises:
        CoreError: `store_locked`, `store_corrupt`, `store_wrong_network`, `bad_network`, `store_io`.
    """
    path.mkdir(parents=True, exist_ok=True)
    given = {
        name: value for name, value in dataclasses.asdict(limits or CoreLimits()).items() if value is not None
    }
    return _core.Chain.open(
        str(path),
        network,
        history_blocks=history_blocks,
        cache_bytes=cache_bytes,
        limits=orjson.dumps(given),
        settled=settled,
    )


def rewrite_tables(
    path: Path, network: bytes, cache_bytes: int, progress: Callable[[int, int, str], object]
) -> None:
    """Make the tables of a data directory's store anew, when someone else has made them (SNP-016).

    Args:
        path: data directory that nobody has open.
        network: the network file, JSON.
        cache_bytes: memory for it.
        progress: called with what is done, of how much (0 where unknown), and what it is.

    Raises:
        CoreError: `store_corrupt`, `store_wrong_network`, `store_locked`, `store_io`: the directory is of no
            use then.
    """
    _core.rewrite_tables(str(path), network, cache_bytes, progress)


def core_limits() -> dict[str, int | None]:
    """Return the core's own defaults of `CoreLimits`, by name; None is no limit."""
    defaults: dict[str, int | None] = orjson.loads(_core.default_limits())
    return defaults


def signer() -> Signer:
    """Return the core's signing functions."""
    return _core
