"""A devnet whose L1 came back older than what its chain holds for final.

It happens when both are killed and L1's state was written too long ago. The chain cannot go back behind its
finalized head, so its blocks, as far as this L1 knows their origins, are executed again in a new store.
"""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from eth_hash.auto import keccak

from trex.chain.core import SettledCore
from trex.chain.opening import open_chain
from trex.node.anvil import Anvil
from trex.settlement.derivation import FILE

log = logging.getLogger(__name__)

STORE = "store"
BLOCKS = "blocks.rlp"
CACHE_BYTES = 64 << 20


def level(folder: Path, network: bytes, anvil: Anvil) -> int | None:
    """Take a chain back to what its L1 knows, if that contradicts its finalized head.

    Args:
        folder: data directory of a node that does not run.
        network: its network file.
        anvil: its L1.

    Returns:
        The newest block that was kept; None where there was nothing to do.

    Raises:
        CoreError: the store cannot be read or written; the old one stays until the new one is whole.
        AnvilError, OSError: L1 does not answer.
    """
    if not (folder / STORE).exists() or not (folder / FILE).exists():
        return None
    chain = open_chain(folder, network, cache_bytes=CACHE_BYTES)
    try:
        if _knows_final(folder / FILE, anvil, chain):
            return None
        newest = _newest_known(chain, anvil)
        log.warning("L1 is older than what is final here: going back to block %d", newest)
        blocks = folder / BLOCKS
        blocks.unlink(missing_ok=True)
        if newest:
            chain.export_file(str(blocks), 1, newest, lambda *_: True)
    finally:
        chain.close()
    fresh = folder / "again"
    shutil.rmtree(fresh, ignore_errors=True)
    chain = open_chain(fresh, network, cache_bytes=CACHE_BYTES)
    try:
        if newest:
            chain.import_file(str(blocks), lambda *_: True)
    finally:
        chain.close()
    for path in folder.glob(f"{FILE}*"):
        path.unlink()
    shutil.rmtree(folder / STORE)
    (fresh / STORE).rename(folder / STORE)
    shutil.rmtree(fresh)
    blocks.unlink(missing_ok=True)
    return newest


def _knows_final(positions: Path, anvil: Anvil, chain: SettledCore) -> bool:
    """Tell whether L1 has the block from which the finalized head followed."""
    finalized = chain.l1_heads()[1]
    query = "SELECT number, header FROM positions WHERE l2_number >= ? ORDER BY number LIMIT 1"
    try:
        with closing(sqlite3.connect(positions)) as db:
            row = db.execute(query, (finalized,)).fetchone()
    except sqlite3.DatabaseError:
        # Whoever derives will put it aside; the block itself tells less.
        return _has(anvil, *chain.origin(finalized))
    return row is None or _has(anvil, row[0], keccak(row[1]))


def _newest_known(chain: SettledCore, anvil: Anvil) -> int:
    """Return the newest block whose origin L1 has; origins never decrease."""
    low, high = 0, chain.head().number
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _has(anvil, *chain.origin(middle)) else (low, middle - 1)
    return low


def _has(anvil: Anvil, number: int, hash_: bytes) -> bool:
    block = anvil.call("eth_getBlockByNumber", hex(number), False)
    return block is not None and block["hash"] == "0x" + hash_.hex()
