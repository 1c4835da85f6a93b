"""Names of the blocks that evidence is of, so that anyone can ask there again."""

import re
from collections.abc import Mapping

from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.source import EvmSource, SourceError


def source_name(chain_id: int, block: BlockRef) -> str:
    """Say where evidence is from, so that anyone can look at the same place."""
    return f"chain {chain_id} block {block.number} 0x{block.hash.hex()}"


_SOURCE = re.compile(r"chain (\d+) block (\d+) 0x([0-9a-f]{64})")


async def blocks_named(names: str, sources: Mapping[int, EvmSource]) -> Mapping[int, BlockRef]:
    """Find the blocks that evidence was named after, by chain, for asking there again.

    Raises:
        SourceError: it names none, nobody is asked about its chain, or another block stands in its place.
    """
    blocks: dict[int, BlockRef] = {}
    for name in names.split("; "):
        found = _SOURCE.fullmatch(name)
        if found is None:
            raise SourceError("refused", "it names no block")
        chain, number = int(found[1]), int(found[2])
        source = sources.get(chain)
        if source is None:
            raise SourceError("unavailable", f"no endpoint of chain {chain} is named")
        blocks[chain] = (await source.blocks([number]))[number]
        if blocks[chain].hash.hex() != found[3]:
            raise SourceError("reorged", f"block {number} of chain {chain} is another one now")
    return blocks
