"""What is sent on the feed, and who signed it. Pure but for the cache of signatures."""

from collections import OrderedDict
from dataclasses import dataclass

import rlp
from eth_hash.auto import keccak
from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from trex.types.primitives import Address, Hash32

VERSION = 0
SIGNATURE_BYTES = 65
HEAD_BYTES = 1 + 8 + 32 + SIGNATURE_BYTES
MAX_MESSAGE_BYTES = 64 << 20
"""FED-011."""
DOMAIN = keccak(b"T-Rex feed")
"""Keeps a signature from meaning anything elsewhere (FED-003)."""
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
NUMBER_FIELD, PARENT_FIELD = 8, 0


class FeedError(ValueError):
    """A message that is refused; `code` is stable: `malformed`, `signature`, `hash`, `fork`, `invalid`."""

    def __init__(self, code: str, message: str) -> None:
        """Make an error."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Told:
    """A block as the feed tells it."""

    number: int
    hash: Hash32
    parent: Hash32
    signature: bytes
    block: bytes
    """RLP."""


def digest(chain_id: int, number: int, hash_: bytes) -> bytes:
    """Return what is signed of a block (FED-003)."""
    return keccak(DOMAIN + chain_id.to_bytes(32, "big") + number.to_bytes(32, "big") + hash_)


def encode(number: int, hash_: bytes, signature: bytes, block: bytes) -> bytes:
    """Write a message (FED-002)."""
    return b"".join((bytes([VERSION]), number.to_bytes(8, "big"), hash_, signature, block))


def decode(message: bytes) -> Told:
    """Read a message and check that it is about the block it carries.

    Raises:
        FeedError: `malformed`, or `hash` where number or hash are not the header's.
    """
    if len(message) <= HEAD_BYTES or message[0] != VERSION:
        raise FeedError("malformed", "not a message of the feed")
    number, hash_ = int.from_bytes(message[1:9], "big"), message[9:41]
    block = message[HEAD_BYTES:]
    try:
        header = _header(block)
        fields = rlp.decode(header)
        claimed = int.from_bytes(fields[NUMBER_FIELD], "big")
        parent = Hash32(fields[PARENT_FIELD])
    except (rlp.exceptions.DecodingError, IndexError, RecursionError, TypeError) as error:
        raise FeedError("malformed", f"block {number} is no block: {error}") from error
    if claimed != number or keccak(header) != hash_:
        raise FeedError("hash", f"what is sent as block {number} is another")
    return Told(number, Hash32(hash_), parent, message[41:HEAD_BYTES], block)


def signer_of(chain_id: int, told: Told) -> Address:
    """Return who signed a block.

    Raises:
        FeedError: `signature`: it is nobody's.
    """
    if int.from_bytes(told.signature[32:64], "big") > HALF_ORDER:
        raise FeedError("signature", f"block {told.number}: s is in the upper half")
    try:
        signature = Signature(told.signature)
        key = signature.recover_public_key_from_msg_hash(digest(chain_id, told.number, told.hash))
    except (BadSignature, ValidationError) as error:
        raise FeedError("signature", f"block {told.number}: not a signature") from error
    return Address(key.to_canonical_address())


class Signatures:
    """Signatures of blocks by hash: made here with the sequencer's key, or got from others."""

    def __init__(self, chain_id: int, key: bytes | None = None, *, most: int = 8192) -> None:
        """Start with none.

        Args:
            chain_id: of the network.
            key: the sequencer's, 32 bytes; None for a node that tells on what it was told.
            most: how many are kept.

        Raises:
            ValidationError: not a key.
        """
        self.chain_id = chain_id
        self.most = most
        self._key = None if key is None else PrivateKey(key)
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def keep(self, hash_: bytes, signature: bytes) -> None:
        """Remember a signature that was checked."""
        self._known[hash_] = signature
        self._known.move_to_end(hash_)
        while len(self._known) > self.most:
            self._known.popitem(last=False)

    def of(self, number: int, hash_: bytes) -> bytes | None:
        """Return a block's signature; None where there is none here."""
        known = self._known.get(hash_)
        if known is None and self._key is not None:
            known = self._key.sign_msg_hash(digest(self.chain_id, number, hash_)).to_bytes()
            self.keep(hash_, known)
        return known


def _header(block: bytes) -> bytes:
    """Return the first item of a list: a block's header."""
    _, _, _, start = rlp.codec.consume_length_prefix(block, 0)
    _, _, length, at = rlp.codec.consume_length_prefix(block, start)
    return block[start : at + length]
