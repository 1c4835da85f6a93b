"""Signatures in the form in which the key verifier takes them (PAS-006 to PAS-008)."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey

from trex.passport.acts import Act
from trex.passport.keys import P256_ORDER
from trex.types.primitives import Address

_ERC6492_MAGIC = bytes.fromhex("6492" * 16)


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that a key's owner agrees."""

    deadline_s: int
    """Last second at which it counts, Unix time."""
    issued_at_s: int
    """0: the EIP-712 digest is signed; else a sign-in text is, that says it was issued then."""
    signature: bytes
    """By kind of key; empty if the account sends the transaction itself."""

    @property
    def tuple(self) -> tuple[int, int, bytes]:
        """As the ABI encodes it."""
        return (self.deadline_s, self.issued_at_s, self.signature)


def sign_evm(act: Act, private_key: bytes) -> Proof:
    """Sign an act's EIP-712 data with an account's key."""
    signature = PrivateKey(private_key).sign_msg_hash(act.message.digest())
    r, s = signature.r.to_bytes(32), signature.s.to_bytes(32)
    return Proof(act.deadline_s, 0, r + s + bytes([27 + signature.v]))


def sign_text(act: Act, issued_at_s: int, text: str, sign: Callable[[bytes], bytes]) -> Proof:
    """Have a wallet sign the text of an act: `personal_sign` for EVM, ed25519 for Solana.

    Args:
        act: what is agreed to.
        issued_at_s: as the text says it.
        text: of `Act.text`.
        sign: returns 65 or 64 bytes.
    """
    return Proof(act.deadline_s, issued_at_s, sign(text.encode()))


def passkey_signature(authenticator_data: bytes, client_data: bytes, der_signature: bytes) -> bytes:
    """Encode what an authenticator answered, s brought to the lower half (PAS-007).

    Raises:
        ValueError: the signature is no DER encoding of two numbers.
    """
    r, s = decode_dss_signature(der_signature)
    return encode(
        ["bytes", "bytes", "uint256", "uint256"],
        [authenticator_data, client_data, r, min(s, P256_ORDER - s)],
    )


def undeployed_signature(factory: Address, creation: bytes, signature: bytes) -> bytes:
    """Wrap the signature of a wallet that is not deployed yet (ERC-6492).

    Args:
        factory: deploys it.
        creation: calldata for the factory.
        signature: as the wallet takes it by ERC-1271.
    """
    return encode(["address", "bytes", "bytes"], [factory, creation, signature]) + _ERC6492_MAGIC
