"""`did:trex`: a passport as a W3C decentralized identifier (specs/did.md)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.util import urlsafe_b64encode
from solders.pubkey import Pubkey

from trex.passport.client import HeldKey, PersonaClient
from trex.passport.keys import Key, KeyKind, Role
from trex.types.evm import checksum_address

METHOD = "trex"
_DID = re.compile(r"did:trex:([1-9][0-9]{0,15}):([1-9][0-9]{0,28})")
SOLANA_MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
"""Solana's main network as CAIP-2 names it."""
CONTEXT = (
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/suites/jws-2020/v1",
    "https://w3id.org/security/suites/ed25519-2020/v1",
    "https://w3id.org/security/suites/secp256k1recovery-2020/v2",
)
"""JSON-LD contexts of a document."""


class DidError(ValueError):
    """Not a DID of this method."""


@dataclass(frozen=True, slots=True)
class TrexDid:
    """One passport of one network."""

    chain_id: int
    """Of the network (EIP-155)."""
    passport: int
    """Number of the passport."""

    def __str__(self) -> str:
        """Write it (DID-001)."""
        return f"did:{METHOD}:{self.chain_id}:{self.passport}"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is known of a DID at one block."""

    document: dict[str, Any]
    """The DID document."""
    version: int
    """Number of the block that it is as of (DID-021)."""
    generation: int
    """Of the passport's keys."""


def read_did(text: str) -> TrexDid:
    """Read a DID, without path, query or fragment (DID-001).

    Raises:
        DidError: it is none of this method.
    """
    found = _DID.fullmatch(text)
    if found is None:
        raise DidError(f"{text[:80]!r} is not did:trex:CHAIN:NUMBER")
    return TrexDid(int(found[1]), int(found[2]))


def write_document(did: TrexDid, keys: Sequence[HeldKey], service: str = "") -> dict[str, Any]:
    """Write the DID document of a passport (DID-010 to DID-014).

    Args:
        did: which.
        keys: its living keys.
        service: URL of a gateway that answers for it; empty for none.
    """
    acting = [one.key for one in keys if one.role is Role.ACTING]
    methods = [_method(did, key) for key in acting]
    names = [method["id"] for method in methods]
    document: dict[str, Any] = {
        "@context": list(CONTEXT),
        "id": str(did),
        "verificationMethod": methods,
        "authentication": names,
        "assertionMethod": names,
        "capabilityInvocation": names,
        "alsoKnownAs": [name for one in keys if (name := did_pkh(one.key, did.chain_id))],
    }
    if service:
        document["service"] = [
            {"id": f"{did}#gateway", "type": "TrexPersonaGateway", "serviceEndpoint": service}
        ]
    return document


def did_pkh(key: Key, chain_id: int) -> str:
    """Name a wallet as did:pkh does, over CAIP-10; empty for passkeys (DID-013)."""
    if key.kind is KeyKind.EVM:
        return f"did:pkh:eip155:{chain_id}:{checksum_address(key.address)}"
    if key.kind is KeyKind.ED25519:
        return f"did:pkh:solana:{SOLANA_MAINNET}:{Pubkey.from_bytes(key.data)}"
    return ""


def _method(did: TrexDid, key: Key) -> dict[str, Any]:
    """A verification method; its fragment is the key's id on the chain (DID-011)."""
    method: dict[str, Any] = {"id": f"{did}#{key.id.hex()}", "controller": str(did)}
    if key.kind is KeyKind.EVM:
        account = f"eip155:{did.chain_id}:{checksum_address(key.address)}"
        return method | {"type": "EcdsaSecp256k1RecoveryMethod2020", "blockchainAccountId": account}
    if key.kind is KeyKind.ED25519:
        # Multicodec ed25519-pub (0xed01) in multibase base58-btc.
        return method | {
            "type": "Ed25519VerificationKey2020",
            "publicKeyMultibase": "z" + _base58(b"\xed\x01" + key.data),
        }
    jwk = {"kty": "EC", "crv": "P-256"} | {
        name: urlsafe_b64encode(key.data[at : at + 32]).decode() for name, at in (("x", 0), ("y", 32))
    }
    return method | {"type": "JsonWebKey2020", "publicKeyJwk": jwk}


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _base58(raw: bytes) -> str:
    number, text = int.from_bytes(raw), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


async def resolve(
    client: PersonaClient, did: TrexDid, *, block: int | None = None, service: str = ""
) -> Resolution | None:
    """Resolve a DID from the chain's state at one block (DID-020, DID-021); None if there is none.

    Args:
        client: of the DID's network.
        did: which.
        block: as of which; None for the newest.
        service: URL of a gateway that answers for it.

    Raises:
        DidError: the DID is of another network than the client.
        UnavailableError: the chain does not answer.
        RefusedError: it has not that block, or not its state.
    """
    if did.chain_id != client.contracts.chain_id:
        raise DidError(f"{did} is of another network than chain {client.contracts.chain_id}")
    number = hex(block) if block is not None else (await client.latest())[0]
    state = await client.state(did.passport, number)
    if state is None:
        return None
    keys = await client.keys(did.passport, number)
    return Resolution(write_document(did, keys, service), int(number, 16), state.generation)
