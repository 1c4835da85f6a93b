"""Length of FastLZ level 1 output, from specs/fees.md FEE-001: a reference to check by."""

TAIL = 13
"""Bytes at the end in which no match starts."""


def fastlz_length(data: bytes) -> int:
    limit = max(len(data) - TAIL, 0)
    seen: dict[int, int] = {}
    size = anchor = 0
    pos = 2
    while pos < limit - 1:
        before = _swap(seen, data, pos)
        if pos - before > 0x1FFF or data[before : before + 3] != data[pos : pos + 3]:
            pos += 1
            continue
        size += _literals(pos - anchor)
        matched = _match(data, before + 3, pos + 3, limit + 9)
        size += 3 * ((matched - 1) // 262) + (3 if (matched - 1) % 262 >= 6 else 2)
        pos += matched
        _swap(seen, data, pos)
        _swap(seen, data, pos + 1)
        pos += 2
        anchor = pos
    return size + _literals(len(data) - anchor)


def _swap(seen: dict[int, int], data: bytes, pos: int) -> int:
    """Enter a position under the hash of its three bytes; returns the one before, 0 at first."""
    key = (int.from_bytes(data[pos : pos + 3], "little") * 2654435769 % 2**32) >> 19
    before = seen.get(key, 0)
    seen[key] = pos
    return before


def _match(data: bytes, left: int, right: int, end: int) -> int:
    """Equal bytes, and the one that differs if it comes before the end."""
    for length in range(end - right):
        if data[left + length] != data[right + length]:
            return length + 1
    return end - right


def _literals(run: int) -> int:
    """A run takes its bytes and a control byte for each 32 of them."""
    return run + (run + 31) // 32
