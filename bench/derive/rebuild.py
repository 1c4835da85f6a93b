"""Rebuild a chain from blobs: `python bench/derive/rebuild.py NETWORK DATADIR BATCHES`.

Prints the last block's hash. BATCHES holds a folder for each batch header, in order, with its blobs.
"""

import json
import sys
from pathlib import Path

from trex import _core  # noqa: TID251  (the core alone is measured)

ORIGIN = bytes(40)
"""Number and hash of genesis's origin on a network without L1: every block keeps it."""


def header(index: int, blobs: int) -> bytes:
    """Return a batch header (DRV-001) of the first origin, without deposits."""
    names = b"".join(bytes([1]) + at.to_bytes(31, "big") for at in range(blobs))
    return b"\0" + index.to_bytes(8, "big") + b"\1" + ORIGIN + bytes(8 + 32 + 32) + bytes([blobs]) + names


def main() -> None:
    """Derive batch after batch."""
    network, data, batches = map(Path, sys.argv[1:])
    Path(data).mkdir(parents=True, exist_ok=True)
    chain = _core.Chain.open(
        str(data), network.read_bytes(), history_blocks=None, cache_bytes=512 << 20, limits=b"{}"
    )
    for index, folder in enumerate(sorted(batches.iterdir())):
        blobs = [path.read_bytes() for path in sorted(folder.iterdir())]
        answer = json.loads(
            chain.derive(
                chain.head().number,
                header=header(index, len(blobs)),
                queue=(0, bytes(32)),
                blobs=blobs,
                l1_headers=[],
                deposits=[],
            )
        )
        if answer["outcome"]["code"] or any(block["excluded"] for block in answer["blocks"]):
            raise RuntimeError(f"batch {index} reads as {answer['outcome']}")
    print(chain.head().hash)
    chain.close()


if __name__ == "__main__":
    main()
