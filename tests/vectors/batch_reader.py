"""Reads batches by specs/batch.md, a second time: slow, without an encoder, sharing nothing with the node.

Rules are cited where they are kept. What is predicted from what stands in `columns.rs`, `numbers.rs` and
`calldata.rs` (part of the rules, as specs/batch.md says) and is written down here again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import rlp
from tests.vectors.batch_coder import BLOB_DATA_BYTES, MASK, Coder, context, refuse

MOST_BYTES, MOST_BLOCKS, MOST_ENTRIES = 9 * BLOB_DATA_BYTES, 16_384, 65_536
BLOB_CONTENT = 3 * BLOB_DATA_BYTES
KINDS = ("legacy", "unprotected", "eip2930", "eip1559", "eip7702")


# Numbers and lists of what was there before.


def number(coder: Coder, column: int, keys: tuple[int, int] = (0, 0)) -> int:
    """BAT-030."""
    contexts = [context(column, 1), context(column, 2, keys[0]), context(column, 3, keys[1])]
    length = coder.symbol(8, contexts, column)
    if length > 128:
        refuse("field")
    if length < 2:
        return length
    predicted = min(length - 1, 8)
    contexts = [context(column, 4, length), context(column, 5, length, keys[0])]
    high = 1 << predicted | coder.symbol(predicted, contexts, column)
    rest = length - 1 - predicted
    return high << rest | coder.plain(rest)


def below(coder: Coder, column: int, keys: tuple[int, int] = (0, 0), bits: int = 64) -> int:
    value = number(coder, column, keys)
    return value if value < 1 << bits else refuse("field")


def count(coder: Coder, column: int, keys: tuple[int, int], most: int, reason: str) -> int:
    value = number(coder, column, keys)
    return value if value <= most else refuse(reason)


def round_number(coder: Coder, column: int, keys: tuple[int, int]) -> int:
    """BAT-031."""
    contexts = [context(column, 6), context(column, 7, keys[0]), context(column, 8, keys[1])]
    zeros = coder.symbol(6, contexts, column)
    if zeros > 38:
        refuse("field")
    digits = number(coder, column, (context(keys[0], zeros), zeros))
    if digits % 10 == 0 and (zeros or digits):
        refuse("not_canonical")
    value: int = digits * 10**zeros
    return value if value < 1 << 128 else refuse("field")


@dataclass
class Repeats:
    """BAT-031: the last 255 distinct values of a column."""

    values: list[int] = field(default_factory=list)
    next: int = 0
    last: int = 0

    def read(self, coder: Coder, column: int, keys: tuple[int, int]) -> int:
        parts = [(9,), (10, keys[0]), (11, keys[1]), (12, self.last)]
        self.last = place = coder.symbol(8, [context(column, *part) for part in parts], column)
        if place:
            return self.values[place - 1] if place <= len(self.values) else refuse("field")
        value = round_number(coder, column, keys)
        if value in self.values:
            refuse("not_canonical")
        if len(self.values) < 255:
            self.values.append(value)
        else:
            self.values[self.next] = value
            self.next = (self.next + 1) % 255
        return value


@dataclass
class Expected:
    """BAT-033: nonces that senders seen so far use next, oldest first."""

    nonces: list[int] = field(default_factory=list)
    last: int = 0
    last_nonce: int = 0

    def read(self, coder: Coder, column: int, key: int) -> int:
        parts = [(9,), (10, key), (12, self.last)]
        self.last = place = coder.symbol(8, [context(column, *part) for part in parts], column)
        if place:
            if place > len(self.nonces):
                refuse("field")
            nonce = self.nonces[place - 1]
            if self.nonces.index(nonce) != place - 1:
                refuse("not_canonical")
            del self.nonces[place - 1]
        else:
            nonce = below(coder, column, (key, self.last_nonce.bit_length()))
            if nonce in self.nonces:
                refuse("not_canonical")
        if len(self.nonces) == 255:
            del self.nonces[0]
        self.nonces.append((nonce + 1) % (1 << 64))
        self.last_nonce = nonce
        return nonce


class Dictionary:
    """BAT-032: byte strings by order of appearance."""

    def __init__(self, column: int, length: int) -> None:
        self.column, self.length, self.last = column, length, 0
        self.entries: list[bytes] = []
        self.indices: dict[bytes, int] = {}

    def insert(self, value: bytes) -> int:
        if len(self.entries) == 65_535:
            return 0
        self.entries.append(value)
        self.indices[value] = len(self.entries)
        return len(self.entries)

    def index(self, coder: Coder, keys: tuple[int, int]) -> tuple[int, bytes]:
        parts = [(1,), (2, keys[0]), (3, keys[1]), (4, self.last)]
        index = coder.symbol(16, [context(self.column, *part) for part in parts], self.column)
        self.last = index
        if index > len(self.entries):
            refuse("field")
        return index, self.entries[index - 1] if index else b""

    def read(self, coder: Coder, keys: tuple[int, int]) -> tuple[int, bytes]:
        index, value = self.index(coder, keys)
        if index:
            return index, value
        value = coder.raw(self.length)
        if value in self.indices:
            refuse("not_canonical")
        return self.insert(value), value


# Calldata.


class Calls:
    """BAT-034: ABI calls word by word, other data byte by byte."""

    def __init__(self) -> None:
        self.words = Dictionary(25, 32)
        self.last_call: dict[tuple[int, int], tuple[int, int]] = {}
        self.last_class = 0
        self.bytes = bytearray(1)
        self.ends: dict[int, int] = {}
        self.repeat = self.repeated = 0

    def read(self, coder: Coder, batch: "Reader", to: int) -> tuple[bytes, int]:
        """Calldata, and its selector's hash, 0 for none."""
        parts = [(1, to), (2, self.last_class), (3,)]
        self.last_class = kind = coder.symbol(2, [context(20, *part) for part in parts], 20)
        if kind == 0:
            return b"", 0
        if kind == 3:
            refuse("field")
        if kind == 1:
            return self.call(coder, batch, to)
        length = number(coder, 23, (to, 0))
        if length == 0 or length % 32 == 4:
            refuse("not_canonical")
        batch.spend(length)
        return bytes(self.free_byte(coder, to) for _ in range(length)), 0

    def call(self, coder: Coder, batch: "Reader", to: int) -> tuple[bytes, int]:
        name, node = b"", 1
        for _ in range(4):
            byte = coder.symbol(8, [context(21, 1, to, node), context(21, 2, node)], 21)
            name, node = name + bytes([byte]), (node << 8 | byte) & MASK
        selector = context(node)
        words = number(coder, 22, (selector, context(to, selector)))
        batch.spend(4 + 32 * words)
        above_at, above_length = self.last_call.get((to, selector), (0, 0))
        self.last_call[to, selector] = (len(self.bytes), 32 * words)
        data, tokens = name, (0, 0)
        for index in range(words):
            above = above_at + 32 * index if 32 * index < above_length else None
            token, word = self.word(coder, batch.addresses, to, context(selector, index), above, tokens)
            data, tokens = data + word, (token, tokens[0])
        return data, selector

    def word(
        self,
        coder: Coder,
        addresses: Dictionary,
        to: int,
        at: int,
        above: int | None,
        tokens: tuple[int, int],
    ) -> tuple[int, bytes]:
        above_word = bytes(self.bytes[above : above + 32]) if above is not None else b""
        above_word = above_word if len(above_word) == 32 else bytes(32)
        above_token = len(above_word.lstrip(b"\0")) if above is not None else 63
        parts = [(1, at), (2, at, to), (3, *tokens), (4, at, above_token, tokens[0])]
        token = coder.symbol(6, [context(24, *part) for part in parts], 24)
        if token == 33:
            index, word = self.words.index(coder, (at, context(at, to)))
            if not index:
                refuse("not_canonical")
            self.extend(word)
        elif token == 20:
            _, address = addresses.read(coder, (at, context(at, to)))
            if not address[0]:
                refuse("not_canonical")
            word = bytes(12) + address
            self.extend(word)
        elif token <= 32:
            self.extend(bytes(32 - token))
            word = bytes(32 - token)
            for index in range(32 - token, 32):
                word += bytes([self.word_byte(coder, at, 32 - index, token, above_word[index])])
            if token and not word[32 - token]:
                refuse("not_canonical")
            if token >= 8:
                if word in self.words.indices:
                    refuse("not_canonical")
                self.words.insert(word)
        else:
            refuse("field")
        return token, word

    def extend(self, data: bytes) -> None:
        for byte in data:
            self.push(byte)

    def push(self, byte: int) -> None:
        """Take a byte up, and look for what followed the last occurrence of the last five."""
        self.bytes.append(byte)
        if self.repeat and self.bytes[self.repeat] == byte:
            self.repeat, self.repeated = self.repeat + 1, self.repeated + 1
        else:
            self.repeat = self.repeated = 0
        if len(self.bytes) < 5:
            return
        last = self.bytes[-5:]
        slot = context(int.from_bytes(last[:4], "little"), last[4]) >> 16
        if not self.repeat:
            self.repeat = self.ends.get(slot, 0)
        self.ends[slot] = len(self.bytes)

    def behind(self, distance: int) -> int:
        return self.bytes[-distance] if distance <= len(self.bytes) else 0

    def foretold(self) -> tuple[int, int]:
        return (self.bytes[self.repeat] + 1, min(self.repeated, 15)) if self.repeat else (0, 0)

    def _byte(self, coder: Coder, parts: Sequence[tuple[int, ...]], weights: int, held: int) -> int:
        contexts = [context(40, *part) for part in parts]
        byte = coder.symbol(8, contexts, weights + (held > 0) + (held > 8))
        self.push(byte)
        return byte

    def word_byte(self, coder: Coder, at: int, from_end: int, significant: int, above: int) -> int:
        one, two, three = (self.behind(distance) for distance in (1, 2, 3))
        foretold, held = self.foretold()
        parts = [
            *((1, at, from_end, one), (2, significant, from_end, one), (3, one, two)),
            *((4, at, from_end, above), (5, one, two, three), (6, foretold, held)),
        ]
        return self._byte(coder, parts, 40, held)

    def free_byte(self, coder: Coder, to: int) -> int:
        one, two, three, four = (self.behind(distance) for distance in (1, 2, 3, 4))
        foretold, held = self.foretold()
        parts = [
            *((7, one), (8, one, two), (5, one, two, three), (9, one, two, three, four)),
            *((6, foretold, held), (10, to)),
        ]
        return self._byte(coder, parts, 44, held)


# Columns.


@dataclass
class Transaction:
    """Its fields, and what later columns are predicted from."""

    kind: int
    creates: bool
    key: int
    to_index: int = 0
    to: bytes = b""
    data: bytes = b""
    call: int = 0
    nonce: int = 0
    tip: int = 0
    max_fee: int = 0
    gas_limit: int = 0
    value: int = 0
    access_list: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    authorizations: list[tuple[int, bytes, int, int, int, int]] = field(default_factory=list)

    @property
    def keys(self) -> tuple[int, int]:
        return self.call, context(self.to_index, self.call)

    def encode(self, chain_id: int, r: bytes, s: bytes) -> bytes:
        """EIP-2718 bytes; the signature's parity stands in the highest bit of s (BAT-035)."""
        parity, low = s[0] >> 7, bytes([s[0] & 0x7F]) + s[1:]
        signature = [parity, int.from_bytes(r, "big"), int.from_bytes(low, "big")]
        middle: list[Any] = [self.gas_limit, self.to, self.value, self.data]
        if KINDS[self.kind] in ("legacy", "unprotected"):
            signature[0] += 27 if KINDS[self.kind] == "unprotected" else 35 + 2 * chain_id
            return bytes(rlp.encode([self.nonce, self.max_fee, *middle, *signature]))
        fees = [self.tip, self.max_fee] if self.kind > 2 else [self.max_fee]
        parts = [chain_id, self.nonce, *fees, *middle, self.access_list]
        if KINDS[self.kind] == "eip7702":
            parts.append(self.authorizations)
        return bytes([1, 2, 4][self.kind - 2 : self.kind - 1]) + bytes(rlp.encode([*parts, *signature]))


class Reader:
    """A batch's columns (BAT-012)."""

    def __init__(self, data: bytes, chain_id: int) -> None:
        self.chain_id = chain_id
        if len(data) > MOST_BYTES:
            refuse("too_many_bytes")
        if data[:1] != b"\0":
            refuse("version" if data else "truncated")
        if len(data) < 34:
            refuse("truncated")
        self.parent_output = data[1:33]
        length, at = self._length(data, 33)
        if len(data) < at + length:
            refuse("truncated")
        self.coder = Coder(data[at : at + length], data[at + length :])
        self.size, self.content = len(data), 0
        self.addresses, self.calls = Dictionary(6, 20), Calls()

    @staticmethod
    def _length(data: bytes, at: int) -> tuple[int, int]:
        """BAT-011."""
        length = 0
        for place in range(4):
            if at + place >= len(data):
                refuse("truncated")
            byte = data[at + place]
            length |= (byte & 0x7F) << 7 * place
            if not byte & 0x80:
                return (length, at + place + 1) if byte or not place else refuse("not_canonical")
        return refuse("not_canonical")

    def spend(self, size: int) -> None:
        """BAT-041."""
        self.content += size
        if self.content > BLOB_CONTENT * -(-self.size // BLOB_DATA_BYTES):
            refuse("ratio")

    def zeros(self) -> int:
        """BAT-045: how many follow the raw part."""
        size = self.size - len(self.coder.raw_part)
        blobs = -(-self.content // BLOB_CONTENT)
        return (blobs - 1) * BLOB_DATA_BYTES + 1 - size if blobs > -(-size // BLOB_DATA_BYTES) else 0

    def read(self) -> dict[str, Any]:
        coder = self.coder
        blocks = count(coder, 0, (0, 0), MOST_BLOCKS, "block_count")
        slots, origins, counts = self._blocks(blocks)
        log_indices, last = [], 0
        for _ in range(count(coder, 13, (4, 0), MOST_ENTRIES, "list_length")):
            log_indices.append(below(coder, 4, (last, 0), bits=32))
            last = log_indices[-1].bit_length()
        self.spend(8 * blocks + 2 * len(log_indices))
        if sum(counts) > len(coder.raw_part) // 64:
            refuse("truncated")
        encoded = iter(self._transactions(sum(counts)))
        if number(coder, 17) != 0:
            refuse("version")  # BAT-013
        coder.finish(self.zeros())
        return {
            "parentOutput": "0x" + self.parent_output.hex(),
            "logIndices": log_indices,
            "blocks": [
                {
                    "slotDelta": slot,
                    "originDelta": origin,
                    "transactions": ["0x" + next(encoded).hex() for _ in range(transactions)],
                }
                for slot, origin, transactions in zip(slots, origins, counts, strict=True)
            ],
        }

    def _blocks(self, blocks: int) -> tuple[list[int], list[int], list[int]]:
        coder, slots, origins, counts = self.coder, [], [], []
        last = 0
        for _ in range(blocks):
            more = below(coder, 1, (last, 0))
            slots.append(more + 1 if more + 1 < 1 << 64 else refuse("field"))
            last = min(more, 255)
        since = 0
        for _ in range(blocks):
            origins.append(below(coder, 2, (since, 0)))
            since = 0 if origins[-1] else since + 1
        last = 0
        for _ in range(blocks):
            counts.append(below(coder, 3, (last, 0)))
            last = counts[-1].bit_length()
        return slots, origins, counts

    def _transactions(self, count_: int) -> list[bytes]:
        coder = self.coder
        self.spend(64 * count_)
        txs = self._kinds(count_)
        last = 0
        for tx in txs:
            if not tx.creates:
                keys = (tx.key, context(tx.key, last))
                tx.to_index, tx.to = self.addresses.read(coder, keys)
                last = tx.to_index
        for tx in txs:
            to = MASK if tx.creates else tx.to_index
            tx.data, selector = self.calls.read(coder, self, to)
            tx.call = context(tx.key, selector, int(not tx.data))
        expected = Expected()
        for tx in txs:
            tx.nonce = expected.read(coder, 7, tx.to_index)
        tips, headrooms, gas_limits, values = Repeats(), Repeats(), Repeats(), Repeats()
        for tx in txs:
            tx.tip = tips.read(coder, 8, (tx.key, tx.to_index))
            more = headrooms.read(coder, 9, (tx.key, tx.to_index)) if tx.kind > 2 else 0
            tx.max_fee = tx.tip + more if tx.tip + more < 1 << 128 else refuse("field")
        for tx in txs:
            tx.gas_limit = gas_limits.read(coder, 10, tx.keys)
            if tx.gas_limit >> 64:
                refuse("field")
        for tx in txs:
            tx.value = self._value(tx, values)
        for tx in txs:
            if tx.kind >= 2:
                tx.access_list = self._access_list(tx)
        for tx in txs:
            if tx.kind == 4:
                length = count(coder, 13, (15, 0), MOST_ENTRIES, "list_length")
                self.spend(128 * length)
                tx.authorizations = [self._authorization() for _ in range(length)]
        return [tx.encode(self.chain_id, coder.raw(32), coder.raw(32)) for tx in txs]

    def _kinds(self, count_: int) -> list[Transaction]:
        txs: list[Transaction] = []
        last = before = 0
        for _ in range(count_):
            contexts = [context(5, 1), context(5, 2, last), context(5, 3, last, before)]
            key = self.coder.symbol(4, contexts, 5)
            if key >> 1 >= len(KINDS) or key == 9:
                refuse("field")
            txs.append(Transaction(key >> 1, bool(key & 1), key))
            last, before = key, last
        return txs

    def _value(self, tx: Transaction, values: Repeats) -> int:
        if not self.coder.symbol(1, [context(12)], 12):
            return values.read(self.coder, 11, tx.keys)
        value = int.from_bytes(self.coder.raw(32), "big")
        return value if value >> 128 else refuse("not_canonical")

    def _access_list(self, tx: Transaction) -> list[tuple[bytes, list[bytes]]]:
        coder = self.coder
        length = count(coder, 13, (tx.call, context(tx.call, tx.to_index)), MOST_ENTRIES, "list_length")
        self.spend(20 * length)
        found = []
        for _ in range(length):
            index, address = self.addresses.read(coder, (14, tx.to_index))
            keys = count(coder, 14, (index, 0), MOST_ENTRIES, "list_length")
            self.spend(32 * keys)
            words, tokens = [], (0, 0)
            for _ in range(keys):
                at = context(14, index)
                token, word = self.calls.word(coder, self.addresses, index, at, None, tokens)
                words.append(word)
                tokens = (token, tokens[0])
            found.append((address, words))
        return found

    def _authorization(self) -> tuple[int, bytes, int, int, int, int]:
        """BAT-036."""
        coder = self.coder
        form = coder.symbol(3, [context(15)], 15)
        scope, plain = form >> 1, form & 1
        if scope == 3:
            refuse("field")
        chain_id = (self.chain_id, 0)[scope] if scope < 2 else int.from_bytes(coder.raw(32), "big")
        if scope == 2 and chain_id in (0, self.chain_id):
            refuse("not_canonical")
        _, address = self.addresses.read(coder, (15, 0))
        nonce = below(coder, 16)
        r, s = coder.raw(32), coder.raw(32)
        if plain:
            parity = coder.raw(1)[0]
            if not s[0] & 0x80 and parity <= 1:
                refuse("not_canonical")
        else:
            parity, s = s[0] >> 7, bytes([s[0] & 0x7F]) + s[1:]
        return chain_id, address, nonce, parity, int.from_bytes(r, "big"), int.from_bytes(s, "big")
