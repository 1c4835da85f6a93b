"""Wallets whose keys a program holds: they sign in, and sign acts on passports."""

from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_keys.datatypes import PrivateKey

from trex.passport.keys import Key, ed25519_key, evm_key
from trex.types.primitives import Address


class Wallet(Protocol):
    """Signs for one key."""

    @property
    def key(self) -> Key:
        """Whose signature it gives."""

    def sign_text(self, text: str) -> bytes:
        """Sign a sign-in text."""

    def sign_data(self, document: dict[str, Any]) -> bytes | None:
        """Sign structured data (EIP-712); None if this kind of wallet signs texts only."""


@dataclass(frozen=True, slots=True)
class EvmWallet:
    """An account of EVM chains."""

    private_key: bytes
    """32 bytes."""

    @property
    def key(self) -> Key:
        """The account."""
        return evm_key(self.address)

    @property
    def address(self) -> Address:
        """The account."""
        return Address(PrivateKey(self.private_key).public_key.to_canonical_address())

    def sign_text(self, text: str) -> bytes:
        """Sign by `personal_sign` (EIP-191)."""
        return bytes(Account.sign_message(encode_defunct(text.encode()), self.private_key).signature)

    def sign_data(self, document: dict[str, Any]) -> bytes | None:
        """Sign as `eth_signTypedData_v4` does."""
        message = encode_typed_data(full_message=document)
        return bytes(Account.sign_message(message, self.private_key).signature)

    def __repr__(self) -> str:
        """Show whose it is, never the key."""
        return f"EvmWallet(0x{self.address.hex()})"


@dataclass(frozen=True, slots=True)
class SolanaWallet:
    """An account of Solana."""

    seed: bytes
    """Ed25519's, 32 bytes."""

    @property
    def key(self) -> Key:
        """The public key."""
        return ed25519_key(Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign_text(self, text: str) -> bytes:
        """Sign the bytes of a text."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())

    def sign_data(self, document: dict[str, Any]) -> bytes | None:
        """Solana's wallets sign texts only."""
        return None

    def __repr__(self) -> str:
        """Show whose it is, never the seed."""
        return f"SolanaWallet({self.key.data.hex()})"
