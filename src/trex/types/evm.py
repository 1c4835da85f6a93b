"""Words of Ethereum that persona packages need: addresses as text, signatures of EIP-191 messages."""

import re

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Order of the curve's group (SEC 2, 2.4.1)."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class SignatureError(ValueError):
    """A signature that is not in its one accepted form, or that no key could have made."""


def read_address(text: str) -> Address:
    """Read an address; letters of both cases must be its EIP-55 checksum.

    Raises:
        ValueError: not an address, or its checksum is wrong.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is not an address: 0x and 40 hexadecimal digits")
    digits = text[2:]
    if (
        digits not in (digits.lower(), digits.upper())
        and checksum_address(Address(bytes.fromhex(digits))) != text
    ):
        raise ValueError(f"{text} has a wrong EIP-55 checksum")
    return Address(bytes.fromhex(digits))


def checksum_address(address: Address) -> str:
    """Write an address with its checksum (EIP-55)."""
    digits = address.hex()
    hash_ = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, hash_, strict=False)
    )


def recover_message_signer(message: bytes, signature: bytes) -> Address:
    """Tell whose key signed a message by `personal_sign` (EIP-191, version 0x45).

    Args:
        message: the bytes that were signed, without the prefix.
        signature: r, s and v, 65 bytes; v is 27 or 28 and s is in the lower half of the order, so that
            there is one signature for a message and key, not a second one beside it (EIP-2).

    Raises:
        SignatureError: the signature is not of that form, or no key fits it.
    """
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
    return recover_digest_signer(digest, signature)


def recover_digest_signer(digest: Hash32, signature: bytes) -> Address:
    """Tell whose key signed a digest.

    Args:
        digest: 32 bytes.
        signature: in the one form that `recover_message_signer` takes.

    Raises:
        SignatureError: the signature is not of that form, or no key fits it.
    """
    if len(signature) != 65:
        raise SignatureError(f"a signature has 65 bytes, this has {len(signature)}")
    r, s, v = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]
    if v not in (27, 28):
        raise SignatureError(f"v is 27 or 28, this is {v}")
    if not 0 < r < SECP256K1_ORDER or not 0 < s < SECP256K1_ORDER:
        raise SignatureError("r or s is outside the curve's order")
    if s > SECP256K1_ORDER // 2:
        raise SignatureError("s is in the upper half: a twin of another signature")
    try:
        key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise SignatureError(f"no key fits this signature: {error}") from error
    return Address(key.to_canonical_address())
