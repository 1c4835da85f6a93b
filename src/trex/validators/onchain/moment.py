"""Blocks of several chains that are of one moment, so that nothing is counted on two of them (ONC-017)."""

from collections.abc import Mapping

from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.source import EvmSource, SourceError

NEAR_S = 900
"""How long before the moment a chain's last block may be: one that stands still says nothing of then."""


async def of_one_moment(
    sources: Mapping[int, EvmSource], heads: Mapping[int, BlockRef]
) -> dict[int, BlockRef]:
    """Return of each chain its last block at the moment of the oldest of their heads.

    Args:
        sources: the chains.
        heads: of each the newest block that counts.

    Raises:
        SourceError: a chain has no block near that moment, or cannot be asked.
    """
    moment_s = min(head.timestamp_s for head in heads.values())
    found = {}
    for chain, head in heads.items():
        block = head
        if head.timestamp_s > moment_s:
            after = await sources[chain].first_block_at(moment_s + 1, head)
            number = max(0, after.number - 1)
            block = (await sources[chain].blocks([number]))[number]
        if not moment_s - NEAR_S <= block.timestamp_s <= moment_s:
            raise SourceError("unavailable", f"chain {chain} has no block near {moment_s}")
        found[chain] = block
    return found


async def require_one_moment(sources: Mapping[int, EvmSource], blocks: Mapping[int, BlockRef]) -> None:
    """See that blocks which evidence names are of one moment.

    Raises:
        SourceError: one of them was not the last of its chain when the newest of them was made.
    """
    moment_s = max(block.timestamp_s for block in blocks.values())
    for chain, block in blocks.items():
        is_near = block.timestamp_s >= moment_s - NEAR_S
        head = await sources[chain].head()
        if is_near and head.number > block.number:
            following = (await sources[chain].blocks([block.number + 1]))[block.number + 1]
            is_near = following.timestamp_s > moment_s
        if not is_near:
            raise SourceError("refused", f"block {block.number} of chain {chain} is of another moment")
