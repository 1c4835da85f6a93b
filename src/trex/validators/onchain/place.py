"""Names of the blocks that evidence is of, so that anyone can ask there again."""

import re
from collections.abc import Mapping

from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.source import EvmSource, SourceError


def source_name(chain_id: int, block: BlockRef) -> str:
    """Say where evidence is from, so that anyone can look at the same place."""
    return f"chain {chain_id} block {block.number} 0x{block.hash.hex()}"


_SOURCE = re.compile(r"chain (\d+) block (\d+) 0x([0-9a-f]{64})")


async def block_named(name: str, sources: Mapping[int, EvmSource]) -> BlockRef:
    """Find the block that `source_name` named, for asking there again.

    Raises:
        SourceError: it names none, nobody is asked about its chain, or another block stands in its place.
    """
    found = _SOURCE.fullmatch(name)
    if found is None:
        raise SourceError("refused", "it names no block")
    source = sources.get(int(found[1]))
    if source is None:
        raise SourceError("unavailable", f"no endpoint of chain {found[1]} is named")
    block = (await source.blocks([int(found[2])]))[int(found[2])]
    if block.hash.hex() != found[3]:
        raise SourceError("reorged", f"block {found[2]} of chain {found[1]} is another one now")
    return block
