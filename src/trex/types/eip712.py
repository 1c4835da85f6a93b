"""Structured data that keys sign (EIP-712)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_account.messages import encode_typed_data

from trex.types.evm import checksum_address
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

Fields = tuple[tuple[str, str], ...]
"""Members of a struct in order: type, name."""

_DOMAIN = [
    ("string", "name"),
    ("string", "version"),
    ("uint256", "chainId"),
    ("address", "verifyingContract"),
]


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: one contract of one chain."""

    name: str
    """As the contract calls itself (EIP-5267)."""
    chain_id: int
    """By EIP-155."""
    contract: Address
    """Who checks the signature."""


@dataclass(frozen=True, slots=True)
class TypedMessage:
    """What is signed."""

    domain: Domain
    """Where it counts."""
    primary: str
    """Name of the struct that is signed."""
    structs: Mapping[str, Fields]
    """That struct and those that it refers to."""
    value: Mapping[str, Any]
    """By member; bytes as bytes, addresses as `0x` and 40 digits."""

    def digest(self) -> Hash32:
        """What a key signs: keccak256 of 0x1901, the domain's hash and the struct's."""
        encoded = encode_typed_data(
            {
                "name": self.domain.name,
                "version": "1",
                "chainId": self.domain.chain_id,
                "verifyingContract": checksum_address(self.domain.contract),
            },
            {
                name: [{"type": kind, "name": member} for kind, member in members]
                for name, members in self.structs.items()
            },
            dict(self.value),
        )
        return keccak256(b"\x19" + encoded.version + encoded.header + encoded.body)

    def document(self) -> dict[str, Any]:
        """Write it as wallets take it (`eth_signTypedData_v4`); numbers as decimal text."""
        structs = {"EIP712Domain": _DOMAIN, **self.structs}
        return {
            "types": {
                name: [{"type": kind, "name": member} for kind, member in members]
                for name, members in structs.items()
            },
            "primaryType": self.primary,
            "domain": {
                "name": self.domain.name,
                "version": "1",
                "chainId": self.domain.chain_id,
                "verifyingContract": checksum_address(self.domain.contract),
            },
            "message": _plain(dict(self.value)),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
