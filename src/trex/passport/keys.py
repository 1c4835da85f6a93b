"""Keys that act for a passport or are linked to it (PAS-002)."""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from eth_abi.abi import encode

from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32


class KeyKind(IntEnum):
    """How a key signs."""

    EVM = 1
    """An account: an EOA by ECDSA, a contract by ERC-1271, one not yet deployed by ERC-6492."""
    PASSKEY = 2
    """P-256 through WebAuthn."""
    ED25519 = 3
    """As Solana's wallets sign."""


class Role(IntEnum):
    """What a key is in a passport (PAS-003)."""

    NONE = 0
    """Not in it."""
    ACTING = 1
    """Acts for it alone."""
    LINKED = 2
    """Belongs to it, without power."""


_LENGTHS = {KeyKind.EVM: 20, KeyKind.PASSKEY: 96, KeyKind.ED25519: 32}
P256_ORDER = 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551
"""Order of the group of P-256 (SEC 2, 2.4.2)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key or account."""

    kind: KeyKind
    """How it signs."""
    data: bytes
    """EVM: the account. Passkey: x, y, SHA-256 of the relying party's id. ed25519: the public key."""

    def __post_init__(self) -> None:
        """Refuse data of another length (PAS-002)."""
        if len(self.data) != _LENGTHS[self.kind]:
            raise ValueError(
                f"a key of kind {self.kind.name} has {_LENGTHS[self.kind]} bytes, not {len(self.data)}"
            )

    @property
    def id(self) -> Hash32:
        """Name of the key on the chain."""
        return keccak256(encode(["uint8", "bytes"], [self.kind, self.data]))

    @property
    def tuple(self) -> tuple[int, bytes]:
        """As the ABI encodes it."""
        return (int(self.kind), self.data)

    @property
    def address(self) -> Address:
        """The account of an EVM key.

        Raises:
            ValueError: it is of another kind.
        """
        if self.kind is not KeyKind.EVM:
            raise ValueError(f"a key of kind {self.kind.name} is no account")
        return Address(self.data)


def evm_key(address: Address) -> Key:
    """Name an account."""
    return Key(KeyKind.EVM, bytes(address))


def ed25519_key(public_key: bytes) -> Key:
    """Name an ed25519 public key."""
    return Key(KeyKind.ED25519, public_key)


def passkey(x: int, y: int, relying_party: str) -> Key:
    """Name a passkey.

    Args:
        x: of its public point.
        y: of its public point.
        relying_party: the domain it was made for.
    """
    return Key(KeyKind.PASSKEY, x.to_bytes(32) + y.to_bytes(32) + sha256(relying_party.encode()).digest())
