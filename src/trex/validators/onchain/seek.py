"""Which block was the first at a time, by few questions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from trex.validators.onchain.answers import BlockRef


async def first_at(
    ask: Callable[[Sequence[int]], Awaitable[Mapping[int, BlockRef]]], timestamp_s: int, head: BlockRef
) -> BlockRef:
    """Return the first block whose time is not before `timestamp_s`; `head` if none is.

    Blocks come at a fairly even pace, so where it should be is looked at first, with its surroundings, and
    the middle in the same request: a handful of requests find it where halving takes some 25.

    Args:
        ask: blocks by height, in one request; one that is named twice is asked for once.
        timestamp_s: Unix time in seconds.
        head: the newest block that counts.
    """
    low = (await ask([0]))[0]
    if low.timestamp_s >= timestamp_s:
        return low
    high = head
    while high.number - low.number > 1:
        span, time_s = high.number - low.number, high.timestamp_s - low.timestamp_s
        guess = low.number + (timestamp_s - low.timestamp_s) * span // max(1, time_s)
        near = (guess - span // 64, guess - 1, guess, guess + span // 64, low.number + span // 2)
        known = await ask([min(max(one, low.number + 1), high.number - 1) for one in near])
        for _, block in sorted(known.items()):
            if block.timestamp_s >= timestamp_s:
                high = min(high, block, key=lambda one: one.number)
            else:
                low = max(low, block, key=lambda one: one.number)
    return high
