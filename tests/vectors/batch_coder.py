"""The packing in blobs and the arithmetic coder of batches, by specs/batch.md (BAT-001 to BAT-025)."""

import math
from collections.abc import Sequence
from typing import NoReturn

MASK = 0xFFFFFFFF
ELEMENT_BYTES, ELEMENTS = 32, 4096
BLOB_DATA_BYTES = ELEMENTS // 4 * 127 - 4


class UnreadableError(Exception):
    """Why a batch reads as empty; `reason` is a name of BAT-050."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse(reason: str) -> NoReturn:
    raise UnreadableError(reason)


def unpack(blobs: Sequence[bytes]) -> bytes:
    """The data of blobs (BAT-001 to BAT-005)."""
    data = b""
    for place, blob in enumerate(blobs, 1):
        content = b""
        for group in range(0, len(blob), 4 * ELEMENT_BYTES):
            elements = [blob[group + at : group + at + ELEMENT_BYTES] for at in range(0, 128, 32)]
            if any(element[0] > 0x3F for element in elements):
                refuse("blob_encoding")
            heads = sum(element[0] << 18 - 6 * at for at, element in enumerate(elements))
            content += b"".join(element[1:] for element in elements) + heads.to_bytes(3, "big")
        if content[0] != 0:
            refuse("version")
        length = int.from_bytes(content[1:4], "big")
        if not 0 < length <= BLOB_DATA_BYTES or any(content[4 + length :]):
            refuse("blob_encoding")
        if place < len(blobs) and length != BLOB_DATA_BYTES:
            refuse("blob_encoding")
        data += content[4 : 4 + length]
    return data


# The coder.

KNOTS = [round(65536 / (1 + math.exp(-k / 2))) for k in range(-16, 17)]


def squash(x: int) -> int:
    """BAT-021."""
    at = max(-2047, min(2047, x)) + 2048
    knot, rest = at >> 7, at & 127
    return (KNOTS[knot] * (128 - rest) + KNOTS[knot + 1] * rest + 64) >> 7


def _stretch() -> list[int]:
    table, x = [], -2047
    for p in range(4096):
        while x < 2047 and squash(x) < 16 * p:
            x += 1
        table.append(x)
    return table


STRETCH = _stretch()


def context(*parts: int) -> int:
    """BAT-022."""
    h = 0x9E3779B9
    for part in parts:
        h = ((h ^ part) * 0x85EBCA6B) & MASK
        h = ((h << 15 | h >> 17) & MASK) * 0xC2B2AE35 & MASK
    return h


class Coder:
    """The coded and the raw part, read side by side (BAT-020 to BAT-025)."""

    def __init__(self, coded: bytes, raw: bytes) -> None:
        self.coded, self.raw_part = coded, raw
        self.low, self.high, self.taken = 0, MASK, 4
        self.value = int.from_bytes(coded[:4].ljust(4, b"\0"), "big")
        self.slots: dict[int, tuple[int, int]] = {}
        self.weights: dict[tuple[int, int, int], int] = {}

    def bit(self, probability: int) -> int:
        cut = self.low + ((self.high - self.low) * probability >> 16)
        bit = int(self.value <= cut)
        if bit:
            self.high = cut
        else:
            self.low = cut + 1
        while not (self.low ^ self.high) >> 24:
            byte = self.coded[self.taken] if self.taken < len(self.coded) else 0
            self.low, self.high = self.low << 8 & MASK, (self.high << 8 | 0xFF) & MASK
            self.value = (self.value << 8 | byte) & MASK
            self.taken += 1
            if self.taken - 4 > len(self.coded):
                refuse("truncated")
        return bit

    def symbol(self, bits: int, contexts: Sequence[int], weights: int) -> int:
        node = 1
        for _ in range(bits):
            seen = []
            total = 0
            for at, one in enumerate(contexts):
                slot = ((one ^ node * 0x9E3779B1 & MASK) * 0x85EBCA6B & MASK) >> 10
                probability, count = self.slots.get(slot, (1 << 21, 0))
                lane = (count > 1) + (count > 4) + (count > 20)
                stretched = STRETCH[probability >> 10]
                total += self.weights.get((weights, at, lane), 26_000) * stretched
                seen.append((slot, (weights, at, lane), stretched))
            prediction = squash(max(-2047, min(2047, total >> 16)))
            bit = self.bit(prediction)
            error = ((bit << 16) - prediction) * 10
            for slot, weight, stretched in seen:
                grown = self.weights.get(weight, 26_000) + (stretched * error + (1 << 19) >> 20)
                self.weights[weight] = max(-(1 << 20), min(1 << 20, grown))
                probability, count = self.slots.get(slot, (1 << 21, 0))
                distance = ((1 << 22) - 1 if bit else 0) - probability
                moved = probability + (distance * ((1 << 17) // (2 * count + 3)) >> 16)
                self.slots[slot] = (moved, min(count + 1, 255))
            node = node << 1 | bit
        return node - (1 << bits)

    def plain(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = value << 1 | self.bit(1 << 15)
        return value

    def raw(self, length: int) -> bytes:
        if len(self.raw_part) < length:
            refuse("truncated")
        taken, self.raw_part = self.raw_part[:length], self.raw_part[length:]
        return taken

    def finish(self, zeros: int) -> None:
        """BAT-025, BAT-045: both parts end here, in the one way that they can."""
        expected = self.taken - 4 + (self.low != 0)
        if expected > len(self.coded):
            refuse("truncated")
        if expected < len(self.coded) or len(self.raw_part) != zeros:
            refuse("trailing_bytes")
        if any(self.raw_part) or (self.low and self.coded[-1] != (self.low >> 24) + 1):
            refuse("not_canonical")
