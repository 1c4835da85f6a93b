"""What opens a private link: that a wallet is a passport's, though the chain does not say so (PAS-045)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from trex.passport.client import PersonaClient
from trex.passport.contracts import CREDENTIAL_OF
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32


@dataclass(frozen=True, slots=True)
class PrivateLink:
    """A wallet's nullifier, and the salt under which its binding commits to the wallet."""

    key_id: Hash32
    """Of the wallet."""
    nullifier: Hash32
    """Canonical (PAS-040)."""
    salt: Hash32
    """Drawn when it was linked."""

    def write(self) -> dict[str, str]:
        """Write it as JSON."""
        return {
            "keyId": f"0x{self.key_id.hex()}",
            "nullifier": f"0x{self.nullifier.hex()}",
            "salt": f"0x{self.salt.hex()}",
        }


def read_private_link(told: Mapping[str, Any]) -> PrivateLink:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = [bytes.fromhex(told[name].removeprefix("0x")) for name in ("keyId", "nullifier", "salt")]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not what opens a private link") from error
    if any(len(one) != 32 for one in found):
        raise ValueError("what opens a private link is 32 bytes each")
    return PrivateLink(*map(Hash32, found))


def commitment_of(passport: int, key_id: Hash32, salt: bytes) -> Hash32:
    """What the binding of a private link commits to (PAS-045)."""
    return keccak256(encode(["uint256", "bytes32", "bytes32"], [passport, key_id, salt]))


async def are_linked(
    client: PersonaClient, passport: int, links: list[PrivateLink], block: str = "latest"
) -> list[bool]:
    """Whether each link stood at a block, as the chain has the commitments.

    Raises:
        EndpointError: the chain does not answer.
    """
    if not links:
        return []
    at = client.contracts.nullifiers
    told = await client.ask(*((at, CREDENTIAL_OF, (one.nullifier,)) for one in links), block=block)
    return [
        found is not None
        and found[0] == passport
        and bytes(found[9]) == commitment_of(passport, one.key_id, one.salt)
        for one, found in zip(links, told, strict=True)
    ]
